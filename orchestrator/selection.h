// SPDX-License-Identifier: MIT
// selection.h - the options by which a command takes a part of a suite (tasks/select.h).
#ifndef ASSAY_ORCHESTRATOR_SELECTION_H
#define ASSAY_ORCHESTRATOR_SELECTION_H

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/cli.h"
#include "orchestrator/context.h"
#include "tasks/store.h"
#include "tasks/suite.h"

#define ASSAY_SELECTION_OPTIONS                                                                    \
    {"instance", 'i', "ID", "only this instance", true},                                           \
            {"filter", 0, "KEY=GLOB", "only instances that have this; KEY!=GLOB: not this", true}, \
            {"split", 0, "NAME", "only of train, validation or held-out", false},                  \
            {"rated-by", 0, "RUN", "only what this run has scored answers to", false},             \
            {"pass-rate", 0, "A:B", "and solved in this share of them (0:1)", false},              \
            {"shuffle", 0, "SEED", "in drawn order, for --slice", false},                          \
    {                                                                                              \
        "slice", 0, "A:B", "of what is left the A-th to before the B-th, from 0", false            \
    }

// *ids is empty when no option was given: all are meant. In the arena. `store` has the run that
// rates them.
ASSAY_MUST_USE enum assay_status assay_selection_read(struct assay_strings *ids,
        const struct assay_invocation *invocation, const struct assay_suite *suite,
        struct assay_store *store, struct assay_arena *arena, struct assay_error *err);

// A suite that is not certified as a whole is told in the log. Errors: of the store.
ASSAY_MUST_USE enum assay_status assay_selection_warn(const struct assay_suite *suite,
        struct assay_context *context, struct assay_arena *arena, struct assay_error *err);

#endif
