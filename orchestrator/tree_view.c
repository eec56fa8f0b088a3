// SPDX-License-Identifier: MIT
#include "orchestrator/tree_view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "tasks/patch.h"

enum assay_status assay_tree_view_open(struct assay_tree_view *out, struct assay_context *context,
        const struct assay_instance *instance, struct assay_arena *arena, struct assay_error *err)
{
    char path[PATH_MAX];
    const enum assay_status status =
            assay_depot_tree(assay_context_depot(context), instance->tree, path, err);

    *out = (struct assay_tree_view){.fd = -1, .arena = arena};
    if (status != ASSAY_OK)
        return status;
    out->fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out->fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", path);
    return ASSAY_OK;
}

void assay_tree_view_close(struct assay_tree_view *view)
{
    if (view->fd >= 0)
        close(view->fd);
    view->fd = -1;
}

enum assay_status assay_tree_view_apply(struct assay_edits **out, struct assay_tree_view *view,
        struct assay_bytes patch, bool (*skip)(void *user, const char *path), void *user,
        struct assay_error *err)
{
    const struct assay_apply_options options = {
            .mode = view->how.mode, .skip = skip, .user = user, .list = assay_dir_list_dir};
    struct assay_patch *parsed = NULL;
    const enum assay_status status =
            assay_patch_options_parse(&parsed, &view->how, patch, view->arena, err);

    if (status != ASSAY_OK)
        return status;
    return assay_patch_apply(
            out, parsed, assay_file_read_dir, &view->fd, &options, view->arena, err);
}

enum assay_status assay_tree_view_read(struct assay_file *out, struct assay_tree_view *view,
        const char *path, struct assay_error *err)
{
    return assay_file_read_dir(&view->fd, path, view->arena, out, err);
}

const struct assay_edit *assay_edits_find(const struct assay_edits *edits, const char *path)
{
    for (size_t i = 0; edits && i < edits->count; i++) {
        if (strcmp(edits->items[i].path, path) == 0)
            return &edits->items[i];
    }
    return NULL;
}

enum assay_status assay_edits_merge(struct assay_edits **out, const struct assay_edits *under,
        const struct assay_edits *over, struct assay_arena *arena, struct assay_error *err)
{
    const size_t under_count = under ? under->count : 0, over_count = over ? over->count : 0;
    struct assay_edits *merged = assay_arena_alloc(arena, sizeof(*merged));

    if (merged)
        merged->items = assay_arena_array(arena, under_count + over_count, sizeof(*merged->items));
    if (!merged || !merged->items)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t u = 0, o = 0; u < under_count || o < over_count;) {
        const int order = u == under_count ? 1
                : o == over_count          ? -1
                                           : strcmp(under->items[u].path, over->items[o].path);

        merged->items[merged->count++] = order < 0 ? under->items[u] : over->items[o];
        u += order <= 0;
        o += order >= 0;
    }
    *out = merged;
    return ASSAY_OK;
}
