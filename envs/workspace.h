// SPDX-License-Identifier: MIT
// workspace.h - what a grading box sees as the repository: base tree, model patch, trusted layer.
//
// Layers, topmost first: what is planted for one run, trusted (tests at the test patch; protected
// files as the base has them), model patch (source part only), base tree. Nothing is copied but
// changed files; the box's own writes go to a tmpfs upper.
#ifndef ASSAY_ENVS_WORKSPACE_H
#define ASSAY_ENVS_WORKSPACE_H

#include <limits.h>
#include <stdbool.h>

#include "envs/apply.h"
#include "envs/depot.h"

struct assay_workspace {
    const char *lowers[4]; // topmost first, into paths[]
    size_t lower_count;
    char paths[4][PATH_MAX];         // the last is of what is planted
    char scratch[PATH_MAX];          // owned: removed by release
    unsigned planted_count;          // how often it was tried to plant something
    char *model_path;                // of `paths`, the model's layer; NULL: none
    char tests_path[PATH_MAX];       // instance->tests_at: what is laid there; "": nothing
    struct assay_edits *model_edits; // what the model patch became; NULL without one; in the arena
};

struct assay_workspace_options {
    bool with_test_patch;
    const struct assay_patch *model_patch; // NULL: none (the empty run)
    enum assay_apply_mode mode;
    // Globs of what the test framework reads as configuration: protected like the tests.
    struct assay_strings protected_globs;
    // Globs of files of tests, and paths that they do not mean.
    struct assay_strings test_globs, test_exempt;
    // Globs of files of which it protects a part: may_change() tells whether a change (data is NULL
    // where there is no file) leaves that alone. No function: all are protected whole.
    struct assay_strings partly_globs;
    bool (*may_change)(const char *path, struct assay_bytes before, struct assay_bytes after);
    // NULL, or: changes to paths for which this is false are left out of the model patch too.
    bool (*wanted)(const char *path);
};

// ASSAY_EPATCH with a reason that starts "model patch: " or "test patch: ".
// Changes of the model patch to protected files (what the test patch touches, if it is laid, and
// what the globs of *options match, but for instance->protected_allowed) are
// dropped and listed.
ASSAY_MUST_USE enum assay_status assay_workspace_make(struct assay_workspace *out,
        struct assay_depot *depot, const struct assay_instance *instance,
        const struct assay_workspace_options *options, struct assay_arena *arena,
        struct assay_error *err);
// A file as the tests will see it, if neither is it the model's nor does it lie below what is:
// ASSAY_ENOTFOUND otherwise, and when it is no regular file.
ASSAY_MUST_USE enum assay_status assay_workspace_read(const struct assay_workspace *workspace,
        const char *path, struct assay_arena *arena, struct assay_file *out,
        struct assay_error *err);
// Lay these over everything else, in place of what was planted before. edits: sorted by path. The
// model's layer is written anew, too, but for the first time: times tell no run from another.
ASSAY_MUST_USE enum assay_status assay_workspace_plant(struct assay_workspace *workspace,
        struct assay_depot *depot, const struct assay_edits *edits, struct assay_error *err);
// The base tree with these edits and nothing else; they must live as long as the workspace.
ASSAY_MUST_USE enum assay_status assay_workspace_make_edited(struct assay_workspace *out,
        struct assay_depot *depot, const struct assay_instance *instance, struct assay_edits *edits,
        struct assay_error *err);
void assay_workspace_release(struct assay_workspace *workspace, struct assay_depot *depot);

#endif
