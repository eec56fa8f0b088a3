// SPDX-License-Identifier: MIT
// evidence.h - what one run of the tests left behind, free of the box that it came from.
//
// A verdict is always made from this record, never from the box itself: what judges a run that has
// just ended and what judges a stored one is the same function. Not thread-safe; everything that a
// record points to is in the arena that it was taken with, or the box result's.
#ifndef ASSAY_ORCHESTRATOR_EVIDENCE_H
#define ASSAY_ORCHESTRATOR_EVIDENCE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "rewards/compat.h"
#include "rewards/judge.h"
#include "sandbox/box.h"
#include "tasks/frame.h"
#include "tasks/suite.h"
#include "tasks/verdict.h"

#define ASSAY_EVIDENCE_OUT_BYTES_MAX ((size_t)64 << 20) // of all files in ASSAY_OUT_DIR together
#define ASSAY_EVIDENCE_OUT_FILES_MAX 4096

struct assay_run_evidence {
    struct assay_evidence judged; // what the judge reads
    const char *trouble;          // why the box could not be made or watched; NULL: it was
    const char *tier;             // "A".."D", where it ran
    struct assay_usage usage;
    struct assay_strings denied; // calls, and "network HOST:PORT" for what was not on the list
    // What was run, and on what: filled in by whoever took it.
    struct assay_strings command, env; // as started; "NAME=value" over the recipe's
    char run_hash[65];                 // the instance without its lists (assay_evidence_run_hash())
    const char *role; // which of the runs of a task to write tests (docs/kinds.md); NULL: none
    char run_key[65]; // patch, environment, limits, tier: the verdict key's other half
};

// From a box that is over; *out holds command and env, or zeros. Log and report are borrowed from
// *result, the files that the framework asks for are read into the arena. refused: lines of the
// proxy. ASSAY_ENOMEM: out of memory.
ASSAY_MUST_USE enum assay_status assay_evidence_take(struct assay_run_evidence *out,
        const struct assay_box_result *result, const struct assay_buf *refused,
        const struct assay_framework *framework, struct assay_arena *arena,
        struct assay_error *err);

// What the evidence says of the instance: the verdict's cause, lists, reason, tier, usage and
// denials, and the tests that were seen, by our rules or by those of `compat`. Pure. Errors: as
// assay_judge().
ASSAY_MUST_USE enum assay_status assay_evidence_judge(struct assay_verdict *verdict,
        struct assay_outcome *outcome, const struct assay_run_evidence *evidence,
        const struct assay_instance *instance, const struct assay_framework *framework,
        enum assay_compat compat, struct assay_arena *arena, struct assay_error *err);

// Hash of what decides how the tests of this instance run; how their results count is not in it, so
// that lists may be corrected and old evidence judged again.
ASSAY_MUST_USE enum assay_status assay_evidence_run_hash(char hex[65],
        const struct assay_suite *suite, const struct assay_instance *instance,
        struct assay_error *err);

// The record as one zstd frame in the arena, and back from the frame's content, which is borrowed.
// Texts that are not UTF-8 lose the bytes that are not; log, report and files lose nothing.
// ASSAY_EINVAL: text[0..len) is no evidence of this program's.
ASSAY_MUST_USE enum assay_status assay_evidence_pack(struct assay_frame *out,
        const struct assay_run_evidence *evidence, struct assay_arena *arena,
        struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_evidence_read(struct assay_run_evidence *out,
        const char *text, size_t len, struct assay_arena *arena, struct assay_error *err);
// Back from the frame at once: *raw gets the frame's content, which *out borrows; the caller frees
// it, after an error too.
ASSAY_MUST_USE enum assay_status assay_evidence_unpack(struct assay_run_evidence *out,
        struct assay_buf *raw, const struct assay_frame *frame, struct assay_arena *arena,
        struct assay_error *err);

// One verdict from the verdicts of all runs of one grading, in their order (count > 0; each with
// what it points to in the arena). The last scored one counts, unless another scored one is not
// resolved: the worse of two counts, and the reason says that they differ. All are in `attempts`
// when there is more than one. *chosen: index of the one that counts.
ASSAY_MUST_USE enum assay_status assay_evidence_decide(struct assay_verdict *out, size_t *chosen,
        const struct assay_verdict *runs, size_t count, struct assay_arena *arena,
        struct assay_error *err);

#endif
