// SPDX-License-Identifier: MIT
// releases.h - real instances from consecutive releases of real packages.
//
// The older release's source is the base tree, the newer one's source change
// the gold patch, the newer one's test change the test patch; FAIL_TO_PASS and
// PASS_TO_PASS are what running shows. Source archives are fetched by pip (an sdist
// can run code) and apt in boxes; only names, versions and hashes are kept in the repository.
#ifndef ASSAY_ORCHESTRATOR_RELEASES_H
#define ASSAY_ORCHESTRATOR_RELEASES_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/context.h"
#include "tasks/suite.h"

struct assay_release_loss {
    const char *instance_id, *reason;
};

struct assay_release_result {
    struct assay_suite *suite;         // owned: assay_suite_free(); instances that were measured
    struct assay_release_loss *losses; // in the arena
    size_t loss_count;
};

// Fetch, import, measure (once; certifying runs more). Trees are in the depot afterwards. What was
// fetched or measured before is not again (releases_ledger.h).
ASSAY_MUST_USE enum assay_status assay_releases_build(struct assay_release_result *out,
        struct assay_context *context, const struct assay_release_plan *plan, size_t threads,
        struct assay_arena *arena, struct assay_error *err);

#endif
