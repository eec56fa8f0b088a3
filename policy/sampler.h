// SPDX-License-Identifier: MIT
// sampler.h - one choice from one row of logits. Pure: the random number is handed in.
//
// In the order of transformers: repetition penalty, temperature, top-k, top-p, min-p. What is left
// is renormalised and drawn from; with temperature 0 the largest logit is taken (on a tie the lower
// id).
#ifndef ASSAY_POLICY_SAMPLER_H
#define ASSAY_POLICY_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct assay_sampling {
    double temperature;        // 0: the likeliest token; 1: as the model says
    uint32_t top_k;            // 0: all
    double top_p;              // smallest set with at least this mass; 1: all
    double min_p;              // at least this share of the likeliest; 0: all
    double repetition_penalty; // logits of tokens seen are divided (or, below 0, multiplied); 1:
                               // none
};
#define ASSAY_SAMPLING_PLAIN ((struct assay_sampling){1, 0, 1, 0, 1})

// ASSAY_EINVAL names the setting that is out of range.
ASSAY_MUST_USE enum assay_status assay_sampling_check(
        const struct assay_sampling *sampling, struct assay_error *err);

struct assay_sampler; // scratch for one vocabulary; not thread-safe

// Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_sampler_create(
        struct assay_sampler **out, uint32_t vocab_size, struct assay_error *err);
void assay_sampler_destroy(struct assay_sampler *sampler); // NULL is allowed

// Id in [0, valid). logits [valid]; seen: ids that repetition counts, any number of times; unit: in
// [0, 1).
int32_t assay_sampler_choose(struct assay_sampler *sampler, const double *logits, uint32_t valid,
        const struct assay_sampling *sampling, const int32_t *seen, size_t seen_count, double unit);

#endif
