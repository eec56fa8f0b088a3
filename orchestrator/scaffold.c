// SPDX-License-Identifier: MIT
// scaffold.c - the table of scaffolds, and the actor that one of them and a model make together.
#include "orchestrator/scaffold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "orchestrator/scaffold_parts.h"

#define CALL_BYTES_MAX ((size_t)256 << 20)

static const struct assay_scaffold *const scaffolds[] = {
        &assay_scaffold_agent, &assay_scaffold_single, &assay_scaffold_agentless};
static const char *const dialects[ASSAY_DIALECTS] = {[ASSAY_DIALECT_TOOLS] = "tools",
        [ASSAY_DIALECT_BASH] = "bash",
        [ASSAY_DIALECT_PATCH] = "patch"};

struct lead {
    struct assay_actor model; // owned
    const struct assay_scaffold *scaffold;
    enum assay_dialect dialect;
    unsigned repairs;
    char *digest; // owned
};

struct led_episode {
    struct assay_led led; // its state is owned
    const struct assay_scaffold *scaffold;
    void *state; // of the scaffold; owned
};

// --- one episode ---------------------------------------------------------------------------------

static void close_episode(void *state)
{
    struct led_episode *e = state;

    if (e->state != NULL)
        e->scaffold->close(e->state);
    if (e->led.state != NULL)
        e->led.kind->close(e->led.state);
    free(e);
}

static enum assay_status open_episode(void **state, const void *config,
        const struct assay_actor_task *task, struct assay_error *err)
{
    const struct lead *lead = config;
    struct led_episode *e = calloc(1, sizeof(*e));
    enum assay_status status;

    if (e == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "scaffold: out of memory");
    e->scaffold = lead->scaffold;
    e->led = (struct assay_led){.kind = lead->model.kind,
            .task = task,
            .dialect = lead->dialect,
            .repairs = lead->repairs};
    status = lead->model.kind->open(&e->led.state, lead->model.config, task, err);
    if (status == ASSAY_OK)
        status = e->scaffold->open(&e->state, &e->led, err);
    if (status == ASSAY_OK)
        *state = e;
    else
        close_episode(e);
    return status;
}

static enum assay_status next(void *state, const struct assay_actor_seen *seen, size_t seen_count,
        struct assay_actor_message *out, struct assay_error *err)
{
    struct led_episode *e = state;

    return e->scaffold->next(e->state, seen, seen_count, out, err);
}

static void release(void *config)
{
    struct lead *lead = config;

    if (lead == NULL)
        return;
    assay_actor_release(&lead->model);
    free(lead->digest);
    free(lead);
}

static const char *digest(const void *config)
{
    const struct lead *lead = config;

    return lead->digest;
}

static const struct assay_actor_kind led_kind = {.name = "led",
        .release = release,
        .digest = digest,
        .open = open_episode,
        .next = next,
        .close = close_episode};

// --- what the command said -----------------------------------------------------------------------

static enum assay_status read_dialect(
        enum assay_dialect *out, const char *name, struct assay_error *err)
{
    for (size_t i = 0; i < ASSAY_DIALECTS; i++) {
        if (strcmp(dialects[i], name) != 0)
            continue;
        *out = (enum assay_dialect)i;
        return ASSAY_OK;
    }
    return assay_fail(err, ASSAY_EUSAGE, "--dialect: '%.60s' is not tools, bash or patch", name);
}

// The scaffold of that name, or the first that speaks the dialect.
static enum assay_status find_scaffold(
        struct lead *lead, const char *name, const char *dialect, struct assay_error *err)
{
    const size_t count = sizeof(scaffolds) / sizeof(scaffolds[0]);
    enum assay_status status = ASSAY_OK;

    if (dialect != NULL)
        status = read_dialect(&lead->dialect, dialect, err);
    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < count && lead->scaffold == NULL; i++) {
        const struct assay_scaffold *scaffold = scaffolds[i];

        if (name != NULL ? strcmp(scaffold->name, name) == 0
                         : dialect == NULL || scaffold->speaks[lead->dialect])
            lead->scaffold = scaffold;
    }
    if (lead->scaffold == NULL)
        return assay_fail(
                err, ASSAY_EUSAGE, "--scaffold: '%.60s' is not agent, single or agentless", name);
    if (dialect == NULL)
        while (!lead->scaffold->speaks[lead->dialect])
            lead->dialect++;
    if (!lead->scaffold->speaks[lead->dialect])
        return assay_fail(err, ASSAY_EUSAGE, "--scaffold %s does not speak --dialect %s",
                lead->scaffold->name, dialects[lead->dialect]);
    return ASSAY_OK;
}

static enum assay_status describe(struct lead *lead, struct assay_error *err)
{
    const struct assay_actor_kind *kind = lead->model.kind;
    const char *own = kind->digest != NULL ? kind->digest(lead->model.config) : "";

    if (asprintf(&lead->digest, "%s\n%s\n%s\n%u", own, lead->scaffold->name,
                dialects[lead->dialect], lead->repairs) >= 0)
        return ASSAY_OK;
    lead->digest = NULL;
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

enum assay_status assay_scaffold_lead(struct assay_actor *actor,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *name = assay_cli_value(invocation, "scaffold");
    const char *dialect = assay_cli_value(invocation, "dialect");
    uint64_t repairs = 4;
    struct lead *lead = NULL;
    enum assay_status status = ASSAY_OK;

    if (name == NULL && dialect == NULL && actor->kind->next != NULL)
        return ASSAY_OK;
    if (actor->kind->ask == NULL)
        return assay_fail(err, ASSAY_EUSAGE,
                "--scaffold, --dialect: '%.60s' is no model that answers questions", actor->name);
    status = assay_cli_number(&repairs, invocation, "repairs", 1, ASSAY_REPAIRS_MAX, err);
    if (status != ASSAY_OK)
        return status;
    lead = calloc(1, sizeof(*lead));
    if (lead == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    lead->repairs = (unsigned)repairs;
    lead->model = *actor;
    *actor = (struct assay_actor){.kind = &led_kind, .name = lead->model.name, .config = lead};
    status = find_scaffold(lead, name, dialect, err);
    return status == ASSAY_OK ? describe(lead, err) : status;
}

// --- what they share -----------------------------------------------------------------------------

static bool add_call(struct assay_actor_message *out, const char *tool, struct assay_buf *json)
{
    struct assay_actor_call *call = &out->calls[out->call_count];

    if (json->failed || out->call_count == ASSAY_ACTOR_CALLS_MAX)
        return false;
    *call = (struct assay_actor_call){
            .tool = tool, .arguments = assay_arena_strdup(out->arena, json->data)};
    out->call_count++;
    return call->arguments != NULL;
}

bool assay_scaffold_call(struct assay_actor_message *out, const char *tool, const char *key,
        struct assay_bytes value)
{
    struct assay_json_writer w;
    struct assay_buf json;
    bool added;

    assay_buf_init(&json, CALL_BYTES_MAX);
    assay_json_writer_init(&w, &json, 0);
    assay_json_begin_object(&w, NULL);
    if (key != NULL)
        assay_json_put_bytes(&w, key, value.data, value.len);
    assay_json_end_object(&w);
    added = add_call(out, tool, &json);
    assay_buf_free(&json);
    return added;
}

bool assay_scaffold_shell(struct assay_actor_message *out, const char *line)
{
    struct assay_json_writer w;
    struct assay_buf json;
    bool added;

    assay_buf_init(&json, CALL_BYTES_MAX);
    assay_json_writer_init(&w, &json, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "command", line);
    assay_json_put_bool(&w, "apart", true);
    assay_json_end_object(&w);
    added = add_call(out, "bash", &json);
    assay_buf_free(&json);
    return added;
}

static bool is_marked(const char *word, size_t len, const char *const *marks)
{
    for (; *marks != NULL; marks++)
        if (strlen(*marks) == len && memcmp(*marks, word, len) == 0)
            return true;
    return false;
}

bool assay_scaffold_fence(struct assay_bytes *block, const char **at, const char *const *marks)
{
    const char *line = *at;

    while (line != NULL && *line != '\0') {
        const char *after = strchr(line, '\n');
        const char *end = NULL;

        if (strncmp(line, "```", 3) == 0 && after != NULL) {
            const char *word = line + 3;
            const size_t len = (size_t)(after - word) - (after > word && after[-1] == '\r');

            // An empty block ends where it begins.
            end = strncmp(after + 1, "```", 3) == 0 ? after : strstr(after, "\n```");
            if (end == NULL)
                return false;
            if (is_marked(word, len, marks)) {
                *block = (struct assay_bytes){
                        after + 1, end > after ? (size_t)(end - after) - 1 : 0};
                *at = end + 4;
                return true;
            }
            after = strchr(end + 1, '\n');
        }
        line = after != NULL ? after + 1 : NULL;
    }
    return false;
}
