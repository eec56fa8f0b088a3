// SPDX-License-Identifier: MIT
#include "learner.h"

#include <stdlib.h>
#include <string.h>

#include "figure.h"
#include "policy/pass.h"

struct learner {
    struct assay_model *model;
    const struct assay_ops *ops;
    struct assay_stream *stream;
    size_t sequences, length;
    struct assay_pass *pass;
    struct assay_span *spans;
    int32_t *ids, *targets;
    void *dlogp, *m, *v;
    uint64_t step;
};

void learner_ids(int32_t *ids, size_t count, size_t b, size_t vocab)
{
    for (size_t i = 0; i < count; i++)
        ids[i] = (int32_t)((b * 7919 + i * 104729 + 17) % vocab);
}

static void fill(struct learner *learner)
{
    const size_t length = learner->length;
    const float weight = -1.0f / (float)(learner->sequences * (length - 1));
    float *dlogp = learner->dlogp;

    for (size_t b = 0; b < learner->sequences; b++) {
        int32_t *ids = learner->ids + b * length, *targets = learner->targets + b * length;

        learner->spans[b] = (struct assay_span){
                .row = (uint32_t)(b * length), .row_count = (uint32_t)length, .slot = (uint32_t)b};
        learner_ids(ids, length, b, learner->model->config.vocab_size);
        memcpy(targets, ids + 1, (length - 1) * sizeof(*ids));
        targets[length - 1] = -1;
        for (size_t i = 0; i < length; i++)
            dlogp[b * length + i] = i + 1 < length ? weight : 0;
    }
}

struct learner *learner_make(struct assay_model *model, const struct assay_ops *ops,
        struct assay_stream *stream, size_t sequences, size_t length)
{
    const size_t rows = sequences * length;
    const struct assay_pass_options options = {
            .rows_max = (uint32_t)rows, .sequences_max = (uint32_t)sequences, .training = true};
    const struct assay_device *device = &ops->device;
    const size_t bytes = model->params.element_count * sizeof(float);
    struct learner *learner = calloc(1, sizeof(*learner));

    must(learner != NULL, "memory");
    *learner = (struct learner){.model = model,
            .ops = ops,
            .stream = stream,
            .sequences = sequences,
            .length = length,
            .spans = calloc(sequences, sizeof(struct assay_span)),
            .ids = calloc(rows, sizeof(int32_t)),
            .targets = calloc(rows, sizeof(int32_t))};
    must(learner->spans != NULL && learner->ids != NULL && learner->targets != NULL &&
                    assay_pass_create(&learner->pass, model, &options, stream, NULL) == ASSAY_OK &&
                    device->alloc(&learner->dlogp, rows * sizeof(float), NULL) == ASSAY_OK &&
                    device->alloc(&learner->m, bytes, NULL) == ASSAY_OK &&
                    device->alloc(&learner->v, bytes, NULL) == ASSAY_OK,
            "memory");
    fill(learner);
    return learner;
}

double learner_step(struct learner *learner, double *loss)
{
    struct assay_params *params = &learner->model->params;
    const size_t rows = learner->sequences * learner->length;
    const double tokens = (double)(learner->sequences * (learner->length - 1));
    double start = 0;
    const void *logp = NULL;
    struct assay_adamw_args adamw = {.param = params->weights,
            .m = learner->m,
            .v = learner->v,
            .count = params->element_count,
            .lr = 1e-4,
            .beta1 = 0.9,
            .beta2 = 0.999,
            .eps = 1e-8,
            .weight_decay = 0.01,
            .step = ++learner->step};

    settle();
    start = now_s();
    assay_pass_zero_gradients(learner->pass);
    must(assay_pass_forward(learner->pass, learner->ids, (uint32_t)rows, learner->spans,
                 (uint32_t)learner->sequences, NULL, NULL) == ASSAY_OK,
            "forward");
    assay_pass_logprob(learner->pass, learner->targets, 1, &logp, NULL);
    assay_pass_backward(learner->pass, learner->dlogp, NULL);
    adamw.grad = assay_pass_gradients(learner->pass);
    learner->ops->adamw(&adamw, learner->stream);
    must(learner->ops->device.sync(learner->stream, NULL) == ASSAY_OK, "step");
    if (loss != NULL) {
        *loss = 0;
        for (size_t i = 0; i < rows; i++)
            *loss -= (double)((const float *)logp)[i] / tokens;
    }
    return now_s() - start;
}

void learner_free(struct learner *learner)
{
    assay_pass_destroy(learner->pass);
    learner->ops->device.release(learner->dlogp);
    learner->ops->device.release(learner->m);
    learner->ops->device.release(learner->v);
    free(learner->spans);
    free(learner->ids);
    free(learner->targets);
    free(learner);
}
