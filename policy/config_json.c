// SPDX-License-Identifier: MIT
// config_json.c - reading a config.json: the fields of its family (config_fields.h), and what a
// table cannot say.
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "policy/config_fields.h"

struct reading {
    const struct assay_json *json;
    const struct assay_config_family *family;
    struct assay_model_config *config;
    const struct assay_model_dialect *dialect;
    struct assay_arena *arena;
    const char *at; // the member that a message is about
};

// --- plain fields -------------------------------------------------------------------------------

static enum assay_status wrong(
        struct reading *r, const char *key, const char *why, struct assay_error *err)
{
    r->at = key;
    return assay_fail(err, ASSAY_EINVAL, "%s: %s", key, why);
}

static enum assay_status read_number(struct reading *r, const struct assay_config_field *field,
        const struct assay_json *value, double *out, struct assay_error *err)
{
    *out = field->value;
    if (value && assay_json_type(value) == ASSAY_JSON_NUMBER)
        *out = assay_json_number(value);
    else if (value && assay_json_type(value) != ASSAY_JSON_NULL)
        return wrong(r, field->key, "not a number", err);
    if (!isfinite(*out))
        return wrong(r, field->key, "missing", err);
    if (field->type == ASSAY_FIELD_FLOAT || field->type == ASSAY_FIELD_DOUBLE)
        return ASSAY_OK;
    if (*out != floor(*out) || *out < (field->type == ASSAY_FIELD_ID ? -1 : 0) || *out > UINT32_MAX)
        return wrong(r, field->key, "not a whole number in range", err);
    return ASSAY_OK;
}

static enum assay_status read_field(
        struct reading *r, const struct assay_config_field *field, struct assay_error *err)
{
    const struct assay_json *value = assay_json_get(r->json, field->key);
    char *at = (char *)r->config + field->offset;
    double number;
    enum assay_status status;

    if (field->type == ASSAY_FIELD_BOOL) {
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
    if (field->type == ASSAY_FIELD_U32)
        memcpy(at, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
    else if (field->type == ASSAY_FIELD_FLOAT)
        memcpy(at, &(float){(float)number}, sizeof(float));
    else if (field->type == ASSAY_FIELD_DOUBLE)
        memcpy(at, &number, sizeof(number));
    else
        memcpy(at, &(int64_t){(int64_t)number}, sizeof(int64_t));
    return ASSAY_OK;
}

// --- what several families share ----------------------------------------------------------------

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

// One element a layer: a name of assay_config_layer_names, or a number for M1.
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

        if (name && strcmp(name, assay_config_layer_names[ASSAY_LAYER_SOFTMAX]) == 0)
            kinds[i] = ASSAY_LAYER_SOFTMAX;
        else if (name && strcmp(name, assay_config_layer_names[ASSAY_LAYER_LIGHTNING]) == 0)
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
        const struct assay_config_field theta = {
                "rope_theta", ASSAY_FIELD_DOUBLE, AT(rope_theta), c->rope_theta};
        const struct assay_config_field yarn[] = {
                {"factor", ASSAY_FIELD_DOUBLE, AT(yarn.factor), REQUIRED},
                {"original_max_position_embeddings", ASSAY_FIELD_DOUBLE,
                        AT(yarn.original_positions), c->position_count_max},
                {"beta_fast", ASSAY_FIELD_DOUBLE, AT(yarn.beta_fast), 32},
                {"beta_slow", ASSAY_FIELD_DOUBLE, AT(yarn.beta_slow), 1},
                {"attention_factor", ASSAY_FIELD_DOUBLE, AT(yarn.attention_factor), 0}};
        const struct assay_config_field partial = {
                "partial_rotary_factor", ASSAY_FIELD_FLOAT, 0, 1};
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

// --- families -----------------------------------------------------------------------------------

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
    const struct assay_config_field local = {
            "num_local_experts", ASSAY_FIELD_U32, AT(expert_count), r->config->expert_count};
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
    // Those that are no plain field.
    static const char *const others[] = {"schema", "model_type", "layer_types", "sparse_layers",
            "slopes", "eos_token_id", "rope_scaling"};
    const size_t other_count = sizeof(others) / sizeof(others[0]);
    const char *keys[ASSAY_CONFIG_FIELDS_MAX + sizeof(others) / sizeof(others[0])];
    const size_t field_count = r->family->field_count;

    assert(field_count <= ASSAY_CONFIG_FIELDS_MAX);
    for (size_t i = 0; i < field_count; i++)
        keys[i] = r->family->fields[i].key;
    for (size_t i = 0; i < other_count; i++)
        keys[field_count + i] = others[i];
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
    while (slopes && assay_config_slope_names[i] &&
            strcmp(slopes, assay_config_slope_names[i]) != 0)
        i++;
    if (slopes && !assay_config_slope_names[i])
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

static enum assay_status (*const finishers[])(struct reading *, struct assay_error *) = {
        [ASSAY_CONFIG_M1] = finish_m1,
        [ASSAY_CONFIG_HF_MINIMAX] = finish_hf_minimax,
        [ASSAY_CONFIG_QWEN3] = finish_qwen3,
        [ASSAY_CONFIG_QWEN3_MOE] = finish_qwen3_moe,
        [ASSAY_CONFIG_MINIMIND] = finish_minimind,
        [ASSAY_CONFIG_OURS] = finish_assay,
};

static enum assay_status read_members(struct reading *r, struct assay_error *err)
{
    const char *model_type = assay_json_text(assay_json_get(r->json, "model_type"));
    const struct assay_config_family *family = assay_config_family_find(model_type);
    enum assay_status status = ASSAY_OK;

    r->at = "model_type";
    if (!family)
        return assay_fail(err, ASSAY_EINVAL,
                "model_type: \"%s\" is none of minimax_m1, minimax_text_01, minimax, qwen3, "
                "qwen3_moe, minimind, assay",
                model_type ? model_type : "");
    r->family = family;
    for (size_t i = 0; i < family->field_count && status == ASSAY_OK; i++)
        status = read_field(r, &family->fields[i], err);
    if (status == ASSAY_OK)
        status = read_eos(r, err);
    if (status == ASSAY_OK && r->config->kv_head_count == 0)
        r->config->kv_head_count = r->config->head_count;
    if (status == ASSAY_OK)
        status = finishers[family->kind](r, err);
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
    const struct assay_json_limits limits = {.bytes_max = ASSAY_CONFIG_BYTES_MAX, .depth_max = 32};
    struct assay_json *json = NULL;
    struct reading r = {.config = &config, .dialect = dialect, .arena = arena, .at = ""};
    enum assay_status status = assay_json_parse(&json, text, len, limits, source, 1, err);

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
