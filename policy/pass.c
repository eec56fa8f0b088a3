// SPDX-License-Identifier: MIT
#include "policy/pass.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/layers.h"

#define ALIGN_BYTES 64

struct assay_pass {
    const struct assay_model *model;
    struct assay_stream *stream;
    struct assay_pass_options options;
    void *memory;                  // one device allocation for all below
    void **x;                      // [L + 1] residual stream before each layer, and after the last
    struct assay_layer_acts *acts; // [L] when training, else one
    struct assay_layer_scratch scratch;
    void *cosine, *sine, *hidden, *rstd_hidden, *logits, *picked;
    void *logp, *entropy, *lse;
    int32_t *ids, *positions, *targets, *rows; // device
    struct assay_span *spans;                  // device
    int32_t *host_ids;                         // staging, owned until the copy is done
    struct assay_span *host_spans;
    void *gradients; // training
    // Of the last forward.
    const struct assay_pass_state *state;
    size_t row_count, span_count, span_rows_max;
    double logit_scale;
    bool aux_wanted, entropy_wanted;
};

void *assay_workspace_take(struct assay_workspace *workspace, size_t count, size_t element_bytes)
{
    const size_t bytes = (count * element_bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    void *at = workspace->base ? workspace->base + workspace->used : NULL;

    workspace->used += bytes;
    return at;
}

// --- layout
// ---------------------------------------------------------------------------------------

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

static void take_all(struct assay_pass *p, struct assay_workspace *ws,
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
    p->logits = assay_workspace_take(ws, sequences * c->vocab_size, A);
}

// --- life
// -----------------------------------------------------------------------------------------

static enum assay_status make_host(struct assay_pass *p, struct assay_error *err)
{
    const size_t layers = p->model->config.layer_count;

    p->x = calloc(layers + 1, sizeof(*p->x));
    p->acts = calloc(layers, sizeof(*p->acts));
    p->host_ids = calloc(3 * p->options.rows_max, sizeof(*p->host_ids));
    p->host_spans = calloc(p->options.sequences_max, sizeof(*p->host_spans));
    return p->x && p->acts && p->host_ids && p->host_spans
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

enum assay_status assay_pass_create(struct assay_pass **out, const struct assay_model *model,
        const struct assay_pass_options *options, struct assay_stream *stream,
        struct assay_error *err)
{
    const struct assay_device *device = &model->ops->device;
    struct assay_pass *p = calloc(1, sizeof(*p));
    struct assay_workspace ws = {NULL, 0};
    enum assay_status status;

    assert(options->rows_max > 0 && options->sequences_max > 0);
    if (!p)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    p->model = model;
    p->stream = stream;
    p->options = *options;
    status = make_host(p, err);
    if (status == ASSAY_OK) {
        take_all(p, &ws, &model->config, model->ops);
        status = device->alloc(&p->memory, ws.used, err);
    }
    if (status == ASSAY_OK) {
        ws = (struct assay_workspace){p->memory, 0};
        take_all(p, &ws, &model->config, model->ops);
        if (options->training)
            status = device->alloc(&p->gradients,
                    model->params.element_count * assay_dtype_bytes(model->ops->sum), err);
    }
    if (status == ASSAY_OK)
        *out = p;
    else
        assay_pass_destroy(p);
    return status;
}

void assay_pass_destroy(struct assay_pass *pass)
{
    if (!pass)
        return;
    (void)pass->model->ops->device.sync(pass->stream, NULL);
    pass->model->ops->device.release(pass->memory);
    pass->model->ops->device.release(pass->gradients);
    free(pass->x);
    free(pass->acts);
    free(pass->host_ids);
    free(pass->host_spans);
    free(pass);
}

uint64_t assay_pass_bytes(const struct assay_model_config *config, const struct assay_ops *ops,
        const struct assay_pass_options *options)
{
    struct assay_workspace ws = {NULL, 0};
    struct assay_pass p = {.options = *options};

    p.x = calloc((size_t)config->layer_count + 1, sizeof(*p.x));
    p.acts = calloc(config->layer_count, sizeof(*p.acts));
    if (p.x && p.acts)
        take_all(&p, &ws, config, ops);
    free(p.x);
    free(p.acts);
    return ws.used;
}

// --- what layers use
// ------------------------------------------------------------------------------

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

static void norm_forward(const struct assay_layer_run *run, enum assay_tensor_role role, void *y,
        const void *x, void *rstd)
{
    const struct assay_model_config *c = &run->model->config;
    const struct assay_rmsnorm_args args = {.y = y,
            .x = x,
            .weight = assay_run_weight(run, role),
            .rstd = rstd,
            .T = run->T,
            .C = c->hidden_size,
            .eps = (double)c->norm_eps};

    run->model->ops->rmsnorm_forward(&args, run->stream);
}

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

// out = alpha a + beta b
static void blend(const struct assay_layer_run *run, void *out, double alpha, const void *a,
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

static struct assay_layer_run run_of(struct assay_pass *p, uint32_t layer)
{
    return (struct assay_layer_run){.model = p->model,
            .stream = p->stream,
            .layer = layer,
            .spans = p->spans,
            .B = p->span_count,
            .T = p->row_count,
            .rows_max = p->span_rows_max,
            .cosine = p->cosine,
            .sine = p->sine,
            .state = p->state,
            .acts = layer == ASSAY_TENSOR_NO_LAYER ? NULL : &p->acts[layer],
            .scratch = &p->scratch,
            .gradients = p->gradients,
            .want_aux = p->aux_wanted};
}

static const struct assay_residual_factors *attention_factors(
        const struct assay_model_config *c, uint32_t layer)
{
    return c->layer_kinds[layer] == ASSAY_LAYER_LIGHTNING ? &c->lightning_factors
                                                          : &c->softmax_factors;
}

// --- forward
// --------------------------------------------------------------------------------------

static void layer_forward(struct assay_pass *p, uint32_t layer)
{
    const struct assay_model_config *c = &p->model->config;
    const struct assay_residual_factors *f = attention_factors(c, layer);
    const struct assay_layer_run run = run_of(p, layer);
    const struct assay_layer_acts *a = &p->acts[layer];
    void *y = p->scratch.y;

    norm_forward(&run, ASSAY_TENSOR_ATTN_NORM, a->u, p->x[layer], a->rstd_u);
    assay_attention_half_forward(&run, y);
    blend(&run, a->r, (double)f->alpha, c->postnorm ? a->u : p->x[layer], (double)f->beta, y);
    norm_forward(&run, ASSAY_TENSOR_FFN_NORM, a->w, a->r, a->rstd_w);
    assay_ffn_half_forward(&run, y);
    blend(&run, p->x[layer + 1], (double)c->ffn_factors.alpha, c->postnorm ? a->w : a->r,
            (double)c->ffn_factors.beta, y);
}

// Spans must tile the rows, in order, and start at position 0 where nothing came before.
static enum assay_status take_batch(struct assay_pass *p, const int32_t *ids, size_t row_count,
        const struct assay_span *spans, size_t span_count, struct assay_error *err)
{
    size_t row = 0;

    if (row_count > p->options.rows_max || span_count > p->options.sequences_max)
        return assay_fail(err, ASSAY_EINVAL,
                "a batch of %zu rows and %zu sequences; the pass has "
                "room for %zu and %zu",
                row_count, span_count, p->options.rows_max, p->options.sequences_max);
    p->span_rows_max = 0;
    for (size_t b = 0; b < span_count; b++) {
        if (spans[b].row != row || (!p->state && spans[b].position != 0))
            return assay_fail(err, ASSAY_EINVAL, "sequence %zu of the batch does not follow on", b);
        for (uint32_t i = 0; i < spans[b].row_count && row + i < row_count; i++)
            p->host_ids[p->options.rows_max + row + i] = (int32_t)(spans[b].position + i);
        row += spans[b].row_count;
        if (spans[b].row_count > p->span_rows_max)
            p->span_rows_max = spans[b].row_count;
    }
    if (row != row_count)
        return assay_fail(err, ASSAY_EINVAL, "the sequences of the batch have %zu rows, not %zu",
                row, row_count);
    for (size_t i = 0; i < row_count; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= p->model->config.vocab_size)
            return assay_fail(err, ASSAY_EINVAL, "id %d is not in the vocabulary", ids[i]);
    memcpy(p->host_ids, ids, row_count * sizeof(*ids));
    memcpy(p->host_spans, spans, span_count * sizeof(*spans));
    p->row_count = row_count;
    p->span_count = span_count;
    return ASSAY_OK;
}

static void upload_batch(struct assay_pass *p)
{
    const struct assay_model_config *c = &p->model->config;
    const struct assay_device *device = &p->model->ops->device;
    const size_t bytes = p->row_count * sizeof(int32_t);
    const struct assay_embedding_args embedding = {.out = p->x[0],
            .table = assay_model_weight(p->model, ASSAY_TENSOR_EMBEDDING, ASSAY_TENSOR_NO_LAYER),
            .ids = p->ids,
            .T = p->row_count,
            .C = c->hidden_size,
            .V = c->vocab_size};
    const struct assay_rope_table_args rope = {.cosine = p->cosine,
            .sine = p->sine,
            .position = p->positions,
            .inv_freq = p->model->inv_freq,
            .T = p->row_count,
            .R = c->rotary_dim,
            .scale = p->model->rope_scale};

    device->upload(p->stream, p->ids, p->host_ids, bytes);
    device->upload(p->stream, p->positions, p->host_ids + p->options.rows_max, bytes);
    device->upload(p->stream, p->spans, p->host_spans, p->span_count * sizeof(*p->spans));
    p->model->ops->embedding_forward(&embedding, p->stream);
    p->model->ops->rope_table(&rope, p->stream);
}

static void reset_aux(struct assay_pass *p)
{
    const struct assay_model_config *c = &p->model->config;
    const size_t rows = c->router_aux_by_layer ? c->layer_count : 1;
    const size_t bytes = rows * c->expert_count * assay_dtype_bytes(p->model->ops->sum);

    p->aux_wanted = p->options.training && c->expert_count > 0;
    if (!p->aux_wanted)
        return;
    p->model->ops->device.zero(p->stream, p->scratch.aux_count, bytes);
    p->model->ops->device.zero(p->stream, p->scratch.aux_prob_sum, bytes);
    p->model->ops->device.zero(p->stream, p->scratch.aux_grad, bytes);
}

enum assay_status assay_pass_forward(struct assay_pass *pass, const int32_t *ids, size_t row_count,
        const struct assay_span *spans, size_t span_count, const struct assay_pass_state *state,
        struct assay_error *err)
{
    struct assay_pass *p = pass;
    enum assay_status status;

    // What was queued may still read the staging memory.
    status = p->model->ops->device.sync(p->stream, err);
    if (status != ASSAY_OK)
        return status;
    p->state = state;
    status = take_batch(p, ids, row_count, spans, span_count, err);
    if (status != ASSAY_OK)
        return status;
    upload_batch(p);
    reset_aux(p);
    for (uint32_t i = 0; i < p->model->config.layer_count; i++)
        layer_forward(p, i);
    const struct assay_layer_run run = run_of(p, ASSAY_TENSOR_NO_LAYER);
    norm_forward(&run, ASSAY_TENSOR_FINAL_NORM, p->hidden, p->x[p->model->config.layer_count],
            p->rstd_hidden);
    return ASSAY_OK;
}

const void *assay_pass_hidden(const struct assay_pass *pass)
{
    return pass->hidden;
}

static void *head_of(const struct assay_pass *p)
{
    return assay_model_weight(p->model, assay_model_head_role(p->model), ASSAY_TENSOR_NO_LAYER);
}

const void *assay_pass_logits(struct assay_pass *pass, const int32_t *rows, size_t count)
{
    const struct assay_model_config *c = &pass->model->config;
    int32_t *staging = pass->host_ids + 2 * pass->options.rows_max;
    const struct assay_moe_route_args gather = {.source = pass->rows,
            .T = count,
            .K = 1,
            .C = c->hidden_size,
            .xs = pass->picked,
            .x = pass->hidden};
    const struct assay_matmul_args head = {.y = pass->logits,
            .x = pass->picked,
            .w = head_of(pass),
            .M = count,
            .N = c->vocab_size,
            .K = c->hidden_size};

    assert(!pass->options.training && count <= pass->options.sequences_max);
    memcpy(staging, rows, count * sizeof(*rows));
    pass->model->ops->device.upload(pass->stream, pass->rows, staging, count * sizeof(*rows));
    pass->model->ops->moe_gather_forward(&gather, pass->stream);
    pass->model->ops->matmul_forward(&head, pass->stream);
    return pass->logits;
}

static struct assay_logprob_args logprob_of(const struct assay_pass *p)
{
    const struct assay_model_config *c = &p->model->config;

    return (struct assay_logprob_args){.logp = p->logp,
            .entropy = p->entropy_wanted ? p->entropy : NULL,
            .lse = p->lse,
            .x = p->hidden,
            .w = head_of(p),
            .target = p->targets,
            .T = p->row_count,
            .C = c->hidden_size,
            .V = c->vocab_size,
            .V_valid = c->vocab_sampled,
            .logit_scale = p->logit_scale};
}

void assay_pass_logprob(struct assay_pass *pass, const int32_t *targets, double logit_scale,
        const void **logp, const void **entropy)
{
    int32_t *staging = pass->host_ids + 2 * pass->options.rows_max;

    memcpy(staging, targets, pass->row_count * sizeof(*targets));
    pass->model->ops->device.upload(
            pass->stream, pass->targets, staging, pass->row_count * sizeof(*targets));
    pass->logit_scale = logit_scale;
    pass->entropy_wanted = entropy != NULL;
    const struct assay_logprob_args args = logprob_of(pass);
    pass->model->ops->logprob_forward(&args, pass->stream);
    *logp = pass->logp;
    if (entropy)
        *entropy = pass->entropy;
}

// --- load balance
// ---------------------------------------------------------------------------------

const void *assay_pass_aux(struct assay_pass *pass, double scale)
{
    const struct assay_model_config *c = &pass->model->config;
    const size_t step = c->expert_count * assay_dtype_bytes(pass->model->ops->sum);
    size_t sparse_count = 0;

    if (!pass->aux_wanted)
        return NULL;
    for (uint32_t i = 0; i < c->layer_count; i++)
        sparse_count += c->layer_sparse[i];
    pass->model->ops->device.zero(
            pass->stream, pass->scratch.aux_loss, assay_dtype_bytes(pass->model->ops->sum));
    for (uint32_t i = 0; i < (c->router_aux_by_layer ? c->layer_count : 1); i++) {
        const struct assay_router_aux_args args = {
                .count = (char *)pass->scratch.aux_count + i * step,
                .prob_sum = (char *)pass->scratch.aux_prob_sum + i * step,
                .E = c->expert_count,
                .K = c->expert_used_count,
                .row_count = pass->row_count * (c->router_aux_by_layer ? 1 : sparse_count),
                .coef = scale * (double)c->router_aux_coef,
                .loss = pass->scratch.aux_loss,
                .grad = (char *)pass->scratch.aux_grad + i * step};

        if (!c->router_aux_by_layer || c->layer_sparse[i])
            pass->model->ops->router_aux(&args, pass->stream);
    }
    return pass->scratch.aux_loss;
}

// --- backward
// -------------------------------------------------------------------------------------

// dx holds the gradient after the layer, and then the one before it.
static void layer_backward(struct assay_pass *p, uint32_t layer, void *dx)
{
    const struct assay_model_config *c = &p->model->config;
    const struct assay_residual_factors *f = attention_factors(c, layer);
    const struct assay_layer_run run = run_of(p, layer);
    const struct assay_layer_acts *a = &p->acts[layer];
    struct assay_layer_scratch *s = &p->scratch;
    const size_t bytes = run.T * c->hidden_size * assay_dtype_bytes(p->model->ops->activation);

    // x' = alpha (w or r) + beta ffn(w)
    blend(&run, s->dy, (double)c->ffn_factors.beta, dx, 0, NULL);
    blend(&run, c->postnorm ? s->dw : s->dr, (double)c->ffn_factors.alpha, dx, 0, NULL);
    if (!c->postnorm)
        p->model->ops->device.zero(p->stream, s->dw, bytes);
    assay_ffn_half_backward(&run, s->dy, s->dw);
    norm_backward(&run,
            &(struct norm_backward){.role = ASSAY_TENSOR_FFN_NORM,
                    .x = a->r,
                    .dy = s->dw,
                    .rstd = a->rstd_w,
                    .dx = s->dr,
                    .accumulate = !c->postnorm});
    // r = alpha (u or x) + beta attention(u)
    blend(&run, s->dy, (double)f->beta, s->dr, 0, NULL);
    blend(&run, c->postnorm ? s->du : dx, (double)f->alpha, s->dr, 0, NULL);
    if (!c->postnorm)
        p->model->ops->device.zero(p->stream, s->du, bytes);
    assay_attention_half_backward(&run, s->dy, s->du);
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
    const struct assay_layer_run run = run_of(p, ASSAY_TENSOR_NO_LAYER);
    void *dx = p->scratch.y; // free once forward is over
    struct assay_logprob_args head = logprob_of(p);

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
