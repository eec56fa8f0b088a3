// SPDX-License-Identifier: MIT
#include "policy/sampler.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct candidate {
    double value; // logit, then weight
    int32_t id;
};

struct assay_sampler {
    uint32_t vocab_size;
    struct candidate *candidates; // [vocab_size]
    unsigned char *seen;          // [vocab_size]
};

enum assay_status assay_sampling_check(
        const struct assay_sampling *sampling, struct assay_error *err)
{
    if (!(sampling->temperature >= 0) || !(sampling->temperature <= 100))
        return assay_fail(err, ASSAY_EINVAL, "temperature is not between 0 and 100");
    if (!(sampling->top_p > 0) || !(sampling->top_p <= 1))
        return assay_fail(err, ASSAY_EINVAL, "top_p is not above 0 and at most 1");
    if (!(sampling->min_p >= 0) || !(sampling->min_p <= 1))
        return assay_fail(err, ASSAY_EINVAL, "min_p is not between 0 and 1");
    if (!(sampling->repetition_penalty > 0) || !(sampling->repetition_penalty <= 100))
        return assay_fail(err, ASSAY_EINVAL, "repetition_penalty is not above 0");
    return ASSAY_OK;
}

enum assay_status assay_sampler_create(
        struct assay_sampler **out, uint32_t vocab_size, struct assay_error *err)
{
    struct assay_sampler *s = calloc(1, sizeof(*s));

    if (s) {
        s->vocab_size = vocab_size;
        s->candidates = calloc(vocab_size, sizeof(*s->candidates));
        s->seen = calloc(vocab_size, 1);
    }
    if (!s || !s->candidates || !s->seen) {
        assay_sampler_destroy(s);
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    *out = s;
    return ASSAY_OK;
}

void assay_sampler_destroy(struct assay_sampler *sampler)
{
    if (!sampler)
        return;
    free(sampler->candidates);
    free(sampler->seen);
    free(sampler);
}

// Larger first; of equals the lower id.
static int compare(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static void take_logits(struct assay_sampler *s, const double *logits, uint32_t valid,
        const struct assay_sampling *sampling, const int32_t *seen, size_t seen_count)
{
    for (uint32_t i = 0; i < valid; i++)
        s->candidates[i] = (struct candidate){logits[i], (int32_t)i};
    if (sampling->repetition_penalty == 1)
        return;
    memset(s->seen, 0, valid);
    for (size_t i = 0; i < seen_count; i++) {
        const uint32_t id = (uint32_t)seen[i];
        double *value;

        if (id >= valid || s->seen[id])
            continue;
        s->seen[id] = 1;
        value = &s->candidates[id].value;
        *value = *value < 0 ? *value * sampling->repetition_penalty
                            : *value / sampling->repetition_penalty;
    }
}

static int32_t likeliest(const struct assay_sampler *s, uint32_t valid)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < valid; i++)
        if (s->candidates[i].value > s->candidates[best].value)
            best = i;
    return s->candidates[best].id;
}

// Logits become weights relative to the largest; returns their sum.
static double weigh(struct assay_sampler *s, uint32_t count, double temperature)
{
    double largest = -HUGE_VAL, sum = 0;

    for (uint32_t i = 0; i < count; i++)
        largest = fmax(largest, s->candidates[i].value);
    for (uint32_t i = 0; i < count; i++) {
        s->candidates[i].value = exp((s->candidates[i].value - largest) / temperature);
        sum += s->candidates[i].value;
    }
    return sum;
}

// How many of the sorted weights stay; *sum is of those.
static uint32_t cut(const struct assay_sampler *s, uint32_t count,
        const struct assay_sampling *sampling, double *sum)
{
    uint32_t kept = sampling->top_k && sampling->top_k < count ? sampling->top_k : count;
    double total = 0, running = 0;
    uint32_t i = 0;

    for (i = 0; i < kept; i++)
        total += s->candidates[i].value;
    for (i = 0; i < kept && (i == 0 || running < sampling->top_p * total); i++)
        running += s->candidates[i].value;
    kept = i;
    while (kept > 1 && s->candidates[kept - 1].value < sampling->min_p * s->candidates[0].value)
        running -= s->candidates[--kept].value;
    *sum = running;
    return kept;
}

int32_t assay_sampler_choose(struct assay_sampler *sampler, const double *logits, uint32_t valid,
        const struct assay_sampling *sampling, const int32_t *seen, size_t seen_count, double unit)
{
    struct assay_sampler *s = sampler;
    uint32_t count = valid;
    double sum, at, running = 0;

    take_logits(s, logits, valid, sampling, seen, seen_count);
    if (sampling->temperature == 0)
        return likeliest(s, valid);
    sum = weigh(s, count, sampling->temperature);
    if (sampling->top_k || sampling->top_p < 1 || sampling->min_p > 0) {
        qsort(s->candidates, count, sizeof(*s->candidates), compare);
        count = cut(s, count, sampling, &sum);
    }
    at = unit * sum;
    for (uint32_t i = 0; i < count; i++) {
        running += s->candidates[i].value;
        if (at < running)
            return s->candidates[i].id;
    }
    // Rounding let the sum fall short: the last that has any weight.
    while (count > 1 && !(s->candidates[count - 1].value > 0))
        count--;
    return s->candidates[count - 1].id;
}
