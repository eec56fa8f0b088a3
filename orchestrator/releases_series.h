// SPDX-License-Identifier: MIT
// releases_series.h - the trees before and after one patch of a Debian source package.
#ifndef ASSAY_ORCHESTRATOR_RELEASES_SERIES_H
#define ASSAY_ORCHESTRATOR_RELEASES_SERIES_H

#include "base/buf.h"
#include "base/error.h"
#include "orchestrator/context.h"
#include "tasks/suite.h"

// Upstream's tree `upstream`, with the series applied up to and with pair->patch in `after`, and
// without it in `before` (which may be `upstream`). Patches apply at their lines or by an offset,
// never with fuzz, as Debian's own tools have it. What the patch's header says it is for is
// appended to `problem`. ASSAY_ENOTFOUND: the series has no such patch; ASSAY_EPATCH: one that
// does not apply, which is named.
ASSAY_MUST_USE enum assay_status assay_release_series(char before[65], char after[65],
        struct assay_buf *problem, struct assay_context *context,
        const struct assay_release_pair *pair, const char *upstream, struct assay_error *err);

#endif
