// SPDX-License-Identifier: MIT
// store_episode.c - episodes and turns.
//
// An episode:  (none) -> running [begin]  running -> running, next attempt [begin]
//              running -> over [end]              over in trouble of ours -> running [begin]
#include "tasks/store_episode.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tasks/store_db.h"

#define TURN_BYTES_MAX ((size_t)256 << 20) // of a posted turn

// --- beginning -----------------------------------------------------------------------------------

struct begin_args {
    const struct assay_episode_begin *begin;
    struct assay_episode_handle handle;
    bool known, finished;
};

static enum assay_status find_episode(sqlite3 *db, struct begin_args *args, struct assay_error *err)
{
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT episode_number, attempt,"
            " cause <> 'running' AND NOT (?4 AND cause = 'infra_error') FROM episodes"
            " JOIN runs USING (run_number) WHERE run_id = ?1 AND instance_id = ?2 AND sample = ?3");
    assay_query_text(&query, args->begin->run_id);
    assay_query_text(&query, args->begin->instance_id);
    assay_query_u64(&query, args->begin->sample);
    assay_query_u64(&query, args->begin->retry_infra);
    args->known = assay_query_row(&query);
    if (args->known) {
        args->handle.number = assay_column_u64(&query, 0);
        args->handle.attempt = assay_column_u64(&query, 1);
        args->finished = assay_column_u64(&query, 2) != 0;
    }
    return assay_query_end(&query, "find episode", err);
}

static void add_options(struct assay_query *query, const struct assay_episode_begin *begin)
{
    const struct assay_episode_limits *limits = &begin->options.limits;

    assay_query_u64(query, limits->turns_max);
    assay_query_u64(query, limits->wall_ms_max);
    assay_query_u64(query, limits->cpu_ms_max);
    assay_query_u64(query, limits->command_ms_max);
    assay_query_u64(query, limits->observation_bytes_max);
    assay_query_u64(query, begin->options.fresh);
    assay_query_u64(query, begin->tokens_max);
}

static enum assay_status insert_episode(
        sqlite3 *db, struct begin_args *args, struct assay_error *err)
{
    const struct assay_episode_begin *begin = args->begin;
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;
    enum assay_status status;

    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "INSERT INTO episodes (run_number, instance_id, sample, graded_in, actor, seed, attempt,"
            " cause, reason, turn_count, started_at, source, source_format, turns_max, wall_ms_max,"
            " cpu_ms_max, command_ms_max, observation_bytes_max, fresh, tokens_max)"
            " SELECT run_number, ?2, ?3, ?4, ?5, ?6, 1, 'running', '', 0, ?7, ?8, ?9, ?10, ?11, ?12,"
            " ?13, ?14, ?15, ?16 FROM runs WHERE run_id = ?1");
    assay_query_text(&query, begin->run_id);
    assay_query_text(&query, begin->instance_id);
    assay_query_u64(&query, begin->sample);
    assay_query_text(&query, begin->graded_in);
    assay_query_text(&query, begin->actor);
    assay_query_text(&query, begin->seed);
    assay_query_text(&query, now);
    assay_query_text(&query, begin->source);
    assay_query_text(&query, begin->source_format);
    add_options(&query, begin);
    status = assay_query_run(&query, "begin episode", err);
    if (status != ASSAY_OK)
        return status;
    if (sqlite3_changes(db) != 1)
        return assay_fail(err, ASSAY_ENOTFOUND, "no run %.100s", begin->run_id);
    args->handle.number = (uint64_t)sqlite3_last_insert_rowid(db);
    args->handle.attempt = 1;
    return ASSAY_OK;
}

static enum assay_status begin_again(sqlite3 *db, struct begin_args *args, struct assay_error *err)
{
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;
    enum assay_status status;

    assay_clock_utc(now);
    assay_query_begin(&query, db, "DELETE FROM turns WHERE episode_number = ?");
    assay_query_u64(&query, args->handle.number);
    status = assay_query_run(&query, "begin episode", err);
    if (status != ASSAY_OK)
        return status;
    assay_query_begin(&query, db,
            "UPDATE episodes SET attempt = attempt + 1, started_at = ?, cause = 'running',"
            " reason = '', turn_count = 0, answer = NULL, finished_at = NULL"
            " WHERE episode_number = ?");
    assay_query_text(&query, now);
    assay_query_u64(&query, args->handle.number);
    args->handle.attempt++;
    return assay_query_run(&query, "begin episode", err);
}

static enum assay_status begin_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct begin_args *args = user;
    enum assay_status status = find_episode(db, args, err);

    if (status != ASSAY_OK || args->finished)
        return status;
    return args->known ? begin_again(db, args, err) : insert_episode(db, args, err);
}

enum assay_status assay_store_begin_episode(struct assay_store *store,
        const struct assay_episode_begin *begin, struct assay_episode_handle *out, bool *finished,
        struct assay_error *err)
{
    struct begin_args args = {.begin = begin};
    enum assay_status status = assay_store_write(store, begin_work, &args, err);

    if (status == ASSAY_OK) {
        *out = args.handle;
        *finished = args.finished;
    }
    return status;
}

// --- turns ---------------------------------------------------------------------------------------

struct turn_args {
    struct assay_arena *arena; // owned: holds all of this
    struct assay_episode_handle handle;
    struct assay_turn turn;
};

static enum assay_status turn_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct turn_args *args = user;
    const struct assay_turn *turn = &args->turn;
    struct assay_query query;

    assay_query_begin(&query, db,
            "INSERT INTO turns SELECT episode_number, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
            " ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21 FROM episodes"
            " WHERE episode_number = ?1 AND attempt = ?2 AND cause = 'running'");
    assay_query_u64(&query, args->handle.number);
    assay_query_u64(&query, args->handle.attempt);
    assay_query_u64(&query, turn->turn);
    assay_query_u64(&query, turn->message);
    assay_query_text(&query, turn->text);
    assay_query_text(&query, turn->call_id);
    assay_query_text(&query, turn->tool);
    assay_query_text(&query, turn->arguments);
    assay_query_bytes(&query, turn->observation.data, turn->observation.len);
    assay_query_u64(&query, turn->failed);
    assay_query_text(&query, turn->cause);
    assay_query_u64(&query, (uint64_t)(turn->exit_code < 0 ? 0 : turn->exit_code));
    assay_query_u64(&query, turn->wall_us);
    assay_query_u64(&query, turn->cpu_us);
    assay_query_u64(&query, turn->queue_us);
    assay_query_u64(&query, turn->actor_us);
    assay_query_u64(&query, turn->step_us);
    assay_query_u64(&query, turn->prompt_tokens);
    assay_query_u64(&query, turn->answer_tokens);
    assay_query_text(&query, turn->sampled);
    assay_query_u64(&query, (uint64_t)turn->signal);
    return assay_query_run(&query, "put turn", err);
}

static void turn_free(void *user)
{
    struct turn_args *args = user;

    assay_arena_destroy(args->arena);
}

static bool copy_text(const char **text, struct assay_arena *arena)
{
    if (*text != NULL)
        *text = assay_arena_strdup(arena, *text);
    return *text != NULL;
}

// Every text of the turn into its own arena.
static bool copy_turn(struct assay_turn *turn, struct assay_arena *arena)
{
    const char **const texts[] = {&turn->text, &turn->call_id, &turn->tool, &turn->arguments,
            &turn->cause, &turn->sampled};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (*texts[i] != NULL && !copy_text(texts[i], arena))
            return false;
    turn->observation.data = assay_arena_memdup(arena,
            turn->observation.data != NULL ? turn->observation.data : "", turn->observation.len);
    return turn->observation.data != NULL;
}

enum assay_status assay_store_post_turn(struct assay_store *store,
        const struct assay_episode_handle *handle, const struct assay_turn *turn,
        struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct turn_args *args = NULL;
    enum assay_status status = assay_arena_create(&arena, TURN_BYTES_MAX, err);

    if (status != ASSAY_OK)
        return status;
    args = assay_arena_alloc(arena, sizeof(*args));
    if (args == NULL) {
        assay_arena_destroy(arena);
        return assay_fail(err, ASSAY_ENOMEM, "put turn: out of memory");
    }
    *args = (struct turn_args){.arena = arena, .handle = *handle, .turn = *turn};
    if (!copy_turn(&args->turn, arena)) {
        assay_arena_destroy(arena);
        return assay_fail(err, ASSAY_ENOMEM, "put turn: out of memory");
    }
    status = assay_store_post(store, turn_work, args, turn_free, err);
    return status;
}

// --- ending --------------------------------------------------------------------------------------

struct end_args {
    const struct assay_episode_handle *handle;
    enum assay_episode_cause cause;
    const char *reason;
    uint32_t turn_count;
    struct assay_bytes answer;
};

static enum assay_status count_turns(
        sqlite3 *db, uint64_t number, uint64_t *count, struct assay_error *err)
{
    struct assay_query query;

    assay_query_begin(&query, db, "SELECT count(*) FROM turns WHERE episode_number = ?");
    assay_query_u64(&query, number);
    if (assay_query_row(&query))
        *count = assay_column_u64(&query, 0);
    return assay_query_end(&query, "count turns", err);
}

static enum assay_status end_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct end_args *args = user;
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;
    uint64_t count = 0;
    enum assay_status status;

    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "UPDATE episodes SET cause = ?, reason = ?, turn_count = ?, answer = ?, finished_at = ?"
            " WHERE episode_number = ? AND attempt = ? AND cause = 'running'");
    assay_query_text(&query, assay_episode_cause_name(args->cause));
    assay_query_text(&query, args->reason == NULL ? "" : args->reason);
    assay_query_u64(&query, args->turn_count);
    if (args->answer.data != NULL)
        assay_query_bytes(&query, args->answer.data, args->answer.len);
    else
        assay_query_text(&query, NULL);
    assay_query_text(&query, now);
    assay_query_u64(&query, args->handle->number);
    assay_query_u64(&query, args->handle->attempt);
    status = assay_query_run(&query, "end episode", err);
    if (status == ASSAY_OK && sqlite3_changes(db) != 1)
        return assay_fail(err, ASSAY_ECONFLICT, "this episode is another attempt's by now");
    if (status == ASSAY_OK)
        status = count_turns(db, args->handle->number, &count, err);
    if (status == ASSAY_OK && count != args->turn_count)
        return assay_fail(err, ASSAY_EIO, "store: only %llu of %u turns were recorded",
                (unsigned long long)count, args->turn_count);
    return status;
}

enum assay_status assay_store_end_episode(struct assay_store *store,
        const struct assay_episode_handle *handle, enum assay_episode_cause cause,
        const char *reason, uint32_t turn_count, struct assay_bytes answer, struct assay_error *err)
{
    struct end_args args = {.handle = handle,
            .cause = cause,
            .reason = reason,
            .turn_count = turn_count,
            .answer = answer};

    return assay_store_write(store, end_work, &args, err);
}

struct lost_args {
    const char *actor;
    uint64_t now_ms;
    size_t count;
};

static enum assay_status lost_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct lost_args *args = user;
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;
    enum assay_status status;

    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "UPDATE episodes SET cause = 'infra_error', reason = 'whoever led it was killed',"
            " finished_at = ?, turn_count = (SELECT count(*) FROM turns AS t"
            "   WHERE t.episode_number = episodes.episode_number)"
            " WHERE cause = 'running' AND actor = ? AND NOT EXISTS"
            "   (SELECT 1 FROM claims WHERE key = graded_in AND expires_ms > ?)");
    assay_query_text(&query, now);
    assay_query_text(&query, args->actor);
    assay_query_u64(&query, args->now_ms);
    status = assay_query_run(&query, "end lost episodes", err);
    args->count = status == ASSAY_OK ? (size_t)sqlite3_changes(db) : 0;
    return status;
}

enum assay_status assay_store_end_lost_episodes(struct assay_store *store, const char *actor,
        uint64_t now_ms, size_t *count, struct assay_error *err)
{
    struct lost_args args = {.actor = actor, .now_ms = now_ms};
    const enum assay_status status = assay_store_write(store, lost_work, &args, err);

    if (status == ASSAY_OK)
        *count = args.count;
    return status;
}

// --- reading -------------------------------------------------------------------------------------

#define SUM_OF_TURNS(column)                                                                       \
    "(SELECT sum(" column ") FROM turns AS t WHERE t.episode_number = e.episode_number)"
#define EPISODE_COLUMNS                                                                                                                                                                                    \
    "SELECT e.episode_number, r.run_id, r.suite, e.instance_id, e.graded_in, e.actor, e.seed,"                                                                                                             \
    " e.reason, e.sample, e.attempt, e.cause, " SUM_OF_TURNS(                                                                                                                                              \
            "1") ", e.started_at,"                                                                                                                                                                         \
                 " e.finished_at, e.answer, " SUM_OF_TURNS("prompt_tokens") ", " SUM_OF_TURNS("answer_tokens") ", " SUM_OF_TURNS(                                                                          \
                         "wall_us") ", " SUM_OF_TURNS("actor_us") ", v.scored, v.resolved, v.cause,"                                                                                                       \
                                                                  " e.source, e.source_format, e.turns_max, e.wall_ms_max, e.cpu_ms_max, e.command_ms_max, e.observation_bytes_max, e.fresh, e.tokens_max" \
                                                                  " FROM episodes AS e JOIN runs AS r USING (run_number)"                                                                                  \
                                                                  " LEFT JOIN runs AS g ON g.run_id = e.graded_in"                                                                                         \
                                                                  " LEFT JOIN evaluations AS x ON x.run_number = g.run_number"                                                                             \
                                                                  "   AND x.instance_id = e.instance_id"                                                                                                   \
                                                                  " LEFT JOIN verdicts AS v ON v.evaluation_number = x.evaluation_number"

static void episode_columns(
        struct assay_episode_row *row, struct assay_query *query, struct assay_arena *arena)
{
    const char *cause = assay_column_text(query, 10, arena);

    row->number = assay_column_u64(query, 0);
    row->run_id = assay_column_text(query, 1, arena);
    row->suite = assay_column_text(query, 2, arena);
    row->instance_id = assay_column_text(query, 3, arena);
    row->graded_in = assay_column_text(query, 4, arena);
    row->actor = assay_column_text(query, 5, arena);
    row->seed = assay_column_text(query, 6, arena);
    row->reason = assay_column_text(query, 7, arena);
    row->sample = (unsigned)assay_column_u64(query, 8);
    row->attempt = (unsigned)assay_column_u64(query, 9);
    if (cause == NULL || !assay_episode_cause_from_name(&row->cause, cause))
        row->cause = ASSAY_EPISODE_INFRA_ERROR;
    row->turn_count = (uint32_t)assay_column_u64(query, 11);
    row->started_at = assay_column_text(query, 12, arena);
    row->finished_at = assay_column_text(query, 13, arena);
    if (sqlite3_column_type(query->statement, 14) != SQLITE_NULL)
        row->answer = assay_column_bytes(query, 14, arena);
    row->prompt_tokens = assay_column_u64(query, 15);
    row->answer_tokens = assay_column_u64(query, 16);
    row->wall_us = assay_column_u64(query, 17);
    row->actor_us = assay_column_u64(query, 18);
    row->has_verdict = sqlite3_column_type(query->statement, 19) != SQLITE_NULL;
    row->scored = row->has_verdict && assay_column_u64(query, 19) != 0;
    row->resolved = row->has_verdict && assay_column_u64(query, 20) != 0;
    row->verdict_cause = assay_column_text(query, 21, arena);
    row->source = assay_column_text(query, 22, arena);
    row->source_format = assay_column_text(query, 23, arena);
    row->options.limits.turns_max = (uint32_t)assay_column_u64(query, 24);
    row->options.limits.wall_ms_max = assay_column_u64(query, 25);
    row->options.limits.cpu_ms_max = assay_column_u64(query, 26);
    row->options.limits.command_ms_max = assay_column_u64(query, 27);
    row->options.limits.observation_bytes_max = (size_t)assay_column_u64(query, 28);
    row->options.fresh = assay_column_u64(query, 29) != 0;
    row->tokens_max = assay_column_u64(query, 30);
}

struct list_args {
    const char *run_id; // NULL: one episode
    uint64_t number;
    struct assay_arena *arena;
    struct assay_episode_row *rows;
    size_t count, room;
};

static bool list_grow(struct list_args *args)
{
    const size_t room = args->room == 0 ? 64 : args->room * 2;
    struct assay_episode_row *grown = assay_arena_array(args->arena, room, sizeof(*grown));

    if (grown == NULL)
        return false;
    if (args->count > 0)
        memcpy(grown, args->rows, args->count * sizeof(*grown));
    args->rows = grown;
    args->room = room;
    return true;
}

static enum assay_status list_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct list_args *args = user;
    struct assay_query query;

    if (args->run_id != NULL) {
        assay_query_begin(
                &query, db, EPISODE_COLUMNS " WHERE r.run_id = ? ORDER BY e.instance_id, e.sample");
        assay_query_text(&query, args->run_id);
    } else {
        assay_query_begin(&query, db, EPISODE_COLUMNS " WHERE e.episode_number = ?");
        assay_query_u64(&query, args->number);
    }
    while (assay_query_row(&query)) {
        if (args->count == args->room && !list_grow(args)) {
            query.code = SQLITE_NOMEM;
            break;
        }
        episode_columns(&args->rows[args->count++], &query, args->arena);
    }
    return assay_query_end(&query, "list episodes", err);
}

enum assay_status assay_store_list_episodes(struct assay_store *store, const char *run_id,
        struct assay_arena *arena, struct assay_episode_row **rows, size_t *count,
        struct assay_error *err)
{
    struct list_args args = {.run_id = run_id, .arena = arena};
    enum assay_status status = assay_store_read(store, list_work, &args, err);

    if (status == ASSAY_OK) {
        *rows = args.rows;
        *count = args.count;
    }
    return status;
}

enum assay_status assay_store_get_episode(struct assay_store *store, uint64_t number,
        struct assay_arena *arena, struct assay_episode_row *out, struct assay_error *err)
{
    struct list_args args = {.number = number, .arena = arena};
    enum assay_status status = assay_store_read(store, list_work, &args, err);

    if (status == ASSAY_OK && args.count == 0)
        status = assay_fail(err, ASSAY_ENOTFOUND, "no episode %llu", (unsigned long long)number);
    if (status == ASSAY_OK)
        *out = args.rows[0];
    return status;
}

struct turns_args {
    uint64_t number, count;
    struct assay_arena *arena;
    struct assay_turn *turns;
    size_t filled;
};

static void turn_columns(
        struct assay_turn *turn, struct assay_query *query, struct assay_arena *arena)
{
    turn->turn = (uint32_t)assay_column_u64(query, 0);
    turn->message = (uint32_t)assay_column_u64(query, 1);
    turn->text = assay_column_text(query, 2, arena);
    turn->call_id = assay_column_text(query, 3, arena);
    turn->tool = assay_column_text(query, 4, arena);
    turn->arguments = assay_column_text(query, 5, arena);
    turn->observation = assay_column_bytes(query, 6, arena);
    turn->failed = assay_column_u64(query, 7) != 0;
    turn->cause = assay_column_text(query, 8, arena);
    turn->exit_code = (int)assay_column_u64(query, 9);
    turn->wall_us = assay_column_u64(query, 10);
    turn->cpu_us = assay_column_u64(query, 11);
    turn->queue_us = assay_column_u64(query, 12);
    turn->actor_us = assay_column_u64(query, 13);
    turn->step_us = assay_column_u64(query, 14);
    turn->prompt_tokens = assay_column_u64(query, 15);
    turn->answer_tokens = assay_column_u64(query, 16);
    turn->sampled = assay_column_text(query, 17, arena);
    turn->signal = (int)assay_column_u64(query, 18);
}

static enum assay_status turns_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct turns_args *args = user;
    struct assay_query query;
    enum assay_status status = count_turns(db, args->number, &args->count, err);

    if (status != ASSAY_OK)
        return status;
    args->turns = assay_arena_array(args->arena, args->count + 1, sizeof(*args->turns));
    if (args->turns == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "turns: out of memory");
    assay_query_begin(&query, db,
            "SELECT turn, message, text, call_id, tool, arguments, observation, failed, cause,"
            " exit_code, wall_us, cpu_us, queue_us, actor_us, step_us, prompt_tokens,"
            " answer_tokens, sampled, signal FROM turns WHERE episode_number = ? ORDER BY turn");
    assay_query_u64(&query, args->number);
    while (args->filled < args->count && assay_query_row(&query))
        turn_columns(&args->turns[args->filled++], &query, args->arena);
    return assay_query_end(&query, "turns", err);
}

enum assay_status assay_store_get_turns(struct assay_store *store, uint64_t number,
        struct assay_arena *arena, struct assay_turn **turns, size_t *count,
        struct assay_error *err)
{
    struct turns_args args = {.number = number, .arena = arena};
    enum assay_status status = assay_store_read(store, turns_work, &args, err);

    if (status == ASSAY_OK) {
        *turns = args.turns;
        *count = args.filled;
    }
    return status;
}
