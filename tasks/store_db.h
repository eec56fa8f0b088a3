// SPDX-License-Identifier: MIT
// store_db.h - SQLite as the store uses it: statements, errors, the writer's queue. Internal to
// tasks/.
#ifndef ASSAY_TASKS_STORE_DB_H
#define ASSAY_TASKS_STORE_DB_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"
#include "tasks/store.h"

#define ASSAY_STORE_BUSY_MS 60000 // how long another process may hold the database

// --- the two ways in -----------------------------------------------------------------------------

// A piece of work on one connection, inside a transaction. `args` is the caller's.
typedef enum assay_status (*assay_store_work)(sqlite3 *db, void *args, struct assay_error *err);

// On the writer thread, all of it or nothing; returns after the commit is on disk.
ASSAY_MUST_USE enum assay_status assay_store_write(
        struct assay_store *store, assay_store_work work, void *args, struct assay_error *err);
// The same without waiting: in order with all that this thread writes, before or after. args is
// handed over; free_args() runs on the writer thread. That it failed is told to nobody: a later
// write must look. Closing the store waits for it.
ASSAY_MUST_USE enum assay_status assay_store_post(struct assay_store *store, assay_store_work work,
        void *args, void (*free_args)(void *args), struct assay_error *err);
// On the calling thread; everything it reads is of one moment.
ASSAY_MUST_USE enum assay_status assay_store_read(
        struct assay_store *store, assay_store_work work, void *args, struct assay_error *err);

// --- statements ----------------------------------------------------------------------------------

// One statement with its error kept: after a failed call the later ones do
// nothing, and assay_query_end() tells. Parameters are bound in order.
struct assay_query {
    sqlite3 *db;
    sqlite3_stmt *statement; // owned
    int bound;               // parameters so far
    int code;                // first SQLite code that was not good
};

void assay_query_begin(struct assay_query *query, sqlite3 *db, const char *sql);
void assay_query_text(struct assay_query *query, const char *text); // NULL binds null; borrowed
void assay_query_bytes(struct assay_query *query, const void *bytes, size_t len); // likewise
void assay_query_u64(struct assay_query *query, uint64_t number);
void assay_query_real(struct assay_query *query, double number); // NAN binds null
// True while there is a row.
bool assay_query_row(struct assay_query *query);
// Release the statement. ASSAY_OK, or what went wrong on the way ("store: <what>: ...").
ASSAY_MUST_USE enum assay_status assay_query_end(
        struct assay_query *query, const char *what, struct assay_error *err);
// For statements without rows: step once, then assay_query_end().
ASSAY_MUST_USE enum assay_status assay_query_run(
        struct assay_query *query, const char *what, struct assay_error *err);

// Columns of the current row; texts and bytes are copied into the arena. An
// arena that is full sets query->code to SQLITE_NOMEM and gives NULL or "".
const char *assay_column_text(struct assay_query *query, int column, struct assay_arena *arena);
struct assay_bytes assay_column_bytes(
        struct assay_query *query, int column, struct assay_arena *arena);
uint64_t assay_column_u64(const struct assay_query *query, int column);
double assay_column_real(const struct assay_query *query, int column); // NAN: null

// *err from a SQLite code of `db`: busy is ASSAY_ETIMEOUT, a broken constraint ASSAY_ECONFLICT.
enum assay_status assay_store_fail(
        struct assay_error *err, sqlite3 *db, int code, const char *what);

// Run statements that give no rows.
ASSAY_MUST_USE enum assay_status assay_store_exec(
        sqlite3 *db, const char *sql, const char *what, struct assay_error *err);

// --- parts of recording a verdict ----------------------------------------------------------------

// Inside the writer's transaction: evidence, in place of what the evaluation had.
ASSAY_MUST_USE enum assay_status assay_store_put_evidence(sqlite3 *db, uint64_t evaluation_number,
        const struct assay_evaluation *evaluation, struct assay_error *err);
// Likewise: end a claim. *held: it was still its owner's.
ASSAY_MUST_USE enum assay_status assay_store_end_claim(
        bool *held, sqlite3 *db, const char *key, uint64_t claim, struct assay_error *err);

// Likewise: a training's rollouts, in place of those of the same positions and phases.
struct assay_training_record;
ASSAY_MUST_USE enum assay_status assay_store_put_rollouts(sqlite3 *db, const char *run_id,
        const struct assay_training_record *record, struct assay_error *err);

// Likewise: a new run with its evaluations. ASSAY_ECONFLICT: there is one of that id.
ASSAY_MUST_USE enum assay_status assay_store_insert_run(sqlite3 *db, const struct assay_run *wanted,
        const char *run_id, const char *const *instance_ids, size_t count, struct assay_error *err);

// --- opening (store_open.c) ----------------------------------------------------------------------

// A connection as every part uses it: WAL, foreign keys, FULL, busy timeout.
ASSAY_MUST_USE enum assay_status assay_store_connect(
        sqlite3 **out, const char *path, struct assay_error *err);
// Bring the schema to the newest version.
ASSAY_MUST_USE enum assay_status assay_store_migrate(sqlite3 *db, struct assay_error *err);

// Migrations in order, generated from schema*.sql; number i leads to user_version i + 1.
extern const char *const assay_store_migrations[];
extern const size_t assay_store_migration_count;

#endif
