// SPDX-License-Identifier: MIT
#include "tasks/store_reward.h"

#include "base/clock.h"
#include "tasks/store_db.h"

struct keep_args {
    const char *scope;
    const struct assay_reward_row *rows;
    size_t count;
};

static enum assay_status keep_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct keep_args *args = user;
    char now[ASSAY_TIME_TEXT_BYTES];
    enum assay_status status = ASSAY_OK;

    assay_clock_utc(now);
    for (size_t i = 0; i < args->count && status == ASSAY_OK; i++) {
        const struct assay_reward_row *row = &args->rows[i];
        struct assay_query query;

        assay_query_begin(&query, db,
                "INSERT OR IGNORE INTO rollout_verdicts (scope, key, cause, resolved, passed,"
                " failed, kept_at) VALUES (?, ?, ?, ?, ?, ?, ?)");
        assay_query_text(&query, args->scope);
        assay_query_text(&query, row->key);
        assay_query_text(&query, assay_cause_name(row->cause));
        assay_query_u64(&query, row->resolved);
        assay_query_u64(&query, row->passed);
        assay_query_u64(&query, row->failed);
        assay_query_text(&query, now);
        status = assay_query_run(&query, "keep rewards", err);
    }
    return status;
}

enum assay_status assay_store_keep_rewards(struct assay_store *store, const char *scope,
        const struct assay_reward_row *rows, size_t count, struct assay_error *err)
{
    struct keep_args args = {scope, rows, count};

    return count > 0 ? assay_store_write(store, keep_work, &args, err) : ASSAY_OK;
}

struct kept_args {
    const char *scope;
    size_t max;
    struct assay_arena *arena;
    struct assay_reward_row *rows;
    size_t count;
};

static enum assay_status kept_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct kept_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT key, cause, resolved, passed, failed, count(*) OVER () FROM rollout_verdicts"
            " WHERE scope = ? ORDER BY key LIMIT ?");
    assay_query_text(&query, args->scope);
    assay_query_u64(&query, args->max);
    while (assay_query_row(&query)) {
        struct assay_reward_row *row;
        const char *cause = assay_column_text(&query, 1, args->arena);

        if (args->rows == NULL)
            args->rows = assay_arena_array(
                    args->arena, assay_column_u64(&query, 5), sizeof(*args->rows));
        if (args->rows == NULL || cause == NULL) {
            query.code = SQLITE_NOMEM;
            break;
        }
        row = &args->rows[args->count];
        row->key = assay_column_text(&query, 0, args->arena);
        row->resolved = assay_column_u64(&query, 2) != 0;
        row->passed = (uint32_t)assay_column_u64(&query, 3);
        row->failed = (uint32_t)assay_column_u64(&query, 4);
        // A cause of another version is no verdict of this one.
        args->count += assay_cause_from_name(&row->cause, cause);
    }
    return assay_query_end(&query, "kept rewards", err);
}

enum assay_status assay_store_kept_rewards(struct assay_store *store, const char *scope, size_t max,
        struct assay_arena *arena, struct assay_reward_row **rows, size_t *count,
        struct assay_error *err)
{
    struct kept_args args = {.scope = scope, .max = max, .arena = arena};
    const enum assay_status status = assay_store_read(store, kept_work, &args, err);

    if (status != ASSAY_OK)
        return status;
    *rows = args.rows;
    *count = args.count;
    return ASSAY_OK;
}
