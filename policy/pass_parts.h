// SPDX-License-Identifier: MIT
// pass_parts.h - a pass, inside: what its files share. pass.c makes it and runs it forward,
// pass_layout.c lays out its memory, pass_backward.c is the way back, layer_run.c what layers use.
#ifndef ASSAY_POLICY_PASS_PARTS_H
#define ASSAY_POLICY_PASS_PARTS_H

#include "policy/layers.h"
#include "policy/pass.h"

struct assay_pass {
    const struct assay_model *model;
    struct assay_stream *stream;
    struct assay_pass_options options;
    void *memory;                  // one device allocation for all below
    void **x;                      // [L + 1] residual stream before each layer, and after the last
    struct assay_layer_acts *acts; // [L] when training, else one
    struct assay_layer_scratch scratch;
    void *cosine, *sine, *hidden, *rstd_hidden, *logits, *picked;
    void *logp, *entropy, *lse;
    int32_t *ids, *positions, *targets, *rows; // device
    struct assay_span *spans;                  // device
    int32_t *host_ids;                         // staging, owned until the copy is done
    struct assay_span *host_spans;
    void *gradients; // training
    // Of the last forward.
    const struct assay_pass_state *state;
    size_t row_count, span_count, span_rows_max;
    double logit_scale;
    bool aux_wanted, entropy_wanted;
};

// Lay out all of the pass's device memory; a workspace without a base only measures. p->x and
// p->acts have room for the model's layers.
void assay_pass_take(struct assay_pass *p, struct assay_workspace *ws,
        const struct assay_model_config *c, const struct assay_ops *ops);

// One layer of the last batch; ASSAY_TENSOR_NO_LAYER: what belongs to none.
struct assay_layer_run assay_pass_run(struct assay_pass *p, uint32_t layer);

// The head's arguments for the last targets.
struct assay_logprob_args assay_pass_logprob_args(const struct assay_pass *p);

#endif
