// SPDX-License-Identifier: MIT
// workers.h - threads that take work off whoever may not wait: a bounded queue, first come first
// served.
#ifndef ASSAY_ORCHESTRATOR_WORKERS_H
#define ASSAY_ORCHESTRATOR_WORKERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct assay_workers; // opaque; owned by whoever called assay_workers_create()

ASSAY_MUST_USE enum assay_status assay_workers_create(
        struct assay_workers **out, size_t threads, size_t queue_max, struct assay_error *err);
// Does what is queued, then ends its threads; nothing more is taken.
void assay_workers_end(struct assay_workers *workers);
void assay_workers_destroy(struct assay_workers *workers); // ends it first; NULL is allowed

// work(user) on one of the threads. False: the queue is full, or it ends.
bool assay_workers_add(struct assay_workers *workers, void (*work)(void *user), void *user);
size_t assay_workers_waiting(struct assay_workers *workers);

#endif
