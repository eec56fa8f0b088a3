// SPDX-License-Identifier: MIT
// store_verdict.c - verdicts, per-test rows, and what a report reads.
#include <string.h>

#include "base/clock.h"
#include "tasks/frame.h"
#include "tasks/store_db.h"

#define BODY_BYTES_MAX ((size_t)512 << 20)
#define RESULTS_BYTES_MAX ((size_t)1 << 30)
#define RESULT_HEAD_BYTES 5 // status, length of the id

// --- per-test rows -------------------------------------------------------------------------------

struct results_frame {
    struct assay_buf frame; // owned
    size_t raw_bytes, test_count;
};

static void results_write(struct assay_buf *out, const struct assay_outcome *outcome)
{
    for (size_t i = 0; i < outcome->count; i++) {
        const struct assay_test_result *result = &outcome->results[i];
        const size_t len = strlen(result->id);
        const unsigned char head[RESULT_HEAD_BYTES] = {(unsigned char)result->status,
                (unsigned char)len, (unsigned char)(len >> 8), (unsigned char)(len >> 16),
                (unsigned char)(len >> 24)};

        assay_buf_add(out, head, sizeof(head));
        assay_buf_add(out, result->id, len);
    }
}

static enum assay_status results_pack(
        struct results_frame *out, const struct assay_outcome *outcome, struct assay_error *err)
{
    enum assay_status status;
    struct assay_buf raw;

    assay_buf_init(&raw, RESULTS_BYTES_MAX);
    results_write(&raw, outcome);
    status = assay_buf_check(&raw, "test results", err);
    if (status == ASSAY_OK)
        status = assay_frame_pack(&out->frame, raw.data, raw.len, "test results", err);
    out->raw_bytes = raw.len;
    out->test_count = outcome->count;
    assay_buf_free(&raw);
    return status;
}

static enum assay_status results_read(
        struct assay_outcome *out, const char *raw, size_t len, struct assay_error *err)
{
    const unsigned char *at = (const unsigned char *)raw;
    size_t left = len;

    while (left >= RESULT_HEAD_BYTES) {
        const size_t id_len =
                (size_t)at[1] | (size_t)at[2] << 8 | (size_t)at[3] << 16 | (size_t)at[4] << 24;

        if (at[0] > ASSAY_TEST_XPASS || id_len > left - RESULT_HEAD_BYTES)
            break;
        assay_outcome_add(
                out, (const char *)at + RESULT_HEAD_BYTES, id_len, (enum assay_test_status)at[0]);
        at += RESULT_HEAD_BYTES + id_len;
        left -= RESULT_HEAD_BYTES + id_len;
    }
    if (left > 0)
        return assay_fail(err, ASSAY_EIO, "store: test results are damaged");
    return assay_outcome_finish(out, err);
}

static enum assay_status results_unpack(struct assay_outcome *out, struct assay_bytes frame,
        size_t raw_bytes, struct assay_error *err)
{
    enum assay_status status;
    struct assay_buf raw;

    assay_buf_init(&raw, RESULTS_BYTES_MAX);
    status = assay_frame_unpack(&raw, frame, raw_bytes, "test results", err);
    if (status == ASSAY_OK)
        status = results_read(out, raw.data, raw.len, err);
    assay_buf_free(&raw);
    return status;
}

// --- recording -----------------------------------------------------------------------------------

struct put_args {
    const struct assay_evaluation *evaluation;
    const struct assay_buf *body;
    const struct results_frame *results; // NULL: none
};

// The evaluation's number, once it is sure that this verdict may be its verdict.
static enum assay_status find_evaluation(uint64_t *number, sqlite3 *db,
        const struct assay_evaluation *evaluation, struct assay_error *err)
{
    const struct assay_verdict *verdict = evaluation->verdict;
    struct assay_query query;
    bool has_verdict = false;
    bool scored = false;
    bool known;
    enum assay_status status;

    assay_query_begin(&query, db,
            "SELECT evaluation_number, scored FROM evaluations JOIN runs USING (run_number)"
            " LEFT JOIN verdicts USING (evaluation_number) WHERE run_id = ? AND instance_id = ?");
    assay_query_text(&query, verdict->run_id);
    assay_query_text(&query, verdict->instance_id);
    known = assay_query_row(&query);
    if (known) {
        *number = assay_column_u64(&query, 0);
        has_verdict = sqlite3_column_type(query.statement, 1) != SQLITE_NULL;
        scored = assay_column_u64(&query, 1) != 0;
    }
    status = assay_query_end(&query, "put verdict", err);
    if (status != ASSAY_OK)
        return status;
    if (!known)
        return assay_fail(err, ASSAY_ENOTFOUND, "run %.60s has no instance %.110s", verdict->run_id,
                verdict->instance_id);
    if (evaluation->regraded)
        return has_verdict ? ASSAY_OK
                           : assay_fail(err, ASSAY_ENOTFOUND, "run %.60s: no verdict of %.110s",
                                     verdict->run_id, verdict->instance_id);
    if (has_verdict && (scored || !evaluation->retry))
        return assay_fail(err, ASSAY_ECONFLICT, "run %.60s: %.110s has a verdict already",
                verdict->run_id, verdict->instance_id);
    return ASSAY_OK;
}

static enum assay_status put_body(sqlite3 *db, uint64_t number, const struct put_args *args,
        bool cacheable, struct assay_error *err)
{
    const struct assay_verdict *verdict = args->evaluation->verdict;
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;

    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "INSERT OR REPLACE INTO verdicts (evaluation_number, scored, cause, key, cacheable,"
            " body, recorded_at, resolved) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    assay_query_u64(&query, number);
    assay_query_u64(&query, verdict->scored);
    assay_query_text(&query, assay_cause_name(verdict->cause));
    assay_query_text(&query, verdict->key);
    assay_query_u64(&query, cacheable);
    assay_query_text(&query, args->body->data);
    assay_query_text(&query, now);
    if (verdict->scored)
        assay_query_u64(&query, verdict->resolved);
    return assay_query_run(&query, "put verdict", err);
}

static enum assay_status put_results(
        sqlite3 *db, uint64_t number, const struct results_frame *results, struct assay_error *err)
{
    struct assay_query query;

    assay_query_begin(&query, db,
            "INSERT OR REPLACE INTO test_results (evaluation_number, test_count, raw_bytes, frame)"
            " VALUES (?, ?, ?, ?)");
    assay_query_u64(&query, number);
    assay_query_u64(&query, results->test_count);
    assay_query_u64(&query, results->raw_bytes);
    assay_query_bytes(&query, results->frame.data, results->frame.len);
    return assay_query_run(&query, "put test results", err);
}

static enum assay_status put_evaluation(sqlite3 *db, uint64_t number,
        const struct assay_evaluation *evaluation, struct assay_error *err)
{
    const struct assay_bytes *patch = &evaluation->model_patch;
    struct assay_query query;

    assay_query_begin(&query, db,
            "UPDATE evaluations SET log_path = ?, model_patch = ? WHERE evaluation_number = ?");
    assay_query_text(&query, evaluation->log_path);
    assay_query_bytes(
            &query, patch->len == 0 && patch->data != NULL ? "" : patch->data, patch->len);
    assay_query_u64(&query, number);
    return assay_query_run(&query, "put verdict", err);
}

// May this verdict answer for its key? One that was made under a claim only as long as the claim is
// held: its owner may have been thought dead, and another has taken over. The claim ends with it.
static enum assay_status settle_key(bool *cacheable, sqlite3 *db, uint64_t number,
        const struct put_args *args, struct assay_error *err)
{
    const struct assay_evaluation *evaluation = args->evaluation;
    const struct assay_verdict *verdict = evaluation->verdict;
    bool held = true;
    struct assay_query query;
    enum assay_status status = ASSAY_OK;

    if (evaluation->regraded) { // it answers for its key if what it replaces did
        assay_query_begin(
                &query, db, "SELECT 1 FROM verdicts WHERE evaluation_number = ? AND cacheable = 1");
        assay_query_u64(&query, number);
        held = assay_query_row(&query);
        status = assay_query_end(&query, "put verdict", err);
    }
    if (evaluation->claim != 0)
        status = assay_store_end_claim(&held, db, verdict->key, evaluation->claim, err);
    *cacheable = evaluation->cacheable && verdict->scored && verdict->key[0] != '\0' && held;
    if (status != ASSAY_OK || !*cacheable)
        return status;
    assay_query_begin(
            &query, db, "UPDATE verdicts SET cacheable = 0 WHERE key = ? AND cacheable = 1");
    assay_query_text(&query, verdict->key);
    return assay_query_run(&query, "put verdict", err);
}

static enum assay_status put_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct put_args *args = user;
    bool cacheable = false;
    uint64_t number = 0;
    enum assay_status status = find_evaluation(&number, db, args->evaluation, err);

    if (status == ASSAY_OK)
        status = settle_key(&cacheable, db, number, args, err);
    if (status == ASSAY_OK)
        status = put_body(db, number, args, cacheable, err);
    if (status == ASSAY_OK && args->results != NULL)
        status = put_results(db, number, args->results, err);
    if (status == ASSAY_OK && !args->evaluation->regraded)
        status = put_evaluation(db, number, args->evaluation, err);
    if (status == ASSAY_OK && !args->evaluation->regraded)
        status = assay_store_put_evidence(db, number, args->evaluation, err);
    return status;
}

enum assay_status assay_store_put_verdict(struct assay_store *store,
        const struct assay_evaluation *evaluation, struct assay_error *err)
{
    struct results_frame results = {0};
    struct assay_buf body;
    struct put_args args = {.evaluation = evaluation, .body = &body};
    enum assay_status status;

    // Written and compressed here, so that the writer thread only writes.
    assay_buf_init(&body, BODY_BYTES_MAX);
    assay_buf_init(&results.frame, RESULTS_BYTES_MAX);
    assay_verdict_write(&body, evaluation->verdict, 0);
    status = assay_buf_check(&body, "verdict", err);
    if (status == ASSAY_OK && evaluation->outcome != NULL) {
        status = results_pack(&results, evaluation->outcome, err);
        args.results = &results;
    }
    if (status == ASSAY_OK)
        status = assay_store_write(store, put_work, &args, err);
    assay_buf_free(&results.frame);
    assay_buf_free(&body);
    return status;
}

// --- reading -------------------------------------------------------------------------------------

struct cached_args {
    const char *key;
    struct assay_arena *arena;
    struct assay_verdict *out;
};

// The verdict in the text column `column` of the current row.
static enum assay_status column_verdict(struct assay_verdict *out, const struct assay_query *query,
        int column, struct assay_arena *arena, struct assay_error *err)
{
    const char *body = (const char *)sqlite3_column_text(query->statement, column);
    const size_t len = (size_t)sqlite3_column_bytes(query->statement, column);

    if (body == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "store: out of memory");
    return assay_verdict_read(out, body, len, arena, err);
}

static enum assay_status cached_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct cached_args *args = user;
    enum assay_status status = ASSAY_OK;
    struct assay_query query;
    enum assay_status ended;

    assay_query_begin(&query, db, "SELECT body FROM verdicts WHERE key = ? AND cacheable = 1");
    assay_query_text(&query, args->key);
    if (assay_query_row(&query))
        status = column_verdict(args->out, &query, 0, args->arena, err);
    else if (query.code == SQLITE_OK)
        status = assay_fail(err, ASSAY_ENOTFOUND, "no verdict of this key");
    ended = assay_query_end(&query, "cached verdict", status == ASSAY_OK ? err : NULL);
    if (status == ASSAY_OK && ended == ASSAY_OK)
        args->out->cached = true;
    return status == ASSAY_OK ? ended : status;
}

enum assay_status assay_store_cached_verdict(struct assay_store *store, const char *key,
        struct assay_arena *arena, struct assay_verdict *out, struct assay_error *err)
{
    struct cached_args args = {key, arena, out};

    return assay_store_read(store, cached_work, &args, err);
}

struct verdict_args {
    const char *run_id, *instance_id;
    struct assay_arena *arena;
    struct assay_verdict *out;
};

static enum assay_status verdict_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct verdict_args *args = user;
    enum assay_status status = ASSAY_OK;
    struct assay_query query;
    enum assay_status ended;

    assay_query_begin(&query, db,
            "SELECT body FROM verdicts JOIN evaluations USING (evaluation_number)"
            " JOIN runs USING (run_number) WHERE run_id = ? AND instance_id = ?");
    assay_query_text(&query, args->run_id);
    assay_query_text(&query, args->instance_id);
    if (assay_query_row(&query))
        status = column_verdict(args->out, &query, 0, args->arena, err);
    else if (query.code == SQLITE_OK)
        status = assay_fail(err, ASSAY_ENOTFOUND, "run %.60s: no verdict of %.110s", args->run_id,
                args->instance_id);
    ended = assay_query_end(&query, "verdict", status == ASSAY_OK ? err : NULL);
    return status == ASSAY_OK ? ended : status;
}

enum assay_status assay_store_get_verdict(struct assay_store *store, const char *run_id,
        const char *instance_id, struct assay_arena *arena, struct assay_verdict *out,
        struct assay_error *err)
{
    struct verdict_args args = {run_id, instance_id, arena, out};

    return assay_store_read(store, verdict_work, &args, err);
}

struct outcome_args {
    const char *run_id, *instance_id;
    struct assay_arena *arena;
    struct assay_bytes frame;
    size_t raw_bytes;
};

static enum assay_status outcome_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct outcome_args *args = user;
    struct assay_query query;
    bool known;
    enum assay_status status;

    assay_query_begin(&query, db,
            "SELECT frame, raw_bytes FROM test_results JOIN evaluations USING (evaluation_number)"
            " JOIN runs USING (run_number) WHERE run_id = ? AND instance_id = ?");
    assay_query_text(&query, args->run_id);
    assay_query_text(&query, args->instance_id);
    known = assay_query_row(&query);
    if (known) {
        args->frame = assay_column_bytes(&query, 0, args->arena);
        args->raw_bytes = assay_column_u64(&query, 1);
    }
    status = assay_query_end(&query, "test results", err);
    if (status == ASSAY_OK && !known)
        status = assay_fail(err, ASSAY_ENOTFOUND, "run %.60s: no test results of %.110s",
                args->run_id, args->instance_id);
    return status;
}

enum assay_status assay_store_get_outcome(struct assay_store *store, const char *run_id,
        const char *instance_id, struct assay_outcome *out, struct assay_error *err)
{
    struct outcome_args args = {.run_id = run_id, .instance_id = instance_id, .arena = out->arena};
    const enum assay_status status = assay_store_read(store, outcome_work, &args, err);

    return status != ASSAY_OK ? status : results_unpack(out, args.frame, args.raw_bytes, err);
}

struct rows_args {
    const char *run_id;
    struct assay_arena *arena;
    struct assay_evaluation_row *rows;
    size_t count;
};

static enum assay_status rows_row(
        struct rows_args *args, struct assay_query *query, struct assay_error *err)
{
    struct assay_evaluation_row *row;

    if (args->rows == NULL)
        args->rows =
                assay_arena_array(args->arena, assay_column_u64(query, 5), sizeof(args->rows[0]));
    if (args->rows == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "run %s: larger than the memory bound", args->run_id);
    row = &args->rows[args->count++];
    row->instance_id = assay_column_text(query, 0, args->arena);
    row->repo = assay_column_text(query, 1, args->arena);
    row->log_path = assay_column_text(query, 2, args->arena);
    row->model_patch = assay_column_bytes(query, 3, args->arena);
    row->has_verdict = sqlite3_column_type(query->statement, 4) != SQLITE_NULL;
    if (!row->has_verdict)
        return ASSAY_OK;
    return column_verdict(&row->verdict, query, 4, args->arena, err);
}

static enum assay_status rows_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct rows_args *args = user;
    enum assay_status status = ASSAY_OK;
    struct assay_query query;
    enum assay_status ended;

    assay_query_begin(&query, db,
            "SELECT instance_id, repo, log_path, model_patch, body, count(*) OVER ()"
            " FROM evaluations JOIN runs USING (run_number)"
            " LEFT JOIN verdicts USING (evaluation_number) WHERE run_id = ? ORDER BY instance_id");
    assay_query_text(&query, args->run_id);
    while (status == ASSAY_OK && assay_query_row(&query))
        status = rows_row(args, &query, err);
    ended = assay_query_end(&query, "run rows", status == ASSAY_OK ? err : NULL);
    return status == ASSAY_OK ? ended : status;
}

enum assay_status assay_store_run_rows(struct assay_store *store, const char *run_id,
        struct assay_arena *arena, struct assay_evaluation_row **rows, size_t *count,
        struct assay_error *err)
{
    struct rows_args args = {.run_id = run_id, .arena = arena};
    const enum assay_status status = assay_store_read(store, rows_work, &args, err);

    if (status == ASSAY_OK) {
        *rows = args.rows;
        *count = args.count;
    }
    return status;
}
