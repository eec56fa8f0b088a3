// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"

const struct assay_option assay_store_prune_options[] = {
        {"older-than", 0, "DAYS", "evidence of runs that began before that (90)", false},
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

#define DAYS_DEFAULT 90
#define DAYS_MAX 36500
#define JSON_BYTES_MAX 4096

static enum assay_status print_dropped(const struct assay_invocation *in, const char *before,
        const struct assay_dropped *dropped, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf text;

    if (!assay_cli_flag(in, "json")) {
        printf("evidence of %zu runs of tests removed, %.1f MB; their verdicts stay\n",
                dropped->runs, (double)dropped->bytes / 1e6);
        return ASSAY_OK;
    }
    assay_buf_init(&text, JSON_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "before", before);
    assay_json_put_u64(&w, "runs", dropped->runs);
    assay_json_put_u64(&w, "bytes", dropped->bytes);
    assay_json_end_object(&w);
    return assay_cli_print(&text, err);
}

static enum assay_status prune(struct assay_context **context, struct assay_invocation *invocation,
        struct assay_error *err)
{
    char before[ASSAY_TIME_TEXT_BYTES];
    struct assay_dropped dropped;
    uint64_t days = DAYS_DEFAULT;
    enum assay_status status = assay_cli_number(&days, invocation, "older-than", 0, DAYS_MAX, err);

    if (status == ASSAY_OK)
        status = assay_context_open(context, invocation, false, err);
    if (status != ASSAY_OK)
        return status;
    assay_clock_utc_ago(before, days * 86400);
    status = assay_store_drop_evidence(assay_context_store(*context), NULL, before, &dropped, err);
    if (status == ASSAY_OK)
        status = print_dropped(invocation, before, &dropped, err);
    return status;
}

enum assay_exit assay_cmd_store_prune(struct assay_invocation *invocation)
{
    struct assay_context *context = NULL;
    struct assay_error err = {0};
    enum assay_exit code = ASSAY_EXIT_OK;

    if (prune(&context, invocation, &err) != ASSAY_OK)
        code = assay_cli_fail(&err);
    assay_context_close(context);
    return code;
}
