// SPDX-License-Identifier: MIT
// pass_backward.c - the way back through a pass.
#include <assert.h>

#include "policy/pass_parts.h"

struct norm_backward {
    enum assay_tensor_role role;
    const void *x, *dy;
    void *rstd, *dx;
    bool accumulate;
};

static void norm_backward(const struct assay_layer_run *run, const struct norm_backward *norm)
{
    const struct assay_model_config *c = &run->model->config;
    const struct assay_rmsnorm_args args = {.x = norm->x,
            .weight = assay_run_weight(run, norm->role),
            .rstd = norm->rstd,
            .T = run->T,
            .C = c->hidden_size,
            .eps = (double)c->norm_eps,
            .dx = norm->dx,
            .dweight = assay_run_gradient(run, norm->role),
            .dy = norm->dy,
            .accumulate = norm->accumulate};

    run->model->ops->rmsnorm_backward(&args, run->stream);
}

static bool is_one(const struct assay_residual_factors *factors)
{
    return factors->alpha == 1 && factors->beta == 1;
}

// dx holds the gradient after the layer, and then the one before it. Where a branch is added to
// what came in and nothing is scaled, what comes back passes both as it is: in dx itself.
static void layer_backward(struct assay_pass *p, uint32_t layer, void *dx)
{
    const struct assay_model_config *c = &p->model->config;
    const struct assay_residual_factors *f = assay_attention_factors(c, layer);
    const struct assay_layer_run run = assay_pass_run(p, layer);
    const struct assay_layer_acts *a = &p->acts[layer];
    struct assay_layer_scratch *s = &p->scratch;
    const size_t bytes = run.T * c->hidden_size * assay_dtype_bytes(p->model->ops->activation);
    const bool as_it_is = !c->postnorm && is_one(&c->ffn_factors) && is_one(f);
    void *const dr = as_it_is ? dx : s->dr, *const dy = as_it_is ? dx : s->dy;

    // x' = alpha (w or r) + beta ffn(w)
    if (!as_it_is) {
        assay_run_blend(&run, dy, (double)c->ffn_factors.beta, dx, 0, NULL);
        assay_run_blend(&run, c->postnorm ? s->dw : dr, (double)c->ffn_factors.alpha, dx, 0, NULL);
    }
    if (!c->postnorm)
        p->model->ops->device.zero(p->stream, s->dw, bytes);
    assay_ffn_half_backward(&run, dy, s->dw);
    norm_backward(&run,
            &(struct norm_backward){.role = ASSAY_TENSOR_FFN_NORM,
                    .x = a->r,
                    .dy = s->dw,
                    .rstd = a->rstd_w,
                    .dx = dr,
                    .accumulate = !c->postnorm});
    // r = alpha (u or x) + beta attention(u)
    if (!as_it_is) {
        assay_run_blend(&run, dy, (double)f->beta, dr, 0, NULL);
        assay_run_blend(&run, c->postnorm ? s->du : dx, (double)f->alpha, dr, 0, NULL);
    }
    if (!c->postnorm)
        p->model->ops->device.zero(p->stream, s->du, bytes);
    assay_attention_half_backward(&run, dy, s->du);
    norm_backward(&run,
            &(struct norm_backward){.role = ASSAY_TENSOR_ATTN_NORM,
                    .x = p->x[layer],
                    .dy = s->du,
                    .rstd = a->rstd_u,
                    .dx = dx,
                    .accumulate = !c->postnorm});
}

void assay_pass_backward(struct assay_pass *pass, const void *dlogp, const void *dentropy)
{
    struct assay_pass *p = pass;
    const struct assay_model_config *c = &p->model->config;
    const struct assay_layer_run run = assay_pass_run(p, ASSAY_TENSOR_NO_LAYER);
    void *dx = p->scratch.y; // free once forward is over
    struct assay_logprob_args head = assay_pass_logprob_args(p);

    assert(p->options.training && !p->state);
    head.dx = p->scratch.dy;
    head.dw = assay_run_gradient(&run, assay_model_head_role(p->model));
    head.dlogp = dlogp;
    head.dentropy = dentropy;
    p->model->ops->logprob_backward(&head, p->stream);
    norm_backward(&run,
            &(struct norm_backward){.role = ASSAY_TENSOR_FINAL_NORM,
                    .x = p->x[c->layer_count],
                    .dy = p->scratch.dy,
                    .rstd = p->rstd_hidden,
                    .dx = dx});
    for (uint32_t i = c->layer_count; i > 0; i--)
        layer_backward(p, i - 1, dx);
    const struct assay_embedding_args embedding = {.ids = p->ids,
            .T = p->row_count,
            .C = c->hidden_size,
            .V = c->vocab_size,
            .dtable = assay_run_gradient(&run, ASSAY_TENSOR_EMBEDDING),
            .dout = dx};
    p->model->ops->embedding_backward(&embedding, p->stream);
}

void *assay_pass_gradients(struct assay_pass *pass)
{
    return pass->gradients;
}

void assay_pass_zero_gradients(struct assay_pass *pass)
{
    pass->model->ops->device.zero(pass->stream, pass->gradients,
            pass->model->params.element_count * assay_dtype_bytes(pass->model->ops->sum));
}
