// SPDX-License-Identifier: MIT
// mutate_package.c - one package broken in many places, each kept one certified as it is made.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "orchestrator/certify.h"
#include "orchestrator/evidence.h"
#include "orchestrator/grade.h"
#include "orchestrator/mutate_parts.h"
#include "rewards/framework.h"

#define DETAILS_BYTES_MAX ((size_t)16 << 20)
#define WALL_MS_MIN 20000u
#define CPU_MS_MIN 3000u
#define TIMES 5u         // so many times what the whole suite needs: a mutant may loop for ever
#define MIXED_ONE_IN 20u // of all kept: 5 %
#define GROSS_TESTS_MIN 8u
#define CONFIRMATIONS 2u

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// --- one run ------------------------------------------------------------------------------------

struct run {
    const struct assay_instance *instance;
    enum assay_candidate candidate;
    struct assay_bytes patch;
    const char *order;
    const char *attempt;
};

static enum assay_status run(struct assay_grade *grade, struct mutate_package *p,
        const struct run *run, struct assay_arena *arena, struct assay_error *err)
{
    char run_id[128];
    const struct assay_grade_variation variation = {.order = run->order};
    const struct assay_grade_request request = {.suite = p->m->options->suite,
            .instance = run->instance,
            .candidate = run->candidate,
            .patch = run->patch,
            .run_id = run_id,
            .attempt = run->attempt,
            .no_cache = true,
            .variation = run->order ? &variation : NULL,
            .no_log = true,
            .once = true};
    enum assay_status status;

    (void)snprintf(run_id, sizeof(run_id), "mutate-%.100s", p->m->named.name);
    status = assay_grade(grade, p->m->context, &request, arena, err);
    if (status == ASSAY_OK)
        assay_grade_release(p->m->context, grade, false);
    p->result->cpu_ms += status == ASSAY_OK ? grade->verdict.usage.cpu_ms : 0;
    return status;
}

static bool came_to_end(const struct assay_verdict *verdict)
{
    return verdict->scored &&
            (verdict->cause == ASSAY_CAUSE_OK || verdict->cause == ASSAY_CAUSE_TESTS_FAILED);
}

// Exactly the listed tests fail, and no others.
static bool fails_as_listed(const struct assay_verdict *verdict)
{
    return came_to_end(verdict) && verdict->f2p_success.count == 0 &&
            verdict->p2p_failure.count == 0;
}

static enum assay_status read_log(struct assay_bytes *out, const struct assay_grade *grade,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_run_evidence evidence;
    struct assay_buf raw;
    enum assay_status status = ASSAY_OK;

    *out = (struct assay_bytes){NULL, 0};
    if (grade->evidence_count == 0)
        return ASSAY_OK;
    status = assay_evidence_unpack(
            &evidence, &raw, &grade->evidence[grade->evidence_count - 1], arena, err);
    if (status == ASSAY_OK && evidence.judged.log.data) {
        out->data = assay_arena_memdup(arena, evidence.judged.log.data, evidence.judged.log.len);
        out->len = evidence.judged.log.len;
        if (!out->data)
            status = no_memory(err);
    }
    assay_buf_free(&raw);
    return status;
}

// --- the ground ---------------------------------------------------------------------------------

// Can its command run the tests in another order?
static enum assay_status look_at_order(struct mutate_package *p, struct assay_error *err)
{
    const struct assay_framework *framework = assay_framework_find(p->parent->framework);
    struct assay_strings argv;

    if (!framework || !framework->reorder)
        return ASSAY_OK;
    return framework->reorder(&p->parent->test_cmd, "reverse", &argv, &p->reorders, p->arena, err);
}

static enum assay_status make_tree(struct mutate_package *p, struct assay_error *err)
{
    struct assay_depot *depot = assay_context_depot(p->m->context);
    char path[PATH_MAX];
    enum assay_status status = assay_depot_patch_tree(
            depot, p->parent->tree, p->parent->gold_patch, p->ground.tree, err);

    if (status == ASSAY_OK && p->parent->test_patch.len > 0)
        status = assay_depot_patch_tree(
                depot, p->ground.tree, p->parent->test_patch, p->ground.tree, err);
    if (status == ASSAY_OK)
        status = assay_depot_tree(depot, p->ground.tree, path, err);
    if (status != ASSAY_OK)
        return status;
    p->tree_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return p->tree_fd < 0 ? assay_fail_errno(err, errno, "open %.150s", path) : ASSAY_OK;
}

static uint64_t times(uint64_t used, uint64_t least, uint64_t most)
{
    const uint64_t limit = used * TIMES > least ? used * TIMES : least;

    return limit < most ? limit : most;
}

// Which of the parent's tests pass here, and what time they take.
static enum assay_status measure_ground(struct mutate_package *p, struct assay_error *err)
{
    const struct assay_instance_limits *limits = &p->parent->limits;
    const struct assay_strings *lists[2] = {&p->parent->fail_to_pass, &p->parent->pass_to_pass};
    const char **ids =
            assay_arena_array(p->arena, lists[0]->count + lists[1]->count + 1, sizeof(*ids));
    const struct run all = {
            .instance = &p->ground, .candidate = ASSAY_CANDIDATE_NONE, .attempt = "ground"};
    struct assay_grade grade;
    size_t count = 0;
    enum assay_status status = ids ? ASSAY_OK : no_memory(err);

    for (size_t l = 0; l < 2 && ids; l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            ids[count++] = lists[l]->items[i];
    p->ground.fail_to_pass = (struct assay_strings){ids, count};
    p->ground.pass_to_pass = (struct assay_strings){NULL, 0};
    if (status == ASSAY_OK)
        status = run(&grade, p, &all, p->arena, err);
    if (status != ASSAY_OK)
        return status;
    if (!came_to_end(&grade.verdict)) {
        p->result->reason = "its fixed tree does not come to the end of its tests";
        return ASSAY_OK;
    }
    p->ground.fail_to_pass = grade.verdict.f2p_success;
    p->ground.limits.wall_ms = times(grade.verdict.usage.wall_ms, WALL_MS_MIN, limits->wall_ms);
    p->ground.limits.cpu_ms = times(grade.verdict.usage.cpu_ms, CPU_MS_MIN, limits->cpu_ms);
    if (p->ground.fail_to_pass.count < 2)
        p->result->reason = "no two of its tests pass in the fixed tree";
    return ASSAY_OK;
}

// The fixed tree as the folder that all its tasks begin from.
static enum assay_status write_ground(struct mutate_package *p, struct assay_error *err)
{
    char final[256], scratch[256];
    const int dir_fd = p->m->writer.dir_fd;
    int fd = -1;
    enum assay_status status;

    (void)snprintf(final, sizeof(final), ".base/%s", p->parent->instance_id);
    (void)snprintf(scratch, sizeof(scratch), ".base/.%s", p->parent->instance_id);
    if (faccessat(dir_fd, final, F_OK, 0) == 0)
        return ASSAY_OK;
    status = assay_fs_remove_tree(dir_fd, scratch, err);
    if (status == ASSAY_OK)
        status = assay_fs_mkdirs(dir_fd, scratch, 0755, err);
    if (status != ASSAY_OK)
        return status;
    fd = openat(dir_fd, scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    status = fd < 0 ? assay_fail_errno(err, errno, "open %.150s", scratch)
                    : assay_fs_copy_tree(p->tree_fd, fd, err);
    if (fd >= 0)
        close(fd);
    if (status == ASSAY_OK && renameat(dir_fd, scratch, dir_fd, final) != 0)
        status = assay_fail_errno(err, errno, "name %.150s", final);
    return status;
}

enum assay_status mutate_make_ground(struct mutate_package *p, struct assay_error *err)
{
    enum assay_status status;

    p->ground = *p->parent;
    p->ground.gold_patch = p->ground.test_patch = (struct assay_bytes){NULL, 0};
    p->ground.base = (struct assay_base){.kind = ASSAY_BASE_DIR};
    p->ground.row = (struct assay_bytes){NULL, 0};
    if (!p->certificate->holds)
        p->result->reason = "it has no certificate that holds";
    else if (p->parent->tests_at || p->parent->rules > ASSAY_RULES_SWEBENCH)
        p->result->reason = "its lists are read by rules of another family";
    if (p->result->reason)
        return ASSAY_OK;
    status = look_at_order(p, err);
    if (status == ASSAY_OK)
        status = make_tree(p, err);
    if (status == ASSAY_EPATCH) {
        p->result->reason = "its patches do not apply as git applies them";
        return ASSAY_OK;
    }
    if (status == ASSAY_OK)
        status = measure_ground(p, err);
    if (status == ASSAY_OK && !p->result->reason)
        status = write_ground(p, err);
    return status;
}

// --- certifying one -----------------------------------------------------------------------------

// Two runs more, of the files alone that hold the failing tests; the whole one was before.
static enum assay_status confirm(bool *holds, struct mutate_package *p,
        const struct mutate_made *made, struct assay_arena *arena, struct assay_error *err)
{
    const struct run again = {
            .instance = &made->narrow, .candidate = ASSAY_CANDIDATE_NONE, .attempt = "again"};
    enum assay_status status = ASSAY_OK;

    *holds = true;
    for (unsigned i = 0; i < CONFIRMATIONS && *holds && status == ASSAY_OK; i++) {
        struct assay_grade grade;

        status = run(&grade, p, &again, arena, err);
        if (status == ASSAY_OK)
            *holds = fails_as_listed(&grade.verdict);
    }
    return status;
}

// The whole suite once more, in other orders: gold resolves, the tree as it is fails as listed.
static enum assay_status mix(bool *holds, struct mutate_package *p,
        const struct assay_instance *task, struct assay_arena *arena, struct assay_error *err)
{
    const struct run gold = {.instance = task,
            .candidate = ASSAY_CANDIDATE_GOLD,
            .order = p->reorders ? "7" : NULL,
            .attempt = "mixed.gold"};
    const struct run empty = {.instance = task,
            .candidate = ASSAY_CANDIDATE_NONE,
            .order = p->reorders ? "reverse" : NULL,
            .attempt = "mixed.empty"};
    struct assay_grade grade;
    enum assay_status status = run(&grade, p, &gold, arena, err);

    *holds = status == ASSAY_OK && grade.verdict.scored && grade.verdict.resolved;
    if (*holds) {
        status = run(&grade, p, &empty, arena, err);
        *holds = status == ASSAY_OK && fails_as_listed(&grade.verdict);
    }
    p->result->mixed++;
    return status;
}

static enum assay_status put_certificate(struct mutate_package *p,
        const struct assay_instance *task, bool holds, bool mixed, struct assay_error *err)
{
    struct assay_certificate certificate = {.suite = p->m->named.name,
            .instance_id = task->instance_id,
            .holds = holds,
            .runs = 1,
            .checks = "lists gold empty",
            .grader = ASSAY_GRADER_VERSION,
            .reason = holds ? "" : "flaky: another run of this tree said otherwise"};
    struct assay_json_writer w;
    struct assay_buf details;
    enum assay_status status =
            assay_instance_hash(certificate.instance_hash, &p->m->named, task, err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&details, DETAILS_BYTES_MAX);
    assay_json_writer_init(&w, &details, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 2);
    assay_json_put_u64(&w, "runs", 1);
    // Gold is the parent's fixed tree, whose certificate stands for it.
    assay_json_begin_object(&w, "gold_of");
    assay_json_put_text(&w, "suite", p->certificate->suite);
    assay_json_put_text(&w, "instance", p->certificate->instance_id);
    assay_json_put_text(&w, "hash", p->certificate->instance_hash);
    assay_json_put_text(&w, "checks", p->certificate->checks);
    assay_json_put_u64(&w, "runs", p->certificate->runs);
    assay_json_end_object(&w);
    assay_json_begin_object(&w, "mutant");
    assay_json_put_u64(&w, "whole_runs", mixed ? 2 : 1);
    assay_json_put_u64(&w, "runs_of_its_files", CONFIRMATIONS);
    assay_json_put_bool(&w, "mixed", mixed);
    assay_json_end_object(&w);
    assay_json_end_object(&w);
    status = assay_buf_check(&details, "certificate", err);
    certificate.details = details.data;
    if (status == ASSAY_OK)
        status = assay_store_put_certificate(assay_context_store(p->m->context), &certificate, err);
    assay_buf_free(&details);
    return status;
}

// --- keeping one --------------------------------------------------------------------------------

static enum assay_status forget(struct mutate_package *p, size_t index, struct assay_error *err)
{
    const struct assay_instance *task = &p->kept.items[index];
    enum assay_status status = assay_fs_remove_tree(p->m->writer.dir_fd, task->instance_id, err);

    if (status == ASSAY_OK)
        status = put_certificate(p, task, false, true, err);
    p->result->kept--;
    p->result->withdrawn++;
    return status;
}

// A sample disagreed: so each task of this package that this command made has its mixed run now.
static enum assay_status doubt_all(
        struct mutate_package *p, struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    p->watched = true;
    for (size_t i = 0; i < p->kept.count && status == ASSAY_OK; i++) {
        bool holds = true;

        status = mix(&holds, p, &p->kept.items[i], arena, err);
        if (status == ASSAY_OK && !holds)
            status = forget(p, i, err);
    }
    return status;
}

static enum assay_status prepare_task(struct mutate_made *made, struct mutate_package *p,
        struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status;

    made->task.limits = p->parent->limits;
    made->narrow.limits = p->ground.limits;
    made->task.instance_id = made->narrow.instance_id = assay_arena_printf(arena, "%.180s-m%zu",
            p->parent->instance_id, p->result->kept + p->result->withdrawn + 1);
    made->task.base.kind = ASSAY_BASE_DIR;
    made->task.base.where = assay_arena_printf(arena, "../.base/%s", p->parent->instance_id);
    if (!made->task.instance_id || !made->task.base.where)
        return no_memory(err);
    status = assay_depot_patch_tree(assay_context_depot(p->m->context), p->ground.tree,
            made->task.base.patch, made->task.tree, err);
    memcpy(made->narrow.tree, made->task.tree, sizeof(made->narrow.tree));
    made->narrow.test_patch = made->task.test_patch;
    made->narrow.gold_patch = made->task.gold_patch;
    return status;
}

static enum assay_status keep(enum mutate_end *end, struct mutate_package *p,
        struct mutate_made *made, struct assay_arena *arena, struct assay_error *err)
{
    bool holds = true, mixed;
    enum assay_status status = prepare_task(made, p, arena, err);

    if (status == ASSAY_OK)
        status = confirm(&holds, p, made, arena, err);
    mixed = p->watched ||
            assay_hash64(made->task.tree, strlen(made->task.tree)) % MIXED_ONE_IN == 0;
    if (status == ASSAY_OK && holds && mixed) {
        status = mix(&holds, p, &made->task, arena, err);
        if (status == ASSAY_OK && !holds && !p->watched)
            status = doubt_all(p, arena, err);
    }
    if (status != ASSAY_OK || !holds) {
        *end = MUTATE_UNSTEADY;
        return status;
    }
    *end = MUTATE_KEPT;
    // Left by a command that died before it could say so.
    status = assay_fs_remove_tree(p->m->writer.dir_fd, made->task.instance_id, err);
    if (status == ASSAY_OK)
        status = assay_suite_writer_add_patched(&p->m->writer, &made->task, err);
    if (status == ASSAY_OK)
        status = put_certificate(p, &made->task, true, mixed, err);
    if (status == ASSAY_OK)
        p->kept.items[p->kept.count++] = made->task;
    return status;
}

// --- one mutant ---------------------------------------------------------------------------------

static uint64_t twin_of(const struct assay_mutant *mutant, const struct assay_strings *failing)
{
    uint64_t hash = assay_hash64(mutant->path, strlen(mutant->path));

    for (size_t i = 0; i < failing->count; i++) {
        const uint64_t parts[2] = {
                hash, assay_hash64(failing->items[i], strlen(failing->items[i]))};

        hash = assay_hash64(parts, sizeof(parts));
    }
    {
        const uint64_t parts[2] = {hash, mutant->line};

        return assay_hash64(parts, sizeof(parts));
    }
}

static bool has_twin(const struct mutate_package *p, uint64_t twin)
{
    for (size_t i = 0; i < p->twins.count; i++)
        if (p->twins.items[i] == twin)
            return true;
    return false;
}

// What a run of the whole suite says of the mutant, before it is anything more.
static enum mutate_end sort_out(
        const struct mutate_package *p, const struct assay_verdict *verdict, uint64_t twin)
{
    const size_t failing = verdict->f2p_failure.count, passing = verdict->f2p_success.count;

    if (!came_to_end(verdict))
        return MUTATE_SPOILED;
    if (failing == 0)
        return MUTATE_SURVIVED;
    if (passing == 0 || (failing + passing >= GROSS_TESTS_MIN && failing > passing))
        return MUTATE_GROSS;
    return has_twin(p, twin) ? MUTATE_TWIN : MUTATE_KEPT;
}

static enum assay_status copy_list(
        struct assay_strings *list, struct assay_arena *arena, struct assay_error *err)
{
    const char **items = assay_arena_array(arena, list->count + 1, sizeof(*items));

    if (!items)
        return no_memory(err);
    for (size_t i = 0; i < list->count; i++) {
        items[i] = assay_arena_strdup(arena, list->items[i]);
        if (!items[i])
            return no_memory(err);
    }
    list->items = items;
    return ASSAY_OK;
}

static enum assay_status try_in(struct mutate_entry *entry, struct mutate_package *p,
        const struct mutate_draft *draft, struct assay_arena *arena, struct assay_error *err)
{
    struct mutate_finding finding = {.ground = &p->ground,
            .tree_fd = p->tree_fd,
            .mutant = &draft->mutant,
            .seed = draft->number};
    struct run whole = {
            .instance = &p->ground, .candidate = ASSAY_CANDIDATE_PATCH, .attempt = "mutant"};
    struct mutate_made made;
    struct assay_grade grade;
    enum assay_status status =
            mutate_bug_patch(&whole.patch, p->tree_fd, &draft->mutant, arena, err);

    if (status == ASSAY_OK)
        status = run(&grade, p, &whole, arena, err);
    if (status != ASSAY_OK)
        return status;
    finding.failing = grade.verdict.f2p_failure;
    finding.passing = grade.verdict.f2p_success;
    entry->twin = twin_of(&draft->mutant, &finding.failing);
    entry->cause = assay_cause_name(grade.verdict.cause);
    entry->end = sort_out(p, &grade.verdict, entry->twin);
    if (entry->end != MUTATE_KEPT)
        return ASSAY_OK;
    status = read_log(&finding.log, &grade, arena, err);
    // What is kept outlives this mutant's own memory.
    if (status == ASSAY_OK)
        status = copy_list(&finding.failing, p->arena, err);
    if (status == ASSAY_OK)
        status = copy_list(&finding.passing, p->arena, err);
    if (status == ASSAY_OK)
        status = mutate_make(&made, &finding, p->arena, err);
    if (status == ASSAY_OK)
        status = keep(&entry->end, p, &made, p->arena, err);
    if (status == ASSAY_OK && entry->end == MUTATE_KEPT)
        entry->task_id = made.task.instance_id;
    return status;
}

enum assay_status mutate_try(struct mutate_entry *entry, struct mutate_package *p,
        const struct mutate_draft *draft, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    enum assay_status status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = try_in(entry, p, draft, arena, err);
    assay_arena_destroy(arena);
    return status;
}
