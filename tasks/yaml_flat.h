// SPDX-License-Identifier: MIT
// yaml_flat.h - a YAML file of settings as a flat list: "loss.is_cap", "5", line 12.
//
// One document of mappings inside each other, down to plain values. Lists, anchors, aliases, tags
// and a key that stands twice are refused: a setting has one name and one value.
#ifndef ASSAY_TASKS_YAML_FLAT_H
#define ASSAY_TASKS_YAML_FLAT_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

#define ASSAY_YAML_DEPTH_MAX 8
#define ASSAY_YAML_ENTRIES_MAX 1024

struct assay_yaml_entry {
    const char *key;   // with dots
    const char *value; // as written, without quotes
    size_t line;       // from 1
};

// In the order of the file, in the arena. An empty document gives none. Errors: ASSAY_EINVAL
// ("source:line: why"), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_yaml_flatten(struct assay_yaml_entry **out, size_t *count,
        const char *text, size_t len, const char *source, struct assay_arena *arena,
        struct assay_error *err);

#endif
