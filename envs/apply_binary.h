// SPDX-License-Identifier: MIT
// apply_binary.h - binary changes: git's delta and git's blob names. For envs/apply*.c.
#ifndef ASSAY_ENVS_APPLY_BINARY_H
#define ASSAY_ENVS_APPLY_BINARY_H

#include "envs/apply.h"

// The content after a binary change of `file`. git demands that the index line
// names old and new content in full and that both agree; tolerant mode also takes
// whole new content without that. ASSAY_EPATCH with a reason.
ASSAY_MUST_USE enum assay_status binary_apply(struct assay_bytes *out,
        const struct assay_patch_file *file, struct assay_bytes old, bool tolerant,
        size_t bytes_max, struct assay_arena *arena, struct assay_error *err);

#endif
