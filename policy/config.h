// SPDX-License-Identifier: MIT
// config.h - the one description of a model: shapes, kinds of layer, factors, dialect.
//
// Read from the config.json of a family (policy/config_json.c has one table a family), from GGUF
// keys (policy/gguf_config.c), or written by hand as model_type "assay", where every field stands
// for itself and unknown keys are refused. Everything else in this room asks the description and
// never the family.
#ifndef ASSAY_POLICY_CONFIG_H
#define ASSAY_POLICY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

#define ASSAY_MODEL_LAYERS_MAX 1024
#define ASSAY_MODEL_WIDTH_MAX                                                                      \
    ((uint32_t)1 << 20) // of one dimension of any tensor but the vocabulary
#define ASSAY_MODEL_VOCAB_MAX ((uint32_t)1 << 22)

enum assay_layer_kind {
    ASSAY_LAYER_SOFTMAX,   // causal softmax attention, grouped queries
    ASSAY_LAYER_LIGHTNING, // linear attention with a decay per head and layer
};

// How the decay s_h of a lightning layer follows from head and layer: s_h = series(h) * f(layer).
enum assay_slopes {
    // MiniMax-M1, Text-01: 2^(-8(h+1)/H), for H no power of two the ALiBi interleave;
    // f = 1 - l/(L-1) + 1e-5 (L = 1: 1 + 1e-5).
    ASSAY_SLOPES_ALIBI,
    // GGUF minimax-01: f as above, but the plain geometric series for any H.
    ASSAY_SLOPES_GEOMETRIC,
    // transformers' `minimax`: geometric, f = 1 - l/(L-1+1e-5) + 1e-5.
    ASSAY_SLOPES_TRANSFORMERS,
};

// x' = alpha * residual + beta * branch, around attention and around the feed-forward.
struct assay_residual_factors {
    float alpha, beta;
};

// YaRN stretches RoPE to longer contexts; factor 0: none.
struct assay_yarn {
    double factor;               // > 1, or 0
    double original_positions;   // length that the model was trained at
    double beta_fast, beta_slow; // rotations that bound the ramp
    double attention_factor;     // scales cos and sin
};

struct assay_model_config {
    const char *model_type;      // of the source, for people and for the mapping of names
    uint32_t layer_count;        // L
    uint32_t hidden_size;        // C
    uint32_t vocab_size;         // V, rows of embedding and head
    uint32_t vocab_sampled;      // ids from here on are padding and are never sampled; <= V
    uint32_t head_count;         // H
    uint32_t kv_head_count;      // divides H; softmax layers alone
    uint32_t head_dim;           // D; H * D need not be C
    uint32_t rotary_dim;         // first dims of a head that RoPE turns; even, 2..D
    uint32_t ffn_size;           // inner width of dense layers; 0: none is dense
    uint32_t expert_count;       // E; 0: no layer has experts
    uint32_t expert_used_count;  // top-k
    uint32_t expert_ffn_size;    // inner width of one expert
    uint32_t shared_ffn_size;    // of an expert that all tokens pass through; 0: none
    uint32_t position_count_max; // as the source says; not enforced
    const uint8_t *layer_kinds;  // [L] enum assay_layer_kind
    const bool *layer_sparse;    // [L] experts in place of a dense feed-forward
    double rope_theta;
    struct assay_yarn yarn;
    float norm_eps;       // RMSNorm of the residual stream, and of q and k
    float inner_norm_eps; // RMSNorm over all heads of a lightning layer
    struct assay_residual_factors lightning_factors, softmax_factors, ffn_factors;
    // The residual is the normed input instead of the input (MiniMax: "postnorm").
    bool postnorm;
    bool qk_norm;   // RMSNorm per head on q and k before RoPE
    bool tied_head; // the head is the embedding
    bool norm_topk; // router weights of the chosen experts are made to sum to 1
    float router_aux_coef;
    bool router_aux_by_layer; // its loss is a sum over layers (minimind), not of all layers
                              // together
    enum assay_slopes slopes;
    int64_t bos_id, eos_id; // -1: none named
};

struct assay_model_dialect {
    // Compute `minimax` as transformers does: RoPE over the whole head, whatever rotary_dim says.
    // Weights that were trained with partial RoPE come out wrong; for comparisons alone.
    bool rope_transformers;
};

// Read a config.json. `source` names it in messages ("DIR/config.json: layer_types[3]: ..."). What
// *out points to is in the arena. dialect may be NULL: what the weights were trained with.
// Errors: ASSAY_EINVAL (file, line and field; a feature that is not built is refused by name),
// ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_model_config_read(struct assay_model_config *out,
        const char *text, size_t len, const char *source, const struct assay_model_dialect *dialect,
        struct assay_arena *arena, struct assay_error *err);
// `path`: a config.json, or a directory that holds one.
ASSAY_MUST_USE enum assay_status assay_model_config_load(struct assay_model_config *out,
        const char *path, const struct assay_model_dialect *dialect, struct assay_arena *arena,
        struct assay_error *err);
// The description as a config.json of `model_type`, byte for byte the same for the same content;
// "assay" can say everything. ASSAY_EINVAL: that family cannot say this (it would read back as
// something else).
ASSAY_MUST_USE enum assay_status assay_model_config_write(char **out,
        const struct assay_model_config *config, const char *model_type, struct assay_arena *arena,
        struct assay_error *err);
// Do both describe the same computation?
bool assay_model_config_equal(
        const struct assay_model_config *a, const struct assay_model_config *b);

// Is the description complete and consistent? Called by all who make one. ASSAY_EINVAL names the
// field.
ASSAY_MUST_USE enum assay_status assay_model_config_check(
        const struct assay_model_config *config, struct assay_error *err);

// Decay rates s_h >= 0 of lightning layer `layer` (absolute index): lambda_h = exp(-s_h). out: [H].
void assay_model_slopes(float *out, const struct assay_model_config *config, uint32_t layer);

// Widths that follow: rows of all query heads, of all key heads.
static inline uint32_t assay_model_q_width(const struct assay_model_config *config)
{
    return config->head_count * config->head_dim;
}
static inline uint32_t assay_model_kv_width(const struct assay_model_config *config)
{
    return config->kv_head_count * config->head_dim;
}

#endif
