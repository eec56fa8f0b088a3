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

// A folder a task. What was read from one comes back byte for byte; another repair becomes one:
// its base tree and recipe as environment/, its tests as tests/, which say 1 if the listed tests
// pass (by pytest's ids; elsewhere: if the test command exits 0), gold as solution/. ASSAY_EINVAL:
// not a repair, or its recipe begins from an image of this host.
ASSAY_MUST_USE enum assay_status assay_suite_export_harbor(struct assay_context *context,
        const struct assay_suite *suite, const char *dir, struct assay_error *err);

// One task that was not read from a Harbor folder, into the empty folder dir_fd.
ASSAY_MUST_USE enum assay_status assay_suite_harbor_write(struct assay_context *context,
        const struct assay_suite *suite, const struct assay_instance *instance, int dir_fd,
        struct assay_error *err);

#endif
