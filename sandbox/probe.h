// SPDX-License-Identifier: MIT
// probe.h - what this kernel and this user permit, found by trying; for `assay doctor` and the
// tier.
#ifndef ASSAY_SANDBOX_PROBE_H
#define ASSAY_SANDBOX_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/box.h"

struct assay_probe {
    char name[40]; // "user namespace", "overlay in user namespace", ...
    bool passed;
    bool required;    // for tier A
    int sys_errno;    // of the step that failed; 0 when none
    char detail[160]; // what was found ("kernel 6.18", "v1 controllers: memory pids cpu")
    char remedy[200]; // one command or setting; "" when nothing needs doing
};

#define ASSAY_PROBES_MAX 24

struct assay_probes {
    struct assay_probe items[ASSAY_PROBES_MAX];
    size_t count;
    enum assay_tier tier;
    enum assay_cgroup_shape cgroup_shape;
};

// Exec assay-box once and let it try everything, each thing in a short-lived
// child. Takes some milliseconds. tier_min is ignored: a weak host is a result.
ASSAY_MUST_USE enum assay_status assay_probe_host(struct assay_probes *out,
        const struct assay_sandbox_options *options, struct assay_error *err);

#endif
