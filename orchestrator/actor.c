// SPDX-License-Identifier: MIT
// actor.c - the table of actors.
#include "orchestrator/actor.h"

#include <string.h>

#include "orchestrator/scaffold.h"

static const struct assay_actor_kind *const kinds[] = {&assay_actor_gold, &assay_actor_noop,
        &assay_actor_script, &assay_actor_command, &assay_actor_openai, &assay_actor_embedded};

static enum assay_status configure(struct assay_actor *out, const char *name,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *colon = strchr(name, ':');
    const size_t len = colon != NULL ? (size_t)(colon - name) : strlen(name);

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strlen(kinds[i]->name) != len || strncmp(kinds[i]->name, name, len) != 0)
            continue;
        *out = (struct assay_actor){.kind = kinds[i], .name = name};
        return kinds[i]->configure == NULL
                ? ASSAY_OK
                : kinds[i]->configure(
                          &out->config, colon != NULL ? colon + 1 : "", invocation, err);
    }
    return assay_fail(err, ASSAY_EUSAGE,
            "--actor: '%.100s' is not gold, noop, script:FILE, command:PROGRAM, openai:MODEL or "
            "embedded:MODEL",
            name);
}

enum assay_status assay_actor_make(struct assay_actor *out, const char *name,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    const enum assay_status status = configure(out, name, invocation, err);

    return status == ASSAY_OK ? assay_scaffold_lead(out, invocation, err) : status;
}

enum assay_status assay_actor_make_model(struct assay_actor *out, const char *name,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    const enum assay_status status = configure(out, name, invocation, err);

    if (status != ASSAY_OK || out->kind->ask != NULL)
        return status;
    assay_actor_release(out);
    return assay_fail(err, ASSAY_EUSAGE,
            "--actor: '%.100s' answers no questions; openai:MODEL and embedded:MODEL do", name);
}

void assay_actor_release(struct assay_actor *actor)
{
    if (actor->kind != NULL && actor->kind->release != NULL)
        actor->kind->release(actor->config);
    *actor = (struct assay_actor){.kind = NULL};
}
