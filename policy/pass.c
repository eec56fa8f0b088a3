// SPDX-License-Identifier: MIT
#include "policy/pass.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/pass_parts.h"

// --- life ---------------------------------------------------------------------------------------

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
        assay_pass_take(p, &ws, &model->config, model->ops);
        status = device->alloc(&p->memory, ws.used, err);
    }
    if (status == ASSAY_OK) {
        ws = (struct assay_workspace){p->memory, 0};
        assay_pass_take(p, &ws, &model->config, model->ops);
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
    if (pass->model->ops->device.graph_forget)
        pass->model->ops->device.graph_forget(pass->stream);
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
        assay_pass_take(&p, &ws, config, ops);
    free(p.x);
    free(p.acts);
    return ws.used;
}

// --- forward ------------------------------------------------------------------------------------

struct assay_layer_run assay_pass_run(struct assay_pass *p, uint32_t layer)
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

static void layer_forward(struct assay_pass *p, uint32_t layer)
{
    const struct assay_model_config *c = &p->model->config;
    const struct assay_residual_factors *f = assay_attention_factors(c, layer);
    const struct assay_layer_run run = assay_pass_run(p, layer);
    const struct assay_layer_acts *a = &p->acts[layer];
    void *y = p->scratch.y;

    norm_forward(&run, ASSAY_TENSOR_ATTN_NORM, a->u, p->x[layer], a->rstd_u);
    assay_attention_half_forward(&run, y);
    assay_run_blend(
            &run, a->r, (double)f->alpha, c->postnorm ? a->u : p->x[layer], (double)f->beta, y);
    norm_forward(&run, ASSAY_TENSOR_FFN_NORM, a->w, a->r, a->rstd_w);
    assay_ffn_half_forward(&run, y);
    assay_run_blend(&run, p->x[layer + 1], (double)c->ffn_factors.alpha, c->postnorm ? a->w : a->r,
            (double)c->ffn_factors.beta, y);
}

// Does span number b go on from one of the spans that the one before it goes on from, or from that?
static bool follows_on(const struct assay_span *spans, size_t b)
{
    const struct assay_span *parent = &spans[b] - spans[b].up, *span = &spans[b] - 1;

    if (spans[b].up > b)
        return false;
    while (span > parent && span->up > 0)
        span -= span->up;
    return span == parent && spans[b].position == parent->position + parent->row_count;
}

// Spans must tile the rows, in order, and stand in trees where nothing came before.
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
        if (spans[b].row != row || (p->state && spans[b].up > 0) ||
                (!p->state && spans[b].up == 0 && spans[b].position != 0) ||
                (spans[b].up > 0 && !follows_on(spans, b)))
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
    const struct assay_device *device = &p->model->ops->device;
    const size_t bytes = p->row_count * sizeof(int32_t);

    device->upload(p->stream, p->ids, p->host_ids, bytes);
    device->upload(p->stream, p->positions, p->host_ids + p->options.rows_max, bytes);
    device->upload(p->stream, p->spans, p->host_spans, p->span_count * sizeof(*p->spans));
}

static void begin_rows(struct assay_pass *p)
{
    const struct assay_model_config *c = &p->model->config;
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

static void queue_layers(struct assay_pass *p)
{
    begin_rows(p);
    reset_aux(p);
    for (uint32_t i = 0; i < p->model->config.layer_count; i++)
        layer_forward(p, i);
    const struct assay_layer_run run = assay_pass_run(p, ASSAY_TENSOR_NO_LAYER);
    norm_forward(&run, ASSAY_TENSOR_FINAL_NORM, p->hidden, p->x[p->model->config.layer_count],
            p->rstd_hidden);
}

// A token for each sequence is the same work every time, but for what was uploaded.
static void run_layers(struct assay_pass *p)
{
    const struct assay_device *device = &p->model->ops->device;
    // Passes, states and row counts that may share a stream differ in one of these.
    const uint64_t key = ((uint64_t)(uintptr_t)p->memory * 31 +
                                 (p->state ? (uint64_t)(uintptr_t)p->state->page_table : 0)) *
                    65537 +
            p->row_count;

    if (!device->graph_begin || !p->state || p->span_rows_max != 1) {
        queue_layers(p);
        return;
    }
    if (!device->graph_begin(p->stream, key))
        return;
    queue_layers(p);
    device->graph_end(p->stream);
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
    run_layers(p);
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
    pass->model->ops->matmul_wide(&head, pass->stream);
    return pass->logits;
}

struct assay_logprob_args assay_pass_logprob_args(const struct assay_pass *p)
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
    const struct assay_logprob_args args = assay_pass_logprob_args(pass);
    pass->model->ops->logprob_forward(&args, pass->stream);
    *logp = pass->logp;
    if (entropy)
        *entropy = pass->entropy;
}

// --- load balance -------------------------------------------------------------------------------

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
