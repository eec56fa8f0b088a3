// SPDX-License-Identifier: MIT
// grade.h - one model patch on one instance: workspace, fresh box, evidence, verdict.
#ifndef ASSAY_ORCHESTRATOR_GRADE_H
#define ASSAY_ORCHESTRATOR_GRADE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/cli.h"
#include "orchestrator/context.h"
#include "orchestrator/patch_options.h"
#include "rewards/compat.h"
#include "rewards/judge.h"
#include "tasks/suite.h"
#include "tasks/verdict.h"

// Room to judge twice whatever a run may leave behind.
#define ASSAY_GRADE_ARENA_BYTES ((size_t)8 << 30)
#define ASSAY_GRADE_TRIES 3 // of a run that infrastructure spoiled

// What is judged.
enum assay_candidate {
    ASSAY_CANDIDATE_PATCH, // `patch` as a model wrote it
    ASSAY_CANDIDATE_GOLD,  // the instance's own gold patch
    ASSAY_CANDIDATE_NONE,  // the base tree as it is: runs the tests, must not resolve
    ASSAY_CANDIDATE_EMPTY, // a prediction without a patch: empty_patch, nothing is run
    ASSAY_CANDIDATE_TOO_BIG,
};

// A row of a command's table of options, and its value; absent: ASSAY_COMPAT_NONE. ASSAY_EUSAGE:
// not a mode.
#define ASSAY_COMPAT_OPTION                                                                        \
    {                                                                                              \
        "compat", 0, "MODE",                                                                       \
                "judge as swebench, swesmith, r2e, pro or rebench does: weak evidence", false      \
    }
ASSAY_MUST_USE enum assay_status assay_compat_option(
        enum assay_compat *out, const struct assay_invocation *invocation, struct assay_error *err);
// How a run of a certification differs from a grading's. All zero: not at all.
struct assay_grade_variation {
    const char *order;      // "reverse", or a seed in digits; NULL: as the test command has it
    unsigned busy_per_cpu;  // endless loops beside the tests, for each CPU of the box
    unsigned clock_seconds; // how far ahead the clock is
    unsigned hash_seed;     // of Python's and Perl's hashes; 0: as always
    bool no_network;        // though the instance asks for it
};

struct assay_grade_request {
    const struct assay_suite *suite;
    const struct assay_instance *instance;
    enum assay_candidate candidate;
    struct assay_bytes patch;
    struct assay_patch_options how; // the patch is read and applied
    const char *run_id;             // names the folder of the log
    const char *attempt;  // names the log when one run grades an instance often; may be NULL
    uint64_t wall_ms_max; // 0: the instance's own
    bool no_cache;        // neither read nor feed the verdict cache
    bool no_zygote;       // start the tests' interpreter anew, whatever the context has
    // Judge as one of the field's graders does: no canaries, nothing but the tests is protected.
    enum assay_compat compat;
    // May be NULL. Not part of any key: goes with no_cache.
    const struct assay_grade_variation *variation;
    bool no_log; // nobody will read what the tests printed: no file of it is kept
    bool once;   // do not run again what the certificate says otherwise
};

struct assay_grade {
    struct assay_verdict verdict;
    struct assay_outcome outcome;       // every test seen, combined status
    const char *log_path;               // relative to the home; NULL when nothing ran
    const struct assay_frame *evidence; // of each run (orchestrator/evidence.h)
    size_t evidence_count;
    bool executed; // the tests ran in a box now
    bool cacheable;
    uint64_t claim; // on the verdict's key: assay_grade_release() ends it; 0: none
};

// A verdict comes back for everything that is not a bug or an interrupt:
// trouble of ours is a verdict with scored = false. Strings live in the arena.
// Where another thread or process makes the verdict of the same key at this moment, it is waited
// for. ASSAY_EINTERRUPTED: the user asked to stop; there is no verdict.
ASSAY_MUST_USE enum assay_status assay_grade(struct assay_grade *out, struct assay_context *context,
        const struct assay_grade_request *request, struct assay_arena *arena,
        struct assay_error *err);

// After every assay_grade() that was ASSAY_OK: whoever waits for this verdict goes on. `recorded`:
// it went to assay_store_put_verdict() with grade->claim, and that succeeded.
void assay_grade_release(
        struct assay_context *context, const struct assay_grade *grade, bool recorded);

// The key of what a run (its run_key: orchestrator/evidence.h) is worth to this instance under the
// present rules.
ASSAY_MUST_USE enum assay_status assay_verdict_key(char hex[65], const struct assay_suite *suite,
        const struct assay_instance *instance, const char *run_key, struct assay_error *err);

#endif
