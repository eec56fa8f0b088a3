// SPDX-License-Identifier: MIT
// layer.h - inside the sandbox: what a snapshot is made of, and what its pieces are called.
//
// A part is one tmpfs of a box that is gone: the box's own, or that of a TMPFS mount with a size.
// A layer is a directory in a part. Where a plan's writes go is a function of the plan alone, so
// the init that makes the directories and the library that names them need not tell each other:
//
//   target                          directory, in part 0 unless said otherwise
//   "/" with lowers                 u0
//   mount i, OVERLAY                u<i+1>
//   mount i, TMPFS                  t<i+1>; with a size in a part of its own
//   /tmp, /var/tmp, /home/box       root/tmp ...; of a box with `from` p0, p1, p2
#ifndef ASSAY_SANDBOX_LAYER_H
#define ASSAY_SANDBOX_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "sandbox/box.h"
#include "sandbox/snapshot.h"

#define ASSAY_PARTS_MAX 128   // of one snapshot
#define ASSAY_LAYERS_MAX 4352 // likewise: every target of a plan at every depth
#define ASSAY_BOX_PARTS_MAX 8 // of one box
#define ASSAY_LAYER_NAME_BYTES 24
#define ASSAY_PLACE_COUNT 3

// Directories that every box may write to: layers of their own when the root has no lowers.
struct assay_place {
    const char *path;
    unsigned mode;
};
extern const struct assay_place assay_places[ASSAY_PLACE_COUNT];

struct assay_layer {
    const char *target;
    const char *name; // in the part
    uint32_t part;    // index
};

// What of a snapshot travels with a plan. The spawner knows a part by its id.
struct assay_layers {
    const uint64_t *part_ids;
    size_t part_count;
    const struct assay_layer *items; // of each target the topmost first
    size_t count;
};

struct assay_part; // snapshot.c
struct assay_arena;

struct assay_snapshot {
    struct assay_layers layers; // in the arena
    struct assay_part **parts;  // likewise; by the same index as layers.part_ids
    size_t new_part_count;      // the first ones, of the box itself
    size_t depth;
    const char *cwd;           // of a session: where it was; NULL: of a box
    const char *const *env;    // likewise, NULL-terminated
    struct assay_arena *arena; // owned; NULL in a plan that has travelled
};

// NULL of NULL.
const struct assay_layers *assay_snapshot_layers(const struct assay_snapshot *snapshot);
// What a plan that has travelled is from; in the arena, as *layers is. NULL: no memory.
const struct assay_snapshot *assay_snapshot_of_layers(
        struct assay_arena *arena, const struct assay_layers *layers);
size_t assay_layers_count(const struct assay_layers *layers, const char *target);

// ASSAY_EINVAL unless the plan has every target that the layers are for, and
// what it is to freeze can be frozen. `layers` may be NULL: the plan starts from nothing.
ASSAY_MUST_USE enum assay_status assay_layers_check(const struct assay_box_plan *plan,
        const struct assay_layers *layers, struct assay_error *err);

// One target of a plan at a time. Begins with the plan alone.
struct assay_naming {
    const struct assay_box_plan *plan;
    size_t next;
    uint32_t parts; // so far
};
// The next target that the plan writes to in its own tmpfs; false at the end.
bool assay_naming_next(struct assay_naming *naming, const char **target,
        char name[ASSAY_LAYER_NAME_BYTES], uint32_t *part);

// A TMPFS mount with a size of its own: a part of its own.
bool assay_layer_has_part(const struct assay_mount *mount);

// What the spawner gave for a part that it holds. Both descriptors are handed over.
struct assay_part_ticket {
    uint64_t id;
    int lease_fd; // the spawner lets go when the last copy of it is closed
    int dir_fd;   // the part's root
};

struct assay_parts {
    struct assay_part_ticket tickets[ASSAY_BOX_PARTS_MAX]; // owned
    size_t count;
};
void assay_parts_drop(struct assay_parts *parts);

// What a box with this plan is going to leave; the plan is not needed any more. It is released as
// any snapshot, and is none before it is complete.
ASSAY_MUST_USE enum assay_status assay_snapshot_draft(
        struct assay_snapshot **out, const struct assay_box_plan *plan, struct assay_error *err);
// Takes the parts, of which there must be as many as the plan makes. ASSAY_EIO otherwise: the box
// did not come so far.
ASSAY_MUST_USE enum assay_status assay_snapshot_complete(
        struct assay_snapshot *draft, struct assay_parts *parts, struct assay_error *err);
// Copied.
ASSAY_MUST_USE enum assay_status assay_snapshot_set_state(struct assay_snapshot *snapshot,
        const char *cwd, const char *const *env, struct assay_error *err);

#endif
