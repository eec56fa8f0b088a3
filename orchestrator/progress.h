// SPDX-License-Identifier: MIT
// progress.h - how far a long command is: a bar on a terminal, plain lines elsewhere. On stderr.
//
// Its own thread redraws, so that the clock moves while a long test runs.
// Thread-safe.
#ifndef ASSAY_ORCHESTRATOR_PROGRESS_H
#define ASSAY_ORCHESTRATOR_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct assay_progress; // opaque, owned

// `total` things, `done` of them finished before (a resumed run). `label`
// ("eval quick") and `good_word` ("resolved") are borrowed. A bar needs a terminal, and NO_COLOR,
// TERM=dumb and CI unset.
ASSAY_MUST_USE enum assay_status assay_progress_start(struct assay_progress **out,
        const char *label, const char *good_word, size_t total, size_t done, size_t good_before,
        struct assay_error *err);
// One is about to run / has ended. `good`: resolved, certified...
void assay_progress_begin(struct assay_progress *progress);
void assay_progress_end(struct assay_progress *progress, bool good, bool scored);
// One was begun and came to nothing: interrupted, or the command fails.
void assay_progress_drop(struct assay_progress *progress);
// Clear the bar before, redraw it after, a line of others on the same terminal.
void assay_progress_around(void *progress, bool before);
// Last line, thread gone. NULL is allowed.
void assay_progress_stop(struct assay_progress *progress);

// "1h02m", "3m20s", "12s"
#define ASSAY_DURATION_BYTES 24
void assay_duration_text(char out[ASSAY_DURATION_BYTES], uint64_t ms);

#endif
