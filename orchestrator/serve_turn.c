// SPDX-License-Identifier: MIT
#include "orchestrator/serve_turn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "envs/tools.h"
#include "orchestrator/serve_parts.h"

#define ANSWER_BYTES_MAX ((size_t)64 << 20)

struct turn_call {
    struct assay_service_turn turn;
    struct assay_observation seen; // owned
    assay_service_turn_told told;
    void *user;
};

static void tell(struct turn_call *c)
{
    c->told(c->user, &c->turn);
    if (c->turn.seen != NULL)
        assay_observation_release(&c->seen);
    free(c);
}

static void graded(void *user, const struct assay_gathered *items, size_t count)
{
    struct turn_call *c = user;

    (void)count;
    if (items[0].state == ASSAY_GRADED_DONE)
        c->turn.graded = &items[0];
    c->turn.pending = items[0].state == ASSAY_GRADED_QUEUED;
    tell(c);
}

static void note_end(struct assay_service_turn *turn)
{
    const enum assay_episode_cause cause = turn->view.cause;

    turn->over = cause != ASSAY_EPISODE_RUNNING;
    turn->terminated = cause == ASSAY_EPISODE_SUBMITTED || cause == ASSAY_EPISODE_STOPPED;
    turn->truncated = turn->over && !turn->terminated;
}

// It is over: what is it worth? *waits: told() will be called.
static enum assay_status grade(struct assay_service *serve, struct turn_call *c, const char *id,
        uint64_t deadline_ms, bool *waits, struct assay_error *err)
{
    const struct assay_gathering gathering = {.done = graded, .user = c};
    struct assay_submission submission;
    struct assay_buf answer;
    struct assay_error trouble = {0};
    enum assay_status status;

    assay_buf_init(&answer, ANSWER_BYTES_MAX);
    status = assay_leases_answer(serve->leases, id, &answer, &submission, &trouble);
    if (status == ASSAY_OK) {
        status = assay_gather(serve->grader, &submission, 1, deadline_ms, &gathering, err);
        *waits = status == ASSAY_OK;
    } else if (status == ASSAY_EIO) {
        status = ASSAY_OK; // trouble of ours: no reward, and the reason stands in the view
    } else if (err != NULL) {
        *err = trouble;
    }
    assay_buf_free(&answer);
    return status;
}

static enum assay_status act(struct assay_service *serve, struct turn_call *c, const char *id,
        const struct assay_action *action, struct assay_error *err)
{
    enum assay_status status;

    if (action == NULL) {
        status = assay_leases_finish(serve->leases, id, err);
        if (status == ASSAY_OK)
            status = assay_leases_look(serve->leases, id, &c->turn.view, err);
        return status;
    }
    status = assay_leases_step(serve->leases, id, action, &c->seen, &c->turn.view, err);
    if (status == ASSAY_OK)
        c->turn.seen = &c->seen;
    return status;
}

enum assay_status assay_service_take_turn(struct assay_service *serve, const char *id,
        const struct assay_action *action, uint64_t deadline_ms, assay_service_turn_told told,
        void *user, struct assay_error *err)
{
    struct turn_call *c = calloc(1, sizeof(*c));
    bool waits = false;
    enum assay_status status;

    if (c == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    c->told = told;
    c->user = user;
    status = act(serve, c, id, action, err);
    if (status == ASSAY_OK) {
        note_end(&c->turn);
        if (c->turn.over)
            status = grade(serve, c, id, deadline_ms, &waits, err);
    }
    if (waits)
        return ASSAY_OK;
    if (status == ASSAY_OK) {
        tell(c);
        return ASSAY_OK;
    }
    if (c->turn.seen != NULL)
        assay_observation_release(&c->seen);
    free(c);
    return status;
}

// --- what is read -------------------------------------------------------------------------------

static enum assay_status choose_task(const struct assay_served **out, struct assay_service *serve,
        const char *suite, const char *instance_id, uint64_t seed, struct assay_error *err)
{
    size_t count;

    if (instance_id != NULL)
        return assay_served_find(out, serve->suites, suite, instance_id, err);
    count = assay_served_count(serve->suites, suite);
    if (count == 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "no such suite is served");
    *out = assay_served_at(serve->suites, suite, (size_t)(seed % count));
    return ASSAY_OK;
}

static enum assay_status read_limits(
        struct assay_episode_options *out, const struct assay_json *from, struct assay_error *err)
{
    struct assay_episode_limits *limits = &out->limits;
    uint64_t turns = 100, wall_s = ASSAY_SERVE_WALL_MS_DEFAULT / 1000, cpu_s = 1800,
             command_s = 120, observation = 16000;
    const char *shell = NULL;
    enum assay_status status =
            assay_json_opt_u64(&turns, from, "turns", 1, ASSAY_EPISODE_TURNS_MAX, err);

    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&wall_s, from, "wall_s", 1, 86400, err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&cpu_s, from, "cpu_s", 1, 86400, err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&command_s, from, "command_s", 1, 3600, err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&observation, from, "observation_bytes", 256, 1 << 20, err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&shell, from, "shell", err);
    if (status == ASSAY_OK && shell != NULL && strcmp(shell, "fresh") != 0 &&
            strcmp(shell, "persistent") != 0)
        status = assay_fail(err, ASSAY_EINVAL, "shell: fresh or persistent");
    *limits = (struct assay_episode_limits){.turns_max = (uint32_t)turns,
            .wall_ms_max = wall_s * 1000,
            .cpu_ms_max = cpu_s * 1000,
            .command_ms_max = command_s * 1000,
            .observation_bytes_max = (size_t)observation};
    out->fresh = shell != NULL && strcmp(shell, "fresh") == 0;
    return status;
}

enum assay_status assay_service_read_begin(struct assay_lease_begin *out,
        struct assay_service *serve, const struct assay_json *from, struct assay_error *err)
{
    const char *suite = NULL, *instance_id = NULL;
    uint64_t seed = 0, idle_s = 0;
    enum assay_status status = assay_json_opt_text(&suite, from, "suite", err);

    *out = (struct assay_lease_begin){.task = NULL};
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&instance_id, from, "instance_id", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&seed, from, "seed", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&idle_s, from, "idle_s", 1, 86400, err);
    if (status == ASSAY_OK)
        status = read_limits(&out->episode, from, err);
    if (status == ASSAY_OK)
        status = choose_task(&out->task, serve, suite, instance_id, seed, err);
    out->seed = seed;
    out->idle_ms = idle_s * 1000;
    return status;
}

enum assay_status assay_service_write_arguments(struct assay_buf *out,
        const struct assay_json *arguments, const char *without, struct assay_error *err)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    for (const struct assay_json *at = arguments != NULL ? assay_json_first(arguments) : NULL;
            at != NULL; at = assay_json_next(at)) {
        if (without == NULL || strcmp(assay_json_key(at), without) != 0)
            assay_json_put_copy(&w, assay_json_key(at), at);
    }
    assay_json_end_object(&w);
    return assay_buf_check(out, "arguments", err);
}

enum assay_status assay_service_read_arguments(
        struct assay_buf *out, const struct assay_json *from, struct assay_error *err)
{
    const struct assay_json *given = assay_json_get(from, "arguments");

    if (given != NULL && assay_json_type(given) != ASSAY_JSON_OBJECT)
        return assay_fail(err, ASSAY_EINVAL, "field \"arguments\" must be an object");
    return assay_service_write_arguments(out, given, NULL, err);
}

enum assay_status assay_service_read_action(struct assay_action *out, struct assay_buf *arguments,
        const struct assay_json *from, struct assay_error *err)
{
    enum assay_status status = assay_json_read_text(&out->tool, from, "tool", err);

    if (status == ASSAY_OK)
        status = assay_service_read_arguments(arguments, from, err);
    out->arguments = arguments->data;
    return status;
}

// --- what is written ----------------------------------------------------------------------------

void assay_service_write_seen(struct assay_json_writer *w, const struct assay_observation *seen)
{
    assay_json_put_bytes(w, "text", seen->text.data, seen->text.len);
    assay_json_put_bool(w, "failed", seen->failed);
    if (!seen->ran)
        return;
    assay_json_put_text(w, "cause", assay_box_cause_name(seen->box_cause));
    assay_json_put_i64(w, "exit_code", seen->exit_code);
    assay_json_put_u64(w, "wall_us", seen->wall_us);
}

void assay_service_write_reward(
        struct assay_json_writer *w, const char *key, const struct assay_service_turn *turn)
{
    if (turn->graded != NULL && turn->graded->scored)
        assay_json_put_double(w, key, turn->graded->reward);
    else
        assay_json_put_null(w, key);
}
