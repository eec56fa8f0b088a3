// SPDX-License-Identifier: MIT
// tensor_names.c - the mapping tables, one a family: role -> name in its files. Data alone.
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "policy/tensors.h"

#define WHOLE 0, 1
#define LAYER "model.layers.%L."

#define NAMES_OF_TRANSFORMERS                                                                      \
    {ASSAY_TENSOR_EMBEDDING, "model.embed_tokens.weight", WHOLE},                                  \
            {ASSAY_TENSOR_HEAD, "lm_head.weight", WHOLE},                                          \
            {ASSAY_TENSOR_FINAL_NORM, "model.norm.weight", WHOLE},                                 \
            {ASSAY_TENSOR_ATTN_NORM, LAYER "input_layernorm.weight", WHOLE},                       \
            {ASSAY_TENSOR_FFN_NORM, LAYER "post_attention_layernorm.weight", WHOLE},               \
            {ASSAY_TENSOR_Q, LAYER "self_attn.q_proj.weight", WHOLE},                              \
            {ASSAY_TENSOR_K, LAYER "self_attn.k_proj.weight", WHOLE},                              \
            {ASSAY_TENSOR_V, LAYER "self_attn.v_proj.weight", WHOLE},                              \
            {ASSAY_TENSOR_ATTN_OUT, LAYER "self_attn.o_proj.weight", WHOLE},                       \
            {ASSAY_TENSOR_Q_NORM, LAYER "self_attn.q_norm.weight", WHOLE},                         \
            {ASSAY_TENSOR_K_NORM, LAYER "self_attn.k_norm.weight", WHOLE},                         \
            {ASSAY_TENSOR_LIGHTNING_QKV, LAYER "self_attn.qkv_proj.weight", WHOLE},                \
            {ASSAY_TENSOR_LIGHTNING_GATE, LAYER "self_attn.output_gate.weight", WHOLE},            \
            {ASSAY_TENSOR_LIGHTNING_NORM, LAYER "self_attn.norm.weight", WHOLE},                   \
    {                                                                                              \
        ASSAY_TENSOR_LIGHTNING_OUT, LAYER "self_attn.out_proj.weight", WHOLE                       \
    }

// transformers 5 as it is in memory; files of either family may be written so.
#define NAMES_FUSED                                                                                \
    {ASSAY_TENSOR_ROUTER, LAYER "mlp.gate.weight", WHOLE},                                         \
            {ASSAY_TENSOR_EXPERT_GATE, LAYER "mlp.experts.gate_up_proj", 0, 2},                    \
            {ASSAY_TENSOR_EXPERT_UP, LAYER "mlp.experts.gate_up_proj", 1, 2},                      \
    {                                                                                              \
        ASSAY_TENSOR_EXPERT_DOWN, LAYER "mlp.experts.down_proj", WHOLE                             \
    }

// MiniMax-M1, Text-01, and the `-hf` repositories as they are on disk.
static const struct assay_tensor_name minimax_rows[] = {NAMES_OF_TRANSFORMERS,
        {ASSAY_TENSOR_ROUTER, LAYER "block_sparse_moe.gate.weight", WHOLE},
        {ASSAY_TENSOR_EXPERT_GATE, LAYER "block_sparse_moe.experts.%E.w1.weight", WHOLE},
        {ASSAY_TENSOR_EXPERT_UP, LAYER "block_sparse_moe.experts.%E.w3.weight", WHOLE},
        {ASSAY_TENSOR_EXPERT_DOWN, LAYER "block_sparse_moe.experts.%E.w2.weight", WHOLE},
        NAMES_FUSED, {ASSAY_TENSOR_SHARED_GATE, LAYER "shared_mlp.gate_proj.weight", WHOLE},
        {ASSAY_TENSOR_SHARED_UP, LAYER "shared_mlp.up_proj.weight", WHOLE},
        {ASSAY_TENSOR_SHARED_DOWN, LAYER "shared_mlp.down_proj.weight", WHOLE},
        {ASSAY_TENSOR_SHARED_SHARE, LAYER "coefficient.weight", WHOLE}};

// Tables that transformers' lightning layer keeps as buffers and some exporters write.
static const char *const minimax_ignored[] = {
        "slope_rate", "query_decay", "key_decay", "diagonal_decay", "rotary_emb.inv_freq", NULL};

// Qwen3, Qwen3-MoE, minimind-3.
static const struct assay_tensor_name qwen3_rows[] = {NAMES_OF_TRANSFORMERS,
        {ASSAY_TENSOR_FFN_GATE, LAYER "mlp.gate_proj.weight", WHOLE},
        {ASSAY_TENSOR_FFN_UP, LAYER "mlp.up_proj.weight", WHOLE},
        {ASSAY_TENSOR_FFN_DOWN, LAYER "mlp.down_proj.weight", WHOLE},
        {ASSAY_TENSOR_EXPERT_GATE, LAYER "mlp.experts.%E.gate_proj.weight", WHOLE},
        {ASSAY_TENSOR_EXPERT_UP, LAYER "mlp.experts.%E.up_proj.weight", WHOLE},
        {ASSAY_TENSOR_EXPERT_DOWN, LAYER "mlp.experts.%E.down_proj.weight", WHOLE}, NAMES_FUSED,
        // Ours alone: a shared expert in a description of model_type "assay".
        {ASSAY_TENSOR_SHARED_GATE, LAYER "shared_mlp.gate_proj.weight", WHOLE},
        {ASSAY_TENSOR_SHARED_UP, LAYER "shared_mlp.up_proj.weight", WHOLE},
        {ASSAY_TENSOR_SHARED_DOWN, LAYER "shared_mlp.down_proj.weight", WHOLE},
        {ASSAY_TENSOR_SHARED_SHARE, LAYER "coefficient.weight", WHOLE}};

static const char *const qwen3_ignored[] = {"rotary_emb.inv_freq", "freqs_cos", "freqs_sin", NULL};

// Dimensions are written fastest first there; shapes here are ours.
static const struct assay_tensor_name gguf_rows[] = {
        {ASSAY_TENSOR_EMBEDDING, "token_embd.weight", WHOLE},
        {ASSAY_TENSOR_HEAD, "output.weight", WHOLE},
        {ASSAY_TENSOR_FINAL_NORM, "output_norm.weight", WHOLE},
        {ASSAY_TENSOR_ATTN_NORM, "blk.%L.attn_norm.weight", WHOLE},
        {ASSAY_TENSOR_FFN_NORM, "blk.%L.ffn_norm.weight", WHOLE},
        {ASSAY_TENSOR_Q, "blk.%L.attn_q.weight", WHOLE},
        {ASSAY_TENSOR_K, "blk.%L.attn_k.weight", WHOLE},
        {ASSAY_TENSOR_V, "blk.%L.attn_v.weight", WHOLE},
        {ASSAY_TENSOR_ATTN_OUT, "blk.%L.attn_output.weight", WHOLE},
        {ASSAY_TENSOR_Q_NORM, "blk.%L.attn_q_norm.weight", WHOLE},
        {ASSAY_TENSOR_K_NORM, "blk.%L.attn_k_norm.weight", WHOLE},
        {ASSAY_TENSOR_LIGHTNING_QKV, "blk.%L.attn_qkv.weight", WHOLE},
        {ASSAY_TENSOR_LIGHTNING_GATE, "blk.%L.attn_gate.weight", WHOLE},
        {ASSAY_TENSOR_LIGHTNING_NORM, "blk.%L.attn_norm_2.weight", WHOLE},
        {ASSAY_TENSOR_LIGHTNING_OUT, "blk.%L.attn_output.weight", WHOLE},
        {ASSAY_TENSOR_FFN_GATE, "blk.%L.ffn_gate.weight", WHOLE},
        {ASSAY_TENSOR_FFN_UP, "blk.%L.ffn_up.weight", WHOLE},
        {ASSAY_TENSOR_FFN_DOWN, "blk.%L.ffn_down.weight", WHOLE},
        {ASSAY_TENSOR_ROUTER, "blk.%L.ffn_gate_inp.weight", WHOLE},
        {ASSAY_TENSOR_EXPERT_GATE, "blk.%L.ffn_gate_exps.weight", WHOLE},
        {ASSAY_TENSOR_EXPERT_UP, "blk.%L.ffn_up_exps.weight", WHOLE},
        {ASSAY_TENSOR_EXPERT_DOWN, "blk.%L.ffn_down_exps.weight", WHOLE}};

static const char *const gguf_ignored[] = {"rope_freqs.weight", NULL};

static const struct assay_tensor_names minimax_names = {
        "minimax", minimax_rows, sizeof(minimax_rows) / sizeof(minimax_rows[0]), minimax_ignored};
static const struct assay_tensor_names qwen3_names = {
        "qwen3", qwen3_rows, sizeof(qwen3_rows) / sizeof(qwen3_rows[0]), qwen3_ignored};
static const struct assay_tensor_names gguf_names = {
        "gguf", gguf_rows, sizeof(gguf_rows) / sizeof(gguf_rows[0]), gguf_ignored};

const struct assay_tensor_names *assay_tensor_names_of(const char *model_type)
{
    if (strncasecmp(model_type, "minimax", 7) == 0)
        return &minimax_names;
    return &qwen3_names;
}

const struct assay_tensor_names *assay_tensor_names_gguf(void)
{
    return &gguf_names;
}

bool assay_tensor_name_write(
        char *out, size_t size, const char *pattern, uint32_t layer, uint32_t expert)
{
    size_t len = 0;

    for (const char *at = pattern; *at; at++) {
        int wrote = 1;

        if (at[0] == '%' && (at[1] == 'L' || at[1] == 'E')) {
            at++;
            wrote = snprintf(out + len, size - len, "%u", *at == 'L' ? layer : expert);
        } else if (len + 1 < size)
            out[len] = *at;
        if (wrote < 0 || (size_t)wrote >= size - len)
            return false;
        len += (size_t)wrote;
    }
    out[len] = '\0';
    return true;
}

bool assay_tensor_name_ignored(const struct assay_tensor_names *names, const char *name)
{
    const size_t len = strlen(name);

    for (const char *const *at = names->ignored; *at; at++) {
        const size_t tail = strlen(*at);

        if (len >= tail && strcmp(name + len - tail, *at) == 0)
            return true;
    }
    return false;
}
