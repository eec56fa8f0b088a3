// SPDX-License-Identifier: MIT
// tree_view.h - an instance's base tree, read only, and what patches would make of it. No box, no
// layer, nothing written.
#ifndef ASSAY_ORCHESTRATOR_TREE_VIEW_H
#define ASSAY_ORCHESTRATOR_TREE_VIEW_H

#include "base/arena.h"
#include "base/error.h"
#include "envs/apply.h"
#include "orchestrator/context.h"
#include "orchestrator/patch_options.h"
#include "tasks/instance.h"

struct assay_tree_view {
    int fd;
    struct assay_arena *arena;      // borrowed: of all that is read
    struct assay_patch_options how; // patches are read and applied
};

ASSAY_MUST_USE enum assay_status assay_tree_view_open(struct assay_tree_view *out,
        struct assay_context *context, const struct assay_instance *instance,
        struct assay_arena *arena, struct assay_error *err);
void assay_tree_view_close(struct assay_tree_view *view);

// As view->how says. skip may be NULL.
ASSAY_MUST_USE enum assay_status assay_tree_view_apply(struct assay_edits **out,
        struct assay_tree_view *view, struct assay_bytes patch,
        bool (*skip)(void *user, const char *path), void *user, struct assay_error *err);

// What stands at the path; kind NONE where nothing does.
ASSAY_MUST_USE enum assay_status assay_tree_view_read(struct assay_file *out,
        struct assay_tree_view *view, const char *path, struct assay_error *err);

const struct assay_edit *assay_edits_find(
        const struct assay_edits *edits, const char *path); // NULL: none; edits may be NULL
// Both together; where both have a path, `over` wins. In the arena; either may be NULL.
ASSAY_MUST_USE enum assay_status assay_edits_merge(struct assay_edits **out,
        const struct assay_edits *under, const struct assay_edits *over, struct assay_arena *arena,
        struct assay_error *err);

#endif
