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

#define ASSAY_GRADER_VERSION "2" // part of every verdict's key; raise when rules change

struct assay_usage {
    uint64_t wall_ms, cpu_ms, memory_bytes_peak;
    uint32_t pids_peak;
};

// What the patch engine did with one hunk, or with a file that has none.
struct assay_hunk_record {
    const char *path;
    size_t hunk_index;     // from 0 in its file
    int64_t offset;        // lines from where the header said
    const char *tolerance; // "exact", "offset", "recount", "whitespace", "bare", "strip",
                           // "newline", "crlf"
};

struct assay_verdict {
    const char *run_id;
    const char *instance_id;
    bool scored; // false: resolved and reward are null (infrastructure)
    bool resolved;
    double reward;      // 0 or 1 here; shaping comes later
    const char *reason; // one sentence for people
    enum assay_cause cause;
    enum assay_resolution resolution;
    struct assay_strings f2p_success, f2p_failure, p2p_success, p2p_failure;
    struct assay_strings tamper; // what did not agree, one sentence each
    struct assay_strings denied; // system calls refused
    bool patch_applied;
    struct assay_strings patch_dropped; // protected files whose changes were left out
    struct assay_hunk_record *hunks;
    size_t hunk_count;
    const char *tier; // "A".."D"
    enum assay_evidence_kind evidence;
    const char *compat; // whose rules judged ("swebench"); NULL: ours
    struct assay_usage usage;
    char key[65];
    bool cached;
};

// One JSON object, keys as DESIGN section 4 lists them; indent 0: one line, no newline.
void assay_verdict_write(
        struct assay_buf *out, const struct assay_verdict *verdict, unsigned indent);
// The reverse; strings into the arena.
ASSAY_MUST_USE enum assay_status assay_verdict_read(struct assay_verdict *out, const char *text,
        size_t len, struct assay_arena *arena, struct assay_error *err);

#endif
