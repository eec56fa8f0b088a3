// SPDX-License-Identifier: MIT
// pass_layout.c - what a pass keeps, and where: one allocation, taken piece by piece.
#include "policy/pass_parts.h"

#define ALIGN_BYTES 64

void *assay_workspace_take(struct assay_workspace *workspace, size_t count, size_t element_bytes)
{
    const size_t bytes = (count * element_bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    void *at = workspace->base ? workspace->base + workspace->used : NULL;

    workspace->used += bytes;
    return at;
}

static void take_ffn_acts(struct assay_layer_acts *a, struct assay_workspace *ws,
        const struct assay_model_config *c, size_t A, size_t S, bool sparse, size_t rows)
{
    const size_t pairs = rows * c->expert_used_count;
    const size_t inner = sparse ? pairs * c->expert_ffn_size : rows * c->ffn_size;

    a->ffn_gate = assay_workspace_take(ws, inner, A);
    a->ffn_up = assay_workspace_take(ws, inner, A);
    a->ffn_inner = assay_workspace_take(ws, inner, A);
    if (!sparse)
        return;
    a->prob = assay_workspace_take(ws, rows * c->expert_count, S);
    a->route_weight = assay_workspace_take(ws, pairs, S);
    a->expert = assay_workspace_take(ws, pairs, sizeof(int32_t));
    a->offset = assay_workspace_take(ws, (size_t)c->expert_count + 1, sizeof(int32_t));
    a->slot = assay_workspace_take(ws, pairs, sizeof(int32_t));
    a->source = assay_workspace_take(ws, pairs, sizeof(int32_t));
    a->xs = assay_workspace_take(ws, pairs * c->hidden_size, A);
    a->ys = assay_workspace_take(ws, pairs * c->hidden_size, A);
}

void assay_layer_acts_take(struct assay_layer_acts *acts, struct assay_workspace *workspace,
        const struct assay_model_config *config, const struct assay_ops *ops, uint32_t layer,
        size_t rows)
{
    const size_t A = assay_dtype_bytes(ops->activation), S = assay_dtype_bytes(ops->sum);
    const size_t q = rows * assay_model_q_width(config), kv = rows * assay_model_kv_width(config);
    struct assay_workspace *ws = workspace;
    struct assay_layer_acts a = {0};

    a.u = assay_workspace_take(ws, rows * config->hidden_size, A);
    a.rstd_u = assay_workspace_take(ws, rows, S);
    a.o = assay_workspace_take(ws, q, A);
    if (config->layer_kinds[layer] == ASSAY_LAYER_LIGHTNING) {
        a.z = assay_workspace_take(ws, 3 * q, A);
        a.zs = assay_workspace_take(ws, 3 * q, A);
        a.gate = assay_workspace_take(ws, q, A);
        a.n = assay_workspace_take(ws, q, A);
        a.rstd_o = assay_workspace_take(ws, rows, S);
    } else {
        a.q = assay_workspace_take(ws, q, A);
        a.k = assay_workspace_take(ws, kv, A);
        a.v = assay_workspace_take(ws, kv, A);
        a.q_turned = config->qk_norm ? assay_workspace_take(ws, q, A) : a.q;
        a.k_turned = config->qk_norm ? assay_workspace_take(ws, kv, A) : a.k;
        a.rstd_q = assay_workspace_take(ws, rows * config->head_count, S);
        a.rstd_k = assay_workspace_take(ws, rows * config->kv_head_count, S);
        a.lse = assay_workspace_take(ws, rows * config->head_count, S);
    }
    a.r = assay_workspace_take(ws, rows * config->hidden_size, A);
    a.w = assay_workspace_take(ws, rows * config->hidden_size, A);
    a.rstd_w = assay_workspace_take(ws, rows, S);
    take_ffn_acts(&a, ws, config, A, S, config->layer_sparse[layer], rows);
    *acts = a;
}

static void take_scratch(struct assay_layer_scratch *s, struct assay_workspace *ws,
        const struct assay_model_config *c, const struct assay_ops *ops, size_t rows, bool training)
{
    const size_t A = assay_dtype_bytes(ops->activation), S = assay_dtype_bytes(ops->sum);
    const size_t q = rows * assay_model_q_width(c), kv = rows * assay_model_kv_width(c);
    const size_t pairs = rows * c->expert_used_count, hidden = rows * c->hidden_size;
    const size_t dense = rows * c->ffn_size, sparse = pairs * c->expert_ffn_size;
    const size_t inner = dense > sparse ? dense : sparse;
    const size_t aux = (c->router_aux_by_layer ? c->layer_count : 1) * (size_t)c->expert_count;

    s->y = assay_workspace_take(ws, hidden, A);
    s->logits = assay_workspace_take(ws, rows * c->expert_count, A);
    if (!training)
        return;
    s->dy = assay_workspace_take(ws, hidden, A);
    s->du = assay_workspace_take(ws, hidden, A);
    s->dr = assay_workspace_take(ws, hidden, A);
    s->dw = assay_workspace_take(ws, hidden, A);
    s->dz = assay_workspace_take(ws, 3 * q, A);
    s->do_ = assay_workspace_take(ws, q, A);
    s->dgate = assay_workspace_take(ws, q, A);
    s->dn = assay_workspace_take(ws, q, A);
    s->dq = assay_workspace_take(ws, q, A);
    s->dk = assay_workspace_take(ws, kv, A);
    s->dv = assay_workspace_take(ws, kv, A);
    s->dffn_gate = assay_workspace_take(ws, inner, A);
    s->dffn_up = assay_workspace_take(ws, inner, A);
    s->dinner = assay_workspace_take(ws, inner, A);
    s->dxs = assay_workspace_take(ws, pairs * c->hidden_size, A);
    s->dys = assay_workspace_take(ws, pairs * c->hidden_size, A);
    s->droute = assay_workspace_take(ws, pairs, S);
    s->dlogits = assay_workspace_take(ws, rows * c->expert_count, A);
    s->aux_count = assay_workspace_take(ws, aux, S);
    s->aux_prob_sum = assay_workspace_take(ws, aux, S);
    s->aux_grad = assay_workspace_take(ws, aux, S);
    s->aux_loss = assay_workspace_take(ws, 1, S);
}

void assay_pass_take(struct assay_pass *p, struct assay_workspace *ws,
        const struct assay_model_config *c, const struct assay_ops *ops)
{
    const size_t A = assay_dtype_bytes(ops->activation), S = assay_dtype_bytes(ops->sum);
    const size_t rows = p->options.rows_max, sequences = p->options.sequences_max;
    const size_t hidden = rows * c->hidden_size;
    const bool training = p->options.training;
    // Keeping nothing, layers alternate between two residual streams, and share their acts: of the
    // two kinds, softmax and lightning, sparse and dense, each takes its own.
    for (uint32_t i = 0; i <= c->layer_count; i++)
        p->x[i] = training || i < 2 ? assay_workspace_take(ws, hidden, A) : p->x[i - 2];
    for (uint32_t i = 0; i < c->layer_count; i++) {
        uint32_t like = i;

        for (uint32_t j = 0; j < i && !training && like == i; j++)
            if (c->layer_kinds[j] == c->layer_kinds[i] && c->layer_sparse[j] == c->layer_sparse[i])
                like = j;
        if (like == i)
            assay_layer_acts_take(&p->acts[i], ws, c, ops, i, rows);
        else
            p->acts[i] = p->acts[like];
    }
    take_scratch(&p->scratch, ws, c, ops, rows, training);
    p->cosine = assay_workspace_take(ws, rows * c->rotary_dim / 2, S);
    p->sine = assay_workspace_take(ws, rows * c->rotary_dim / 2, S);
    p->hidden = assay_workspace_take(ws, hidden, A);
    p->rstd_hidden = assay_workspace_take(ws, rows, S);
    p->logp = assay_workspace_take(ws, rows, S);
    p->entropy = assay_workspace_take(ws, rows, S);
    p->lse = assay_workspace_take(ws, rows, S);
    p->ids = assay_workspace_take(ws, rows, sizeof(int32_t));
    p->positions = assay_workspace_take(ws, rows, sizeof(int32_t));
    p->targets = assay_workspace_take(ws, rows, sizeof(int32_t));
    p->rows = assay_workspace_take(ws, rows, sizeof(int32_t));
    p->spans = assay_workspace_take(ws, sequences, sizeof(*p->spans));
    if (training)
        return;
    p->picked = assay_workspace_take(ws, sequences * c->hidden_size, A);
    p->logits = assay_workspace_take(ws, sequences * c->vocab_size, S);
}
