// SPDX-License-Identifier: MIT
// layer_run.c - what the halves of a layer have in common: weights, linear maps, residuals.
#include <assert.h>

#include "policy/layers.h"

void *assay_run_weight(const struct assay_layer_run *run, enum assay_tensor_role role)
{
    return assay_model_weight(run->model, role, run->layer);
}

void *assay_run_gradient(const struct assay_layer_run *run, enum assay_tensor_role role)
{
    return assay_params_at(
            &run->model->params, run->gradients, run->model->ops->sum, role, run->layer);
}

static struct assay_matmul_args matmul_of(
        const struct assay_layer_run *run, struct assay_linear linear)
{
    return (struct assay_matmul_args){.w = assay_run_weight(run, linear.role),
            .M = linear.rows,
            .N = linear.outputs,
            .K = linear.inputs};
}

void assay_linear_forward(
        const struct assay_layer_run *run, struct assay_linear linear, void *y, const void *x)
{
    struct assay_matmul_args args = matmul_of(run, linear);

    args.y = y;
    args.x = x;
    run->model->ops->matmul_forward(&args, run->stream);
}

void assay_linears_forward(const struct assay_layer_run *run, const struct assay_linear *linears,
        void *const *ys, size_t count, const void *x)
{
    struct assay_matmul_args args[ASSAY_LINEARS_MAX];

    assert(count > 0 && count <= ASSAY_LINEARS_MAX);
    for (size_t i = count; i > 0; i--) {
        args[i - 1] = matmul_of(run, linears[i - 1]);
        args[i - 1].y = ys[i - 1];
        args[i - 1].x = x;
        args[i - 1].beside = i < count ? &args[i] : NULL;
    }
    run->model->ops->matmul_forward(&args[0], run->stream);
}

void assay_linear_backward(const struct assay_layer_run *run, struct assay_linear linear, void *dx,
        bool accumulate, const void *x, const void *dy)
{
    struct assay_matmul_args args = matmul_of(run, linear);

    args.x = x;
    args.dy = dy;
    args.dx = dx;
    args.accumulate = accumulate;
    args.dw = assay_run_gradient(run, linear.role);
    run->model->ops->matmul_backward_input(&args, run->stream);
    run->model->ops->matmul_backward_weight(&args, run->stream);
}

// out = alpha a + beta b
void assay_run_blend(const struct assay_layer_run *run, void *out, double alpha, const void *a,
        double beta, const void *b)
{
    const struct assay_scale_add_args args = {.out = out,
            .a = a,
            .b = b,
            .alpha = alpha,
            .beta = beta,
            .count = run->T * run->model->config.hidden_size};

    run->model->ops->scale_add(&args, run->stream);
}

const struct assay_residual_factors *assay_attention_factors(
        const struct assay_model_config *c, uint32_t layer)
{
    return c->layer_kinds[layer] == ASSAY_LAYER_LIGHTNING ? &c->lightning_factors
                                                          : &c->softmax_factors;
}
