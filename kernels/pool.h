// SPDX-License-Identifier: MIT
// pool.h - a few threads that share out the tasks of one region at a time.
//
// A region is `task_count` independent tasks, handed out in order by an atomic counter to the
// caller and to whoever else is awake. The caller waits for tasks, never for threads: a thread that
// the kernel has not scheduled costs nothing but its help. What a task computes must not depend on
// who runs it.
#ifndef ASSAY_KERNELS_POOL_H
#define ASSAY_KERNELS_POOL_H

#include <stddef.h>

#include "base/error.h"

struct assay_pool; // opaque; owned by whoever called assay_pool_create()

// thread_index < thread_count of the pool; two tasks that run at the same time have different ones.
typedef void assay_pool_task(void *context, size_t task_index, size_t thread_index);

// thread_count counts the caller; 0: as many as the CPUs that the process may use. Errors: ENOMEM,
// EIO.
ASSAY_MUST_USE enum assay_status assay_pool_create(
        struct assay_pool **out, size_t thread_count, struct assay_error *err);
void assay_pool_destroy(struct assay_pool *pool); // NULL is allowed

size_t assay_pool_thread_count(const struct assay_pool *pool);

// Run task(context, i, ...) for i in [0, task_count), in any order; returns when all are done. One
// caller at a time; tasks do not start regions.
void assay_pool_run(
        struct assay_pool *pool, size_t task_count, assay_pool_task *task, void *context);

// The same for a count of rows or elements in pieces of `grain`, which alone decides where pieces
// begin: task number i is [i * grain, min((i + 1) * grain, count)).
typedef void assay_pool_piece(void *context, size_t from, size_t to, size_t thread_index);
void assay_pool_pieces(struct assay_pool *pool, size_t count, size_t grain, assay_pool_piece *piece,
        void *context);

#endif
