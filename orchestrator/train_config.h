// SPDX-License-Identifier: MIT
// train_config.h - every setting of a training run, in one struct, with where each value came from.
//
// One table (train_config.c) has name, place, bounds, default and meaning of each. A value comes
// from, in rising order: its default, what `loss.name` was published with, the config file, --set.
// A name that nobody knows is refused with the nearest one, and a value that would change nothing
// with the reason.
#ifndef ASSAY_ORCHESTRATOR_TRAIN_CONFIG_H
#define ASSAY_ORCHESTRATOR_TRAIN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "policy/advantage.h"
#include "policy/trainer.h"

#define ASSAY_TRAIN_CONFIG_BYTES_MAX ((size_t)1 << 20)

enum assay_truncated {    // an answer that was cut off at answer_tokens_max
    ASSAY_TRUNCATED_KEEP, // is an answer like any other
    ASSAY_TRUNCATED_MASK, // teaches nothing; its reward stays in the group's baseline
};

enum assay_cut {        // of a step's rollouts into rl.updates parts, after shuffling
    ASSAY_CUT_ROLLOUTS, // any rollout to any part: each part sees most prompts
    ASSAY_CUT_GROUPS,   // whole groups: a prompt is computed for one part, not for each
};

enum assay_swap {     // when weights change, sampling ahead
    ASSAY_SWAP_BATCH, // between batches; a run's numbers do not depend on who was faster
    ASSAY_SWAP_TOKEN, // between tokens of an answer, whenever newer ones are there
};

struct assay_train_config {
    const char *name; // of the run; "": the store names it
    uint64_t seed, threads;
    const char *device; // as assay_device_find() has it

    const char *source, *path; // of tasks
    uint64_t tasks_seed, tasks_texts, tasks_families, demonstrations, tasks, tokens_max, tests_ms;
    double rare; // of mini
    bool tasks_shared;

    const char *model_path; // ""; else a directory to begin with, and the next ones are not read
    uint64_t layers, width, heads, kv_heads, head_dim, ffn, softmax_every, vocab;
    double sigma;
    uint64_t tokenizer_texts;

    uint64_t sft_updates, sft_whole, sft_mistaken, sft_batch;
    double drill_share, mistaken_families, mistaken_share;
    struct assay_optimizer sft; // what differs from rl's: lr, warm-up, schedule

    uint64_t steps, groups, group_size, updates, epochs, rounds_max, answer_tokens_max;
    uint64_t overlong_margin, certain_count_max;
    uint64_t turns_max, seen_bytes_max; // 0: a task is one answer
    enum assay_truncated truncated;
    enum assay_cut cut;
    double temperature, certain_probability, curriculum;
    uint64_t staleness;
    enum assay_swap swap;
    double wait_s_max;
    bool dynamic;
    bool shuffle_rewards; // the control: rewards are dealt anew within each batch

    struct assay_objective objective;
    struct assay_optimizer optimizer;

    uint64_t eval_every, eval_count, eval_seen, eval_pass_count, eval_pass_size;
    uint64_t checkpoint_every, checkpoint_keep, record_rollouts;
    uint64_t rows_max, sequences_max, shards, sample_sequences_max;
    double rank_wait_s_max;
};

struct assay_train_value {
    const char *key, *value, *origin; // "rl.steps", "60", "demo.yaml:7"
    const char *help;
    bool counts; // a run of another value is another run
};

struct assay_train_settings {
    struct assay_train_config config;
    const struct assay_train_value *values; // of all, in the order of the table
    size_t count;
};

// `text`: the YAML, which `source` names in messages; `sets`: "key=value" of the command line.
// Everything is in the arena. Errors: ASSAY_EUSAGE (a --set that is wrong by itself), ASSAY_EINVAL
// ("demo.yaml:3: rl.step: no such setting; did you mean rl.steps?"), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_train_config_read(struct assay_train_settings *out,
        const char *text, size_t len, const char *source, const char *const *sets, size_t set_count,
        struct assay_arena *arena, struct assay_error *err);

// A line a setting: name, value, origin, meaning.
void assay_train_config_print(const struct assay_train_settings *train, struct assay_buf *out);

#endif
