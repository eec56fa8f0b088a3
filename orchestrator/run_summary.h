// SPDX-License-Identifier: MIT
// run_summary.h - what a run of episodes came to: pass@k with intervals, causes, cost.
#ifndef ASSAY_ORCHESTRATOR_RUN_SUMMARY_H
#define ASSAY_ORCHESTRATOR_RUN_SUMMARY_H

#include <stdio.h>

#include "base/json.h"
#include "tasks/store_episode.h"
#include "tasks/verdict.h"

struct assay_pass_at {
    size_t k;
    double value;     // mean over instances; a sample without a verdict counts as unresolved
    double low, high; // 95 %, instances drawn anew (orchestrator/rates.h)
};
#define ASSAY_RUN_VERDICTS (ASSAY_CAUSE_INFRA_ERROR + 1)
#define ASSAY_PASS_AT_MAX 12 // k = 1, 2, 4, ..., and the number of samples

struct assay_run_summary {
    const char *run_id, *suite, *actor;
    struct assay_episode_row *rows; // by instance and sample
    size_t count;
    size_t instances;
    size_t samples;  // the fewest that any instance has
    size_t resolved; // episodes
    size_t scored;
    double wilson_low, wilson_high; // of resolved / count, episodes taken for independent
    struct assay_pass_at pass_at[ASSAY_PASS_AT_MAX];
    size_t pass_at_count;
    size_t causes[ASSAY_EPISODE_CAUSES];
    size_t verdicts[ASSAY_RUN_VERDICTS];
    uint64_t turns, prompt_tokens, answer_tokens, command_us, actor_us;
};

// The episodes that ended so.
struct assay_run_ending {
    size_t count, resolved;
    size_t null; // without a verdict, by trouble of ours
};
struct assay_run_ending assay_run_ending(
        const struct assay_run_summary *summary, enum assay_episode_cause cause);

// Everything in the arena. ASSAY_ENOTFOUND: no episode is of this run.
ASSAY_MUST_USE enum assay_status assay_run_summary_load(struct assay_run_summary *out,
        struct assay_store *store, const char *run_id, struct assay_arena *arena,
        struct assay_error *err);
// An object; key as json.h has it.
void assay_run_summary_write(
        struct assay_json_writer *w, const char *key, const struct assay_run_summary *summary);
void assay_run_summary_print(FILE *out, const struct assay_run_summary *summary);
// A prediction a line, of one sample of each instance, as `assay eval --predictions` reads them.
void assay_run_summary_write_predictions(
        struct assay_buf *out, const struct assay_run_summary *summary, unsigned sample);

#endif
