// SPDX-License-Identifier: MIT
#include "orchestrator/shape.h"

#include <math.h>
#include <string.h>

#include "base/fs.h"
#include "orchestrator/tree_view.h"
#include "rewards/similarity.h"

#define CONFIG_BYTES_MAX ((size_t)64 << 10)
#define FILES_MAX 4096

static enum assay_status read_config(
        struct assay_buf *out, const char *file, struct assay_error *err)
{
    const enum assay_status status = assay_fs_read_file(out, file, err);

    return status == ASSAY_OK ? assay_buf_check(out, file, err) : status;
}

static enum assay_status read_map(
        struct assay_shaper *shaper, const char *name, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status;

    if (assay_reward_map_preset(&shaper->map, name))
        return ASSAY_OK;
    assay_buf_init(&text, CONFIG_BYTES_MAX);
    status = read_config(&text, name, err);
    if (status == ASSAY_OK)
        status = assay_reward_map_read(&shaper->map, text.data, text.len, name, err);
    assay_buf_free(&text);
    return status;
}

enum assay_status assay_shaper_read(
        struct assay_shaper *out, struct assay_invocation *invocation, struct assay_error *err)
{
    const char *map = assay_cli_value(invocation, "reward-map");
    const char *file = assay_cli_value(invocation, "shaping");
    struct assay_buf text;
    enum assay_status status;

    memset(out, 0, sizeof(*out));
    out->on = map || file;
    status = read_map(out, map ? map : "default", err);
    if (status != ASSAY_OK || !file)
        return status;
    assay_buf_init(&text, CONFIG_BYTES_MAX);
    status = read_config(&text, file, err);
    if (status == ASSAY_OK)
        status = assay_shaping_read(&out->shaping, text.data, text.len, file, err);
    assay_buf_free(&text);
    return status;
}

// --- similarity ----------------------------------------------------------------------------------

// The base tree, and what both patches make of it.
struct comparison {
    struct assay_tree_view view;
    struct assay_edits *model, *gold;
    struct assay_similarity_file *files;
    size_t count;
};

// What grading left out of the model patch.
static bool is_dropped(void *user, const char *path)
{
    const struct assay_verdict *verdict = user;

    for (size_t i = 0; i < verdict->patch_dropped.count; i++) {
        if (strcmp(verdict->patch_dropped.items[i], path) == 0)
            return true;
    }
    return false;
}

// What one file is before, after the model patch, and after the gold patch.
static enum assay_status add_file(struct comparison *c, const char *path, struct assay_error *err)
{
    const struct assay_edit *model = assay_edits_find(c->model, path);
    const struct assay_edit *gold = assay_edits_find(c->gold, path);
    struct assay_similarity_file *file = &c->files[c->count++];
    struct assay_file base = {0};
    const enum assay_status status = assay_tree_view_read(&base, &c->view, path, err);

    if (status != ASSAY_OK)
        return status;
    file->base = base.content;
    file->model = model ? model->content : base.content;
    file->gold = gold ? gold->content : base.content;
    return ASSAY_OK;
}

static enum assay_status compare(struct comparison *c, double *similarity, struct assay_error *err)
{
    const size_t most = c->model->count + c->gold->count;
    enum assay_status status = ASSAY_OK;

    if (most > FILES_MAX)
        return assay_fail(err, ASSAY_EREFUSED, "more than %d files to compare", FILES_MAX);
    c->files = assay_arena_array(c->view.arena, most, sizeof(*c->files));
    if (!c->files)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    // Both lists are sorted by path; merged, they are added up in one order whoever is first.
    for (size_t m = 0, g = 0; status == ASSAY_OK && (m < c->model->count || g < c->gold->count);) {
        const char *model = m < c->model->count ? c->model->items[m].path : NULL;
        const char *gold = g < c->gold->count ? c->gold->items[g].path : NULL;
        const int order = !model ? 1 : !gold ? -1 : strcmp(model, gold);

        status = add_file(c, order <= 0 ? model : gold, err);
        m += order <= 0;
        g += order >= 0;
    }
    return status == ASSAY_OK ? assay_similarity(similarity, c->files, c->count, err) : status;
}

static struct assay_bytes answer_of(const struct assay_grade_request *request)
{
    if (request->candidate == ASSAY_CANDIDATE_PATCH)
        return request->patch;
    if (request->candidate == ASSAY_CANDIDATE_GOLD)
        return request->instance->gold_patch;
    return (struct assay_bytes){NULL, 0};
}

// NaN when there is no telling. A patch that does not apply is like nothing.
static enum assay_status measure(struct assay_context *context,
        const struct assay_grade_request *request, struct assay_verdict *verdict,
        double *similarity, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_bytes answer = answer_of(request);
    struct comparison c = {.count = 0};
    enum assay_status status;

    *similarity = 0;
    if (!answer.data || verdict->cause == ASSAY_CAUSE_PATCH_REJECTED)
        return ASSAY_OK;
    status = assay_tree_view_open(&c.view, context, request->instance, arena, err);
    c.view.how = request->how;
    if (status == ASSAY_OK)
        status = assay_tree_view_apply(&c.model, &c.view, answer, is_dropped, verdict, err);
    c.view.how = (struct assay_patch_options){0};
    if (status == ASSAY_OK)
        status = assay_tree_view_apply(
                &c.gold, &c.view, request->instance->gold_patch, NULL, NULL, err);
    if (status == ASSAY_OK)
        status = compare(&c, similarity, err);
    assay_tree_view_close(&c.view);
    return status;
}

enum assay_status assay_shaper_apply(const struct assay_shaper *shaper,
        struct assay_context *context, const struct assay_grade_request *request,
        struct assay_verdict *verdict, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_shaping_facts facts = {.length = answer_of(request).len};
    struct assay_error trouble = {0};

    verdict->shaped = NULL;
    if (!shaper->on)
        return ASSAY_OK;
    if (shaper->shaping.similarity > 0 && verdict->scored && verdict->kind == ASSAY_TASK_REPAIR &&
            measure(context, request, verdict, &facts.similarity, arena, &trouble) != ASSAY_OK) {
        facts.similarity = (double)NAN;
        assay_log(assay_context_log(context), ASSAY_LOG_WARN, "orchestrator", "no similarity",
                "instance", request->instance->instance_id, "reason", trouble.message, NULL);
    }
    return assay_shape(
            &verdict->shaped, verdict, &shaper->map, &shaper->shaping, &facts, arena, err);
}
