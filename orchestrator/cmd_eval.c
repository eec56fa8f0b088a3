// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "orchestrator/commands.h"
#include "orchestrator/evaluate.h"
#include "orchestrator/gate.h"
#include "orchestrator/pool.h"
#include "orchestrator/report.h"
#include "orchestrator/selection.h"
#include "orchestrator/shape.h"

const struct assay_option assay_eval_options[] = {
        {"predictions", 'p', "FILE", "model patches: .jsonl lines, .json list or object", false},
        {"gold", 0, NULL, "evaluate the gold patches", false},
        {"empty", 0, NULL, "run the tests on the unchanged trees", false},
        ASSAY_SELECTION_OPTIONS,
        {"jobs", 'j', "N", "boxes at once (the number of CPUs)", false},
        {"timeout", 't', "SECONDS", "wall time of each test run (each instance's own)", false},
        {"run-id", 0, "NAME", "name of the run", false},
        {"again", 0, NULL, "start a new run although this one is finished", false},
        {"no-cache", 0, NULL, "ignore stored verdicts: run every instance", false},
        {"no-zygote", 0, NULL, "start every interpreter anew: slower, the same verdicts", false},
        {"retry", 0, "infra", "run again what ended without a verdict", false},
        {"report-dir", 0, "DIR", "also write SWE-bench's report file there", false},
        {"html", 0, "FILE", "also write the HTML report", false},
        ASSAY_COMPAT_OPTION,
        ASSAY_PATCH_OPTIONS,
        ASSAY_SHAPE_OPTIONS,
        ASSAY_GATE_OPTIONS,
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {"json", 0, NULL, "print each verdict as a line of JSON, and the report as the last",
                false},
        {NULL, 0, NULL, NULL, false},
};

#define EVAL_ARENA_BYTES ((size_t)8 << 30)
#define REPORT_BYTES_MAX ((size_t)1 << 30)
#define PROBLEMS_SHOWN 100

// All that one `assay eval` holds.
struct eval {
    struct assay_invocation *invocation;
    struct assay_context *context;
    struct assay_arena *arena;
    struct assay_suite *suite;
    struct assay_predictions *predictions;
    struct assay_evaluate_options options;
    struct assay_shaper shaper;
};

static enum assay_status print_verdict(
        void *user, const struct assay_verdict *verdict, struct assay_error *err)
{
    struct assay_buf line;
    enum assay_status status;

    (void)user;
    assay_buf_init(&line, REPORT_BYTES_MAX);
    assay_verdict_write(&line, verdict, 0);
    status = assay_buf_check(&line, verdict->instance_id, err);
    if (status == ASSAY_OK && (printf("%s\n", line.data) < 0 || fflush(stdout) != 0))
        status = assay_fail_errno(err, errno, "write to stdout");
    assay_buf_free(&line);
    return status;
}

static enum assay_status choose_candidate(struct eval *e, struct assay_error *err)
{
    const char *file = assay_cli_value(e->invocation, "predictions");
    const bool gold = assay_cli_flag(e->invocation, "gold");
    const bool empty = assay_cli_flag(e->invocation, "empty");

    if ((file != NULL) + gold + empty != 1)
        return assay_fail(err, ASSAY_EUSAGE, "give one of --predictions FILE, --gold, --empty");
    e->options.candidate = gold ? ASSAY_CANDIDATE_GOLD
            : empty             ? ASSAY_CANDIDATE_NONE
                                : ASSAY_CANDIDATE_PATCH;
    if (!file)
        return ASSAY_OK;
    e->options.predictions_path = file;
    return assay_predictions_read(&e->predictions, file, err);
}

static enum assay_status read_options(struct eval *e, struct assay_error *err)
{
    struct assay_evaluate_options *o = &e->options;
    uint64_t threads = assay_jobs_default_threads(), seconds = 0;
    const char *retry = assay_cli_value(e->invocation, "retry");
    enum assay_status status =
            assay_cli_number(&threads, e->invocation, "jobs", 1, ASSAY_POOL_THREADS_MAX, err);

    if (status == ASSAY_OK)
        status = assay_cli_number(&seconds, e->invocation, "timeout", 1, 1000000, err);
    if (status == ASSAY_OK)
        status = assay_compat_option(&o->compat, e->invocation, err);
    if (status == ASSAY_OK)
        status = assay_patch_options_read(&o->how, e->invocation, err);
    if (status == ASSAY_OK && retry && strcmp(retry, "infra") != 0)
        status = assay_fail(err, ASSAY_EUSAGE, "--retry: '%s' is not infra", retry);
    if (status != ASSAY_OK)
        return status;
    o->threads = (size_t)threads;
    o->wall_ms_max = seconds * 1000;
    o->run_id = assay_cli_value(e->invocation, "run-id");
    o->again = assay_cli_flag(e->invocation, "again");
    o->no_cache = assay_cli_flag(e->invocation, "no-cache");
    o->retry_infra = retry != NULL;
    o->command_line = e->invocation->command_line;
    if (assay_cli_flag(e->invocation, "json"))
        o->on_verdict = print_verdict;
    if (o->run_id && !assay_instance_id_valid(o->run_id))
        return assay_fail(err, ASSAY_EUSAGE, "--run-id: '%s' is not [A-Za-z0-9_.-]", o->run_id);
    return choose_candidate(e, err);
}

static enum assay_status write_report_files(
        struct eval *e, const struct assay_report *report, struct assay_error *err)
{
    const char *dir = assay_cli_value(e->invocation, "report-dir");
    const char *html = assay_cli_value(e->invocation, "html");
    enum assay_status status = ASSAY_OK;

    if (dir)
        status = assay_report_save_swebench(report, dir, err);
    if (status == ASSAY_OK && html)
        status = assay_report_save_html(
                report, assay_depot_home(assay_context_depot(e->context)), html, err);
    return status;
}

static enum assay_status print_report(
        struct eval *e, const struct assay_report *report, struct assay_error *err)
{
    struct assay_buf line;

    if (!e->options.on_verdict) {
        assay_report_print(stdout, report);
        return ASSAY_OK;
    }
    assay_buf_init(&line, REPORT_BYTES_MAX);
    assay_report_write_swebench(&line, report, 0);
    return assay_cli_print(&line, err);
}

static enum assay_status finish(struct eval *e, const struct assay_evaluate_result *result,
        enum assay_exit *code, struct assay_error *err)
{
    struct assay_report report;
    enum assay_status status = assay_report_load(
            &report, assay_context_store(e->context), result->run_id, e->arena, err);

    if (status == ASSAY_OK)
        status = write_report_files(e, &report, err);
    if (status == ASSAY_OK)
        status = print_report(e, &report, err);
    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < result->problem_count && i < PROBLEMS_SHOWN; i++)
        fprintf(stderr, "assay: %s\n", result->problems[i]);
    if (result->problem_count > PROBLEMS_SHOWN)
        fprintf(stderr, "assay: and %zu more rows like these\n",
                result->problem_count - PROBLEMS_SHOWN);
    if (result->problem_count || report.group_counts[ASSAY_REPORT_NO_VERDICT])
        *code = ASSAY_EXIT_INCOMPLETE;
    return ASSAY_OK;
}

static enum assay_status run(struct eval *e, enum assay_exit *code, struct assay_error *err)
{
    struct assay_evaluate_result result;
    struct assay_strings ids = {NULL, 0};
    char text[64];
    enum assay_status status = read_options(e, err);

    if (status == ASSAY_OK)
        status = assay_shaper_read(&e->shaper, e->invocation, err);
    e->options.shaper = &e->shaper;
    if (status == ASSAY_OK)
        status = assay_context_open(&e->context, e->invocation, true, err);
    if (status == ASSAY_OK)
        status = assay_store_load_suite(
                assay_context_store(e->context), e->invocation->arguments[0], &e->suite, err);
    if (status == ASSAY_OK)
        status = assay_selection_read(
                &ids, e->invocation, e->suite, assay_context_store(e->context), e->arena, err);
    if (status == ASSAY_OK)
        status = assay_selection_warn(e->suite, e->context, e->arena, err);
    if (status != ASSAY_OK)
        return status;
    e->options.suite = e->suite;
    e->options.instance_ids = ids.items;
    e->options.instance_count = ids.count;
    e->options.predictions = e->predictions;
    status = assay_evaluate(&result, e->context, &e->options, e->arena, err);
    if (status != ASSAY_OK)
        return status;
    snprintf(text, sizeof(text), "%zu", result.executed);
    assay_log(assay_context_log(e->context), ASSAY_LOG_INFO, "orchestrator",
            result.resumed ? "run continued or reported" : "run finished", "run", result.run_id,
            "executed", text, NULL);
    return finish(e, &result, code, err);
}

enum assay_exit assay_cmd_eval(struct assay_invocation *invocation)
{
    struct eval e = {.invocation = invocation};
    struct assay_error err = {0};
    enum assay_exit code = ASSAY_EXIT_OK;
    enum assay_status status = assay_arena_create(&e.arena, EVAL_ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = run(&e, &code, &err);
    if (status != ASSAY_OK)
        code = assay_cli_fail(&err);
    assay_context_close(e.context);
    assay_predictions_free(e.predictions);
    assay_suite_free(e.suite);
    assay_arena_destroy(e.arena);
    return code;
}
