// SPDX-License-Identifier: MIT
// pass.h - one forward over a packed batch, and the way back.
//
// A batch is T rows: the tokens of B sequences, one sequence after another; spans say where each
// lies (kernels/ops.h). The same code and the same kernels serve training (whole sequences from
// position 0, everything kept for the gradient) and sampling (pieces of sequences whose state
// lives elsewhere, nothing kept), so a token's logp is the same bits in both.
//
// Life of a training pass: create (memory for the largest batch, once) -> forward -> logprob ->
// backward -> ... -> destroy. Nothing is allocated in between.
#ifndef ASSAY_POLICY_PASS_H
#define ASSAY_POLICY_PASS_H

#include "policy/model.h"

// Where sampling keeps what came before: keys and values in pages, lightning states in slots.
struct assay_pass_state {
    void *const *k_pages, *const *v_pages; // [L] of softmax layers: [pages, BLOCK, G, D] A
    void *const *states;                   // [L] of lightning layers: [slots, H, D, D] S
    const int32_t *page_table;             // [slots, pages_per_slot], device
    size_t pages_per_slot;
};

struct assay_pass;

struct assay_pass_options {
    size_t rows_max, sequences_max; // > 0; rows and spans of one batch
    bool training;                  // keep what backward needs; gradients are allocated, too
};

// Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_pass_create(struct assay_pass **out,
        const struct assay_model *model, const struct assay_pass_options *options,
        struct assay_stream *stream, struct assay_error *err);
void assay_pass_destroy(struct assay_pass *pass); // NULL is allowed

// Bytes of device memory that such a pass takes, without gradients of weights.
uint64_t assay_pass_bytes(const struct assay_model_config *config, const struct assay_ops *ops,
        const struct assay_pass_options *options);

// Run the layers over ids [T], in host memory; spans [B] cover rows 0..T in order. state NULL:
// spans are whole sequences from position 0, or trees of such (kernels/ops.h). Queued; ids and
// spans are copied. ASSAY_EINVAL: an id outside of the vocabulary, more rows than rows_max, spans
// that do not tile the rows.
ASSAY_MUST_USE enum assay_status assay_pass_forward(struct assay_pass *pass, const int32_t *ids,
        size_t row_count, const struct assay_span *spans, size_t span_count,
        const struct assay_pass_state *state, struct assay_error *err);

// After forward: final states [T, C] A, and logits [count, V] S of `rows` (host, indices), in
// device memory of the pass until the next forward.
const void *assay_pass_hidden(const struct assay_pass *pass);
const void *assay_pass_logits(struct assay_pass *pass, const int32_t *rows, size_t count);

// logp [T] of targets [T] (host; < 0: skipped), scaled by 1 / temperature; entropy when wanted.
// Device memory of the pass, S. entropy may be NULL.
void assay_pass_logprob(struct assay_pass *pass, const int32_t *targets, double logit_scale,
        const void **logp, const void **entropy);

// After forward, before backward: the load-balancing loss of the batch's sparse layers times
// `scale`, device S [1]; its gradient is part of the next backward. Without a call there is no such
// loss. NULL when no layer has experts.
const void *assay_pass_aux(struct assay_pass *pass, double scale);

// Gradients of sum(dlogp . logp) [+ sum(dentropy . entropy)] [+ aux] with respect to all weights,
// added to the pass's gradients; dlogp and dentropy (may be NULL) [T] S in device memory. After
// forward and logprob with state NULL.
void assay_pass_backward(struct assay_pass *pass, const void *dlogp, const void *dentropy);

// Gradients [element_count] S in the layout of the params.
void *assay_pass_gradients(struct assay_pass *pass);
void assay_pass_zero_gradients(struct assay_pass *pass);

#endif
