// SPDX-License-Identifier: MIT
// patch_make.h - unified diffs made from texts: new files, and the reverse of a diff.
#ifndef ASSAY_TASKS_PATCH_MAKE_H
#define ASSAY_TASKS_PATCH_MAKE_H

#include <stdbool.h>

#include "base/buf.h"
#include "tasks/instance.h"

// Append a file patch that makes `path` (plain, relative) with this text. Bytes are kept as they
// are.
void assay_patch_add_file(
        struct assay_buf *out, const char *path, bool executable, struct assay_bytes text);

// Append the diff that undoes `patch`: sides, counts and lines swapped. NULL, or why it cannot be:
// renames, copies and binary hunks hold only one of both sides, and a broken diff neither.
const char *assay_patch_reverse(struct assay_buf *out, struct assay_bytes patch);

#endif
