// SPDX-License-Identifier: MIT
// rated.h - how often the answers of a run solved each of its tasks: difficulty, as measured.
#ifndef ASSAY_ORCHESTRATOR_RATED_H
#define ASSAY_ORCHESTRATOR_RATED_H

#include "base/arena.h"
#include "base/error.h"
#include "tasks/store.h"

struct assay_rated {
    const char *instance_id;
    size_t scored;   // answers with a reward; trouble of ours is none
    size_t resolved; // of those
};

// Those of a run's tasks that have a scored answer, in order of strcmp; samples of `assay run`
// count as answers of its first run. In the arena. ASSAY_ENOTFOUND: no such run.
ASSAY_MUST_USE enum assay_status assay_rated_read(struct assay_rated **rates, size_t *count,
        struct assay_store *store, const char *run_id, struct assay_arena *arena,
        struct assay_error *err);
// NULL: it is not among them.
const struct assay_rated *assay_rated_find(
        const struct assay_rated *rates, size_t count, const char *instance_id);

#endif
