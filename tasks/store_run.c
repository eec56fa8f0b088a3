// SPDX-License-Identifier: MIT
// store_run.c - runs and their evaluations.
//
// A run:  (none) -> open [assay_store_open_run]  open -> finished [assay_store_finish_run]
// An evaluation has no state of its own: it has a verdict or it is pending.
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "tasks/store_db.h"

#define RUN_COLUMNS                                                                                \
    "run_id, suite, identity, model, command, state, started_at, finished_at,"                     \
    " (SELECT count(*) FROM evaluations AS e WHERE e.run_number = r.run_number),"                  \
    " (SELECT count(*) FROM evaluations AS e JOIN verdicts USING (evaluation_number)"              \
    "   WHERE e.run_number = r.run_number),"                                                       \
    " suite_hash"

static void run_columns(struct assay_run *run, struct assay_query *query, struct assay_arena *arena)
{
    const unsigned char *state = sqlite3_column_text(query->statement, 5);

    run->state = state != NULL && strcmp((const char *)state, "open") == 0 ? ASSAY_RUN_OPEN
                                                                           : ASSAY_RUN_FINISHED;
    run->run_id = assay_column_text(query, 0, arena);
    run->suite = assay_column_text(query, 1, arena);
    run->identity = assay_column_text(query, 2, arena);
    run->model = assay_column_text(query, 3, arena);
    run->command = assay_column_text(query, 4, arena);
    run->started_at = assay_column_text(query, 6, arena);
    run->finished_at = assay_column_text(query, 7, arena);
    run->total = assay_column_u64(query, 8);
    run->done = assay_column_u64(query, 9);
    run->suite_hash = assay_column_text(query, 10, arena);
}

// *known false when there is no such run.
static enum assay_status find_run(struct assay_run *out, bool *known, sqlite3 *db,
        const char *run_id, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_query query;

    assay_query_begin(&query, db, "SELECT " RUN_COLUMNS " FROM runs AS r WHERE run_id = ?");
    assay_query_text(&query, run_id);
    *known = assay_query_row(&query);
    if (*known)
        run_columns(out, &query, arena);
    return assay_query_end(&query, "find run", err);
}

// --- opening -------------------------------------------------------------------------------------

struct open_args {
    const struct assay_run *wanted;
    const char *const *instance_ids;
    size_t count;
    bool again;
    const char *new_id; // for a run without one
    struct assay_arena *arena;
    struct assay_run run;
    bool resumed;
};

// The run that the command asks for, if it is there: see the contract in store.h.
static enum assay_status open_existing(sqlite3 *db, struct open_args *args, struct assay_error *err)
{
    const struct assay_run *wanted = args->wanted;
    struct assay_run *run = &args->run;
    struct assay_query query;

    if (wanted->run_id != NULL) {
        const enum assay_status status =
                find_run(run, &args->resumed, db, wanted->run_id, args->arena, err);
        if (status != ASSAY_OK || !args->resumed)
            return status;
        if (strcmp(run->identity, wanted->identity) != 0)
            return assay_fail(err, ASSAY_ECONFLICT,
                    "run %s is of another command, or its suite or predictions have changed since: %.100s",
                    wanted->run_id, run->command);
        if (args->again && run->state == ASSAY_RUN_FINISHED)
            return assay_fail(err, ASSAY_ECONFLICT,
                    "run %s is finished: running again needs a new run id", wanted->run_id);
        return ASSAY_OK;
    }
    assay_query_begin(&query, db,
            "SELECT " RUN_COLUMNS " FROM runs AS r WHERE identity = ? AND (state = 'open' OR NOT ?)"
            " ORDER BY state = 'open' DESC, run_number DESC LIMIT 1");
    assay_query_text(&query, wanted->identity);
    assay_query_u64(&query, args->again);
    args->resumed = assay_query_row(&query);
    if (args->resumed)
        run_columns(run, &query, args->arena);
    return assay_query_end(&query, "find run", err);
}

static enum assay_status insert_run(
        sqlite3 *db, const struct open_args *args, const char *run_id, struct assay_error *err)
{
    const struct assay_run *wanted = args->wanted;
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;
    enum assay_status status;

    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "INSERT INTO runs (run_id, suite, identity, model, command, state, started_at, suite_hash)"
            " VALUES (?, ?, ?, ?, ?, 'open', ?,"
            "   coalesce((SELECT hash FROM suites WHERE name = ?), ''))");
    assay_query_text(&query, run_id);
    assay_query_text(&query, wanted->suite);
    assay_query_text(&query, wanted->identity);
    assay_query_text(&query, wanted->model == NULL ? "" : wanted->model);
    assay_query_text(&query, wanted->command == NULL ? "" : wanted->command);
    assay_query_text(&query, now);
    assay_query_text(&query, wanted->suite);
    status = assay_query_run(&query, "open run", err);
    if (status == ASSAY_ECONFLICT)
        return assay_fail(err, ASSAY_ECONFLICT,
                "run %s: the same command is open under another run id", run_id);
    return status;
}

static enum assay_status insert_evaluations(
        sqlite3 *db, const struct open_args *args, struct assay_error *err)
{
    const uint64_t run_number = (uint64_t)sqlite3_last_insert_rowid(db);
    struct assay_query query;

    assay_query_begin(&query, db,
            "INSERT INTO evaluations (run_number, instance_id, repo) VALUES (?1, ?2, coalesce("
            " (SELECT repo FROM instances JOIN suites USING (suite_number)"
            "   WHERE name = ?3 AND instance_id = ?2), ''))");
    for (size_t i = 0; i < args->count && query.code == SQLITE_OK; i++) {
        query.bound = 0;
        assay_query_u64(&query, run_number);
        assay_query_text(&query, args->instance_ids[i]);
        assay_query_text(&query, args->wanted->suite);
        (void)assay_query_row(&query);
        sqlite3_reset(query.statement);
    }
    return assay_query_end(&query, "open run", err);
}

enum assay_status assay_store_insert_run(sqlite3 *db, const struct assay_run *wanted,
        const char *run_id, const char *const *instance_ids, size_t count, struct assay_error *err)
{
    const struct open_args args = {.wanted = wanted, .instance_ids = instance_ids, .count = count};
    const enum assay_status status = insert_run(db, &args, run_id, err);

    return status == ASSAY_OK ? insert_evaluations(db, &args, err) : status;
}

static enum assay_status open_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct open_args *args = user;
    const char *run_id = args->wanted->run_id == NULL ? args->new_id : args->wanted->run_id;
    bool known = false;
    enum assay_status status = open_existing(db, args, err);

    if (status != ASSAY_OK || args->resumed)
        return status;
    status = insert_run(db, args, run_id, err);
    if (status == ASSAY_OK)
        status = insert_evaluations(db, args, err);
    if (status == ASSAY_OK)
        status = find_run(&args->run, &known, db, run_id, args->arena, err);
    return status;
}

enum assay_status assay_store_open_run(struct assay_store *store, const struct assay_run *wanted,
        const char *const *instance_ids, size_t count, bool again, struct assay_arena *arena,
        struct assay_run *out, bool *resumed, struct assay_error *err)
{
    char new_id[ASSAY_ID_BYTES];
    struct open_args args = {.wanted = wanted,
            .instance_ids = instance_ids,
            .count = count,
            .again = again,
            .new_id = new_id,
            .arena = arena};
    enum assay_status status = assay_id_new(new_id, err);

    if (status == ASSAY_OK)
        status = assay_store_write(store, open_work, &args, err);
    if (status == ASSAY_OK) {
        *out = args.run;
        *resumed = args.resumed;
    }
    return status;
}

// --- the rest of a run's life --------------------------------------------------------------------

struct run_args {
    const char *run_id;
    struct assay_arena *arena;
    struct assay_run *rows;
    size_t count;
    const char **ids;
    bool all; // of a list: also those that are finished
};

static enum assay_status no_run(const struct run_args *args, struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOTFOUND, "no run %.110s in the store", args->run_id);
}

static enum assay_status finish_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct run_args *args = user;
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;
    enum assay_status status;

    assay_clock_utc(now);
    // Once only: the time of the first finish stays.
    assay_query_begin(&query, db,
            "UPDATE runs SET state = 'finished', finished_at = coalesce(finished_at, ?)"
            " WHERE run_id = ?");
    assay_query_text(&query, now);
    assay_query_text(&query, args->run_id);
    status = assay_query_run(&query, "finish run", err);
    if (status == ASSAY_OK && sqlite3_changes(db) == 0)
        status = no_run(args, err);
    return status;
}

enum assay_status assay_store_finish_run(
        struct assay_store *store, const char *run_id, struct assay_error *err)
{
    struct run_args args = {.run_id = run_id};

    return assay_store_write(store, finish_work, &args, err);
}

static enum assay_status get_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct run_args *args = user;
    struct assay_run run = {0};
    bool known = false;
    enum assay_status status = find_run(&run, &known, db, args->run_id, args->arena, err);

    if (status == ASSAY_OK && !known)
        status = no_run(args, err);
    if (status == ASSAY_OK)
        *args->rows = run;
    return status;
}

enum assay_status assay_store_get_run(struct assay_store *store, const char *run_id,
        struct assay_arena *arena, struct assay_run *out, struct assay_error *err)
{
    struct run_args args = {.run_id = run_id, .arena = arena, .rows = out};

    return assay_store_read(store, get_work, &args, err);
}

static enum assay_status list_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct run_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db,
            args->all ? "SELECT " RUN_COLUMNS ", count(*) OVER () FROM runs AS r"
                        " ORDER BY run_number DESC"
                      : "SELECT " RUN_COLUMNS ", count(*) OVER () FROM runs AS r"
                        " WHERE state = 'open' ORDER BY run_number DESC"); // by the index runs_open
    while (assay_query_row(&query)) {
        if (args->rows == NULL)
            args->rows = assay_arena_array(
                    args->arena, assay_column_u64(&query, 11), sizeof(args->rows[0]));
        if (args->rows == NULL) {
            query.code = SQLITE_NOMEM;
            break;
        }
        run_columns(&args->rows[args->count++], &query, args->arena);
    }
    return assay_query_end(&query, "list runs", err);
}

static enum assay_status list(struct assay_store *store, bool all, struct assay_arena *arena,
        struct assay_run **rows, size_t *count, struct assay_error *err)
{
    struct run_args args = {.arena = arena, .all = all};
    const enum assay_status status = assay_store_read(store, list_work, &args, err);

    if (status == ASSAY_OK) {
        *rows = args.rows;
        *count = args.count;
    }
    return status;
}

enum assay_status assay_store_list_runs(struct assay_store *store, struct assay_arena *arena,
        struct assay_run **rows, size_t *count, struct assay_error *err)
{
    return list(store, true, arena, rows, count, err);
}

enum assay_status assay_store_list_open_runs(struct assay_store *store, struct assay_arena *arena,
        struct assay_run **rows, size_t *count, struct assay_error *err)
{
    return list(store, false, arena, rows, count, err);
}

struct pace_args {
    const char *run_id, *since;
    struct assay_arena *arena;
    struct assay_run_pace pace;
};

static enum assay_status pace_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct pace_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT count(*), total(recorded_at >= ?), total(resolved), total(NOT scored),"
            " max(recorded_at) FROM verdicts JOIN evaluations USING (evaluation_number)"
            " JOIN runs USING (run_number) WHERE run_id = ?");
    assay_query_text(&query, args->since);
    assay_query_text(&query, args->run_id);
    if (assay_query_row(&query))
        args->pace = (struct assay_run_pace){.done = assay_column_u64(&query, 0),
                .done_since = assay_column_u64(&query, 1),
                .resolved = assay_column_u64(&query, 2),
                .unscored = assay_column_u64(&query, 3),
                .last_at = assay_column_text(&query, 4, args->arena)};
    return assay_query_end(&query, "pace of a run", err);
}

enum assay_status assay_store_run_pace(struct assay_store *store, const char *run_id,
        const char *since, struct assay_arena *arena, struct assay_run_pace *out,
        struct assay_error *err)
{
    struct pace_args args = {.run_id = run_id, .since = since, .arena = arena};
    const enum assay_status status = assay_store_read(store, pace_work, &args, err);

    if (status == ASSAY_OK)
        *out = args.pace;
    return status;
}

static enum assay_status pending_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct run_args *args = user;
    struct assay_query query;
    struct assay_run run = {0};
    bool known = false;
    enum assay_status status = find_run(&run, &known, db, args->run_id, args->arena, err);

    if (status != ASSAY_OK)
        return status;
    if (!known)
        return no_run(args, err);
    args->ids = assay_arena_array(args->arena, run.total - run.done, sizeof(args->ids[0]));
    if (args->ids == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "run %s: larger than the memory bound", run.run_id);
    assay_query_begin(&query, db,
            "SELECT instance_id FROM evaluations AS e JOIN runs USING (run_number)"
            " WHERE run_id = ? AND NOT EXISTS (SELECT 1 FROM verdicts AS v"
            "   WHERE v.evaluation_number = e.evaluation_number) ORDER BY evaluation_number");
    assay_query_text(&query, args->run_id);
    while (assay_query_row(&query))
        args->ids[args->count++] = assay_column_text(&query, 0, args->arena);
    return assay_query_end(&query, "pending", err);
}

enum assay_status assay_store_pending(struct assay_store *store, const char *run_id,
        struct assay_arena *arena, struct assay_strings *out, struct assay_error *err)
{
    struct run_args args = {.run_id = run_id, .arena = arena};
    const enum assay_status status = assay_store_read(store, pending_work, &args, err);

    if (status == ASSAY_OK)
        *out = (struct assay_strings){args.ids, args.count};
    return status;
}
