// SPDX-License-Identifier: MIT
// grade_plant.c - the canaries of a run: drawn from the kernel's randomness, laid over the tree.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "orchestrator/grading.h"
#include "tasks/patch.h"

static bool keep_trouble(struct assay_grading_source *source, enum assay_status status,
        const struct assay_error *err)
{
    if (status != ASSAY_ENOTFOUND && source->status == ASSAY_OK) {
        source->status = status;
        source->err = *err;
    }
    return false;
}

static bool read_source(void *user, const char *path, struct assay_canary_file *out)
{
    struct assay_grading_source *source = user;
    struct assay_file file = {.kind = ASSAY_FILE_NONE};
    struct assay_error err = {0};
    const enum assay_status status =
            assay_workspace_read(&source->g->workspace, path, source->g->arena, &file, &err);

    if (status != ASSAY_OK)
        return keep_trouble(source, status, &err);
    *out = (struct assay_canary_file){path, file.content, file.executable};
    return true;
}

// The base tree is the last of the layers.
static bool read_base(void *user, const char *path, struct assay_canary_file *out)
{
    struct assay_grading_source *source = user;
    const struct assay_workspace *workspace = &source->g->workspace;
    struct assay_file file = {.kind = ASSAY_FILE_NONE};
    struct assay_error err = {0};
    int fd = open(workspace->lowers[workspace->lower_count - 1],
            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    enum assay_status status = ASSAY_ENOTFOUND;

    if (fd < 0)
        return keep_trouble(source, assay_fail_errno(&err, errno, "open the base tree"), &err);
    status = assay_file_read_dir(&fd, path, source->g->arena, &file, &err);
    close(fd);
    if (status != ASSAY_OK && status != ASSAY_EREFUSED)
        return keep_trouble(source, status, &err);
    if (status != ASSAY_OK || file.kind != ASSAY_FILE_REGULAR)
        return false;
    *out = (struct assay_canary_file){path, file.content, file.executable};
    return true;
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

enum assay_status assay_grading_source_open(
        struct assay_grading_source *out, struct assay_grading *g, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    *out = (struct assay_grading_source){.g = g, .status = ASSAY_OK};
    out->canary =
            (struct assay_canary_source){.read = read_source, .read_base = read_base, .user = out};
    status = test_paths(g, &out->canary.paths, err);
    return status == ASSAY_OK ? assay_grading_find_data(out, err) : status;
}

enum assay_status assay_grading_source_close(
        const struct assay_grading_source *source, struct assay_error *err)
{
    if (source->status == ASSAY_OK)
        return ASSAY_OK;
    if (err != NULL)
        *err = source->err;
    return assay_wrap(err, "canaries");
}

static int compare_edits(const void *left, const void *right)
{
    const struct assay_edit *a = left, *b = right;

    return strcmp(a->path, b->path);
}

static bool is_among(const struct assay_canary_file *files, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(files[i].path, path) == 0)
            return true;
    return false;
}

static struct assay_edit edit_of(const struct assay_canary_file *file)
{
    return (struct assay_edit){.path = file->path,
            .kind = ASSAY_FILE_REGULAR,
            .executable = file->executable,
            .content = file->content};
}

// Files that the test patch writes or names and nothing changes. What cannot be read here is laid
// as ever: by the layer of the test patch, below.
static size_t read_others(struct assay_grading_source *source,
        const struct assay_canary_file *files, size_t count, struct assay_canary_file *others)
{
    const struct assay_strings *lists[] = {&source->canary.paths, &source->canary.data};
    const struct assay_grading_source before = *source;
    size_t other_count = 0;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        for (size_t j = 0; j < lists[i]->count; j++)
            if (!is_among(files, count, lists[i]->items[j]) &&
                    !is_among(others, other_count, lists[i]->items[j]) &&
                    read_source(source, lists[i]->items[j], &others[other_count]))
                other_count++;
    source->status = before.status;
    source->err = before.err;
    return other_count;
}

enum assay_status assay_grading_lay(struct assay_grading_source *source,
        struct assay_workspace *workspace, const struct assay_canary_file *files, size_t count,
        struct assay_error *err)
{
    const struct assay_grading *g = source->g;
    const size_t room = source->canary.paths.count + source->canary.data.count + 1;
    struct assay_canary_file *others = assay_arena_array(g->arena, room, sizeof(*others));
    struct assay_edits edits = {0};
    size_t other_count = 0;

    edits.items = assay_arena_array(g->arena, count + room, sizeof(*edits.items));
    if (edits.items == NULL || others == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    // The field's graders lay nothing twice.
    if (g->request->compat == ASSAY_COMPAT_NONE)
        other_count = read_others(source, files, count, others);
    for (size_t i = 0; i < count; i++)
        edits.items[edits.count++] = edit_of(&files[i]);
    for (size_t i = 0; i < other_count; i++)
        edits.items[edits.count++] = edit_of(&others[i]);
    if (edits.count == 0 && workspace->planted_count == 0)
        return ASSAY_OK;
    if (edits.count > 0)
        qsort(edits.items, edits.count, sizeof(*edits.items), compare_edits);
    return assay_workspace_plant(workspace, assay_context_depot(g->context), &edits, err);
}

enum assay_status assay_grading_plant(struct assay_grading *g, struct assay_error *err)
{
    struct assay_grading_source source;
    struct assay_instance instance = *g->request->instance;
    uint64_t seed = 0;
    enum assay_status status = assay_rng_bytes(&seed, sizeof(seed), err);

    // Copies stand behind their originals; another order is no fault of the suite's then. And the
    // field's graders would count them among the tests.
    if ((g->request->variation != NULL && g->request->variation->order != NULL) ||
            g->request->compat != ASSAY_COMPAT_NONE)
        instance.no_canaries = true;
    if (status == ASSAY_OK)
        status = assay_grading_source_open(&source, g, err);
    if (status != ASSAY_OK)
        return status;
    status = assay_canary_draw(&g->canaries, &instance, &source.canary, seed, g->arena, err);
    if (status == ASSAY_OK)
        status = assay_grading_source_close(&source, err);
    if (status != ASSAY_OK)
        return status;
    return assay_grading_lay(
            &source, &g->workspace, g->canaries.files, g->canaries.file_count, err);
}
