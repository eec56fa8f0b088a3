// SPDX-License-Identifier: MIT
// train_tasks.h - where tasks to learn from come from, and who says what an answer is worth.
//
// A source has no end of tasks in each split, found by index: the same index is the same task, in
// any process. Grading is the source's own affair (boxes, comparison); training asks for a reward
// per answer and is told when there is none.
#ifndef ASSAY_ORCHESTRATOR_TRAIN_TASKS_H
#define ASSAY_ORCHESTRATOR_TRAIN_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "tasks/instance.h"
#include "tasks/repair.h"

struct assay_context;
struct assay_rewarder;
struct assay_rollout;

enum assay_train_split {
    ASSAY_TRAIN_SFT, // demonstrations
    ASSAY_TRAIN_RL,
    ASSAY_TRAIN_VARIANTS, // held out: kinds that were seen, with faults that were not
    ASSAY_TRAIN_SEEDS,    // held out: kinds and faults of rl, in other tasks
    ASSAY_TRAIN_FAMILIES, // held out: kinds that were not
    ASSAY_TRAIN_SPLITS,
};
const char *assay_train_split_name(enum assay_train_split split); // "sft", "rl", "variants", ...

// An episode as it is learned from: what is said, message by message, and what each but the last
// shows. A source that writes one down writes what a box would show.
struct assay_train_talk {
    const struct assay_bytes *said;  // [count]
    const struct assay_bytes *shown; // [count - 1]
    size_t count;                    // 0: there is none
};

struct assay_train_task {
    const char *id, *family;
    const char *kind; // of tasks that are solved alike, for the curriculum; NULL: the family
    struct assay_bytes prompt, answer; // answer: the demonstration
    struct assay_bytes reading;        // text to know before any task; empty: prompt and answer
    struct assay_bytes drill, drilled; // an easier exercise and its answer; empty: none
    struct assay_bytes mistake; // what a poor demonstrator answers; empty: the source has none
    // Of a source with turns, in place of answer, drilled and mistake. Its answer is text of the
    // kind that is said and seen, from which a vocabulary can be made.
    struct assay_train_talk talk, drill_talk, mistaken_talk;
    const void *detail; // the source's own
    bool rare;          // demonstrations seldom begin as this answer must: measured apart
};

struct assay_train_answer {
    const struct assay_train_task *task; // the same pointer for all answers of a group
    struct assay_bytes text;
};

// Where an answer fails.
enum assay_train_fault {
    ASSAY_TRAIN_SOLVED,
    ASSAY_TRAIN_FORM,  // nothing could be made of it, or it changes nothing
    ASSAY_TRAIN_PLACE, // it changes something, but not what is broken
    ASSAY_TRAIN_TEXT,  // it changes what is broken, into something that fails as well
    ASSAY_TRAIN_FAULTS,
};

#define ASSAY_TRAIN_REASON_BYTES 160
struct assay_train_reward {
    double reward;
    const char *cause; // static: "ok", "tests_failed", ...
    enum assay_train_fault fault;
    bool scored; // false: trouble of ours; there is no reward then
    bool solved;
    char reason[ASSAY_TRAIN_REASON_BYTES];
};

struct assay_train_counts { // answers, since the source was opened
    uint64_t answers;
    uint64_t executed; // whose tests ran; the others were decided by form, joined or remembered
    uint64_t remembered;
    uint64_t unscored;
};

// Tasks that are worked on in turns: a message is said, something is seen, until one of both ends
// it. What is left then is the answer that grade() takes. Different episodes by different threads
// at once.
struct assay_train_turns {
    enum assay_status (*open)(void *user, void **episode, const struct assay_train_task *task,
            struct assay_error *err);
    // Append what the message showed; *over: nothing can be said any more. The same messages show
    // the same. Errors: ASSAY_EIO (trouble of ours: the episode has no reward), ASSAY_EINTERRUPTED,
    // ASSAY_ENOMEM.
    enum assay_status (*step)(void *episode, struct assay_bytes message, struct assay_buf *seen,
            bool *over, struct assay_error *err);
    // Append what is graded; nothing can be said any more. Errors: as step().
    enum assay_status (*answer)(void *episode, struct assay_buf *out, struct assay_error *err);
    void (*close)(void *episode); // NULL is allowed
};

struct assay_task_source {
    const char *name;
    void *user;
    const struct assay_train_turns *turns; // NULL: a task is one answer
    // Task `index` of a split; what it points to is in the arena. ASSAY_ENOTFOUND: the split is
    // empty.
    enum assay_status (*draw)(void *user, struct assay_train_task *out,
            enum assay_train_split split, uint64_t index, struct assay_arena *arena,
            struct assay_error *err);
    // A reward for each answer, in their order. Errors: of the source, or ASSAY_EINTERRUPTED.
    enum assay_status (*grade)(void *user, struct assay_train_reward *rewards,
            const struct assay_train_answer *answers, size_t count, struct assay_error *err);
    // What an answer changes, as a unified diff in the arena; empty when it is no such thing. NULL:
    // answers of this source are no edits.
    enum assay_status (*patch)(void *user, struct assay_bytes *out,
            const struct assay_train_answer *answer, struct assay_arena *arena,
            struct assay_error *err);
    struct assay_train_counts (*counts)(void *user);
    // Runs of tests that have ended, while grade() is at it, asked by any thread. NULL: none.
    uint64_t (*progress)(void *user);
    void (*close)(void *user);
};

// A JSON Lines file: {"split", "prompt", "answer"} and, if wanted, "id", "family" and "mistake"
// (all texts).
// An answer is worth 1 when it is the row's, blanks and line feeds at its end aside; else 0.
// *hash: of the file's content. Errors: ASSAY_EINVAL ("file:line: why"), ASSAY_ENOTFOUND,
// ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_task_file_open(
        struct assay_task_source *out, char hash[65], const char *path, struct assay_error *err);

// Tasks of the repair table (tasks/repair.h): small programs, each broken in one line. With
// turns_max 0 an answer is an edit (tasks/repair_prompt.h). Else a task is worked on in an episode
// (envs/episode.h) in words of terse.h: view, edit, test, submit; its box has the file and its
// tests. Either way what became of the file is worth what tests of its own say in a box. The
// context was opened with a sandbox. Errors: of the rewarder (orchestrator/rollout_reward.h).
struct assay_task_repair_options {
    uint64_t seed;
    struct assay_repair_choice choice;
    uint32_t turns_max;    // messages of an episode
    size_t seen_bytes_max; // of what one of them showed
    uint64_t tests_ms;     // that the tests that grade sleep before they begin
};
ASSAY_MUST_USE enum assay_status assay_task_repair_open(struct assay_task_source *out,
        struct assay_context *context, const struct assay_task_repair_options *options,
        struct assay_error *err);

// Tasks of the miniature (tasks/mini.h); `rare` as there. Grading, and errors, as above.
ASSAY_MUST_USE enum assay_status assay_task_mini_open(struct assay_task_source *out,
        struct assay_context *context, uint64_t seed, double rare, struct assay_error *err);

// Verdicts as rewards, for sources that grade in boxes. Errors: of assay_rewarder_grade().
ASSAY_MUST_USE enum assay_status assay_train_rewards(struct assay_rewarder *rewarder,
        struct assay_train_reward *rewards, const struct assay_rollout *rollouts, size_t count,
        struct assay_error *err);

#endif
