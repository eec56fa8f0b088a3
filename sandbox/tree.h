// SPDX-License-Identifier: MIT
// tree.h - the mount tree while it is being made; for mounts.c, overlay_mounts.c, layer_mounts.c
// and system_mounts.c alone.
#ifndef ASSAY_SANDBOX_TREE_H
#define ASSAY_SANDBOX_TREE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/mounts.h"

// The working directory is the box's tmpfs throughout.
struct tree {
    const struct assay_box_plan *plan;     // borrowed
    const struct assay_skeleton *skeleton; // borrowed
    const struct assay_sources *sources;   // borrowed
    const struct assay_sources *parts;     // borrowed; of plan->from
    size_t source_next;                    // the next source to use
    unsigned lower_next;                   // numbers for names in the tmpfs
    int root_fd;                           // the new root
    char *host_resolv, *host_hosts;        // owned; texts for ASSAY_NETWORK_HOST, or NULL
    struct assay_mounts *out;
    bool staged; // the stage is there to clone from
    bool plain;  // it also has the /usr and /etc that the box wants
    struct assay_fault *fault;
};

// Open below the new root, links resolved inside it. -1 with errno.
int tree_open(const struct tree *tree, const char *path, int flags, unsigned mode);
// Attach a detached mount at `path`, which is made if missing; closes mount_fd. -1 is a failure
// already, with errno.
bool tree_attach(
        struct tree *tree, int mount_fd, const char *path, bool is_directory, const char *step);
// A detached clone of what is at `path` below dir_fd, with attributes added; -1 with errno.
int tree_clone(int dir_fd, const char *path, uint64_t attributes);
bool tree_make_directories(struct tree *tree, const char *path, const char *step);

// overlay_mounts.c
// What an overlay is made of: layers of plan->from for this target, lowers, and where it writes.
struct tree_overlay {
    const char *target;
    size_t lower_count;
    const char *host_upper, *host_work; // NULL: in the box's tmpfs
    char upper[PATH_MAX], work[PATH_MAX];
    char lowers[256]; // fsconfig takes no longer value; "l10:l11:..." of 32 lowers fits
};
// The overlay, detached; -1 is a failure already.
int tree_make_overlay(struct tree *tree, struct tree_overlay *overlay);

// layer_mounts.c: layers of plan->from. Attach its parts in the tmpfs; then, for an overlay at
// `target`, its layers and below them `lowers` ("l0:l1", or ""); false with errno.
bool tree_place_parts(struct tree *tree);
bool tree_has_layers(const struct tree *tree, const char *target);
// Of its topmost layer's directory; 0755.
bool tree_layer_mode(const struct tree *tree, const char *target, unsigned *mode);
bool tree_add_lowers(const struct tree *tree, int fs_fd, const char *target, const char *lowers);
// What plan->snapshot is to keep, into out->part_fds.
bool tree_freeze(struct tree *tree);

// /usr, /bin..., /etc; /dev; /proc: from the stage where it has what the plan wants.
bool tree_add_skeleton(struct tree *tree);
bool tree_add_dev(struct tree *tree);
bool tree_add_proc(struct tree *tree);
// /dev without terminals and shared memory, which each box has to itself.
bool tree_add_devices(struct tree *tree);
// What an empty /dev has beside devices; `places`: and a file to attach each device to.
bool tree_fill_dev(struct tree *tree, int dev_fd, bool places);

#endif
