// SPDX-License-Identifier: MIT
// layer_attention.c - the attention half of a layer: grouped softmax, or lightning.
#include <math.h>

#include "policy/layers.h"

// --- softmax ------------------------------------------------------------------------------------

static void norm_heads(const struct assay_layer_run *run, void *y, const void *x, void *rstd,
        enum assay_tensor_role role, size_t heads)
{
    const struct assay_model_config *c = &run->model->config;
    const struct assay_rmsnorm_args args = {.y = y,
            .x = x,
            .weight = assay_run_weight(run, role),
            .rstd = rstd,
            .T = run->T * heads,
            .C = c->head_dim,
            .eps = (double)c->norm_eps};

    run->model->ops->rmsnorm_forward(&args, run->stream);
}

static struct assay_rope_args rope_of(const struct assay_layer_run *run, void *x, size_t heads)
{
    const struct assay_model_config *c = &run->model->config;

    return (struct assay_rope_args){.x = x,
            .cosine = run->cosine,
            .sine = run->sine,
            .T = run->T,
            .H = heads,
            .D = c->head_dim,
            .R = c->rotary_dim};
}

static struct assay_attention_args attention_of(const struct assay_layer_run *run)
{
    const struct assay_model_config *c = &run->model->config;
    const struct assay_layer_acts *a = run->acts;

    return (struct assay_attention_args){.out = a->o,
            .q = a->q_turned,
            .k = a->k_turned,
            .v = a->v,
            .lse = a->lse,
            .spans = run->spans,
            .B = run->B,
            .T = run->T,
            .rows_max = run->rows_max,
            .H = c->head_count,
            .G = c->kv_head_count,
            .D = c->head_dim,
            .scale = 1 / sqrt(c->head_dim)};
}

static struct assay_linear query(const struct assay_layer_run *run)
{
    const struct assay_model_config *c = &run->model->config;

    return (struct assay_linear){ASSAY_TENSOR_Q, run->T, assay_model_q_width(c), c->hidden_size};
}

static struct assay_linear key(const struct assay_layer_run *run, enum assay_tensor_role role)
{
    const struct assay_model_config *c = &run->model->config;

    return (struct assay_linear){role, run->T, assay_model_kv_width(c), c->hidden_size};
}

static struct assay_linear output(const struct assay_layer_run *run, enum assay_tensor_role role)
{
    const struct assay_model_config *c = &run->model->config;

    return (struct assay_linear){role, run->T, c->hidden_size, assay_model_q_width(c)};
}

static void softmax_forward(const struct assay_layer_run *run, void *y)
{
    const struct assay_model_config *c = &run->model->config;
    const struct assay_ops *ops = run->model->ops;
    const struct assay_layer_acts *a = run->acts;
    const struct assay_rope_args turn_q = rope_of(run, a->q_turned, c->head_count);
    const struct assay_rope_args turn_k = rope_of(run, a->k_turned, c->kv_head_count);
    const struct assay_linear maps[] = {
            query(run), key(run, ASSAY_TENSOR_K), key(run, ASSAY_TENSOR_V)};
    void *const parts[] = {a->q, a->k, a->v};
    struct assay_attention_args attention = attention_of(run);

    assay_linears_forward(run, maps, parts, 3, a->u);
    if (c->qk_norm) {
        norm_heads(run, a->q_turned, a->q, a->rstd_q, ASSAY_TENSOR_Q_NORM, c->head_count);
        norm_heads(run, a->k_turned, a->k, a->rstd_k, ASSAY_TENSOR_K_NORM, c->kv_head_count);
    }
    ops->rope_forward(&turn_q, run->stream);
    ops->rope_forward(&turn_k, run->stream);
    if (run->state) {
        const struct assay_kv_write_args write = {.k_pages = run->state->k_pages[run->layer],
                .v_pages = run->state->v_pages[run->layer],
                .k = a->k_turned,
                .v = a->v,
                .pages = run->state->page_table,
                .pages_per_slot = run->state->pages_per_slot,
                .spans = run->spans,
                .B = run->B,
                .T = run->T,
                .rows_max = run->rows_max,
                .G = c->kv_head_count,
                .D = c->head_dim};

        ops->kv_write(&write, run->stream);
        attention.k = write.k_pages;
        attention.v = write.v_pages;
        attention.pages = write.pages;
        attention.pages_per_slot = write.pages_per_slot;
    }
    ops->attention_forward(&attention, run->stream);
    assay_linear_forward(run, output(run, ASSAY_TENSOR_ATTN_OUT), y, a->o);
}

static void unnorm_heads(const struct assay_layer_run *run, void *dx, const void *x, void *rstd,
        enum assay_tensor_role role, size_t heads)
{
    const struct assay_model_config *c = &run->model->config;
    const struct assay_rmsnorm_args args = {.x = x,
            .weight = assay_run_weight(run, role),
            .rstd = rstd,
            .T = run->T * heads,
            .C = c->head_dim,
            .eps = (double)c->norm_eps,
            .dx = dx,
            .dweight = assay_run_gradient(run, role),
            .dy = dx};

    run->model->ops->rmsnorm_backward(&args, run->stream);
}

static void softmax_backward(const struct assay_layer_run *run, const void *dy, void *du)
{
    const struct assay_model_config *c = &run->model->config;
    const struct assay_ops *ops = run->model->ops;
    const struct assay_layer_acts *a = run->acts;
    const struct assay_layer_scratch *s = run->scratch;
    const struct assay_rope_args turn_q = rope_of(run, s->dq, c->head_count);
    const struct assay_rope_args turn_k = rope_of(run, s->dk, c->kv_head_count);
    struct assay_attention_args attention = attention_of(run);

    assay_linear_backward(run, output(run, ASSAY_TENSOR_ATTN_OUT), s->do_, false, a->o, dy);
    attention.dq = s->dq;
    attention.dk = s->dk;
    attention.dv = s->dv;
    attention.dout = s->do_;
    ops->attention_backward(&attention, run->stream);
    ops->rope_backward(&turn_q, run->stream);
    ops->rope_backward(&turn_k, run->stream);
    if (c->qk_norm) {
        unnorm_heads(run, s->dq, a->q, a->rstd_q, ASSAY_TENSOR_Q_NORM, c->head_count);
        unnorm_heads(run, s->dk, a->k, a->rstd_k, ASSAY_TENSOR_K_NORM, c->kv_head_count);
    }
    assay_linear_backward(run, query(run), du, true, a->u, s->dq);
    assay_linear_backward(run, key(run, ASSAY_TENSOR_K), du, true, a->u, s->dk);
    assay_linear_backward(run, key(run, ASSAY_TENSOR_V), du, true, a->u, s->dv);
}

// --- lightning ----------------------------------------------------------------------------------

static struct assay_linear fused(const struct assay_layer_run *run)
{
    const struct assay_model_config *c = &run->model->config;

    return (struct assay_linear){
            ASSAY_TENSOR_LIGHTNING_QKV, run->T, 3 * (size_t)assay_model_q_width(c), c->hidden_size};
}

static struct assay_linear gate(const struct assay_layer_run *run)
{
    const struct assay_model_config *c = &run->model->config;

    return (struct assay_linear){
            ASSAY_TENSOR_LIGHTNING_GATE, run->T, assay_model_q_width(c), c->hidden_size};
}

// q, k and v of a head stand side by side in one row of zs.
static struct assay_lightning_args lightning_of(const struct assay_layer_run *run)
{
    const struct assay_model_config *c = &run->model->config;
    const struct assay_ops *ops = run->model->ops;
    const size_t step = c->head_dim * assay_dtype_bytes(ops->activation);
    const char *zs = run->acts->zs;

    return (struct assay_lightning_args){.out = run->acts->o,
            .q = zs,
            .k = zs + step,
            .v = zs + 2 * step,
            .row_stride = 3 * (size_t)assay_model_q_width(c),
            .head_stride = 3 * (size_t)c->head_dim,
            .state = run->state ? run->state->states[run->layer] : NULL,
            .slope = (const char *)run->model->slopes +
                    (size_t)run->layer * c->head_count * assay_dtype_bytes(ops->sum),
            .spans = run->spans,
            .B = run->B,
            .T = run->T,
            .rows_max = run->rows_max,
            .H = c->head_count,
            .D = c->head_dim};
}

static struct assay_gate_args gate_of(const struct assay_layer_run *run)
{
    const struct assay_model_config *c = &run->model->config;
    const struct assay_layer_acts *a = run->acts;

    return (struct assay_gate_args){.y = a->n,
            .x = a->o,
            .gate = a->gate,
            .weight = assay_run_weight(run, ASSAY_TENSOR_LIGHTNING_NORM),
            .rstd = a->rstd_o,
            .T = run->T,
            .C = assay_model_q_width(c),
            .eps = (double)c->inner_norm_eps};
}

static void lightning_forward(const struct assay_layer_run *run, void *y)
{
    const struct assay_ops *ops = run->model->ops;
    const struct assay_layer_acts *a = run->acts;
    const struct assay_lightning_args lightning = lightning_of(run);
    const struct assay_gate_args gated = gate_of(run);
    const struct assay_silu_args silu = {
            .y = a->zs, .x = a->z, .count = run->T * lightning.row_stride};
    const struct assay_linear maps[] = {fused(run), gate(run)};
    void *const parts[] = {a->z, a->gate};

    assay_linears_forward(run, maps, parts, 2, a->u);
    ops->silu_forward(&silu, run->stream);
    ops->lightning_forward(&lightning, run->stream);
    ops->gate_forward(&gated, run->stream);
    assay_linear_forward(run, output(run, ASSAY_TENSOR_LIGHTNING_OUT), y, a->n);
}

static void lightning_backward(const struct assay_layer_run *run, const void *dy, void *du)
{
    const struct assay_model_config *c = &run->model->config;
    const struct assay_ops *ops = run->model->ops;
    const struct assay_layer_acts *a = run->acts;
    const struct assay_layer_scratch *s = run->scratch;
    const size_t step = c->head_dim * assay_dtype_bytes(ops->activation);
    struct assay_lightning_args lightning = lightning_of(run);
    struct assay_gate_args gated = gate_of(run);
    const struct assay_silu_args silu = {
            .x = a->z, .count = run->T * lightning.row_stride, .dx = s->dz, .dy = s->dz};

    assay_linear_backward(run, output(run, ASSAY_TENSOR_LIGHTNING_OUT), s->dn, false, a->n, dy);
    gated.dx = s->do_;
    gated.dgate = s->dgate;
    gated.dweight = assay_run_gradient(run, ASSAY_TENSOR_LIGHTNING_NORM);
    gated.dy = s->dn;
    ops->gate_backward(&gated, run->stream);
    assay_linear_backward(run, gate(run), du, true, a->u, s->dgate);
    lightning.dq = s->dz;
    lightning.dk = (char *)s->dz + step;
    lightning.dv = (char *)s->dz + 2 * step;
    lightning.dout = s->do_;
    ops->lightning_backward(&lightning, run->stream);
    ops->silu_backward(&silu, run->stream);
    assay_linear_backward(run, fused(run), du, true, a->u, s->dz);
}

void assay_attention_half_forward(const struct assay_layer_run *run, void *y)
{
    if (run->model->config.layer_kinds[run->layer] == ASSAY_LAYER_LIGHTNING)
        lightning_forward(run, y);
    else
        softmax_forward(run, y);
}

void assay_attention_half_backward(const struct assay_layer_run *run, const void *dy, void *du)
{
    if (run->model->config.layer_kinds[run->layer] == ASSAY_LAYER_LIGHTNING)
        lightning_backward(run, dy, du);
    else
        softmax_backward(run, dy, du);
}
