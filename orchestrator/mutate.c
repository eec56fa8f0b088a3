// SPDX-License-Identifier: MIT
#include "orchestrator/mutate.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "envs/edits_text.h"
#include "orchestrator/grade.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"
#include "orchestrator/suite_write.h"
#include "orchestrator/tree_view.h"
#include "rewards/mutants.h"
#include "rewards/test_files.h"

#define ARENA_BYTES ((size_t)8 << 30)
#define PATCH_BYTES_MAX ((size_t)16 << 20)
#define WALL_MS_MIN 10000u // a mutant may loop for ever: it gets so long at least,
#define WALL_TIMES 10u     // and so many times what gold needed

struct mutation {
    struct assay_context *context;
    const struct assay_mutate_options *options;
    struct assay_suite_writer writer;
    const struct assay_instance **instances;
    struct assay_mutate_result *results;
    struct assay_progress *progress;
};

// One instance under work, by one thread.
struct breaking {
    struct mutation *m;
    const struct assay_instance *instance;
    struct assay_mutate_result *result;
    struct assay_arena *arena;
    struct assay_tree_view view;
    struct assay_edits *gold;
    uint64_t wall_ms_max;
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// --- one run ------------------------------------------------------------------------------------

static enum assay_status run(struct breaking *b, enum assay_candidate candidate,
        struct assay_bytes patch, const char *attempt, struct assay_grade *grade,
        struct assay_error *err)
{
    char run_id[128];
    const struct assay_grade_request request = {.suite = b->m->options->suite,
            .instance = b->instance,
            .candidate = candidate,
            .patch = patch,
            .run_id = run_id,
            .attempt = attempt,
            .wall_ms_max = b->wall_ms_max,
            .no_cache = true,
            .once = true}; // a failure is what is looked for
    enum assay_status status;

    (void)snprintf(run_id, sizeof(run_id), "mutate-%.100s", b->m->options->suite->name);
    status = assay_grade(grade, b->m->context, &request, b->arena, err);
    if (status == ASSAY_OK)
        assay_grade_release(b->m->context, grade, false);
    return status;
}

static enum assay_status run_gold(struct breaking *b, struct assay_error *err)
{
    struct assay_grade grade;
    uint64_t wall_ms;
    const enum assay_status status =
            run(b, ASSAY_CANDIDATE_GOLD, (struct assay_bytes){NULL, 0}, "gold", &grade, err);

    if (status != ASSAY_OK)
        return status;
    if (!grade.verdict.resolved)
        b->result->reason =
                assay_arena_printf(b->arena, "gold does not resolve it: %s", grade.verdict.reason);
    wall_ms = grade.verdict.usage.wall_ms * WALL_TIMES;
    b->wall_ms_max = wall_ms > WALL_MS_MIN ? wall_ms : WALL_MS_MIN;
    if (b->wall_ms_max > b->instance->limits.wall_ms)
        b->wall_ms_max = b->instance->limits.wall_ms;
    return ASSAY_OK;
}

// --- one mutant ---------------------------------------------------------------------------------

static enum assay_status keep_text(struct assay_bytes *out, struct breaking *b,
        const struct assay_edits *edits, assay_file_read read, void *user, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, PATCH_BYTES_MAX);
    status = assay_edits_text(&text, edits, read, user, b->arena, err);
    if (status == ASSAY_OK)
        status = assay_bytes_keep(out, &text, "patch of a mutant", b->arena, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status read_mutant(void *user, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err)
{
    const struct assay_edit *edit = user;

    (void)path;
    (void)arena;
    (void)err;
    *out = (struct assay_file){ASSAY_FILE_REGULAR, edit->executable, edit->content};
    return ASSAY_OK;
}

static struct assay_strings join(
        struct breaking *b, const struct assay_strings *one, const struct assay_strings *two)
{
    const char **items = assay_arena_array(b->arena, one->count + two->count + 1, sizeof(*items));

    if (!items)
        return (struct assay_strings){NULL, 0};
    for (size_t i = 0; i < one->count; i++)
        items[i] = one->items[i];
    for (size_t i = 0; i < two->count; i++)
        items[one->count + i] = two->items[i];
    return (struct assay_strings){items, one->count + two->count};
}

static enum assay_status write_problem(struct assay_instance *task, struct breaking *b,
        const struct assay_mutant *mutant, struct assay_error *err)
{
    const char *text = assay_arena_printf(b->arena,
            "Tests of this project fail: %zu of %zu, first %s. One place in %s is wrong.\n",
            task->fail_to_pass.count, task->fail_to_pass.count + task->pass_to_pass.count,
            task->fail_to_pass.items[0], mutant->path);

    if (!text)
        return no_memory(err);
    task->problem = (struct assay_bytes){text, strlen(text)};
    return ASSAY_OK;
}

// The kept mutant as an instance beside the others.
static enum assay_status write_task(struct breaking *b, const struct assay_mutant *mutant,
        const struct assay_edits *broken, const struct assay_verdict *verdict,
        struct assay_error *err)
{
    const struct assay_edit *fixed = assay_edits_find(b->gold, mutant->path);
    struct assay_edit wrong = *fixed;
    struct assay_edit right = *fixed;
    const struct assay_edits undo = {.items = &right, .count = 1};
    const char **tags = assay_arena_array(b->arena, 2, sizeof(*tags));
    struct assay_instance task = *b->instance;
    enum assay_status status;

    wrong.content = mutant->content;
    task.instance_id =
            assay_arena_printf(b->arena, "%s-m%zu", b->instance->instance_id, b->result->kept + 1);
    task.fail_to_pass = join(b, &verdict->f2p_failure, &verdict->p2p_failure);
    task.pass_to_pass = join(b, &verdict->f2p_success, &verdict->p2p_success);
    if (!task.instance_id || !tags || !task.fail_to_pass.items || !task.pass_to_pass.items)
        return no_memory(err);
    tags[0] = "mutant";
    tags[1] = mutant->operator_name;
    task.tags = (struct assay_strings){tags, 2};
    status = keep_text(&task.gold_patch, b, &undo, read_mutant, &wrong, err);
    if (status == ASSAY_OK)
        status = write_problem(&task, b, mutant, err);
    if (status == ASSAY_OK)
        status = assay_suite_writer_add(&b->m->writer, &task, b->view.fd, broken, err);
    return status;
}

static bool is_spoiled(const struct assay_verdict *verdict)
{
    return !verdict->scored ||
            (verdict->cause != ASSAY_CAUSE_OK && verdict->cause != ASSAY_CAUSE_TESTS_FAILED);
}

static enum assay_status try_mutant(
        struct breaking *b, const struct assay_mutant *mutant, struct assay_error *err)
{
    struct assay_edit edit = *assay_edits_find(b->gold, mutant->path);
    const struct assay_edits over = {.items = &edit, .count = 1};
    struct assay_edits *broken = NULL;
    struct assay_bytes patch = {NULL, 0};
    struct assay_grade grade;
    char attempt[32];
    enum assay_status status;

    edit.content = mutant->content;
    (void)snprintf(attempt, sizeof(attempt), "%zu", b->result->tried + 1);
    status = assay_edits_merge(&broken, b->gold, &over, b->arena, err);
    if (status == ASSAY_OK)
        status = keep_text(&patch, b, broken, assay_file_read_dir, &b->view.fd, err);
    // A mutation may undo all of gold; then there is no patch.
    if (status == ASSAY_OK)
        status = run(b, patch.len > 0 ? ASSAY_CANDIDATE_PATCH : ASSAY_CANDIDATE_NONE, patch,
                attempt, &grade, err);
    if (status != ASSAY_OK)
        return status;
    b->result->tried++;
    if (is_spoiled(&grade.verdict)) {
        b->result->spoiled++;
    } else if (grade.verdict.f2p_failure.count + grade.verdict.p2p_failure.count == 0) {
        b->result->survived++;
    } else {
        status = write_task(b, mutant, broken, &grade.verdict, err);
        b->result->kept += status == ASSAY_OK;
    }
    return status;
}

// --- one instance -------------------------------------------------------------------------------

static enum assay_status make_mutants(
        struct breaking *b, struct assay_mutant **mutants, struct assay_error *err)
{
    struct assay_mutant_source *sources =
            assay_arena_array(b->arena, b->gold->count + 1, sizeof(*sources));
    const uint64_t parts[2] = {b->m->options->seed,
            assay_hash64(b->instance->instance_id, strlen(b->instance->instance_id))};
    size_t count = 0;

    if (!sources)
        return no_memory(err);
    for (size_t i = 0; i < b->gold->count; i++) {
        const struct assay_edit *edit = &b->gold->items[i];

        if (edit->kind == ASSAY_FILE_REGULAR && !assay_is_test_file(edit->path))
            sources[count++] = (struct assay_mutant_source){edit->path, {NULL, 0}, edit->content};
    }
    return assay_mutants_make(mutants, &b->result->made, sources, count, ASSAY_MUTANTS_ALL,
            assay_hash64(parts, sizeof(parts)), b->m->options->tries, b->arena, err);
}

static enum assay_status break_instance(struct breaking *b, struct assay_error *err)
{
    const volatile bool *stop = assay_context_interrupted(b->m->context);
    struct assay_mutant *mutants = NULL;
    enum assay_status status = run_gold(b, err);

    if (status != ASSAY_OK || b->result->reason)
        return status;
    status = assay_tree_view_apply(&b->gold, &b->view, b->instance->gold_patch, NULL, NULL, err);
    if (status == ASSAY_OK)
        status = make_mutants(b, &mutants, err);
    for (size_t i = 0;
            i < b->result->made && b->result->kept < b->m->options->count && status == ASSAY_OK;
            i++)
        status = *stop ? assay_fail(err, ASSAY_EINTERRUPTED, "interrupted")
                       : try_mutant(b, &mutants[i], err);
    return status;
}

static enum assay_status work(void *user, size_t index, struct assay_error *err)
{
    struct mutation *m = user;
    struct breaking b = {.m = m, .instance = m->instances[index], .result = &m->results[index]};
    enum assay_status status = assay_arena_create(&b.arena, ARENA_BYTES, err);

    assay_progress_begin(m->progress);
    if (status == ASSAY_OK)
        status = assay_tree_view_open(&b.view, m->context, b.instance, b.arena, err);
    if (status == ASSAY_OK) {
        status = break_instance(&b, err);
        assay_tree_view_close(&b.view);
    }
    assay_progress_end(m->progress, status == ASSAY_OK, b.result->kept > 0);
    // The arena goes; what is told of the instance must not go with it.
    b.result->reason = b.result->reason ? "gold does not resolve it" : NULL;
    assay_arena_destroy(b.arena);
    return status == ASSAY_OK ? ASSAY_OK : assay_wrap(err, "%s", b.instance->instance_id);
}

// --- the whole ----------------------------------------------------------------------------------

static bool is_wanted(
        const struct assay_mutate_options *options, const struct assay_instance *instance)
{
    if (instance->task != ASSAY_TASK_REPAIR || instance->gold_patch.len == 0)
        return false;
    for (size_t i = 0; i < options->instance_count; i++)
        if (strcmp(options->instance_ids[i], instance->instance_id) == 0)
            return true;
    return options->instance_count == 0;
}

// With `newest` the last one of a repository takes the place of those before it.
static size_t place_of(const struct assay_mutate_options *options,
        const struct assay_instance **chosen, size_t count, const char *repo)
{
    size_t i = 0;

    while (options->newest && i < count && strcmp(chosen[i]->repo, repo) != 0)
        i++;
    return options->newest ? i : count;
}

enum assay_status assay_mutate_choose(const struct assay_instance ***out, size_t *count,
        const struct assay_mutate_options *options, struct assay_arena *arena,
        struct assay_error *err)
{
    const struct assay_suite *suite = options->suite;
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    *out = assay_arena_array(arena, suite->instance_count + 1, sizeof(**out));
    *count = 0;
    if (!*out)
        return no_memory(err);
    for (size_t i = 0; i < suite->instance_count; i++) {
        size_t at;

        if (!is_wanted(options, &suite->instances[i]))
            continue;
        at = place_of(options, *out, *count, suite->instances[i].repo);
        (*out)[at] = &suite->instances[i];
        *count += at == *count;
    }
    return *count > 0
            ? ASSAY_OK
            : assay_fail(err, ASSAY_EINVAL, "%s has no such instance to repair", suite->name);
}

static enum assay_status choose(
        struct mutation *m, size_t *count, struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status = assay_mutate_choose(&m->instances, count, m->options, arena, err);

    if (status != ASSAY_OK)
        return status;
    m->results = assay_arena_array(arena, *count, sizeof(*m->results));
    if (!m->results)
        return no_memory(err);
    for (size_t i = 0; i < *count; i++)
        m->results[i].instance_id = assay_arena_strdup(arena, m->instances[i]->instance_id);
    return ASSAY_OK;
}

enum assay_status assay_mutate(struct assay_mutate_result **out, size_t *count,
        struct assay_context *context, const struct assay_mutate_options *options,
        struct assay_arena *arena, struct assay_error *err)
{
    struct mutation m = {.context = context, .options = options, .writer = {-1}};
    struct assay_suite named = *options->suite;
    enum assay_status status = choose(&m, count, arena, err);

    named.name = options->name ? options->name
                               : assay_arena_printf(arena, "%.90s-mutants", options->suite->name);
    if (status == ASSAY_OK && !named.name)
        status = no_memory(err);
    if (status == ASSAY_OK)
        status = assay_suite_writer_open(&m.writer, options->dir, &named, err);
    if (status == ASSAY_OK)
        status = assay_progress_start(&m.progress, "mutate", "with mutants", *count, 0, 0, err);
    if (status == ASSAY_OK) {
        assay_context_log_around(context, assay_progress_around, m.progress);
        status = assay_jobs_run(
                options->threads, *count, work, &m, assay_context_interrupted(context), err);
        assay_context_log_around(context, NULL, NULL);
        assay_progress_stop(m.progress);
    }
    assay_suite_writer_close(&m.writer);
    *out = m.results;
    return status;
}
