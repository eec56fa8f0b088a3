// SPDX-License-Identifier: MIT
// gguf_config.c - the description that a GGUF file's keys spell: qwen3, qwen3moe, minimax-01.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "policy/gguf.h"

struct keys {
    const struct assay_gguf_values *values;
    const char *architecture;
};

// "ARCHITECTURE.name"; NULL if there is none.
static const struct assay_gguf_value *find(const struct keys *k, const char *name)
{
    char key[128];

    return snprintf(key, sizeof(key), "%s.%s", k->architecture, name) < (int)sizeof(key)
            ? assay_gguf_find(k->values, key)
            : NULL;
}

// A whole number of 32 bits; what is missing leaves *out alone, unless it is required.
static enum assay_status read_u32(uint32_t *out, const struct keys *k, const char *name,
        bool required, struct assay_error *err)
{
    double number;

    if (!assay_gguf_number(&number, find(k, name), 0))
        return required ? assay_fail(err, ASSAY_EINVAL, "key %s.%s is missing, or no number",
                                  k->architecture, name)
                        : ASSAY_OK;
    if (!(number >= 0) || number > UINT32_MAX || number != floor(number))
        return assay_fail(
                err, ASSAY_EINVAL, "key %s.%s: not a whole number in range", k->architecture, name);
    *out = (uint32_t)number;
    return ASSAY_OK;
}

static void read_float(float *out, const struct keys *k, const char *name)
{
    double number;

    if (assay_gguf_number(&number, find(k, name), 0))
        *out = (float)number;
}

static enum assay_status read_sizes(
        struct assay_model_config *c, const struct keys *k, struct assay_error *err)
{
    const struct {
        const char *name;
        uint32_t *out;
        bool required;
    } rows[] = {{"block_count", &c->layer_count, true}, {"embedding_length", &c->hidden_size, true},
            {"attention.head_count", &c->head_count, true},
            {"attention.head_count_kv", &c->kv_head_count, false},
            {"attention.key_length", &c->head_dim, false},
            {"rope.dimension_count", &c->rotary_dim, false},
            {"feed_forward_length", &c->ffn_size, false},
            {"expert_feed_forward_length", &c->expert_ffn_size, false},
            {"expert_count", &c->expert_count, false},
            {"expert_used_count", &c->expert_used_count, false},
            {"context_length", &c->position_count_max, false}};
    enum assay_status status = ASSAY_OK;
    double number;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && status == ASSAY_OK; i++)
        status = read_u32(rows[i].out, k, rows[i].name, rows[i].required, err);
    if (status != ASSAY_OK)
        return status;
    if (c->kv_head_count == 0)
        c->kv_head_count = c->head_count;
    if (c->head_dim == 0 && c->head_count)
        c->head_dim = c->hidden_size / c->head_count;
    if (c->rotary_dim == 0)
        c->rotary_dim = c->head_dim;
    c->rope_theta = 10000;
    if (assay_gguf_number(&number, find(k, "rope.freq_base"), 0))
        c->rope_theta = number;
    read_float(&c->norm_eps, k, "attention.layer_norm_rms_epsilon");
    return ASSAY_OK;
}

// Which layers of minimax-01 keep a state: a list of them, or one softmax layer every so many.
static enum assay_status read_layers(struct assay_model_config *c, const struct keys *k,
        struct assay_arena *arena, struct assay_error *err)
{
    const bool hybrid = strcmp(k->architecture, "minimax-01") == 0;
    const struct assay_gguf_value *list = find(k, "attention.recurrent_layers");
    uint32_t interval = 8;
    uint8_t *kinds;
    bool *sparse;
    enum assay_status status = read_u32(&interval, k, "full_attention_interval", false, err);

    if (status != ASSAY_OK)
        return status;
    if (c->layer_count == 0 || c->layer_count > ASSAY_MODEL_LAYERS_MAX || interval == 0)
        return assay_fail(err, ASSAY_EINVAL,
                "block_count or full_attention_interval is 0, or "
                "there are too many blocks");
    kinds = assay_arena_array(arena, c->layer_count, sizeof(*kinds));
    sparse = assay_arena_array(arena, c->layer_count, sizeof(*sparse));
    if (!kinds || !sparse)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < c->layer_count; i++) {
        double recurrent = (i + 1) % interval != 0;

        if (list && list->count != c->layer_count)
            return assay_fail(err, ASSAY_EINVAL, "recurrent_layers: not one for each block");
        if (list && !assay_gguf_number(&recurrent, list, i))
            return assay_fail(err, ASSAY_EINVAL, "recurrent_layers: not a list of numbers");
        kinds[i] = hybrid && recurrent != 0 ? ASSAY_LAYER_LIGHTNING : ASSAY_LAYER_SOFTMAX;
        sparse[i] = c->expert_count > 0;
    }
    c->layer_kinds = kinds;
    c->layer_sparse = sparse;
    return ASSAY_OK;
}

static void set_hybrid(struct assay_model_config *c, const struct keys *k)
{
    float scale = 1;

    read_float(&scale, k, "residual_scale"); // the one alpha; betas are 1 there
    c->lightning_factors.alpha = c->softmax_factors.alpha = c->ffn_factors.alpha = scale;
    c->postnorm = true;
    c->qk_norm = false;
    c->slopes = ASSAY_SLOPES_GEOMETRIC;
    c->inner_norm_eps = 1e-6F; // as the weights were trained (policy/config_json.c)
    if (c->expert_ffn_size == 0)
        c->expert_ffn_size = c->ffn_size;
}

static enum assay_status read_vocabulary(
        struct assay_model_config *c, const struct assay_weight_file *file, struct assay_error *err)
{
    const struct assay_weight_view *embedding = assay_weight_file_find(file, "token_embd.weight");
    const struct assay_gguf_values *values = assay_weight_file_gguf(file);
    double id;

    if (!embedding || embedding->dim_count != 2 || embedding->dims[0] > ASSAY_MODEL_VOCAB_MAX)
        return assay_fail(err, ASSAY_EINVAL, "tensor token_embd.weight is missing, or no matrix");
    c->vocab_size = (uint32_t)embedding->dims[0];
    c->vocab_sampled = c->vocab_size == 200064 ? 200032 : c->vocab_size;
    c->tied_head = !assay_weight_file_find(file, "output.weight");
    c->bos_id = c->eos_id = -1;
    if (assay_gguf_number(&id, assay_gguf_find(values, "tokenizer.ggml.bos_token_id"), 0))
        c->bos_id = (int64_t)id;
    if (assay_gguf_number(&id, assay_gguf_find(values, "tokenizer.ggml.eos_token_id"), 0))
        c->eos_id = (int64_t)id;
    return ASSAY_OK;
}

enum assay_status assay_model_config_from_gguf(struct assay_model_config *out,
        const struct assay_weight_file *file, struct assay_arena *arena, struct assay_error *err)
{
    static const char *const known[] = {"qwen3", "qwen3moe", "minimax-01"};
    static const char *const types[] = {"qwen3", "qwen3_moe", "minimax_m1"};
    const struct assay_gguf_values *values = assay_weight_file_gguf(file);
    struct assay_model_config config = {.norm_eps = 1e-6F,
            .inner_norm_eps = 1e-6F,
            .lightning_factors = {1, 1},
            .softmax_factors = {1, 1},
            .ffn_factors = {1, 1},
            .qk_norm = true,
            .norm_topk = true};
    struct keys k = {.values = values};
    size_t which = 0;
    enum assay_status status;

    if (!values)
        return assay_fail(err, ASSAY_EINVAL, "not a GGUF file");
    k.architecture = assay_gguf_text(assay_gguf_find(values, "general.architecture"), arena);
    while (which < 3 && (!k.architecture || strcmp(k.architecture, known[which]) != 0))
        which++;
    if (which == 3)
        return assay_fail(err, ASSAY_EINVAL,
                "general.architecture is \"%s\", none of qwen3, qwen3moe, minimax-01",
                k.architecture ? k.architecture : "");
    config.model_type = types[which];
    status = read_sizes(&config, &k, err);
    if (status == ASSAY_OK && which == 2)
        set_hybrid(&config, &k);
    if (status == ASSAY_OK)
        status = read_layers(&config, &k, arena, err);
    if (status == ASSAY_OK)
        status = read_vocabulary(&config, file, err);
    if (status == ASSAY_OK)
        status = assay_model_config_check(&config, err);
    if (status == ASSAY_OK)
        *out = config;
    return status;
}
