// SPDX-License-Identifier: MIT
// image_parts.h - the parts of an import: source, layers, tree. Internal to envs/image*.c.
#ifndef ASSAY_ENVS_IMAGE_PARTS_H
#define ASSAY_ENVS_IMAGE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "envs/depot_tree.h"
#include "envs/image.h"

// --- source (image_source.c): which layers, in files with which digests --------------------------

struct assay_image_layer {
    const char *path;    // below the source's folder
    const char *digest;  // sha256 of the file, as hex; NULL: docker's archives do not say
    const char *diff_id; // sha256 of what it holds, as hex
};

struct assay_image_source {
    int dir_fd;                       // owned: the layout
    char scratch[PATH_MAX];           // owned: a tar was unpacked there; "" if not
    struct assay_image_layer *layers; // lowest first
    size_t layer_count;
    const char *config_digest; // hex
    struct assay_image *image; // workdir and env are filled in
};
ASSAY_MUST_USE enum assay_status assay_image_source_open(struct assay_image_source *out,
        struct assay_depot *depot, const char *path, const char *ref, struct assay_image *image,
        struct assay_arena *arena, struct assay_error *err);
void assay_image_source_close(struct assay_image_source *source, struct assay_depot *depot);

// --- tree (image_tree.c): what the layers so far give together
// ------------------------------------

#define ASSAY_IMAGE_KEY_BYTES 112

struct assay_image_node {
    const char *name;           // of its last part
    size_t parent, child, next; // indices; 0: none (the root is its own parent)
    size_t layer;               // that it came with, from 1
    char kind;                  // 'd', 'f', 'l'
    bool dead;                  // replaced or taken away
    mode_t mode;                // permission and set-id bits
    int64_t time;
    const char *target;              // 'l'
    const char *key;                 // 'f': of its blob
    struct assay_strings attributes; // 'd': name, value as hex, name, ...
    uint64_t size;
};

struct assay_image_tree {
    struct assay_arena *arena;      // borrowed
    struct assay_image_node *nodes; // owned
    size_t count, cap;
    size_t *slots; // owned: (parent, name) -> node
    size_t slot_count;
    struct assay_image_bounds bounds;
};
ASSAY_MUST_USE enum assay_status assay_image_tree_begin(struct assay_image_tree *tree,
        const struct assay_image_bounds *bounds, struct assay_arena *arena,
        struct assay_error *err);
void assay_image_tree_end(struct assay_image_tree *tree);
// Where `path` of an entry stands: *parent is its folder (links on the way are followed inside of
// the root; made by this layer if missing, but for layer 0: then NOWHERE), *name its last part (""
// for the root itself). ASSAY_EINVAL.
#define ASSAY_IMAGE_NOWHERE SIZE_MAX
ASSAY_MUST_USE enum assay_status assay_image_tree_place(struct assay_image_tree *tree,
        const char *path, size_t layer, size_t *parent, const char **name, struct assay_error *err);
size_t assay_image_tree_look(
        const struct assay_image_tree *tree, size_t parent, const char *name); // 0: nothing
// Put a node there, in place of what stands there; a folder over a folder keeps what is in it.
ASSAY_MUST_USE enum assay_status assay_image_tree_put(struct assay_image_tree *tree, size_t parent,
        const char *name, const struct assay_image_node *node, struct assay_error *err);
// Whiteouts: take away what lower layers have at this name, or in this folder.
void assay_image_tree_take(
        struct assay_image_tree *tree, size_t parent, const char *name, size_t layer);
void assay_image_tree_clear(struct assay_image_tree *tree, size_t dir, size_t layer);

// --- layers (image_layer.c) ----------------------------------------------------------------------

struct assay_image_store {
    struct assay_depot *depot;
    int blobs_fd;              // images/blobs
    uint64_t bytes, new_bytes; // of all files read so far
    size_t entry_count;
};
// One layer onto the tree; its contents become blobs. Both digests are checked.
ASSAY_MUST_USE enum assay_status assay_image_read_layer(struct assay_image_tree *tree,
        struct assay_image_store *store, const struct assay_image_source *source, size_t index,
        struct assay_error *err);

// --- lay-out (image_layout.c) --------------------------------------------------------------------

// user.* of a node, name and value in lower-case hex, onto an open file or folder.
#define ASSAY_IMAGE_ATTRIBUTE_BYTES_MAX ((size_t)4096)
ASSAY_MUST_USE enum assay_status assay_image_set_attributes(
        int fd, const struct assay_strings *attributes, struct assay_error *err);
// The tree into the empty directory dir_fd.
ASSAY_MUST_USE enum assay_status assay_image_lay_out(const struct assay_image_tree *tree,
        const struct assay_image_store *store, int dir_fd, struct assay_error *err);

#endif
