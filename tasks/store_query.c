// SPDX-License-Identifier: MIT
// store_query.c - one SQLite statement whose first error is kept until it is asked for.
#include <assert.h>
#include <math.h>
#include <string.h>

#include "tasks/store_db.h"

enum assay_status assay_store_fail(struct assay_error *err, sqlite3 *db, int code, const char *what)
{
    const char *message = db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(code);
    enum assay_status status = ASSAY_EIO;

    switch (code & 0xff) { // the low byte is the primary code
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        status = ASSAY_ETIMEOUT;
        message = "another process holds the database";
        break;
    case SQLITE_CONSTRAINT:
        status = ASSAY_ECONFLICT;
        break;
    case SQLITE_NOMEM:
        status = ASSAY_ENOMEM;
        message = "out of memory";
        break;
    case SQLITE_TOOBIG:
        status = ASSAY_EINVAL;
        break;
    case SQLITE_NOTADB:
        status = ASSAY_EREFUSED;
        break;
    default:
        break;
    }
    return assay_fail(err, status, "store: %s: %s", what, message);
}

void assay_query_begin(struct assay_query *query, sqlite3 *db, const char *sql)
{
    *query = (struct assay_query){.db = db};
    query->code = sqlite3_prepare_v2(db, sql, -1, &query->statement, NULL);
}

void assay_query_text(struct assay_query *query, const char *text)
{
    if (query->code == SQLITE_OK)
        query->code = sqlite3_bind_text(query->statement, ++query->bound, text, -1, SQLITE_STATIC);
}

void assay_query_bytes(struct assay_query *query, const void *bytes, size_t len)
{
    if (query->code == SQLITE_OK)
        query->code =
                sqlite3_bind_blob64(query->statement, ++query->bound, bytes, len, SQLITE_STATIC);
}

void assay_query_u64(struct assay_query *query, uint64_t number)
{
    assert(number <= INT64_MAX);
    if (query->code == SQLITE_OK)
        query->code = sqlite3_bind_int64(query->statement, ++query->bound, (sqlite3_int64)number);
}

void assay_query_real(struct assay_query *query, double number)
{
    if (query->code == SQLITE_OK) // a NAN is stored as null
        query->code = sqlite3_bind_double(query->statement, ++query->bound, number);
}

bool assay_query_row(struct assay_query *query)
{
    int code;

    if (query->code != SQLITE_OK)
        return false;
    code = sqlite3_step(query->statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        query->code = code;
    return code == SQLITE_ROW;
}

enum assay_status assay_query_end(
        struct assay_query *query, const char *what, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    if (query->code != SQLITE_OK) // before finalize, which may replace the message
        status = assay_store_fail(err, query->db, query->code, what);
    sqlite3_finalize(query->statement);
    query->statement = NULL;
    return status;
}

enum assay_status assay_query_run(
        struct assay_query *query, const char *what, struct assay_error *err)
{
    const bool row = assay_query_row(query);

    assert(!row);
    (void)row;
    return assay_query_end(query, what, err);
}

const char *assay_column_text(struct assay_query *query, int column, struct assay_arena *arena)
{
    const unsigned char *text = sqlite3_column_text(query->statement, column);
    const int len = sqlite3_column_bytes(query->statement, column);
    const char *copy;

    if (text == NULL && sqlite3_column_type(query->statement, column) == SQLITE_NULL)
        return NULL;
    copy = text == NULL ? NULL : assay_arena_memdup(arena, text, (size_t)len);
    if (copy == NULL)
        query->code = SQLITE_NOMEM;
    return copy == NULL ? "" : copy;
}

struct assay_bytes assay_column_bytes(
        struct assay_query *query, int column, struct assay_arena *arena)
{
    const void *bytes = sqlite3_column_blob(query->statement, column);
    const int len = sqlite3_column_bytes(query->statement, column);
    const char *copy;

    if (sqlite3_column_type(query->statement, column) == SQLITE_NULL)
        return (struct assay_bytes){NULL, 0};
    // SQLite gives NULL for an empty BLOB; an empty text of ours is "".
    copy = assay_arena_memdup(arena, len == 0 ? "" : bytes, (size_t)len);
    if (copy == NULL) {
        query->code = SQLITE_NOMEM;
        return (struct assay_bytes){NULL, 0};
    }
    return (struct assay_bytes){copy, (size_t)len};
}

uint64_t assay_column_u64(const struct assay_query *query, int column)
{
    const sqlite3_int64 number = sqlite3_column_int64(query->statement, column);

    return number < 0 ? 0 : (uint64_t)number;
}

enum assay_status assay_store_exec(
        sqlite3 *db, const char *sql, const char *what, struct assay_error *err)
{
    const int code = sqlite3_exec(db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? ASSAY_OK : assay_store_fail(err, db, code, what);
}

double assay_column_real(const struct assay_query *query, int column)
{
    if (sqlite3_column_type(query->statement, column) == SQLITE_NULL)
        return (double)NAN;
    return sqlite3_column_double(query->statement, column);
}
