// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "orchestrator/actor.h"
#include "orchestrator/commands.h"
#include "orchestrator/episode_options.h"
#include "orchestrator/gate.h"
#include "orchestrator/pool.h"
#include "orchestrator/rollouts.h"
#include "orchestrator/run_summary.h"
#include "orchestrator/selection.h"

const struct assay_option assay_run_options[] = {
        {"actor", 'a', "ACTOR",
                "gold, noop, script:FILE, command:PROGRAM, openai:MODEL or embedded:MODEL (docs/episodes.md)",
                false},
        {"samples", 'n', "N", "episodes of each instance (1)", false},
        ASSAY_SELECTION_OPTIONS,
        {"jobs", 'j', "N", "episodes at once (the number of CPUs)", false},
        {"seed", 0, "N", "from which every episode's own seed is made (0)", false},
        ASSAY_EPISODE_OPTIONS,
        ASSAY_ACTOR_OPTIONS,
        {"run-id", 0, "NAME", "name of the run", false},
        {"again", 0, NULL, "start a new run although this one is finished", false},
        {"no-cache", 0, NULL, "ignore stored verdicts: grade every episode", false},
        {"no-zygote", 0, NULL, "start every interpreter anew: slower, the same verdicts", false},
        {"retry", 0, "infra", "run again what ended without a verdict", false},
        {"predictions", 'p', "FILE", "also write the first sample's patches there, as JSON Lines",
                false},
        ASSAY_GATE_OPTIONS,
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {"json", 0, NULL, "print each episode as a line of JSON, and the summary as the last",
                false},
        {NULL, 0, NULL, NULL, false},
};

#define RUN_ARENA_BYTES ((size_t)8 << 30)
#define OUTPUT_BYTES_MAX ((size_t)1 << 30)

// All that one `assay run` holds.
struct run_command {
    struct assay_invocation *invocation;
    struct assay_context *context;
    struct assay_arena *arena;
    struct assay_suite *suite;
    struct assay_actor actor;
    struct assay_rollouts_options options;
};

static enum assay_status print_rollout(
        void *user, const struct assay_rollout *rollout, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf line, verdict;
    enum assay_status status;

    (void)user;
    assay_buf_init(&line, OUTPUT_BYTES_MAX);
    assay_buf_init(&verdict, OUTPUT_BYTES_MAX);
    assay_verdict_write(&verdict, rollout->verdict, 0);
    assay_json_writer_init(&w, &line, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_u64(&w, "episode", rollout->episode);
    assay_json_put_text(&w, "instance_id", rollout->verdict->instance_id);
    assay_json_put_u64(&w, "sample", rollout->sample);
    assay_json_put_text(&w, "cause", assay_episode_cause_name(rollout->cause));
    assay_json_put_text(&w, "reason", rollout->reason);
    assay_json_put_u64(&w, "turns", rollout->turn_count);
    assay_json_put_written(&w, "verdict", verdict.data);
    assay_json_end_object(&w);
    status = assay_buf_check(&verdict, "verdict", err);
    assay_buf_free(&verdict);
    if (status == ASSAY_OK)
        return assay_cli_print(&line, err);
    assay_buf_free(&line);
    return status;
}

static enum assay_status read_options(struct run_command *c, struct assay_error *err)
{
    struct assay_rollouts_options *o = &c->options;
    const struct assay_invocation *in = c->invocation;
    const char *actor = assay_cli_value(in, "actor");
    const char *retry = assay_cli_value(in, "retry");
    uint64_t threads = assay_jobs_default_threads(), samples = 1;
    enum assay_status status = ASSAY_OK;

    if (actor == NULL)
        return assay_fail(err, ASSAY_EUSAGE,
                "who acts? --actor gold, noop, script:FILE, "
                "command:PROGRAM, openai:MODEL or embedded:MODEL");
    if (retry != NULL && strcmp(retry, "infra") != 0)
        return assay_fail(err, ASSAY_EUSAGE, "--retry: '%s' is not infra", retry);
    status = assay_cli_number(&threads, in, "jobs", 1, ASSAY_POOL_THREADS_MAX, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&samples, in, "samples", 1, ASSAY_SAMPLES_MAX, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&o->seed, in, "seed", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK)
        status = assay_episode_options_read(&o->episode, &o->tokens_max, in, err);
    if (status != ASSAY_OK)
        return status;
    o->threads = (size_t)threads;
    o->samples = (unsigned)samples;
    o->run_id = assay_cli_value(in, "run-id");
    o->again = assay_cli_flag(in, "again");
    o->no_cache = assay_cli_flag(in, "no-cache");
    o->retry_infra = retry != NULL;
    o->command_line = in->command_line;
    if (assay_cli_flag(in, "json"))
        o->on_rollout = print_rollout;
    if (o->run_id != NULL && !assay_instance_id_valid(o->run_id))
        return assay_fail(err, ASSAY_EUSAGE, "--run-id: '%s' is not [A-Za-z0-9_.-]", o->run_id);
    return assay_actor_make(&c->actor, actor, in, err);
}

static enum assay_status finish(struct run_command *c, const struct assay_rollouts_result *result,
        enum assay_exit *code, struct assay_error *err)
{
    const char *file = assay_cli_value(c->invocation, "predictions");
    struct assay_run_summary summary;
    struct assay_json_writer w;
    struct assay_buf text;
    enum assay_status status = assay_run_summary_load(
            &summary, assay_context_store(c->context), result->run_id, c->arena, err);

    if (status != ASSAY_OK)
        return status;
    if (summary.scored < summary.count)
        *code = ASSAY_EXIT_INCOMPLETE;
    assay_buf_init(&text, OUTPUT_BYTES_MAX);
    if (file != NULL) {
        assay_run_summary_write_predictions(&text, &summary, 1);
        status = assay_buf_check(&text, file, err);
        if (status == ASSAY_OK)
            status = assay_fs_replace_file(file, text.data, text.len, 0644, err);
        assay_buf_clear(&text);
    }
    if (status == ASSAY_OK && c->options.on_rollout != NULL) {
        assay_json_writer_init(&w, &text, 0);
        assay_run_summary_write(&w, NULL, &summary);
        return assay_cli_print(&text, err);
    }
    assay_buf_free(&text);
    if (status == ASSAY_OK)
        assay_run_summary_print(stdout, &summary);
    return status;
}

static enum assay_status run(struct run_command *c, enum assay_exit *code, struct assay_error *err)
{
    struct assay_rollouts_result result;
    struct assay_strings ids = {NULL, 0};
    char text[64];
    enum assay_status status = read_options(c, err);

    if (status == ASSAY_OK)
        status = assay_context_open(&c->context, c->invocation, true, err);
    if (status == ASSAY_OK)
        status = assay_store_load_suite(
                assay_context_store(c->context), c->invocation->arguments[0], &c->suite, err);
    if (status == ASSAY_OK)
        status = assay_selection_read(
                &ids, c->invocation, c->suite, assay_context_store(c->context), c->arena, err);
    if (status == ASSAY_OK)
        status = assay_selection_warn(c->suite, c->context, c->arena, err);
    if (status != ASSAY_OK)
        return status;
    c->options.suite = c->suite;
    c->options.instance_ids = ids.items;
    c->options.instance_count = ids.count;
    c->options.actor = &c->actor;
    status = assay_rollouts(&result, c->context, &c->options, c->arena, err);
    if (status != ASSAY_OK)
        return status;
    snprintf(text, sizeof(text), "%zu", result.executed);
    assay_log(assay_context_log(c->context), ASSAY_LOG_INFO, "orchestrator",
            result.resumed ? "run continued or reported" : "run finished", "run", result.run_id,
            "episodes", text, NULL);
    return finish(c, &result, code, err);
}

enum assay_exit assay_cmd_run(struct assay_invocation *invocation)
{
    struct run_command c = {.invocation = invocation};
    struct assay_error err = {0};
    enum assay_exit code = ASSAY_EXIT_OK;
    enum assay_status status = assay_arena_create(&c.arena, RUN_ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = run(&c, &code, &err);
    if (status != ASSAY_OK)
        code = assay_cli_fail(&err);
    assay_context_close(c.context);
    assay_actor_release(&c.actor);
    assay_suite_free(c.suite);
    assay_arena_destroy(c.arena);
    return code;
}
