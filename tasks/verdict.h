// SPDX-License-Identifier: MIT
// verdict.h - the one verdict object, wherever it appears: grade --json, eval --json, the store.
#ifndef ASSAY_TASKS_VERDICT_H
#define ASSAY_TASKS_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "tasks/instance.h"
#include "tasks/outcome.h"

#define ASSAY_GRADER_VERSION "3" // part of every verdict's key; raise when rules change

struct assay_usage {
    uint64_t wall_ms, cpu_ms, memory_bytes_peak;
    uint32_t pids_peak;
};

// What the patch engine did with one hunk, or with a file that has none.
struct assay_hunk_record {
    const char *path;
    size_t hunk_index;     // from 0 in its file
    int64_t offset;        // lines from where the header said
    const char *tolerance; // "exact", or words joined by "+": docs/patches.md lists them
};

// One run of the tests, where a verdict rests on more than one.
struct assay_attempt {
    bool scored, resolved;
    enum assay_cause cause;
    const char *reason;
    uint64_t wall_ms;
};

// How well an answer named the places that the gold patch changes (rewards/localize.h), at one
// level: files, functions or lines.
struct assay_localize_level {
    size_t gold, answered, right; // different things
    double precision, recall;     // right / answered, right / gold; 1 where there is none to name
};
struct assay_localize_score {
    struct assay_localize_level files, functions, lines;
    size_t rank;  // of the first right location in the answer, from 1; 0: none is right
    double score; // harmonic mean of precision and recall: of functions where gold changes any,
                  // else of files
};

// What a model's new tests showed (rewards/write_tests.h).
struct assay_write_tests_score {
    struct assay_strings
            fails_before; // tests that fail on the buggy tree and pass on the fixed one
    struct assay_strings
            passes_after;       // the model's tests that pass on the fixed tree, these among them
    struct assay_strings flaky; // came out one way and then another: counted for nothing
    size_t mutants_made, mutants_valid, mutants_killed;
    size_t mutants_needed; // kills without which nothing is earned
};

// A reward by a map and with shaping, beside `reward`, which neither changes (rewards/shaping.h).
#define ASSAY_REWARD_COMPONENTS_MAX 8
struct assay_shaped_reward {
    const char *reward_class; // "resolved", "regression", ...; NULL: not scored
    struct assay_reward_component {
        const char *name;
        double value; // what it adds; NaN: could not be measured
    } components[ASSAY_REWARD_COMPONENTS_MAX];
    size_t component_count;
    double reward; // their sum; NaN: not scored, or one could not be measured
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of the written object
struct assay_verdict {
    enum assay_task_kind kind;
    const char *run_id;
    const char *instance_id;
    bool scored; // false: resolved and reward are null (infrastructure)
    bool resolved;
    bool patch_applied;
    double reward;      // 0 or 1 here; shaping comes later
    const char *reason; // one sentence for people
    enum assay_cause cause;
    enum assay_resolution resolution;
    struct assay_strings f2p_success, f2p_failure, p2p_success, p2p_failure;
    struct assay_strings tamper;        // what did not agree, one sentence each
    struct assay_strings denied;        // system calls refused
    struct assay_strings patch_dropped; // protected files whose changes were left out
    struct assay_hunk_record *hunks;
    size_t hunk_count;
    const char *tier; // "A".."D"
    enum assay_evidence_kind evidence;
    struct assay_usage usage;
    // Every run in its order, spoiled ones too, when there was more than one; else none.
    struct assay_attempt *attempts;
    size_t attempt_count;
    char key[65];
    bool cached;
    // Each NULL where it does not belong to the kind or was not asked for.
    const struct assay_localize_score *localize;
    const struct assay_write_tests_score *write_tests;
    const struct assay_shaped_reward *shaped;
    const char *compat; // whose rules judged ("swebench"); NULL: ours
};

// One JSON object, keys as DESIGN section 4 lists them; indent 0: one line, no newline.
void assay_verdict_write(
        struct assay_buf *out, const struct assay_verdict *verdict, unsigned indent);
// The reverse; strings into the arena.
ASSAY_MUST_USE enum assay_status assay_verdict_read(struct assay_verdict *out, const char *text,
        size_t len, struct assay_arena *arena, struct assay_error *err);

#endif
