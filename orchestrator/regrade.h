// SPDX-License-Identifier: MIT
// regrade.h - a run judged again from its stored evidence: nothing is run.
#ifndef ASSAY_ORCHESTRATOR_REGRADE_H
#define ASSAY_ORCHESTRATOR_REGRADE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/store.h"
#include "tasks/suite.h"

// What became of one evaluation of the run. Exactly one each.
enum assay_regrade_state {
    ASSAY_REGRADE_SAME,
    ASSAY_REGRADE_CHANGED,
    ASSAY_REGRADE_NOT_RUN,     // no test ran, so there is nothing to judge: the verdict stands
    ASSAY_REGRADE_UNFINISHED,  // it has no verdict yet
    ASSAY_REGRADE_NO_EVIDENCE, // none was kept, or it was dropped
    ASSAY_REGRADE_FOREIGN,     // the suite has another instance of that name by now, or none
    ASSAY_REGRADE_STATES,
};
const char *assay_regrade_state_name(enum assay_regrade_state state); // "same", ...

struct assay_regrade_row {
    const char *instance_id;
    enum assay_regrade_state state;
    const char *verdict; // one line of JSON: the new one, or the one that stands; NULL: none
    const char *changes; // CHANGED: "resolved true -> false; ..."; else "" or why
    bool resolved_before, resolved;
};

struct assay_regrade_options {
    const char *run_id;
    const char *const *instance_ids; // NULL: all of the run
    size_t instance_count;
    size_t threads;
    bool write; // put what changed in place of the stored verdicts
};

// rows[], by instance_id, and what they point to are in the arena. `suite`: the run's, as it is
// now. ASSAY_ENOTFOUND: no such run, or no such instance in it.
ASSAY_MUST_USE enum assay_status assay_regrade(struct assay_regrade_row **rows, size_t *count,
        struct assay_store *store, const struct assay_suite *suite,
        const struct assay_regrade_options *options, const volatile bool *interrupted,
        struct assay_arena *arena, struct assay_error *err);

#endif
