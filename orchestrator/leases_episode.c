// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "orchestrator/claims.h"
#include "orchestrator/leases_inner.h"

#define ARENA_BYTES ((size_t)1 << 30)

void assay_lease_release(struct assay_leases *leases, struct assay_lease *lease)
{
    if (lease->claim != 0)
        assay_claims_end(assay_context_claims(leases->context), lease->id, lease->claim, false);
    assay_episode_close(lease->episode);
    assay_drive_release(&lease->result);
    free(lease);
}

// A spawner that died took all boxes with it; the next episode is to find one.
static void mend(struct assay_leases *leases, uint64_t generation)
{
    struct assay_error err = {0};

    if (assay_context_mend(leases->context, generation, &err) != ASSAY_OK)
        assay_log(assay_context_log(leases->context), ASSAY_LOG_ERROR, "service",
                "spawner not restarted", "reason", err.message, NULL);
}

enum assay_status assay_lease_record(
        struct assay_leases *leases, struct assay_lease *lease, struct assay_error *err)
{
    struct assay_store *store = assay_context_store(leases->context);
    const char *ids[] = {lease->task->instance->instance_id};
    const struct assay_run wanted = {.run_id = lease->id,
            .suite = lease->task->suite->name,
            .identity = lease->id,
            .model = lease->owner[0] != '\0' ? lease->owner : ASSAY_LEASE_ACTOR,
            .command = "assay serve"};
    char seed[24];
    const struct assay_episode_begin begin = {.run_id = lease->id,
            .instance_id = ids[0],
            .sample = 1,
            .graded_in = lease->id,
            .actor = ASSAY_LEASE_ACTOR,
            .seed = seed,
            .options = lease->options};
    struct assay_arena *arena = NULL;
    struct assay_run run;
    bool known = false;
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, err);

    snprintf(seed, sizeof(seed), "%" PRIu64, lease->seed);
    if (status == ASSAY_OK)
        status = assay_store_open_run(store, &wanted, ids, 1, false, arena, &run, &known, err);
    if (status == ASSAY_OK && known)
        status = assay_fail(err, ASSAY_ECONFLICT, "the episode %s exists already", lease->id);
    if (status == ASSAY_OK)
        status = assay_claims_take(assay_context_claims(leases->context), lease->id,
                assay_context_interrupted(leases->context), &lease->claim, err);
    if (status == ASSAY_OK)
        status = assay_store_begin_episode(store, &begin, &lease->handle, &known, err);
    assay_arena_destroy(arena);
    return status;
}

enum assay_status assay_lease_reset(
        struct assay_leases *leases, struct assay_lease *lease, struct assay_error *err)
{
    const struct assay_environment *environment = NULL;
    struct assay_episode_place place = {.sandbox = assay_context_sandbox(leases->context),
            .depot = assay_context_depot(leases->context),
            .instance = lease->task->instance,
            .recipe = lease->recipe,
            .cancel = &lease->cancel};
    uint64_t generation;
    enum assay_status status =
            assay_context_environment(leases->context, lease->recipe, &environment, err);

    if (status != ASSAY_OK)
        return status;
    place.environment = environment;
    generation = assay_context_enter(leases->context);
    status = assay_episode_reset(&lease->episode, &place, &lease->options, err);
    assay_context_leave(leases->context);
    if (status == ASSAY_EIO)
        mend(leases, generation);
    return status;
}

enum assay_status assay_lease_make(struct assay_lease **out, struct assay_leases *leases,
        const struct assay_lease_begin *begin, struct assay_error *err)
{
    const uint64_t idle_ms = begin->idle_ms > 0 && begin->idle_ms < leases->idle_ms_max
            ? begin->idle_ms
            : leases->idle_ms_max;
    struct assay_lease *lease = calloc(1, sizeof(*lease));
    enum assay_status status = ASSAY_OK;

    if (lease == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_drive_result_init(&lease->result);
    lease->task = begin->task;
    lease->options = begin->episode;
    lease->seed = begin->seed;
    lease->idle_ms_max = idle_ms;
    lease->opened_ms = lease->touched_ms = assay_clock_ms();
    snprintf(lease->owner, sizeof(lease->owner), "%s", begin->owner != NULL ? begin->owner : "");
    lease->recipe = assay_suite_recipe(begin->task->suite, begin->task->instance->recipe);
    if (lease->recipe == NULL)
        status = assay_fail(
                err, ASSAY_EINVAL, "recipe '%s' is unknown", begin->task->instance->recipe);
    else if (begin->id == NULL)
        status = assay_id_new(lease->id, err);
    else
        snprintf(lease->id, sizeof(lease->id), "%s", begin->id);
    if (status == ASSAY_OK)
        *out = lease;
    else
        assay_lease_release(leases, lease);
    return status;
}

static enum assay_status record_turn(struct assay_leases *leases, struct assay_lease *lease,
        const struct assay_action *action, const struct assay_observation *seen, uint64_t start_us,
        struct assay_error *err)
{
    struct assay_turn turn = {.turn = lease->turns,
            .message = lease->turns,
            .tool = action->tool,
            .arguments = action->arguments};

    assay_drive_tell_turn(&turn, seen, start_us);
    return assay_store_post_turn(assay_context_store(leases->context), &lease->handle, &turn, err);
}

enum assay_status assay_lease_step(struct assay_leases *leases, struct assay_lease *lease,
        const struct assay_action *action, struct assay_observation *seen, struct assay_error *err)
{
    const uint64_t start_us = assay_clock_us();
    struct assay_error trouble = {0};
    uint64_t generation;
    enum assay_status status;

    if (lease->episode == NULL)
        return assay_fail(err, ASSAY_ECONFLICT, "the episode is over: %s",
                assay_episode_cause_name(lease->result.cause));
    generation = assay_context_enter(leases->context);
    status = assay_episode_step(lease->episode, action, seen, &trouble);
    assay_context_leave(leases->context);
    if (status != ASSAY_OK) {
        snprintf(lease->result.reason, sizeof(lease->result.reason), "%s", trouble.message);
        if (status != ASSAY_EINTERRUPTED) {
            // It is over with INFRA_ERROR; its record says so as far as it can be written.
            if (assay_lease_finish(leases, lease, NULL) != ASSAY_OK)
                lease->result.cause = ASSAY_EPISODE_INFRA_ERROR;
            mend(leases, generation);
        }
        return assay_fail(err, status, "%s", trouble.message);
    }
    lease->turns++;
    status = record_turn(leases, lease, action, seen, start_us, err);
    if (status == ASSAY_OK && assay_episode_cause(lease->episode) != ASSAY_EPISODE_RUNNING)
        status = assay_lease_finish(leases, lease, err);
    if (status != ASSAY_OK)
        assay_observation_release(seen);
    return status;
}

enum assay_status assay_lease_finish(
        struct assay_leases *leases, struct assay_lease *lease, struct assay_error *err)
{
    struct assay_drive_result *result = &lease->result;
    struct assay_episode *episode = lease->episode;
    struct assay_bytes answer;
    uint64_t generation;
    enum assay_status status = ASSAY_OK;

    if (episode == NULL)
        return ASSAY_OK;
    result->cause = assay_episode_cause(episode);
    result->turn_count = lease->turns;
    generation = assay_context_enter(leases->context);
    if (result->cause != ASSAY_EPISODE_INFRA_ERROR)
        status = assay_drive_take_answer(result, episode, lease->task->instance, err);
    assay_episode_close(episode);
    assay_context_leave(leases->context);
    lease->episode = NULL;
    if (status != ASSAY_OK)
        result->cause = ASSAY_EPISODE_INFRA_ERROR;
    if (result->cause == ASSAY_EPISODE_INFRA_ERROR)
        mend(leases, generation);
    answer = (struct assay_bytes){result->answer.data, result->answer.len};
    return assay_store_end_episode(assay_context_store(leases->context), &lease->handle,
            result->cause, result->reason, result->turn_count, answer, err);
}

// The turns up to where a fork stands are its own, too. A write that is waited for comes after all
// that were posted before it, so the parent's turns are there.
static enum assay_status copy_turns(struct assay_leases *leases, const struct assay_lease *from,
        struct assay_lease *to, uint32_t turn, struct assay_error *err)
{
    struct assay_store *store = assay_context_store(leases->context);
    struct assay_arena *arena = NULL;
    struct assay_turn *turns = NULL;
    size_t count = 0;
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = assay_store_get_turns(store, from->handle.number, arena, &turns, &count, err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        if (turns[i].turn <= turn)
            status = assay_store_post_turn(store, &to->handle, &turns[i], err);
    }
    assay_arena_destroy(arena);
    return status;
}

enum assay_status assay_lease_fork(struct assay_leases *leases, struct assay_lease *from,
        uint32_t turn, struct assay_lease **out, uint32_t *differs, struct assay_error *err)
{
    const struct assay_lease_begin begin = {.task = from->task,
            .episode = from->options,
            .idle_ms = from->idle_ms_max,
            .seed = from->seed,
            .owner = from->owner};
    struct assay_lease *lease = NULL;
    enum assay_status status;

    if (from->episode == NULL)
        return assay_fail(err, ASSAY_ECONFLICT, "the episode is over: its box is gone");
    if (turn == UINT32_MAX)
        turn = from->turns;
    status = assay_lease_make(&lease, leases, &begin, err);
    if (status != ASSAY_OK)
        return status;
    (void)assay_context_enter(leases->context);
    status = assay_episode_fork(&lease->episode, from->episode, turn, differs, err);
    assay_context_leave(leases->context);
    if (status == ASSAY_OK)
        assay_episode_set_cancel(lease->episode, &lease->cancel);
    lease->turns = turn;
    if (status == ASSAY_OK)
        status = assay_lease_record(leases, lease, err);
    if (status == ASSAY_OK)
        status = copy_turns(leases, from, lease, turn, err);
    if (status == ASSAY_OK)
        *out = lease;
    else
        assay_lease_release(leases, lease);
    return status;
}
