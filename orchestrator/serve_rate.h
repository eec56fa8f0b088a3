// SPDX-License-Identifier: MIT
// serve_rate.h - how many requests a second each client may make.
//
// A client that was silent for a second may make a second's worth at once. Room is for so many
// clients at a time, whoever comes: where it is short, two of them share one allowance. One thread.
#ifndef ASSAY_ORCHESTRATOR_SERVE_RATE_H
#define ASSAY_ORCHESTRATOR_SERVE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct assay_rates; // opaque; owned by whoever called assay_rates_create()

ASSAY_MUST_USE enum assay_status assay_rates_create(
        struct assay_rates **out, uint64_t per_second, struct assay_error *err); // > 0
void assay_rates_destroy(struct assay_rates *rates);                             // NULL is allowed
// May this client make a request now (assay_clock_ms())? It has made it then.
bool assay_rates_take(struct assay_rates *rates, const char *client, uint64_t now_ms);

#endif
