// SPDX-License-Identifier: MIT
// toml.h - a TOML 1.0 file as a flat list: "verifier.env.TZ", "UTC", line 12.
//
// Elements of arrays and of arrays of tables have numbers: "task.authors[0].name". Strict: a key or
// a table that stands twice, a byte that is no UTF-8, a date that is none are refused. Dots within
// quoted keys are not told from those between keys.
#ifndef ASSAY_TASKS_TOML_H
#define ASSAY_TASKS_TOML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

#define ASSAY_TOML_DEPTH_MAX 16
#define ASSAY_TOML_ENTRIES_MAX 4096

enum assay_toml_kind {
    ASSAY_TOML_TEXT,
    ASSAY_TOML_INTEGER,
    ASSAY_TOML_FLOAT,
    ASSAY_TOML_BOOL,
    ASSAY_TOML_TIME,  // as written
    ASSAY_TOML_ARRAY, // its elements follow
    ASSAY_TOML_TABLE, // its members follow
};

struct assay_toml_entry {
    const char *key;
    enum assay_toml_kind kind;
    const char *value; // text without quotes; "" of arrays and tables
    size_t len;        // of value: a text may hold NULs
    double number;     // of integers, floats and booleans (0 or 1)
    size_t line;       // from 1
};

// In the order of the file, in the arena. Errors: ASSAY_EINVAL ("source:line: why"), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_toml_flatten(struct assay_toml_entry **out, size_t *count,
        const char *text, size_t len, const char *source, struct assay_arena *arena,
        struct assay_error *err);

#endif
