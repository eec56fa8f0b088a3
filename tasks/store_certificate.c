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

    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "INSERT INTO certificates (suite, instance_id, instance_hash, holds, runs, details,"
            " reason, made_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    assay_query_text(&query, certificate->suite);
    assay_query_text(&query, certificate->instance_id);
    assay_query_text(&query, certificate->instance_hash);
    assay_query_u64(&query, certificate->holds);
    assay_query_u64(&query, certificate->runs);
    assay_query_text(&query, certificate->details == NULL ? "" : certificate->details);
    assay_query_text(&query, certificate->reason == NULL ? "" : certificate->reason);
    assay_query_text(&query, now);
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
            "SELECT suite, instance_id, holds, runs, details, reason, made_at FROM certificates"
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
