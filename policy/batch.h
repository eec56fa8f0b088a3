// SPDX-License-Identifier: MIT
// batch.h - trajectories as they were recorded, and how they are laid side by side for one pass.
//
// Token in, token out: ids, mask and log-probabilities are written while the policy samples and
// never come from text again. Row t of a sequence predicts ids[t + 1], so a trajectory of n ids
// takes n - 1 rows, and what stands at ids[t + 1] (mask, logp_old) belongs to row t.
//
// What trajectories of a group begin with alike (the prompt, often more) goes through the layers
// once: a group is a tree of spans, and a row of it stands for the same ids[0..t + 1] of all that
// pass through it. What is learned is counted for each trajectory all the same: its sampled tokens
// are a list of their own, and each names its row.
#ifndef ASSAY_POLICY_BATCH_H
#define ASSAY_POLICY_BATCH_H

#include "kernels/ops.h"
#include "policy/objective.h"

struct assay_trajectory {
    const int32_t *ids;     // [count] prompt, answer, and what tools said between
    const uint8_t *mask;    // [count] 1: the policy sampled this id
    const double *logp_old; // [count] nats, read where mask is 1; NULL: as it is now (sft)
    const double *logp_ref; // [count] likewise; NULL without kl
    size_t count;
    uint32_t group;
    double advantage;
};

// The checker that stands before every update: at least two ids, each in the vocabulary; mask 0 or
// 1, 0 on the first id, 1 somewhere; logp_old of sampled ids finite and at most 0 (ASSAY_LOGP_SLACK
// of rounding), the advantage finite. ASSAY_EINVAL names the token.
#define ASSAY_LOGP_SLACK 1e-5
ASSAY_MUST_USE enum assay_status assay_trajectory_check(
        const struct assay_trajectory *trajectory, uint32_t vocab_size, struct assay_error *err);
// 64-bit hash of the sampled ids: is this the same answer?
uint64_t assay_trajectory_answer(const struct assay_trajectory *trajectory);

// What N is made of, over all trajectories that one update sees.
struct assay_batch_totals {
    double token_count;    // sampled
    double sequence_count; // trajectories
    double norm_constant;  // objective's, times the trajectories
};
// norms [count]: N of each trajectory under ASSAY_NORM_PROMPT (0 for the other norms). Groups are
// told apart by number, wherever their trajectories stand. Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_batch_total(struct assay_batch_totals *out, double *norms,
        const struct assay_trajectory *const *trajectories, size_t count,
        const struct assay_objective *objective, struct assay_error *err);

// order [count]: the trajectories, borrowed, each beside those that it begins like: by group, then
// by ids, then as they stood.
void assay_batch_order(const struct assay_trajectory **order,
        const struct assay_trajectory *trajectories, size_t count);

// A micro-batch: whole trajectories, packed. Host memory.
struct assay_batch {
    size_t rows_max, sequences_max;
    // What goes through the layers.
    size_t row_count, span_count; // span_count <= 2 sequences_max
    int32_t *ids, *targets; // [row_count]; targets where a trajectory sampled the next id, else -1
    struct assay_span *spans; // [span_count], in trees
    // What is learned: the sampled tokens of one trajectory after another.
    size_t token_count, sequence_count; // token_count <= rows_max
    int32_t *token_rows;                // [token_count]
    double *logp_old, *logp_ref;        // [token_count]; 0 where there is none
    struct assay_span *token_spans;     // [sequence_count] row, row_count: its tokens
    double *advantage, *norm;           // [sequence_count]
    // Of fill: shared rows with the trajectory before, places of cuts, the row of each position.
    size_t *shared, *cuts; // [sequences_max]
    int32_t *path;         // [rows_max]
};
ASSAY_MUST_USE enum assay_status assay_batch_create(
        struct assay_batch **out, size_t rows_max, size_t sequences_max, struct assay_error *err);
void assay_batch_destroy(struct assay_batch *batch); // NULL is allowed
// Take trajectories, in assay_batch_order()'s order, from the front as long as they fit; returns
// how many: 0 when the first is longer than rows_max. norms may be NULL.
size_t assay_batch_fill(struct assay_batch *batch,
        const struct assay_trajectory *const *trajectories, const double *norms, size_t count);

#endif
