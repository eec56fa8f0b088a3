// SPDX-License-Identifier: MIT
// suite_du.h - what suites take of the disk, and how much of it they share.
#ifndef ASSAY_ORCHESTRATOR_SUITE_DU_H
#define ASSAY_ORCHESTRATOR_SUITE_DU_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/context.h"

// Bytes of file contents in base trees.
struct assay_suite_usage {
    const char *suite;
    size_t instance_count, tree_count; // trees that differ
    uint64_t unpacked_bytes;           // if every instance had a copy of its own
    uint64_t disk_bytes;               // of contents that differ
    uint64_t own_bytes;                // of those that no other suite has: freed with it
};

// Of all suites by name, in the arena; *disk_bytes: of all contents that differ. A tree that is not
// there is ASSAY_ENOTFOUND.
ASSAY_MUST_USE enum assay_status assay_suite_usages(struct assay_suite_usage **out, size_t *count,
        uint64_t *disk_bytes, struct assay_context *context, struct assay_arena *arena,
        struct assay_error *err);

#endif
