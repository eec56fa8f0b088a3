// SPDX-License-Identifier: MIT
// report.h - what a run came to: counts, rates with intervals, SWE-bench's report, an HTML page.
#ifndef ASSAY_ORCHESTRATOR_REPORT_H
#define ASSAY_ORCHESTRATOR_REPORT_H

#include <stddef.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "tasks/store.h"
#include "tasks/store_episode.h"

// Where one evaluation stands. Exactly one per selected instance.
enum assay_report_group {
    ASSAY_REPORT_RESOLVED,
    ASSAY_REPORT_UNRESOLVED,
    ASSAY_REPORT_EMPTY,      // a prediction without a patch
    ASSAY_REPORT_REJECTED,   // the patch does not apply
    ASSAY_REPORT_NO_VERDICT, // infrastructure: reward null, with its reason
    ASSAY_REPORT_INCOMPLETE, // selected, but not predicted or not run yet
    ASSAY_REPORT_GROUPS,
};
const char *assay_report_group_name(enum assay_report_group group);

struct assay_run_summary; // run_summary.h

struct assay_report_episode {
    struct assay_episode_row row;
    struct assay_turn *turns;
    size_t turn_count;
};

struct assay_report {
    struct assay_run run;
    struct assay_evaluation_row *rows; // by instance_id
    size_t count;
    enum assay_report_group *groups; // beside rows[]
    size_t group_counts[ASSAY_REPORT_GROUPS];
    struct assay_report_episode *episodes; // by instance and sample; none until they are loaded
    size_t episode_count;
    const struct assay_run_summary *summary; // of all samples; NULL: no episodes, or not loaded
};

// Everything in the arena.
ASSAY_MUST_USE enum assay_status assay_report_load(struct assay_report *out,
        struct assay_store *store, const char *run_id, struct assay_arena *arena,
        struct assay_error *err);

// What the run's episodes came to, if it has any. Everything in the arena.
ASSAY_MUST_USE enum assay_status assay_report_load_summary(struct assay_report *report,
        struct assay_store *store, struct assay_arena *arena, struct assay_error *err);
// The run's episodes with their turns, if it has any. Everything in the arena.
ASSAY_MUST_USE enum assay_status assay_report_load_episodes(struct assay_report *report,
        struct assay_store *store, struct assay_arena *arena, struct assay_error *err);

// Wilson score interval of k successes in n, 95 %; 0..1. n = 0 gives 0 and 1.
void assay_wilson(double *low, double *high, size_t k, size_t n);

// SWE-bench's run report, schema_version 2, keys and sorted lists as that harness writes them; of
// the first samples, where there are several. What all of them came to is "episodes", if it is
// loaded.
void assay_report_write_swebench(
        struct assay_buf *out, const struct assay_report *report, unsigned indent);
// For people: rate with its counts, interval, causes, what has no verdict and why.
void assay_report_print(FILE *out, const struct assay_report *report);
// One self-contained page; no script is needed to read it, nothing is loaded.
// home: where the logs lie (their tail is shown).
ASSAY_MUST_USE enum assay_status assay_report_write_html(struct assay_buf *out,
        const struct assay_report *report, const char *home, struct assay_error *err);

// <model with / as __>.<run id>.json in `dir`, as SWE-bench names it.
ASSAY_MUST_USE enum assay_status assay_report_save_swebench(
        const struct assay_report *report, const char *dir, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_report_save_html(const struct assay_report *report,
        const char *home, const char *file, struct assay_error *err);

#endif
