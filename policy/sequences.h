// SPDX-License-Identifier: MIT
// sequences.h - what sequences under way keep between two passes: pages of keys and values, and
// lightning states.
//
// A sequence has a slot. Its keys and values lie in pages of ASSAY_ATTENTION_BLOCK positions; a
// full page is never written again and may belong to several sequences, so a fork copies the
// lightning states and at most one page, whatever the length. Nothing is recomputed and no bit
// differs. Not thread-safe.
#ifndef ASSAY_POLICY_SEQUENCES_H
#define ASSAY_POLICY_SEQUENCES_H

#include "policy/pass.h"

struct assay_sequences;

struct assay_sequences_options {
    size_t slots_max;     // sequences at once
    size_t positions_max; // of one sequence
    size_t page_count;    // 0: enough for all slots at full length
};

#define ASSAY_SLOT_NONE UINT32_MAX

// Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_sequences_create(struct assay_sequences **out,
        const struct assay_model *model, const struct assay_sequences_options *options,
        struct assay_stream *stream, struct assay_error *err);
void assay_sequences_destroy(struct assay_sequences *sequences); // NULL is allowed

// An empty sequence; ASSAY_SLOT_NONE when all slots are taken.
uint32_t assay_sequences_open(struct assay_sequences *sequences);
// Another sequence with the same past. ASSAY_SLOT_NONE: no slot, or no page for the last,
// unfinished one.
uint32_t assay_sequences_fork(struct assay_sequences *sequences, uint32_t slot);
void assay_sequences_close(struct assay_sequences *sequences, uint32_t slot);
uint32_t assay_sequences_position(const struct assay_sequences *sequences, uint32_t slot);

// Make room for `row_count` more positions; false: too long, or no page is free. The span of the
// next forward's rows is filled but for `row`.
bool assay_sequences_extend(struct assay_sequences *sequences, uint32_t slot, uint32_t row_count,
        struct assay_span *span);
// What assay_pass_forward() takes, once all spans are extended; valid until the next change.
const struct assay_pass_state *assay_sequences_state(struct assay_sequences *sequences);

size_t assay_sequences_free_pages(const struct assay_sequences *sequences);
size_t assay_sequences_free_slots(const struct assay_sequences *sequences);
// Pages that `positions` take. Models without softmax layers take none.
size_t assay_sequences_pages_for(const struct assay_sequences *sequences, size_t positions);

#endif
