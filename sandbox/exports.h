// SPDX-License-Identifier: MIT
// exports.h - a session's working directory and environment, and how a shell tells of them.
//
// A shell ends its report of itself with what `export -p` prints: assignments in the quoting of
// bash (declare -x NAME="value", $'..') or of sh (export NAME='value'). This reads them, strictly
// and within bounds: whoever wrote them may be hostile.
#ifndef ASSAY_SANDBOX_EXPORTS_H
#define ASSAY_SANDBOX_EXPORTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

struct assay_exports {
    char *cwd;        // owned; absolute
    char *bytes;      // owned; the entries, each ended by a NUL
    const char **env; // owned; NULL-terminated, into bytes
    size_t count;
};

void assay_exports_free(struct assay_exports *exports);
// Copies. ASSAY_EINVAL: cwd is not absolute or too long, an entry is not NAME=value, or there is
// too much of it. On failure *out is as before; else what it held is freed.
ASSAY_MUST_USE enum assay_status assay_exports_set(struct assay_exports *out, const char *cwd,
        const char *const *env, struct assay_error *err);
// Take over `cwd` and what export -p printed. Entries of *exports whose names no shell can hold
// (they are not identifiers) stay; SHLVL stays, `_` goes. False, and *exports as before: it is
// malformed, or too much.
bool assay_exports_take(struct assay_exports *exports, const char *cwd, const char *text);

// Is this line of a shell one program and its arguments, so that it can change neither? True only
// where nothing in the line or the environment makes it anything else to any shell.
bool assay_exports_outlive(const struct assay_exports *exports, const char *line);

#endif
