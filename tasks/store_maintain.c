// SPDX-License-Identifier: MIT
// store_maintain.c - is the database whole, and a copy of it.
#include <string.h>

#include "tasks/store_db.h"

#define PROBLEMS_MAX 100

struct check_args {
    struct assay_arena *arena;
    const char **problems;
    size_t count;
};

// Rows of one pragma that are not "ok".
static enum assay_status run_check(
        sqlite3 *db, struct check_args *args, const char *sql, struct assay_error *err)
{
    struct assay_query query;

    assay_query_begin(&query, db, sql);
    while (assay_query_row(&query) && args->count < PROBLEMS_MAX) {
        const char *text = assay_column_text(&query, 0, args->arena);

        if (query.code == SQLITE_OK && strcmp(text, "ok") != 0)
            args->problems[args->count++] = text;
    }
    return assay_query_end(&query, "check", err);
}

static enum assay_status check_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct check_args *args = user;
    enum assay_status status = run_check(db, args, "PRAGMA integrity_check(100)", err);

    if (status == ASSAY_OK)
        status = run_check(db, args,
                "SELECT 'a row of ' || \"table\" || ' names one that is not in ' || parent"
                " FROM pragma_foreign_key_check",
                err);
    return status;
}

enum assay_status assay_store_check(struct assay_store *store, struct assay_arena *arena,
        struct assay_strings *problems, struct assay_error *err)
{
    struct check_args args = {arena, assay_arena_array(arena, PROBLEMS_MAX, sizeof(char *)), 0};
    enum assay_status status;

    if (args.problems == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = assay_store_read(store, check_work, &args, err);
    if (status == ASSAY_OK)
        *problems = (struct assay_strings){args.problems, args.count};
    return status;
}

struct backup_args {
    const char *path;
};

static enum assay_status backup_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct backup_args *args = user;
    const char *path = args->path;
    sqlite3 *copy = NULL;
    sqlite3_backup *backup = NULL;
    int code = sqlite3_open_v2(
            path, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE, NULL);

    if (code == SQLITE_OK)
        backup = sqlite3_backup_init(copy, "main", db, "main");
    if (backup != NULL) {
        (void)sqlite3_backup_step(backup, -1);
        code = sqlite3_backup_finish(backup);
    } else if (code == SQLITE_OK) {
        code = sqlite3_errcode(copy);
    }
    if (code != SQLITE_OK) {
        (void)assay_store_fail(err, copy, code, "backup");
        sqlite3_close(copy);
        return err == NULL ? ASSAY_EIO : err->status;
    }
    code = sqlite3_close(copy);
    return code == SQLITE_OK ? ASSAY_OK : assay_fail(err, ASSAY_EIO, "backup: %.150s", path);
}

enum assay_status assay_store_backup(
        struct assay_store *store, const char *path, struct assay_error *err)
{
    struct backup_args args = {path};

    return assay_store_read(store, backup_work, &args, err);
}
