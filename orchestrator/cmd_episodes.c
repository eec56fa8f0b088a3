// SPDX-License-Identifier: MIT
// cmd_episodes.c - episodes list, show, replay, fork.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/rng.h"
#include "orchestrator/commands.h"
#include "orchestrator/drive.h"
#include "orchestrator/episode_options.h"
#include "orchestrator/gate.h"
#include "orchestrator/rollouts.h"
#include "orchestrator/run_summary.h"

#define MIN_TIER_OPTION                                                                            \
    {                                                                                              \
        "min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)", false \
    }

const struct assay_option assay_episodes_list_options[] = {
        {"json", 0, NULL, "one JSON object an episode", false},
        {NULL, 0, NULL, NULL, false},
};
const struct assay_option assay_episodes_replay_options[] = {
        ASSAY_EPISODE_OPTIONS,
        {"json", 0, NULL, "one JSON object", false},
        ASSAY_GATE_OPTIONS,
        MIN_TIER_OPTION,
        {NULL, 0, NULL, NULL, false},
};
const struct assay_option assay_episodes_fork_options[] = {
        {"turn", 'k', "K", "go on after this turn (0: after the reset)", false},
        {"actor", 'a', "ACTOR", "who goes on; absent: the same actions as before", false},
        ASSAY_ACTOR_OPTIONS,
        ASSAY_EPISODE_OPTIONS,
        {"no-cache", 0, NULL, "ignore stored verdicts", false},
        {"json", 0, NULL, "one JSON object", false},
        ASSAY_GATE_OPTIONS,
        MIN_TIER_OPTION,
        {NULL, 0, NULL, NULL, false},
};

#define ARENA_BYTES ((size_t)8 << 30)
#define OUTPUT_BYTES_MAX ((size_t)1 << 30)
#define LINE_BYTES_MAX 4000u // that are shown

// One episode, loaded; and what is compared with it.
struct episodes {
    struct assay_invocation *invocation;
    struct assay_context *context;
    struct assay_arena *arena;
    struct assay_suite *suite;
    struct assay_actor actor;
    struct assay_episode_row row;
    struct assay_turn *turns;
    size_t turn_count;
    size_t seen, differing;
    uint32_t first_differing; // turn; 0: none
    enum assay_exit code;
};

// --- list ----------------------------------------------------------------------------------------

static const char *verdict_word(const struct assay_episode_row *row)
{
    return !row->has_verdict ? "-"
            : !row->scored   ? "null"
            : row->resolved  ? "resolved"
                             : "unresolved";
}

static void write_row(struct assay_buf *out, const struct assay_episode_row *row)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_u64(&w, "episode", row->number);
    assay_json_put_text(&w, "run_id", row->run_id);
    assay_json_put_text(&w, "instance_id", row->instance_id);
    assay_json_put_u64(&w, "sample", row->sample);
    assay_json_put_text(&w, "actor", row->actor);
    assay_json_put_text(&w, "seed", row->seed);
    assay_json_put_text(&w, "cause", assay_episode_cause_name(row->cause));
    assay_json_put_text(&w, "reason", row->reason);
    assay_json_put_u64(&w, "turns", row->turn_count);
    assay_json_put_u64(&w, "attempt", row->attempt);
    if (row->has_verdict && row->scored)
        assay_json_put_bool(&w, "resolved", row->resolved);
    else
        assay_json_put_null(&w, "resolved");
    assay_json_put_text(&w, "verdict_cause", row->verdict_cause);
    assay_json_put_text(&w, "started_at", row->started_at);
    assay_json_put_text(&w, "finished_at", row->finished_at);
    assay_json_end_object(&w);
    assay_buf_addc(out, '\n');
}

// The run that is named, or the newest with episodes.
static enum assay_status list(struct episodes *e, struct assay_error *err)
{
    const char *run_id = e->invocation->argument_count > 0 ? e->invocation->arguments[0] : NULL;
    const bool as_json = assay_cli_flag(e->invocation, "json");
    struct assay_episode_row *rows = NULL;
    struct assay_run *runs = NULL;
    struct assay_buf out;
    size_t count = 0, run_count = 0;
    enum assay_status status = ASSAY_OK;

    if (run_id == NULL)
        status = assay_store_list_runs(
                assay_context_store(e->context), e->arena, &runs, &run_count, err);
    else
        status = assay_store_list_episodes(
                assay_context_store(e->context), run_id, e->arena, &rows, &count, err);
    for (size_t i = 0; status == ASSAY_OK && count == 0 && i < run_count; i++)
        status = assay_store_list_episodes(
                assay_context_store(e->context), runs[i].run_id, e->arena, &rows, &count, err);
    if (status == ASSAY_OK && count == 0 && run_id != NULL)
        status = assay_fail(err, ASSAY_ENOTFOUND, "run %.100s has no episodes", run_id);
    assay_buf_init(&out, OUTPUT_BYTES_MAX);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        if (as_json)
            write_row(&out, &rows[i]);
        else
            assay_buf_addf(&out, "%6" PRIu64 " %-40s %4u %5u turns  %-12s %s\n", rows[i].number,
                    rows[i].instance_id, rows[i].sample, rows[i].turn_count,
                    assay_episode_cause_name(rows[i].cause), verdict_word(&rows[i]));
    }
    return status == ASSAY_OK ? assay_cli_print(&out, err) : status;
}

// --- show ----------------------------------------------------------------------------------------

static enum assay_status load(struct episodes *e, struct assay_error *err)
{
    const char *text = e->invocation->arguments[0];
    char *end = NULL;
    const uint64_t number = strtoull(text, &end, 10);
    enum assay_status status;

    if (text[0] < '0' || text[0] > '9' || *end != '\0')
        return assay_fail(err, ASSAY_EUSAGE,
                "'%.60s' is no number of an episode: `assay episodes list` tells them", text);
    status = assay_store_get_episode(
            assay_context_store(e->context), number, e->arena, &e->row, err);
    if (status == ASSAY_OK)
        status = assay_store_get_turns(
                assay_context_store(e->context), number, e->arena, &e->turns, &e->turn_count, err);
    return status;
}

static void write_turn(struct assay_json_writer *w, const struct assay_turn *turn)
{
    assay_json_begin_object(w, NULL);
    assay_json_put_u64(w, "turn", turn->turn);
    assay_json_put_u64(w, "message", turn->message);
    assay_json_put_text(w, "text", turn->text);
    assay_json_put_text(w, "call_id", turn->call_id);
    assay_json_put_text(w, "tool", turn->tool);
    assay_json_put_text(w, "arguments", turn->arguments);
    assay_json_put_bytes(w, "observation", turn->observation.data, turn->observation.len);
    assay_json_put_bool(w, "failed", turn->failed);
    assay_json_put_text(w, "cause", turn->cause);
    // What was killed has no exit status.
    if (turn->cause != NULL && strcmp(turn->cause, "exited") != 0)
        assay_json_put_null(w, "exit_code");
    else
        assay_json_put_i64(w, "exit_code", turn->exit_code);
    if (turn->signal != 0)
        assay_json_put_i64(w, "signal", turn->signal);
    else
        assay_json_put_null(w, "signal");
    assay_json_put_u64(w, "wall_us", turn->wall_us);
    assay_json_put_u64(w, "cpu_us", turn->cpu_us);
    assay_json_put_u64(w, "queue_us", turn->queue_us);
    assay_json_put_u64(w, "actor_us", turn->actor_us);
    assay_json_put_u64(w, "step_us", turn->step_us);
    assay_json_put_u64(w, "prompt_tokens", turn->prompt_tokens);
    assay_json_put_u64(w, "answer_tokens", turn->answer_tokens);
    if (turn->sampled != NULL)
        assay_json_put_written(w, "sampled", turn->sampled);
    assay_json_end_object(w);
}

static void show_json(struct assay_buf *out, const struct episodes *e)
{
    struct assay_json_writer w;
    struct assay_buf row;

    assay_buf_init(&row, OUTPUT_BYTES_MAX);
    write_row(&row, &e->row);
    assay_buf_truncate(&row, row.len > 0 ? row.len - 1 : 0);
    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_written(&w, "episode", row.data);
    assay_json_begin_array(&w, "turns");
    for (size_t i = 0; i < e->turn_count; i++)
        write_turn(&w, &e->turns[i]);
    assay_json_end_array(&w);
    assay_json_put_bytes(
            &w, "answer", e->row.answer.data != NULL ? e->row.answer.data : "", e->row.answer.len);
    assay_json_end_object(&w);
    assay_buf_addc(out, '\n');
    assay_buf_free(&row);
}

// Foreign text for a terminal.
static void put_text(const char *text)
{
    assay_cli_put(stdout, text);
    putchar('\n');
}

static void end_line(size_t len)
{
    if (len > LINE_BYTES_MAX)
        printf(" [%zu bytes of this line are left out; --json has them]",
                len - (size_t)LINE_BYTES_MAX);
    putchar('\n');
}

// Line by line: a control byte within one is what a terminal would obey, and a NUL is told as one.
static void put_observation(struct assay_bytes text)
{
    size_t len = 0; // of the line, so far

    for (size_t i = 0; i < text.len; i++) {
        const char byte[2] = {text.data[i], '\0'};

        if (byte[0] == '\n') {
            end_line(len);
            len = 0;
            continue;
        }
        if (len < LINE_BYTES_MAX && byte[0] == '\0')
            fputs("\\0", stdout);
        else if (len < LINE_BYTES_MAX)
            assay_cli_put(stdout, byte);
        len++;
    }
    if (len > 0)
        end_line(len);
}

// How the command of a turn ended.
static void show_end(const struct assay_turn *turn)
{
    printf(" · %s", turn->cause);
    if (turn->signal != 0)
        printf(" by signal %d", turn->signal);
    else if (turn->exit_code != 0)
        printf(" with %d", turn->exit_code);
    printf(" · %.1f ms", (double)turn->wall_us / 1e3);
}

static void show_text(const struct episodes *e)
{
    const struct assay_episode_row *row = &e->row;

    printf("episode %" PRIu64 ": %s, sample %u, of run %s, by ", row->number, row->instance_id,
            row->sample, row->run_id);
    put_text(row->actor);
    for (size_t i = 0; i < e->turn_count; i++) {
        const struct assay_turn *turn = &e->turns[i];

        printf("\n--- turn %u", turn->turn);
        if (turn->cause != NULL)
            show_end(turn);
        printf("\n");
        if (turn->text != NULL)
            put_text(turn->text);
        printf("> %s ", turn->tool != NULL ? turn->tool : "(no tool)");
        put_text(turn->arguments != NULL ? turn->arguments : "");
        put_observation(turn->observation);
    }
    printf("\nended: %s%s", assay_episode_cause_name(row->cause), row->reason[0] ? ": " : "");
    put_text(row->reason);
    printf("verdict: %s%s%s\n", verdict_word(row), row->verdict_cause ? ", " : "",
            row->verdict_cause ? row->verdict_cause : "");
}

static enum assay_status show(struct episodes *e, struct assay_error *err)
{
    struct assay_buf out;
    enum assay_status status = load(e, err);

    if (status != ASSAY_OK)
        return status;
    if (!assay_cli_flag(e->invocation, "json")) {
        show_text(e);
        return ASSAY_OK;
    }
    assay_buf_init(&out, OUTPUT_BYTES_MAX);
    show_json(&out, e);
    return assay_cli_print(&out, err);
}

// --- replay and fork -----------------------------------------------------------------------------

// A turn was done again: did it show the same?
static void compare_turn(void *user, const struct assay_turn *turn)
{
    struct episodes *e = user;
    const struct assay_turn *before =
            turn->turn <= e->turn_count ? &e->turns[turn->turn - 1] : NULL;

    e->seen++;
    // What others say when one submits is the submission, and that is compared by itself.
    if (turn->tool != NULL && strcmp(turn->tool, "submit") == 0)
        return;
    if (before == NULL || assay_observation_same(before->observation, turn->observation))
        return;
    e->differing++;
    if (e->first_differing != 0)
        return;
    e->first_differing = turn->turn;
    fprintf(stderr, "assay: turn %u differs: before\n%.2000s\nnow\n%.2000s\n", turn->turn,
            before->observation.data, turn->observation.data);
}

static enum assay_status load_suite(
        struct episodes *e, const struct assay_instance **instance, struct assay_error *err)
{
    enum assay_status status =
            assay_store_load_suite(assay_context_store(e->context), e->row.suite, &e->suite, err);

    if (status != ASSAY_OK)
        return status;
    *instance = assay_suite_find(e->suite, e->row.instance_id);
    if (*instance == NULL)
        return assay_fail(err, ASSAY_ENOTFOUND, "suite %s has no instance '%s' any more",
                e->row.suite, e->row.instance_id);
    return ASSAY_OK;
}

// Those that it was recorded with, where no flag says otherwise.
static enum assay_status take_options(
        const struct episodes *e, struct assay_drive_request *request, struct assay_error *err)
{
    request->options = e->row.options;
    request->tokens_max = e->row.tokens_max;
    return assay_episode_options_read(&request->options, &request->tokens_max, e->invocation, err);
}

static bool same_answer(const struct assay_buf *answer, struct assay_bytes before)
{
    return answer->len == before.len &&
            (before.len == 0 || memcmp(answer->data, before.data, before.len) == 0);
}

static enum assay_status print_comparison(const struct episodes *e, bool answer_same,
        const struct assay_episode_row *fork, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf out;

    if (!assay_cli_flag(e->invocation, "json")) {
        printf("%zu turns done again, %zu observations differ", e->seen, e->differing);
        if (e->first_differing != 0)
            printf(" (the first at turn %u)", e->first_differing);
        printf("; the answer is %s\n", answer_same ? "the same" : "another");
        if (fork != NULL)
            printf("episode %" PRIu64 " of run %s: %s, %s\n", fork->number, fork->run_id,
                    assay_episode_cause_name(fork->cause), verdict_word(fork));
        return ASSAY_OK;
    }
    assay_buf_init(&out, OUTPUT_BYTES_MAX);
    assay_json_writer_init(&w, &out, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_u64(&w, "turns", e->seen);
    assay_json_put_u64(&w, "differing", e->differing);
    assay_json_put_u64(&w, "first_differing", e->first_differing);
    assay_json_put_bool(&w, "same_answer", answer_same);
    if (fork != NULL) {
        assay_json_put_u64(&w, "episode", fork->number);
        assay_json_put_text(&w, "run_id", fork->run_id);
        assay_json_put_text(&w, "cause", assay_episode_cause_name(fork->cause));
        if (fork->scored)
            assay_json_put_bool(&w, "resolved", fork->resolved);
        else
            assay_json_put_null(&w, "resolved");
        assay_json_put_text(&w, "verdict_cause", fork->verdict_cause);
    }
    assay_json_end_object(&w);
    assay_buf_addc(&out, '\n');
    return assay_cli_print(&out, err);
}

static enum assay_status replay(struct episodes *e, struct assay_error *err)
{
    struct assay_recorded recorded;
    struct assay_actor actor;
    struct assay_drive_request request = {.actor = &actor, .on_turn = compare_turn, .user = e};
    struct assay_drive_result result;
    enum assay_status status = load(e, err);

    if (status == ASSAY_OK)
        status = load_suite(e, &request.instance, err);
    if (status == ASSAY_OK)
        status = take_options(e, &request, err);
    if (status != ASSAY_OK)
        return status;
    recorded = (struct assay_recorded){e->turns, e->turn_count};
    actor = assay_actor_recorded(&recorded);
    request.suite = e->suite;
    request.sample = e->row.sample;
    request.seed = strtoull(e->row.seed, NULL, 10);
    status = assay_drive(&result, e->context, &request, err);
    if (status != ASSAY_OK)
        return status;
    if (result.cause == ASSAY_EPISODE_INFRA_ERROR)
        status = assay_fail(err, ASSAY_EIO, "%s", result.reason);
    if (status == ASSAY_OK)
        status = print_comparison(e, same_answer(&result.answer, e->row.answer), NULL, err);
    if (e->differing > 0)
        e->code = ASSAY_EXIT_FAILED;
    assay_drive_release(&result);
    return status;
}

// A fork is a run of its own, with one episode.
static enum assay_status open_fork_run(
        struct episodes *e, const char **run_id, struct assay_error *err)
{
    char id[ASSAY_ID_BYTES], identity[65];
    const char *const ids[] = {e->row.instance_id};
    struct assay_run wanted = {.identity = identity,
            .suite = e->row.suite,
            .model = e->row.actor,
            .command = e->invocation->command_line};
    struct assay_run run;
    bool resumed = false;
    enum assay_status status = assay_id_new(id, err);

    if (status == ASSAY_OK)
        status = assay_sha256_bytes(identity, id, strlen(id), err);
    if (status == ASSAY_OK)
        status = assay_store_open_run(assay_context_store(e->context), &wanted, ids, 1, false,
                e->arena, &run, &resumed, err);
    if (status == ASSAY_OK)
        *run_id = run.run_id;
    return status;
}

static enum assay_status grade_fork(struct episodes *e, const struct assay_drive_request *request,
        const struct assay_drive_result *result, const char *run_id, struct assay_episode_row *fork,
        struct assay_error *err)
{
    struct assay_store *store = assay_context_store(e->context);
    struct assay_verdict verdict;
    enum assay_status status = assay_store_end_episode(store, request->handle, result->cause,
            result->reason, result->turn_count,
            (struct assay_bytes){result->answer.data, result->answer.len}, err);

    if (status == ASSAY_OK)
        status = assay_store_get_episode(store, request->handle->number, e->arena, fork, err);
    if (status == ASSAY_OK)
        status = assay_rollout_grade(&verdict, e->context, e->suite, request->instance, run_id,
                fork, assay_cli_flag(e->invocation, "no-cache"), false, e->arena, err);
    if (status == ASSAY_OK)
        status = assay_store_finish_run(store, run_id, err);
    if (status == ASSAY_OK)
        status = assay_store_get_episode(store, request->handle->number, e->arena, fork, err);
    return status;
}

static enum assay_status run_fork(
        struct episodes *e, struct assay_drive_request *request, struct assay_error *err)
{
    struct assay_episode_handle handle;
    struct assay_drive_result result;
    struct assay_episode_row fork;
    const char *run_id = NULL;
    bool finished = false;
    enum assay_status status = open_fork_run(e, &run_id, err);
    struct assay_episode_begin begin = {.run_id = run_id,
            .instance_id = e->row.instance_id,
            .sample = 1,
            .graded_in = run_id,
            .actor = request->actor->name,
            .seed = e->row.seed,
            .options = request->options,
            .tokens_max = request->tokens_max};

    if (status == ASSAY_OK)
        status = assay_store_begin_episode(
                assay_context_store(e->context), &begin, &handle, &finished, err);
    if (status != ASSAY_OK)
        return status;
    // cppcheck-suppress autoVariables; the request is done with before this call returns
    request->handle = &handle;
    status = assay_drive(&result, e->context, request, err);
    if (status != ASSAY_OK)
        return status;
    status = grade_fork(e, request, &result, run_id, &fork, err);
    if (status == ASSAY_OK)
        status = print_comparison(e, same_answer(&result.answer, e->row.answer), &fork, err);
    assay_drive_release(&result);
    return status;
}

// Does the episode go on after its first `count` turns?
static enum assay_status check_open(
        const struct episodes *e, size_t count, uint32_t turns_max, struct assay_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (e->turns[i].tool != NULL && strcmp(e->turns[i].tool, "submit") == 0 &&
                !e->turns[i].failed)
            return assay_fail(err, ASSAY_EINVAL,
                    "the episode is over after turn %u, which submits: --turn 0 to %zu",
                    e->turns[i].turn, i);
    if (count >= turns_max)
        return assay_fail(err, ASSAY_EINVAL,
                "the episode is over after turn %zu: it may take %u turns; --turns allows more",
                count, turns_max);
    return ASSAY_OK;
}

static enum assay_status fork_at(struct episodes *e, struct assay_error *err)
{
    const char *name = assay_cli_value(e->invocation, "actor");
    struct assay_recorded recorded;
    struct assay_drive_request request = {
            .actor = &e->actor, .on_turn = compare_turn, .user = e, .sample = 1};
    uint64_t turn = UINT64_MAX;
    enum assay_status status = load(e, err);

    if (status == ASSAY_OK)
        status = load_suite(e, &request.instance, err);
    if (status == ASSAY_OK)
        status = take_options(e, &request, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&turn, e->invocation, "turn", 0, e->turn_count, err);
    if (status == ASSAY_OK && turn == UINT64_MAX)
        status = assay_fail(err, ASSAY_EUSAGE, "after which turn? --turn 0 to %zu", e->turn_count);
    if (status == ASSAY_OK)
        status = check_open(e, (size_t)turn, request.options.limits.turns_max, err);
    if (status == ASSAY_OK && name != NULL)
        status = assay_actor_make(&e->actor, name, e->invocation, err);
    if (status != ASSAY_OK)
        return status;
    recorded = (struct assay_recorded){e->turns, e->turn_count};
    if (name == NULL)
        e->actor = assay_actor_recorded(&recorded);
    else
        e->turn_count = (size_t)turn; // what comes after is another's
    request.suite = e->suite;
    request.seed = strtoull(e->row.seed, NULL, 10);
    request.history = e->turns;
    request.history_count = (size_t)turn;
    return run_fork(e, &request, err);
}

// --- the commands --------------------------------------------------------------------------------

static enum assay_exit command(struct assay_invocation *invocation, bool with_sandbox,
        enum assay_status (*work)(struct episodes *e, struct assay_error *err))
{
    struct episodes e = {.invocation = invocation};
    struct assay_error err = {0};
    enum assay_status status = assay_arena_create(&e.arena, ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = assay_context_open(&e.context, invocation, with_sandbox, &err);
    if (status == ASSAY_OK)
        status = work(&e, &err);
    if (status != ASSAY_OK)
        e.code = assay_cli_fail(&err);
    assay_context_close(e.context);
    assay_actor_release(&e.actor);
    assay_suite_free(e.suite);
    assay_arena_destroy(e.arena);
    return e.code;
}

enum assay_exit assay_cmd_episodes_list(struct assay_invocation *invocation)
{
    return command(invocation, false, list);
}

enum assay_exit assay_cmd_episodes_show(struct assay_invocation *invocation)
{
    return command(invocation, false, show);
}

enum assay_exit assay_cmd_episodes_replay(struct assay_invocation *invocation)
{
    return command(invocation, true, replay);
}

enum assay_exit assay_cmd_episodes_fork(struct assay_invocation *invocation)
{
    return command(invocation, true, fork_at);
}
