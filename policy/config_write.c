// SPDX-License-Identifier: MIT
// config_write.c - writing a config.json, which must read back as the same description.
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "policy/config_fields.h"

static void put_field(struct assay_json_writer *w, const struct assay_model_config *config,
        const struct assay_config_field *field)
{
    const char *at = (const char *)config + field->offset;
    uint32_t whole;
    float single;
    double number;
    int64_t id;

    switch (field->type) {
    case ASSAY_FIELD_U32:
        memcpy(&whole, at, sizeof(whole));
        assay_json_put_u64(w, field->key, whole);
        break;
    case ASSAY_FIELD_FLOAT:
        memcpy(&single, at, sizeof(single));
        assay_json_put_double(w, field->key, (double)single);
        break;
    case ASSAY_FIELD_DOUBLE:
        memcpy(&number, at, sizeof(number));
        assay_json_put_double(w, field->key, number);
        break;
    case ASSAY_FIELD_BOOL:
        assay_json_put_bool(w, field->key, *(const bool *)at);
        break;
    case ASSAY_FIELD_ID:
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
            assay_json_put_text(w, NULL, assay_config_layer_names[config->layer_kinds[i]]);
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
        const struct assay_config_family *family)
{
    assay_json_begin_object(w, NULL);
    put_identity(w, family->model_type);
    for (size_t i = 0; i < family->field_count; i++)
        put_field(w, config, &family->fields[i]);
    if (config->eos_id >= 0)
        assay_json_put_i64(w, "eos_token_id", config->eos_id);
    put_rope(w, config, family->model_type);
    if (strcmp(family->model_type, "assay") == 0)
        assay_json_put_text(w, "slopes", assay_config_slope_names[config->slopes]);
    if (strcmp(family->model_type, "minimind") == 0)
        assay_json_put_bool(w, "use_moe", config->expert_count > 0);
    put_layers(w, config, family->model_type);
    put_sparse(w, config, family->model_type);
    assay_json_end_object(w);
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
    const struct assay_config_family *family = assay_config_family_find(model_type);
    struct assay_json_writer w;
    struct assay_buf text;
    char *copy = NULL;
    enum assay_status status;

    if (!family)
        return assay_fail(err, ASSAY_EINVAL, "there is no model_type \"%s\"", model_type);
    assay_buf_init(&text, ASSAY_CONFIG_BYTES_MAX);
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
