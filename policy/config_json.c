// SPDX-License-Identifier: MIT
// config_json.c - config.json of each family: one table of fields a family, and what a table cannot
// say.
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "policy/config.h"

#define JSON_LIMITS ((struct assay_json_limits){.bytes_max = (size_t)4 << 20, .depth_max = 32})

enum field_type { FIELD_U32, FIELD_FLOAT, FIELD_DOUBLE, FIELD_BOOL, FIELD_ID };

struct field {
    const char *key;
    enum field_type type;
    size_t offset; // in struct assay_model_config
    double value;  // default; NAN: the field is required
};

#define AT(member) offsetof(struct assay_model_config, member)
#define REQUIRED ((double)NAN)

// Of every family. What the source leaves out is what its own class takes then.
#define COMMON_FIELDS                                                                              \
    {"vocab_size", FIELD_U32, AT(vocab_size), REQUIRED},                                           \
            {"hidden_size", FIELD_U32, AT(hidden_size), REQUIRED},                                 \
            {"num_hidden_layers", FIELD_U32, AT(layer_count), REQUIRED},                           \
            {"num_attention_heads", FIELD_U32, AT(head_count), REQUIRED},                          \
            {"num_key_value_heads", FIELD_U32, AT(kv_head_count), 0},                              \
            {"max_position_embeddings", FIELD_U32, AT(position_count_max), 0},                     \
            {"tie_word_embeddings", FIELD_BOOL, AT(tied_head), 0},                                 \
    {                                                                                              \
        "bos_token_id", FIELD_ID, AT(bos_id), -1                                                   \
    }

#define MINIMAX_FIELDS                                                                             \
    {"head_dim", FIELD_U32, AT(head_dim), 0},                                                      \
            {"intermediate_size", FIELD_U32, AT(expert_ffn_size), REQUIRED},                       \
            {"num_local_experts", FIELD_U32, AT(expert_count), 8},                                 \
            {"num_experts_per_tok", FIELD_U32, AT(expert_used_count), 2},                          \
            {"rotary_dim", FIELD_U32, AT(rotary_dim), 0},                                          \
            {"rope_theta", FIELD_DOUBLE, AT(rope_theta), 1e6},                                     \
            {"rms_norm_eps", FIELD_FLOAT, AT(norm_eps), 1e-5},                                     \
    {                                                                                              \
        "router_aux_loss_coef", FIELD_FLOAT, AT(router_aux_coef), 0.001                            \
    }

static const struct field m1_fields[] = {COMMON_FIELDS, MINIMAX_FIELDS,
        {"postnorm", FIELD_BOOL, AT(postnorm), 0},
        {"shared_intermediate_size", FIELD_U32, AT(shared_ffn_size), 0},
        {"layernorm_linear_attention_alpha", FIELD_FLOAT, AT(lightning_factors.alpha), 1},
        {"layernorm_linear_attention_beta", FIELD_FLOAT, AT(lightning_factors.beta), 1},
        {"layernorm_full_attention_alpha", FIELD_FLOAT, AT(softmax_factors.alpha), 1},
        {"layernorm_full_attention_beta", FIELD_FLOAT, AT(softmax_factors.beta), 1},
        {"layernorm_mlp_alpha", FIELD_FLOAT, AT(ffn_factors.alpha), 1},
        {"layernorm_mlp_beta", FIELD_FLOAT, AT(ffn_factors.beta), 1}};

static const struct field hf_minimax_fields[] = {COMMON_FIELDS, MINIMAX_FIELDS,
        {"linear_attn_alpha_factor", FIELD_FLOAT, AT(lightning_factors.alpha), 1},
        {"linear_attn_beta_factor", FIELD_FLOAT, AT(lightning_factors.beta), 1},
        {"full_attn_alpha_factor", FIELD_FLOAT, AT(softmax_factors.alpha), 1},
        {"full_attn_beta_factor", FIELD_FLOAT, AT(softmax_factors.beta), 1},
        {"mlp_alpha_factor", FIELD_FLOAT, AT(ffn_factors.alpha), 1},
        {"mlp_beta_factor", FIELD_FLOAT, AT(ffn_factors.beta), 1}};

static const struct field qwen3_fields[] = {COMMON_FIELDS,
        {"head_dim", FIELD_U32, AT(head_dim), 128},
        {"intermediate_size", FIELD_U32, AT(ffn_size), REQUIRED},
        {"rope_theta", FIELD_DOUBLE, AT(rope_theta), 1e4},
        {"rms_norm_eps", FIELD_FLOAT, AT(norm_eps), 1e-6}};

static const struct field qwen3_moe_fields[] = {COMMON_FIELDS,
        {"head_dim", FIELD_U32, AT(head_dim), 0}, {"intermediate_size", FIELD_U32, AT(ffn_size), 0},
        {"moe_intermediate_size", FIELD_U32, AT(expert_ffn_size), REQUIRED},
        {"num_experts", FIELD_U32, AT(expert_count), 128},
        {"num_experts_per_tok", FIELD_U32, AT(expert_used_count), 8},
        {"norm_topk_prob", FIELD_BOOL, AT(norm_topk), 0},
        {"router_aux_loss_coef", FIELD_FLOAT, AT(router_aux_coef), 0.001},
        {"rope_theta", FIELD_DOUBLE, AT(rope_theta), 1e4},
        {"rms_norm_eps", FIELD_FLOAT, AT(norm_eps), 1e-6}};

static const struct field minimind_fields[] = {COMMON_FIELDS,
        {"head_dim", FIELD_U32, AT(head_dim), 0},
        {"intermediate_size", FIELD_U32, AT(ffn_size), REQUIRED},
        {"moe_intermediate_size", FIELD_U32, AT(expert_ffn_size), 0},
        {"num_experts", FIELD_U32, AT(expert_count), 4},
        {"num_experts_per_tok", FIELD_U32, AT(expert_used_count), 1},
        {"norm_topk_prob", FIELD_BOOL, AT(norm_topk), 1},
        {"router_aux_loss_coef", FIELD_FLOAT, AT(router_aux_coef), 5e-4},
        {"rope_theta", FIELD_DOUBLE, AT(rope_theta), 1e6},
        {"rms_norm_eps", FIELD_FLOAT, AT(norm_eps), 1e-6}};

// Ours: the description itself.
static const struct field assay_fields[] = {COMMON_FIELDS,
        {"vocab_sampled", FIELD_U32, AT(vocab_sampled), 0},
        {"head_dim", FIELD_U32, AT(head_dim), 0}, {"rotary_dim", FIELD_U32, AT(rotary_dim), 0},
        {"intermediate_size", FIELD_U32, AT(ffn_size), 0},
        {"moe_intermediate_size", FIELD_U32, AT(expert_ffn_size), 0},
        {"num_experts", FIELD_U32, AT(expert_count), 0},
        {"num_experts_per_tok", FIELD_U32, AT(expert_used_count), 0},
        {"shared_intermediate_size", FIELD_U32, AT(shared_ffn_size), 0},
        {"norm_topk_prob", FIELD_BOOL, AT(norm_topk), 1},
        {"router_aux_loss_coef", FIELD_FLOAT, AT(router_aux_coef), 0},
        {"rope_theta", FIELD_DOUBLE, AT(rope_theta), 1e6},
        {"rms_norm_eps", FIELD_FLOAT, AT(norm_eps), 1e-6},
        {"inner_norm_eps", FIELD_FLOAT, AT(inner_norm_eps), 1e-6},
        {"postnorm", FIELD_BOOL, AT(postnorm), 0}, {"qk_norm", FIELD_BOOL, AT(qk_norm), 0},
        {"router_aux_by_layer", FIELD_BOOL, AT(router_aux_by_layer), 0},
        {"lightning_alpha", FIELD_FLOAT, AT(lightning_factors.alpha), 1},
        {"lightning_beta", FIELD_FLOAT, AT(lightning_factors.beta), 1},
        {"softmax_alpha", FIELD_FLOAT, AT(softmax_factors.alpha), 1},
        {"softmax_beta", FIELD_FLOAT, AT(softmax_factors.beta), 1},
        {"ffn_alpha", FIELD_FLOAT, AT(ffn_factors.alpha), 1},
        {"ffn_beta", FIELD_FLOAT, AT(ffn_factors.beta), 1}};

// Keys of ours that are no plain field.
static const char *const assay_other_keys[] = {"schema", "model_type", "layer_types",
        "sparse_layers", "slopes", "eos_token_id", "rope_scaling"};

static const char *const slope_names[] = {
        [ASSAY_SLOPES_ALIBI] = "alibi",
        [ASSAY_SLOPES_GEOMETRIC] = "geometric",
        [ASSAY_SLOPES_TRANSFORMERS] = "transformers",
};
#define SLOPE_COUNT (sizeof(slope_names) / sizeof(slope_names[0]))

static const char *const layer_names[] = {
        [ASSAY_LAYER_SOFTMAX] = "full_attention",
        [ASSAY_LAYER_LIGHTNING] = "linear_attention",
};

struct reading {
    const struct assay_json *json;
    struct assay_model_config *config;
    const struct assay_model_dialect *dialect;
    struct assay_arena *arena;
    const char *at; // the member that a message is about
};

struct family {
    const char *model_type;
    const struct field *fields;
    size_t field_count;
    enum assay_status (*finish)(struct reading *r, struct assay_error *err);
};

// --- plain fields
// ---------------------------------------------------------------------------------

static enum assay_status wrong(
        struct reading *r, const char *key, const char *why, struct assay_error *err)
{
    r->at = key;
    return assay_fail(err, ASSAY_EINVAL, "%s: %s", key, why);
}

static enum assay_status read_number(struct reading *r, const struct field *field,
        const struct assay_json *value, double *out, struct assay_error *err)
{
    *out = field->value;
    if (value && assay_json_type(value) == ASSAY_JSON_NUMBER)
        *out = assay_json_number(value);
    else if (value && assay_json_type(value) != ASSAY_JSON_NULL)
        return wrong(r, field->key, "not a number", err);
    if (!isfinite(*out))
        return wrong(r, field->key, "missing", err);
    if (field->type == FIELD_FLOAT || field->type == FIELD_DOUBLE)
        return ASSAY_OK;
    if (*out != floor(*out) || *out < (field->type == FIELD_ID ? -1 : 0) || *out > UINT32_MAX)
        return wrong(r, field->key, "not a whole number in range", err);
    return ASSAY_OK;
}

static enum assay_status read_field(
        struct reading *r, const struct field *field, struct assay_error *err)
{
    const struct assay_json *value = assay_json_get(r->json, field->key);
    char *at = (char *)r->config + field->offset;
    double number;
    enum assay_status status;

    if (field->type == FIELD_BOOL) {
        if (value && assay_json_type(value) != ASSAY_JSON_BOOL &&
                assay_json_type(value) != ASSAY_JSON_NULL)
            return wrong(r, field->key, "not true or false", err);
        *(bool *)at = value && assay_json_type(value) == ASSAY_JSON_BOOL ? assay_json_bool(value)
                                                                         : field->value != 0;
        return ASSAY_OK;
    }
    status = read_number(r, field, value, &number, err);
    if (status != ASSAY_OK)
        return status;
    if (field->type == FIELD_U32)
        memcpy(at, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
    else if (field->type == FIELD_FLOAT)
        memcpy(at, &(float){(float)number}, sizeof(float));
    else if (field->type == FIELD_DOUBLE)
        memcpy(at, &number, sizeof(number));
    else
        memcpy(at, &(int64_t){(int64_t)number}, sizeof(int64_t));
    return ASSAY_OK;
}

// --- what several families share
// ------------------------------------------------------------------

// A number, a list of numbers (the first counts) or null.
static enum assay_status read_eos(struct reading *r, struct assay_error *err)
{
    const struct assay_json *value = assay_json_get(r->json, "eos_token_id");

    r->config->eos_id = -1;
    if (value && assay_json_type(value) == ASSAY_JSON_ARRAY)
        value = assay_json_first(value);
    if (!value || assay_json_type(value) == ASSAY_JSON_NULL)
        return ASSAY_OK;
    if (assay_json_type(value) != ASSAY_JSON_NUMBER || !(assay_json_number(value) >= 0) ||
            !(assay_json_number(value) <= UINT32_MAX))
        return wrong(r, "eos_token_id", "not an id", err);
    r->config->eos_id = (int64_t)assay_json_number(value);
    return ASSAY_OK;
}

static enum assay_status make_layers(
        struct reading *r, uint8_t **kinds, bool **sparse, struct assay_error *err)
{
    const uint32_t count = r->config->layer_count;

    if (count == 0 || count > ASSAY_MODEL_LAYERS_MAX)
        return wrong(r, "num_hidden_layers", "not between 1 and 1024", err);
    *kinds = assay_arena_array(r->arena, count, sizeof(**kinds));
    *sparse = assay_arena_array(r->arena, count, sizeof(**sparse));
    if (!*kinds || !*sparse)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    r->config->layer_kinds = *kinds;
    r->config->layer_sparse = *sparse;
    return ASSAY_OK;
}

// One element a layer: a name of layer_names, or a number for M1.
static enum assay_status read_kinds(
        struct reading *r, const char *key, uint8_t *kinds, struct assay_error *err)
{
    const struct assay_json *list = assay_json_get(r->json, key);
    const struct assay_json *item;
    size_t i = 0;

    if (!list || assay_json_type(list) != ASSAY_JSON_ARRAY ||
            assay_json_count(list) != r->config->layer_count)
        return wrong(r, key, "not a list with one element for each layer", err);
    for (item = assay_json_first(list); item; item = assay_json_next(item), i++) {
        const char *name = assay_json_text(item);
        const double number = assay_json_number(item);

        if (name && strcmp(name, layer_names[ASSAY_LAYER_SOFTMAX]) == 0)
            kinds[i] = ASSAY_LAYER_SOFTMAX;
        else if (name && strcmp(name, layer_names[ASSAY_LAYER_LIGHTNING]) == 0)
            kinds[i] = ASSAY_LAYER_LIGHTNING;
        else if (!name && (number == 0 || number == 1)) // M1: 0 lightning, 1 softmax
            kinds[i] = number == 0 ? ASSAY_LAYER_LIGHTNING : ASSAY_LAYER_SOFTMAX;
        else
            return wrong(r, key, "an element is no kind of layer that is built here", err);
    }
    return ASSAY_OK;
}

// transformers 5 nests what 4 had at the top; {"rope_type": "default" or "yarn"}.
static enum assay_status read_rope(struct reading *r, struct assay_error *err)
{
    static const char *const keys[] = {"rope_parameters", "rope_scaling"};
    struct assay_model_config *c = r->config;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const struct assay_json *rope = assay_json_get(r->json, keys[i]);
        const char *type;

        if (!rope || assay_json_type(rope) != ASSAY_JSON_OBJECT)
            continue;
        type = assay_json_text(assay_json_get(rope, "rope_type"));
        if (!type)
            type = assay_json_text(assay_json_get(rope, "type"));
        struct reading inner = {.json = rope, .config = c, .arena = r->arena};
        const struct field theta = {"rope_theta", FIELD_DOUBLE, AT(rope_theta), c->rope_theta};
        const struct field yarn[] = {{"factor", FIELD_DOUBLE, AT(yarn.factor), REQUIRED},
                {"original_max_position_embeddings", FIELD_DOUBLE, AT(yarn.original_positions),
                        c->position_count_max},
                {"beta_fast", FIELD_DOUBLE, AT(yarn.beta_fast), 32},
                {"beta_slow", FIELD_DOUBLE, AT(yarn.beta_slow), 1},
                {"attention_factor", FIELD_DOUBLE, AT(yarn.attention_factor), 0}};
        const struct field partial = {"partial_rotary_factor", FIELD_FLOAT, 0, 1};
        double share = 1;
        enum assay_status status = read_field(&inner, &theta, err);

        if (status == ASSAY_OK)
            status = read_number(&inner, &partial, assay_json_get(rope, partial.key), &share, err);
        if (status == ASSAY_OK && c->rotary_dim == 0 && share > 0 && share < 1)
            c->rotary_dim = (uint32_t)((double)c->head_dim * share);
        if (status == ASSAY_OK && type && strcmp(type, "yarn") == 0)
            for (size_t j = 0; j < sizeof(yarn) / sizeof(yarn[0]) && status == ASSAY_OK; j++)
                status = read_field(&inner, &yarn[j], err);
        else if (status == ASSAY_OK && type && strcmp(type, "default") != 0)
            status = wrong(r, keys[i], "neither \"default\" nor \"yarn\"", err);
        if (status != ASSAY_OK) {
            r->at = keys[i];
            return status;
        }
    }
    // YaRN's own choice where none is named: 0.1 ln(factor) + 1.
    if (c->yarn.factor > 0 && c->yarn.attention_factor == 0)
        c->yarn.attention_factor = 0.1 * log(c->yarn.factor) + 1;
    return ASSAY_OK;
}

// Members that would change the computation in a way that is not built.
static enum assay_status refuse(
        struct reading *r, const char *key, const char *why, struct assay_error *err)
{
    const struct assay_json *value = assay_json_get(r->json, key);
    const enum assay_json_type type = assay_json_type(value ? value : r->json);

    if (!value || type == ASSAY_JSON_NULL || (type == ASSAY_JSON_BOOL && !assay_json_bool(value)) ||
            (type == ASSAY_JSON_NUMBER && assay_json_number(value) == 0))
        return ASSAY_OK;
    return wrong(r, key, why, err);
}

static enum assay_status check_activation(struct reading *r, struct assay_error *err)
{
    const char *name = assay_json_text(assay_json_get(r->json, "hidden_act"));

    if (name && strcmp(name, "silu") != 0)
        return wrong(r, "hidden_act", "only silu is built", err);
    return ASSAY_OK;
}

static void all_sparse(struct reading *r, bool *sparse)
{
    for (uint32_t i = 0; i < r->config->layer_count; i++)
        sparse[i] = true;
}

// --- families
// -------------------------------------------------------------------------------------

// The same for both spellings of MiniMax.
static enum assay_status finish_minimax(
        struct reading *r, const char *kinds_key, struct assay_error *err)
{
    struct assay_model_config *c = r->config;
    uint8_t *kinds = NULL;
    bool *sparse = NULL;
    enum assay_status status = make_layers(r, &kinds, &sparse, err);

    c->inner_norm_eps = 1e-6F; // the constructor's default there, whatever rms_norm_eps says
    c->norm_topk = true;
    if (c->head_dim == 0 && c->head_count)
        c->head_dim = c->hidden_size / c->head_count;
    if (status == ASSAY_OK && assay_json_get(r->json, kinds_key))
        status = read_kinds(r, kinds_key, kinds, err);
    else if (status == ASSAY_OK && strcmp(kinds_key, "layer_types") == 0)
        for (uint32_t i = 0; i < c->layer_count; i++) // that class alternates, softmax first
            kinds[i] = i % 2 == 0 ? ASSAY_LAYER_SOFTMAX : ASSAY_LAYER_LIGHTNING;
    else if (status == ASSAY_OK)
        status = wrong(r, kinds_key, "missing", err);
    if (status == ASSAY_OK)
        status = read_rope(r, err);
    if (status == ASSAY_OK)
        status = check_activation(r, err);
    if (status == ASSAY_OK)
        status = refuse(r, "sliding_window", "windows are not built", err);
    if (status != ASSAY_OK)
        return status;
    all_sparse(r, sparse);
    if (c->rotary_dim == 0 || (r->dialect && r->dialect->rope_transformers))
        c->rotary_dim = c->head_dim;
    // Rows from 200032 on are padding, all zero in the published weights.
    if (c->vocab_size == 200064)
        c->vocab_sampled = 200032;
    return ASSAY_OK;
}

static enum assay_status finish_m1(struct reading *r, struct assay_error *err)
{
    r->config->slopes = ASSAY_SLOPES_ALIBI;
    return finish_minimax(r, "attn_type_list", err);
}

static enum assay_status finish_hf_minimax(struct reading *r, struct assay_error *err)
{
    r->config->slopes = ASSAY_SLOPES_TRANSFORMERS;
    r->config->postnorm = true; // that graph has no other
    return finish_minimax(r, "layer_types", err);
}

static enum assay_status finish_plain(struct reading *r, bool **sparse, struct assay_error *err)
{
    struct assay_model_config *c = r->config;
    uint8_t *kinds = NULL;
    enum assay_status status = make_layers(r, &kinds, sparse, err);

    c->qk_norm = true;
    if (c->head_dim == 0 && c->head_count)
        c->head_dim = c->hidden_size / c->head_count;
    if (status == ASSAY_OK && assay_json_get(r->json, "layer_types"))
        status = read_kinds(r, "layer_types", kinds, err);
    if (status == ASSAY_OK)
        status = read_rope(r, err);
    if (status == ASSAY_OK)
        status = check_activation(r, err);
    if (status == ASSAY_OK)
        status = refuse(r, "use_sliding_window", "windows are not built", err);
    if (status == ASSAY_OK)
        status = refuse(r, "attention_bias", "biases are not built", err);
    if (status == ASSAY_OK && c->rotary_dim == 0)
        c->rotary_dim = c->head_dim;
    return status;
}

static enum assay_status finish_qwen3(struct reading *r, struct assay_error *err)
{
    bool *sparse = NULL;

    return finish_plain(r, &sparse, err);
}

static enum assay_status finish_qwen3_moe(struct reading *r, struct assay_error *err)
{
    // transformers 5 writes its own name for the same.
    const struct field local = {
            "num_local_experts", FIELD_U32, AT(expert_count), r->config->expert_count};
    const struct assay_json *dense = assay_json_get(r->json, "mlp_only_layers");
    uint64_t step = 1;
    bool *sparse = NULL;
    enum assay_status status = finish_plain(r, &sparse, err);

    if (status == ASSAY_OK)
        status = read_field(r, &local, err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(
                &step, r->json, "decoder_sparse_step", 1, ASSAY_MODEL_LAYERS_MAX, err);
    for (uint32_t i = 0; status == ASSAY_OK && i < r->config->layer_count; i++)
        sparse[i] = (i + 1) % step == 0;
    for (const struct assay_json *item = dense ? assay_json_first(dense) : NULL;
            status == ASSAY_OK && item; item = assay_json_next(item)) {
        const double layer = assay_json_number(item);

        if (!(layer >= 0) || !(layer < r->config->layer_count) || layer != floor(layer))
            return wrong(r, "mlp_only_layers", "an element is no layer", err);
        sparse[(uint32_t)layer] = false;
    }
    return status;
}

static enum assay_status finish_minimind(struct reading *r, struct assay_error *err)
{
    struct assay_model_config *c = r->config;
    const struct assay_json *moe = assay_json_get(r->json, "use_moe");
    const struct assay_json *scaling = assay_json_get(r->json, "inference_rope_scaling");
    bool *sparse = NULL;
    enum assay_status status = finish_plain(r, &sparse, err);

    if (status != ASSAY_OK)
        return status;
    if (scaling && assay_json_bool(scaling) && c->yarn.factor == 0)
        c->yarn = (struct assay_yarn){.factor = 16,
                .original_positions = 2048,
                .beta_fast = 32,
                .beta_slow = 1,
                .attention_factor = 1};
    c->router_aux_by_layer = true;
    if (moe && assay_json_bool(moe)) {
        all_sparse(r, sparse);
        if (c->expert_ffn_size == 0)
            c->expert_ffn_size = c->ffn_size;
        c->ffn_size = 0;
    } else {
        c->expert_count = c->expert_used_count = c->expert_ffn_size = 0;
        c->router_aux_coef = 0;
    }
    return ASSAY_OK;
}

static enum assay_status check_assay_keys(struct reading *r, struct assay_error *err)
{
    const size_t field_count = sizeof(assay_fields) / sizeof(assay_fields[0]);
    const size_t other_count = sizeof(assay_other_keys) / sizeof(assay_other_keys[0]);
    const char *keys[sizeof(assay_fields) / sizeof(assay_fields[0]) +
            sizeof(assay_other_keys) / sizeof(assay_other_keys[0])];

    for (size_t i = 0; i < field_count; i++)
        keys[i] = assay_fields[i].key;
    for (size_t i = 0; i < other_count; i++)
        keys[field_count + i] = assay_other_keys[i];
    return assay_json_only_keys(r->json, keys, field_count + other_count, err);
}

static enum assay_status finish_assay(struct reading *r, struct assay_error *err)
{
    struct assay_model_config *c = r->config;
    const char *slopes = assay_json_text(assay_json_get(r->json, "slopes"));
    const struct assay_json *list = assay_json_get(r->json, "sparse_layers");
    const bool qk_norm = c->qk_norm;
    bool *sparse = NULL;
    size_t i = 0;
    enum assay_status status = check_assay_keys(r, err);

    if (status == ASSAY_OK)
        status = finish_plain(r, &sparse, err);
    if (status != ASSAY_OK)
        return status;
    c->qk_norm = qk_norm;
    while (slopes && i < SLOPE_COUNT && strcmp(slopes, slope_names[i]) != 0)
        i++;
    if (i == SLOPE_COUNT)
        return wrong(r, "slopes", "neither alibi, geometric nor transformers", err);
    c->slopes = slopes ? (enum assay_slopes)i : ASSAY_SLOPES_ALIBI;
    if (list && assay_json_count(list) != c->layer_count)
        return wrong(r, "sparse_layers", "not one element for each layer", err);
    i = 0;
    for (const struct assay_json *item = list ? assay_json_first(list) : NULL; item;
            item = assay_json_next(item))
        sparse[i++] = assay_json_bool(item);
    if (!list && c->expert_count)
        all_sparse(r, sparse);
    return ASSAY_OK;
}

#define FAMILY(type, table, finish)                                                                \
    {                                                                                              \
        type, table, sizeof(table) / sizeof((table)[0]), finish                                    \
    }

static const struct family families[] = {
        FAMILY("minimax_m1", m1_fields, finish_m1),
        FAMILY("MiniMaxM1", m1_fields, finish_m1),
        FAMILY("minimax_text_01", m1_fields, finish_m1),
        FAMILY("MiniMaxText01", m1_fields, finish_m1),
        FAMILY("minimax", hf_minimax_fields, finish_hf_minimax),
        FAMILY("qwen3", qwen3_fields, finish_qwen3),
        FAMILY("qwen3_moe", qwen3_moe_fields, finish_qwen3_moe),
        FAMILY("minimind", minimind_fields, finish_minimind),
        FAMILY("assay", assay_fields, finish_assay),
};

static const struct family *find_family(const char *model_type)
{
    for (size_t i = 0; model_type && i < sizeof(families) / sizeof(families[0]); i++)
        if (strcmp(families[i].model_type, model_type) == 0)
            return &families[i];
    return NULL;
}

static enum assay_status read_members(struct reading *r, struct assay_error *err)
{
    const char *model_type = assay_json_text(assay_json_get(r->json, "model_type"));
    const struct family *family = find_family(model_type);
    enum assay_status status = ASSAY_OK;

    r->at = "model_type";
    if (!family)
        return assay_fail(err, ASSAY_EINVAL,
                "model_type: \"%s\" is none of minimax_m1, minimax_text_01, minimax, qwen3, "
                "qwen3_moe, minimind, assay",
                model_type ? model_type : "");
    for (size_t i = 0; i < family->field_count && status == ASSAY_OK; i++)
        status = read_field(r, &family->fields[i], err);
    if (status == ASSAY_OK)
        status = read_eos(r, err);
    if (status == ASSAY_OK && r->config->kv_head_count == 0)
        r->config->kv_head_count = r->config->head_count;
    if (status == ASSAY_OK)
        status = family->finish(r, err);
    if (status != ASSAY_OK)
        return status;
    if (r->config->vocab_sampled == 0)
        r->config->vocab_sampled = r->config->vocab_size;
    r->config->model_type = assay_arena_strdup(r->arena, model_type);
    if (!r->config->model_type)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return assay_model_config_check(r->config, err);
}

enum assay_status assay_model_config_read(struct assay_model_config *out, const char *text,
        size_t len, const char *source, const struct assay_model_dialect *dialect,
        struct assay_arena *arena, struct assay_error *err)
{
    // Factors and eps that a family has no key for.
    struct assay_model_config config = {.lightning_factors = {1, 1},
            .softmax_factors = {1, 1},
            .ffn_factors = {1, 1},
            .inner_norm_eps = 1e-6F};
    struct assay_json *json = NULL;
    struct reading r = {.config = &config, .dialect = dialect, .arena = arena, .at = ""};
    enum assay_status status = assay_json_parse(&json, text, len, JSON_LIMITS, source, 1, err);

    if (status != ASSAY_OK)
        return status;
    r.json = json;
    if (assay_json_type(json) != ASSAY_JSON_OBJECT)
        status = assay_fail(err, ASSAY_EINVAL, "%s: not an object", source);
    else {
        status = read_members(&r, err);
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "%s:%zu", source, assay_json_line(text, len, 1, r.at));
    }
    if (status == ASSAY_OK)
        *out = config;
    assay_json_free(json);
    return status;
}

// --- writing
// --------------------------------------------------------------------------------------

static void put_field(struct assay_json_writer *w, const struct assay_model_config *config,
        const struct field *field)
{
    const char *at = (const char *)config + field->offset;
    uint32_t whole;
    float single;
    double number;
    int64_t id;

    switch (field->type) {
    case FIELD_U32:
        memcpy(&whole, at, sizeof(whole));
        assay_json_put_u64(w, field->key, whole);
        break;
    case FIELD_FLOAT:
        memcpy(&single, at, sizeof(single));
        assay_json_put_double(w, field->key, (double)single);
        break;
    case FIELD_DOUBLE:
        memcpy(&number, at, sizeof(number));
        assay_json_put_double(w, field->key, number);
        break;
    case FIELD_BOOL:
        assay_json_put_bool(w, field->key, *(const bool *)at);
        break;
    case FIELD_ID:
        memcpy(&id, at, sizeof(id));
        assay_json_put_i64(w, field->key, id);
        break;
    }
}

static void put_yarn(
        struct assay_json_writer *w, const char *key, const struct assay_model_config *config)
{
    const struct assay_yarn *yarn = &config->yarn;

    if (!(yarn->factor > 0))
        return;
    assay_json_begin_object(w, key);
    assay_json_put_double(w, "rope_theta", config->rope_theta);
    assay_json_put_text(w, "rope_type", "yarn");
    assay_json_put_double(w, "factor", yarn->factor);
    assay_json_put_double(w, "original_max_position_embeddings", yarn->original_positions);
    assay_json_put_double(w, "beta_fast", yarn->beta_fast);
    assay_json_put_double(w, "beta_slow", yarn->beta_slow);
    assay_json_put_double(w, "attention_factor", yarn->attention_factor);
    assay_json_end_object(w);
}

// What a family says beside its plain fields.
static void put_layers(struct assay_json_writer *w, const struct assay_model_config *config,
        const char *model_type)
{
    const bool original =
            strncasecmp(model_type, "minimax", 7) == 0 && strcmp(model_type, "minimax") != 0;

    assay_json_begin_array(w, original ? "attn_type_list" : "layer_types");
    for (uint32_t i = 0; i < config->layer_count; i++) {
        if (original)
            assay_json_put_u64(w, NULL, config->layer_kinds[i] == ASSAY_LAYER_SOFTMAX);
        else
            assay_json_put_text(w, NULL, layer_names[config->layer_kinds[i]]);
    }
    assay_json_end_array(w);
}

static void put_sparse(struct assay_json_writer *w, const struct assay_model_config *config,
        const char *model_type)
{
    const bool ours = strcmp(model_type, "assay") == 0;

    if (!ours && strcmp(model_type, "qwen3_moe") != 0)
        return;
    assay_json_begin_array(w, ours ? "sparse_layers" : "mlp_only_layers");
    for (uint32_t i = 0; i < config->layer_count; i++) {
        if (ours)
            assay_json_put_bool(w, NULL, config->layer_sparse[i]);
        else if (!config->layer_sparse[i])
            assay_json_put_u64(w, NULL, i);
    }
    assay_json_end_array(w);
}

// transformers 5 wants the base of RoPE nested, 4 beside.
static void put_rope(struct assay_json_writer *w, const struct assay_model_config *config,
        const char *model_type)
{
    const bool yarn = config->yarn.factor > 0;

    if (strcmp(model_type, "assay") == 0) {
        put_yarn(w, "rope_scaling", config);
        return;
    }
    if (yarn) {
        put_yarn(w, "rope_parameters", config);
        return;
    }
    assay_json_begin_object(w, "rope_parameters");
    assay_json_put_text(w, "rope_type", "default");
    assay_json_put_double(w, "rope_theta", config->rope_theta);
    assay_json_end_object(w);
}

static void put_identity(struct assay_json_writer *w, const char *model_type)
{
    static const struct {
        const char *model_type, *architecture;
    } rows[] = {{"minimax", "MiniMaxForCausalLM"}, {"minimax_m1", "MiniMaxM1ForCausalLM"},
            {"minimax_text_01", "MiniMaxText01ForCausalLM"}, {"qwen3", "Qwen3ForCausalLM"},
            {"qwen3_moe", "Qwen3MoeForCausalLM"}, {"minimind", "MiniMindForCausalLM"}};

    if (strcmp(model_type, "assay") == 0)
        assay_json_put_u64(w, "schema", 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].model_type, model_type) != 0)
            continue;
        assay_json_begin_array(w, "architectures");
        assay_json_put_text(w, NULL, rows[i].architecture);
        assay_json_end_array(w);
        assay_json_put_text(w, "hidden_act", "silu");
    }
    assay_json_put_text(w, "model_type", model_type);
}

static void put_config(struct assay_json_writer *w, const struct assay_model_config *config,
        const struct family *family)
{
    assay_json_begin_object(w, NULL);
    put_identity(w, family->model_type);
    for (size_t i = 0; i < family->field_count; i++)
        put_field(w, config, &family->fields[i]);
    if (config->eos_id >= 0)
        assay_json_put_i64(w, "eos_token_id", config->eos_id);
    put_rope(w, config, family->model_type);
    if (strcmp(family->model_type, "assay") == 0)
        assay_json_put_text(w, "slopes", slope_names[config->slopes]);
    if (strcmp(family->model_type, "minimind") == 0)
        assay_json_put_bool(w, "use_moe", config->expert_count > 0);
    put_layers(w, config, family->model_type);
    put_sparse(w, config, family->model_type);
    assay_json_end_object(w);
}

static bool same_factors(
        const struct assay_residual_factors *a, const struct assay_residual_factors *b)
{
    return a->alpha == b->alpha && a->beta == b->beta;
}

static bool same_layers(const struct assay_model_config *a, const struct assay_model_config *b)
{
    bool lightning = false, softmax = false;

    for (uint32_t i = 0; i < a->layer_count; i++) {
        if (a->layer_kinds[i] != b->layer_kinds[i] || a->layer_sparse[i] != b->layer_sparse[i])
            return false;
        lightning |= a->layer_kinds[i] == ASSAY_LAYER_LIGHTNING;
        softmax |= a->layer_kinds[i] == ASSAY_LAYER_SOFTMAX;
    }
    if (lightning &&
            (a->slopes != b->slopes || a->inner_norm_eps != b->inner_norm_eps ||
                    !same_factors(&a->lightning_factors, &b->lightning_factors)))
        return false;
    return !softmax ||
            (a->rotary_dim == b->rotary_dim && a->rope_theta == b->rope_theta &&
                    a->qk_norm == b->qk_norm && a->kv_head_count == b->kv_head_count &&
                    a->yarn.factor == b->yarn.factor &&
                    a->yarn.attention_factor == b->yarn.attention_factor &&
                    same_factors(&a->softmax_factors, &b->softmax_factors));
}

bool assay_model_config_equal(
        const struct assay_model_config *a, const struct assay_model_config *b)
{
    return a->layer_count == b->layer_count && a->hidden_size == b->hidden_size &&
            a->vocab_size == b->vocab_size && a->head_count == b->head_count &&
            a->head_dim == b->head_dim && a->ffn_size == b->ffn_size &&
            a->expert_count == b->expert_count && a->expert_used_count == b->expert_used_count &&
            a->expert_ffn_size == b->expert_ffn_size && a->shared_ffn_size == b->shared_ffn_size &&
            a->norm_eps == b->norm_eps && a->postnorm == b->postnorm &&
            a->tied_head == b->tied_head &&
            (a->expert_count == 0 || a->norm_topk == b->norm_topk) &&
            same_factors(&a->ffn_factors, &b->ffn_factors) && same_layers(a, b);
}

// What was written must mean the same when it is read.
static enum assay_status check_written(const char *text, const struct assay_model_config *config,
        const char *model_type, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_model_config again;
    struct assay_error why = {0};

    if (assay_model_config_read(&again, text, strlen(text), "config.json", NULL, arena, &why) ==
                    ASSAY_OK &&
            assay_model_config_equal(&again, config))
        return ASSAY_OK;
    return assay_fail(err, ASSAY_EINVAL, "this model cannot be said as a %s: %.150s", model_type,
            why.status != ASSAY_OK ? why.message : "it would read back as another");
}

enum assay_status assay_model_config_write(char **out, const struct assay_model_config *config,
        const char *model_type, struct assay_arena *arena, struct assay_error *err)
{
    const struct family *family = find_family(model_type);
    struct assay_json_writer w;
    struct assay_buf text;
    char *copy = NULL;
    enum assay_status status;

    if (!family)
        return assay_fail(err, ASSAY_EINVAL, "there is no model_type \"%s\"", model_type);
    assay_buf_init(&text, JSON_LIMITS.bytes_max);
    assay_json_writer_init(&w, &text, 2);
    put_config(&w, config, family);
    (void)assay_buf_addc(&text, '\n');
    status = assay_buf_check(&text, "config.json", err);
    if (status == ASSAY_OK) {
        copy = assay_arena_strdup(arena, text.data);
        status = copy ? check_written(copy, config, model_type, arena, err)
                      : assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    if (status == ASSAY_OK)
        *out = copy;
    assay_buf_free(&text);
    return status;
}
