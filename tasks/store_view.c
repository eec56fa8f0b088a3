// SPDX-License-Identifier: MIT
#include "tasks/store_view.h"

#include "tasks/store_db.h"

struct view_args {
    const char *run_id, *other;
    uint64_t from;
    size_t max;
    bool jobs;
    struct assay_arena *arena;
    void *rows;
    size_t count, room;
};

// One more row of `size` bytes; NULL: the arena is full, and the query says so.
static void *add_row(struct view_args *args, struct assay_query *query, size_t size)
{
    char *rows = args->rows;

    if (args->count == args->room) {
        const size_t room = args->room == 0 ? 128 : args->room * 2;
        char *grown = assay_arena_array(args->arena, room, size);

        if (grown == NULL) {
            query->code = SQLITE_NOMEM;
            return NULL;
        }
        for (size_t i = 0; i < args->count * size; i++)
            grown[i] = rows[i];
        args->rows = rows = grown;
        args->room = room;
    }
    return rows + args->count++ * size;
}

static bool is_null(const struct assay_query *query, int column)
{
    return sqlite3_column_type(query->statement, column) == SQLITE_NULL;
}

// --- has anything changed? -----------------------------------------------------------------------

static enum assay_status version_work(sqlite3 *db, void *user, struct assay_error *err)
{
    uint64_t *version = user;
    struct assay_query query;

    assay_query_begin(&query, db, "PRAGMA data_version");
    if (assay_query_row(&query))
        *version = assay_column_u64(&query, 0);
    return assay_query_end(&query, "version", err);
}

enum assay_status assay_store_version(
        struct assay_store *store, uint64_t *version, struct assay_error *err)
{
    return assay_store_read(store, version_work, version, err);
}

// --- runs ----------------------------------------------------------------------------------------

static enum assay_status runs_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct view_args *args = user;
    struct assay_run_view *row;
    struct assay_query query;

    // The runs of samples are called as their first one, with a number behind a dot.
    assay_query_begin(&query, db,
            "SELECT run_number, run_id, suite, model, command, state = 'open', started_at,"
            " finished_at,"
            " (SELECT count(*) FROM evaluations AS e WHERE e.run_number = r.run_number),"
            " count(scored), total(resolved), total(scored = 0)"
            " FROM (SELECT * FROM runs AS r WHERE run_number < ?1"
            "   AND (?2 OR NOT EXISTS (SELECT 1 FROM jobs WHERE job_id = run_id))"
            "   AND NOT EXISTS (SELECT 1 FROM runs AS first"
            "     JOIN episodes AS p ON p.run_number = first.run_number AND p.graded_in = r.run_id"
            "     WHERE first.run_id = rtrim(rtrim(r.run_id, '0123456789'), '.')"
            "       AND first.run_id <> r.run_id)"
            "   ORDER BY run_number DESC LIMIT ?3) AS r"
            " LEFT JOIN evaluations USING (run_number)"
            " LEFT JOIN verdicts INDEXED BY verdicts_outcome USING (evaluation_number)"
            " GROUP BY run_number ORDER BY run_number DESC");
    assay_query_u64(&query, args->from > INT64_MAX ? INT64_MAX : args->from);
    assay_query_u64(&query, args->jobs);
    assay_query_u64(&query, args->max);
    while (assay_query_row(&query) && (row = add_row(args, &query, sizeof(*row))) != NULL) {
        *row = (struct assay_run_view){.number = assay_column_u64(&query, 0)};
        row->run.run_id = assay_column_text(&query, 1, args->arena);
        row->run.suite = assay_column_text(&query, 2, args->arena);
        row->run.model = assay_column_text(&query, 3, args->arena);
        row->run.command = assay_column_text(&query, 4, args->arena);
        row->run.state = assay_column_u64(&query, 5) != 0 ? ASSAY_RUN_OPEN : ASSAY_RUN_FINISHED;
        row->run.started_at = assay_column_text(&query, 6, args->arena);
        row->run.finished_at = assay_column_text(&query, 7, args->arena);
        row->run.total = assay_column_u64(&query, 8);
        row->run.done = assay_column_u64(&query, 9);
        row->resolved = assay_column_u64(&query, 10);
        row->unscored = assay_column_u64(&query, 11);
    }
    return assay_query_end(&query, "look at runs", err);
}

enum assay_status assay_store_view_runs(struct assay_store *store, uint64_t before, bool jobs,
        size_t max, struct assay_arena *arena, struct assay_run_view **rows, size_t *count,
        struct assay_error *err)
{
    struct view_args args = {.from = before, .jobs = jobs, .max = max, .arena = arena};
    const enum assay_status status = assay_store_read(store, runs_work, &args, err);

    if (status == ASSAY_OK) {
        *rows = args.rows;
        *count = args.count;
    }
    return status;
}

// --- attempts ------------------------------------------------------------------------------------

static enum assay_status causes_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct view_args *args = user;
    struct assay_cause_view *row;
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT cause, scored, coalesce(resolved, 0), count(*) FROM ("
            "   SELECT run_number FROM runs WHERE run_id = ?1 UNION"
            "   SELECT g.run_number FROM runs AS r JOIN episodes AS p USING (run_number)"
            "     JOIN runs AS g ON g.run_id = p.graded_in WHERE r.run_id = ?1)"
            " JOIN evaluations USING (run_number)"
            " JOIN verdicts INDEXED BY verdicts_outcome USING (evaluation_number)"
            " GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1");
    assay_query_text(&query, args->run_id);
    while (assay_query_row(&query) && (row = add_row(args, &query, sizeof(*row))) != NULL)
        *row = (struct assay_cause_view){.cause = assay_column_text(&query, 0, args->arena),
                .scored = assay_column_u64(&query, 1) != 0,
                .resolved = assay_column_u64(&query, 2) != 0,
                .count = assay_column_u64(&query, 3)};
    return assay_query_end(&query, "look at causes", err);
}

enum assay_status assay_store_view_causes(struct assay_store *store, const char *run_id,
        struct assay_arena *arena, struct assay_cause_view **rows, size_t *count,
        struct assay_error *err)
{
    struct view_args args = {.run_id = run_id, .arena = arena};
    const enum assay_status status = assay_store_read(store, causes_work, &args, err);

    if (status == ASSAY_OK) {
        *rows = args.rows;
        *count = args.count;
    }
    return status;
}

static enum assay_status attempts_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct view_args *args = user;
    struct assay_attempt_view *row;
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT t.instance_id, coalesce(p.sample, 1), coalesce(p.graded_in, ?1),"
            " p.episode_number, p.cause, v.scored, v.resolved, v.cause"
            " FROM (SELECT run_number, e.instance_id FROM evaluations AS e"
            "   JOIN runs USING (run_number) WHERE run_id = ?1"
            "   ORDER BY e.instance_id LIMIT ?2 OFFSET ?3) AS t"
            " LEFT JOIN episodes AS p"
            "   ON p.run_number = t.run_number AND p.instance_id = t.instance_id"
            " LEFT JOIN runs AS g ON g.run_id = coalesce(p.graded_in, ?1)"
            " LEFT JOIN evaluations AS x"
            "   ON x.run_number = g.run_number AND x.instance_id = t.instance_id"
            " LEFT JOIN verdicts AS v ON v.evaluation_number = x.evaluation_number"
            " ORDER BY 1, 2");
    assay_query_text(&query, args->run_id);
    assay_query_u64(&query, args->max);
    assay_query_u64(&query, args->from);
    while (assay_query_row(&query) && (row = add_row(args, &query, sizeof(*row))) != NULL)
        *row = (struct assay_attempt_view){.instance_id = assay_column_text(&query, 0, args->arena),
                .sample = (unsigned)assay_column_u64(&query, 1),
                .graded_in = assay_column_text(&query, 2, args->arena),
                .episode_number = assay_column_u64(&query, 3),
                .episode_cause = assay_column_text(&query, 4, args->arena),
                .has_verdict = !is_null(&query, 5),
                .scored = assay_column_u64(&query, 5) != 0,
                .resolved = assay_column_u64(&query, 6) != 0,
                .cause = assay_column_text(&query, 7, args->arena)};
    return assay_query_end(&query, "look at attempts", err);
}

enum assay_status assay_store_view_attempts(struct assay_store *store, const char *run_id,
        uint64_t offset, size_t max, struct assay_arena *arena, struct assay_attempt_view **rows,
        size_t *count, struct assay_error *err)
{
    struct view_args args = {.run_id = run_id, .from = offset, .max = max, .arena = arena};
    const enum assay_status status = assay_store_read(store, attempts_work, &args, err);

    if (status == ASSAY_OK) {
        *rows = args.rows;
        *count = args.count;
    }
    return status;
}

// --- one answer ----------------------------------------------------------------------------------

static enum assay_status answer_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct view_args *args = user;
    struct assay_answer_view *out = args->rows;
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT suite, repo, log_path, recorded_at, body, model_patch FROM evaluations"
            " JOIN runs USING (run_number) LEFT JOIN verdicts USING (evaluation_number)"
            " WHERE run_id = ? AND instance_id = ?");
    assay_query_text(&query, args->run_id);
    assay_query_text(&query, args->other);
    if (assay_query_row(&query)) {
        out->suite = assay_column_text(&query, 0, args->arena);
        out->repo = assay_column_text(&query, 1, args->arena);
        out->log_path = assay_column_text(&query, 2, args->arena);
        out->recorded_at = assay_column_text(&query, 3, args->arena);
        out->verdict = assay_column_text(&query, 4, args->arena);
        out->patch = assay_column_bytes(&query, 5, args->arena);
        args->count = 1;
    }
    return assay_query_end(&query, "look at an answer", err);
}

enum assay_status assay_store_view_answer(struct assay_store *store, const char *run_id,
        const char *instance_id, struct assay_arena *arena, struct assay_answer_view *out,
        struct assay_error *err)
{
    struct assay_answer_view found = {0};
    struct view_args args = {
            .run_id = run_id, .other = instance_id, .arena = arena, .rows = &found};
    enum assay_status status = assay_store_read(store, answer_work, &args, err);

    if (status == ASSAY_OK && args.count == 0)
        status = assay_fail(
                err, ASSAY_ENOTFOUND, "run %.60s has no instance %.110s", run_id, instance_id);
    if (status == ASSAY_OK)
        *out = found;
    return status;
}

// --- two runs ------------------------------------------------------------------------------------

const char *assay_change_name(enum assay_change change)
{
    static const char *const names[ASSAY_CHANGES] = {"broken", "fixed", "unknown", "cause", "none"};

    return names[change];
}

// What both have, with the change as the last column.
#define PAIRS                                                                                             \
    "SELECT a.instance_id AS id, va.cause AS ca, vb.cause AS cb,"                                         \
    " coalesce(va.resolved, 0) AS ra, coalesce(vb.resolved, 0) AS rb, CASE"                               \
    " WHEN va.resolved IS NULL OR vb.resolved IS NULL THEN"                                               \
    "   CASE WHEN va.cause IS vb.cause THEN 4 ELSE 2 END"                                                 \
    " WHEN va.resolved > vb.resolved THEN 0 WHEN va.resolved < vb.resolved THEN 1"                        \
    " WHEN va.cause <> vb.cause THEN 3 ELSE 4 END AS change"                                              \
    " FROM runs AS x JOIN runs AS y ON y.run_id = ?2"                                                     \
    " JOIN evaluations AS a ON a.run_number = x.run_number"                                               \
    " JOIN evaluations AS b ON b.run_number = y.run_number AND b.instance_id = a.instance_id"             \
    " LEFT JOIN verdicts AS va INDEXED BY verdicts_outcome ON va.evaluation_number = a.evaluation_number" \
    " LEFT JOIN verdicts AS vb INDEXED BY verdicts_outcome ON vb.evaluation_number = b.evaluation_number" \
    " WHERE x.run_id = ?1"

static enum assay_status count_changes(sqlite3 *db, const struct view_args *args,
        struct assay_comparison *out, struct assay_error *err)
{
    struct assay_query query;

    assay_query_begin(&query, db, "SELECT change, count(*) FROM (" PAIRS ") GROUP BY change");
    assay_query_text(&query, args->run_id);
    assay_query_text(&query, args->other);
    while (assay_query_row(&query)) {
        const uint64_t change = assay_column_u64(&query, 0);

        if (change < ASSAY_CHANGES)
            out->changes[change] = assay_column_u64(&query, 1);
    }
    return assay_query_end(&query, "compare runs", err);
}

static enum assay_status count_tasks(
        sqlite3 *db, const char *run_id, size_t *count, struct assay_error *err)
{
    struct assay_query query;
    bool known;
    enum assay_status status;

    assay_query_begin(&query, db,
            "SELECT (SELECT count(*) FROM evaluations AS e WHERE e.run_number = r.run_number)"
            " FROM runs AS r WHERE run_id = ?");
    assay_query_text(&query, run_id);
    known = assay_query_row(&query);
    if (known)
        *count = assay_column_u64(&query, 0);
    status = assay_query_end(&query, "compare runs", err);
    if (status == ASSAY_OK && !known)
        status = assay_fail(err, ASSAY_ENOTFOUND, "no run %.110s in the store", run_id);
    return status;
}

static enum assay_status list_changes(sqlite3 *db, struct view_args *args, struct assay_error *err)
{
    struct assay_change_view *row;
    struct assay_query query;

    assay_query_begin(
            &query, db, "SELECT * FROM (" PAIRS ") ORDER BY change, id LIMIT ?3 OFFSET ?4");
    assay_query_text(&query, args->run_id);
    assay_query_text(&query, args->other);
    assay_query_u64(&query, args->max);
    assay_query_u64(&query, args->from);
    while (assay_query_row(&query) && (row = add_row(args, &query, sizeof(*row))) != NULL)
        *row = (struct assay_change_view){.instance_id = assay_column_text(&query, 0, args->arena),
                .cause_a = assay_column_text(&query, 1, args->arena),
                .cause_b = assay_column_text(&query, 2, args->arena),
                .resolved_a = assay_column_u64(&query, 3) != 0,
                .resolved_b = assay_column_u64(&query, 4) != 0,
                .change = (enum assay_change)assay_column_u64(&query, 5)};
    return assay_query_end(&query, "compare runs", err);
}

struct compare_args {
    struct view_args view;
    struct assay_comparison out;
};

static enum assay_status compare_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct compare_args *args = user;
    struct assay_comparison *out = &args->out;
    size_t of_a = 0, of_b = 0, both = 0;
    enum assay_status status = count_tasks(db, args->view.run_id, &of_a, err);

    if (status == ASSAY_OK)
        status = count_tasks(db, args->view.other, &of_b, err);
    if (status == ASSAY_OK)
        status = count_changes(db, &args->view, out, err);
    if (status == ASSAY_OK)
        status = list_changes(db, &args->view, err);
    for (size_t i = 0; i < ASSAY_CHANGES; i++)
        both += out->changes[i];
    out->only_a = of_a - both;
    out->only_b = of_b - both;
    return status;
}

enum assay_status assay_store_compare(struct assay_store *store, const char *run_a,
        const char *run_b, uint64_t offset, size_t max, struct assay_arena *arena,
        struct assay_comparison *out, struct assay_error *err)
{
    struct compare_args args = {
            .view = {.run_id = run_a, .other = run_b, .from = offset, .max = max, .arena = arena}};
    const enum assay_status status = assay_store_read(store, compare_work, &args, err);

    if (status == ASSAY_OK) {
        *out = args.out;
        out->rows = args.view.rows;
        out->count = args.view.count;
    }
    return status;
}
