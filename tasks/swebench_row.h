// SPDX-License-Identifier: MIT
// swebench_row.h - an instance as one row of SWE-bench's JSON Lines.
#ifndef ASSAY_TASKS_SWEBENCH_ROW_H
#define ASSAY_TASKS_SWEBENCH_ROW_H

#include "base/buf.h"
#include "base/error.h"
#include "tasks/instance.h"

// Append the row and a line end. The row that the instance was read from, byte for byte (on one
// line if it stood on several); else one made of it: base_commit is the tree's hash where there is
// no commit, test_cmd a shell command. ASSAY_EINVAL: it was no row of JSON.
ASSAY_MUST_USE enum assay_status assay_swebench_row(
        struct assay_buf *out, const struct assay_instance *instance, struct assay_error *err);

#endif
