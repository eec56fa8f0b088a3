// SPDX-License-Identifier: MIT
// prober.h - find out by trying what this host permits. Runs in assay-box, which may fork freely.
#ifndef ASSAY_SANDBOX_PROBER_H
#define ASSAY_SANDBOX_PROBER_H

#include <stdbool.h>

#include "sandbox/cgroup.h"
#include "sandbox/ids.h"
#include "sandbox/probe.h"
#include "sandbox/profile.h"

struct assay_prober {
    const struct assay_ids *ids;
    const struct assay_cgroups *cgroups;
    const struct assay_profiles *profiles;
    bool hide_user_namespaces, hide_proc;
};

// Fills *out; *can_idmap says whether mounts of /'s file system can shift owners.
void assay_prober_run(struct assay_probes *out, const struct assay_prober *prober, bool *can_idmap);

#endif
