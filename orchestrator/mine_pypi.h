// SPDX-License-Identifier: MIT
// mine_pypi.h - a release plan (releases.json) from the newest releases of packages of PyPI.
//
// pip, in a box with what set-up steps may reach, tells which releases there are and fetches their
// sdists; what is kept of them is their names, versions and hashes, and whether they bring tests.
// Each pair of neighbours that both do is planned; measuring them is `suite add`'s.
#ifndef ASSAY_ORCHESTRATOR_MINE_PYPI_H
#define ASSAY_ORCHESTRATOR_MINE_PYPI_H

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/context.h"
#include "tasks/instance.h"

struct assay_mine_pypi_options {
    const char *dir;  // of the plan: made, and must be empty
    const char *name; // of the suite
    struct assay_strings packages;
    size_t releases_max; // of each package, newest first
    struct assay_instance_limits limits;
    size_t threads;
};

struct assay_mine_package {
    const char *name;
    size_t releases, pairs; // with an sdist; planned
    const char *reason;     // why there is no pair; "" when there is one
};

// *out: of each package, in their order, in the arena. A package that cannot be had is a reason.
ASSAY_MUST_USE enum assay_status assay_mine_pypi(struct assay_mine_package **out,
        struct assay_context *context, const struct assay_mine_pypi_options *options,
        struct assay_arena *arena, struct assay_error *err);

#endif
