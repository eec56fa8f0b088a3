// SPDX-License-Identifier: MIT
// ranks.h - which of several processes this one is, how it meets the others, and who starts them on
// one host. kernels/collective.h has what they do together.
#ifndef ASSAY_ORCHESTRATOR_RANKS_H
#define ASSAY_ORCHESTRATOR_RANKS_H

#include "kernels/collective.h"
#include "orchestrator/cli.h"

struct assay_place {
    struct assay_ranks ranks;
    uint32_t local;  // among this host's ranks, as far as somebody said so; else the rank
    bool is_started; // by assay_ranks_start()
};

// From the environment: kernels/collective.h, and ASSAY_LOCAL_RANK, OMPI_COMM_WORLD_LOCAL_RANK,
// SLURM_LOCALID or LOCAL_RANK. Errors: ASSAY_EUSAGE.
ASSAY_MUST_USE enum assay_status assay_place_find(struct assay_place *out, struct assay_error *err);

// Meet the others: at ASSAY_BOARD, a file of this host, or at ASSAY_MASTER, "host:port" that rank 0
// listens on (MASTER_ADDR and MASTER_PORT do as well), with the secret in ASSAY_SECRET or in the
// file ASSAY_SECRET_FILE that others may not read. *out is the caller's to destroy; NULL for a
// group of one. `before`: a group of the same ranks that was joined before, or NULL. Errors:
// ASSAY_EUSAGE (which variable is missing), of assay_collective_create().
ASSAY_MUST_USE enum assay_status assay_ranks_join(struct assay_collective **out,
        const struct assay_place *place, struct assay_collective *before, uint64_t deadline_ms,
        struct assay_error *err);

// Start this command line once for each of `count` ranks of this host, with a share of the
// processors each, and wait. Signals are passed on; when one of them falls the others are ended.
// Errors: ASSAY_EIO (who fell, and how), ASSAY_EINTERRUPTED.
ASSAY_MUST_USE enum assay_status assay_ranks_start(
        const struct assay_invocation *invocation, uint32_t count, struct assay_error *err);

#endif
