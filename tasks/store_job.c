// SPDX-License-Identifier: MIT
// store_job.c - what a service has accepted.
//
// absent -> queued [accept], queued -> finished [finish],
// finished without a verdict -> queued [accept: another try]
#include "tasks/store_job.h"

#include <string.h>

#include "base/clock.h"
#include "tasks/store_db.h"

#define JOB_COLUMNS                                                                                \
    "j.job_id, j.key, j.suite, j.instance_id, j.settings, j.state, j.tries, j.accepted_at,"        \
    " j.finished_at, coalesce((SELECT scored FROM verdicts JOIN evaluations USING"                 \
    " (evaluation_number) JOIN runs USING (run_number) WHERE run_id = j.job_id), 0)"
#define JOB_COLUMN_COUNT 10

static void job_columns(struct assay_job *job, struct assay_query *query, struct assay_arena *arena)
{
    const unsigned char *state = sqlite3_column_text(query->statement, 5);

    *job = (struct assay_job){.job_id = assay_column_text(query, 0, arena),
            .key = assay_column_text(query, 1, arena),
            .suite = assay_column_text(query, 2, arena),
            .instance_id = assay_column_text(query, 3, arena),
            .settings = assay_column_text(query, 4, arena),
            .finished = state != NULL && strcmp((const char *)state, "finished") == 0,
            .tries = (unsigned)assay_column_u64(query, 6),
            .accepted_at = assay_column_text(query, 7, arena),
            .finished_at = assay_column_text(query, 8, arena)};
    job->scored = job->finished && assay_column_u64(query, 9) != 0;
}

// --- accepting ----------------------------------------------------------------------------------

struct accept_args {
    const struct assay_job *wanted;
    size_t count;
    struct assay_arena *arena;
    struct assay_job *out;
    bool *fresh;
};

static enum assay_status find_by_key(struct assay_job *out, bool *known, sqlite3 *db,
        const char *key, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_query query;

    assay_query_begin(&query, db, "SELECT " JOB_COLUMNS " FROM jobs AS j WHERE key = ?");
    assay_query_text(&query, key);
    *known = assay_query_row(&query);
    if (*known)
        job_columns(out, &query, arena);
    return assay_query_end(&query, "find job", err);
}

// Its run, unless that was opened before: an episode's is.
static enum assay_status open_run(
        sqlite3 *db, const struct assay_job *wanted, struct assay_error *err)
{
    const struct assay_run run = {.suite = wanted->suite,
            .identity = wanted->job_id,
            .model = wanted->model != NULL ? wanted->model : "service",
            .command = "assay serve"};
    struct assay_query query;
    bool known;
    enum assay_status status;

    assay_query_begin(&query, db, "SELECT 1 FROM runs WHERE run_id = ?1 AND identity = ?1");
    assay_query_text(&query, wanted->job_id);
    known = assay_query_row(&query);
    status = assay_query_end(&query, "accept job", err);
    if (status != ASSAY_OK || known)
        return status;
    return assay_store_insert_run(db, &run, wanted->job_id, &wanted->instance_id, 1, err);
}

static enum assay_status insert_job(
        sqlite3 *db, const struct assay_job *wanted, struct assay_error *err)
{
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;
    enum assay_status status = open_run(db, wanted, err);

    if (status != ASSAY_OK)
        return status;
    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "INSERT INTO jobs (job_id, key, suite, instance_id, settings, answer, state, tries,"
            " accepted_at) VALUES (?, ?, ?, ?, ?, ?, 'queued', 1, ?)");
    assay_query_text(&query, wanted->job_id);
    assay_query_text(&query, wanted->key);
    assay_query_text(&query, wanted->suite);
    assay_query_text(&query, wanted->instance_id);
    assay_query_text(&query, wanted->settings);
    assay_query_bytes(&query, wanted->answer.data, wanted->answer.len);
    assay_query_text(&query, now);
    return assay_query_run(&query, "accept job", err);
}

static enum assay_status queue_again(
        sqlite3 *db, const struct assay_job *wanted, struct assay_error *err)
{
    struct assay_query query;

    assay_query_begin(&query, db,
            "UPDATE jobs SET state = 'queued', tries = tries + 1, finished_at = NULL, answer = ?"
            " WHERE key = ?");
    assay_query_bytes(&query, wanted->answer.data, wanted->answer.len);
    assay_query_text(&query, wanted->key);
    return assay_query_run(&query, "accept job", err);
}

static enum assay_status accept_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct accept_args *args = user;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < args->count && status == ASSAY_OK; i++) {
        struct assay_job *job = &args->out[i];
        bool known = false;

        status = find_by_key(job, &known, db, args->wanted[i].key, args->arena, err);
        args->fresh[i] = !known || (job->finished && !job->scored);
        if (status != ASSAY_OK || !args->fresh[i])
            continue;
        status = known ? queue_again(db, &args->wanted[i], err)
                       : insert_job(db, &args->wanted[i], err);
        if (status == ASSAY_OK)
            status = find_by_key(job, &known, db, args->wanted[i].key, args->arena, err);
    }
    return status;
}

// NOLINTBEGIN(readability-non-const-parameter): *fresh is written through args
enum assay_status assay_store_accept_jobs(struct assay_store *store, const struct assay_job *wanted,
        size_t count, struct assay_arena *arena, struct assay_job *out, bool *fresh,
        struct assay_error *err)
// NOLINTEND(readability-non-const-parameter)
{
    struct accept_args args = {wanted, count, arena, out, fresh};

    if (count > ASSAY_JOBS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "at most %d jobs at once", ASSAY_JOBS_MAX);
    return assay_store_write(store, accept_work, &args, err);
}

// --- the rest of a job's life -------------------------------------------------------------------

struct job_args {
    const char *job_id, *key;
    struct assay_arena *arena;
    struct assay_job *rows;
    size_t count;
};

static enum assay_status get_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct job_args *args = user;
    struct assay_job found;
    struct assay_query query;
    bool known;
    enum assay_status status;

    assay_query_begin(&query, db,
            "SELECT " JOB_COLUMNS ", j.answer FROM jobs AS j WHERE job_id = ?1 OR key = ?2");
    assay_query_text(&query, args->job_id);
    assay_query_text(&query, args->job_id != NULL ? NULL : args->key);
    known = assay_query_row(&query);
    if (known) {
        job_columns(&found, &query, args->arena);
        found.answer = assay_column_bytes(&query, JOB_COLUMN_COUNT, args->arena);
    }
    status = assay_query_end(&query, "find job", err);
    if (status == ASSAY_OK && !known)
        status = assay_fail(err, ASSAY_ENOTFOUND, "no such job");
    if (status == ASSAY_OK)
        *args->rows = found;
    return status;
}

enum assay_status assay_store_get_job(struct assay_store *store, const char *job_id,
        const char *key, struct assay_arena *arena, struct assay_job *out, struct assay_error *err)
{
    struct job_args args = {.job_id = job_id, .key = key, .arena = arena, .rows = out};

    return assay_store_read(store, get_work, &args, err);
}

static enum assay_status queued_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct job_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT " JOB_COLUMNS ", count(*) OVER () FROM jobs AS j WHERE state = 'queued'"
            " ORDER BY job_number");
    while (assay_query_row(&query)) {
        if (args->rows == NULL)
            args->rows = assay_arena_array(
                    args->arena, assay_column_u64(&query, JOB_COLUMN_COUNT), sizeof(args->rows[0]));
        if (args->rows == NULL) {
            query.code = SQLITE_NOMEM;
            break;
        }
        job_columns(&args->rows[args->count++], &query, args->arena);
    }
    return assay_query_end(&query, "queued jobs", err);
}

enum assay_status assay_store_queued_jobs(struct assay_store *store, struct assay_arena *arena,
        struct assay_job **out, size_t *count, struct assay_error *err)
{
    struct job_args args = {.arena = arena};
    const enum assay_status status = assay_store_read(store, queued_work, &args, err);

    if (status == ASSAY_OK) {
        *out = args.rows;
        *count = args.count;
    }
    return status;
}

static enum assay_status finish_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct job_args *args = user;
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;
    enum assay_status status;

    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "UPDATE jobs SET state = 'finished', answer = NULL, finished_at = ?"
            " WHERE job_id = ? AND state = 'queued'");
    assay_query_text(&query, now);
    assay_query_text(&query, args->job_id);
    status = assay_query_run(&query, "finish job", err);
    if (status != ASSAY_OK)
        return status;
    assay_query_begin(&query, db,
            "UPDATE runs SET state = 'finished', finished_at = coalesce(finished_at, ?)"
            " WHERE run_id = ?");
    assay_query_text(&query, now);
    assay_query_text(&query, args->job_id);
    return assay_query_run(&query, "finish job", err);
}

enum assay_status assay_store_finish_job(
        struct assay_store *store, const char *job_id, struct assay_error *err)
{
    struct job_args args = {.job_id = job_id};

    return assay_store_write(store, finish_work, &args, err);
}
