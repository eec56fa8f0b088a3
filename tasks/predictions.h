// SPDX-License-Identifier: MIT
// predictions.h - model patches to be judged: .jsonl lines, a .json list, or a .json object by id.
//
// One bad row never harms another: each row is a prediction or carries its own
// error with file and line. Only a file that cannot be read at all is an error.
#ifndef ASSAY_TASKS_PREDICTIONS_H
#define ASSAY_TASKS_PREDICTIONS_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"

#define ASSAY_MODEL_PATCH_BYTES_MAX ((size_t)4 << 20) // beyond it: patch_rejected
#define ASSAY_PREDICTION_LINE_BYTES_MAX ((size_t)64 << 20)

enum assay_prediction_state {
    ASSAY_PREDICTION_PATCH,
    ASSAY_PREDICTION_EMPTY,   // "" or white space, or null
    ASSAY_PREDICTION_TOO_BIG, // patch over ASSAY_MODEL_PATCH_BYTES_MAX; the patch is dropped
    ASSAY_PREDICTION_BAD_ROW, // not a prediction; instance_id may be NULL; `error` tells
};

struct assay_prediction {
    enum assay_prediction_state state;
    const char *instance_id;
    const char *model; // model_name_or_path; "" when absent
    struct assay_bytes patch;
    size_t line;       // from 1
    const char *error; // "preds.jsonl:7: model_patch: expected a string or null"
};

struct assay_predictions {
    struct assay_prediction *items; // in file order
    size_t count;
    char sha256[65];           // of the file
    struct assay_arena *arena; // owned
};

// Keys: instance_id, model_patch (or patch, prediction), model_name_or_path; others are
// ignored. A second row for an id is a BAD_ROW that names the first one's line (and keeps the id:
// only rows that are no BAD_ROW have ids of their own). When a .json list or object breaks off,
// its last row is a BAD_ROW that says where.
ASSAY_MUST_USE enum assay_status assay_predictions_read(
        struct assay_predictions **out, const char *file, struct assay_error *err);
void assay_predictions_free(struct assay_predictions *predictions);

#endif
