// SPDX-License-Identifier: MIT
// workspace.h - what a grading box sees as the repository: base tree, model patch, trusted layer.
//
// Layers, topmost first: trusted (tests at the test patch; protected files as
// the base has them), model patch (source part only), base tree. Nothing is
// copied but changed files; the box's own writes go to a tmpfs upper.
#ifndef ASSAY_ENVS_WORKSPACE_H
#define ASSAY_ENVS_WORKSPACE_H

#include <limits.h>
#include <stdbool.h>

#include "envs/apply.h"
#include "envs/depot.h"

struct assay_workspace {
    const char *lowers[3]; // topmost first, into paths[]
    size_t lower_count;
    char paths[3][PATH_MAX];
    char scratch[PATH_MAX];          // owned: removed by release
    struct assay_edits *model_edits; // what the model patch became; NULL without one; in the arena
};

struct assay_workspace_options {
    bool with_test_patch;
    const struct assay_patch *model_patch; // NULL: none (the empty run)
    enum assay_apply_mode mode;
    // Globs of what the test framework reads as configuration: protected like the tests.
    struct assay_strings protected_globs;
    // NULL, or: changes to paths for which this is false are left out of the model patch too.
    bool (*wanted)(const char *path);
};

// ASSAY_EPATCH with a reason that starts "model patch: " or "test patch: ".
// Changes of the model patch to protected files (what the test patch touches, if it is laid, and
// what options->protected_globs match, but for instance->protected_allowed) are
// dropped and listed.
ASSAY_MUST_USE enum assay_status assay_workspace_make(struct assay_workspace *out,
        struct assay_depot *depot, const struct assay_instance *instance,
        const struct assay_workspace_options *options, struct assay_arena *arena,
        struct assay_error *err);
// The base tree with these edits and nothing else; they must live as long as the workspace.
ASSAY_MUST_USE enum assay_status assay_workspace_make_edited(struct assay_workspace *out,
        struct assay_depot *depot, const struct assay_instance *instance, struct assay_edits *edits,
        struct assay_error *err);
void assay_workspace_release(struct assay_workspace *workspace, struct assay_depot *depot);

#endif
