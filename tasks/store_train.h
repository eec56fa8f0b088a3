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
    uint64_t step;           // of the phase
    const char *body;        // JSON
    const char *recorded_at; // set by the store
};
struct assay_training_checkpoint {
    uint64_t position;     // of the step that comes next
    const char *directory; // relative to ASSAY_HOME
    const char *model_hash, *optimizer_hash;
    const char *state; // JSON
};

// One answer of a step, of those that are kept for people.
struct assay_training_rollout {
    uint64_t position; // of its step
    const char *phase;
    uint32_t place, group; // among those kept; among the groups of the step
    uint64_t version;      // of the weights that wrote it: steps that they had learned from
    const char *task, *family, *cause, *reason, *finish;
    bool solved;
    double reward;                            // NAN: none, trouble of ours
    double advantage;                         // NAN: nothing was learned from it
    size_t token_count;                       // of the answer; those in tokens[] may be fewer
    struct assay_bytes prompt, answer, patch; // as far as they were kept; patch: len 0: none
    const struct assay_rollout_token {
        int32_t id;
        uint32_t bytes; // of the answer's text, < 2^24
        float logp;     // as sampled, nats
        uint8_t newer;  // its weights are of version + newer
    } * tokens;
    size_t tokens_kept;
};
#define ASSAY_TRAINING_ROLLOUTS_MAX 256 // of one step and phase

// What a step leaves, in one transaction: rows of the same position and phase are replaced.
struct assay_training_record {
    const struct assay_training_step *steps;
    size_t step_count;
    const struct assay_training_rollout *rollouts;
    size_t rollout_count;
    const struct assay_training_checkpoint *checkpoint; // NULL: none
};
ASSAY_MUST_USE enum assay_status assay_store_put_training(struct assay_store *store,
        const char *run_id, const struct assay_training_record *record, struct assay_error *err);

// Newest first. A list of none is NULL.
ASSAY_MUST_USE enum assay_status assay_store_training_checkpoints(struct assay_store *store,
        const char *run_id, struct assay_arena *arena, struct assay_training_checkpoint **rows,
        size_t *count, struct assay_error *err);
// Forget those before `position`; their files are the caller's.
ASSAY_MUST_USE enum assay_status assay_store_drop_checkpoints(
        struct assay_store *store, const char *run_id, uint64_t position, struct assay_error *err);
// Forget what a run that goes on from its checkpoint at `position` will do again: later
// checkpoints, steps from there on, evaluations behind it, and their rollouts.
ASSAY_MUST_USE enum assay_status assay_store_rewind_training(
        struct assay_store *store, const char *run_id, uint64_t position, struct assay_error *err);
// In order of positions, and of phases by name.
ASSAY_MUST_USE enum assay_status assay_store_training_steps(struct assay_store *store,
        const char *run_id, struct assay_arena *arena, struct assay_training_step **rows,
        size_t *count, struct assay_error *err);
// Those of the last `positions` positions, and the newest evaluation.
ASSAY_MUST_USE enum assay_status assay_store_training_tail(struct assay_store *store,
        const char *run_id, uint64_t positions, struct assay_arena *arena,
        struct assay_training_step **rows, size_t *count, struct assay_error *err);
// In order of positions, phases and places. A frame that is none of ours is ASSAY_EIO.
ASSAY_MUST_USE enum assay_status assay_store_training_rollouts(struct assay_store *store,
        const char *run_id, struct assay_arena *arena, struct assay_training_rollout **rows,
        size_t *count, struct assay_error *err);

// ASSAY_ENOTFOUND.
ASSAY_MUST_USE enum assay_status assay_store_get_training(struct assay_store *store,
        const char *run_id, struct assay_arena *arena, struct assay_training *out,
        struct assay_error *err);
// Newest first.
ASSAY_MUST_USE enum assay_status assay_store_list_trainings(struct assay_store *store,
        struct assay_arena *arena, struct assay_training **rows, size_t *count,
        struct assay_error *err);

#endif
