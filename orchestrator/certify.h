// SPDX-License-Identifier: MIT
// certify.h - does an instance measure what it says? Gold resolves, empty never does, N times each.
#ifndef ASSAY_ORCHESTRATOR_CERTIFY_H
#define ASSAY_ORCHESTRATOR_CERTIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/context.h"
#include "tasks/store.h"
#include "tasks/suite.h"

#define ASSAY_CERTIFY_RUNS_DEFAULT 5u
#define ASSAY_CERTIFY_RUNS_MAX 1000u

struct assay_certify_options {
    const struct assay_suite *suite;
    const char *const *instance_ids; // NULL: all
    size_t instance_count;
    unsigned runs; // of gold, and of the base tree as it is
    size_t threads;
    bool again; // also what holds a certificate of as many runs
};

// certificates[i] belongs to the i-th selected instance. Written to the store
// as each instance is through, so an interrupted command goes on where it was.
// The suite need not be in the store yet: `record` false keeps the certificates
// in memory only.
ASSAY_MUST_USE enum assay_status assay_certify(struct assay_certificate **certificates,
        size_t *count, struct assay_context *context, const struct assay_certify_options *options,
        bool record, struct assay_arena *arena, struct assay_error *err);

#endif
