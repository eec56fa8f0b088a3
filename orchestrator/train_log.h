// SPDX-License-Identifier: MIT
// train_log.h - what a training measures: into the store first, and from there to metrics.jsonl, a
// TensorBoard event file and a line on the terminal.
//
// The store is the truth: when a training goes on from a checkpoint, both files are written again
// from its rows, so that no step stands in them twice.
#ifndef ASSAY_ORCHESTRATOR_TRAIN_LOG_H
#define ASSAY_ORCHESTRATOR_TRAIN_LOG_H

#include "tasks/store_train.h"

#define ASSAY_METRICS_MAX 256
#define ASSAY_METRIC_NAME_BYTES 64

struct assay_metrics {
    struct assay_metric {
        char name[ASSAY_METRIC_NAME_BYTES];
        double value;
    } items[ASSAY_METRICS_MAX];
    size_t count;
};
// Names that end in "_ms" or "_per_s" or begin with "idle_" are of the clock, those that begin with
// "ran_" of what had been run before; all others are the same in each run of the same settings. One
// more than ASSAY_METRICS_MAX is dropped.
void assay_metrics_put(struct assay_metrics *metrics, const char *name, double value);
double assay_metrics_get(const struct assay_metrics *metrics, const char *name); // NAN: none

// {"phase": ..., "step": ..., "position": ..., then the metrics}
ASSAY_MUST_USE enum assay_status assay_metrics_write(struct assay_buf *out,
        const struct assay_metrics *metrics, const char *phase, uint64_t step, uint64_t position,
        struct assay_error *err);

struct assay_train_log; // opaque; owned

// Files in `dir`, begun anew with the rows of the store before `position` (evaluations at it
// included).
ASSAY_MUST_USE enum assay_status assay_train_log_open(struct assay_train_log **out,
        struct assay_store *store, const char *run_id, const char *dir, uint64_t position,
        struct assay_error *err);
void assay_train_log_close(struct assay_train_log *log); // NULL is allowed
// Append a step that the store has.
ASSAY_MUST_USE enum assay_status assay_train_log_add(struct assay_train_log *log,
        const struct assay_training_step *step, struct assay_error *err);

#endif
