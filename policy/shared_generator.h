// SPDX-License-Identifier: MIT
// shared_generator.h - one generator for many threads: each asks for one answer and waits for it,
// and answers that are under way at the same time are made in the same passes.
//
// There is no thread of its own: of those who wait, one drives the passes of all, until its own
// answer is there, and then another does. What an answer becomes does not depend on who else asked
// (generate.h).
#ifndef ASSAY_POLICY_SHARED_GENERATOR_H
#define ASSAY_POLICY_SHARED_GENERATOR_H

#include "policy/generate.h"

struct assay_shared_generator; // opaque; owned by whoever called assay_shared_generator_create()

struct assay_shared_options {
    size_t answers_max; // at once, > 0
    size_t rows_max;    // tokens of one pass; >= answers_max
    // Of keys, values and states; fewer answers are made at once where it is short. One answer
    // alone may take more.
    uint64_t bytes_max;
};

// Model and stream are borrowed, and nobody else uses the stream. Nothing is allocated on the
// device before the first question.
ASSAY_MUST_USE enum assay_status assay_shared_generator_create(struct assay_shared_generator **out,
        const struct assay_model *model, const struct assay_shared_options *options,
        struct assay_stream *stream, struct assay_error *err);
void assay_shared_generator_destroy(
        struct assay_shared_generator *shared); // nobody asks; NULL: fine

// What a question may come to.
struct assay_shared_limits {
    const volatile bool *cancel;
    uint64_t deadline_ms; // on assay_clock_ms()'s scale
};

// The answer to one request of one sample; its on_token is called from whichever thread drives,
// never after this returned. Room is made for its prompt and as many tokens as it asks for.
// Errors: ASSAY_EINTERRUPTED, ASSAY_ETIMEOUT (it may take a pass to be heard), those of
// assay_generator_add() and of the device: every answer under way then has the same.
ASSAY_MUST_USE enum assay_status assay_shared_generator_ask(struct assay_shared_generator *shared,
        const struct assay_generation *request, const struct assay_shared_limits *limits,
        struct assay_error *err);

struct assay_shared_counts {
    uint64_t answers, passes; // passes: driven so far
    size_t together_max;      // most answers under way in one pass
};
struct assay_shared_counts assay_shared_generator_count(struct assay_shared_generator *shared);

#endif
