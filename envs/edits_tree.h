// SPDX-License-Identifier: MIT
// edits_tree.h - edits written into a directory that is nobody else's.
#ifndef ASSAY_ENVS_EDITS_TREE_H
#define ASSAY_ENVS_EDITS_TREE_H

#include "envs/apply.h"

// Contents, links and removals, in place; directories are made and stay. Nothing else may write
// there meanwhile.
ASSAY_MUST_USE enum assay_status assay_edits_write_tree(
        const struct assay_edits *edits, int dir_fd, struct assay_error *err);

#endif
