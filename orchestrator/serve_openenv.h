// SPDX-License-Identifier: MIT
// serve_openenv.h - what OpenEnv's clients send. Internal to serve_openenv*.c.
#ifndef ASSAY_ORCHESTRATOR_SERVE_OPENENV_H
#define ASSAY_ORCHESTRATOR_SERVE_OPENENV_H

#include "base/buf.h"
#include "base/json.h"
#include "base/rng.h"
#include "envs/episode.h"

#define ASSAY_OPENENV_COOKIE "assay_session"

// One of its actions, as ours.
struct assay_openenv_action {
    struct assay_action action;
    struct assay_buf arguments; // owned
    char *tool_name;            // owned; of a call_tool, else NULL
    bool lists;                 // list_tools
};

// *out is the caller's to free in any case; its tool is borrowed from the JSON. ASSAY_EINVAL.
ASSAY_MUST_USE enum assay_status assay_openenv_read_action(
        struct assay_openenv_action *out, const struct assay_json *from, struct assay_error *err);
void assay_openenv_action_free(struct assay_openenv_action *action);

// Which episode a request of plain HTTP means: by its X-Session-ID, a member of the body, or a
// cookie. Each may be NULL. False: none is named.
bool assay_openenv_read_session(char id[ASSAY_ID_BYTES], const char *header, const char *cookies,
        const struct assay_json *body);

#endif
