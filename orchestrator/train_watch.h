// SPDX-License-Identifier: MIT
// train_watch.h - bounds and names what training waits for in boxes. Internal to train_*.c.
//
// Below a grading are waits that no trainer sees: for a slot, for a spawner, for tests. All of them
// end when the context's interrupt is set. The watch is a thread that sets it: when the user asks
// to stop, when a training ends while its sampler grades, and when a wait that was begun here has
// got nothing done for rl.wait_s_max. Such a wait is told after a minute, and a run that it ended
// says what it waited for.
#ifndef ASSAY_ORCHESTRATOR_TRAIN_WATCH_H
#define ASSAY_ORCHESTRATOR_TRAIN_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct training;
struct training_watch; // opaque

// On the stack of whoever waits.
struct training_wait {
    struct training_wait *next;
    const char *who, *what;                 // "sampler", "rewards of answers"
    size_t count;                           // of them
    uint64_t began_ms, idle_ms, done, told; // idle: since something was done
};

// t->options has what to look at and what to set. Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status training_watch_start(struct training *t, struct assay_error *err);
// The context may be used by others again. Nothing waits any more.
void training_watch_stop(struct training *t);

void training_watch_begin(struct training *t, struct training_wait *wait);
void training_watch_end(struct training *t, struct training_wait *wait);

// What is under way in boxes ends; a pipeline that is stopped would wait for it.
void training_watch_cancel(struct training *t);

// The status of a run: if a wait was too long, that is why it ended, whatever it says itself.
ASSAY_MUST_USE enum assay_status training_watch_explain(
        const struct training *t, enum assay_status status, struct assay_error *err);

#endif
