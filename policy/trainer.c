// SPDX-License-Identifier: MIT
// trainer.c - trajectories -> micro-batches -> gradients, summed -> norm -> clip -> AdamW.
#include "policy/trainer.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy/convert.h"
#include "policy/trainer_parts.h"

#define MASTER_CHUNK ((uint64_t)1 << 20)

// --- life ----------------------------------------------------------------------------------------

static size_t longest(const struct assay_trainer_options *options)
{
    return options->rows_max > options->sequences_max ? options->rows_max : options->sequences_max;
}

static enum assay_status allocate(struct assay_trainer *t, struct assay_error *err)
{
    const struct assay_device *device = &t->model->ops->device;
    const size_t s = assay_dtype_bytes(t->model->ops->sum), rows = t->options.rows_max;
    const size_t sequences = t->options.sequences_max;
    const size_t moments = (size_t)(t->shares.until - t->shares.from) * s;
    const bool rounded = t->model->ops->weight != t->model->ops->sum;
    void *token_rows = NULL, *token_spans = NULL, *metrics = NULL, *sumsq = NULL;
    const struct {
        void **at;
        size_t bytes;
    } wanted[] = {{&t->first, moments}, {&t->second, moments}, {&t->logp_old, rows * s},
            {&t->logp_ref, rows * s}, {&t->advantage, sequences * s}, {&t->norm, sequences * s},
            {&t->dlogp, rows * s}, {&t->dentropy, rows * s},
            {&token_rows, rows * sizeof(*t->token_rows)},
            {&token_spans, sequences * sizeof(*t->token_spans)}, {&metrics, sizeof(*t->metrics)},
            {&sumsq, sizeof(*t->sumsq)}, {&t->scale, s}, {&t->grad_norm, s}};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]) && status == ASSAY_OK; i++)
        status = device->alloc(wanted[i].at, wanted[i].bytes, err);
    if (status == ASSAY_OK && rounded)
        status = device->alloc(&t->master, moments, err);
    t->token_rows = token_rows;
    t->token_spans = token_spans;
    t->metrics = metrics;
    t->sumsq = sumsq;
    t->host = calloc(longest(&t->options), sizeof(*t->host));
    t->raw = calloc(longest(&t->options), sizeof(double));
    if (status == ASSAY_OK && (!t->host || !t->raw))
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return status;
}

static enum assay_status check_options(
        const struct assay_trainer_options *options, struct assay_error *err)
{
    enum assay_status status = assay_objective_check(&options->objective, err);

    if (status == ASSAY_OK)
        status = assay_optimizer_check(&options->optimizer, err);
    if (status == ASSAY_OK && !(options->temperature > 0 && isfinite(options->temperature)))
        status = assay_fail(
                err, ASSAY_EINVAL, "temperature: %g is not above 0", options->temperature);
    return status;
}

// What AdamW adds to begins as the rounded weights are.
static enum assay_status fill_master(struct assay_trainer *t, struct assay_error *err)
{
    const struct assay_params *params = &t->model->params;
    const struct assay_ops *ops = t->model->ops;
    const size_t s = assay_dtype_bytes(ops->sum);
    double *values = malloc(MASTER_CHUNK * sizeof(*values));
    void *raw = malloc(MASTER_CHUNK * s);
    enum assay_status status = ASSAY_OK;

    if (!values || !raw)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < params->count; i++) {
        const uint64_t offset = params->offsets[i];
        uint64_t at = later(offset, t->shares.from) - offset;
        const uint64_t count = sooner(offset + assay_tensor_elements(&params->specs[i]),
                                       later(offset, t->shares.until)) -
                offset;

        for (; at < count && status == ASSAY_OK; at += MASTER_CHUNK) {
            const uint64_t part = sooner(count - at, MASTER_CHUNK);

            status = assay_params_read(
                    params, t->stream, params->weights, ops->weight, i, at, values, part, err);
            if (status != ASSAY_OK)
                break;
            assay_convert_from_double(raw, ops->sum, values, part);
            ops->device.upload(t->stream, (char *)t->master + (offset + at - t->shares.from) * s,
                    raw, part * s);
            status = ops->device.sync(t->stream, err);
        }
    }
    free(values);
    free(raw);
    return status;
}

enum assay_status assay_trainer_create(struct assay_trainer **out, struct assay_model *model,
        const struct assay_trainer_options *options, struct assay_stream *stream,
        struct assay_error *err)
{
    const struct assay_pass_options pass = {.rows_max = options->rows_max,
            .sequences_max = 2 * options->sequences_max, // spans of the batch
            .training = true};
    enum assay_status status = check_options(options, err);
    struct assay_trainer *t = NULL;

    if (status != ASSAY_OK)
        return status;
    t = calloc(1, sizeof(*t));
    if (!t)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    t->model = model;
    t->options = *options;
    t->stream = stream;
    status = assay_shares_open(&t->shares, model->ops, stream, options->collective, options->shards,
            model->params.element_count, err);
    if (status == ASSAY_OK)
        status = allocate(t, err);
    if (status == ASSAY_OK && t->master)
        status = fill_master(t, err);
    if (status == ASSAY_OK)
        status = assay_batch_create(&t->batch, options->rows_max, options->sequences_max, err);
    if (status == ASSAY_OK)
        status = assay_pass_create(&t->pass, model, &pass, stream, err);
    if (status == ASSAY_OK)
        *out = t;
    else
        assay_trainer_destroy(t);
    return status;
}

void assay_trainer_destroy(struct assay_trainer *trainer)
{
    struct assay_trainer *t = trainer;
    const struct assay_device *device;

    if (!t)
        return;
    device = &t->model->ops->device;
    (void)device->sync(t->stream, NULL);
    void *const memory[] = {t->first, t->second, t->master, t->logp_old, t->logp_ref, t->advantage,
            t->norm, t->dlogp, t->dentropy, t->token_rows, t->token_spans, t->metrics, t->sumsq,
            t->scale, t->grad_norm};

    for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
        device->release(memory[i]);
    assay_shares_close(&t->shares);
    assay_pass_destroy(t->pass);
    assay_batch_destroy(t->batch);
    free(t->order);
    free(t->norms);
    free(t->host);
    free(t->raw);
    free(t);
}

static void *range_of(const struct assay_trainer *t, enum assay_moment which)
{
    // cppcheck-suppress constVariable; its elements are
    void *const ranges[] = {[ASSAY_MOMENT_FIRST] = t->first,
            [ASSAY_MOMENT_SECOND] = t->second,
            [ASSAY_MOMENT_MASTER] = t->master};

    return ranges[which];
}

bool assay_trainer_has(const struct assay_trainer *trainer, enum assay_moment which)
{
    return range_of(trainer, which) != NULL;
}

// Between updates nobody needs the gradients.
enum assay_status assay_trainer_collect(
        struct assay_trainer *trainer, enum assay_moment which, void *host, struct assay_error *err)
{
    return assay_shares_collect(&trainer->shares, host, range_of(trainer, which),
            assay_pass_gradients(trainer->pass), err);
}

enum assay_status assay_trainer_spread(
        struct assay_trainer *trainer, enum assay_moment which, void *host, struct assay_error *err)
{
    return assay_shares_spread(&trainer->shares, range_of(trainer, which), host, err);
}

enum assay_status assay_trainer_follow(struct assay_trainer *trainer, struct assay_error *err)
{
    struct assay_trainer *t = trainer;
    const struct assay_ops *ops = t->model->ops;
    uint64_t bounds[ASSAY_RANKS_MAX + 1] = {0}; // all of it is rank 0's
    enum assay_status status;

    if (!t->options.collective)
        return ASSAY_OK;
    for (uint32_t r = 1; r <= t->shares.ranks.world; r++)
        bounds[r] = t->model->params.element_count;
    status = assay_collective_all_gather(t->options.collective, ops, t->model->params.weights,
            assay_dtype_bytes(ops->weight), bounds, t->stream, err);
    for (uint32_t r = 1; r <= t->shares.ranks.world; r++)
        bounds[r] = sizeof(t->counts);
    return status == ASSAY_OK
            ? assay_collective_gather(t->options.collective, &t->counts, bounds, err)
            : status;
}

struct assay_trainer_counts *assay_trainer_counts(struct assay_trainer *trainer)
{
    return &trainer->counts;
}

// --- one micro-batch -----------------------------------------------------------------------------

static enum assay_status check_trajectories(const struct assay_trainer *t,
        const struct assay_trajectory *trajectories, size_t count, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        status = assay_trajectory_check(&trajectories[i], t->model->config.vocab_size, err);
        if (status == ASSAY_OK && trajectories[i].count - 1 > t->options.rows_max)
            status = assay_fail(err, ASSAY_EINVAL,
                    "%zu tokens are more than a micro-batch has (%zu)", trajectories[i].count - 1,
                    t->options.rows_max);
        if (status != ASSAY_OK && err)
            (void)assay_wrap(err, "trajectory %zu of %zu", i, count);
    }
    return status;
}

static enum assay_status reserve(struct assay_trainer *t, size_t count, struct assay_error *err)
{
    const struct assay_trajectory **order;
    double *norms;

    if (count <= t->capacity)
        return ASSAY_OK;
    order = realloc(t->order, count * sizeof(struct assay_trajectory *));
    if (order)
        t->order = order;
    norms = realloc(t->norms, count * sizeof(*norms));
    if (norms)
        t->norms = norms;
    if (!order || !norms)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    t->capacity = count;
    return ASSAY_OK;
}

// Check them, and put those that begin alike side by side.
static enum assay_status take_trajectories(struct assay_trainer *t,
        const struct assay_trajectory *trajectories, size_t count, struct assay_error *err)
{
    enum assay_status status = check_trajectories(t, trajectories, count, err);

    if (status == ASSAY_OK)
        status = reserve(t, count, err);
    if (status == ASSAY_OK)
        assay_batch_order(t->order, trajectories, count);
    return status;
}

// Host doubles to device S; waits, since `raw` is used again.
static enum assay_status upload(struct assay_trainer *t, void *to, const double *values,
        size_t count, struct assay_error *err)
{
    const struct assay_ops *ops = t->model->ops;

    assay_convert_from_double(t->raw, ops->sum, values, count);
    ops->device.upload(t->stream, to, t->raw, count * assay_dtype_bytes(ops->sum));
    return ops->device.sync(t->stream, err);
}

static enum assay_status download(struct assay_trainer *t, double *values, const void *from,
        size_t count, struct assay_error *err)
{
    const struct assay_ops *ops = t->model->ops;
    enum assay_status status;

    ops->device.download(t->stream, t->raw, from, count * assay_dtype_bytes(ops->sum));
    status = ops->device.sync(t->stream, err);
    if (status == ASSAY_OK)
        assay_convert_to_double(values, t->raw, ops->sum, count);
    return status;
}

// Fill the batch with trajectories from number `at` on, run it, and leave logp and entropy of its
// rows in the pass.
static enum assay_status forward(struct assay_trainer *t, size_t at, size_t count,
        const void **logp, const void **entropy, struct assay_error *err)
{
    struct assay_batch *b = t->batch;
    enum assay_status status;

    (void)assay_batch_fill(b, t->order + at, t->norms + at, count - at);
    assert(b->sequence_count > 0); // check_trajectories() has seen that the first fits
    status = assay_pass_forward(t->pass, b->ids, b->row_count, b->spans, b->span_count, NULL, err);
    if (status == ASSAY_OK)
        assay_pass_logprob(t->pass, b->targets, 1 / t->options.temperature, logp, entropy);
    return status;
}

enum assay_status assay_trainer_score(struct assay_trainer *trainer,
        const struct assay_trajectory *trajectories, size_t count, double *const *logp,
        struct assay_error *err)
{
    struct assay_trainer *t = trainer;
    enum assay_status status = take_trajectories(t, trajectories, count, err);

    for (size_t at = 0; at < count && status == ASSAY_OK; at += t->batch->sequence_count) {
        const void *device_logp = NULL;
        size_t token = 0;

        status = forward(t, at, count, &device_logp, NULL, err);
        if (status == ASSAY_OK)
            status = download(t, t->host, device_logp, t->batch->row_count, err);
        for (size_t b = 0; b < t->batch->sequence_count && status == ASSAY_OK; b++) {
            const struct assay_trajectory *trajectory = t->order[at + b];
            double *to = logp[trajectory - trajectories];

            assert(to != NULL);
            for (size_t i = 1; i < trajectory->count; i++)
                if (trajectory->mask[i] != 0)
                    to[i] = t->host[t->batch->token_rows[token++]];
        }
    }
    return status;
}

// --- one update ----------------------------------------------------------------------------------

static enum assay_status upload_batch(struct assay_trainer *t, struct assay_error *err)
{
    const struct assay_device *device = &t->model->ops->device;
    const struct assay_batch *b = t->batch;
    enum assay_status status = upload(t, t->logp_old, b->logp_old, b->token_count, err);

    if (status == ASSAY_OK)
        status = upload(t, t->logp_ref, b->logp_ref, b->token_count, err);
    if (status == ASSAY_OK)
        status = upload(t, t->advantage, b->advantage, b->sequence_count, err);
    if (status == ASSAY_OK)
        status = upload(t, t->norm, b->norm, b->sequence_count, err);
    device->upload(
            t->stream, t->token_rows, b->token_rows, b->token_count * sizeof(*b->token_rows));
    device->upload(
            t->stream, t->token_spans, b->token_spans, b->sequence_count * sizeof(*b->token_spans));
    return status;
}

// Gradients of one micro-batch, added to those of the others. Without logp_old a token's ratio
// is 1.
static enum assay_status accumulate(struct assay_trainer *t, size_t at, size_t count,
        const struct assay_batch_totals *totals, struct assay_update *update,
        struct assay_error *err)
{
    const struct assay_objective *o = &t->options.objective;
    const void *logp = NULL, *entropy = NULL;
    enum assay_status status = forward(t, at, count, &logp, &entropy, err);

    if (status == ASSAY_OK)
        status = upload_batch(t, err);
    if (status != ASSAY_OK)
        return status;
    struct assay_loss_args loss = {.dlogp = t->dlogp,
            .dentropy = o->entropy != 0 ? t->dentropy : NULL,
            .metrics = t->metrics,
            .logp = logp,
            .logp_old = t->order[at]->logp_old ? t->logp_old : NULL,
            .logp_ref = t->logp_ref,
            .entropy = entropy,
            .advantage = t->advantage,
            .row = t->token_rows,
            .spans = t->token_spans,
            .norm = t->norm,
            .B = t->batch->sequence_count,
            .T = t->batch->token_count,
            .R = t->batch->row_count,
            .token_count = totals->token_count,
            .sequence_count = totals->sequence_count,
            .norm_constant = totals->norm_constant,
            .kl = o->kl > 0 ? o->kl_estimator : ASSAY_LOSS_KL_NONE,
            .kl_coef = o->kl,
            .entropy_coef = o->entropy};
    assay_objective_kind(o, &loss.kind);
    t->model->ops->loss(&loss, t->stream);
    if (t->model->config.expert_count > 0 && t->model->config.router_aux_coef > 0) {
        // Each micro-batch has its share of the update's trajectories.
        const void *aux =
                assay_pass_aux(t->pass, (double)t->batch->sequence_count / totals->sequence_count);
        double value = 0;

        status = aux ? download(t, &value, aux, 1, err) : ASSAY_OK;
        update->aux_loss += value;
    }
    assay_pass_backward(t->pass, t->dlogp, loss.dentropy);
    update->row_count += t->batch->row_count;
    return status == ASSAY_OK ? t->model->ops->device.sync(t->stream, err) : status;
}

// Gradients of one shard, and what it counts.
static enum assay_status run_shard(struct assay_trainer *t, uint32_t shard, size_t count,
        const struct assay_batch_totals *totals, struct assay_share *share, struct assay_error *err)
{
    const struct assay_device *device = &t->model->ops->device;
    const size_t end = assay_shares_begin(&t->shares, shard + 1, count);
    struct assay_update part = {0};
    enum assay_status status = ASSAY_OK;

    assay_pass_zero_gradients(t->pass);
    device->zero(t->stream, t->metrics, sizeof(*t->metrics));
    for (size_t at = assay_shares_begin(&t->shares, shard, count); at < end && status == ASSAY_OK;
            at += t->batch->sequence_count)
        status = accumulate(t, at, end, totals, &part, err);
    if (status != ASSAY_OK)
        return status;
    device->download(t->stream, &share->metrics, t->metrics, sizeof(share->metrics));
    share->aux_loss = part.aux_loss;
    share->row_count = part.row_count;
    return device->sync(t->stream, err);
}

// Gradients of this process's shards, and what they count; all shards' sum is *gradients.
static enum assay_status sum_shards(struct assay_trainer *t, size_t count,
        const struct assay_batch_totals *totals, struct assay_update *update, void **gradients,
        double *squares, struct assay_error *err)
{
    const uint32_t world = t->shares.ranks.world;
    struct assay_share mine[ASSAY_RANKS_MAX] = {0}, all[ASSAY_RANKS_MAX];
    enum assay_status status = ASSAY_OK;

    for (uint32_t i = t->shares.ranks.rank; i < t->shares.count && status == ASSAY_OK; i += world) {
        status = run_shard(t, i, count, totals, &mine[i / world], err);
        if (status == ASSAY_OK)
            status = assay_shares_add(&t->shares, i, assay_pass_gradients(t->pass), err);
    }
    if (status == ASSAY_OK)
        status = assay_shares_join(&t->shares, all, mine, sizeof(*mine), err);
    if (status == ASSAY_OK)
        status = assay_shares_sum(
                &t->shares, gradients, squares, assay_pass_gradients(t->pass), err);
    for (uint32_t i = 0; i < t->shares.count && status == ASSAY_OK; i++) {
        assay_loss_metrics_add(&update->metrics, &all[i].metrics);
        update->aux_loss += all[i].aux_loss;
        update->row_count += (size_t)all[i].row_count;
    }
    return status;
}

static enum assay_status measure_gradient(struct assay_trainer *t, double squares,
        struct assay_update *update, struct assay_error *err)
{
    const struct assay_ops *ops = t->model->ops;
    const struct assay_clip_args clip = {.scale = t->scale,
            .norm = t->grad_norm,
            .sum = t->sumsq,
            .norm_max = t->options.optimizer.grad_norm_max};
    enum assay_status status;

    ops->device.upload(t->stream, t->sumsq, &squares, sizeof(squares));
    ops->clip(&clip, t->stream);
    status = download(t, &update->grad_norm, t->grad_norm, 1, err);
    if (status == ASSAY_OK)
        status = download(t, &update->grad_scale, t->scale, 1, err);
    if (status == ASSAY_OK && !(isfinite(update->grad_norm) && isfinite(update->metrics.loss)))
        status = assay_fail(err, ASSAY_EINVAL,
                "update %llu: loss %g and gradient norm %g are no numbers to go on with; the "
                "weights are as before",
                (unsigned long long)t->counts.updates, update->metrics.loss, update->grad_norm);
    return status;
}

// How many deviations the norm lies above those before it (llm.c skips such steps).
static double outlier_score(const struct assay_trainer_counts *counts, double norm)
{
    double mean = 0, variance = 0;

    if (counts->updates < ASSAY_NORM_WINDOW)
        return 0;
    for (size_t i = 0; i < ASSAY_NORM_WINDOW; i++)
        mean += counts->norms[i] / ASSAY_NORM_WINDOW;
    for (size_t i = 0; i < ASSAY_NORM_WINDOW; i++)
        variance += (counts->norms[i] - mean) * (counts->norms[i] - mean) / ASSAY_NORM_WINDOW;
    return variance > 0 ? (norm - mean) / sqrt(variance) : 0;
}

enum assay_status assay_trainer_update(struct assay_trainer *trainer,
        const struct assay_trajectory *trajectories, size_t count, struct assay_update *out,
        struct assay_error *err)
{
    struct assay_trainer *t = trainer;
    const struct assay_optimizer *o = &t->options.optimizer;
    struct assay_update update = {.lr = assay_optimizer_lr(o, t->counts.updates)};
    struct assay_batch_totals totals = {0};
    void *gradients = NULL;
    double squares = 0;
    enum assay_status status = ASSAY_OK;

    assert(count > 0);
    status = take_trajectories(t, trajectories, count, err);
    if (status == ASSAY_OK)
        status = assay_batch_total(&totals, t->norms, t->order, count, &t->options.objective, err);
    if (status != ASSAY_OK)
        return status;
    status = sum_shards(t, count, &totals, &update, &gradients, &squares, err);
    if (status == ASSAY_OK)
        status = measure_gradient(t, squares, &update, err);
    if (status != ASSAY_OK)
        return status;
    update.outlier_score = outlier_score(&t->counts, update.grad_norm);
    update.skipped = o->outlier_z > 0 && update.outlier_score > o->outlier_z;
    t->counts.norms[t->counts.updates++ % ASSAY_NORM_WINDOW] = update.grad_norm;
    if (update.skipped)
        t->counts.skipped++;
    else
        assay_trainer_apply(t, gradients, update.lr);
    *out = update;
    return update.skipped ? t->model->ops->device.sync(t->stream, err)
                          : assay_shares_give(&t->shares, t->model->params.weights, err);
}
