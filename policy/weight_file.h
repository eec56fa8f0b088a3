// SPDX-License-Identifier: MIT
// weight_file.h - named tensors in files that others wrote, mapped read-only.
//
// One interface over four formats, told apart by content: safetensors (one file, or a directory
// with its index), GGUF version 2 and 3, and the zip that torch.save writes (.pth, .pt, .bin).
// Everything in a file is checked before a view is handed out: sizes, ranges, overlap, types. A
// file that is cut short while it is mapped ends the program (SIGBUS), as with any mapping.
#ifndef ASSAY_POLICY_WEIGHT_FILE_H
#define ASSAY_POLICY_WEIGHT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define ASSAY_WEIGHT_DIMS_MAX 8
#define ASSAY_WEIGHT_TENSORS_MAX ((size_t)1 << 20)
#define ASSAY_WEIGHT_FILES_MAX 4096
#define ASSAY_WEIGHT_HEADER_BYTES_MAX ((uint64_t)100 << 20) // safetensors' own bound

enum assay_weight_type {
    ASSAY_WEIGHT_F64,
    ASSAY_WEIGHT_F32,
    ASSAY_WEIGHT_F16,
    ASSAY_WEIGHT_BF16,
    ASSAY_WEIGHT_I64,
    ASSAY_WEIGHT_I32,
    ASSAY_WEIGHT_I16,
    ASSAY_WEIGHT_I8,
    ASSAY_WEIGHT_U8,
    ASSAY_WEIGHT_BOOL,
    ASSAY_WEIGHT_F8_E4M3,
    ASSAY_WEIGHT_F8_E5M2,
    ASSAY_WEIGHT_Q4_0, // from here on: blocks of GGUF, along a row
    ASSAY_WEIGHT_Q8_0,
    ASSAY_WEIGHT_Q4_K,
    ASSAY_WEIGHT_Q5_K,
    ASSAY_WEIGHT_Q6_K,
    ASSAY_WEIGHT_TYPE_COUNT,
};
const char *assay_weight_type_name(enum assay_weight_type type); // "F32", "Q4_K"
// Elements and bytes of one block; (1, size) for plain types.
uint32_t assay_weight_block_elements(enum assay_weight_type type);
uint32_t assay_weight_block_bytes(enum assay_weight_type type);

// One tensor. Row-major: the last dimension is contiguous.
struct assay_weight_view {
    const char *name; // borrowed from the file
    enum assay_weight_type type;
    uint32_t dim_count;
    uint64_t dims[ASSAY_WEIGHT_DIMS_MAX];
    const unsigned char *data; // mapped; aligned for nothing
    uint64_t bytes;
};

struct assay_weight_file; // opaque; owned by whoever opened it
struct assay_gguf_values; // the keys of a GGUF file (gguf.h)

// `path`: a file, or a directory with model.safetensors.index.json or model.safetensors.
// Errors: ASSAY_ENOTFOUND, ASSAY_EINVAL ("FILE: tensor NAME: why"), ASSAY_ENOMEM, ASSAY_EIO.
ASSAY_MUST_USE enum assay_status assay_weight_file_open(
        struct assay_weight_file **out, const char *path, struct assay_error *err);
void assay_weight_file_close(struct assay_weight_file *file); // NULL is allowed

size_t assay_weight_file_count(const struct assay_weight_file *file);
// In byte order of names. index < count.
const struct assay_weight_view *assay_weight_file_at(
        const struct assay_weight_file *file, size_t index);
const struct assay_weight_view *assay_weight_file_find(
        const struct assay_weight_file *file, const char *name); // NULL: none
// NULL for anything but GGUF. Borrowed.
const struct assay_gguf_values *assay_weight_file_gguf(const struct assay_weight_file *file);

uint64_t assay_weight_elements(const struct assay_weight_view *view);
// Elements [first, first + count) as floats; both multiples of the type's block. False for types
// that hold no weights (integers, booleans).
bool assay_weight_to_float(
        float *out, const struct assay_weight_view *view, uint64_t first, uint64_t count);

#endif
