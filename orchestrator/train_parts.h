// SPDX-License-Identifier: MIT
// train_parts.h - what the train_*.c files share. Internal to them.
#ifndef ASSAY_ORCHESTRATOR_TRAIN_PARTS_H
#define ASSAY_ORCHESTRATOR_TRAIN_PARTS_H

#include "base/hash.h"
#include "base/rng.h"
#include "kernels/collective.h"
#include "orchestrator/train.h"
#include "orchestrator/train_curriculum.h"
#include "orchestrator/train_histories.h"
#include "orchestrator/train_watch.h"
#include "policy/generate.h"
#include "policy/tokenizer.h"

#define ASSAY_STEP_ARENA_BYTES ((size_t)8 << 30)

struct training_pipeline;
struct training_reference;

struct training {
    struct assay_context *context;
    const struct assay_train_config *config;
    const struct assay_train_options *options;
    struct assay_task_source *source;
    struct assay_arena *arena;           // of the run
    const char *run_id, *relative, *dir; // of its files; relative to the home. Of a rank but 0:
                                         // of what it keeps to itself
    struct assay_collective *collective; // borrowed; NULL: alone
    struct assay_ranks ranks;            // this process's place; alone 0 of 1
    int lock_fd;
    bool stopped; // by options->on_step
    bool trainer_is_rl;
    bool swaps; // newer weights are taken between tokens
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_model *model;
    struct assay_tokenizer *tokenizer;
    int32_t start_id, end_id; // before a prompt; behind an answer
    struct assay_trainer *trainer;
    struct assay_generator *generator;
    struct assay_train_log *log;
    struct training_pipeline *pipeline; // rl.staleness > 0, once rl has begun
    uint64_t swap_count;
    struct training_watch *watch; // over all that boxes do
    const _Atomic bool *stop;     // may be NULL: whoever samples ends early
    // What a checkpoint keeps beside weights and optimizer.
    uint64_t position;                    // steps done
    uint64_t sft_cursor, rl_cursor;       // tasks drawn
    uint64_t sft_steps, total;            // of the settings
    struct assay_curriculum *curriculum;  // as of the last batch; the run's
    uint64_t passed_over;                 // tasks that it did not take, since the process began
    struct training_reference *reference; // loss.kl > 0, once rl has begun
    char reference_hash[ASSAY_SHA256_HEX_BYTES]; // of its weights; empty: rl has not begun
    struct assay_histories *histories; // of a source with turns; owned, NULL: none was needed yet
    uint64_t boxed, known; // messages that a box was told; whose end was known without one
    // Rollouts of the step under way that will be recorded (train_record.c).
    struct assay_arena *record_arena;
    struct assay_training_rollout *rollouts;
    size_t rollout_count, rollout_room;
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
// The whole demonstration; what is learned is its answer and the end token, or all of it.
ASSAY_MUST_USE enum assay_status training_encode_demonstration(struct training *t,
        struct assay_trajectory *out, const struct assay_train_task *task, bool whole,
        struct assay_arena *arena, struct assay_error *err);
// Where tasks are drawn from. What is measured is drawn without a curriculum.
struct draw_from {
    enum assay_train_split split;
    uint64_t *cursor;
    uint64_t distinct;                         // tasks; 0: no end
    const struct assay_curriculum *curriculum; // NULL: every task is taken
};
// Draw from *cursor on until a task fits into tasks.tokens_max with `room` tokens of answer, and
// the curriculum takes it.
ASSAY_MUST_USE enum assay_status training_draw(struct training *t, struct assay_train_task *out,
        struct assay_tokens *prompt, const struct draw_from *from, size_t room,
        struct assay_arena *arena, struct assay_error *err);

// The generator of t's model and stream.
ASSAY_MUST_USE enum assay_status training_make_generator(
        struct training *t, struct assay_error *err);

// --- sampling (train_sample.c) -------------------------------------------------------------------
struct rollout {
    struct assay_trajectory trajectory; // ids, mask, logp_old in the arena
    size_t prompt_count;
    enum assay_finish finish;
    struct assay_bytes text;  // of the answer, without the end token
    struct assay_bytes patch; // of a task with turns: what was graded
    struct assay_train_reward verdict;
    double reward;        // what is learned from: verdict and length
    size_t answer_tokens; // sampled
    bool truncated;
    bool trained; // it is in a batch, and `advantage` is its own
    double advantage;
    // Of the weights that wrote its first token: steps that they had learned from. Of the token at
    // i: version + newer[i], which is 0 without rl.swap: token.
    uint64_t version;
    uint8_t *newer; // [as ids]
};
struct group {
    struct assay_train_task task;
    struct rollout *rollouts; // [size]
    size_t size;
    enum assay_group_state state;
    bool unscored; // a rollout has no reward: the group is left out
    uint32_t number;
    struct assay_tokens prompt;
    struct assay_rng rng; // of its samples, where groups draw apart from each other
    uint64_t seed;        // of its samples, where it has one
};
struct sample_request {
    struct draw_from from;
    size_t group_count, group_size;
    double temperature;
    struct assay_rng *rng; // seeds of the samples
};
// A sampled token behind those of the rollout: its id, mask and logp, and whose it is.
struct sampled_place {
    int32_t *ids;
    uint8_t *mask;
    double *logp;
};
void training_put_token(const struct training *t, struct rollout *r, const struct sampled_place *to,
        const struct assay_generated *token);
// One pass of the generator, with the newest weights that it may have. Errors: of the device;
// ASSAY_EINTERRUPTED.
ASSAY_MUST_USE enum assay_status training_pass(
        struct training *t, size_t *left, struct assay_error *err);
// The source's grade(), watched. Errors: of the source; ASSAY_EINTERRUPTED.
ASSAY_MUST_USE enum assay_status training_grade(struct training *t,
        struct assay_train_reward *rewards, const struct assay_train_answer *answers, size_t count,
        struct assay_error *err);
struct sample_times {
    uint64_t *sample_ms, *grade_ms; // added to
};
// Draw tasks, sample answers of each, decode, grade. Everything is in the arena.
ASSAY_MUST_USE enum assay_status training_sample(struct training *t, struct group **out,
        const struct sample_request *request, struct assay_arena *arena, struct sample_times times,
        struct assay_error *err);

// --- turns (train_turns.c) -----------------------------------------------------------------------
// Sample and grade groups whose tasks are drawn, of a source with turns: `text` of a rollout is all
// that was said and seen.
ASSAY_MUST_USE enum assay_status training_play(struct training *t, struct group *const *groups,
        size_t count, const struct sample_request *request, struct assay_arena *arena,
        struct sample_times times, struct assay_error *err);
// Do groups draw apart from each other, so that whoever samples one needs to know of no other?
static inline bool training_draws_apart(const struct training *t)
{
    return t->config->shards > 1;
}
// An episode to learn from, in the arena: what is said is learned. One that is too long, or has a
// message that is longer than rl.answer_tokens_max, is longer than tasks.tokens_max.
ASSAY_MUST_USE enum assay_status training_encode_talk(struct training *t,
        struct assay_trajectory *out, const struct assay_train_task *task,
        const struct assay_train_talk *talk, struct assay_arena *arena, struct assay_error *err);

// --- updates (train_cut.c) -----------------------------------------------------------------------
struct training_parts {
    const struct assay_trajectory *rollouts;
    const size_t *ends; // [count] rollouts before the end of each part, none of which is empty
    size_t count;       // rl.updates, or fewer
};
// Shuffle and cut as rl.cut says: single rollouts, or whole groups, whose rollouts stand side by
// side in `rollouts`. The copy is in the arena. Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status training_cut(struct training_parts *out,
        const struct assay_trajectory *rollouts, size_t count,
        const struct assay_train_config *config, struct assay_rng *rng, struct assay_arena *arena,
        struct assay_error *err);

// --- the reference (train_reference.c) -----------------------------------------------------------
// With loss.kl > 0: logp_ref of each trajectory, in the arena. The reference is the policy as it is
// at the first call of a run, or what the checkpoint names. Errors: ASSAY_EINVAL (its file is
// another one), ASSAY_EIO, ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status training_refer(struct training *t,
        struct assay_trajectory *trajectories, size_t count, struct assay_arena *arena,
        struct assay_error *err);
void training_drop_reference(struct training *t);

// --- phases --------------------------------------------------------------------------------------
// The trainer of a phase, fresh.
ASSAY_MUST_USE enum assay_status training_make_trainer(
        struct training *t, bool rl, struct assay_error *err);
ASSAY_MUST_USE enum assay_status training_sft_step(
        struct training *t, struct assay_metrics *metrics, struct assay_error *err);
// The step at t->position, sampled by t or by the pipeline.
ASSAY_MUST_USE enum assay_status training_rl_step(
        struct training *t, struct assay_metrics *metrics, struct assay_error *err);
// Its two halves. A batch is the caller's to drop. `position`: of the step that it is for; the
// weights of t are those of t->position.
struct rl_step;
ASSAY_MUST_USE enum assay_status training_rl_sample(
        struct training *t, struct rl_step **out, uint64_t position, struct assay_error *err);
ASSAY_MUST_USE enum assay_status training_rl_train(struct training *t, struct rl_step *s,
        struct assay_metrics *metrics, struct assay_error *err);
void training_rl_drop(struct rl_step *s); // NULL is allowed
ASSAY_MUST_USE enum assay_status training_evaluate(
        struct training *t, struct assay_metrics *metrics, struct assay_error *err);
// PREFIXfault_form, PREFIXfault_place, PREFIXfault_text: shares of `count` answers.
void training_put_faults(struct assay_metrics *metrics, const char *prefix,
        const uint64_t faults[ASSAY_TRAIN_FAULTS], uint64_t count);
// Everything that a number of the run depends on.
ASSAY_MUST_USE enum assay_status training_identify(
        char hex[65], const struct assay_train_options *options, struct assay_error *err);
// PREFIXNAME: the share of solved answers of each family, of the first `shown` by name; entries of
// one name add up. The array is sorted in place.
struct training_family {
    const char *name;
    size_t solved, count;
};
void training_put_families(struct assay_metrics *metrics, const char *prefix,
        struct training_family *families, size_t count, size_t shown);
bool training_interrupted(const struct training *t);
const char *training_name(const struct training *t); // "trainer", "sampler"

// --- the pipeline (train_pipeline.c) -------------------------------------------------------------
struct training_lead {     // of a batch that was sampled ahead
    uint64_t version;      // of the weights that it was begun with
    uint64_t swap_count;   // of weights, while it was sampled
    uint64_t rl_cursor;    // behind its tasks
    uint64_t waited_ms;    // trainer, for the batch
    uint64_t held_back_ms; // sampler, for the weights
    uint64_t sampling_ms;  // from weights to rewards
};
// A thread that samples and grades the batches from t->position on, `rl.staleness` steps ahead of
// the trainer at most. Grading of t goes through it from here on, one batch at a time.
ASSAY_MUST_USE enum assay_status training_pipeline_start(
        struct training *t, struct assay_error *err);
// The batch of the step at t->position, handed over. Errors: of the sampler; ASSAY_ETIMEOUT, naming
// what was waited for; ASSAY_EINTERRUPTED.
ASSAY_MUST_USE enum assay_status training_pipeline_take(struct training *t, struct rl_step **out,
        struct training_lead *lead, struct assay_error *err);
// The weights of t are those of version `position` now.
ASSAY_MUST_USE enum assay_status training_pipeline_publish(
        struct training *t, uint64_t position, struct assay_error *err);
// Of the sampler, between two passes: with rl.swap: token, the newest weights.
ASSAY_MUST_USE enum assay_status training_pipeline_swap(
        struct training *sampler, struct assay_error *err);
void training_pipeline_stop(struct training *t); // what is being graded is given up

// --- what is recorded of rollouts (train_record.c) -----------------------------------------------
// Keep up to record.rollouts of these groups for the record of the step at t->position. *place: of
// the first one, and then behind the last.
ASSAY_MUST_USE enum assay_status training_keep_rollouts(struct training *t, const char *phase,
        struct group *const *groups, size_t group_count, uint32_t *place, struct assay_error *err);
void training_forget_rollouts(struct training *t);

// --- checkpoints (train_checkpoint.c) ------------------------------------------------------------
// Record steps, the rollouts that were kept for them, and, if wanted, a checkpoint.
ASSAY_MUST_USE enum assay_status training_record(struct training *t,
        const struct assay_training_step *steps, size_t count, bool checkpoint,
        struct assay_error *err);
// Go on from the newest checkpoint that is whole; newer ones are told, and forgotten with all that
// was measured behind it. Without any nothing changes. Errors: of the newest one, if none is whole.
ASSAY_MUST_USE enum assay_status training_restore(struct training *t, struct assay_error *err);

#endif
