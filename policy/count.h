// SPDX-License-Identifier: MIT
// count.h - what a description amounts to: parameters, bytes of state, floating-point operations.
#ifndef ASSAY_POLICY_COUNT_H
#define ASSAY_POLICY_COUNT_H

#include "policy/config.h"

// Elements. A tied head counts once, as the embedding.
struct assay_model_counts {
    uint64_t total;
    uint64_t embedding, head; // head: 0 when tied
    uint64_t softmax, lightning, ffn, experts, routers, norms;
    uint64_t tensors;
    // Passed through by one token: all but the experts that it is not sent to, without embedding
    // and head (the field's "45.9 B active" of MiniMax-M1 is this).
    uint64_t active;
};
void assay_model_count(struct assay_model_counts *out, const struct assay_model_config *config);

// What one sequence keeps: fp32 state of lightning layers, whatever its length, and keys and values
// of softmax layers for each token (bytes of one element: kv_element_bytes).
uint64_t assay_model_state_bytes(const struct assay_model_config *config);
uint64_t assay_model_kv_bytes_per_token(
        const struct assay_model_config *config, uint32_t kv_element_bytes);

// Operations of a forward pass, a multiply-add being two. Three conventions, since published
// comparisons mix them:
struct assay_model_flops {
    double weights;    // 2 x active weights and head, the "2N" rule: attention left out
    double marginal;   // of the token at position `length`: weights, scores, state
    double cumulative; // of all of the `length` tokens, divided by `length`
};
// A trained token costs three times a forward one (with weights, "6N").
void assay_model_flops(
        struct assay_model_flops *out, const struct assay_model_config *config, uint64_t length);

#endif
