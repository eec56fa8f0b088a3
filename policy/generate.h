// SPDX-License-Identifier: MIT
// generate.h - many answers at once: requests come at any time, sequences join and leave the batch
// between two passes.
//
// A request is one prompt and the number of samples wanted. The prompt is prefilled once; its
// samples are forks of it. What a sample becomes depends on its request's seed and its own number
// alone, not on what else is in the batch: bit for bit on one host and filling.
//
// Life: create -> add (any time) -> step until it says that nothing is left -> destroy. One thread.
#ifndef ASSAY_POLICY_GENERATE_H
#define ASSAY_POLICY_GENERATE_H

#include "policy/model.h"
#include "policy/sampler.h"

struct assay_generator;

struct assay_generator_options {
    size_t sequences_max; // at once, > 0
    size_t rows_max; // tokens of one pass; prompts are cut into pieces of this; >= sequences_max
    size_t positions_max; // prompt and answer together
    size_t page_count;    // of keys and values; 0: enough for all
};

enum assay_finish {
    ASSAY_FINISH_NONE,       // it goes on
    ASSAY_FINISH_STOP_ID,    // the token is one of the request's stop ids
    ASSAY_FINISH_LENGTH,     // as many tokens as were asked for, or positions_max
    ASSAY_FINISH_REPETITION, // M1's stop: too many certain tokens in a row
    ASSAY_FINISH_VISITOR,    // on_token said so
};
const char *assay_finish_name(enum assay_finish finish); // "stop", "length", ...

struct assay_generated {
    size_t sample; // of the request, from 0
    size_t index;  // of the token in the answer, from 0
    int32_t id;
    // log-probability under softmax(logits / temperature), of the whole vocabulary: what a trainer
    // computes. nats. (temperature 0: of softmax(logits).)
    double logp;
    enum assay_finish finish;
};
// False ends the sample. The token that a sample ended with has been handed over, too.
typedef bool (*assay_generated_visit)(void *user, const struct assay_generated *token);

struct assay_generation {
    const int32_t *prompt; // copied
    size_t prompt_count;   // > 0
    size_t sample_count;   // > 0, at most sequences_max
    size_t token_count_max;
    struct assay_sampling sampling;
    uint64_t seed;
    const int32_t *stop_ids; // copied
    size_t stop_id_count;
    // After so many tokens in a row with a probability above certain_probability the answer is a
    // loop (MiniMax-M1: 3,000 and 0.99); 0: never.
    size_t certain_count_max;
    double certain_probability;
    assay_generated_visit on_token;
    void *user;
};

// Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_generator_create(struct assay_generator **out,
        const struct assay_model *model, const struct assay_generator_options *options,
        struct assay_stream *stream, struct assay_error *err);
void assay_generator_destroy(struct assay_generator *generator); // NULL is allowed

// Queue a request. Requests are begun in the order in which they came, once there is room for all
// of one. ASSAY_EINVAL: a setting out of range, a prompt that does not fit or is not in the
// vocabulary.
ASSAY_MUST_USE enum assay_status assay_generator_add(struct assay_generator *generator,
        const struct assay_generation *request, struct assay_error *err);

// One pass over whatever is under way. *left: requests not finished. Errors: of the device.
ASSAY_MUST_USE enum assay_status assay_generator_step(
        struct assay_generator *generator, size_t *left, struct assay_error *err);

struct assay_generator_counts {
    uint64_t passes, prompt_rows, answer_rows; // rows: tokens that went through the layers
    uint64_t forks;
};
struct assay_generator_counts assay_generator_count(const struct assay_generator *generator);

#endif
