// SPDX-License-Identifier: MIT
// suite_harbor.h - Harbor tasks: what only running tells of them, and back into folders.
#ifndef ASSAY_ORCHESTRATOR_SUITE_HARBOR_H
#define ASSAY_ORCHESTRATOR_SUITE_HARBOR_H

#include "base/error.h"
#include "orchestrator/context.h"
#include "tasks/suite.h"

// For a suite of assay_suite_read_harbor() whose base trees are imported: the folder of each task
// goes into the depot, and is what its `row` names; where it has solution/solve.sh, that is run in
// a box over the base tree, and what it changes in the working folder becomes gold_patch. A
// solution that fails is ASSAY_EIO with the end of what it said.
ASSAY_MUST_USE enum assay_status assay_suite_harbor_complete(struct assay_context *context,
        struct assay_suite *suite, size_t threads, struct assay_error *err);

// The folders again, byte for byte. ASSAY_EINVAL: an instance did not come from one.
ASSAY_MUST_USE enum assay_status assay_suite_export_harbor(struct assay_context *context,
        const struct assay_suite *suite, const char *dir, struct assay_error *err);

#endif
