// SPDX-License-Identifier: MIT
// save.h - weights to safetensors files that other programs load.
#ifndef ASSAY_POLICY_SAVE_H
#define ASSAY_POLICY_SAVE_H

#include "policy/model.h"

struct assay_save_options {
    enum assay_weight_type type; // F32, F16 or BF16; routers of MiniMax stay F32, as published
    uint64_t shard_bytes_max;    // of data in one file; 0: one file
    const char *model_type;      // whose config and names are written; NULL: the model's own
};

// Write config.json and model.safetensors (or shards and their index) into `dir`, which is made if
// need be. Files appear under their names once they are whole. Errors: ASSAY_EINVAL (the
// description cannot be said in that family's words, a value that F16 cannot hold), ASSAY_EIO,
// ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_model_save(const struct assay_model *model,
        struct assay_stream *stream, const char *dir, const struct assay_save_options *options,
        struct assay_error *err);

#endif
