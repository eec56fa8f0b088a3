// SPDX-License-Identifier: MIT
// gguf.h - the keys of a GGUF file, and the description and vocabulary that they spell.
#ifndef ASSAY_POLICY_GGUF_H
#define ASSAY_POLICY_GGUF_H

#include "policy/config.h"
#include "policy/weight_file.h"

// The value types of the format; numbers are the format's own.
enum assay_gguf_type {
    ASSAY_GGUF_U8 = 0,
    ASSAY_GGUF_I8 = 1,
    ASSAY_GGUF_U16 = 2,
    ASSAY_GGUF_I16 = 3,
    ASSAY_GGUF_U32 = 4,
    ASSAY_GGUF_I32 = 5,
    ASSAY_GGUF_F32 = 6,
    ASSAY_GGUF_BOOL = 7,
    ASSAY_GGUF_STRING = 8,
    ASSAY_GGUF_ARRAY = 9,
    ASSAY_GGUF_U64 = 10,
    ASSAY_GGUF_I64 = 11,
    ASSAY_GGUF_F64 = 12,
};

// A text of the file: not ended by a NUL.
struct assay_gguf_text {
    const char *data;
    uint64_t len;
};

// One value; borrowed from the mapped file.
struct assay_gguf_value {
    const char *key; // NUL-terminated copy
    enum assay_gguf_type type;
    enum assay_gguf_type element_type;   // of an array
    uint64_t count;                      // elements of an array; 1 otherwise
    const unsigned char *data;           // first element
    const struct assay_gguf_text *texts; // of an array of strings, and of a string: [count]
};

const struct assay_gguf_value *assay_gguf_find(
        const struct assay_gguf_values *values, const char *key); // NULL: none
// The number at `index` of a number or of an array of numbers; false if it is none.
bool assay_gguf_number(double *out, const struct assay_gguf_value *value, uint64_t index);
// The text of a string, NUL-terminated in the arena; NULL if it is none or holds a NUL.
const char *assay_gguf_text(const struct assay_gguf_value *value, struct assay_arena *arena);

// The description in a file of architecture qwen3, qwen3moe or minimax-01. Errors: ASSAY_EINVAL
// (the key).
ASSAY_MUST_USE enum assay_status assay_model_config_from_gguf(struct assay_model_config *out,
        const struct assay_weight_file *file, struct assay_arena *arena, struct assay_error *err);

#endif
