// SPDX-License-Identifier: MIT
#include "orchestrator/drive.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define MESSAGE_BYTES_MAX ((size_t)512 << 20) // of what an actor says at once
#define ANSWER_BYTES_MAX ((size_t)64 << 20)
#define PATCH_ARENA_BYTES ((size_t)1 << 30)

struct drive {
    struct assay_context *context;
    const struct assay_drive_request *request;
    struct assay_drive_result *out;
    struct assay_episode *episode; // owned
    struct assay_actor_task task;
    void *state; // of the actor; owned
    bool opened;
    uint32_t message;
    uint64_t tokens;
    struct assay_arena *said; // owned: the last message, whose calls seen[] names
    // What the last message's calls showed; owned.
    struct assay_observation observations[ASSAY_ACTOR_CALLS_MAX];
    struct assay_actor_seen seen[ASSAY_ACTOR_CALLS_MAX];
    size_t seen_count;
};

static void forget_seen(struct drive *d)
{
    for (size_t i = 0; i < d->seen_count; i++)
        assay_observation_release(&d->observations[i]);
    d->seen_count = 0;
}

static bool interrupted(const struct drive *d)
{
    return *assay_context_interrupted(d->context);
}

// Why it is over, where the first word counts.
static void note_reason(struct assay_drive_result *out, const char *reason)
{
    if (out->reason[0] == '\0')
        snprintf(out->reason, sizeof(out->reason), "%s", reason);
}

// --- turns --------------------------------------------------------------------------------------

void assay_drive_tell_turn(
        struct assay_turn *turn, const struct assay_observation *observation, uint64_t start_us)
{
    turn->observation = (struct assay_bytes){observation->text.data, observation->text.len};
    turn->failed = observation->failed;
    turn->cause = observation->ran ? assay_box_cause_name(observation->box_cause) : NULL;
    turn->exit_code = observation->exit_code;
    turn->signal = observation->signal;
    turn->wall_us = observation->wall_us;
    turn->cpu_us = observation->cpu_us;
    turn->queue_us = observation->queue_us;
    turn->step_us = assay_clock_us() - start_us;
}

static enum assay_status record(struct drive *d, const struct assay_turn *turn,
        const struct assay_observation *observation, uint64_t start_us, struct assay_error *err)
{
    struct assay_turn told = *turn;

    told.turn = d->out->turn_count;
    assay_drive_tell_turn(&told, observation, start_us);
    if (d->request->on_turn != NULL)
        d->request->on_turn(d->request->user, &told);
    if (d->request->handle == NULL)
        return ASSAY_OK;
    return assay_store_post_turn(assay_context_store(d->context), d->request->handle, &told, err);
}

// One call. *out is the caller's, when the status is ASSAY_OK.
static enum assay_status take_turn(struct drive *d, const struct assay_turn *turn,
        const char *reply, struct assay_observation *out, struct assay_error *err)
{
    const struct assay_action action = {
            .tool = turn->tool, .arguments = turn->arguments, .reply = reply};
    const uint64_t start_us = assay_clock_us();
    struct assay_error trouble = {0};
    enum assay_status status = assay_episode_step(d->episode, &action, out, &trouble);

    if (status == ASSAY_EINTERRUPTED || (status != ASSAY_OK && interrupted(d)))
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    if (status != ASSAY_OK) {
        note_reason(d->out, trouble.message);
        return status;
    }
    d->out->turn_count++;
    status = record(d, turn, out, start_us, err);
    if (status != ASSAY_OK)
        assay_observation_release(out);
    return status;
}

// All calls of a message, until one of them ends the episode.
static enum assay_status take_message(struct drive *d, const struct assay_actor_message *message,
        uint64_t actor_us, struct assay_error *err)
{
    const struct assay_actor_call none = {.tool = NULL};
    const size_t count = message->call_count > 0 ? message->call_count : 1;

    forget_seen(d);
    d->message++;
    for (size_t i = 0; i < count; i++) {
        const struct assay_actor_call *call = message->call_count > 0 ? &message->calls[i] : &none;
        const struct assay_turn turn = {.message = d->message,
                .text = i == 0 ? message->text : NULL,
                .call_id = call->id,
                .tool = call->tool,
                .arguments = call->arguments,
                .actor_us = i == 0 ? actor_us : 0,
                .prompt_tokens = i == 0 ? message->prompt_tokens : 0,
                .answer_tokens = i == 0 ? message->answer_tokens : 0,
                .sampled = i == 0 ? message->sampled : NULL};
        struct assay_observation *observation = &d->observations[i];
        const enum assay_status status = take_turn(d, &turn, call->reply, observation, err);

        if (assay_episode_cause(d->episode) == ASSAY_EPISODE_INFRA_ERROR)
            return ASSAY_OK;
        if (status != ASSAY_OK)
            return status;
        d->seen[i] = (struct assay_actor_seen){.call_id = call->id,
                .text = {observation->text.data, observation->text.len},
                .failed = observation->failed,
                .ran = observation->ran,
                .succeeded = observation->ran && observation->box_cause == ASSAY_BOX_EXITED &&
                        observation->exit_code == 0};
        d->seen_count++;
        if (assay_episode_cause(d->episode) != ASSAY_EPISODE_RUNNING)
            return ASSAY_OK;
    }
    return ASSAY_OK;
}

// --- the actor ----------------------------------------------------------------------------------

static enum assay_status actor_failed(struct drive *d, enum assay_status status,
        const struct assay_error *trouble, struct assay_error *err)
{
    if (status == ASSAY_EINTERRUPTED || interrupted(d))
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    note_reason(d->out, trouble->message);
    assay_episode_end(d->episode,
            assay_clock_left_ms(d->task.deadline_ms) == 0 ? ASSAY_EPISODE_WALL_LIMIT
                                                          : ASSAY_EPISODE_ACTOR_FAILED);
    return ASSAY_OK;
}

static enum assay_status hear_actor(struct drive *d, struct assay_error *err)
{
    const struct assay_actor_kind *kind = d->request->actor->kind;
    struct assay_actor_message message = {.arena = NULL};
    struct assay_error trouble = {0};
    const uint64_t start_us = assay_clock_us();
    enum assay_status status = assay_arena_create(&message.arena, MESSAGE_BYTES_MAX, err);

    if (status != ASSAY_OK)
        return status;
    status = kind->next(d->state, d->seen, d->seen_count, &message, &trouble);
    if (status != ASSAY_OK)
        status = actor_failed(d, status, &trouble, err);
    else if (message.stop && message.call_count == 0)
        assay_episode_end(d->episode, ASSAY_EPISODE_STOPPED);
    else
        status = take_message(d, &message, assay_clock_us() - start_us, err);
    assay_arena_destroy(d->said);
    d->said = message.arena;
    d->tokens += message.prompt_tokens + message.answer_tokens;
    if (d->request->tokens_max > 0 && d->tokens >= d->request->tokens_max)
        assay_episode_end(d->episode, ASSAY_EPISODE_TOKEN_LIMIT);
    return status;
}

static enum assay_status run_actor(struct drive *d, struct assay_error *err)
{
    const struct assay_actor *actor = d->request->actor;
    struct assay_error trouble = {0};
    enum assay_status status = ASSAY_OK;

    if (assay_episode_cause(d->episode) != ASSAY_EPISODE_RUNNING)
        return ASSAY_OK;
    status = actor->kind->open(&d->state, actor->config, &d->task, &trouble);
    if (status != ASSAY_OK)
        return actor_failed(d, status, &trouble, err);
    d->opened = true;
    while (status == ASSAY_OK && assay_episode_cause(d->episode) == ASSAY_EPISODE_RUNNING) {
        if (interrupted(d))
            return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        status = hear_actor(d, err);
    }
    return status;
}

// What was done before, and the fork that goes on after it.
static enum assay_status run_history(struct drive *d, struct assay_error *err)
{
    const struct assay_drive_request *r = d->request;
    struct assay_episode *fork = NULL;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < r->history_count; i++) {
        struct assay_observation seen;

        if (assay_episode_cause(d->episode) != ASSAY_EPISODE_RUNNING)
            return ASSAY_OK;
        status = take_turn(d, &r->history[i],
                r->history[i].tool == NULL ? r->history[i].observation.data : NULL, &seen, err);
        if (assay_episode_cause(d->episode) == ASSAY_EPISODE_INFRA_ERROR)
            return ASSAY_OK;
        if (status != ASSAY_OK)
            return status;
        assay_observation_release(&seen);
        d->message = r->history[i].message;
    }
    if (r->history_count == 0 || assay_episode_cause(d->episode) != ASSAY_EPISODE_RUNNING)
        return ASSAY_OK;
    status = assay_episode_fork(&fork, d->episode, assay_episode_turns(d->episode), NULL, err);
    if (status == ASSAY_OK) {
        assay_episode_close(d->episode);
        d->episode = fork;
    }
    return status;
}

// --- the whole ----------------------------------------------------------------------------------

enum assay_status assay_drive_take_answer(struct assay_drive_result *out,
        struct assay_episode *episode, const struct assay_instance *instance,
        struct assay_error *err)
{
    const char *answer = assay_episode_answer(episode);
    struct assay_tree_patch_report report;
    struct assay_arena *arena = NULL;
    struct assay_error trouble = {0};
    enum assay_status status = ASSAY_OK;

    if (instance->task == ASSAY_TASK_LOCALIZE) {
        assay_buf_adds(&out->answer, answer != NULL ? answer : "");
        return assay_buf_check(&out->answer, "answer", err);
    }
    status = assay_arena_create(&arena, PATCH_ARENA_BYTES, err);
    if (status != ASSAY_OK)
        return status;
    status = assay_episode_patch(episode, &out->answer, &report, arena, &trouble);
    assay_arena_destroy(arena);
    if (status == ASSAY_OK)
        return ASSAY_OK;
    note_reason(out, trouble.message);
    // More than a patch may hold is what the actor made; anything else is ours.
    if (status == ASSAY_EREFUSED || status == ASSAY_ENOMEM)
        assay_buf_clear(&out->answer);
    else
        out->cause = ASSAY_EPISODE_INFRA_ERROR;
    return ASSAY_OK;
}

static enum assay_status reset(struct drive *d, struct assay_error *err)
{
    const struct assay_drive_request *r = d->request;
    const struct assay_recipe *recipe = assay_suite_recipe(r->suite, r->instance->recipe);
    const struct assay_environment *environment = NULL;
    struct assay_episode_place place = {.sandbox = assay_context_sandbox(d->context),
            .depot = assay_context_depot(d->context),
            .instance = r->instance,
            .recipe = recipe,
            .cancel = assay_context_interrupted(d->context)};
    enum assay_status status = ASSAY_OK;

    if (recipe == NULL)
        return assay_fail(err, ASSAY_EINVAL, "recipe '%s' is unknown", r->instance->recipe);
    status = assay_context_environment(d->context, recipe, &environment, err);
    if (status != ASSAY_OK)
        return status;
    place.environment = environment;
    d->task = (struct assay_actor_task){.context = d->context,
            .suite = r->suite,
            .instance = r->instance,
            .workdir = recipe->workdir,
            .sample = r->sample,
            .seed = r->seed,
            .turns_max = r->options.limits.turns_max,
            .history = r->history,
            .history_count = r->history_count,
            .deadline_ms = assay_clock_ms() + r->options.limits.wall_ms_max,
            .cancel = place.cancel};
    return assay_episode_reset(&d->episode, &place, &r->options, err);
}

static enum assay_status drive(struct drive *d, struct assay_error *err)
{
    struct assay_error trouble = {0};
    enum assay_status status = reset(d, &trouble);

    if (status != ASSAY_OK && interrupted(d))
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    if (status != ASSAY_OK) {
        note_reason(d->out, trouble.message);
        d->out->cause = ASSAY_EPISODE_INFRA_ERROR;
        return ASSAY_OK;
    }
    status = run_history(d, err);
    if (status == ASSAY_OK)
        status = run_actor(d, err);
    if (status != ASSAY_OK)
        return status;
    d->out->cause = assay_episode_cause(d->episode);
    return d->out->cause == ASSAY_EPISODE_INFRA_ERROR
            ? ASSAY_OK
            : assay_drive_take_answer(d->out, d->episode, d->request->instance, err);
}

enum assay_status assay_drive(struct assay_drive_result *out, struct assay_context *context,
        const struct assay_drive_request *request, struct assay_error *err)
{
    struct drive d = {.context = context, .request = request, .out = out};
    enum assay_status status;

    assay_drive_result_init(out);
    status = drive(&d, err);
    forget_seen(&d);
    if (d.opened)
        request->actor->kind->close(d.state);
    assay_arena_destroy(d.said);
    assay_episode_close(d.episode);
    if (status != ASSAY_OK)
        assay_drive_release(out);
    return status;
}

void assay_drive_result_init(struct assay_drive_result *out)
{
    memset(out, 0, sizeof(*out));
    assay_buf_init(&out->answer, ANSWER_BYTES_MAX);
}

void assay_drive_release(struct assay_drive_result *result)
{
    assay_buf_free(&result->answer);
}
