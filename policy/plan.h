// SPDX-License-Identifier: MIT
// plan.h - what training or serving a description takes on N GPUs of a kind: memory, time, cost.
// Arithmetic on published peaks and stated assumptions, not a measurement.
#ifndef ASSAY_POLICY_PLAN_H
#define ASSAY_POLICY_PLAN_H

#include "policy/config.h"

struct assay_gpu_kind {
    const char *name;
    double memory_bytes, flops_bf16, bytes_per_second; // of the vendor's data sheet, dense
    double price_per_hour; // US dollars; 0: none published with a source
};
const struct assay_gpu_kind *assay_gpu_kind_find(const char *name); // NULL: none
const struct assay_gpu_kind *assay_gpu_kind_at(size_t index);       // NULL past the end

struct assay_plan_request {
    bool training;
    const struct assay_gpu_kind *gpu;
    uint32_t gpu_count;
    uint64_t context;      // tokens of one sequence
    uint64_t sequences;    // at once, on all GPUs together
    uint64_t token_count;  // training: tokens in all; serving: tokens of an answer; 0: no time
    double weight_bits;    // serving: of a stored weight (4.25: 4 bits and scales); training: 16
    double utilization;    // of the peak, 0..1: MFU in training, share of the bandwidth in decode
    double price_per_hour; // 0: the kind's
};

struct assay_plan {
    // Over how many GPUs weights and gradients are split: the smallest power of two that fits
    // (training shares the optimizer over all). 0: it fits on no number of these GPUs.
    uint32_t split;
    // Of one GPU.
    double weights, gradients, optimizer, activations, state, kv, total;
    bool fits;
    double memory_bytes; // what the GPU has for it: 92 % of it
    double flops_per_token, bytes_per_step;
    double tokens_per_second, seconds, cost; // 0: not asked for, or no price
    uint64_t sequences_max;                  // serving: that fit at this context
};

// Assumptions: bf16 weights and activations, fp32 gradients (4 bytes), AdamW with fp32 m, v and
// master weights (12 bytes) shared over all GPUs; each layer's input kept and the rest recomputed
// (a token costs 4 forward passes); logits never whole. Decode reads every weight that some
// sequence of the batch needs, all keys and values, and reads and writes the states. Errors:
// ASSAY_EINVAL (a number out of range).
ASSAY_MUST_USE enum assay_status assay_plan_make(struct assay_plan *out,
        const struct assay_model_config *config, const struct assay_plan_request *request,
        struct assay_error *err);

#endif
