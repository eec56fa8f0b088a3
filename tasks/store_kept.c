// SPDX-License-Identifier: MIT
// store_kept.c - runs that every answer to an instance shares, by a key of what they depend on.
#include "base/clock.h"
#include "tasks/store_db.h"

struct keep_args {
    const char *key;
    const struct assay_kept_run *run;
};

static enum assay_status keep_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct keep_args *args = user;
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;

    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "INSERT OR IGNORE INTO kept_runs (key, role, raw_bytes, frame, kept_at)"
            " VALUES (?, ?, ?, ?, ?)");
    assay_query_text(&query, args->key);
    assay_query_text(&query, args->run->role);
    assay_query_u64(&query, args->run->frame.raw_bytes);
    assay_query_bytes(&query, args->run->frame.data, args->run->frame.len);
    assay_query_text(&query, now);
    return assay_query_run(&query, "keep a run", err);
}

enum assay_status assay_store_keep_run(struct assay_store *store, const char *key,
        const struct assay_kept_run *run, struct assay_error *err)
{
    struct keep_args args = {key, run};

    return assay_store_write(store, keep_work, &args, err);
}

struct kept_args {
    const char *key;
    struct assay_arena *arena;
    struct assay_kept_run *runs;
    size_t count;
};

static enum assay_status kept_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct kept_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT role, frame, raw_bytes, count(*) OVER () FROM kept_runs WHERE key = ?"
            " ORDER BY role");
    assay_query_text(&query, args->key);
    while (assay_query_row(&query)) {
        struct assay_kept_run *run;
        struct assay_bytes frame;

        if (args->runs == NULL)
            args->runs = assay_arena_array(
                    args->arena, assay_column_u64(&query, 3), sizeof(*args->runs));
        if (args->runs == NULL) {
            query.code = SQLITE_NOMEM;
            break;
        }
        run = &args->runs[args->count++];
        run->role = assay_column_text(&query, 0, args->arena);
        frame = assay_column_bytes(&query, 1, args->arena);
        run->frame = (struct assay_frame){
                .data = frame.data, .len = frame.len, .raw_bytes = assay_column_u64(&query, 2)};
    }
    return assay_query_end(&query, "kept runs", err);
}

enum assay_status assay_store_kept_runs(struct assay_store *store, const char *key,
        struct assay_arena *arena, struct assay_kept_run **runs, size_t *count,
        struct assay_error *err)
{
    struct kept_args args = {.key = key, .arena = arena};
    const enum assay_status status = assay_store_read(store, kept_work, &args, err);

    if (status != ASSAY_OK)
        return status;
    *runs = args.runs;
    *count = args.count;
    return ASSAY_OK;
}
