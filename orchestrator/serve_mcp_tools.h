// SPDX-License-Identifier: MIT
// serve_mcp_tools.h - the tools that serve_mcp.h offers: those of an episode, and those around it.
#ifndef ASSAY_ORCHESTRATOR_SERVE_MCP_TOOLS_H
#define ASSAY_ORCHESTRATOR_SERVE_MCP_TOOLS_H

#include "orchestrator/serve_mcp.h"

struct assay_mcp_tool_result {
    struct assay_buf text;       // owned: what it showed
    struct assay_buf structured; // owned: a JSON object; empty: none
    bool failed;
    char episode[ASSAY_ID_BYTES]; // it is about; "": none
};
void assay_mcp_tool_result_release(struct assay_mcp_tool_result *result);

// A tool that refuses, or cannot do it, is a result. `episode` NULL: the arguments' episode_id, or
// the one opened last. arguments may be NULL. ASSAY_EINVAL: no such tool.
ASSAY_MUST_USE enum assay_status assay_mcp_call(struct assay_mcp_tool_result *out,
        struct assay_mcp *mcp, const char *name, const char *episode,
        const struct assay_json *arguments, struct assay_error *err);

#endif
