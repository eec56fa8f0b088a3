// SPDX-License-Identifier: MIT
// ids.h - host uids and gids for boxes, never 0.
//
// As root: a store uid that owns what boxes may read and write on disk, and a
// pool above it, one uid a box, so that the kernel's per-uid quotas are split
// too. As an ordinary user there is only the caller's own uid.
#ifndef ASSAY_SANDBOX_IDS_H
#define ASSAY_SANDBOX_IDS_H

#include <stdbool.h>
#include <stdint.h>

#define ASSAY_BOX_UID 1000U // uid and gid of the user "box" inside every box
#define ASSAY_POOL_MAX 1000U

struct assay_ids {
    bool root; // running as uid 0: map boxes onto the pool
    uint32_t store_uid, store_gid;
    uint32_t pool;       // first pooled uid; the pool's gids are the same numbers
    uint32_t pool_count; // 0: every box runs as the store's uid
};

// A user namespace's map: one uid and one gid.
struct assay_id_map {
    uint32_t inside_uid, inside_gid;
    uint32_t uid, gid; // in the parent namespace
};

// `uid_map` is the text of /proc/self/uid_map; NULL: read it. Where the usual
// range is not mapped (root inside a container), the top of the largest range is used.
void assay_ids_find(struct assay_ids *out, uint32_t uid, uint32_t gid, const char *uid_map);

#endif
