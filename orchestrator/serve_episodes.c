// SPDX-License-Identifier: MIT
// serve_episodes.c - episodes in our own words: /v1/episodes.
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "envs/tools.h"
#include "orchestrator/serve_parts.h"
#include "orchestrator/serve_turn.h"

#define LIST_MAX 4096
#define WAIT_S_MAX 3600
#define ANSWER_BYTES_MAX ((size_t)64 << 20)

// --- telling ------------------------------------------------------------------------------------

static void write_view(struct assay_json_writer *w, const struct assay_lease_view *view)
{
    assay_json_put_text(w, "episode_id", view->id);
    assay_json_put_text(w, "suite", view->task->suite->name);
    assay_json_put_text(w, "instance_id", view->task->instance->instance_id);
    assay_json_put_text(w, "workdir", view->workdir);
    assay_json_put_text(w, "owner", view->owner);
    assay_json_put_text(w, "cause", assay_episode_cause_name(view->cause));
    if (view->reason[0] != '\0')
        assay_json_put_text(w, "reason", view->reason);
    assay_json_put_u64(w, "turns", view->turns);
    assay_json_put_bool(w, "busy", view->busy);
    assay_json_put_u64(w, "age_ms", view->age_ms);
    assay_json_put_u64(w, "idle_ms", view->idle_ms);
    assay_json_put_u64(w, "idle_ms_max", view->idle_ms_max);
}

static void reply_view(struct assay_service_call *call, const char *id, unsigned status,
        bool begins, const uint32_t *differs)
{
    struct assay_lease_view view;
    struct assay_error err = {0};
    struct assay_json_writer w;
    struct assay_buf text;
    const enum assay_status looked = assay_leases_look(call->serve->leases, id, &view, &err);

    if (looked != ASSAY_OK) {
        assay_service_fail(call->request, looked, &err);
        return;
    }
    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    write_view(&w, &view);
    if (begins) {
        const struct assay_instance *instance = view.task->instance;

        assay_json_put_bytes(&w, "problem", instance->problem.data, instance->problem.len);
        assay_tools_write(&w, "tools");
    }
    if (differs != NULL)
        assay_json_put_u64(&w, "differs", *differs);
    assay_json_end_object(&w);
    assay_service_reply(call->request, status, &text);
}

// --- whose it is --------------------------------------------------------------------------------

bool assay_service_owns(struct assay_service *serve, unsigned role, const char *who, const char *id,
        struct assay_error *err)
{
    struct assay_lease_view view;

    if (assay_leases_look(serve->leases, id, &view, err) != ASSAY_OK)
        return false;
    if (role >= ASSAY_ROLE_ADMIN || strcmp(view.owner, who) == 0)
        return true;
    (void)assay_fail(err, ASSAY_ENOTFOUND, "no episode %.40s is open here", id); // not for them
    return false;
}

bool assay_service_may_touch(struct assay_service *serve, struct assay_http_request *request,
        const char *id, struct assay_error *err)
{
    return assay_service_owns(serve, assay_http_role(request), assay_http_who(request), id, err);
}

static bool may_touch(struct assay_service_call *call)
{
    struct assay_error err = {0};

    if (assay_service_may_touch(call->serve, call->request, call->argument, &err))
        return true;
    assay_service_fail(call->request, ASSAY_ENOTFOUND, &err);
    return false;
}

// The body, where there may be none. *out is NULL then.
static enum assay_status read_optional(struct assay_json **out, struct assay_service_call *call,
        const char *const *keys, size_t count, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    *out = NULL;
    if (assay_http_body(call->request)->len > 0)
        status = assay_service_read(out, call->request, err);
    if (status == ASSAY_OK && *out != NULL)
        status = assay_json_only_keys(*out, keys, count, err);
    return status;
}

// --- routes -------------------------------------------------------------------------------------

void assay_service_open_episode(struct assay_service_call *call)
{
    static const char *const keys[] = {"suite", "instance_id", "seed", "idle_s", "turns", "wall_s",
            "cpu_s", "command_s", "observation_bytes", "shell"};
    struct assay_lease_begin begin;
    struct assay_json *body = NULL;
    struct assay_error err = {0};
    char id[ASSAY_ID_BYTES];
    enum assay_status status = assay_service_read(&body, call->request, &err);

    if (status == ASSAY_OK)
        status = assay_json_only_keys(body, keys, sizeof(keys) / sizeof(keys[0]), &err);
    if (status == ASSAY_OK)
        status = assay_service_read_begin(&begin, call->serve, body, &err);
    if (status == ASSAY_OK) {
        begin.owner = assay_http_who(call->request);
        status = assay_leases_open(call->serve->leases, &begin, id, &err);
    }
    assay_json_free(body);
    if (status == ASSAY_OK)
        reply_view(call, id, 201, true, NULL);
    else
        assay_service_fail(call->request, status, &err);
}

void assay_service_list_episodes(struct assay_service_call *call)
{
    struct assay_lease_view *views = calloc(LIST_MAX, sizeof(*views));
    struct assay_json_writer w;
    struct assay_buf text;
    size_t count;

    if (views == NULL) {
        assay_service_refuse(call->request, 500, "memory", "out of memory");
        return;
    }
    count = assay_leases_list(call->serve->leases, views, LIST_MAX);
    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "open", count);
    assay_json_begin_array(&w, "episodes");
    for (size_t i = 0; i < count && i < LIST_MAX; i++) {
        assay_json_begin_object(&w, NULL);
        write_view(&w, &views[i]);
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    free(views);
    assay_service_reply(call->request, 200, &text);
}

void assay_service_show_episode(struct assay_service_call *call)
{
    reply_view(call, call->argument, 200, false, NULL);
}

void assay_service_tools(struct assay_service_call *call)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_tools_write(&w, "tools");
    assay_json_end_object(&w);
    assay_service_reply(call->request, 200, &text);
}

static void told(void *user, const struct assay_service_turn *turn)
{
    struct assay_http_request *request = user;
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    write_view(&w, &turn->view);
    if (turn->seen != NULL) {
        assay_json_begin_object(&w, "observation");
        assay_service_write_seen(&w, turn->seen);
        assay_json_end_object(&w);
    }
    assay_service_write_reward(&w, "reward", turn);
    assay_json_put_bool(&w, "terminated", turn->terminated);
    assay_json_put_bool(&w, "truncated", turn->truncated);
    assay_json_put_bool(&w, "pending", turn->pending);
    if (turn->graded != NULL)
        assay_json_put_written(&w, "verdict", turn->graded->verdict);
    assay_json_end_object(&w);
    assay_service_reply(request, turn->pending ? 202 : 200, &text);
}

void assay_service_step_episode(struct assay_service_call *call)
{
    static const char *const keys[] = {"tool", "arguments", "wait_s"};
    struct assay_action action = {.tool = NULL};
    struct assay_json *body = NULL;
    struct assay_error err = {0};
    struct assay_buf arguments;
    uint64_t wait_s = ASSAY_SERVE_PATIENCE_MS / 1000;
    enum assay_status status;

    if (!may_touch(call))
        return;
    assay_buf_init(&arguments, ASSAY_SERVE_BODY_BYTES_MAX);
    status = assay_service_read(&body, call->request, &err);
    if (status == ASSAY_OK)
        status = assay_json_only_keys(body, keys, sizeof(keys) / sizeof(keys[0]), &err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&wait_s, body, "wait_s", 0, WAIT_S_MAX, &err);
    if (status == ASSAY_OK)
        status = assay_service_read_action(&action, &arguments, body, &err);
    if (status == ASSAY_OK)
        status = assay_service_take_turn(call->serve, call->argument, &action,
                assay_clock_ms() + wait_s * 1000, told, call->request, &err);
    if (status != ASSAY_OK)
        assay_service_fail(call->request, status, &err);
    assay_buf_free(&arguments);
    assay_json_free(body);
}

// What it is worth as it stands: it is over then.
void assay_service_grade_episode(struct assay_service_call *call)
{
    static const char *const keys[] = {"wait_s"};
    struct assay_json *body = NULL;
    struct assay_error err = {0};
    uint64_t wait_s = ASSAY_SERVE_PATIENCE_MS / 1000;
    enum assay_status status;

    if (!may_touch(call))
        return;
    status = read_optional(&body, call, keys, 1, &err);
    if (status == ASSAY_OK && body != NULL)
        status = assay_json_opt_u64(&wait_s, body, "wait_s", 0, WAIT_S_MAX, &err);
    if (status == ASSAY_OK)
        status = assay_service_take_turn(call->serve, call->argument, NULL,
                assay_clock_ms() + wait_s * 1000, told, call->request, &err);
    if (status != ASSAY_OK)
        assay_service_fail(call->request, status, &err);
    assay_json_free(body);
}

void assay_service_fork_episode(struct assay_service_call *call)
{
    static const char *const keys[] = {"turn"};
    struct assay_json *body = NULL;
    struct assay_error err = {0};
    char id[ASSAY_ID_BYTES];
    uint64_t turn = UINT32_MAX;
    uint32_t differs = 0;
    enum assay_status status;

    if (!may_touch(call))
        return;
    status = read_optional(&body, call, keys, 1, &err);
    if (status == ASSAY_OK && body != NULL)
        status = assay_json_opt_u64(&turn, body, "turn", 0, ASSAY_EPISODE_TURNS_MAX, &err);
    if (status == ASSAY_OK)
        status = assay_leases_fork(
                call->serve->leases, call->argument, (uint32_t)turn, id, &differs, &err);
    assay_json_free(body);
    if (status == ASSAY_OK)
        reply_view(call, id, 201, false, &differs);
    else
        assay_service_fail(call->request, status, &err);
}

void assay_service_patch_episode(struct assay_service_call *call)
{
    struct assay_submission submission;
    struct assay_error err = {0};
    struct assay_json_writer w;
    struct assay_buf text, answer;
    enum assay_status status;

    if (!may_touch(call))
        return;
    assay_buf_init(&answer, ANSWER_BYTES_MAX);
    status = assay_leases_finish(call->serve->leases, call->argument, &err);
    if (status == ASSAY_OK)
        status = assay_leases_answer(
                call->serve->leases, call->argument, &answer, &submission, &err);
    if (status == ASSAY_OK) {
        assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
        assay_json_writer_init(&w, &text, 0);
        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "episode_id", call->argument);
        assay_json_put_bytes(&w, "patch", answer.data, answer.len);
        assay_json_end_object(&w);
        assay_service_reply(call->request, 200, &text);
    } else {
        assay_service_fail(call->request, status, &err);
    }
    assay_buf_free(&answer);
}

void assay_service_close_episode(struct assay_service_call *call)
{
    struct assay_error err = {0};
    struct assay_buf text;
    enum assay_status status;

    if (!may_touch(call))
        return;
    status = assay_leases_close(call->serve->leases, call->argument, &err);
    if (status != ASSAY_OK) {
        assay_service_fail(call->request, status, &err);
        return;
    }
    assay_buf_init(&text, 128);
    assay_buf_addf(&text, "{\"episode_id\":\"%s\",\"closed\":true}", call->argument);
    assay_service_reply(call->request, 200, &text);
}
