// SPDX-License-Identifier: MIT
// model.h - a description with its weights in a device's memory, and what follows from both.
//
// Life: create -> load or init the params -> passes (pass.h), sequences (sequences.h) -> destroy. A
// model is read by any number of streams at once; whoever writes weights is alone.
#ifndef ASSAY_POLICY_MODEL_H
#define ASSAY_POLICY_MODEL_H

#include "policy/params.h"

struct assay_model {
    struct assay_model_config config; // its lists are in the arena
    struct assay_params params;
    const struct assay_ops *ops; // borrowed
    struct assay_arena *arena;   // owned
    void *inv_freq;              // [rotary_dim / 2] S: theta^(-2j / rotary_dim), stretched by YaRN
    void *slopes;                // [L, H] S: decay rates; only rows of lightning layers are read
    double rope_scale;           // YaRN's attention factor, else 1
};

// *config is copied. *out is the caller's to destroy. Errors: ASSAY_EINVAL (a feature that is
// described and not built: a shared expert), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_model_create(struct assay_model **out,
        const struct assay_model_config *config, const struct assay_ops *ops,
        struct assay_stream *stream, struct assay_error *err);
void assay_model_destroy(struct assay_model *model); // NULL is allowed

// Create and load from what people have: a directory (config.json and safetensors), a GGUF file, a
// .pth beside a config (config_path; NULL: config.json in the same directory).
ASSAY_MUST_USE enum assay_status assay_model_open(struct assay_model **out, const char *path,
        const char *config_path, const struct assay_model_dialect *dialect,
        const struct assay_ops *ops, struct assay_stream *stream, struct assay_error *err);

// Weight of a role in a layer (ASSAY_TENSOR_NO_LAYER: of the model).
static inline void *assay_model_weight(
        const struct assay_model *model, enum assay_tensor_role role, uint32_t layer)
{
    return assay_params_at(&model->params, model->params.weights, model->ops->weight, role, layer);
}
// The matrix that turns states into logits: the head, or the embedding when tied.
static inline enum assay_tensor_role assay_model_head_role(const struct assay_model *model)
{
    return model->config.tied_head ? ASSAY_TENSOR_EMBEDDING : ASSAY_TENSOR_HEAD;
}

#endif
