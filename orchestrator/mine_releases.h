// SPDX-License-Identifier: MIT
// mine_releases.h - a release plan (releases.json) from the newest releases of packages of PyPI and
// of Debian's source packages, or from the patches that Debian puts on those.
//
// What is kept of packages is their names, versions and hashes. Each pair of neighbours is planned,
// of PyPI's those that both bring tests; and each patch of debian/patches that changes tests and
// something else, with all that come before it in the base. Measuring them is `suite add`'s. How
// tests are run is told by the language: PyPI is Python, Debian's names tell.
#ifndef ASSAY_ORCHESTRATOR_MINE_RELEASES_H
#define ASSAY_ORCHESTRATOR_MINE_RELEASES_H

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/context.h"
#include "tasks/instance.h"

struct assay_mine_releases_options {
    const char *dir;               // of the plan: made, and must be empty
    const char *name;              // of the suite
    struct assay_strings packages; // "pypi:NAME", "debian:NAME", "debian-patches:NAME"
    size_t releases_max;           // of each package, newest first
    struct assay_instance_limits limits;
    size_t threads;
};

struct assay_mine_package {
    const char *name;       // with its registry
    size_t releases, pairs; // with a source archive, or patches; planned
    const char *reason;     // why there is no pair; "" when there is one
};

// "pypi:NAME", "debian:NAME" or "debian-patches:NAME", with a name that is one.
bool assay_mine_package_valid(const char *text);

// *out: of each package, in their order, in the arena. A package that cannot be had is a reason.
ASSAY_MUST_USE enum assay_status assay_mine_releases(struct assay_mine_package **out,
        struct assay_context *context, const struct assay_mine_releases_options *options,
        struct assay_arena *arena, struct assay_error *err);

#endif
