// SPDX-License-Identifier: MIT
#include "policy/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"

#define CONFIG_BYTES_MAX ((size_t)4 << 20)

enum assay_status assay_model_config_load(struct assay_model_config *out, const char *path,
        const struct assay_model_dialect *dialect, struct assay_arena *arena,
        struct assay_error *err)
{
    struct assay_buf text;
    struct stat st;
    const char *file = path;
    enum assay_status status;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        file = assay_arena_printf(arena, "%s/config.json", path);
    if (!file)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_buf_init(&text, CONFIG_BYTES_MAX);
    status = assay_fs_read_file(&text, file, err);
    if (status == ASSAY_OK)
        status = assay_model_config_read(out, text.data, text.len, file, dialect, arena, err);
    assay_buf_free(&text);
    return status;
}

// --- consistency --------------------------------------------------------------------------------

static enum assay_status check_width(
        const char *name, uint64_t value, uint64_t max, struct assay_error *err)
{
    if (value >= 1 && value <= max)
        return ASSAY_OK;
    return assay_fail(err, ASSAY_EINVAL, "%s is %llu, not between 1 and %llu", name,
            (unsigned long long)value, (unsigned long long)max);
}

static enum assay_status check_heads(const struct assay_model_config *c, struct assay_error *err)
{
    const uint64_t q_width = (uint64_t)c->head_count * c->head_dim;
    enum assay_status status = check_width("head_dim", c->head_dim, 4096, err);

    if (status == ASSAY_OK)
        status = check_width("num_attention_heads * head_dim", q_width, ASSAY_MODEL_WIDTH_MAX, err);
    if (status != ASSAY_OK)
        return status;
    if (c->kv_head_count == 0 || c->head_count % c->kv_head_count != 0)
        return assay_fail(err, ASSAY_EINVAL,
                "num_key_value_heads (%u) does not divide num_attention_heads (%u)",
                c->kv_head_count, c->head_count);
    if (c->rotary_dim < 2 || c->rotary_dim % 2 != 0 || c->rotary_dim > c->head_dim)
        return assay_fail(err, ASSAY_EINVAL,
                "rotary_dim is %u: not even, or not between 2 and head_dim (%u)", c->rotary_dim,
                c->head_dim);
    return ASSAY_OK;
}

static enum assay_status check_ffn(const struct assay_model_config *c, struct assay_error *err)
{
    for (uint32_t i = 0; i < c->layer_count; i++) {
        enum assay_status status;

        if (!c->layer_sparse[i])
            status = check_width("intermediate_size", c->ffn_size, ASSAY_MODEL_WIDTH_MAX, err);
        else
            status = check_width(
                    "size of an expert", c->expert_ffn_size, ASSAY_MODEL_WIDTH_MAX, err);
        if (status == ASSAY_OK && c->layer_sparse[i])
            status = check_width("number of experts", c->expert_count, 65536, err);
        if (status == ASSAY_OK && c->layer_sparse[i])
            status = check_width("num_experts_per_tok", c->expert_used_count, c->expert_count, err);
        if (status != ASSAY_OK)
            return status;
    }
    if (c->shared_ffn_size > ASSAY_MODEL_WIDTH_MAX)
        return assay_fail(err, ASSAY_EINVAL, "shared_intermediate_size is too large");
    return ASSAY_OK;
}

static bool is_factor(const struct assay_residual_factors *f)
{
    return isfinite(f->alpha) && isfinite(f->beta);
}

static enum assay_status check_numbers(const struct assay_model_config *c, struct assay_error *err)
{
    if (!(c->norm_eps > 0) || !(c->norm_eps < 1) || !(c->inner_norm_eps > 0) ||
            !(c->inner_norm_eps < 1))
        return assay_fail(err, ASSAY_EINVAL, "rms_norm_eps is not between 0 and 1");
    if (!(c->rope_theta > 1) || !isfinite(c->rope_theta))
        return assay_fail(err, ASSAY_EINVAL, "rope_theta is not above 1");
    if (!is_factor(&c->lightning_factors) || !is_factor(&c->softmax_factors) ||
            !is_factor(&c->ffn_factors))
        return assay_fail(err, ASSAY_EINVAL, "a residual factor is not finite");
    if (!(c->router_aux_coef >= 0) || !isfinite(c->router_aux_coef))
        return assay_fail(err, ASSAY_EINVAL, "router_aux_loss_coef is negative");
    if (c->yarn.factor != 0 &&
            (!(c->yarn.factor > 1) || !(c->yarn.original_positions >= 1) ||
                    !(c->yarn.beta_slow > 0) || !(c->yarn.beta_fast > c->yarn.beta_slow) ||
                    !(c->yarn.attention_factor > 0)))
        return assay_fail(err, ASSAY_EINVAL, "rope_scaling is no sound YaRN");
    if (c->vocab_sampled == 0 || c->vocab_sampled > c->vocab_size)
        return assay_fail(err, ASSAY_EINVAL, "vocab_sampled is not between 1 and vocab_size");
    return ASSAY_OK;
}

enum assay_status assay_model_config_check(
        const struct assay_model_config *config, struct assay_error *err)
{
    enum assay_status status =
            check_width("num_hidden_layers", config->layer_count, ASSAY_MODEL_LAYERS_MAX, err);

    if (status == ASSAY_OK)
        status = check_width("hidden_size", config->hidden_size, ASSAY_MODEL_WIDTH_MAX, err);
    if (status == ASSAY_OK)
        status = check_width("vocab_size", config->vocab_size, ASSAY_MODEL_VOCAB_MAX, err);
    if (status == ASSAY_OK)
        status = check_width("num_attention_heads", config->head_count, 65536, err);
    if (status == ASSAY_OK)
        status = check_heads(config, err);
    if (status == ASSAY_OK)
        status = check_ffn(config, err);
    if (status == ASSAY_OK)
        status = check_numbers(config, err);
    return status;
}

// --- decay --------------------------------------------------------------------------------------

// 2^(-8(h+1)/n)
static double geometric(uint32_t h, uint32_t n)
{
    return exp2(-8.0 * ((double)h + 1) / (double)n);
}

static double series(enum assay_slopes slopes, uint32_t h, uint32_t head_count)
{
    uint32_t power = 1;

    while (power <= head_count / 2)
        power *= 2;
    if (slopes != ASSAY_SLOPES_ALIBI || power == head_count)
        return geometric(h, head_count);
    // ALiBi: all of the power of two below, then every other one of twice that.
    return h < power ? geometric(h, power) : geometric(2 * (h - power), 2 * power);
}

void assay_model_slopes(float *out, const struct assay_model_config *config, uint32_t layer)
{
    const double last = (double)config->layer_count - 1;
    double factor;

    if (config->slopes == ASSAY_SLOPES_TRANSFORMERS)
        factor = 1 - (double)layer / (last + 1e-5) + 1e-5;
    else
        factor = 1 - (last > 0 ? (double)layer / last : 0) + 1e-5;
    for (uint32_t h = 0; h < config->head_count; h++)
        out[h] = (float)(series(config->slopes, h, config->head_count) * factor);
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
