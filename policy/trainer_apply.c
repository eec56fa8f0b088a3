// SPDX-License-Identifier: MIT
#include "policy/trainer_parts.h"

static double decay_of(const struct assay_trainer *t, size_t tensor)
{
    return t->model->params.specs[tensor].rows > 1 ? t->options.optimizer.weight_decay : 0;
}

// AdamW on elements [first, end) of the layout, which decay alike, as far as this process updates
// them. Padding is zero and stays so.
static void apply_range(struct assay_trainer *t, const void *gradients, double lr, double decay,
        uint64_t from, uint64_t until)
{
    const uint64_t first = later(from, t->shares.from), end = sooner(until, t->shares.until);
    const struct assay_ops *ops = t->model->ops;
    const struct assay_optimizer *o = &t->options.optimizer;
    const size_t s = assay_dtype_bytes(ops->sum), at = (size_t)(first - t->shares.from) * s;
    char *const weights = t->model->params.weights;
    const struct assay_adamw_args args = {
            .param = weights + (size_t)first * assay_dtype_bytes(ops->weight),
            .master = t->master ? (char *)t->master + at : NULL,
            .m = (char *)t->first + at,
            .v = (char *)t->second + at,
            .grad = (const char *)gradients + (size_t)first * s,
            .scale = t->scale,
            .count = (size_t)(end - first),
            .lr = lr,
            .beta1 = o->beta1,
            .beta2 = o->beta2,
            .eps = o->eps,
            .weight_decay = decay,
            .step = t->counts.applied};

    if (first < end)
        ops->adamw(&args, t->stream);
}

// Neighbours that decay alike go together: without decay all tensors do.
void assay_trainer_apply(struct assay_trainer *trainer, const void *gradients, double lr)
{
    struct assay_trainer *t = trainer;
    const struct assay_params *params = &t->model->params;

    t->counts.applied++;
    for (size_t i = 0, next; i < params->count; i = next) {
        const double decay = decay_of(t, i);

        next = i + 1;
        while (next < params->count && decay_of(t, next) == decay)
            next++;
        apply_range(t, gradients, lr, decay, params->offsets[i],
                next < params->count ? params->offsets[next] : params->element_count);
    }
}
