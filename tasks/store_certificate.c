// SPDX-License-Identifier: MIT
// store_certificate.c - what certifying an instance showed, kept by its content.
#include <string.h>

#include "base/clock.h"
#include "tasks/store_db.h"

struct put_args {
    const struct assay_certificate *certificate;
};

static enum assay_status put_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct put_args *args = user;
    const struct assay_certificate *certificate = args->certificate;
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;
    enum assay_status status;

    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "INSERT INTO certificates (suite, instance_id, instance_hash, holds, runs, details,"
            " reason, made_at, checks, grader) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    assay_query_text(&query, certificate->suite);
    assay_query_text(&query, certificate->instance_id);
    assay_query_text(&query, certificate->instance_hash);
    assay_query_u64(&query, certificate->holds);
    assay_query_u64(&query, certificate->runs);
    assay_query_text(&query, certificate->details == NULL ? "" : certificate->details);
    assay_query_text(&query, certificate->reason == NULL ? "" : certificate->reason);
    assay_query_text(&query, now);
    assay_query_text(&query, certificate->checks == NULL ? "gold empty" : certificate->checks);
    assay_query_text(&query, ASSAY_GRADER_VERSION);
    status = assay_query_run(&query, "put certificate", err);
    if (status != ASSAY_OK)
        return status;
    assay_query_begin(&query, db, "DELETE FROM certificate_runs WHERE instance_hash = ?");
    assay_query_text(&query, certificate->instance_hash);
    return assay_query_run(&query, "put certificate", err);
}

enum assay_status assay_store_put_certificate(struct assay_store *store,
        const struct assay_certificate *certificate, struct assay_error *err)
{
    struct put_args args = {certificate};

    return assay_store_write(store, put_work, &args, err);
}

struct get_args {
    const char *suite, *instance_id, *instance_hash;
    struct assay_arena *arena;
    struct assay_certificate *out;
};

static enum assay_status get_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct get_args *args = user;
    struct assay_certificate found = {0};
    struct assay_query query;
    bool known;
    enum assay_status status;

    assay_query_begin(&query, db,
            "SELECT suite, instance_id, holds, runs, details, reason, made_at, checks, grader"
            " FROM certificates"
            " WHERE suite = ? AND instance_id = ? AND instance_hash = ?"
            " ORDER BY certificate_number DESC LIMIT 1");
    assay_query_text(&query, args->suite);
    assay_query_text(&query, args->instance_id);
    assay_query_text(&query, args->instance_hash);
    known = assay_query_row(&query);
    if (known) {
        found.suite = assay_column_text(&query, 0, args->arena);
        found.instance_id = assay_column_text(&query, 1, args->arena);
        found.holds = assay_column_u64(&query, 2) != 0;
        found.runs = (unsigned)assay_column_u64(&query, 3);
        found.details = assay_column_text(&query, 4, args->arena);
        found.reason = assay_column_text(&query, 5, args->arena);
        found.made_at = assay_column_text(&query, 6, args->arena);
        found.checks = assay_column_text(&query, 7, args->arena);
        found.grader = assay_column_text(&query, 8, args->arena);
    }
    status = assay_query_end(&query, "get certificate", err);
    if (status == ASSAY_OK && !known)
        status = assay_fail(err, ASSAY_ENOTFOUND, "%s has no certificate", args->instance_id);
    if (status != ASSAY_OK)
        return status;
    strncpy(found.instance_hash, args->instance_hash, sizeof(found.instance_hash) - 1);
    *args->out = found;
    return ASSAY_OK;
}

enum assay_status assay_store_get_certificate(struct assay_store *store, const char *suite,
        const char *instance_id, const char *instance_hash, struct assay_arena *arena,
        struct assay_certificate *out, struct assay_error *err)
{
    struct get_args args = {suite, instance_id, instance_hash, arena, out};

    return assay_store_read(store, get_work, &args, err);
}

// --- runs of a certification that is not through -------------------------------------------------

struct put_run_args {
    const char *instance_hash;
    const struct assay_certificate_run *run;
};

static enum assay_status put_run_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct put_run_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db,
            "INSERT OR REPLACE INTO certificate_runs (instance_hash, grader, check_name, run, body)"
            " VALUES (?, ?, ?, ?, ?)");
    assay_query_text(&query, args->instance_hash);
    assay_query_text(&query, ASSAY_GRADER_VERSION);
    assay_query_text(&query, args->run->check_name);
    assay_query_u64(&query, args->run->run);
    assay_query_text(&query, args->run->body);
    return assay_query_run(&query, "put certificate run", err);
}

enum assay_status assay_store_put_certificate_run(struct assay_store *store,
        const char *instance_hash, const struct assay_certificate_run *run, struct assay_error *err)
{
    struct put_run_args args = {instance_hash, run};

    return assay_store_write(store, put_run_work, &args, err);
}

struct runs_args {
    const char *instance_hash;
    struct assay_arena *arena;
    struct assay_certificate_run *runs;
    size_t count;
};

static enum assay_status runs_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct runs_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT check_name, run, body, count(*) OVER () FROM certificate_runs"
            " WHERE instance_hash = ? AND grader = ? ORDER BY check_name, run");
    assay_query_text(&query, args->instance_hash);
    assay_query_text(&query, ASSAY_GRADER_VERSION);
    while (assay_query_row(&query)) {
        struct assay_certificate_run *run;

        if (args->runs == NULL)
            args->runs = assay_arena_array(
                    args->arena, assay_column_u64(&query, 3), sizeof(args->runs[0]));
        if (args->runs == NULL) {
            query.code = SQLITE_NOMEM;
            break;
        }
        run = &args->runs[args->count++];
        run->check_name = assay_column_text(&query, 0, args->arena);
        run->run = (unsigned)assay_column_u64(&query, 1);
        run->body = assay_column_text(&query, 2, args->arena);
    }
    return assay_query_end(&query, "certificate runs", err);
}

enum assay_status assay_store_certificate_runs(struct assay_store *store, const char *instance_hash,
        struct assay_arena *arena, struct assay_certificate_run **runs, size_t *count,
        struct assay_error *err)
{
    struct runs_args args = {.instance_hash = instance_hash, .arena = arena};
    const enum assay_status status = assay_store_read(store, runs_work, &args, err);

    if (status == ASSAY_OK) {
        *runs = args.runs;
        *count = args.count;
    }
    return status;
}
