// SPDX-License-Identifier: MIT
#include "policy/count.h"

#include "policy/tensors.h"

struct layer_counts {
    uint64_t attention, ffn, experts, router, norms, tensors;
};

static void count_attention(
        struct layer_counts *out, const struct assay_model_config *c, uint32_t layer)
{
    const uint64_t q_width = assay_model_q_width(c), kv_width = assay_model_kv_width(c);
    const uint64_t hidden = c->hidden_size;

    if (c->layer_kinds[layer] == ASSAY_LAYER_LIGHTNING) {
        out->attention = 5 * q_width * hidden; // q, k, v, gate, out
        out->norms += q_width;
        out->tensors += 4;
        return;
    }
    out->attention = 2 * (q_width + kv_width) * hidden;
    out->norms += c->qk_norm ? 2 * (uint64_t)c->head_dim : 0;
    out->tensors += c->qk_norm ? 6 : 4;
}

static void count_layer(
        struct layer_counts *out, const struct assay_model_config *c, uint32_t layer)
{
    const uint64_t hidden = c->hidden_size;

    *out = (struct layer_counts){.norms = 2 * hidden, .tensors = 2};
    count_attention(out, c, layer);
    if (!c->layer_sparse[layer]) {
        out->ffn = 3 * hidden * c->ffn_size;
        out->tensors += 3;
        return;
    }
    out->experts = 3 * hidden * c->expert_ffn_size * c->expert_count;
    out->router = hidden * c->expert_count;
    out->tensors += 1 + 3 * (uint64_t)c->expert_count;
    if (c->shared_ffn_size) {
        out->ffn = 3 * hidden * c->shared_ffn_size + hidden;
        out->tensors += 4;
    }
}

void assay_model_count(struct assay_model_counts *out, const struct assay_model_config *config)
{
    struct assay_model_counts sum = {.norms = config->hidden_size, .tensors = 2};

    sum.embedding = (uint64_t)config->vocab_size * config->hidden_size;
    if (!config->tied_head) {
        sum.head = sum.embedding;
        sum.tensors++;
    }
    for (uint32_t i = 0; i < config->layer_count; i++) {
        struct layer_counts layer;

        count_layer(&layer, config, i);
        if (config->layer_kinds[i] == ASSAY_LAYER_LIGHTNING)
            sum.lightning += layer.attention;
        else
            sum.softmax += layer.attention;
        sum.ffn += layer.ffn;
        sum.experts += layer.experts;
        sum.routers += layer.router;
        sum.norms += layer.norms;
        sum.tensors += layer.tensors;
        sum.active += layer.attention + layer.ffn + layer.router + layer.norms;
        if (config->expert_count)
            sum.active += layer.experts / config->expert_count * config->expert_used_count;
    }
    sum.active += config->hidden_size; // the last norm
    sum.total = sum.embedding + sum.head + sum.softmax + sum.lightning + sum.ffn + sum.experts +
            sum.routers + sum.norms;
    *out = sum;
}

static uint64_t count_kind(const struct assay_model_config *config, enum assay_layer_kind kind)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < config->layer_count; i++)
        count += config->layer_kinds[i] == kind;
    return count;
}

uint64_t assay_model_state_bytes(const struct assay_model_config *config)
{
    return count_kind(config, ASSAY_LAYER_LIGHTNING) * assay_model_q_width(config) *
            config->head_dim * sizeof(float);
}

uint64_t assay_model_kv_bytes_per_token(
        const struct assay_model_config *config, uint32_t kv_element_bytes)
{
    return count_kind(config, ASSAY_LAYER_SOFTMAX) * 2 * assay_model_kv_width(config) *
            kv_element_bytes;
}

void assay_model_flops(
        struct assay_model_flops *out, const struct assay_model_config *config, uint64_t length)
{
    const double q_width = assay_model_q_width(config);
    // Scores and values of one key; update and read of one state.
    const double key = 4 * q_width * (double)count_kind(config, ASSAY_LAYER_SOFTMAX);
    const double state =
            4 * q_width * config->head_dim * (double)count_kind(config, ASSAY_LAYER_LIGHTNING);
    struct assay_model_counts counts;

    assay_model_count(&counts, config);
    out->weights = 2 *
            ((double)(counts.active - counts.norms) +
                    (double)config->vocab_size * config->hidden_size);
    out->marginal = out->weights + state + key * (double)length;
    out->cumulative = out->weights + state + key * ((double)length + 1) / 2;
}
