// SPDX-License-Identifier: MIT
// ready.h - the spawner's pool of inits that wait for a request, and its talk with the forge.
//
// A ready init has run no code but ours and is used for one box only. The pool is filled
// again one by one, by the forge; a request that finds none waiting gets the next that is
// made. A plan of another shape goes the same way without waiting beforehand.
#ifndef ASSAY_SANDBOX_READY_H
#define ASSAY_SANDBOX_READY_H

#include <stdbool.h>

#include "sandbox/spawner.h"

// How often one request is given an init before it fails: inits and the forge may be killed.
#define ASSAY_ATTEMPTS_MAX 3

#define ASSAY_NO_SLOT UINT32_MAX

// A dead box of which the forge holds something, or a group alone.
struct assay_grave {
    uint32_t slot; // ASSAY_NO_SLOT: there is no box
    uint64_t group;
};

// A box for a request: READY, MAKING, or new and WAITING. NULL: no slot is free. own_uid: with
// a uid of its own, where there are any left.
struct box *assay_ready_take(struct spawner *spawner, enum assay_shape shape, bool own_uid);
// It is not wanted after all.
void assay_ready_give_back(struct spawner *spawner, struct box *box);
// The forge has something to say, or is gone.
void assay_ready_hear(struct spawner *spawner);
// Send what is due: burials, orders for requests, one order for the pool. False: the forge has no
// room for it, try again in a moment.
bool assay_ready_tend(struct spawner *spawner);
// The box is gone; what the forge keeps for it is to go too.
void assay_ready_bury(struct spawner *spawner, const struct box *box);
// The group is nobody's any more.
void assay_ready_remove_group(struct spawner *spawner, uint64_t group);
// Every box is gone: wait for the forge's end.
void assay_ready_stop(struct spawner *spawner);

#endif
