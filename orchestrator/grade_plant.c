// SPDX-License-Identifier: MIT
// grade_plant.c - the canaries of a run: drawn from the kernel's randomness, laid over the tree.
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "orchestrator/grading.h"
#include "tasks/patch.h"

// Where canaries go is read from here; an error that is more than a missing file is kept.
struct planting {
    struct assay_grading *g;
    enum assay_status status;
    struct assay_error err;
};

static bool read_source(void *user, const char *path, struct assay_canary_file *out)
{
    struct planting *planting = user;
    struct assay_file file = {.kind = ASSAY_FILE_NONE};
    struct assay_error err = {0};
    const enum assay_status status =
            assay_workspace_read(&planting->g->workspace, path, planting->g->arena, &file, &err);

    if (status == ASSAY_OK) {
        *out = (struct assay_canary_file){path, file.content, file.executable};
        return true;
    }
    if (status != ASSAY_ENOTFOUND && planting->status == ASSAY_OK) {
        planting->status = status;
        planting->err = err;
    }
    return false;
}

// The files that the test patch writes.
static enum assay_status test_paths(
        struct assay_grading *g, struct assay_strings *out, struct assay_error *err)
{
    const struct assay_bytes *text = &g->request->instance->test_patch;
    struct assay_patch *patch = NULL;
    const char **items = NULL;
    size_t count = 0;
    enum assay_status status = ASSAY_OK;

    *out = (struct assay_strings){NULL, 0};
    if (text->data == NULL || text->len == 0)
        return ASSAY_OK;
    status = assay_patch_parse(&patch, text->data, text->len, g->arena, err);
    if (status != ASSAY_OK)
        return assay_wrap(err, "test patch");
    items = assay_arena_array(g->arena, patch->file_count, sizeof(*items));
    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < patch->file_count; i++)
        if (patch->files[i].new_path != NULL)
            items[count++] = patch->files[i].new_path;
    *out = (struct assay_strings){items, count};
    return ASSAY_OK;
}

static int compare_edits(const void *left, const void *right)
{
    const struct assay_edit *a = left, *b = right;

    return strcmp(a->path, b->path);
}

static enum assay_status lay(struct assay_grading *g, struct assay_error *err)
{
    const struct assay_canary_plan *plan = &g->canaries;
    struct assay_edits edits = {.count = plan->file_count};

    if (plan->file_count == 0 && g->workspace.planted_count == 0)
        return ASSAY_OK;
    edits.items = assay_arena_array(g->arena, plan->file_count, sizeof(*edits.items));
    if (edits.items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < plan->file_count; i++)
        edits.items[i] = (struct assay_edit){.path = plan->files[i].path,
                .kind = ASSAY_FILE_REGULAR,
                .executable = plan->files[i].executable,
                .content = plan->files[i].content};
    if (edits.count > 0)
        qsort(edits.items, edits.count, sizeof(*edits.items), compare_edits);
    return assay_workspace_plant(&g->workspace, assay_context_depot(g->context), &edits, err);
}

enum assay_status assay_grading_plant(struct assay_grading *g, struct assay_error *err)
{
    struct planting planting = {.g = g};
    struct assay_canary_source source = {.read = read_source, .user = &planting};
    struct assay_instance instance = *g->request->instance;
    uint64_t seed = 0;
    enum assay_status status = assay_rng_bytes(&seed, sizeof(seed), err);

    // The field's graders would count them among the tests.
    instance.no_canaries |= g->request->compat != ASSAY_COMPAT_NONE;
    if (status == ASSAY_OK)
        status = test_paths(g, &source.paths, err);
    if (status == ASSAY_OK)
        status = assay_canary_draw(&g->canaries, &instance, &source, seed, g->arena, err);
    if (status != ASSAY_OK)
        return status;
    if (planting.status != ASSAY_OK) {
        if (err != NULL)
            *err = planting.err;
        return assay_wrap(err, "canaries");
    }
    return lay(g, err);
}
