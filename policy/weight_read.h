// SPDX-License-Identifier: MIT
// weight_read.h - what the readers of weight files share. Internal to this room.
#ifndef ASSAY_POLICY_WEIGHT_READ_H
#define ASSAY_POLICY_WEIGHT_READ_H

#include "base/arena.h"
#include "policy/weight_file.h"

struct assay_mapping {
    unsigned char *data; // never written; NULL for an empty file
    uint64_t bytes;
};

struct assay_weight_file {
    struct assay_arena *arena; // names, views, keys
    struct assay_mapping *mappings;
    size_t mapping_count;
    struct assay_weight_view *views; // sorted by name once open
    size_t view_count, view_capacity;
    struct assay_gguf_values *gguf;
};

// Map a regular file; it is unmapped with the file.
ASSAY_MUST_USE enum assay_status assay_weight_map(struct assay_mapping *out,
        struct assay_weight_file *file, const char *path, struct assay_error *err);
// A new view with this name (copied), zeroed.
ASSAY_MUST_USE enum assay_status assay_weight_add(struct assay_weight_view **out,
        struct assay_weight_file *file, const char *name, size_t name_len, struct assay_error *err);
// Bytes that dims and type ask for; false: they overflow, or the rows are no whole blocks.
bool assay_weight_bytes(uint64_t *out, const struct assay_weight_view *view);

// One format each: add the views of a mapped file. `source` is its path, for messages.
ASSAY_MUST_USE enum assay_status assay_weight_read_safetensors(struct assay_weight_file *file,
        const struct assay_mapping *mapping, const char *source, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_weight_read_gguf(struct assay_weight_file *file,
        const struct assay_mapping *mapping, const char *source, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_weight_read_torch(struct assay_weight_file *file,
        const struct assay_mapping *mapping, const char *source, struct assay_error *err);

static inline uint64_t assay_load_le(const unsigned char *at, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

#endif
