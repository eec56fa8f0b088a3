// SPDX-License-Identifier: MIT
// store_open.c - connections and migrations.
//
// Several processes may open, and make, one database at the same time: whatever
// is decided here is decided again inside the transaction that acts on it.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tasks/fields.h"
#include "tasks/store_db.h"

#define APPLICATION_ID 0x41535359 // "ASSY", in the database header
#define RETRY_MS 10

struct store_version {
    uint64_t application_id, user_version, table_count;
};

static enum assay_status read_version(
        struct store_version *out, sqlite3 *db, struct assay_error *err)
{
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT (SELECT application_id FROM pragma_application_id),"
            " (SELECT user_version FROM pragma_user_version),"
            " (SELECT count(*) FROM sqlite_schema)");
    if (assay_query_row(&query)) {
        out->application_id = assay_column_u64(&query, 0);
        out->user_version = assay_column_u64(&query, 1);
        out->table_count = assay_column_u64(&query, 2);
    }
    return assay_query_end(&query, "open", err);
}

// A database that is neither empty nor ours must not be touched.
static enum assay_status check_version(const struct store_version *version, struct assay_error *err)
{
    if (version->application_id != APPLICATION_ID &&
            (version->table_count > 0 || version->application_id != 0 ||
                    version->user_version != 0))
        return assay_fail(err, ASSAY_EREFUSED, "store: this database is not one of assay's");
    if (version->user_version > assay_store_migration_count)
        return assay_fail(err, ASSAY_EREFUSED,
                "store: written by a newer assay (schema %llu; this program knows %zu)",
                (unsigned long long)version->user_version, assay_store_migration_count);
    return ASSAY_OK;
}

// Switching to WAL needs the database alone for a moment, and SQLite does not
// always call the busy handler for it (two openers would wait for each other).
static enum assay_status set_wal(sqlite3 *db, struct assay_error *err)
{
    const uint64_t deadline_ms = assay_clock_ms() + ASSAY_STORE_BUSY_MS;
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};

    for (;;) {
        struct assay_query query;
        bool wal = false;

        assay_query_begin(&query, db, "PRAGMA journal_mode = WAL");
        if (assay_query_row(&query))
            wal = strcmp((const char *)sqlite3_column_text(query.statement, 0), "wal") == 0;
        if ((query.code & 0xff) == SQLITE_BUSY && assay_clock_left_ms(deadline_ms) > 0) {
            sqlite3_finalize(query.statement);
            nanosleep(&pause, NULL);
            continue;
        }
        if (query.code == SQLITE_OK && !wal) {
            sqlite3_finalize(query.statement);
            return assay_fail(err, ASSAY_EREFUSED,
                    "store: this file system cannot hold a database in WAL mode");
        }
        return assay_query_end(&query, "switch to WAL", err);
    }
}

enum assay_status assay_store_connect(sqlite3 **out, const char *path, struct assay_error *err)
{
    char file[ASSAY_PATH_SHORT_BYTES];
    struct store_version version = {0};
    enum assay_status status;
    sqlite3 *db = NULL;
    int code;

    assay_path_short(file, path);
    code = sqlite3_open_v2(
            path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        status = assay_store_fail(err, db, code, file);
        goto out;
    }
    sqlite3_busy_timeout(db, ASSAY_STORE_BUSY_MS);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    status = assay_store_exec(db,
            "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;",
            file, err);
    if (status == ASSAY_OK)
        status = read_version(&version, db, err);
    if (status == ASSAY_OK)
        status = check_version(&version, err);
    if (status == ASSAY_OK)
        status = set_wal(db, err);

out:
    if (status == ASSAY_OK)
        *out = db;
    else
        sqlite3_close(db);
    return status;
}

// One migration, if it is still missing, in one transaction. *done when none is missing.
static enum assay_status migrate_step(sqlite3 *db, bool *done, struct assay_error *err)
{
    struct store_version version = {0};
    enum assay_status status = assay_store_exec(db, "BEGIN IMMEDIATE", "migrate", err);

    if (status != ASSAY_OK)
        return status;
    status = read_version(&version, db, err);
    if (status == ASSAY_OK)
        status = check_version(&version, err);
    *done = version.user_version >= assay_store_migration_count;
    if (status == ASSAY_OK && !*done) {
        char pragma[96];

        snprintf(pragma, sizeof(pragma), "PRAGMA application_id = %d; PRAGMA user_version = %llu",
                APPLICATION_ID, (unsigned long long)version.user_version + 1);
        status = assay_store_exec(db, assay_store_migrations[version.user_version], "migrate", err);
        if (status == ASSAY_OK)
            status = assay_store_exec(db, pragma, "migrate", err);
    }
    if (status == ASSAY_OK)
        status = assay_store_exec(db, "COMMIT", "migrate", err);
    if (status != ASSAY_OK)
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); // may have happened already
    return status;
}

enum assay_status assay_store_migrate(sqlite3 *db, struct assay_error *err)
{
    bool done = false;
    enum assay_status status = ASSAY_OK;

    while (status == ASSAY_OK && !done)
        status = migrate_step(db, &done, err);
    return status;
}
