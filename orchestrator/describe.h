// SPDX-License-Identifier: MIT
// describe.h - problem statements by a model: what a user of the project would report, written from
// the tests that fail and the change that mends them, which the report may not show.
//
// Works on a native suite folder (tasks/README.md): problem.md is replaced, and what stood there is
// kept beside it as problem.template.md. Who has such a file has been described, so the same
// command typed again goes on where it was.
#ifndef ASSAY_ORCHESTRATOR_DESCRIBE_H
#define ASSAY_ORCHESTRATOR_DESCRIBE_H

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/actor.h"
#include "orchestrator/context.h"

struct assay_describe_options {
    const char *dir;                 // the folder
    const struct assay_actor *model; // of assay_actor_make_model()
    uint64_t seed;                   // of the sampling
    size_t threads;                  // questions at once
};

enum assay_described {       // of an instance
    ASSAY_DESCRIBED,         // now
    ASSAY_DESCRIBED_BEFORE,  // by an earlier command
    ASSAY_DESCRIBED_LEAKING, // kept its template: every answer showed the change
    ASSAY_DESCRIBED_NOT,     // kept its template: the model's trouble, or no report
    ASSAY_DESCRIBED_KINDS,
};

struct assay_describe_result {
    size_t counts[ASSAY_DESCRIBED_KINDS];
    char trouble[256]; // of the first ASSAY_DESCRIBED_NOT; "": none
};

// ASSAY_EINTERRUPTED: what was described stays. An instance that fails stops no other.
ASSAY_MUST_USE enum assay_status assay_describe(struct assay_describe_result *out,
        struct assay_context *context, const struct assay_describe_options *options,
        struct assay_error *err);

// Does `report` show a line that the patch adds (12 bytes or more, blanks around it aside)?
bool assay_describe_leaks(struct assay_bytes report, struct assay_bytes patch);

#endif
