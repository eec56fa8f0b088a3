// SPDX-License-Identifier: MIT
// bpe_train.h - a byte-level BPE vocabulary from texts: the one that HF's BpeTrainer makes of them.
//
// Ids: special tokens, the 256 bytes in the order of their alphabet, then merges. The most frequent
// pair is merged; on a tie, the one with the lower ids.
#ifndef ASSAY_POLICY_BPE_TRAIN_H
#define ASSAY_POLICY_BPE_TRAIN_H

#include <stdint.h>

#include "base/buf.h"

#define ASSAY_SPECIAL_TOKENS_MAX 256

struct assay_bpe_trainer; // opaque; owned

// `pattern`: gpt2, qwen2 (with NFC) or o200k. Errors: ASSAY_EINVAL, ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_bpe_trainer_create(
        struct assay_bpe_trainer **out, const char *pattern, struct assay_error *err);
void assay_bpe_trainer_destroy(struct assay_bpe_trainer *trainer); // NULL is allowed

// Count the words of a text. Errors: ASSAY_EINVAL (too long), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_bpe_trainer_add(
        struct assay_bpe_trainer *trainer, const char *text, size_t len, struct assay_error *err);

// Merge until there are `vocab_size` tokens, or no pair is left, and append the tokenizer.json to
// `out`. Once; then only destroy. Errors: ASSAY_EINVAL (a size that specials and bytes do not fit
// into; a special token that is empty, no UTF-8 or twice), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_bpe_trainer_finish(struct assay_bpe_trainer *trainer,
        uint32_t vocab_size, const char *const *specials, size_t special_count,
        struct assay_buf *out, struct assay_error *err);

#endif
