// SPDX-License-Identifier: MIT
// measure.h - FAIL_TO_PASS and PASS_TO_PASS of an instance, by running its tests before and after
// gold.
#ifndef ASSAY_ORCHESTRATOR_MEASURE_H
#define ASSAY_ORCHESTRATOR_MEASURE_H

#include <pthread.h>

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/context.h"
#include "tasks/suite.h"

struct assay_measuring {
    struct assay_context *context;
    const struct assay_suite *suite; // lends name and recipes
    unsigned runs;                   // of each; >= 1
    struct assay_arena *arena;       // of the lists
    pthread_mutex_t *lock;           // around the arena
};

// The instance has its tree, patches, command and framework; its lists are empty and are filled in.
// Only tests that come out the same in each run are listed. ASSAY_EINVAL: no test fails before and
// passes after, or the run after did not end as tests do; ASSAY_EIO: there was no verdict.
ASSAY_MUST_USE enum assay_status assay_measure(struct assay_instance *instance,
        const struct assay_measuring *measuring, struct assay_error *err);

#endif
