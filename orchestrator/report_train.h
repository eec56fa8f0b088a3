// SPDX-License-Identifier: MIT
// report_train.h - what a training came to so far: its steps as series, its rollouts; as text,
// JSON, an HTML page. A run that is still going on, or that was killed, is read as any other.
#ifndef ASSAY_ORCHESTRATOR_REPORT_TRAIN_H
#define ASSAY_ORCHESTRATOR_REPORT_TRAIN_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "orchestrator/train_tasks.h"
#include "tasks/store_train.h"

struct assay_json;

struct assay_train_number {
    const char *name;
    double value;
};

struct assay_train_row {
    uint64_t position, step;
    const char *phase, *recorded_at, *body;
    struct assay_train_number *numbers; // of the body, in its order
    size_t count;
};

struct assay_train_report {
    struct assay_training training;
    struct assay_train_row *rows; // by position and phase
    size_t row_count;
    struct assay_training_rollout *rollouts; // by position, phase and place
    size_t rollout_count;
    // Of the settings.
    uint64_t sft_steps, rl_steps;
};

enum assay_train_report_part {
    ASSAY_TRAIN_TAIL,  // the last 64 steps and the newest evaluation
    ASSAY_TRAIN_STEPS, // all steps
    ASSAY_TRAIN_ALL,   // rollouts, too
};

// Everything in the arena. ASSAY_ENOTFOUND, ASSAY_EIO (a
// row of the store is not as assay writes it).
ASSAY_MUST_USE enum assay_status assay_train_report_load(struct assay_train_report *out,
        struct assay_store *store, const char *run_id, enum assay_train_report_part part,
        struct assay_arena *arena, struct assay_error *err);

// A row's numbers from its body as JSON, into the arena. ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_train_row_read(struct assay_train_row *row,
        const struct assay_json *body, struct assay_arena *arena, struct assay_error *err);

// The value of a setting as the run was opened with it; "" when it has none of this name. `out` has
// room for 64 bytes.
#define ASSAY_TRAIN_SETTING_BYTES 64
void assay_train_report_setting(char out[ASSAY_TRAIN_SETTING_BYTES],
        const struct assay_train_report *report, const char *key);
// A number of a row; NAN: it has none of this name.
double assay_train_row_get(const struct assay_train_row *row, const char *name);
// The last row of a phase that has the number (NULL: any row); NULL: none.
const struct assay_train_row *assay_train_report_last(
        const struct assay_train_report *report, const char *phase, const char *name);
const struct assay_train_row *assay_train_report_first(
        const struct assay_train_report *report, const char *phase, const char *name);
// What held-out tasks of a split came to, at first and at last; false: there was no evaluation.
struct assay_train_report_rate {
    double first_solved, first_count, solved, count;
    double low, high; // Wilson's, of the last
    bool again;       // first and last are two
};
bool assay_train_report_rate(struct assay_train_report_rate *out,
        const struct assay_train_report *report, enum assay_train_split split);
// Steps that are recorded, of all phases.
uint64_t assay_train_report_done(const struct assay_train_report *report);

void assay_train_report_print(FILE *out, const struct assay_train_report *report);
// {"schema", "run_id", "state", ..., "steps": [bodies], "rollouts": [...]}
void assay_train_report_write(struct assay_buf *out, const struct assay_train_report *report);
// One self-contained page; nothing is loaded, nothing runs.
ASSAY_MUST_USE enum assay_status assay_train_report_write_html(
        struct assay_buf *out, const struct assay_train_report *report, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_train_report_save_html(
        const struct assay_train_report *report, const char *file, struct assay_error *err);

#endif
