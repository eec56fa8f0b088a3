// SPDX-License-Identifier: MIT
// grade_localize.c - a named place against the gold patch. Nothing is run.
#include <string.h>

#include "base/hash.h"
#include "orchestrator/grading.h"
#include "orchestrator/tree_view.h"
#include "rewards/localize.h"

// What one localization holds.
struct localizing {
    struct assay_grading *g;
    struct assay_tree_view view;
    struct assay_locations answer;
    struct assay_edits *gold;
    struct assay_localize_file *files;
    size_t count;
};

static bool has_file(const struct localizing *l, const char *path)
{
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->files[i].path, path) == 0)
            return true;
    }
    return false;
}

// A path that gold changes or the answer names. What is neither there nor made is nobody's file.
static enum assay_status add_file(struct localizing *l, const char *path, struct assay_error *err)
{
    const struct assay_edit *edit = assay_edits_find(l->gold, path);
    struct assay_localize_file *file = &l->files[l->count];
    struct assay_file base = {0};
    struct assay_error trouble = {0};
    enum assay_status status;

    if (has_file(l, path))
        return ASSAY_OK;
    status = assay_tree_view_read(&base, &l->view, path, &trouble);
    // An answer may name what cannot be read: below a link, too large.
    if (status != ASSAY_OK && edit)
        return assay_fail(err, status, "%s", trouble.message);
    if (base.kind != ASSAY_FILE_REGULAR && !edit)
        return ASSAY_OK;
    file->path = path;
    file->in_base = base.kind == ASSAY_FILE_REGULAR;
    file->changed = edit != NULL;
    file->base = base.content;
    file->gold = edit ? edit->content : base.content;
    l->count++;
    return ASSAY_OK;
}

static enum assay_status collect_files(struct localizing *l, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    l->files = assay_arena_array(l->g->arena, l->gold->count + l->answer.count, sizeof(*l->files));
    if (!l->files)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < l->gold->count && status == ASSAY_OK; i++)
        status = add_file(l, l->gold->items[i].path, err);
    for (size_t i = 0; i < l->answer.count && status == ASSAY_OK; i++)
        status = add_file(l, l->answer.items[i].path, err);
    return status;
}

// hash(instance content, what the answer names, grader): two texts that name the same are one.
static enum assay_status make_key(
        const struct localizing *l, struct assay_verdict *verdict, struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    char instance_hash[65];
    enum assay_status status =
            assay_instance_hash(instance_hash, l->g->request->suite, l->g->request->instance, err);

    if (status == ASSAY_OK)
        status = assay_sha256_create(&sha, err);
    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay localization " ASSAY_GRADER_VERSION);
    assay_sha256_field_text(sha, instance_hash);
    for (size_t i = 0; i < l->answer.count; i++) {
        const struct assay_location *location = &l->answer.items[i];
        const size_t lines[2] = {location->first, location->last};

        assay_sha256_field_text(sha, location->path);
        assay_sha256_field_text(sha, location->function);
        assay_sha256_field(sha, lines, sizeof(lines));
    }
    assay_sha256_hex(sha, verdict->key);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

static enum assay_status judge(
        struct localizing *l, struct assay_grade *out, struct assay_error *err)
{
    struct assay_arena *arena = l->g->arena;
    struct assay_localize_result *result = assay_arena_alloc(arena, sizeof(*result));
    struct assay_verdict *v = &out->verdict;
    enum assay_status status;

    if (!result)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = assay_localize_judge(result, &l->answer, l->files, l->count, arena, err);
    if (status != ASSAY_OK)
        return status;
    v->scored = true;
    v->resolved = result->found;
    v->reward = result->found ? 1.0 : 0.0;
    v->reason = result->reason;
    v->cause = result->found ? ASSAY_CAUSE_OK : ASSAY_CAUSE_TESTS_FAILED;
    v->resolution = result->found           ? ASSAY_RESOLUTION_FULL
            : result->score.files.right > 0 ? ASSAY_RESOLUTION_PARTIAL
                                            : ASSAY_RESOLUTION_NO;
    v->evidence = ASSAY_EVIDENCE_STRONG;
    v->localize = &result->score;
    return ASSAY_OK;
}

static enum assay_status take_answer(struct localizing *l, struct assay_error *err)
{
    const struct assay_grade_request *request = l->g->request;
    enum assay_status status = ASSAY_OK;

    if (request->candidate == ASSAY_CANDIDATE_PATCH)
        return assay_locations_read(
                &l->answer, request->patch.data, request->patch.len, l->g->arena, err);
    if (request->candidate != ASSAY_CANDIDATE_GOLD)
        return ASSAY_OK;
    status = collect_files(l, err);
    if (status == ASSAY_OK)
        status = assay_localize_gold(&l->answer, l->files, l->count, l->g->arena, err);
    l->count = 0;
    return status;
}

static enum assay_status grade_answer(
        struct localizing *l, struct assay_grade *out, struct assay_error *err)
{
    struct assay_verdict *v = &out->verdict;
    struct assay_verdict cached = {0};
    enum assay_status status = make_key(l, v, err);

    if (status != ASSAY_OK)
        return status;
    if (!l->g->request->no_cache &&
            assay_store_cached_verdict(assay_context_store(l->g->context), v->key, l->g->arena,
                    &cached, NULL) == ASSAY_OK) {
        cached.run_id = v->run_id;
        cached.instance_id = v->instance_id;
        cached.cached = true;
        *v = cached;
        return ASSAY_OK;
    }
    status = collect_files(l, err);
    if (status == ASSAY_OK)
        status = judge(l, out, err);
    out->cacheable = status == ASSAY_OK && !l->g->request->no_cache;
    return status;
}

// Trouble with the tree or the gold patch is ours, and null; with the answer, the model's.
enum assay_status assay_grading_localize(
        struct assay_grading *g, struct assay_grade *out, struct assay_error *err)
{
    struct localizing l = {.g = g};
    struct assay_error trouble = {0};
    const char *reason;
    bool models = false;
    enum assay_status status =
            assay_tree_view_open(&l.view, g->context, g->request->instance, g->arena, &trouble);

    if (status == ASSAY_OK)
        status = assay_tree_view_apply(
                &l.gold, &l.view, g->request->instance->gold_patch, NULL, NULL, &trouble);
    if (status == ASSAY_OK) {
        status = take_answer(&l, &trouble);
        models = status == ASSAY_EPATCH;
    }
    if (status == ASSAY_OK)
        status = grade_answer(&l, out, &trouble);
    assay_tree_view_close(&l.view);
    if (status == ASSAY_OK)
        return ASSAY_OK;
    reason = assay_arena_strdup(g->arena, trouble.message);
    if (!reason)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_judge_unrun(&out->verdict, g->request->instance,
            models ? ASSAY_CAUSE_PATCH_REJECTED : ASSAY_CAUSE_SETUP_FAILED, reason);
    return ASSAY_OK;
}
