// SPDX-License-Identifier: MIT
// learner.h - training steps of a model on made-up sequences: forward, backward, AdamW, fp32.
//
// The loss is the mean negative logp of all tokens but each sequence's first, as the peer's.
#ifndef ASSAY_BENCH_POLICY_LEARNER_H
#define ASSAY_BENCH_POLICY_LEARNER_H

#include <stddef.h>
#include <stdint.h>

#include "policy/model.h"

struct learner; // opaque; owned by whoever called learner_make()

// `count` ids of sequence `b`, the same for both sides: (7919 b + 104729 i + 17) mod vocab.
void learner_ids(int32_t *ids, size_t count, size_t b, size_t vocab);

// Of `sequences` of `length` tokens each; ends the program when memory is short.
struct learner *learner_make(struct assay_model *model, const struct assay_ops *ops,
        struct assay_stream *stream, size_t sequences, size_t length);
// Seconds of a step; *loss (NULL: not wanted) before it.
double learner_step(struct learner *learner, double *loss);
void learner_free(struct learner *learner);

#endif
