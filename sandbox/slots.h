// SPDX-License-Identifier: MIT
// slots.h - which command runs now: CPUs and memory, handed out in the order of asking.
//
// A slot is one CPU of this process's affinity mask. A command takes slots and a
// share of the memory budget while it runs, and is pinned to its CPUs, so that its
// time does not depend on its neighbours. Whoever asks first is served first: a
// request that does not fit yet holds up the ones behind it, so that a large one
// is not starved by small ones. Something may always run when nothing else does,
// whatever it weighs.
//
// Thread-safe. Assay processes of one host avoid each other's CPUs while there are
// free ones, and share them otherwise; budgets are one process's.
#ifndef ASSAY_SANDBOX_SLOTS_H
#define ASSAY_SANDBOX_SLOTS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct assay_slots; // opaque; owned by whoever called assay_slots_create()

struct assay_slots_options {
    uint32_t boxes_per_cpu;       // commands that may share one CPU; 0: 1
    uint64_t memory_bytes_budget; // sum of the limits of what runs; 0: assay_slots_memory_default()
};

// What one command was given.
struct assay_lease {
    cpu_set_t cpus; // empty when it asked for none
    uint32_t cpu_count;
    uint64_t memory_bytes;
    uint64_t waited_us;
};

ASSAY_MUST_USE enum assay_status assay_slots_create(struct assay_slots **out,
        const struct assay_slots_options *options, struct assay_error *err);
void assay_slots_destroy(struct assay_slots *slots); // nobody waits or holds; NULL is allowed

uint32_t assay_slots_cpu_count(const struct assay_slots *slots);
uint64_t assay_slots_memory_budget(const struct assay_slots *slots);

// Commands that have a lease, and those that wait for one, at this moment.
void assay_slots_load(struct assay_slots *slots, uint32_t *running, uint32_t *waiting);

// Wait for `cpu_count` CPUs (ASSAY_CPUS_ALL of box.h: all there are; 0: none) and for room
// for `memory_bytes`. `cancel` (may be NULL) is looked at while waiting:
// ASSAY_EINTERRUPTED. ASSAY_EINVAL: there are never so many CPUs. The lease is
// given back with assay_slots_give().
ASSAY_MUST_USE enum assay_status assay_slots_take(struct assay_slots *slots,
        struct assay_lease *lease, uint32_t cpu_count, uint64_t memory_bytes,
        const volatile bool *cancel, struct assay_error *err);
void assay_slots_give(struct assay_slots *slots, const struct assay_lease *lease);

// 80 % of what is available now, or of the memory limit of this process's
// control groups where that is less.
uint64_t assay_slots_memory_default(void);

#endif
