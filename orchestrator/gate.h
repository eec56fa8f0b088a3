// SPDX-License-Identifier: MIT
// gate.h - from the command line to what boxes reach: one proxy for each box that has a list.
#ifndef ASSAY_ORCHESTRATOR_GATE_H
#define ASSAY_ORCHESTRATOR_GATE_H

#include "base/error.h"
#include "envs/access.h"
#include "orchestrator/cli.h"
#include "orchestrator/upstream.h"

// Rows of a command's table of options.
#define ASSAY_GATE_OPTIONS                                                                         \
    {"network", 0, "MODE", "of set-up steps: allowlist (default), none or host", false},           \
    {                                                                                              \
        "allow-host", 0, "HOST[:PORT]", "boxes with an allow-list reach this, too", true           \
    }

struct assay_gate {
    struct assay_access access; // its .user is this gate: do not move it
    struct assay_upstreams upstreams;
    const char **hosts; // owned
};

// Reads the options (a command without them has the defaults) and this process's proxy variables.
// ASSAY_EUSAGE names the option that is wrong. The gate outlives every box.
ASSAY_MUST_USE enum assay_status assay_gate_open(struct assay_gate *gate,
        const struct assay_invocation *invocation, struct assay_error *err);
void assay_gate_close(struct assay_gate *gate); // zeroed is allowed

#endif
