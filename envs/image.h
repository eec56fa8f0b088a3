// SPDX-License-Identifier: MIT
// image.h - container images into the depot: no daemon, no root, no registry.
//
//   images/blobs/ab/<key>     file contents; the key has mode and time in it, for names share them
//   images/<id>/rootfs/       the root that the layers give together, hard-linked from blobs
//   images/<id>/image.json    variables, working folder, command, layers
//   images/names/<name>       which image has that name
//
// Layers are read one by one with libarchive and applied to a tree in memory: nothing is unpacked
// to the disk before all of it is known, no link is ever followed on the host, and every digest
// that the image names is checked. All content is foreign, and all of it or nothing comes in.
//
// Refused: names that lead out ("..", absolute ones are taken as relative to the root), hard links
// to what is not there, device nodes and FIFOs, overlayfs's own attributes, more than the bounds
// below. Owners become the store's; set-id bits stay (boxes are nosuid); of attributes user.* stay.
#ifndef ASSAY_ENVS_IMAGE_H
#define ASSAY_ENVS_IMAGE_H

#include <limits.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "envs/depot.h"

#define ASSAY_IMAGE_LAYERS_MAX 512

struct assay_image_bounds {
    uint64_t bytes_max; // of all files of all layers, unpacked; 0: 64 GiB
    size_t entries_max; // of all layers; 0: 4,000,000
};

struct assay_image {
    char id[65];              // hash of its layers' and its configuration's digests
    const char *name;         // "" when it has none
    const char *workdir;      // "" when it says nothing
    struct assay_strings env; // "NAME=value"
    struct assay_strings
            layers;            // digests of what the layers hold, unpacked (diff ids), lowest first
    uint64_t bytes, new_bytes; // of its files; of those that were not there before
    size_t entry_count;
};

// `path`: an OCI layout (folder or tar) or what `docker save` writes (tar), packed or not. Of
// several images in it `ref` is the one: a tag, "repo:tag", or NULL if there is but one (for
// linux/amd64). `name` [A-Za-z0-9_.-]{1,100} becomes its name here; NULL: none. What it says is in
// the arena. ASSAY_EINVAL: hostile, broken, or not an image; ASSAY_ENOTFOUND: no such file or ref.
ASSAY_MUST_USE enum assay_status assay_image_import(struct assay_image *out,
        struct assay_depot *depot, const char *path, const char *ref, const char *name,
        const struct assay_image_bounds *bounds, struct assay_arena *arena,
        struct assay_error *err);

// The root of an image by its name or id, absolute, and its id. ASSAY_ENOTFOUND.
ASSAY_MUST_USE enum assay_status assay_image_find(struct assay_depot *depot, const char *name,
        char rootfs[PATH_MAX], char id[65], struct assay_error *err);

#endif
