// SPDX-License-Identifier: MIT
// optimizer.c - settings of the optimizer: what is allowed, and the learning rate's course.
#include <math.h>
#include <string.h>

#include "policy/trainer.h"

static const char *const schedule_names[] = {"constant", "linear", "cosine"};

const char *assay_schedule_name(enum assay_schedule schedule)
{
    return schedule_names[schedule];
}

int assay_schedule_find(const char *name)
{
    for (size_t i = 0; i < sizeof(schedule_names) / sizeof(schedule_names[0]); i++)
        if (strcmp(schedule_names[i], name) == 0)
            return (int)i;
    return -1;
}

double assay_optimizer_lr(const struct assay_optimizer *optimizer, uint64_t index)
{
    const struct assay_optimizer *o = optimizer;
    double done;

    if (index < o->warmup)
        return o->lr * (double)(index + 1) / (double)o->warmup;
    if (o->schedule == ASSAY_SCHEDULE_CONSTANT || o->updates <= o->warmup)
        return o->lr;
    done = (double)(index - o->warmup) / (double)(o->updates - o->warmup);
    done = done > 1 ? 1 : done;
    if (o->schedule == ASSAY_SCHEDULE_COSINE)
        done = (1 - cos(M_PI * done)) / 2;
    return o->lr * (1 - (1 - o->lr_floor) * done);
}

enum assay_status assay_optimizer_check(
        const struct assay_optimizer *optimizer, struct assay_error *err)
{
    const struct assay_optimizer *o = optimizer;
    const struct {
        const char *name;
        double value, min, max; // max itself is allowed where it is a bound of good sense
    } rows[] = {{"lr", o->lr, 0, 10}, {"beta1", o->beta1, 0, 0.99999},
            {"beta2", o->beta2, 0, 0.9999999}, {"eps", o->eps, 0, 1},
            {"weight_decay", o->weight_decay, 0, 10}, {"grad_norm_max", o->grad_norm_max, 0, 1e30},
            {"outlier_z", o->outlier_z, 0, 1e30}, {"lr_floor", o->lr_floor, 0, 1}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!(rows[i].value >= rows[i].min && rows[i].value <= rows[i].max))
            return assay_fail(err, ASSAY_EINVAL, "%s: %g is not in [%g, %g]", rows[i].name,
                    rows[i].value, rows[i].min, rows[i].max);
    return ASSAY_OK;
}
