// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "base/json.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/pool.h"
#include "orchestrator/regrade.h"

const struct assay_option assay_regrade_options[] = {
        {"instance", 'i', "ID", "only this instance", true},
        {"write", 0, NULL, "put the new verdicts in place of the stored ones", false},
        {"drop", 0, NULL, "remove the run's evidence instead: its verdicts stay", false},
        {"jobs", 'j', "N", "threads (the number of CPUs)", false},
        {"json", 0, NULL, "print each verdict as a line of JSON, and what changed as the last",
                false},
        {NULL, 0, NULL, NULL, false},
};

#define ARENA_BYTES ((size_t)16 << 30)
#define SUMMARY_BYTES_MAX ((size_t)256 << 20)

struct regrade_command {
    struct assay_invocation *invocation;
    struct assay_context *context;
    struct assay_arena *arena;
    struct assay_suite *suite;
    enum assay_exit code;
};

// The run that was named, or the newest.
static enum assay_status choose_run(
        struct regrade_command *c, struct assay_run *run, struct assay_error *err)
{
    struct assay_store *store = assay_context_store(c->context);
    struct assay_run *runs = NULL;
    size_t count = 0;
    enum assay_status status;

    if (c->invocation->argument_count > 0)
        return assay_store_get_run(store, c->invocation->arguments[0], c->arena, run, err);
    status = assay_store_list_runs(store, c->arena, &runs, &count, err);
    if (status == ASSAY_OK && count == 0)
        status = assay_fail(err, ASSAY_ENOTFOUND, "no runs yet: assay eval SUITE --gold");
    if (status == ASSAY_OK)
        *run = runs[0];
    return status;
}

static enum assay_status read_options(
        struct regrade_command *c, struct assay_regrade_options *o, struct assay_error *err)
{
    uint64_t threads = assay_jobs_default_threads();
    const char **ids = assay_arena_array(c->arena, c->invocation->given_count, sizeof(*ids));
    enum assay_status status =
            assay_cli_number(&threads, c->invocation, "jobs", 1, ASSAY_POOL_THREADS_MAX, err);

    if (status == ASSAY_OK && !ids)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (status != ASSAY_OK)
        return status;
    while ((ids[o->instance_count] =
                    assay_cli_value_at(c->invocation, "instance", o->instance_count)))
        o->instance_count++;
    o->instance_ids = ids;
    o->threads = (size_t)threads;
    o->write = assay_cli_flag(c->invocation, "write");
    return ASSAY_OK;
}

// How many rows ended in each state, and how many are resolved before and after.
struct tally {
    size_t states[ASSAY_REGRADE_STATES];
    size_t resolved_before, resolved;
};

static struct tally count_rows(const struct assay_regrade_row *rows, size_t count)
{
    struct tally tally = {0};

    for (size_t i = 0; i < count; i++) {
        tally.states[rows[i].state]++;
        tally.resolved_before += rows[i].resolved_before;
        tally.resolved += rows[i].resolved;
    }
    return tally;
}

// What needs a person's eye: everything but verdicts that are as they were.
static bool is_told(const struct assay_regrade_row *row)
{
    return row->state != ASSAY_REGRADE_SAME && row->state != ASSAY_REGRADE_NOT_RUN;
}

static enum assay_status print_json(const struct assay_run *run,
        const struct assay_regrade_row *rows, size_t count, bool written, struct assay_error *err)
{
    const struct tally tally = count_rows(rows, count);
    struct assay_json_writer w;
    struct assay_buf text;

    for (size_t i = 0; i < count; i++)
        if (rows[i].verdict)
            puts(rows[i].verdict);
    assay_buf_init(&text, SUMMARY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "run_id", run->run_id);
    assay_json_put_text(&w, "grader", ASSAY_GRADER_VERSION);
    assay_json_put_bool(&w, "written", written);
    assay_json_put_u64(&w, "total", count);
    assay_json_put_u64(&w, "resolved_before", tally.resolved_before);
    assay_json_put_u64(&w, "resolved", tally.resolved);
    for (size_t i = 0; i < ASSAY_REGRADE_STATES; i++)
        assay_json_put_u64(
                &w, assay_regrade_state_name((enum assay_regrade_state)i), tally.states[i]);
    assay_json_begin_array(&w, "told");
    for (size_t i = 0; i < count; i++) {
        if (!is_told(&rows[i]))
            continue;
        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "instance_id", rows[i].instance_id);
        assay_json_put_text(&w, "state", assay_regrade_state_name(rows[i].state));
        assay_json_put_text(&w, "changes", rows[i].changes);
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    return assay_cli_print(&text, err);
}

static void print_text(const struct assay_run *run, const struct assay_regrade_row *rows,
        size_t count, bool written)
{
    const struct tally tally = count_rows(rows, count);

    for (size_t i = 0; i < count; i++) {
        if (!is_told(&rows[i]))
            continue;
        printf("%s: %s: ", assay_regrade_state_name(rows[i].state), rows[i].instance_id);
        assay_cli_put(stdout, rows[i].changes);
        putchar('\n');
    }
    printf("run %s under grader %s: %zu verdict%s, %zu changed%s; resolved %zu -> %zu\n",
            run->run_id, ASSAY_GRADER_VERSION, count, count == 1 ? "" : "s",
            tally.states[ASSAY_REGRADE_CHANGED], written ? " (written)" : "", tally.resolved_before,
            tally.resolved);
    if (tally.states[ASSAY_REGRADE_NOT_RUN])
        printf("%zu stand because no test was run\n", tally.states[ASSAY_REGRADE_NOT_RUN]);
}

static enum assay_status drop(
        struct regrade_command *c, const struct assay_run *run, struct assay_error *err)
{
    struct assay_dropped dropped;
    enum assay_status status = assay_store_drop_evidence(
            assay_context_store(c->context), run->run_id, NULL, &dropped, err);

    if (status == ASSAY_OK)
        printf("run %s: evidence of %zu run%s of tests removed\n", run->run_id, dropped.runs,
                dropped.runs == 1 ? "" : "s");
    return status;
}

static enum assay_status run_command(struct regrade_command *c, struct assay_error *err)
{
    struct assay_regrade_options options = {0};
    struct assay_regrade_row *rows = NULL;
    struct assay_run run = {0};
    struct tally tally;
    size_t count = 0;
    enum assay_status status = read_options(c, &options, err);

    if (status == ASSAY_OK)
        status = assay_context_open(&c->context, c->invocation, false, err);
    if (status == ASSAY_OK)
        status = choose_run(c, &run, err);
    if (status == ASSAY_OK && assay_cli_flag(c->invocation, "drop"))
        return drop(c, &run, err);
    if (status == ASSAY_OK)
        status = assay_store_load_suite(assay_context_store(c->context), run.suite, &c->suite, err);
    options.run_id = run.run_id;
    if (status == ASSAY_OK)
        status = assay_regrade(&rows, &count, assay_context_store(c->context), c->suite, &options,
                assay_context_interrupted(c->context), c->arena, err);
    if (status != ASSAY_OK)
        return status;
    tally = count_rows(rows, count);
    if (tally.states[ASSAY_REGRADE_NO_EVIDENCE] + tally.states[ASSAY_REGRADE_FOREIGN] +
            tally.states[ASSAY_REGRADE_UNFINISHED])
        c->code = ASSAY_EXIT_INCOMPLETE;
    if (assay_cli_flag(c->invocation, "json"))
        return print_json(&run, rows, count, options.write, err);
    print_text(&run, rows, count, options.write);
    return ASSAY_OK;
}

enum assay_exit assay_cmd_regrade(struct assay_invocation *invocation)
{
    struct regrade_command c = {.invocation = invocation, .code = ASSAY_EXIT_OK};
    struct assay_error err = {0};
    enum assay_status status = assay_arena_create(&c.arena, ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = run_command(&c, &err);
    if (status != ASSAY_OK)
        c.code = assay_cli_fail(&err);
    assay_suite_free(c.suite);
    assay_context_close(c.context);
    assay_arena_destroy(c.arena);
    return c.code;
}
