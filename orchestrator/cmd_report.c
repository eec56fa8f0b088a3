// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/report.h"
#include "orchestrator/report_train.h"

const struct assay_option assay_report_options[] = {
        {"html", 0, "FILE", "write one self-contained HTML page", false},
        {"report-dir", 0, "DIR", "write SWE-bench's <model>.<run>.json there", false},
        {"json", 0, NULL,
                "print SWE-bench's report (schema_version 2), with all samples; a training: all of it",
                false},
        {"list", 0, NULL, "list the runs, newest first", false},
        {NULL, 0, NULL, NULL, false},
};

#define REPORT_ARENA_BYTES ((size_t)8 << 30)
#define REPORT_BYTES_MAX ((size_t)1 << 30)

struct report_command {
    struct assay_invocation *invocation;
    struct assay_context *context;
    struct assay_arena *arena;
};

static enum assay_status load_runs(
        struct report_command *c, struct assay_run **runs, size_t *count, struct assay_error *err)
{
    return assay_store_list_runs(assay_context_store(c->context), c->arena, runs, count, err);
}

static enum assay_status load_trainings(struct report_command *c, struct assay_training **trainings,
        size_t *count, struct assay_error *err)
{
    return assay_store_list_trainings(
            assay_context_store(c->context), c->arena, trainings, count, err);
}

static void put_trainings(
        struct assay_json_writer *w, const struct assay_training *trainings, size_t count)
{
    assay_json_begin_array(w, "trainings");
    for (size_t i = 0; i < count; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "run_id", trainings[i].run_id);
        assay_json_put_text(
                w, "state", trainings[i].state == ASSAY_RUN_FINISHED ? "finished" : "open");
        assay_json_put_text(w, "command", trainings[i].command);
        assay_json_put_text(w, "started_at", trainings[i].started_at);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
}

static enum assay_status print_runs_json(const struct assay_run *runs, size_t count,
        const struct assay_training *trainings, size_t training_count, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, REPORT_BYTES_MAX);
    assay_json_writer_init(&w, &text, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_begin_array(&w, "runs");
    for (size_t i = 0; i < count; i++) {
        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "run_id", runs[i].run_id);
        assay_json_put_text(&w, "state", runs[i].state == ASSAY_RUN_FINISHED ? "finished" : "open");
        assay_json_put_u64(&w, "done", runs[i].done);
        assay_json_put_u64(&w, "total", runs[i].total);
        assay_json_put_text(&w, "suite", runs[i].suite);
        assay_json_put_text(&w, "model", runs[i].model);
        assay_json_put_text(&w, "command", runs[i].command);
        assay_json_put_text(&w, "started_at", runs[i].started_at);
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    put_trainings(&w, trainings, training_count);
    assay_json_end_object(&w);
    return assay_cli_print(&text, err);
}

static enum assay_status print_runs(struct report_command *c, struct assay_error *err)
{
    struct assay_training *trainings = NULL;
    struct assay_run *runs = NULL;
    size_t count = 0, training_count = 0;
    enum assay_status status = load_runs(c, &runs, &count, err);

    if (status == ASSAY_OK)
        status = load_trainings(c, &trainings, &training_count, err);
    if (status == ASSAY_OK && assay_cli_flag(c->invocation, "json"))
        return print_runs_json(runs, count, trainings, training_count, err);
    for (size_t i = 0; status == ASSAY_OK && i < count; i++) {
        printf("%-27s %-9s %5zu/%-5zu %-20s %s  ", runs[i].run_id,
                runs[i].state == ASSAY_RUN_FINISHED ? "finished" : "open", runs[i].done,
                runs[i].total, runs[i].suite, runs[i].started_at);
        assay_cli_put(stdout, runs[i].model);
        putchar('\n');
    }
    for (size_t i = 0; status == ASSAY_OK && i < training_count; i++) {
        printf("%-27s %-9s training    %-20s %s  ", trainings[i].run_id,
                trainings[i].state == ASSAY_RUN_FINISHED ? "finished" : "open", "",
                trainings[i].started_at);
        assay_cli_put(stdout, trainings[i].command);
        putchar('\n');
    }
    return status;
}

// The run that was named, or the newest of all; a training or not.
static enum assay_status choose_run(
        struct report_command *c, const char **run_id, bool *training, struct assay_error *err)
{
    const char *wanted = c->invocation->argument_count > 0 ? c->invocation->arguments[0] : NULL;
    struct assay_training *trainings = NULL;
    struct assay_run *runs = NULL;
    size_t count = 0, training_count = 0;
    enum assay_status status = load_runs(c, &runs, &count, err);

    if (status == ASSAY_OK)
        status = load_trainings(c, &trainings, &training_count, err);
    if (status != ASSAY_OK)
        return status;
    *training = false;
    *run_id = wanted;
    for (size_t i = 0; wanted && i < training_count; i++)
        *training |= strcmp(trainings[i].run_id, wanted) == 0;
    if (wanted)
        return ASSAY_OK;
    if (count + training_count == 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "no runs yet: assay eval SUITE --gold");
    *training = count == 0 ||
            (training_count > 0 && strcmp(trainings[0].started_at, runs[0].started_at) > 0);
    *run_id = *training ? trainings[0].run_id : runs[0].run_id;
    return ASSAY_OK;
}

static enum assay_status report_training(
        struct report_command *c, const char *run_id, struct assay_error *err)
{
    const char *html = assay_cli_value(c->invocation, "html");
    const bool json = assay_cli_flag(c->invocation, "json");
    struct assay_train_report report;
    struct assay_buf text;
    enum assay_status status = assay_train_report_load(&report, assay_context_store(c->context),
            run_id, html || json ? ASSAY_TRAIN_ALL : ASSAY_TRAIN_STEPS, c->arena, err);

    if (status == ASSAY_OK && assay_cli_value(c->invocation, "report-dir"))
        status = assay_fail(err, ASSAY_EUSAGE, "--report-dir: %s is a training", run_id);
    if (status == ASSAY_OK && html)
        status = assay_train_report_save_html(&report, html, err);
    if (status != ASSAY_OK)
        return status;
    if (!json) {
        assay_train_report_print(stdout, &report);
        return ASSAY_OK;
    }
    assay_buf_init(&text, REPORT_BYTES_MAX);
    assay_train_report_write(&text, &report);
    return assay_cli_print(&text, err);
}

static enum assay_status print_json(const struct assay_report *report, struct assay_error *err)
{
    struct assay_buf text;

    assay_buf_init(&text, REPORT_BYTES_MAX);
    assay_report_write_swebench(&text, report, 4);
    return assay_cli_print(&text, err);
}

static enum assay_status report_run(
        struct report_command *c, const char *run_id, struct assay_error *err)
{
    const struct assay_invocation *in = c->invocation;
    const char *html = assay_cli_value(in, "html"), *dir = assay_cli_value(in, "report-dir");
    struct assay_report report;
    enum assay_status status =
            assay_report_load(&report, assay_context_store(c->context), run_id, c->arena, err);

    if (status == ASSAY_OK)
        status = assay_report_load_summary(&report, assay_context_store(c->context), c->arena, err);
    if (status == ASSAY_OK && dir)
        status = assay_report_save_swebench(&report, dir, err);
    if (status == ASSAY_OK && html)
        status =
                assay_report_load_episodes(&report, assay_context_store(c->context), c->arena, err);
    if (status == ASSAY_OK && html)
        status = assay_report_save_html(
                &report, assay_depot_home(assay_context_depot(c->context)), html, err);
    if (status != ASSAY_OK)
        return status;
    if (assay_cli_flag(in, "json"))
        return print_json(&report, err);
    assay_report_print(stdout, &report);
    return ASSAY_OK;
}

static enum assay_status run(struct report_command *c, struct assay_error *err)
{
    const char *run_id = NULL;
    bool training = false;
    enum assay_status status = assay_context_open(&c->context, c->invocation, false, err);

    if (status == ASSAY_OK && assay_cli_flag(c->invocation, "list"))
        return print_runs(c, err);
    if (status == ASSAY_OK)
        status = choose_run(c, &run_id, &training, err);
    if (status != ASSAY_OK)
        return status;
    return training ? report_training(c, run_id, err) : report_run(c, run_id, err);
}

enum assay_exit assay_cmd_report(struct assay_invocation *invocation)
{
    struct report_command c = {.invocation = invocation};
    struct assay_error err = {0};
    enum assay_exit code = ASSAY_EXIT_OK;
    enum assay_status status = assay_arena_create(&c.arena, REPORT_ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = run(&c, &err);
    if (status != ASSAY_OK)
        code = assay_cli_fail(&err);
    assay_context_close(c.context);
    assay_arena_destroy(c.arena);
    return code;
}
