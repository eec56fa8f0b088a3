// SPDX-License-Identifier: MIT
#include "orchestrator/releases_series.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "orchestrator/registries.h"
#include "tasks/patch.h"
#include "tasks/quilt.h"

#define ARENA_BYTES ((size_t)64 << 20)
#define SERIES_BYTES_MAX ((size_t)1 << 20)

// debian/patches of the archive, as a path. The archive's one folder is "debian", which the depot
// takes off.
static enum assay_status unpack(char dir[PATH_MAX], struct assay_context *context,
        const struct assay_release_pair *pair, struct assay_error *err)
{
    static const struct assay_strings nothing = {NULL, 0};
    struct assay_depot *depot = assay_context_depot(context);
    char archive[PATH_MAX], hash[65], tree[PATH_MAX];
    enum assay_status status =
            assay_registry_fetch(archive, context, pair->package, &pair->series, err);

    if (status == ASSAY_OK)
        status = assay_depot_add_archive(depot, archive, pair->series.sha256, &nothing, hash, err);
    if (status == ASSAY_OK)
        status = assay_depot_tree(depot, hash, tree, err);
    if (status == ASSAY_OK && snprintf(dir, PATH_MAX, "%s/patches", tree) >= PATH_MAX)
        status = assay_fail(err, ASSAY_EINVAL, "path too long");
    return status;
}

static enum assay_status read_below(
        struct assay_buf *out, const char *dir, const char *name, struct assay_error *err)
{
    char path[PATH_MAX];

    assay_buf_clear(out);
    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= PATH_MAX)
        return assay_fail(err, ASSAY_EINVAL, "path too long: %.100s", name);
    return assay_fs_read_file(out, path, err);
}

static enum assay_status apply(char tree[65], struct assay_depot *depot,
        const struct assay_quilt_patch *patch, const struct assay_buf *text,
        struct assay_error *err)
{
    struct assay_buf diff;
    enum assay_status status;

    assay_buf_init(&diff, ASSAY_PATCH_BYTES_MAX);
    assay_quilt_diff(&diff, (struct assay_bytes){text->data, text->len}, patch->strip);
    status = assay_buf_check(&diff, patch->name, err);
    if (status == ASSAY_OK)
        status = assay_depot_patch_tree(
                depot, tree, (struct assay_bytes){diff.data, diff.len}, tree, err);
    if (status != ASSAY_OK)
        (void)assay_wrap(err, "%.100s", patch->name);
    assay_buf_free(&diff);
    return status;
}

static enum assay_status read_series(struct assay_quilt_patch **out, size_t *count, const char *dir,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, SERIES_BYTES_MAX);
    status = read_below(&text, dir, "series", err);
    if (status == ASSAY_OK)
        status = assay_quilt_series(
                out, count, (struct assay_bytes){text.data, text.len}, arena, err);
    assay_buf_free(&text);
    return status;
}

enum assay_status assay_release_series(char before[65], char after[65], struct assay_buf *problem,
        struct assay_context *context, const struct assay_release_pair *pair, const char *upstream,
        struct assay_error *err)
{
    struct assay_depot *depot = assay_context_depot(context);
    struct assay_quilt_patch *patches = NULL;
    struct assay_arena *arena = NULL;
    struct assay_buf text;
    char dir[PATH_MAX];
    size_t count = 0;
    bool found = false;
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&text, ASSAY_PATCH_BYTES_MAX);
    status = unpack(dir, context, pair, err);
    if (status == ASSAY_OK)
        status = read_series(&patches, &count, dir, arena, err);
    memmove(after, upstream, 65);
    for (size_t i = 0; i < count && status == ASSAY_OK && !found; i++) {
        found = strcmp(patches[i].name, pair->patch) == 0;
        memcpy(before, after, 65);
        status = read_below(&text, dir, patches[i].name, err);
        if (status == ASSAY_OK)
            status = apply(after, depot, &patches[i], &text, err);
    }
    if (status == ASSAY_OK && !found)
        status =
                assay_fail(err, ASSAY_ENOTFOUND, "the series has no patch \"%.100s\"", pair->patch);
    if (status == ASSAY_OK)
        assay_quilt_problem(problem, (struct assay_bytes){text.data, text.len});
    assay_buf_free(&text);
    assay_arena_destroy(arena);
    return status;
}
