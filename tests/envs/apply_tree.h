// SPDX-License-Identifier: MIT
// apply_tree.h - a small tree in memory for tests of the patch engine: read, patched, compared,
// written to disk and read back.
#ifndef ASSAY_TESTS_ENVS_APPLY_TREE_H
#define ASSAY_TESTS_ENVS_APPLY_TREE_H

#include "envs/apply.h"

enum { TREE_NODES_MAX = 256 };

struct tree_node {
    const char *path;
    struct assay_file file;
};

// Directories are nodes only when nothing lies in them.
struct tree {
    struct tree_node nodes[TREE_NODES_MAX];
    size_t count;
    struct assay_arena *arena; // borrowed
};

// Put a node at `path`, whatever was there.
void tree_put(struct tree *tree, const char *path, enum assay_file_kind kind, bool executable,
        const char *content, size_t len);
const struct tree_node *tree_find(const struct tree *tree, const char *path);

// assay_file_read and assay_dir_list over a struct tree.
enum assay_status tree_read(void *user, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err);
enum assay_status tree_list(void *user, const char *path, struct assay_arena *arena,
        struct assay_strings *out, struct assay_error *err);

// `after` becomes `before` with the edits made.
void tree_edit(struct tree *after, const struct tree *before, const struct assay_edits *edits);

// NULL when both are the same, otherwise the first path that is not.
const char *tree_difference(const struct tree *a, const struct tree *b);

// Into an empty directory, and back; abort on trouble of the system.
void tree_write_dir(const struct tree *tree, int dir_fd);
void tree_read_dir(struct tree *tree, int dir_fd, struct assay_arena *arena);

#endif
