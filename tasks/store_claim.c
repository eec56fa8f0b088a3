// SPDX-License-Identifier: MIT
// store_claim.c - who makes the verdict of a key, among all processes on the store.
//
// absent -> held [claim], held -> held [renew], held -> absent [put verdict, drop],
// held -> expired [time], expired -> held by another [claim: a new number]
#include "tasks/store_db.h"

struct claim_args {
    const char *key, *owner;
    uint64_t now_ms, expires_ms, claim;
    bool found;
};

static enum assay_status claim_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct claim_args *args = user;
    struct assay_query query;
    enum assay_status status;

    // A new row, and so a new number: whoever had the old one has lost it.
    assay_query_begin(&query, db, "DELETE FROM claims WHERE key = ? AND expires_ms <= ?");
    assay_query_text(&query, args->key);
    assay_query_u64(&query, args->now_ms);
    status = assay_query_run(&query, "claim", err);
    if (status != ASSAY_OK)
        return status;
    assay_query_begin(&query, db,
            "INSERT INTO claims (key, owner, expires_ms) VALUES (?, ?, ?)"
            " ON CONFLICT (key) DO NOTHING RETURNING claim_number");
    assay_query_text(&query, args->key);
    assay_query_text(&query, args->owner);
    assay_query_u64(&query, args->expires_ms);
    args->claim = 0;
    while (assay_query_row(&query))
        args->claim = assay_column_u64(&query, 0);
    return assay_query_end(&query, "claim", err);
}

enum assay_status assay_store_claim(struct assay_store *store, const char *key, const char *owner,
        uint64_t now_ms, uint64_t expires_ms, uint64_t *claim, struct assay_error *err)
{
    struct claim_args args = {
            .key = key, .owner = owner, .now_ms = now_ms, .expires_ms = expires_ms};
    const enum assay_status status = assay_store_write(store, claim_work, &args, err);

    if (status == ASSAY_OK)
        *claim = args.claim;
    return status;
}

static enum assay_status is_claimed_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct claim_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db, "SELECT 1 FROM claims WHERE key = ? AND expires_ms > ?");
    assay_query_text(&query, args->key);
    assay_query_u64(&query, args->now_ms);
    args->found = assay_query_row(&query);
    return assay_query_end(&query, "claim", err);
}

enum assay_status assay_store_is_claimed(struct assay_store *store, const char *key,
        uint64_t now_ms, bool *claimed, struct assay_error *err)
{
    struct claim_args args = {.key = key, .now_ms = now_ms};
    const enum assay_status status = assay_store_read(store, is_claimed_work, &args, err);

    if (status == ASSAY_OK)
        *claimed = args.found;
    return status;
}

static enum assay_status renew_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct claim_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db, "UPDATE claims SET expires_ms = ? WHERE owner = ?");
    assay_query_u64(&query, args->expires_ms);
    assay_query_text(&query, args->owner);
    return assay_query_run(&query, "renew claims", err);
}

enum assay_status assay_store_renew_claims(
        struct assay_store *store, const char *owner, uint64_t expires_ms, struct assay_error *err)
{
    struct claim_args args = {.owner = owner, .expires_ms = expires_ms};

    return assay_store_write(store, renew_work, &args, err);
}

enum assay_status assay_store_end_claim(
        bool *held, sqlite3 *db, const char *key, uint64_t claim, struct assay_error *err)
{
    struct assay_query query;
    enum assay_status status;

    assay_query_begin(&query, db, "DELETE FROM claims WHERE key = ? AND claim_number = ?");
    assay_query_text(&query, key);
    assay_query_u64(&query, claim);
    status = assay_query_run(&query, "end claim", err);
    *held = status == ASSAY_OK && sqlite3_changes(db) > 0;
    return status;
}

static enum assay_status drop_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct claim_args *args = user;
    bool held = false;

    return assay_store_end_claim(&held, db, args->key, args->claim, err);
}

enum assay_status assay_store_drop_claim(
        struct assay_store *store, const char *key, uint64_t claim, struct assay_error *err)
{
    struct claim_args args = {.key = key, .claim = claim};

    return assay_store_write(store, drop_work, &args, err);
}
