// SPDX-License-Identifier: MIT
// pool.h - a bounded set of threads that works through a list.
#ifndef ASSAY_ORCHESTRATOR_POOL_H
#define ASSAY_ORCHESTRATOR_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define ASSAY_POOL_THREADS_MAX 1024

// Called from a pool thread for each index of the list, in order of index.
typedef enum assay_status (*assay_jobs_work)(void *user, size_t index, struct assay_error *err);

// Work through indexes 0..count-1 on `threads` threads. The first error stops
// the handing out of further indexes and is returned when all threads are
// done; *stop (may be NULL), set from outside, does the same with ASSAY_EINTERRUPTED.
ASSAY_MUST_USE enum assay_status assay_jobs_run(size_t threads, size_t count, assay_jobs_work work,
        void *user, const volatile bool *stop, struct assay_error *err);

// A sensible number of boxes at once: the CPUs this process may use.
size_t assay_jobs_default_threads(void);

#endif
