// SPDX-License-Identifier: MIT
// train_parts.h - what the train_*.c files share. Internal to them.
#ifndef ASSAY_ORCHESTRATOR_TRAIN_PARTS_H
#define ASSAY_ORCHESTRATOR_TRAIN_PARTS_H

#include "base/rng.h"
#include "orchestrator/train.h"
#include "policy/generate.h"
#include "policy/tokenizer.h"

#define ASSAY_STEP_ARENA_BYTES ((size_t)8 << 30)

struct training {
    struct assay_context *context;
    const struct assay_train_config *config;
    const struct assay_train_options *options;
    struct assay_task_source *source;
    struct assay_arena *arena;           // of the run
    const char *run_id, *relative, *dir; // of its files; relative to the home
    bool stopped;                        // by options->on_step
    int lock_fd;
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_model *model;
    struct assay_tokenizer *tokenizer;
    int32_t start_id, end_id; // before a prompt; behind an answer
    struct assay_trainer *trainer;
    bool trainer_is_rl;
    struct assay_generator *generator;
    struct assay_train_log *log;
    // What a checkpoint keeps beside weights and optimizer.
    uint64_t position;              // steps done
    uint64_t sft_cursor, rl_cursor; // tasks drawn
    uint64_t sft_steps, total;      // of the settings
};

// --- text (train_text.c) -------------------------------------------------------------------------
// Tokenizer and model: of the run's directory, else of model.path, else made from demonstrations.
ASSAY_MUST_USE enum assay_status training_make_tokenizer(
        struct training *t, struct assay_error *err);
ASSAY_MUST_USE enum assay_status training_make_model(struct training *t, struct assay_error *err);
ASSAY_MUST_USE enum assay_status training_config_of(struct assay_model_config *out,
        const struct assay_train_config *config, uint32_t vocab, struct assay_arena *arena,
        struct assay_error *err);

struct assay_tokens { // in an arena
    int32_t *ids;
    size_t count;
};
// Start token and prompt. ids has room for `room` more behind them.
ASSAY_MUST_USE enum assay_status training_encode_prompt(struct training *t,
        struct assay_tokens *out, const struct assay_train_task *task, size_t room,
        struct assay_arena *arena, struct assay_error *err);
// The whole demonstration; its answer and the end token are what is learned.
ASSAY_MUST_USE enum assay_status training_encode_demonstration(struct training *t,
        struct assay_trajectory *out, const struct assay_train_task *task,
        struct assay_arena *arena, struct assay_error *err);
// Draw from *cursor on until a task fits into tasks.tokens_max with `room` tokens of answer.
ASSAY_MUST_USE enum assay_status training_draw(struct training *t, struct assay_train_task *out,
        struct assay_tokens *prompt, enum assay_train_split split, uint64_t *cursor,
        uint64_t distinct, size_t room, struct assay_arena *arena, struct assay_error *err);

// --- sampling (train_sample.c) -------------------------------------------------------------------
struct rollout {
    struct assay_trajectory trajectory; // ids, mask, logp_old in the arena
    size_t prompt_count;
    enum assay_finish finish;
    struct assay_bytes text; // of the answer, without the end token
    struct assay_train_reward verdict;
    double reward; // what is learned from: verdict and length
    bool truncated;
};
struct group {
    struct assay_train_task task;
    struct rollout *rollouts; // [size]
    size_t size;
    enum assay_group_state state;
    bool unscored; // a rollout has no reward: the group is left out
};
struct sample_request {
    enum assay_train_split split;
    uint64_t *cursor;
    uint64_t distinct; // tasks; 0: no end
    size_t group_count, group_size;
    double temperature;
    struct assay_rng *rng; // seeds of the samples
};
// Draw tasks, sample answers of each, decode, grade. Everything is in the arena. *sample_ms and
// *grade_ms are added to.
ASSAY_MUST_USE enum assay_status training_sample(struct training *t, struct group **out,
        const struct sample_request *request, struct assay_arena *arena, uint64_t *sample_ms,
        uint64_t *grade_ms, struct assay_error *err);

// --- phases --------------------------------------------------------------------------------------
// The trainer of a phase, fresh.
ASSAY_MUST_USE enum assay_status training_make_trainer(
        struct training *t, bool rl, struct assay_error *err);
ASSAY_MUST_USE enum assay_status training_sft_step(
        struct training *t, struct assay_metrics *metrics, struct assay_error *err);
ASSAY_MUST_USE enum assay_status training_rl_step(
        struct training *t, struct assay_metrics *metrics, struct assay_error *err);
ASSAY_MUST_USE enum assay_status training_evaluate(
        struct training *t, struct assay_metrics *metrics, struct assay_error *err);
bool training_interrupted(const struct training *t);

// --- checkpoints (train_checkpoint.c) ------------------------------------------------------------
// Record steps of the position before t->position, with a checkpoint when it is due or `force`d.
ASSAY_MUST_USE enum assay_status training_record(struct training *t,
        const struct assay_training_step *steps, size_t count, bool checkpoint,
        struct assay_error *err);
// Go on from the newest checkpoint; without one nothing changes.
ASSAY_MUST_USE enum assay_status training_restore(struct training *t, struct assay_error *err);

#endif
