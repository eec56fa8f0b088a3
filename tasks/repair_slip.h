// SPDX-License-Identifier: MIT
// repair_slip.h - a slip of the pen: words, numbers or signs of a line that are not as they were.
// For tasks/repair*.c.
#ifndef ASSAY_TASKS_REPAIR_SLIP_H
#define ASSAY_TASKS_REPAIR_SLIP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/rng.h"
#include "tasks/instance.h"

// Whether a line may read so: false for what a mutation of the program makes of it.
typedef bool repair_slip_allowed(void *user, size_t line, const char *text);

struct repair_slip {
    struct assay_bytes file; // in the arena
    size_t line;             // from 1; 0: none was found
    const char *right;       // what stood there, in the arena
};

// One line of `file` (LF, with a last line feed) gets a slip that the rng draws: something of it is
// exchanged for its like from the file, left out, or changes places; or the line becomes `pass`; or
// much of it is exchanged, so that what stood there must be known rather than copied.
// ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status repair_slip_make(struct repair_slip *out, struct assay_bytes file,
        struct assay_rng *rng, repair_slip_allowed *allowed, void *user, struct assay_arena *arena,
        struct assay_error *err);

#endif
