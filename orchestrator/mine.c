// SPDX-License-Identifier: MIT
#include "orchestrator/mine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "envs/git_history.h"
#include "orchestrator/measure.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"
#include "orchestrator/suite_write.h"
#include "rewards/test_files.h"

#define LEDGER ".mined.jsonl"
#define LEDGER_BYTES_MAX ((size_t)256 << 20)
#define DIFF_BYTES_MAX ((size_t)16 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define REASON_BYTES 120

struct mining {
    struct assay_context *context;
    const struct assay_mine_options *options;
    struct assay_mine_result *result;
    struct assay_arena *arena;
    struct assay_suite *suite; // owned: name, recipe
    struct assay_suite_writer writer;
    struct assay_progress *progress;
    struct assay_git_commit *commits;
    size_t commit_count;
    const char **reasons; // of each commit; NULL: not looked at; "": kept
    size_t *todo;         // commits to be looked at
    size_t todo_count;
    int ledger_fd;
    pthread_mutex_t lock; // around arena, ledger, counts
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// --- which commits
// --------------------------------------------------------------------------------

static bool is_document(const char *path)
{
    static const char *const endings[] = {".md", ".rst", ".txt", ".yml", ".yaml", ".toml", ".cfg",
            ".ini", ".json", ".lock", ".png", ".svg", ".html", ".css"};
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash == NULL ? path : slash, '.');

    for (size_t i = 0; dot != NULL && i < COUNT(endings); i++)
        if (strcmp(dot, endings[i]) == 0)
            return true;
    return dot == NULL || strncmp(path, "docs/", 5) == 0 || strncmp(path, ".", 1) == 0;
}

// Why a commit is no candidate, without running anything; NULL: it may be one.
static const char *unfit(const struct assay_git_commit *commit)
{
    bool tests = false, source = false;

    if (commit->too_many)
        return "changes too many files";
    for (size_t i = 0; i < commit->paths.count; i++) {
        const bool test = assay_is_test_file(commit->paths.items[i]);

        tests = tests || test;
        source = source || (!test && !is_document(commit->paths.items[i]));
    }
    return !tests ? "changes no tests" : !source ? "changes no source" : NULL;
}

// --- the ledger
// -----------------------------------------------------------------------------------

static enum assay_status write_ledger(
        struct mining *m, const char *line, size_t len, struct assay_error *err)
{
    enum assay_status status;

    pthread_mutex_lock(&m->lock);
    status = assay_fs_write_all(m->ledger_fd, line, len, err);
    pthread_mutex_unlock(&m->lock);
    return status;
}

static enum assay_status record(struct mining *m, size_t index, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf line;
    enum assay_status status;

    assay_buf_init(&line, 65536);
    assay_json_writer_init(&w, &line, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "commit", m->commits[index].id);
    assay_json_put_bool(&w, "kept", m->reasons[index][0] == '\0');
    assay_json_put_text(&w, "reason", m->reasons[index]);
    assay_json_end_object(&w);
    assay_buf_addc(&line, '\n');
    status = assay_buf_check(&line, "ledger", err);
    if (status == ASSAY_OK)
        status = write_ledger(m, line.data, line.len, err);
    assay_buf_free(&line);
    return status;
}

static void remember(struct mining *m, const struct assay_json *row)
{
    const char *id = assay_json_text(assay_json_get(row, "commit"));
    const char *reason = assay_json_text(assay_json_get(row, "reason"));

    for (size_t i = 0; id != NULL && reason != NULL && i < m->commit_count; i++) {
        if (m->reasons[i] != NULL || strcmp(m->commits[i].id, id) != 0)
            continue;
        m->reasons[i] = assay_arena_strdup(m->arena, reason);
        m->result->resumed++;
        m->result->kept += reason[0] == '\0';
        return;
    }
}

// What was done before. A last line that a crash cut off counts for nothing.
static enum assay_status read_ledger(
        struct mining *m, const char *identity, struct assay_error *err)
{
    const struct assay_json_limits limits = {.bytes_max = 65536, .depth_max = 4};
    struct assay_buf text;
    enum assay_status status;
    const char *at, *end;
    bool same = false;

    assay_buf_init(&text, LEDGER_BYTES_MAX);
    status = assay_fs_read_fd(&text, m->ledger_fd, err);
    at = text.data;
    while (status == ASSAY_OK && text.len > 0 && (end = strchr(at, '\n')) != NULL) {
        struct assay_json *row = NULL;

        if (assay_json_parse(&row, at, (size_t)(end - at), limits, LEDGER, 1, NULL) == ASSAY_OK) {
            const char *of = assay_json_text(assay_json_get(row, "identity"));

            same = same || (of != NULL && strcmp(of, identity) == 0);
            remember(m, row);
        }
        assay_json_free(row);
        at = end + 1;
    }
    if (status == ASSAY_OK && text.len > 0 && !same)
        status = assay_fail(err, ASSAY_ECONFLICT,
                "%.100s was mined with other settings: take another folder", m->options->dir);
    if (status == ASSAY_OK && text.len > 0 && text.data[text.len - 1] != '\n')
        status = write_ledger(m, "\n", 1, err);
    assay_buf_free(&text);
    return status;
}

// What the tasks depend on beside the commits.
static enum assay_status identify(const struct mining *m, char hex[65], struct assay_error *err)
{
    const struct assay_mine_options *o = m->options;
    const struct assay_strings *lists[] = {&o->test_cmd, &o->recipe.setup, &o->recipe.env};
    struct assay_sha256 *sha = NULL;
    const enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, o->name);
    assay_sha256_field_text(sha, o->framework);
    assay_sha256_field(sha, &o->runs, sizeof(o->runs));
    for (size_t l = 0; l < COUNT(lists); l++) {
        assay_sha256_field(sha, &lists[l]->count, sizeof(lists[l]->count));
        for (size_t i = 0; i < lists[l]->count; i++)
            assay_sha256_field_text(sha, lists[l]->items[i]);
    }
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

static enum assay_status open_folder(struct mining *m, struct assay_error *err)
{
    char identity[ASSAY_SHA256_HEX_BYTES], path[PATH_MAX], line[128];
    bool fresh;
    enum assay_status status = identify(m, identity, err);

    if (status != ASSAY_OK)
        return status;
    (void)snprintf(path, sizeof(path), "%s/" LEDGER, m->options->dir);
    fresh = access(path, F_OK) != 0;
    status = fresh ? assay_suite_writer_open(&m->writer, m->options->dir, m->suite, err)
                   : assay_suite_writer_reopen(&m->writer, m->options->dir, err);
    if (status != ASSAY_OK)
        return status;
    m->ledger_fd = openat(
            m->writer.dir_fd, LEDGER, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (m->ledger_fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", path);
    if (!fresh)
        return read_ledger(m, identity, err);
    (void)snprintf(line, sizeof(line), "{\"schema\": 1, \"identity\": \"%s\"}\n", identity);
    return write_ledger(m, line, strlen(line), err);
}

// --- one commit
// -----------------------------------------------------------------------------------

static bool in_tests(void *user, const char *path)
{
    const bool *tests = user;

    return assay_is_test_file(path) == *tests;
}

// The message without trailers; its first line names what is wrong, as far as a commit says it.
static void write_problem(struct assay_buf *out, const char *message)
{
    static const char *const trailers[] = {
            "Signed-off-by:", "Co-authored-by:", "Reviewed-by:", "Change-Id:", "Acked-by:"};

    while (*message != '\0') {
        const size_t len = strcspn(message, "\n");
        bool trailer = false;

        for (size_t i = 0; i < COUNT(trailers); i++)
            trailer = trailer || strncasecmp(message, trailers[i], strlen(trailers[i])) == 0;
        if (!trailer)
            assay_buf_addf(out, "%.*s\n", (int)len, message);
        message += len + (message[len] == '\n');
    }
    while (out->len > 1 && out->data[out->len - 2] == '\n')
        assay_buf_truncate(out, out->len - 1);
}

struct candidate {
    struct assay_instance instance;
    struct assay_arena *arena; // owned: of everything about it
};

static enum assay_status diff(struct mining *m, const char *old_tree, const char *new_tree,
        bool tests, struct assay_bytes *out, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, DIFF_BYTES_MAX);
    status = assay_depot_diff(
            assay_context_depot(m->context), old_tree, new_tree, in_tests, &tests, &text, err);
    if (status == ASSAY_OK && text.len == 0)
        status = assay_fail(err, ASSAY_EINVAL, tests ? "changes no tests" : "changes no source");
    if (status == ASSAY_OK)
        status = assay_bytes_keep(out, &text, "diff", arena, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status make_candidate(struct mining *m, const struct assay_git_commit *commit,
        struct candidate *c, struct assay_error *err)
{
    const struct assay_mine_options *o = m->options;
    struct assay_depot *depot = assay_context_depot(m->context);
    struct assay_instance *instance = &c->instance;
    struct assay_buf problem;
    char after[65];
    enum assay_status status = assay_arena_create(&c->arena, (size_t)1 << 30, err);

    if (status != ASSAY_OK)
        return status;
    *instance = (struct assay_instance){.repo = o->repo,
            .base = {.kind = ASSAY_BASE_GIT, .where = o->repository, .commit = commit->parent},
            .recipe = o->recipe.name,
            .test_cmd = o->test_cmd,
            .framework = o->framework,
            .limits = o->limits};
    instance->instance_id = assay_arena_printf(c->arena, "%s-%.12s", m->suite->name, commit->id);
    assay_buf_init(&problem, 1 << 20);
    write_problem(&problem, commit->message);
    status = assay_bytes_keep(&instance->problem, &problem, "message", c->arena, err);
    assay_buf_free(&problem);
    if (status == ASSAY_OK && instance->instance_id == NULL)
        status = no_memory(err);
    if (status == ASSAY_OK)
        status = assay_depot_add_git(depot, o->repository, commit->parent, instance->tree, err);
    if (status == ASSAY_OK)
        status = assay_depot_add_git(depot, o->repository, commit->id, after, err);
    if (status == ASSAY_OK)
        status = diff(m, instance->tree, after, false, &instance->gold_patch, c->arena, err);
    if (status == ASSAY_OK)
        status = diff(m, instance->tree, after, true, &instance->test_patch, c->arena, err);
    return status;
}

static enum assay_status keep(struct mining *m, const struct candidate *c, struct assay_error *err)
{
    const struct assay_edits none = {.count = 0};
    char tree[PATH_MAX];
    int fd;
    enum assay_status status =
            assay_depot_tree(assay_context_depot(m->context), c->instance.tree, tree, err);

    if (status != ASSAY_OK)
        return status;
    fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", tree);
    status = assay_suite_writer_add(&m->writer, &c->instance, fd, &none, err);
    close(fd);
    return status;
}

// Measured, and kept if its tests tell.
static enum assay_status try_commit(
        struct mining *m, const struct assay_git_commit *commit, struct assay_error *err)
{
    pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
    struct candidate c = {.arena = NULL};
    enum assay_status status = make_candidate(m, commit, &c, err);

    if (status == ASSAY_OK) {
        const struct assay_measuring measuring = {.context = m->context,
                .suite = m->suite,
                .runs = m->options->runs,
                .arena = c.arena,
                .lock = &own};

        status = assay_measure(&c.instance, &measuring, err);
    }
    if (status == ASSAY_OK)
        status = keep(m, &c, err);
    assay_arena_destroy(c.arena);
    return status;
}

// Short and without what differs from commit to commit, so that equal reasons count together.
static const char *reason_of(struct mining *m, const struct assay_error *why)
{
    char text[REASON_BYTES];
    char *colon;
    const char *kept;

    (void)snprintf(text, sizeof(text), "%.118s", why->message);
    colon = strstr(text, ": ");
    if (colon != NULL && why->status == ASSAY_EINVAL)
        *colon = '\0';
    pthread_mutex_lock(&m->lock);
    kept = assay_arena_strdup(m->arena, text[0] == '\0' ? "no reason given" : text);
    pthread_mutex_unlock(&m->lock);
    return kept == NULL ? "out of memory" : kept;
}

static enum assay_status work(void *user, size_t at, struct assay_error *err)
{
    struct mining *m = user;
    const size_t index = m->todo[at];
    struct assay_error why = {0};
    size_t kept;
    enum assay_status status;

    pthread_mutex_lock(&m->lock);
    kept = m->result->kept;
    pthread_mutex_unlock(&m->lock);
    if (kept >= m->options->keep_max)
        return ASSAY_OK; // another command looks at it
    assay_progress_begin(m->progress);
    status = try_commit(m, &m->commits[index], &why);
    if (*assay_context_interrupted(m->context)) {
        assay_progress_drop(m->progress);
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    }
    m->reasons[index] = status == ASSAY_OK ? "" : reason_of(m, &why);
    pthread_mutex_lock(&m->lock);
    m->result->kept += status == ASSAY_OK;
    m->result->kept_now += status == ASSAY_OK;
    pthread_mutex_unlock(&m->lock);
    assay_progress_end(m->progress, status == ASSAY_OK, true);
    return record(m, index, err);
}

// --- the whole
// ------------------------------------------------------------------------------------

static int more_often(const void *left, const void *right)
{
    const struct assay_mine_reason *a = left, *b = right;

    return a->count != b->count ? (a->count < b->count ? 1 : -1) : strcmp(a->reason, b->reason);
}

static enum assay_status count_reasons(struct mining *m, struct assay_error *err)
{
    struct assay_mine_result *r = m->result;

    r->reasons = assay_arena_array(m->arena, m->commit_count + 1, sizeof(*r->reasons));
    if (r->reasons == NULL)
        return no_memory(err);
    for (size_t i = 0; i < m->commit_count; i++) {
        const char *reason = m->reasons[i] == NULL ? "not looked at" : m->reasons[i];
        size_t k = 0;

        if (reason[0] == '\0')
            continue;
        while (k < r->reason_count && strcmp(r->reasons[k].reason, reason) != 0)
            k++;
        if (k == r->reason_count)
            r->reasons[r->reason_count++].reason = reason;
        r->reasons[k].count++;
    }
    qsort(r->reasons, r->reason_count, sizeof(*r->reasons), more_often);
    return ASSAY_OK;
}

// What needs no run is decided at once.
static enum assay_status sift(struct mining *m, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    m->todo = assay_arena_array(m->arena, m->commit_count + 1, sizeof(*m->todo));
    if (m->todo == NULL)
        return no_memory(err);
    for (size_t i = 0; i < m->commit_count && status == ASSAY_OK; i++) {
        if (m->reasons[i] != NULL)
            continue;
        m->reasons[i] = unfit(&m->commits[i]);
        if (m->reasons[i] == NULL)
            m->todo[m->todo_count++] = i;
        else
            status = record(m, i, err);
    }
    return status;
}

static enum assay_status make_suite(struct mining *m, struct assay_error *err)
{
    const struct assay_mine_options *o = m->options;
    enum assay_status status = assay_suite_create(&m->suite, o->name, err);

    if (status != ASSAY_OK)
        return status;
    m->suite->version = "1";
    m->suite->recipes = assay_arena_array(m->suite->arena, 1, sizeof(*m->suite->recipes));
    if (m->suite->recipes == NULL)
        return no_memory(err);
    m->suite->recipes[0] = o->recipe;
    m->suite->recipe_count = 1;
    return ASSAY_OK;
}

enum assay_status assay_mine(struct assay_mine_result *out, struct assay_context *context,
        const struct assay_mine_options *options, struct assay_arena *arena,
        struct assay_error *err)
{
    struct mining m = {.context = context,
            .options = options,
            .result = out,
            .arena = arena,
            .writer = {-1},
            .ledger_fd = -1};
    const uint64_t started_ms = assay_clock_ms();
    enum assay_status status;

    memset(out, 0, sizeof(*out));
    pthread_mutex_init(&m.lock, NULL);
    status = make_suite(&m, err);
    if (status == ASSAY_OK)
        status = assay_git_history(&m.commits, &m.commit_count, options->repository, options->from,
                options->commits_max, arena, err);
    if (status == ASSAY_OK) {
        m.reasons = assay_arena_array(arena, m.commit_count + 1, sizeof(*m.reasons));
        status = m.reasons == NULL ? no_memory(err) : open_folder(&m, err);
    }
    out->seen = m.commit_count;
    if (status == ASSAY_OK)
        status = sift(&m, err);
    if (status == ASSAY_OK)
        status = assay_progress_start(&m.progress, "mine", "kept", m.todo_count, 0, 0, err);
    if (status == ASSAY_OK) {
        assay_context_log_around(context, assay_progress_around, m.progress);
        status = assay_jobs_run(
                options->threads, m.todo_count, work, &m, assay_context_interrupted(context), err);
        assay_context_log_around(context, NULL, NULL);
        assay_progress_stop(m.progress);
    }
    if (status == ASSAY_OK)
        status = count_reasons(&m, err);
    out->wall_ms = assay_clock_ms() - started_ms;
    assay_suite_writer_close(&m.writer);
    if (m.ledger_fd >= 0)
        close(m.ledger_fd);
    assay_suite_free(m.suite);
    pthread_mutex_destroy(&m.lock);
    return status;
}
