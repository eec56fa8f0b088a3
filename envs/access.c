// SPDX-License-Identifier: MIT
#include "envs/access.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"

// Programs talk to what is in their own box without the proxy, unless the list says that an
// address of that kind is meant to be the host's.
static enum assay_status set_no_proxy(
        struct assay_environ *vars, const struct assay_strings *hosts, struct assay_error *err)
{
    static const char *const names[] = {"no_proxy", "NO_PROXY"};
    const char *list = "localhost,127.0.0.1,::1";
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < hosts->count; i++)
        if (strncmp(hosts->items[i], "127.0.0.1:", 10) == 0)
            list = "localhost,::1";
    for (size_t i = 0; status == ASSAY_OK && i < sizeof(names) / sizeof(names[0]); i++)
        status = assay_environ_setf(vars, err, "%s=%s", names[i], list);
    return status;
}

static enum assay_status set_variables(
        struct assay_environ *vars, const struct assay_strings *hosts, struct assay_error *err)
{
    // PIP_PROXY stands over a proxy that a pip.conf names.
    static const char *const names[] = {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY",
            "HTTPS_PROXY", "ALL_PROXY", "PIP_PROXY"};
    enum assay_status status = set_no_proxy(vars, hosts, err);

    for (size_t i = 0; status == ASSAY_OK && i < sizeof(names) / sizeof(names[0]); i++)
        status = assay_environ_setf(vars, err, "%s=%s", names[i], ASSAY_PROXY_URL);
    return status;
}

enum assay_status assay_passage_open(struct assay_passage *out, const struct assay_access *access,
        const struct assay_strings *hosts, struct assay_box_plan *plan, struct assay_environ *vars,
        struct assay_error *err)
{
    const size_t count = hosts->count + access->hosts.count;
    const char **items = assay_arena_array(vars->arena, count + 1, sizeof(*items));
    struct assay_passage passage = {.access = access};
    enum assay_status status = ASSAY_OK;

    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "list of hosts");
    if (hosts->count > 0)
        memcpy(items, hosts->items, hosts->count * sizeof(*items));
    if (access->hosts.count > 0)
        memcpy(items + hosts->count, access->hosts.items, access->hosts.count * sizeof(*items));
    const struct assay_strings all = {items, count};

    status = set_variables(vars, &all, err);
    if (status == ASSAY_OK && access->begin != NULL)
        status = access->begin(access->user, &passage.served, &all, err);
    if (status != ASSAY_OK)
        return status;
    plan->network = ASSAY_NETWORK_ALLOWLIST;
    plan->on_listener = access->serve;
    plan->listener = passage.served;
    *out = passage;
    return ASSAY_OK;
}

void assay_passage_close(struct assay_passage *passage, struct assay_buf *refused)
{
    if (passage->access != NULL && passage->access->end != NULL)
        passage->access->end(passage->served, refused);
    passage->access = NULL;
}
