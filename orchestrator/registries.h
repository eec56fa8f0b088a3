// SPDX-License-Identifier: MIT
// registries.h - which releases of a package there are, and their source archives: PyPI's by pip,
// Debian's by apt, each in a box with what set-up steps may reach.
//
// Of a registry's answers nothing is believed but bytes and the hashes that assay takes of them
// when it imports an archive.
#ifndef ASSAY_ORCHESTRATOR_REGISTRIES_H
#define ASSAY_ORCHESTRATOR_REGISTRIES_H

#include <limits.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"
#include "orchestrator/context.h"
#include "tasks/suite.h"

// *out is owned: {"releases": [{"version", "file", "sha256", "path"?, "tests"?}...]}, newest first,
// at most `most`; "tests" is the number of test modules in the archive. The archives come along and
// are kept as assay_registry_fetch() would.
ASSAY_MUST_USE enum assay_status assay_registry_ask_pypi(struct assay_json **out,
        struct assay_context *context, const char *package, size_t most, struct assay_error *err);
// Of Debian's source packages: {NAME: {"language", "releases": [...]}...}, for all names at once,
// since its lists come whole; "language" is "python", "perl", "ruby", "javascript", "go", "c" or
// "". Releases are upstream's archives in the suites of Debian from the oldest that is kept up to
// unstable; none is fetched, and names it does not have are left out. With `series` each also has
// "series": [{"version", "orig", "archive" (files as above), "patches": [{"name", "sha256",
// "files"}]}...], newest first: the patches that Debian puts on that upstream archive, in their
// order, each in the newest version that has it; these archives are fetched, and one that cannot be
// had has no patches.
ASSAY_MUST_USE enum assay_status assay_registry_ask_debian(struct assay_json **out,
        struct assay_context *context, const struct assay_strings *packages, size_t most,
        bool series, struct assay_error *err);

// downloads/<sha256>/<file> below the home: fetched unless it is there.
ASSAY_MUST_USE enum assay_status assay_registry_fetch(char path[PATH_MAX],
        struct assay_context *context, const char *package,
        const struct assay_release_file *release, struct assay_error *err);

#endif
