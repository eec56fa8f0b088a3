// SPDX-License-Identifier: MIT
// rollouts.h - a run of episodes: samples of every instance, driven, graded, recorded, each once.
//
// A sample is an episode and, after it, a grading by the trusted path (grade.h) in a fresh box. The
// first sample's evaluations are those of the run itself, the k-th's of a run named <run id>.<k>:
// reports, evidence and regrading are what they are for any run. Whoever is killed continues by
// being started again: an episode that was cut off begins anew, one that is over is graded.
#ifndef ASSAY_ORCHESTRATOR_ROLLOUTS_H
#define ASSAY_ORCHESTRATOR_ROLLOUTS_H

#include "envs/episode.h"
#include "orchestrator/actor.h"
#include "orchestrator/context.h"
#include "tasks/store_episode.h"
#include "tasks/verdict.h"

#define ASSAY_SAMPLES_MAX 1024u

// One sample as it became known.
struct assay_rollout {
    uint64_t episode; // its number
    unsigned sample;
    enum assay_episode_cause cause;
    const char *reason; // "" where the cause says it
    uint32_t turn_count;
    const struct assay_verdict *verdict;
};

struct assay_rollouts_options {
    const struct assay_suite *suite;
    const struct assay_actor *actor;
    const char *const *instance_ids; // none: all
    size_t instance_count;
    unsigned samples; // of each instance, >= 1
    size_t threads;   // episodes at once, >= 1
    uint64_t seed;
    struct assay_episode_options episode;
    uint64_t tokens_max;
    const char *run_id; // NULL: a new one, or that of the same command
    bool again, no_cache;
    bool retry_infra; // also what ended in trouble of ours
    const char *command_line;
    // As assay_evaluate_options has it.
    enum assay_status (*on_rollout)(
            void *user, const struct assay_rollout *rollout, struct assay_error *err);
    void *user;
};

struct assay_rollouts_result {
    const char *run_id;
    bool resumed;
    size_t executed; // episodes that were driven now
};

// ASSAY_EINTERRUPTED: stopped by the user; the same command goes on later.
ASSAY_MUST_USE enum assay_status assay_rollouts(struct assay_rollouts_result *out,
        struct assay_context *context, const struct assay_rollouts_options *options,
        struct assay_arena *arena, struct assay_error *err);

// Grade what an episode left and record it: the verdict of (run_id, instance).
ASSAY_MUST_USE enum assay_status assay_rollout_grade(struct assay_verdict *out,
        struct assay_context *context, const struct assay_suite *suite,
        const struct assay_instance *instance, const char *run_id,
        const struct assay_episode_row *episode, bool no_cache, bool retry,
        struct assay_arena *arena, struct assay_error *err);

#endif
