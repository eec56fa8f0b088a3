// SPDX-License-Identifier: MIT
// drive.h - one episode from its reset to what it leaves: an actor, a box, the record of both.
#ifndef ASSAY_ORCHESTRATOR_DRIVE_H
#define ASSAY_ORCHESTRATOR_DRIVE_H

#include "base/buf.h"
#include "base/error.h"
#include "envs/episode.h"
#include "orchestrator/actor.h"
#include "orchestrator/context.h"
#include "tasks/store_episode.h"

struct assay_drive_request {
    const struct assay_suite *suite;
    const struct assay_instance *instance;
    const struct assay_actor *actor;
    struct assay_episode_options options;
    uint64_t tokens_max; // prompt and answer, all messages together; 0: no limit
    unsigned sample;
    uint64_t seed;
    // Actions that come before the actor's own, and after which the episode is forked: the fork
    // goes on.
    const struct assay_turn *history;
    size_t history_count;
    const struct assay_episode_handle *handle; // where its turns are recorded; NULL: nowhere
    // Called with each turn as it ends; may be NULL.
    void (*on_turn)(void *user, const struct assay_turn *turn);
    void *user;
};

struct assay_drive_result {
    enum assay_episode_cause cause;
    char reason[ASSAY_ERROR_MESSAGE_BYTES]; // "" where the cause says it
    uint32_t turn_count;
    struct assay_buf answer; // owned: what is graded; empty: nothing was changed
};

// Whatever happens in the episode is a result. ASSAY_EINTERRUPTED: the user asked to stop;
// ASSAY_ENOMEM, ASSAY_EIO: the record. On ASSAY_OK *out is the caller's to release.
ASSAY_MUST_USE enum assay_status assay_drive(struct assay_drive_result *out,
        struct assay_context *context, const struct assay_drive_request *request,
        struct assay_error *err);
void assay_drive_release(struct assay_drive_result *result);

// --- for whoever drives an episode otherwise (leases.h) -----------------------------------------

void assay_drive_result_init(struct assay_drive_result *out);
// What a turn showed, into its record: the observation is borrowed. It began at start_us.
void assay_drive_tell_turn(
        struct assay_turn *turn, const struct assay_observation *observation, uint64_t start_us);
// What an episode that is over leaves, appended to out->answer; out->cause and reason are set where
// it cannot be had. *out was initialised.
ASSAY_MUST_USE enum assay_status assay_drive_take_answer(struct assay_drive_result *out,
        struct assay_episode *episode, const struct assay_instance *instance,
        struct assay_error *err);

#endif
