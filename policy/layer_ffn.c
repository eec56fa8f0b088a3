// SPDX-License-Identifier: MIT
// layer_ffn.c - the feed-forward half of a layer: dense SwiGLU, or experts behind a router.
#include <stdint.h>

#include "policy/layers.h"

// --- dense --------------------------------------------------------------------------------------

static struct assay_linear widen(const struct assay_layer_run *run, enum assay_tensor_role role)
{
    const struct assay_model_config *c = &run->model->config;

    return (struct assay_linear){role, run->T, c->ffn_size, c->hidden_size};
}

static struct assay_linear narrow(const struct assay_layer_run *run)
{
    const struct assay_model_config *c = &run->model->config;

    return (struct assay_linear){ASSAY_TENSOR_FFN_DOWN, run->T, c->hidden_size, c->ffn_size};
}

static struct assay_swiglu_args swiglu_of(const struct assay_layer_run *run, size_t count)
{
    const struct assay_layer_acts *a = run->acts;

    return (struct assay_swiglu_args){
            .y = a->ffn_inner, .gate = a->ffn_gate, .up = a->ffn_up, .count = count};
}

static void dense_forward(const struct assay_layer_run *run, void *y)
{
    const struct assay_layer_acts *a = run->acts;
    const struct assay_swiglu_args swiglu = swiglu_of(run, run->T * run->model->config.ffn_size);
    const struct assay_linear maps[] = {
            widen(run, ASSAY_TENSOR_FFN_GATE), widen(run, ASSAY_TENSOR_FFN_UP)};
    void *const parts[] = {a->ffn_gate, a->ffn_up};

    assay_linears_forward(run, maps, parts, 2, a->w);
    run->model->ops->swiglu_forward(&swiglu, run->stream);
    assay_linear_forward(run, narrow(run), y, a->ffn_inner);
}

static void dense_backward(const struct assay_layer_run *run, const void *dy, void *dw)
{
    const struct assay_layer_acts *a = run->acts;
    const struct assay_layer_scratch *s = run->scratch;
    struct assay_swiglu_args swiglu = swiglu_of(run, run->T * run->model->config.ffn_size);

    assay_linear_backward(run, narrow(run), s->dinner, false, a->ffn_inner, dy);
    swiglu.dgate = s->dffn_gate;
    swiglu.dup = s->dffn_up;
    swiglu.dy = s->dinner;
    run->model->ops->swiglu_backward(&swiglu, run->stream);
    assay_linear_backward(run, widen(run, ASSAY_TENSOR_FFN_GATE), dw, true, a->w, s->dffn_gate);
    assay_linear_backward(run, widen(run, ASSAY_TENSOR_FFN_UP), dw, true, a->w, s->dffn_up);
}

// --- experts ------------------------------------------------------------------------------------

static struct assay_linear router(const struct assay_layer_run *run)
{
    const struct assay_model_config *c = &run->model->config;

    return (struct assay_linear){ASSAY_TENSOR_ROUTER, run->T, c->expert_count, c->hidden_size};
}

static struct assay_router_args router_of(const struct assay_layer_run *run)
{
    const struct assay_model_config *c = &run->model->config;
    const struct assay_layer_acts *a = run->acts;

    return (struct assay_router_args){.prob = a->prob,
            .expert = a->expert,
            .weight = a->route_weight,
            .logits = run->scratch->logits,
            .T = run->T,
            .E = c->expert_count,
            .K = c->expert_used_count,
            .renormalise = c->norm_topk};
}

static struct assay_moe_route_args route_of(const struct assay_layer_run *run)
{
    const struct assay_model_config *c = &run->model->config;
    const struct assay_layer_acts *a = run->acts;

    return (struct assay_moe_route_args){.slot = a->slot,
            .source = a->source,
            .T = run->T,
            .K = c->expert_used_count,
            .C = c->hidden_size,
            .xs = a->xs,
            .x = a->w,
            .ys = a->ys,
            .weight = a->route_weight};
}

static struct assay_matmul_grouped_args grouped(
        const struct assay_layer_run *run, enum assay_tensor_role role, void *y, const void *x)
{
    const struct assay_model_config *c = &run->model->config;
    const bool down = role == ASSAY_TENSOR_EXPERT_DOWN;

    return (struct assay_matmul_grouped_args){.y = y,
            .x = x,
            .w = assay_run_weight(run, role),
            .offset = run->acts->offset,
            .R = run->T * c->expert_used_count,
            .N = down ? c->hidden_size : c->expert_ffn_size,
            .K = down ? c->expert_ffn_size : c->hidden_size,
            .E = c->expert_count};
}

static void grouped_forward(
        const struct assay_layer_run *run, enum assay_tensor_role role, void *y, const void *x)
{
    const struct assay_matmul_grouped_args args = grouped(run, role, y, x);

    run->model->ops->matmul_grouped_forward(&args, run->stream);
}

static void grouped_backward(const struct assay_layer_run *run, enum assay_tensor_role role,
        void *dx, bool accumulate, const void *x, const void *dy)
{
    struct assay_matmul_grouped_args args = grouped(run, role, NULL, x);

    args.accumulate = accumulate;
    args.dx = dx;
    args.dw = assay_run_gradient(run, role);
    args.dy = dy;
    run->model->ops->matmul_grouped_backward_input(&args, run->stream);
    run->model->ops->matmul_grouped_backward_weight(&args, run->stream);
}

static size_t expert_elements(const struct assay_layer_run *run)
{
    const struct assay_model_config *c = &run->model->config;

    return run->T * c->expert_used_count * c->expert_ffn_size;
}

// Which row of the aux sums this layer adds to: its own, or the one of all layers.
static size_t aux_row(const struct assay_layer_run *run)
{
    return run->model->config.router_aux_by_layer ? run->layer : 0;
}

static void *aux_at(const struct assay_layer_run *run, void *base)
{
    return (char *)base +
            aux_row(run) * run->model->config.expert_count *
            assay_dtype_bytes(run->model->ops->sum);
}

static void sparse_forward(const struct assay_layer_run *run, void *y)
{
    const struct assay_model_config *c = &run->model->config;
    const struct assay_ops *ops = run->model->ops;
    const struct assay_layer_acts *a = run->acts;
    const struct assay_router_args routing = router_of(run);
    const struct assay_moe_plan_args plan = {.offset = a->offset,
            .slot = a->slot,
            .source = a->source,
            .expert = a->expert,
            .T = run->T,
            .E = c->expert_count,
            .K = c->expert_used_count};
    struct assay_moe_route_args route = route_of(run);
    const struct assay_swiglu_args swiglu = swiglu_of(run, expert_elements(run));

    assay_linear_forward(run, router(run), run->scratch->logits, a->w);
    ops->router_forward(&routing, run->stream);
    if (run->want_aux) {
        const struct assay_router_aux_args load = {.count = aux_at(run, run->scratch->aux_count),
                .prob_sum = aux_at(run, run->scratch->aux_prob_sum),
                .prob = a->prob,
                .expert = a->expert,
                .T = run->T,
                .E = c->expert_count,
                .K = c->expert_used_count};

        ops->router_load(&load, run->stream);
    }
    ops->moe_plan(&plan, run->stream);
    ops->moe_gather_forward(&route, run->stream);
    grouped_forward(run, ASSAY_TENSOR_EXPERT_GATE, a->ffn_gate, a->xs);
    grouped_forward(run, ASSAY_TENSOR_EXPERT_UP, a->ffn_up, a->xs);
    ops->swiglu_forward(&swiglu, run->stream);
    grouped_forward(run, ASSAY_TENSOR_EXPERT_DOWN, a->ys, a->ffn_inner);
    route.y = y;
    ops->moe_combine_forward(&route, run->stream);
}

static void sparse_backward(const struct assay_layer_run *run, const void *dy, void *dw)
{
    const struct assay_ops *ops = run->model->ops;
    const struct assay_layer_acts *a = run->acts;
    const struct assay_layer_scratch *s = run->scratch;
    struct assay_router_args routing = router_of(run);
    struct assay_moe_route_args route = route_of(run);
    struct assay_swiglu_args swiglu = swiglu_of(run, expert_elements(run));

    route.dys = s->dys;
    route.dweight = s->droute;
    route.dy = dy;
    ops->moe_combine_backward(&route, run->stream);
    grouped_backward(run, ASSAY_TENSOR_EXPERT_DOWN, s->dinner, false, a->ffn_inner, s->dys);
    swiglu.dgate = s->dffn_gate;
    swiglu.dup = s->dffn_up;
    swiglu.dy = s->dinner;
    ops->swiglu_backward(&swiglu, run->stream);
    grouped_backward(run, ASSAY_TENSOR_EXPERT_GATE, s->dxs, false, a->xs, s->dffn_gate);
    grouped_backward(run, ASSAY_TENSOR_EXPERT_UP, s->dxs, true, a->xs, s->dffn_up);
    route.dx = dw;
    route.dxs = s->dxs;
    route.accumulate = true;
    ops->moe_gather_backward(&route, run->stream);
    routing.dlogits = s->dlogits;
    routing.dweight = s->droute;
    routing.aux_grad = run->want_aux ? aux_at(run, s->aux_grad) : NULL;
    ops->router_backward(&routing, run->stream);
    assay_linear_backward(run, router(run), dw, true, a->w, s->dlogits);
}

void assay_ffn_half_forward(const struct assay_layer_run *run, void *y)
{
    if (run->model->config.layer_sparse[run->layer])
        sparse_forward(run, y);
    else
        dense_forward(run, y);
}

void assay_ffn_half_backward(const struct assay_layer_run *run, const void *dy, void *dw)
{
    if (run->model->config.layer_sparse[run->layer])
        sparse_backward(run, dy, dw);
    else
        dense_backward(run, dy, dw);
}
