// SPDX-License-Identifier: MIT
// store_train.c - a training:  (none) -> open [open_training]  open -> finished [finish_training]
#include "tasks/store_train.h"

#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "tasks/store_db.h"

#define POSITIONS_ALL ((uint64_t)1 << 62)
#define OF_RUN " AND training_number = (SELECT training_number FROM trainings WHERE run_id = ?)"
#define TRAINING_COLUMNS "run_id, identity, config, command, state, started_at, finished_at"

static void training_columns(
        struct assay_training *out, struct assay_query *query, struct assay_arena *arena)
{
    const char *state = assay_column_text(query, 4, arena);

    out->run_id = assay_column_text(query, 0, arena);
    out->identity = assay_column_text(query, 1, arena);
    out->config = assay_column_text(query, 2, arena);
    out->command = assay_column_text(query, 3, arena);
    out->state = state && strcmp(state, "open") == 0 ? ASSAY_RUN_OPEN : ASSAY_RUN_FINISHED;
    out->started_at = assay_column_text(query, 5, arena);
    out->finished_at = assay_column_text(query, 6, arena);
}

struct open_args {
    const struct assay_training *wanted;
    bool again;
    const char *new_id;
    struct assay_arena *arena;
    struct assay_training found;
    bool resumed;
};

static enum assay_status find(
        sqlite3 *db, struct open_args *args, const char *run_id, struct assay_error *err)
{
    struct assay_query query;

    assay_query_begin(&query, db,
            run_id ? "SELECT " TRAINING_COLUMNS " FROM trainings WHERE run_id = ?"
                   : "SELECT " TRAINING_COLUMNS
                     " FROM trainings WHERE identity = ? AND (state = 'open' OR NOT ?)"
                     " ORDER BY state = 'open' DESC, training_number DESC LIMIT 1");
    assay_query_text(&query, run_id ? run_id : args->wanted->identity);
    if (!run_id)
        assay_query_u64(&query, args->again);
    args->resumed = assay_query_row(&query);
    if (args->resumed)
        training_columns(&args->found, &query, args->arena);
    return assay_query_end(&query, "find training", err);
}

static enum assay_status insert(
        sqlite3 *db, const struct open_args *args, const char *run_id, struct assay_error *err)
{
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;
    enum assay_status status;

    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "INSERT INTO trainings (run_id, identity, config, command, state, started_at)"
            " VALUES (?, ?, ?, ?, 'open', ?)");
    assay_query_text(&query, run_id);
    assay_query_text(&query, args->wanted->identity);
    assay_query_text(&query, args->wanted->config);
    assay_query_text(&query, args->wanted->command);
    assay_query_text(&query, now);
    status = assay_query_run(&query, "open training", err);
    if (status == ASSAY_ECONFLICT)
        return assay_fail(err, ASSAY_ECONFLICT,
                "training %s: the same settings are open under another name", run_id);
    return status;
}

static enum assay_status open_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct open_args *args = user;
    const char *wanted_id = args->wanted->run_id;
    const char *run_id = wanted_id ? wanted_id : args->new_id;
    enum assay_status status = find(db, args, wanted_id, err);

    if (status != ASSAY_OK)
        return status;
    if (args->resumed && strcmp(args->found.identity, args->wanted->identity) != 0)
        return assay_fail(err, ASSAY_ECONFLICT,
                "training %s is of other settings than these; give it another name", run_id);
    if (args->resumed && wanted_id && args->again && args->found.state == ASSAY_RUN_FINISHED)
        return assay_fail(err, ASSAY_ECONFLICT,
                "training %s is finished: doing it again needs another name", run_id);
    if (args->resumed)
        return ASSAY_OK;
    status = insert(db, args, run_id, err);
    if (status == ASSAY_OK)
        status = find(db, args, run_id, err);
    args->resumed = false;
    return status;
}

enum assay_status assay_store_open_training(struct assay_store *store,
        const struct assay_training *wanted, bool again, struct assay_arena *arena,
        struct assay_training *out, bool *resumed, struct assay_error *err)
{
    char new_id[ASSAY_ID_BYTES];
    struct open_args args = {.wanted = wanted, .again = again, .new_id = new_id, .arena = arena};
    enum assay_status status = assay_id_new(new_id, err);

    if (status == ASSAY_OK)
        status = assay_store_write(store, open_work, &args, err);
    if (status == ASSAY_OK) {
        *out = args.found;
        *resumed = args.resumed;
    }
    return status;
}

static enum assay_status no_training(const char *run_id, struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOTFOUND, "no training %.110s in the store", run_id);
}

static enum assay_status finish_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const char *const *run_id = user;
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;
    enum assay_status status;

    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "UPDATE trainings SET state = 'finished', finished_at = coalesce(finished_at, ?)"
            " WHERE run_id = ?");
    assay_query_text(&query, now);
    assay_query_text(&query, *run_id);
    status = assay_query_run(&query, "finish training", err);
    if (status == ASSAY_OK && sqlite3_changes(db) == 0)
        status = no_training(*run_id, err);
    return status;
}

enum assay_status assay_store_finish_training(
        struct assay_store *store, const char *run_id, struct assay_error *err)
{
    return assay_store_write(store, finish_work, &run_id, err);
}

// --- steps and checkpoints -----------------------------------------------------------------------

struct put_args {
    const char *run_id;
    const struct assay_training_record *record;
};

static enum assay_status put_step(sqlite3 *db, const char *run_id,
        const struct assay_training_step *step, struct assay_error *err)
{
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;

    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "INSERT OR REPLACE INTO metrics (training_number, position, phase, step, body,"
            " recorded_at) SELECT training_number, ?, ?, ?, ?, ? FROM trainings WHERE run_id = ?");
    assay_query_u64(&query, step->position);
    assay_query_text(&query, step->phase);
    assay_query_u64(&query, step->step);
    assay_query_text(&query, step->body);
    assay_query_text(&query, now);
    assay_query_text(&query, run_id);
    return assay_query_run(&query, "put step", err);
}

static enum assay_status put_checkpoint(sqlite3 *db, const char *run_id,
        const struct assay_training_checkpoint *checkpoint, struct assay_error *err)
{
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;

    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "INSERT OR REPLACE INTO checkpoints (training_number, position, directory, model_hash,"
            " optimizer_hash, state, made_at)"
            " SELECT training_number, ?, ?, ?, ?, ?, ? FROM trainings WHERE run_id = ?");
    assay_query_u64(&query, checkpoint->position);
    assay_query_text(&query, checkpoint->directory);
    assay_query_text(&query, checkpoint->model_hash);
    assay_query_text(&query, checkpoint->optimizer_hash);
    assay_query_text(&query, checkpoint->state);
    assay_query_text(&query, now);
    assay_query_text(&query, run_id);
    return assay_query_run(&query, "put checkpoint", err);
}

static enum assay_status put_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct put_args *args = user;
    const struct assay_training_record *r = args->record;
    enum assay_status status = assay_store_put_rollouts(db, args->run_id, r, err);

    for (size_t i = 0; i < r->step_count && status == ASSAY_OK; i++)
        status = put_step(db, args->run_id, &r->steps[i], err);
    if (status == ASSAY_OK && r->checkpoint)
        status = put_checkpoint(db, args->run_id, r->checkpoint, err);
    if (status == ASSAY_OK && (r->step_count > 0 || r->checkpoint) && sqlite3_changes(db) == 0)
        status = no_training(args->run_id, err);
    return status;
}

enum assay_status assay_store_put_training(struct assay_store *store, const char *run_id,
        const struct assay_training_record *record, struct assay_error *err)
{
    struct put_args args = {run_id, record};

    return assay_store_write(store, put_work, &args, err);
}

struct list_args {
    const char *run_id;
    uint64_t position;
    struct assay_arena *arena;
    struct assay_training_checkpoint *checkpoints;
    struct assay_training_step *steps;
    size_t count;
};

static enum assay_status checkpoints_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct list_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT c.position, directory, model_hash, optimizer_hash, c.state, count(*) OVER ()"
            " FROM checkpoints AS c JOIN trainings USING (training_number) WHERE run_id = ?"
            " ORDER BY c.position DESC");
    assay_query_text(&query, args->run_id);
    while (assay_query_row(&query)) {
        struct assay_training_checkpoint *row;

        if (!args->checkpoints)
            args->checkpoints = assay_arena_array(
                    args->arena, assay_column_u64(&query, 5), sizeof(*args->checkpoints));
        if (!args->checkpoints) {
            query.code = SQLITE_NOMEM;
            break;
        }
        row = &args->checkpoints[args->count++];
        row->position = assay_column_u64(&query, 0);
        row->directory = assay_column_text(&query, 1, args->arena);
        row->model_hash = assay_column_text(&query, 2, args->arena);
        row->optimizer_hash = assay_column_text(&query, 3, args->arena);
        row->state = assay_column_text(&query, 4, args->arena);
    }
    return assay_query_end(&query, "list checkpoints", err);
}

enum assay_status assay_store_training_checkpoints(struct assay_store *store, const char *run_id,
        struct assay_arena *arena, struct assay_training_checkpoint **rows, size_t *count,
        struct assay_error *err)
{
    struct list_args args = {.run_id = run_id, .arena = arena};
    const enum assay_status status = assay_store_read(store, checkpoints_work, &args, err);

    if (status == ASSAY_OK) {
        *rows = args.checkpoints;
        *count = args.count;
    }
    return status;
}

static enum assay_status drop_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct list_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db, "DELETE FROM checkpoints WHERE position < ?" OF_RUN);
    assay_query_u64(&query, args->position);
    assay_query_text(&query, args->run_id);
    return assay_query_run(&query, "drop checkpoints", err);
}

enum assay_status assay_store_drop_checkpoints(
        struct assay_store *store, const char *run_id, uint64_t position, struct assay_error *err)
{
    struct list_args args = {.run_id = run_id, .position = position};

    return assay_store_write(store, drop_work, &args, err);
}

static enum assay_status rewind_work(sqlite3 *db, void *user, struct assay_error *err)
{
    static const char *const statements[] = {"DELETE FROM checkpoints WHERE position > ?" OF_RUN,
            "DELETE FROM metrics WHERE position - (phase = 'eval') >= ?" OF_RUN,
            "DELETE FROM rollouts WHERE position - (phase = 'eval') >= ?" OF_RUN};
    const struct list_args *args = user;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]) && status == ASSAY_OK; i++) {
        struct assay_query query;

        assay_query_begin(&query, db, statements[i]);
        assay_query_u64(&query, args->position);
        assay_query_text(&query, args->run_id);
        status = assay_query_run(&query, "rewind training", err);
    }
    return status;
}

enum assay_status assay_store_rewind_training(
        struct assay_store *store, const char *run_id, uint64_t position, struct assay_error *err)
{
    struct list_args args = {.run_id = run_id, .position = position};

    return assay_store_write(store, rewind_work, &args, err);
}

static enum assay_status steps_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct list_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT position, phase, step, body, count(*) OVER (), recorded_at"
            " FROM metrics AS m JOIN trainings USING (training_number) WHERE run_id = ?"
            " AND (position + ? > (SELECT max(position) FROM metrics AS n"
            "   WHERE n.training_number = m.training_number)"
            "  OR (phase = 'eval' AND position = (SELECT max(position) FROM metrics AS n"
            "   WHERE n.training_number = m.training_number AND phase = 'eval')))"
            " ORDER BY position, phase");
    assay_query_text(&query, args->run_id);
    assay_query_u64(&query, args->position);
    while (assay_query_row(&query)) {
        struct assay_training_step *row;

        if (!args->steps)
            args->steps = assay_arena_array(
                    args->arena, assay_column_u64(&query, 4), sizeof(*args->steps));
        if (!args->steps) {
            query.code = SQLITE_NOMEM;
            break;
        }
        row = &args->steps[args->count++];
        row->position = assay_column_u64(&query, 0);
        row->phase = assay_column_text(&query, 1, args->arena);
        row->step = assay_column_u64(&query, 2);
        row->body = assay_column_text(&query, 3, args->arena);
        row->recorded_at = assay_column_text(&query, 5, args->arena);
    }
    return assay_query_end(&query, "list steps", err);
}

enum assay_status assay_store_training_steps(struct assay_store *store, const char *run_id,
        struct assay_arena *arena, struct assay_training_step **rows, size_t *count,
        struct assay_error *err)
{
    return assay_store_training_tail(store, run_id, POSITIONS_ALL, arena, rows, count, err);
}

enum assay_status assay_store_training_tail(struct assay_store *store, const char *run_id,
        uint64_t positions, struct assay_arena *arena, struct assay_training_step **rows,
        size_t *count, struct assay_error *err)
{
    struct list_args args = {.run_id = run_id, .position = positions, .arena = arena};
    const enum assay_status status = assay_store_read(store, steps_work, &args, err);

    if (status == ASSAY_OK) {
        *rows = args.steps;
        *count = args.count;
    }
    return status;
}

// --- trainings -----------------------------------------------------------------------------------

enum assay_status assay_store_get_training(struct assay_store *store, const char *run_id,
        struct assay_arena *arena, struct assay_training *out, struct assay_error *err)
{
    struct assay_training *rows = NULL;
    size_t count = 0;
    enum assay_status status = assay_store_list_trainings(store, arena, &rows, &count, err);

    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        if (strcmp(rows[i].run_id, run_id) == 0) {
            *out = rows[i];
            return ASSAY_OK;
        }
    return status == ASSAY_OK ? no_training(run_id, err) : status;
}

struct trainings_args {
    struct assay_arena *arena;
    struct assay_training *rows;
    size_t count;
};

static enum assay_status trainings_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct trainings_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT " TRAINING_COLUMNS ", count(*) OVER () FROM trainings"
            " ORDER BY training_number DESC");
    while (assay_query_row(&query)) {
        if (!args->rows)
            args->rows = assay_arena_array(
                    args->arena, assay_column_u64(&query, 7), sizeof(*args->rows));
        if (!args->rows) {
            query.code = SQLITE_NOMEM;
            break;
        }
        training_columns(&args->rows[args->count++], &query, args->arena);
    }
    return assay_query_end(&query, "list trainings", err);
}

enum assay_status assay_store_list_trainings(struct assay_store *store, struct assay_arena *arena,
        struct assay_training **rows, size_t *count, struct assay_error *err)
{
    struct trainings_args args = {.arena = arena};
    const enum assay_status status = assay_store_read(store, trainings_work, &args, err);

    if (status == ASSAY_OK) {
        *rows = args.rows;
        *count = args.count;
    }
    return status;
}
