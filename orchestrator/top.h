// SPDX-License-Identifier: MIT
// top.h - what is running, as the store tells it: trainings and runs with their pace and time left;
// from this machine's store, or as a service tells it of its own (top_remote.h).
//
// The store is read: whoever works is not asked and not held up. A training whose process is gone
// is known by its lock, which is looked at and never taken. Any other run whose process died cannot
// be told from one that is slow; it is called silent once nothing was recorded for long.
#ifndef ASSAY_ORCHESTRATOR_TOP_H
#define ASSAY_ORCHESTRATOR_TOP_H

#include "base/buf.h"
#include "orchestrator/report_train.h"

enum assay_top_state {
    ASSAY_TOP_RUNNING,
    ASSAY_TOP_SILENT,
    ASSAY_TOP_STOPPED, // before its end; the same command goes on
    ASSAY_TOP_FINISHED,
};
const char *assay_top_state_name(enum assay_top_state state);

#define ASSAY_TOP_UNKNOWN_MS UINT64_MAX

struct assay_top_item {
    const char *run_id;
    enum assay_top_state state;
    uint64_t quiet_ms; // since something was recorded; since its start, when nothing was
    uint64_t left_ms;  // to its end, or to that of its phase; ASSAY_TOP_UNKNOWN_MS
    bool training;
    // Of a training.
    struct assay_train_report report; // its tail
    const char *phase;                // "sft", "rl"
    uint64_t phase_done, phase_total; // steps
    // Of a run.
    struct assay_run run;
    struct assay_run_pace pace;
};

// What a service that is asked has at work itself.
struct assay_top_service {
    const char *version;
    uint64_t uptime_s, slots, running, queued; // gradings
    uint64_t episodes, connections;            // open
    bool draining;
};

struct assay_top {
    const struct assay_top_service *service; // borrowed; NULL: no service was asked
    struct assay_top_item *items;            // trainings first, each newest first
    size_t count;
    size_t forgotten; // open ones that have been silent for an hour, and are not shown
};

// `run_id` NULL: all that are open. Everything in the arena. ASSAY_ENOTFOUND: no such run.
// `home` has the locks of the store's trainings.
ASSAY_MUST_USE enum assay_status assay_top_load(struct assay_top *out, struct assay_store *store,
        const char *home, const char *run_id, uint64_t now_ms, struct assay_arena *arena,
        struct assay_error *err);

// Lines of text. `width`: longer ones are cut (0: none is); `curves`: with small curves, which need
// a terminal that knows Unicode.
void assay_top_write(struct assay_buf *out, const struct assay_top *top, size_t width, bool curves);
// One line of JSON without its line feed.
void assay_top_write_json(struct assay_buf *out, const struct assay_top *top);
// What was written as JSON, as it was. Everything in the arena. ASSAY_EINVAL: it is something else.
ASSAY_MUST_USE enum assay_status assay_top_read(struct assay_top *out, const char *json, size_t len,
        struct assay_arena *arena, struct assay_error *err);
// The rewards of the last steps, oldest first; how many. `rewards` has room for this many.
#define ASSAY_TOP_REWARDS_MAX 32
size_t assay_top_rewards(
        const struct assay_train_report *report, double rewards[ASSAY_TOP_REWARDS_MAX]);

#endif
