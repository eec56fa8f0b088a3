// SPDX-License-Identifier: MIT
// claims.h - one run a key: whoever wants a verdict that is being made waits for it.
//
// Threads of one process and processes on one store alike: a claim is a row of the store
// (tasks/store.h) with an owner and an expiry. A thread of its own renews this process's claims
// while there are any, so that an owner that died blocks nobody for longer than ASSAY_CLAIM_MS.
// Thread-safe.
#ifndef ASSAY_ORCHESTRATOR_CLAIMS_H
#define ASSAY_ORCHESTRATOR_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "tasks/store.h"

#define ASSAY_CLAIM_MS 10000u // without being renewed

struct assay_claims; // opaque; owned by whoever called assay_claims_create()

ASSAY_MUST_USE enum assay_status assay_claims_create(
        struct assay_claims **out, struct assay_store *store, struct assay_error *err);
void assay_claims_destroy(struct assay_claims *claims); // before its store; NULL is allowed

// *claim: a number, ours until assay_claims_end(); or 0 when the key was another's and is free
// again by now: its verdict may be there. ASSAY_EINTERRUPTED: *cancel was set while it waited.
ASSAY_MUST_USE enum assay_status assay_claims_take(struct assay_claims *claims, const char *key,
        const volatile bool *cancel, uint64_t *claim, struct assay_error *err);
// `recorded`: the verdict that was put under this claim has ended it in the store.
void assay_claims_end(struct assay_claims *claims, const char *key, uint64_t claim, bool recorded);

#endif
