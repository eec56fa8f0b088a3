// SPDX-License-Identifier: MIT
#include "policy/chooser.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "policy/convert.h"

struct assay_chooser {
    const struct assay_model *model;
    struct assay_stream *stream;
    struct assay_sampler *sampler;
    size_t choices_max;
    void *ids, *units, *logp, *lse; // device, [choices_max]: int32, double, S, S
    int32_t *host_ids;
    double *host_units;
    void *host_logp;
    void *raw;      // one row of logits as the device has it
    double *logits; // [V]
};

static enum assay_status make_room(struct assay_chooser *c, struct assay_error *err)
{
    const struct assay_device *device = &c->model->ops->device;
    const size_t n = c->choices_max, sum = assay_dtype_bytes(c->model->ops->sum);
    const size_t vocab = c->model->config.vocab_size;
    enum assay_status status = assay_sampler_create(&c->sampler, c->model->config.vocab_size, err);

    if (status == ASSAY_OK)
        status = device->alloc(&c->ids, n * sizeof(int32_t), err);
    if (status == ASSAY_OK)
        status = device->alloc(&c->units, n * sizeof(double), err);
    if (status == ASSAY_OK)
        status = device->alloc(&c->logp, n * sum, err);
    if (status == ASSAY_OK)
        status = device->alloc(&c->lse, n * sum, err);
    if (status != ASSAY_OK)
        return status;
    c->host_ids = calloc(n, sizeof(*c->host_ids));
    c->host_units = calloc(n, sizeof(*c->host_units));
    c->host_logp = calloc(n, sum);
    c->raw = calloc(vocab, sizeof(double));
    c->logits = calloc(vocab, sizeof(*c->logits));
    return c->host_ids && c->host_units && c->host_logp && c->raw && c->logits
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

enum assay_status assay_chooser_create(struct assay_chooser **out, const struct assay_model *model,
        size_t choices_max, struct assay_stream *stream, struct assay_error *err)
{
    struct assay_chooser *c = calloc(1, sizeof(*c));
    enum assay_status status;

    assert(choices_max > 0);
    if (!c)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    c->model = model;
    c->stream = stream;
    c->choices_max = choices_max;
    status = make_room(c, err);
    if (status == ASSAY_OK)
        *out = c;
    else
        assay_chooser_destroy(c);
    return status;
}

void assay_chooser_destroy(struct assay_chooser *chooser)
{
    const struct assay_device *device;

    if (!chooser)
        return;
    device = &chooser->model->ops->device;
    (void)device->sync(chooser->stream, NULL);
    assay_sampler_destroy(chooser->sampler);
    device->release(chooser->ids);
    device->release(chooser->units);
    device->release(chooser->logp);
    device->release(chooser->lse);
    free(chooser->host_ids);
    free(chooser->host_units);
    free(chooser->host_logp);
    free(chooser->raw);
    free(chooser->logits);
    free(chooser);
}

static bool is_plain(const struct assay_sampling *sampling)
{
    return sampling->temperature > 0 && sampling->top_k == 0 && sampling->top_p >= 1 &&
            sampling->min_p <= 0 && sampling->repetition_penalty == 1;
}

// How many choices from `first` on can be drawn together: rows that follow each other, one
// temperature. 0: the first is not drawn.
static size_t run_length(const struct assay_choice *choices, size_t first, size_t count)
{
    size_t end = first;

    while (end < count && is_plain(choices[end].sampling) &&
            choices[end].row == choices[first].row + (end - first) &&
            choices[end].sampling->temperature == choices[first].sampling->temperature)
        end++;
    return end - first;
}

static void *at(void *base, size_t index, size_t bytes)
{
    return (char *)base + index * bytes;
}

static const void *row_at(const struct assay_chooser *c, const void *logits, size_t row)
{
    return (const char *)logits +
            row * c->model->config.vocab_size * assay_dtype_bytes(c->model->ops->sum);
}

static void draw(struct assay_chooser *c, const void *logits, const struct assay_choice *choices,
        size_t first, size_t count)
{
    const size_t sum = assay_dtype_bytes(c->model->ops->sum);
    const struct assay_draw_args args = {.id = at(c->ids, first, sizeof(int32_t)),
            .logp = at(c->logp, first, sum),
            .lse = at(c->lse, first, sum),
            .logits = row_at(c, logits, choices[first].row),
            .unit = at(c->units, first, sizeof(double)),
            .T = count,
            .V = c->model->config.vocab_size,
            .V_valid = c->model->config.vocab_sampled,
            .logit_scale = 1 / choices[first].sampling->temperature};

    c->model->ops->draw(&args, c->stream);
}

static enum assay_status pick(struct assay_chooser *c, const void *logits,
        const struct assay_choice *choice, size_t index, struct assay_error *err)
{
    const struct assay_ops *ops = c->model->ops;
    const size_t vocab = c->model->config.vocab_size, sum = assay_dtype_bytes(ops->sum);
    const double temperature = choice->sampling->temperature;
    const struct assay_logprob_args args = {.logp = at(c->logp, index, sum),
            .lse = at(c->lse, index, sum),
            .logits = row_at(c, logits, choice->row),
            .target = at(c->ids, index, sizeof(int32_t)),
            .T = 1,
            .C = c->model->config.hidden_size,
            .V = vocab,
            .V_valid = c->model->config.vocab_sampled,
            .logit_scale = temperature > 0 ? 1 / temperature : 1};
    enum assay_status status;

    ops->device.download(c->stream, c->raw, args.logits, vocab * assay_dtype_bytes(ops->sum));
    status = ops->device.sync(c->stream, err);
    if (status != ASSAY_OK)
        return status;
    assay_convert_to_double(c->logits, c->raw, ops->sum, vocab);
    c->host_ids[index] = assay_sampler_choose(c->sampler, c->logits, (uint32_t)args.V_valid,
            choice->sampling, choice->seen, choice->seen_count, choice->unit);
    ops->device.upload(
            c->stream, at(c->ids, index, sizeof(int32_t)), &c->host_ids[index], sizeof(int32_t));
    ops->logprob_of_logits(&args, c->stream);
    return ASSAY_OK;
}

enum assay_status assay_chooser_run(struct assay_chooser *chooser, const void *logits,
        struct assay_choice *choices, size_t count, struct assay_error *err)
{
    struct assay_chooser *c = chooser;
    const struct assay_device *device = &c->model->ops->device;
    const size_t sum = assay_dtype_bytes(c->model->ops->sum);
    enum assay_status status = ASSAY_OK;

    assert(count <= c->choices_max);
    for (size_t i = 0; i < count; i++)
        c->host_units[i] = choices[i].unit;
    device->upload(c->stream, c->units, c->host_units, count * sizeof(double));
    for (size_t i = 0; i < count && status == ASSAY_OK;) {
        const size_t together = run_length(choices, i, count);

        if (together > 0)
            draw(c, logits, choices, i, together);
        else
            status = pick(c, logits, &choices[i], i, err);
        i += together > 0 ? together : 1;
    }
    device->download(c->stream, c->host_ids, c->ids, count * sizeof(int32_t));
    device->download(c->stream, c->host_logp, c->logp, count * sum);
    if (status == ASSAY_OK)
        status = device->sync(c->stream, err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        choices[i].id = c->host_ids[i];
        assay_convert_to_double(&choices[i].logp, at(c->host_logp, i, sum), c->model->ops->sum, 1);
    }
    return status;
}
