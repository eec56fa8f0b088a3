// SPDX-License-Identifier: MIT
// serve_mcp.h - the Model Context Protocol: tasks, episodes and verdicts as tools.
//
// JSON-RPC 2.0, the same over HTTP, a WebSocket and standard streams. Revisions with a handshake
// (`initialize`) and without one (2026-07-28: `server/discover`) are understood at once, since
// nothing is kept between messages but the episode that was opened last, where the transport has a
// place for it. An episode is named by the URL, by `episode_id` among a tool's arguments, or by
// OpenEnv's `session_id`. Where the URL names it, nothing else is reached: no other episode, no
// tool but the episode's own, no session.
#ifndef ASSAY_ORCHESTRATOR_SERVE_MCP_H
#define ASSAY_ORCHESTRATOR_SERVE_MCP_H

#include "base/buf.h"
#include "base/json.h"
#include "base/rng.h"

struct assay_service;

struct assay_mcp {
    struct assay_service *serve;
    unsigned role; // enum assay_role
    char who[64];
    char episode[ASSAY_ID_BYTES]; // that tools act in when none is named; "": none
    bool confined;                // to that one
};

void assay_mcp_init(
        struct assay_mcp *mcp, struct assay_service *serve, unsigned role, const char *who);

// One message, or a list of them. What is to be sent back is appended to `reply`; nothing for
// notifications. Waits for what is done.
void assay_mcp_answer(
        struct assay_mcp *mcp, const struct assay_json *message, struct assay_buf *reply);
// Likewise, of a text that need not be JSON.
void assay_mcp_answer_text(
        struct assay_mcp *mcp, const char *text, size_t len, struct assay_buf *reply);

// The tools of an episode, with their schemas under `schema_key`. `episode_doc`: each takes an
// `episode_id`, described so; NULL: none does.
void assay_mcp_write_tools(struct assay_json_writer *w, const char *key, const char *schema_key,
        const char *episode_doc);

#endif
