// SPDX-License-Identifier: MIT
// tensors.h - which weights a description asks for: role, shape, and the names that files give
// them.
//
// A role is one tensor of the graph. Matrices are row-major [rows, cols] and multiply as
// y = x W^T, so rows are outputs and cols inputs, as every family's files have them. The experts
// of a layer are one tensor of our own, [expert_count, rows, cols].
#ifndef ASSAY_POLICY_TENSORS_H
#define ASSAY_POLICY_TENSORS_H

#include "policy/config.h"

enum assay_tensor_role {
    ASSAY_TENSOR_EMBEDDING,      // [V, C]
    ASSAY_TENSOR_HEAD,           // [V, C]; absent when tied
    ASSAY_TENSOR_FINAL_NORM,     // [1, C]
    ASSAY_TENSOR_ATTN_NORM,      // [1, C] before attention
    ASSAY_TENSOR_FFN_NORM,       // [1, C] before the feed-forward
    ASSAY_TENSOR_LIGHTNING_QKV,  // [3HD, C], rows head by head: q_h, k_h, v_h
    ASSAY_TENSOR_LIGHTNING_GATE, // [HD, C]
    ASSAY_TENSOR_LIGHTNING_NORM, // [1, HD]
    ASSAY_TENSOR_LIGHTNING_OUT,  // [C, HD]
    ASSAY_TENSOR_Q,              // [HD, C]
    ASSAY_TENSOR_K,              // [kv D, C]
    ASSAY_TENSOR_V,              // [kv D, C]
    ASSAY_TENSOR_ATTN_OUT,       // [C, HD]
    ASSAY_TENSOR_Q_NORM,         // [1, D]
    ASSAY_TENSOR_K_NORM,         // [1, D]
    ASSAY_TENSOR_ROUTER,         // [E, C]
    ASSAY_TENSOR_EXPERT_GATE,    // [E, I, C] w1
    ASSAY_TENSOR_EXPERT_UP,      // [E, I, C] w3
    ASSAY_TENSOR_EXPERT_DOWN,    // [E, C, I] w2
    ASSAY_TENSOR_FFN_GATE,       // [I, C]
    ASSAY_TENSOR_FFN_UP,         // [I, C]
    ASSAY_TENSOR_FFN_DOWN,       // [C, I]
    ASSAY_TENSOR_SHARED_GATE,    // [I, C] of the shared expert
    ASSAY_TENSOR_SHARED_UP,      // [I, C]
    ASSAY_TENSOR_SHARED_DOWN,    // [C, I]
    ASSAY_TENSOR_SHARED_SHARE,   // [1, C] how much of it
    ASSAY_TENSOR_ROLE_COUNT,
};

#define ASSAY_TENSOR_NO_LAYER UINT32_MAX

struct assay_tensor_spec {
    enum assay_tensor_role role;
    uint32_t layer;        // ASSAY_TENSOR_NO_LAYER: of the whole model
    uint32_t expert_count; // 1 but for experts
    uint32_t rows, cols;   // of one expert
};

// Every tensor of the description, in the order of the graph. In the arena. Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_tensor_list(struct assay_tensor_spec **out, size_t *count,
        const struct assay_model_config *config, struct assay_arena *arena,
        struct assay_error *err);
// Elements of all its experts.
uint64_t assay_tensor_elements(const struct assay_tensor_spec *spec);
// "blocks.3.lightning_qkv": one name a role, for messages and our own records.
const char *assay_tensor_role_name(enum assay_tensor_role role);

// How files of one kind name a role. `%L` stands for the layer, `%E` for the expert; a pattern
// without %E of an expert role holds all experts in one tensor.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which tables read
struct assay_tensor_name {
    enum assay_tensor_role role;
    const char *pattern;
    // Which part of the named tensor it is, of part_count equal ones along the rows: transformers
    // keeps w1 and w3 of all experts as one [E, 2I, C].
    uint8_t part, part_count;
};
struct assay_tensor_names {
    const char *family; // "minimax", "qwen3", "gguf"
    const struct assay_tensor_name *rows;
    size_t row_count;
    // Patterns of tensors that files may hold and that are no weights; ended by NULL.
    const char *const *ignored;
};

// The spellings of safetensors files of a model_type; the first is what we write. A role may stand
// in several rows: the first that a file has counts.
const struct assay_tensor_names *assay_tensor_names_of(const char *model_type);
const struct assay_tensor_names *assay_tensor_names_gguf(void);
// Pattern with its layer and expert put in; false if it does not fit.
bool assay_tensor_name_write(
        char *out, size_t size, const char *pattern, uint32_t layer, uint32_t expert);
// Is `name` one of the family's tensors that are no weights?
bool assay_tensor_name_ignored(const struct assay_tensor_names *names, const char *name);

#endif
