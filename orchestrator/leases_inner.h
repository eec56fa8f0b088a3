// SPDX-License-Identifier: MIT
// leases_inner.h - a lease and its episode (leases_episode.c), apart from who has it (leases.c).
// Internal to leases*.c.
#ifndef ASSAY_ORCHESTRATOR_LEASES_INNER_H
#define ASSAY_ORCHESTRATOR_LEASES_INNER_H

#include <pthread.h>

#include "orchestrator/drive.h"
#include "orchestrator/leases.h"
#include "tasks/store_episode.h"

#define ASSAY_LEASE_ACTOR "service"

struct assay_lease {
    char id[ASSAY_ID_BYTES];
    char owner[64];
    const struct assay_served *task;
    const struct assay_recipe *recipe;
    struct assay_episode_options options;
    struct assay_episode_handle handle;
    uint64_t claim; // on its run, for as long as somebody leads it; 0: none yet
    uint64_t seed, opened_ms, idle_ms_max;
    volatile bool cancel; // what it does is to stop
    // Of whoever has it (`busy`), else under the lock.
    struct assay_episode *episode;    // owned; NULL: over
    struct assay_drive_result result; // owned: what it came to
    uint32_t turns;
    // Under the lock.
    bool busy, closing;
    char shell[ASSAY_LEASE_WORD_BYTES];
    uint64_t touched_ms;
    struct {
        enum assay_episode_cause cause;
        char reason[ASSAY_ERROR_MESSAGE_BYTES];
        uint32_t turns;
    } shown; // as it stood when it was last given back
    struct assay_lease *next;
};

struct assay_leases {
    struct assay_context *context;
    size_t count_max;
    uint64_t idle_ms_max;
    pthread_mutex_t lock; // around what follows
    pthread_cond_t change;
    struct assay_lease *first;
    size_t count; // of the list, and of those that are being opened
    bool ending;
    struct assay_lease_counts counts;
    pthread_t reaper;
    bool has_reaper;
};

// Each with a lease that is the caller's alone.

// One that is in no list yet. *out is the caller's to release.
ASSAY_MUST_USE enum assay_status assay_lease_make(struct assay_lease **out,
        struct assay_leases *leases, const struct assay_lease_begin *begin,
        struct assay_error *err);
void assay_lease_release(struct assay_leases *leases, struct assay_lease *lease);
ASSAY_MUST_USE enum assay_status assay_lease_reset(
        struct assay_leases *leases, struct assay_lease *lease, struct assay_error *err);
// Its run and its episode's row.
ASSAY_MUST_USE enum assay_status assay_lease_record(
        struct assay_leases *leases, struct assay_lease *lease, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_lease_step(struct assay_leases *leases,
        struct assay_lease *lease, const struct assay_action *action,
        struct assay_observation *seen, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_lease_fork(struct assay_leases *leases,
        struct assay_lease *from, uint32_t turn, struct assay_lease **out, uint32_t *differs,
        struct assay_error *err);
// What the episode leaves is the lease's; its box is gone.
ASSAY_MUST_USE enum assay_status assay_lease_finish(
        struct assay_leases *leases, struct assay_lease *lease, struct assay_error *err);

#endif
