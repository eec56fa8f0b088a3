// SPDX-License-Identifier: MIT
// environ.h - the environment variables of a box, put together from several lists.
#ifndef ASSAY_ENVS_ENVIRON_H
#define ASSAY_ENVS_ENVIRON_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

struct assay_environ {
    struct assay_arena *arena; // borrowed: holds the list and its texts
    const char **items;        // "NAME=value", NULL-terminated; one per name
    size_t count, cap;
};

// What every box has, whatever it runs.
ASSAY_MUST_USE enum assay_status assay_environ_init(
        struct assay_environ *out, struct assay_arena *arena, struct assay_error *err);
// Add "NAME=value", in place of an earlier one of that name. ASSAY_EINVAL without a name or '='.
ASSAY_MUST_USE enum assay_status assay_environ_set(
        struct assay_environ *vars, const char *pair, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_environ_setf(struct assay_environ *vars,
        struct assay_error *err, const char *fmt, ...) ASSAY_PRINTF(3, 4);
// Put a directory list before the value that the name has: "a" and "b" become "a:b".
ASSAY_MUST_USE enum assay_status assay_environ_prepend(
        struct assay_environ *vars, const char *pair, struct assay_error *err);
// The value, borrowed, or NULL.
const char *assay_environ_get(const struct assay_environ *vars, const char *name);

#endif
