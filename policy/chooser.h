// SPDX-License-Identifier: MIT
// chooser.h - the next tokens of many sequences, from rows of logits, and what they were worth.
// Internal to this room.
//
// Rows that are sampled as the model says (no cut, no penalty) are drawn where the logits are, all
// together; the others are fetched and chosen from one by one (sampler.h). Every logp is that of
// the operation that a trainer uses: the same bits.
#ifndef ASSAY_POLICY_CHOOSER_H
#define ASSAY_POLICY_CHOOSER_H

#include "policy/model.h"
#include "policy/sampler.h"

struct assay_choice {
    size_t row;                            // of the logits
    const struct assay_sampling *sampling; // borrowed
    const int32_t *seen;                   // what repetition counts, borrowed
    size_t seen_count;
    double unit; // in [0, 1): its random number
    int32_t id;  // out
    double logp; // out: under softmax(logits / temperature); at temperature 0 of softmax(logits)
};

struct assay_chooser;

// For up to choices_max choices a call. Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_chooser_create(struct assay_chooser **out,
        const struct assay_model *model, size_t choices_max, struct assay_stream *stream,
        struct assay_error *err);
void assay_chooser_destroy(struct assay_chooser *chooser); // NULL is allowed

// logits [rows, V] A, in device memory. Waits for the stream. Errors: of the device.
ASSAY_MUST_USE enum assay_status assay_chooser_run(struct assay_chooser *chooser,
        const void *logits, struct assay_choice *choices, size_t count, struct assay_error *err);

#endif
