// SPDX-License-Identifier: MIT
// checkpoint.h - what training needs to go on as if it had never stopped: weights and optimizer.
//
// A checkpoint is a directory: config.json and model.safetensors as any program loads them, and
// optimizer.safetensors with both moments, the ring of gradient norms and the counts. What a run
// has beside them (random numbers, cursor, phase) is the caller's to keep, together with the two
// hashes, so that the checkpoint counts from the moment on at which that is recorded.
#ifndef ASSAY_POLICY_CHECKPOINT_H
#define ASSAY_POLICY_CHECKPOINT_H

#include "base/hash.h"
#include "policy/trainer.h"

struct assay_checkpoint {
    char model_hash[ASSAY_SHA256_HEX_BYTES]; // of the two files
    char optimizer_hash[ASSAY_SHA256_HEX_BYTES];
};

// In a group every rank writes and reads, rank 0 with a directory, the others with NULL and without
// hashes: it alone touches files, and they need not have the same ones. Nothing in a checkpoint
// depends on how many ranks there were.
//
// `dir` is made if need be; all is on disk when this returns. Errors: ASSAY_EIO (a full disk),
// ASSAY_EINVAL, ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_checkpoint_write(struct assay_checkpoint *out,
        const struct assay_model *model, struct assay_trainer *trainer, struct assay_stream *stream,
        const char *dir, struct assay_error *err);

// Are both files there, and those that were written? Errors: as of reading.
ASSAY_MUST_USE enum assay_status assay_checkpoint_check(
        const char *dir, const struct assay_checkpoint *wanted, struct assay_error *err);

// Back into a model and a trainer of the same description. Errors: ASSAY_ENOTFOUND, ASSAY_EINVAL (a
// file that is not the one that was written, by name; another model's), ASSAY_EIO. The model may be
// half read then.
ASSAY_MUST_USE enum assay_status assay_checkpoint_read(struct assay_model *model,
        struct assay_trainer *trainer, struct assay_stream *stream, const char *dir,
        const struct assay_checkpoint *wanted, struct assay_error *err);

#endif
