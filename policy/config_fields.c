// SPDX-License-Identifier: MIT
#include "policy/config_fields.h"

#include <string.h>

// Of every family. What the source leaves out is what its own class takes then.
#define COMMON_FIELDS                                                                              \
    {"vocab_size", ASSAY_FIELD_U32, AT(vocab_size), REQUIRED},                                     \
            {"hidden_size", ASSAY_FIELD_U32, AT(hidden_size), REQUIRED},                           \
            {"num_hidden_layers", ASSAY_FIELD_U32, AT(layer_count), REQUIRED},                     \
            {"num_attention_heads", ASSAY_FIELD_U32, AT(head_count), REQUIRED},                    \
            {"num_key_value_heads", ASSAY_FIELD_U32, AT(kv_head_count), 0},                        \
            {"max_position_embeddings", ASSAY_FIELD_U32, AT(position_count_max), 0},               \
            {"tie_word_embeddings", ASSAY_FIELD_BOOL, AT(tied_head), 0},                           \
    {                                                                                              \
        "bos_token_id", ASSAY_FIELD_ID, AT(bos_id), -1                                             \
    }

#define MINIMAX_FIELDS                                                                             \
    {"head_dim", ASSAY_FIELD_U32, AT(head_dim), 0},                                                \
            {"intermediate_size", ASSAY_FIELD_U32, AT(expert_ffn_size), REQUIRED},                 \
            {"num_local_experts", ASSAY_FIELD_U32, AT(expert_count), 8},                           \
            {"num_experts_per_tok", ASSAY_FIELD_U32, AT(expert_used_count), 2},                    \
            {"rotary_dim", ASSAY_FIELD_U32, AT(rotary_dim), 0},                                    \
            {"rope_theta", ASSAY_FIELD_DOUBLE, AT(rope_theta), 1e6},                               \
            {"rms_norm_eps", ASSAY_FIELD_FLOAT, AT(norm_eps), 1e-5},                               \
    {                                                                                              \
        "router_aux_loss_coef", ASSAY_FIELD_FLOAT, AT(router_aux_coef), 0.001                      \
    }

static const struct assay_config_field m1_fields[] = {COMMON_FIELDS, MINIMAX_FIELDS,
        {"postnorm", ASSAY_FIELD_BOOL, AT(postnorm), 0},
        {"shared_intermediate_size", ASSAY_FIELD_U32, AT(shared_ffn_size), 0},
        {"layernorm_linear_attention_alpha", ASSAY_FIELD_FLOAT, AT(lightning_factors.alpha), 1},
        {"layernorm_linear_attention_beta", ASSAY_FIELD_FLOAT, AT(lightning_factors.beta), 1},
        {"layernorm_full_attention_alpha", ASSAY_FIELD_FLOAT, AT(softmax_factors.alpha), 1},
        {"layernorm_full_attention_beta", ASSAY_FIELD_FLOAT, AT(softmax_factors.beta), 1},
        {"layernorm_mlp_alpha", ASSAY_FIELD_FLOAT, AT(ffn_factors.alpha), 1},
        {"layernorm_mlp_beta", ASSAY_FIELD_FLOAT, AT(ffn_factors.beta), 1}};

static const struct assay_config_field hf_minimax_fields[] = {COMMON_FIELDS, MINIMAX_FIELDS,
        {"linear_attn_alpha_factor", ASSAY_FIELD_FLOAT, AT(lightning_factors.alpha), 1},
        {"linear_attn_beta_factor", ASSAY_FIELD_FLOAT, AT(lightning_factors.beta), 1},
        {"full_attn_alpha_factor", ASSAY_FIELD_FLOAT, AT(softmax_factors.alpha), 1},
        {"full_attn_beta_factor", ASSAY_FIELD_FLOAT, AT(softmax_factors.beta), 1},
        {"mlp_alpha_factor", ASSAY_FIELD_FLOAT, AT(ffn_factors.alpha), 1},
        {"mlp_beta_factor", ASSAY_FIELD_FLOAT, AT(ffn_factors.beta), 1}};

static const struct assay_config_field qwen3_fields[] = {COMMON_FIELDS,
        {"head_dim", ASSAY_FIELD_U32, AT(head_dim), 128},
        {"intermediate_size", ASSAY_FIELD_U32, AT(ffn_size), REQUIRED},
        {"rope_theta", ASSAY_FIELD_DOUBLE, AT(rope_theta), 1e4},
        {"rms_norm_eps", ASSAY_FIELD_FLOAT, AT(norm_eps), 1e-6}};

static const struct assay_config_field qwen3_moe_fields[] = {COMMON_FIELDS,
        {"head_dim", ASSAY_FIELD_U32, AT(head_dim), 0},
        {"intermediate_size", ASSAY_FIELD_U32, AT(ffn_size), 0},
        {"moe_intermediate_size", ASSAY_FIELD_U32, AT(expert_ffn_size), REQUIRED},
        {"num_experts", ASSAY_FIELD_U32, AT(expert_count), 128},
        {"num_experts_per_tok", ASSAY_FIELD_U32, AT(expert_used_count), 8},
        {"norm_topk_prob", ASSAY_FIELD_BOOL, AT(norm_topk), 0},
        {"router_aux_loss_coef", ASSAY_FIELD_FLOAT, AT(router_aux_coef), 0.001},
        {"rope_theta", ASSAY_FIELD_DOUBLE, AT(rope_theta), 1e4},
        {"rms_norm_eps", ASSAY_FIELD_FLOAT, AT(norm_eps), 1e-6}};

static const struct assay_config_field minimind_fields[] = {COMMON_FIELDS,
        {"head_dim", ASSAY_FIELD_U32, AT(head_dim), 0},
        {"intermediate_size", ASSAY_FIELD_U32, AT(ffn_size), REQUIRED},
        {"moe_intermediate_size", ASSAY_FIELD_U32, AT(expert_ffn_size), 0},
        {"num_experts", ASSAY_FIELD_U32, AT(expert_count), 4},
        {"num_experts_per_tok", ASSAY_FIELD_U32, AT(expert_used_count), 1},
        {"norm_topk_prob", ASSAY_FIELD_BOOL, AT(norm_topk), 1},
        {"router_aux_loss_coef", ASSAY_FIELD_FLOAT, AT(router_aux_coef), 5e-4},
        {"rope_theta", ASSAY_FIELD_DOUBLE, AT(rope_theta), 1e6},
        {"rms_norm_eps", ASSAY_FIELD_FLOAT, AT(norm_eps), 1e-6}};

// Ours: the description itself.
static const struct assay_config_field assay_fields[] = {COMMON_FIELDS,
        {"vocab_sampled", ASSAY_FIELD_U32, AT(vocab_sampled), 0},
        {"head_dim", ASSAY_FIELD_U32, AT(head_dim), 0},
        {"rotary_dim", ASSAY_FIELD_U32, AT(rotary_dim), 0},
        {"intermediate_size", ASSAY_FIELD_U32, AT(ffn_size), 0},
        {"moe_intermediate_size", ASSAY_FIELD_U32, AT(expert_ffn_size), 0},
        {"num_experts", ASSAY_FIELD_U32, AT(expert_count), 0},
        {"num_experts_per_tok", ASSAY_FIELD_U32, AT(expert_used_count), 0},
        {"shared_intermediate_size", ASSAY_FIELD_U32, AT(shared_ffn_size), 0},
        {"norm_topk_prob", ASSAY_FIELD_BOOL, AT(norm_topk), 1},
        {"router_aux_loss_coef", ASSAY_FIELD_FLOAT, AT(router_aux_coef), 0},
        {"rope_theta", ASSAY_FIELD_DOUBLE, AT(rope_theta), 1e6},
        {"rms_norm_eps", ASSAY_FIELD_FLOAT, AT(norm_eps), 1e-6},
        {"inner_norm_eps", ASSAY_FIELD_FLOAT, AT(inner_norm_eps), 1e-6},
        {"postnorm", ASSAY_FIELD_BOOL, AT(postnorm), 0},
        {"qk_norm", ASSAY_FIELD_BOOL, AT(qk_norm), 0},
        {"router_aux_by_layer", ASSAY_FIELD_BOOL, AT(router_aux_by_layer), 0},
        {"lightning_alpha", ASSAY_FIELD_FLOAT, AT(lightning_factors.alpha), 1},
        {"lightning_beta", ASSAY_FIELD_FLOAT, AT(lightning_factors.beta), 1},
        {"softmax_alpha", ASSAY_FIELD_FLOAT, AT(softmax_factors.alpha), 1},
        {"softmax_beta", ASSAY_FIELD_FLOAT, AT(softmax_factors.beta), 1},
        {"ffn_alpha", ASSAY_FIELD_FLOAT, AT(ffn_factors.alpha), 1},
        {"ffn_beta", ASSAY_FIELD_FLOAT, AT(ffn_factors.beta), 1}};

#define FAMILY(type, kind, table)                                                                  \
    {                                                                                              \
        type, kind, table, sizeof(table) / sizeof((table)[0])                                      \
    }

static const struct assay_config_family families[] = {
        FAMILY("minimax_m1", ASSAY_CONFIG_M1, m1_fields),
        FAMILY("MiniMaxM1", ASSAY_CONFIG_M1, m1_fields),
        FAMILY("minimax_text_01", ASSAY_CONFIG_M1, m1_fields),
        FAMILY("MiniMaxText01", ASSAY_CONFIG_M1, m1_fields),
        FAMILY("minimax", ASSAY_CONFIG_HF_MINIMAX, hf_minimax_fields),
        FAMILY("qwen3", ASSAY_CONFIG_QWEN3, qwen3_fields),
        FAMILY("qwen3_moe", ASSAY_CONFIG_QWEN3_MOE, qwen3_moe_fields),
        FAMILY("minimind", ASSAY_CONFIG_MINIMIND, minimind_fields),
        FAMILY("assay", ASSAY_CONFIG_OURS, assay_fields),
};

const struct assay_config_family *assay_config_family_find(const char *model_type)
{
    for (size_t i = 0; model_type && i < sizeof(families) / sizeof(families[0]); i++)
        if (strcmp(families[i].model_type, model_type) == 0)
            return &families[i];
    return NULL;
}

const char *const assay_config_slope_names[] = {
        [ASSAY_SLOPES_ALIBI] = "alibi",
        [ASSAY_SLOPES_GEOMETRIC] = "geometric",
        [ASSAY_SLOPES_TRANSFORMERS] = "transformers",
        NULL,
};

const char *const assay_config_layer_names[] = {
        [ASSAY_LAYER_SOFTMAX] = "full_attention",
        [ASSAY_LAYER_LIGHTNING] = "linear_attention",
};
