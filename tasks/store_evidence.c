// SPDX-License-Identifier: MIT
// store_evidence.c - what the runs of an evaluation left behind: kept, read, dropped.
#include "tasks/frame.h"
#include "tasks/store_db.h"

#define EVIDENCE_BYTES_MAX ((size_t)512 << 20) // of one run, raw

// --- recording -----------------------------------------------------------------------------------

enum assay_status assay_store_put_evidence(sqlite3 *db, uint64_t evaluation_number,
        const struct assay_evaluation *evaluation, struct assay_error *err)
{
    struct assay_query query;
    enum assay_status status;

    if (evaluation->evidence_count > ASSAY_EVIDENCE_RUNS_MAX)
        return assay_fail(
                err, ASSAY_EINVAL, "evidence of more than %d runs", ASSAY_EVIDENCE_RUNS_MAX);
    assay_query_begin(&query, db, "DELETE FROM evidence WHERE evaluation_number = ?");
    assay_query_u64(&query, evaluation_number);
    status = assay_query_run(&query, "put evidence", err);
    for (size_t i = 0; i < evaluation->evidence_count && status == ASSAY_OK; i++) {
        const struct assay_frame *frame = &evaluation->evidence[i];

        assay_query_begin(&query, db,
                "INSERT INTO evidence (evaluation_number, attempt, raw_bytes, frame_bytes, frame)"
                " VALUES (?, ?, ?, ?, ?)");
        assay_query_u64(&query, evaluation_number);
        assay_query_u64(&query, i + 1);
        assay_query_u64(&query, frame->raw_bytes);
        assay_query_u64(&query, frame->len);
        assay_query_bytes(&query, frame->data, frame->len);
        status = assay_query_run(&query, "put evidence", err);
    }
    return status;
}

// --- reading -------------------------------------------------------------------------------------

struct get_args {
    const char *run_id, *instance_id;
    struct assay_arena *arena;
    struct assay_bytes frames[ASSAY_EVIDENCE_RUNS_MAX];
    size_t raw_bytes[ASSAY_EVIDENCE_RUNS_MAX];
    size_t count;
};

static enum assay_status get_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct get_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db,
            "WITH mine AS (SELECT evaluation_number, key FROM evaluations"
            "   JOIN runs USING (run_number) LEFT JOIN verdicts USING (evaluation_number)"
            "   WHERE run_id = ? AND instance_id = ?),"
            " source AS (SELECT coalesce("
            "   (SELECT e.evaluation_number FROM evidence AS e JOIN mine USING (evaluation_number)"
            "      LIMIT 1),"
            "   (SELECT v.evaluation_number FROM verdicts AS v JOIN mine ON v.key = mine.key"
            "      WHERE v.cacheable = 1)) AS evaluation_number)"
            " SELECT frame, raw_bytes FROM evidence JOIN source USING (evaluation_number)"
            " ORDER BY attempt");
    assay_query_text(&query, args->run_id);
    assay_query_text(&query, args->instance_id);
    while (args->count < ASSAY_EVIDENCE_RUNS_MAX && assay_query_row(&query)) {
        args->frames[args->count] = assay_column_bytes(&query, 0, args->arena);
        args->raw_bytes[args->count++] = assay_column_u64(&query, 1);
    }
    return assay_query_end(&query, "evidence", err);
}

static enum assay_status unpack(struct assay_bytes *out, struct assay_bytes frame, size_t raw_bytes,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_buf raw;
    enum assay_status status;

    assay_buf_init(&raw, EVIDENCE_BYTES_MAX);
    status = assay_frame_unpack(&raw, frame, raw_bytes, "evidence", err);
    if (status == ASSAY_OK) {
        *out = (struct assay_bytes){assay_arena_memdup(arena, raw.data, raw.len), raw.len};
        if (out->data == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "evidence: out of memory");
    }
    assay_buf_free(&raw);
    return status;
}

enum assay_status assay_store_get_evidence(struct assay_store *store, const char *run_id,
        const char *instance_id, struct assay_arena *arena, struct assay_bytes **runs,
        size_t *count, struct assay_error *err)
{
    struct get_args args = {.run_id = run_id, .instance_id = instance_id, .arena = arena};
    struct assay_bytes *items = NULL;
    enum assay_status status = assay_store_read(store, get_work, &args, err);

    if (status == ASSAY_OK && args.count == 0)
        status = assay_fail(err, ASSAY_ENOTFOUND, "run %.60s: no evidence of %.110s was kept",
                run_id, instance_id);
    if (status != ASSAY_OK)
        return status;
    items = assay_arena_array(arena, args.count, sizeof(*items));
    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "evidence: out of memory");
    for (size_t i = 0; i < args.count && status == ASSAY_OK; i++)
        status = unpack(&items[i], args.frames[i], args.raw_bytes[i], arena, err);
    if (status == ASSAY_OK) {
        *runs = items;
        *count = args.count;
    }
    return status;
}

// --- dropping ------------------------------------------------------------------------------------

struct drop_args {
    const char *run_id, *before;
    struct assay_dropped dropped;
};

#define DROPPED_EVALUATIONS                                                                        \
    " evaluation_number IN (SELECT evaluation_number FROM evaluations JOIN runs USING"             \
    " (run_number) WHERE run_id = ?1 OR (?1 IS NULL AND started_at < ?2))"

#define DROPPED_KEPT " WHERE ?1 IS NULL AND kept_at < ?2"

// Rows of a table: counted, and removed.
static enum assay_status drop_rows(sqlite3 *db, struct drop_args *args, const char *count,
        const char *remove, struct assay_error *err)
{
    struct assay_query query;
    enum assay_status status;

    assay_query_begin(&query, db, count);
    assay_query_text(&query, args->run_id);
    assay_query_text(&query, args->before);
    if (assay_query_row(&query)) {
        args->dropped.runs += assay_column_u64(&query, 0);
        args->dropped.bytes += assay_column_u64(&query, 1);
    }
    status = assay_query_end(&query, "drop evidence", err);
    if (status != ASSAY_OK)
        return status;
    assay_query_begin(&query, db, remove);
    assay_query_text(&query, args->run_id);
    assay_query_text(&query, args->before);
    return assay_query_run(&query, "drop evidence", err);
}

static enum assay_status drop_work(sqlite3 *db, void *user, struct assay_error *err)
{
    enum assay_status status = drop_rows(db, user,
            "SELECT count(*), coalesce(sum(frame_bytes), 0) FROM evidence"
            " WHERE" DROPPED_EVALUATIONS,
            "DELETE FROM evidence WHERE" DROPPED_EVALUATIONS, err);

    if (status == ASSAY_OK)
        status = drop_rows(db, user,
                "SELECT count(*), coalesce(sum(length(frame)), 0) FROM kept_runs" DROPPED_KEPT,
                "DELETE FROM kept_runs" DROPPED_KEPT, err);
    return status;
}

enum assay_status assay_store_drop_evidence(struct assay_store *store, const char *run_id,
        const char *before, struct assay_dropped *out, struct assay_error *err)
{
    struct drop_args args = {.run_id = run_id, .before = before};
    const enum assay_status status = assay_store_write(store, drop_work, &args, err);

    if (status == ASSAY_OK)
        *out = args.dropped;
    return status;
}
