// SPDX-License-Identifier: MIT
// store_train.h - training runs in the store: steps as they are measured, checkpoints that count
// from their row on. Rules of store.h hold.
#ifndef ASSAY_TASKS_STORE_TRAIN_H
#define ASSAY_TASKS_STORE_TRAIN_H

#include "tasks/store.h"

struct assay_training {
    const char *run_id;   // NULL in `wanted`: a fresh one
    const char *identity; // hash of every setting that its numbers depend on
    const char *config, *command;
    enum assay_run_state state;
    const char *started_at, *finished_at; // set by the store
};

// Open a training, or return the one that the same settings opened before (*resumed): open before
// finished, newest first; with `again` a finished one is passed over. A run_id that is another
// identity's is ASSAY_ECONFLICT. Atomic among all processes on the store.
ASSAY_MUST_USE enum assay_status assay_store_open_training(struct assay_store *store,
        const struct assay_training *wanted, bool again, struct assay_arena *arena,
        struct assay_training *out, bool *resumed, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_store_finish_training(
        struct assay_store *store, const char *run_id, struct assay_error *err);

struct assay_training_step {
    uint64_t position; // among the steps of all phases
    const char *phase;
    uint64_t step;    // of the phase
    const char *body; // JSON
};
struct assay_training_checkpoint {
    uint64_t position;     // of the step that comes next
    const char *directory; // relative to ASSAY_HOME
    const char *model_hash, *optimizer_hash;
    const char *state; // JSON
};

// Record steps and, with `checkpoint` not NULL, a checkpoint, in one transaction; rows of the same
// position and phase are replaced.
ASSAY_MUST_USE enum assay_status assay_store_put_training(struct assay_store *store,
        const char *run_id, const struct assay_training_step *steps, size_t count,
        const struct assay_training_checkpoint *checkpoint, struct assay_error *err);

// Newest first. A list of none is NULL.
ASSAY_MUST_USE enum assay_status assay_store_training_checkpoints(struct assay_store *store,
        const char *run_id, struct assay_arena *arena, struct assay_training_checkpoint **rows,
        size_t *count, struct assay_error *err);
// Forget those before `position`; their files are the caller's.
ASSAY_MUST_USE enum assay_status assay_store_drop_checkpoints(
        struct assay_store *store, const char *run_id, uint64_t position, struct assay_error *err);
// In order of positions, and of phases by name.
ASSAY_MUST_USE enum assay_status assay_store_training_steps(struct assay_store *store,
        const char *run_id, struct assay_arena *arena, struct assay_training_step **rows,
        size_t *count, struct assay_error *err);

#endif
