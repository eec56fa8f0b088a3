// SPDX-License-Identifier: MIT
// edits_text.h - edits of a tree as the git patch that makes them.
#ifndef ASSAY_ENVS_EDITS_TEXT_H
#define ASSAY_ENVS_EDITS_TEXT_H

#include "base/buf.h"
#include "envs/apply.h"

// Appended to `out`, in the order of the edits; `read` reads the tree before them. An edit that
// changes nothing shows nothing. ASSAY_EINVAL: it removes a directory, which no patch says.
ASSAY_MUST_USE enum assay_status assay_edits_text(struct assay_buf *out,
        const struct assay_edits *edits, assay_file_read read, void *read_user,
        struct assay_arena *arena, struct assay_error *err);

#endif
