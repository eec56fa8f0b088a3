// SPDX-License-Identifier: MIT
// cmd_mcp.c - assay mcp: tasks, episodes and verdicts as tools, over standard input and output.
//
// One JSON-RPC message a line each way; nothing else is written to standard output.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "orchestrator/commands.h"
#include "orchestrator/gate.h"
#include "orchestrator/pool.h"
#include "orchestrator/serve.h"
#include "orchestrator/serve_mcp.h"

const struct assay_option assay_mcp_options[] = {
        {"no-zygote", 0, NULL, "start every interpreter anew: slower, the same verdicts", false},
        ASSAY_GATE_OPTIONS,
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {NULL, 0, NULL, NULL, false},
};

#define REPLY_BYTES_MAX ((size_t)256 << 20)
#define EPISODES_MAX 64
#define IDLE_MS 3600000

static enum assay_status answer(
        struct assay_mcp *mcp, const char *line, size_t len, struct assay_error *err)
{
    struct assay_buf reply;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&reply, REPLY_BYTES_MAX);
    assay_mcp_answer_text(mcp, line, len, &reply);
    if (reply.len > 0)
        assay_buf_addc(&reply, '\n');
    status = assay_buf_check(&reply, "answer", err);
    if (status == ASSAY_OK &&
            (fwrite(reply.data, 1, reply.len, stdout) != reply.len || fflush(stdout) != 0))
        status = assay_fail_errno(err, errno, "standard output");
    assay_buf_free(&reply);
    return status;
}

// Until the input ends.
static enum assay_status converse(struct assay_mcp *mcp, struct assay_error *err)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len = 0;
    enum assay_status status = ASSAY_OK;

    while (status == ASSAY_OK && (len = getline(&line, &room, stdin)) > 0) {
        while (len > 0 && strchr("\r\n", line[len - 1]) != NULL)
            len--;
        if (len > 0)
            status = answer(mcp, line, (size_t)len, err);
    }
    free(line);
    return status;
}

static enum assay_status run(struct assay_invocation *invocation, struct assay_context **context,
        struct assay_error *err)
{
    struct assay_service_options options = {.suites = (const char *const *)invocation->arguments,
            .suite_count = invocation->argument_count,
            .threads = assay_jobs_default_threads(),
            .queue_max = EPISODES_MAX,
            .episodes_max = EPISODES_MAX,
            .idle_ms_max = IDLE_MS,
            .version = ASSAY_VERSION};
    struct assay_service *serve = NULL;
    struct assay_mcp mcp;
    enum assay_status status = assay_context_open(context, invocation, true, err);

    if (status != ASSAY_OK)
        return status;
    options.context = *context;
    options.tier = assay_tier_name(assay_sandbox_tier(assay_context_sandbox(*context)));
    status = assay_service_start(&serve, &options, err);
    if (status == ASSAY_OK) {
        assay_mcp_init(&mcp, serve, ASSAY_ROLE_ADMIN, "");
        status = converse(&mcp, err);
    }
    assay_service_stop(serve);
    return status;
}

enum assay_exit assay_cmd_mcp(struct assay_invocation *invocation)
{
    struct assay_context *context = NULL;
    struct assay_error err = {0};
    enum assay_exit code = ASSAY_EXIT_OK;

    if (run(invocation, &context, &err) != ASSAY_OK)
        code = assay_cli_fail(&err);
    assay_context_close(context);
    return code;
}
