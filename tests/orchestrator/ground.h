// SPDX-License-Identifier: MIT
// ground.h - a home of its own and a context over it, with a sandbox, for tests that need boxes.
#ifndef ASSAY_TESTS_ORCHESTRATOR_GROUND_H
#define ASSAY_TESTS_ORCHESTRATOR_GROUND_H

#include "base/arena.h"
#include "orchestrator/context.h"

struct ground {
    char folder[40];
    struct assay_context *context;
    struct assay_arena *arena;
    volatile bool cancel; // the context's interrupt
};

// An error says what this host lacks; ground_close() follows in any case.
enum assay_status ground_open(struct ground *ground, struct assay_error *err);
enum assay_status ground_open_bare(struct ground *ground, struct assay_error *err); // no sandbox
void ground_close(struct ground *ground);

#endif
