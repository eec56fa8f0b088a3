// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "orchestrator/commands.h"
#include "orchestrator/describe.h"
#include "orchestrator/page.h"
#include "orchestrator/pool.h"

#define THREADS_DEFAULT 4

const struct assay_option assay_suite_describe_options[] = {
        {"actor", 'a', "ACTOR", "who writes: openai:MODEL or embedded:MODEL", false},
        ASSAY_MODEL_OPTIONS,
        {"seed", 0, "N", "of the sampling (0)", false},
        {"jobs", 'j', "N", "questions at once (4)", false},
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

static const char *const kinds[ASSAY_DESCRIBED_KINDS] = {
        "described", "described_before", "leaking", "not_described"};

static enum assay_status print_json(
        const struct assay_describe_result *result, struct assay_error *err)
{
    struct assay_page page;
    struct assay_json_writer *const w = assay_page_begin(&page);

    for (size_t i = 0; i < ASSAY_DESCRIBED_KINDS; i++)
        assay_json_put_u64(w, kinds[i], result->counts[i]);
    assay_json_put_text(w, "trouble", result->trouble[0] != '\0' ? result->trouble : NULL);
    return assay_page_print(&page, err);
}

static void print_text(const struct assay_describe_result *result)
{
    printf("%zu described, %zu before; %zu keep their template: %zu because every answer showed the "
           "change, %zu without a report\n",
            result->counts[ASSAY_DESCRIBED], result->counts[ASSAY_DESCRIBED_BEFORE],
            result->counts[ASSAY_DESCRIBED_LEAKING] + result->counts[ASSAY_DESCRIBED_NOT],
            result->counts[ASSAY_DESCRIBED_LEAKING], result->counts[ASSAY_DESCRIBED_NOT]);
    if (result->trouble[0] != '\0')
        printf("the first of these: %s\n", result->trouble);
}

static enum assay_status describe(struct assay_describe_result *result,
        struct assay_context *context, const struct assay_invocation *in, struct assay_error *err)
{
    const char *name = assay_cli_value(in, "actor");
    struct assay_describe_options options = {.dir = in->arguments[0]};
    struct assay_actor model = {.kind = NULL};
    uint64_t threads = THREADS_DEFAULT;
    enum assay_status status = ASSAY_OK;

    if (name == NULL)
        return assay_fail(err, ASSAY_EUSAGE, "who writes? --actor openai:MODEL or embedded:MODEL");
    status = assay_cli_number(&options.seed, in, "seed", 0, UINT64_MAX, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&threads, in, "jobs", 1, ASSAY_POOL_THREADS_MAX, err);
    if (status == ASSAY_OK)
        status = assay_actor_make_model(&model, name, in, err);
    options.model = &model;
    options.threads = (size_t)threads;
    if (status == ASSAY_OK)
        status = assay_describe(result, context, &options, err);
    assay_actor_release(&model);
    return status;
}

enum assay_exit assay_cmd_suite_describe(struct assay_invocation *invocation)
{
    struct assay_describe_result result = {.trouble = ""};
    struct assay_context *context = NULL;
    struct assay_error err = {0};
    enum assay_status status = assay_context_open(&context, invocation, false, &err);

    if (status == ASSAY_OK)
        status = describe(&result, context, invocation, &err);
    assay_context_close(context);
    if (status == ASSAY_OK && assay_cli_flag(invocation, "json"))
        status = print_json(&result, &err);
    else if (status == ASSAY_OK)
        print_text(&result);
    if (status != ASSAY_OK)
        return assay_cli_fail(&err);
    return result.counts[ASSAY_DESCRIBED_NOT] == 0 ? ASSAY_EXIT_OK : ASSAY_EXIT_FAILED;
}
