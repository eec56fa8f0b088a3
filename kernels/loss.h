// SPDX-License-Identifier: MIT
// loss.h - the losses of reinforcement learning as one formula (facts/rl.md 3.1).
//
//     L = -(1/N) sum_t m w A l          w held constant, so  dL/dl = -m w A / N
//     l = logp under the policy being trained, l0 = logp_old when it was sampled, r = exp(l - l0)
//
// A loss is a choice of w (weight and mask), of N (norm) and, outside, of A. Exponents are clamped
// to +-20.
#ifndef ASSAY_KERNELS_LOSS_H
#define ASSAY_KERNELS_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct assay_span;

enum assay_loss_weight {
    ASSAY_LOSS_WEIGHT_ONE,      // 1: reinforce, rloo, sft
    ASSAY_LOSS_WEIGHT_RATIO,    // r: importance sampling, ppo, grpo
    ASSAY_LOSS_WEIGHT_CAPPED,   // max(floor, min(r, cap)): cispo
    ASSAY_LOSS_WEIGHT_SEQUENCE, // exp(mean over the span's sampled tokens of l - l0), for all of
                                // them: gspo
};

enum assay_loss_norm {
    ASSAY_LOSS_NORM_TOKENS,    // N = token_count
    ASSAY_LOSS_NORM_SEQUENCES, // N = sampled tokens of the span * sequence_count
    ASSAY_LOSS_NORM_CONSTANT,  // N = norm_constant
    ASSAY_LOSS_NORM_GIVEN,     // N = norm[b]
};

enum assay_loss_kl {
    ASSAY_LOSS_KL_NONE,
    ASSAY_LOSS_KL_K1, // -d           d = l_ref - l
    ASSAY_LOSS_KL_K2, // d^2 / 2
    ASSAY_LOSS_KL_K3, // exp(d) - d - 1
};

// What a loss is made of; token_count and the like depend on the batch and stand in the arguments.
struct assay_loss_kind {
    const char *name;
    enum assay_loss_weight weight;
    enum assay_loss_norm norm;
    // The PPO mask: w = 0 where A > 0 and ratio > clip_high, or A < 0 and ratio < clip_low, or
    // (clip_dual > 0) A < 0 and ratio > clip_dual. ratio is r, or the sequence's. Bounds are
    // weights, not deltas. Without `masked` it is counted in the metrics all the same, never
    // applied.
    bool masked;
    double clip_low, clip_high, clip_dual;
    double cap;   // > 0; of WEIGHT_CAPPED
    double floor; // 0 <= floor <= cap; of WEIGHT_CAPPED: w = max(floor, min(r, cap))
};

// Sums over the sampled tokens of the call, added to what is there. Divide by token_count for
// means.
struct assay_loss_metrics {
    double token_count;
    // L of this call, KL and (where entropy is given) bonus included; near 0 by construction: not a
    // measure of progress.
    double loss;
    double ratio_sum, ratio_max,
            logp_diff_max;                   // max |l - l0|: 0 right after sampling, by promise 5
    double capped_positive, capped_negative; // tokens with r > cap, by sign of A
    double masked_count; // tokens that the PPO mask of [clip_low, clip_high] hits, applied or not
    double grad_mass;    // sum |w A| with this loss's w
    double rescued_mass; // the part of it on tokens that the PPO mask hits: nobody else logs it
    double kl_old_sum;   // k3 of l against l0
    double kl_ref_sum;   // the chosen estimator against l_ref
    double entropy_sum;  // 0 without entropy
};

// Sums and maxima of two calls.
void assay_loss_metrics_add(struct assay_loss_metrics *to, const struct assay_loss_metrics *from);

struct assay_loss_args {
    struct assay_loss_kind kind;
    void *dlogp;    // [R] S out: dL/dl, summed over the tokens of a row in rising order
    void *dentropy; // [R] S out: -entropy_coef / N, summed likewise; NULL without a bonus
    struct assay_loss_metrics *metrics; // [1] +=
    const void *logp;                   // [R] S, nats
    const void *logp_old;               // [T] S; NULL: as logp, r = 1
    const void *logp_ref;               // [T] S; NULL without KL
    const void *entropy;                // [R] S or NULL; for metrics
    const void *advantage;              // [B] S, one a span
    const uint8_t *mask;                // [T] 1: the policy sampled this token; NULL: all of them
    const int32_t *row;                 // [T] < R: token t's; NULL: t itself, and R is T
    const struct assay_span *spans;     // [B] of tokens; a trajectory is one span, whole
    const void *norm;                   // [B] S, of NORM_GIVEN
    size_t B, T, R;                     // trajectories, tokens, rows of the head
    double token_count, sequence_count, norm_constant; // > 0 where used; of the *global* batch
    enum assay_loss_kl kl;
    double kl_coef, entropy_coef;
};

// The published losses with their published bounds: cispo (the default, row 0), grpo, dapo, gspo,
// dr_grpo, rloo, reinforce, reinforce_is, ppo, sft. NULL when there is no such name. Borrowed,
// static.
const struct assay_loss_kind *assay_loss_kind_find(const char *name);
const struct assay_loss_kind *assay_loss_kind_at(size_t index); // NULL past the end

#endif
