// SPDX-License-Identifier: MIT
// layers.h - the two halves of a layer, forward and backward. Internal; pass.c drives them.
#ifndef ASSAY_POLICY_LAYERS_H
#define ASSAY_POLICY_LAYERS_H

#include "policy/pass.h"

// Memory taken piece by piece from one allocation; base NULL only measures.
struct assay_workspace {
    char *base;
    size_t used;
};
void *assay_workspace_take(struct assay_workspace *workspace, size_t count, size_t element_bytes);

// What forward leaves for backward. A pass that keeps nothing has one set for all its layers.
struct assay_layer_acts {
    void *u, *rstd_u; // [T, C], [T]: normed input
    // softmax
    void *q, *k, *v;             // [T, H, D], [T, G, D] x 2
    void *q_turned, *k_turned;   // after QK-norm and RoPE; q and k themselves without QK-norm
    void *rstd_q, *rstd_k, *lse; // [T, H], [T, G], [T, H]
    // lightning
    void *z, *zs;            // [T, 3HD] before and after SiLU
    void *gate, *n, *rstd_o; // [T, HD] x 2, [T]
    void *o;                 // [T, HD] what attention gave
    void *r, *w, *rstd_w;    // [T, C] x 2, [T]: between the halves, and normed
    // feed-forward; rows are T, or T * K of the experts
    void *ffn_gate, *ffn_up, *ffn_inner; // [rows, I]
    void *prob, *route_weight;           // [T, E], [T, K] S
    int32_t *expert, *offset, *slot, *source;
    void *xs, *ys; // [T * K, C]
};

// Room for one layer at a time.
struct assay_layer_scratch {
    void *y;                            // [T, C] what a half gave
    void *logits;                       // [T, E] A
    void *dy, *du, *dr, *dw;            // [T, C]
    void *dz, *do_, *dgate, *dn;        // [T, 3HD], [T, HD] x 3
    void *dq, *dk, *dv;                 // [T, HD], [T, GD] x 2
    void *dffn_gate, *dffn_up, *dinner; // [rows, I]
    void *dxs, *dys, *droute;           // [T * K, C] x 2, [T, K] S
    void *dlogits;                      // [T, E]
    void *aux_count, *aux_prob_sum;     // [L or 1, E] S
    void *aux_grad, *aux_loss;          // [L or 1, E] S, [1] S
};

// One half of one layer of one batch.
struct assay_layer_run {
    const struct assay_model *model;
    struct assay_stream *stream;
    uint32_t layer;
    const struct assay_span *spans; // device
    size_t B, T, rows_max;
    const void *cosine, *sine;            // [T, rotary_dim / 2] S
    const struct assay_pass_state *state; // NULL: whole sequences
    struct assay_layer_acts *acts;
    struct assay_layer_scratch *scratch;
    void *gradients; // backward
    bool want_aux;
};

void assay_layer_acts_take(struct assay_layer_acts *acts, struct assay_workspace *workspace,
        const struct assay_model_config *config, const struct assay_ops *ops, uint32_t layer,
        size_t rows);

// y = attention(u);  backward: du += d attention from scratch->dy.
void assay_attention_half_forward(const struct assay_layer_run *run, void *y);
void assay_attention_half_backward(const struct assay_layer_run *run, const void *dy, void *du);
// y = feed-forward(w);  backward: dw += from dy.
void assay_ffn_half_forward(const struct assay_layer_run *run, void *y);
void assay_ffn_half_backward(const struct assay_layer_run *run, const void *dy, void *dw);

// What both halves use: weights and gradients of the run's layer, and linear maps.
void *assay_run_weight(const struct assay_layer_run *run, enum assay_tensor_role role);
void *assay_run_gradient(const struct assay_layer_run *run, enum assay_tensor_role role);
struct assay_linear {
    enum assay_tensor_role role;
    size_t rows, outputs, inputs;
};
void assay_linear_forward(
        const struct assay_layer_run *run, struct assay_linear linear, void *y, const void *x);
// ys[i] = linears[i](x), all of one x, up to ASSAY_LINEARS_MAX.
enum { ASSAY_LINEARS_MAX = 3 };
void assay_linears_forward(const struct assay_layer_run *run, const struct assay_linear *linears,
        void *const *ys, size_t count, const void *x);
// dx is overwritten, or added to; the weight's gradient is added to.
void assay_linear_backward(const struct assay_layer_run *run, struct assay_linear linear, void *dx,
        bool accumulate, const void *x, const void *dy);

// out = alpha a + beta b over the residual stream's [T, C]; b may be NULL. out may be a or b.
void assay_run_blend(const struct assay_layer_run *run, void *out, double alpha, const void *a,
        double beta, const void *b);
const struct assay_residual_factors *assay_attention_factors(
        const struct assay_model_config *config, uint32_t layer);

#endif
