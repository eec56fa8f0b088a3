// SPDX-License-Identifier: MIT
// serve_openenv.c - episodes as OpenEnv's clients play them: over a WebSocket, or plain HTTP with a
// session.
//
// A grading that takes longer than its client waits is an observation that is not done, with
// `pending`; whatever the client does next asks for it again.
#include "orchestrator/serve_openenv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "envs/tools.h"
#include "orchestrator/serve_mcp.h"
#include "orchestrator/serve_parts.h"
#include "orchestrator/serve_turn.h"
#include "orchestrator/socket.h"

// --- what is written ----------------------------------------------------------------------------

static void write_reset(struct assay_json_writer *w, const struct assay_lease_view *view)
{
    const struct assay_instance *instance = view->task->instance;
    const struct assay_tool *tools;
    size_t count = 0;

    assay_json_begin_object(w, "observation");
    assay_json_put_bytes(w, "text", instance->problem.data, instance->problem.len);
    assay_json_put_text(w, "episode_id", view->id);
    assay_json_put_text(w, "suite", view->task->suite->name);
    assay_json_put_text(w, "instance_id", instance->instance_id);
    assay_json_put_text(w, "workdir", view->workdir);
    tools = assay_tool_table(&count);
    assay_json_begin_array(w, "tool_names");
    for (size_t i = 0; i < count; i++)
        assay_json_put_text(w, NULL, tools[i].name);
    assay_json_end_array(w);
    assay_json_end_object(w);
    assay_json_put_null(w, "reward");
    assay_json_put_bool(w, "done", false);
}

// `tool_name`: the action was a call_tool, whose observation has a name and a result. NULL: not.
static void write_turn(
        struct assay_json_writer *w, const struct assay_service_turn *turn, const char *tool_name)
{
    assay_json_begin_object(w, "observation");
    if (turn->seen != NULL)
        assay_service_write_seen(w, turn->seen);
    if (tool_name != NULL) {
        assay_json_put_text(w, "tool_name", tool_name);
        if (turn->seen != NULL)
            assay_json_put_bytes(w, "result", turn->seen->text.data, turn->seen->text.len);
        assay_json_put_null(w, "error");
    }
    assay_json_put_text(w, "episode_id", turn->view.id);
    assay_json_put_u64(w, "turns", turn->view.turns);
    assay_json_put_bool(w, "terminated", turn->terminated);
    assay_json_put_bool(w, "truncated", turn->truncated);
    assay_json_put_bool(w, "pending", turn->pending);
    assay_json_put_text(w, "episode_cause", assay_episode_cause_name(turn->view.cause));
    if (turn->graded != NULL) {
        assay_json_put_text(w, "verdict_cause", turn->graded->cause);
        assay_json_put_text(w, "job_id", turn->graded->job_id);
    }
    assay_json_end_object(w);
    assay_service_write_reward(w, "reward", turn);
    assay_json_put_bool(w, "done", turn->over && !turn->pending);
}

static void write_state(struct assay_json_writer *w, const struct assay_lease_view *view)
{
    assay_json_put_text(w, "episode_id", view != NULL ? view->id : NULL);
    assay_json_put_u64(w, "step_count", view != NULL ? view->turns : 0);
    if (view == NULL)
        return;
    assay_json_put_text(w, "suite", view->task->suite->name);
    assay_json_put_text(w, "instance_id", view->task->instance->instance_id);
    assay_json_put_text(w, "episode_cause", assay_episode_cause_name(view->cause));
}

static void write_tools(struct assay_json_writer *w)
{
    assay_json_begin_object(w, "observation");
    assay_mcp_write_tools(w, "tools", "input_schema", NULL);
    assay_json_end_object(w);
    assay_json_put_null(w, "reward");
    assay_json_put_bool(w, "done", false);
}

// --- acting --------------------------------------------------------------------------------------

// An action in an episode; in one that is over, what that is worth.
static enum assay_status act(struct assay_service *serve, const char *id,
        const struct assay_action *action, assay_service_turn_told told, void *user,
        struct assay_error *err)
{
    struct assay_lease_view view;
    enum assay_status status = assay_leases_look(serve->leases, id, &view, err);

    if (status != ASSAY_OK)
        return status;
    return assay_service_take_turn(serve, id, view.cause == ASSAY_EPISODE_RUNNING ? action : NULL,
            assay_clock_ms() + ASSAY_SERVE_PATIENCE_MS, told, user, err);
}

// --- plain HTTP ---------------------------------------------------------------------------------

static bool find_session(
        char id[ASSAY_ID_BYTES], struct assay_service_call *call, const struct assay_json *body)
{
    return assay_openenv_read_session(id, assay_http_header(call->request, "X-Session-ID"),
            assay_http_header(call->request, "Cookie"), body);
}

static void refuse_422(
        struct assay_http_request *request, enum assay_status status, const struct assay_error *err)
{
    if (status == ASSAY_EINVAL)
        assay_service_refuse(request, 422, "validation", err->message);
    else
        assay_service_fail(request, status, err);
}

void assay_service_openenv_reset(struct assay_service_call *call)
{
    struct assay_lease_begin begin;
    struct assay_lease_view view;
    struct assay_json *body = NULL;
    struct assay_error err = {0};
    struct assay_json_writer w;
    struct assay_buf text;
    char id[ASSAY_ID_BYTES], cookie[ASSAY_ID_BYTES + 64];
    enum assay_status status = assay_service_read(&body, call->request, &err);

    if (status == ASSAY_OK)
        status = assay_service_read_begin(&begin, call->serve, body, &err);
    if (status == ASSAY_OK) {
        begin.owner = assay_http_who(call->request);
        status = assay_leases_open(call->serve->leases, &begin, id, &err);
    }
    if (status == ASSAY_OK)
        status = assay_leases_look(call->serve->leases, id, &view, &err);
    assay_json_free(body);
    if (status != ASSAY_OK) {
        refuse_422(call->request, status, &err);
        return;
    }
    snprintf(cookie, sizeof(cookie), ASSAY_OPENENV_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict",
            id);
    assay_http_add_header(call->request, "X-Session-ID", id);
    assay_http_add_header(call->request, "Set-Cookie", cookie);
    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    write_reset(&w, &view);
    assay_json_end_object(&w);
    assay_service_reply(call->request, 200, &text);
}

struct http_step {
    struct assay_http_request *request;
    char *tool_name; // owned
};

static void told_http(void *user, const struct assay_service_turn *turn)
{
    struct http_step *step = user;
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    write_turn(&w, turn, step->tool_name);
    assay_json_end_object(&w);
    assay_service_reply(step->request, 200, &text);
    free(step->tool_name);
    free(step);
}

static void reply_tools(struct assay_http_request *request)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    write_tools(&w);
    assay_json_end_object(&w);
    assay_service_reply(request, 200, &text);
}

void assay_service_openenv_step(struct assay_service_call *call)
{
    struct http_step *step = calloc(1, sizeof(*step));
    const struct assay_json *from = NULL;
    struct assay_json *body = NULL;
    struct assay_error err = {0};
    struct assay_openenv_action action = {.lists = false};
    char id[ASSAY_ID_BYTES] = "";
    enum assay_status status = assay_service_read(&body, call->request, &err);

    assay_buf_init(&action.arguments, 1);
    if (status == ASSAY_OK && step == NULL)
        status = assay_fail(&err, ASSAY_ENOMEM, "out of memory");
    if (status == ASSAY_OK)
        status = assay_json_read_object(&from, body, "action", &err);
    if (status == ASSAY_OK)
        status = assay_openenv_read_action(&action, from, &err);
    if (status == ASSAY_OK && !action.lists &&
            (!find_session(id, call, body) ||
                    !assay_service_may_touch(call->serve, call->request, id, &err)))
        status = assay_fail(
                &err, ASSAY_ENOTFOUND, "which episode? POST /reset tells its X-Session-ID");
    if (status == ASSAY_OK && !action.lists) {
        step->request = call->request;
        step->tool_name = action.tool_name;
        action.tool_name = NULL;
        status = act(call->serve, id, &action.action, told_http, step, &err);
    }
    if (status != ASSAY_OK)
        refuse_422(call->request, status, &err);
    else if (action.lists)
        reply_tools(call->request);
    if ((status != ASSAY_OK || action.lists) && step != NULL) {
        free(step->tool_name);
        free(step);
    }
    assay_openenv_action_free(&action);
    assay_json_free(body);
}

void assay_service_openenv_state(struct assay_service_call *call)
{
    struct assay_lease_view view;
    struct assay_json_writer w;
    struct assay_buf text;
    char id[ASSAY_ID_BYTES];
    const bool known = find_session(id, call, NULL) &&
            assay_leases_look(call->serve->leases, id, &view, NULL) == ASSAY_OK;

    assay_buf_init(&text, 4096);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    write_state(&w, known ? &view : NULL);
    assay_json_end_object(&w);
    assay_service_reply(call->request, 200, &text);
}

// --- what it is ---------------------------------------------------------------------------------

static void reply_text(struct assay_http_request *request, const char *json)
{
    struct assay_buf text;

    assay_buf_init(&text, 1 << 16);
    assay_buf_adds(&text, json);
    assay_service_reply(request, 200, &text);
}

void assay_service_openenv_health(struct assay_service_call *call)
{
    reply_text(call->request, "{\"status\":\"healthy\"}");
}

void assay_service_openenv_metadata(struct assay_service_call *call)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, 4096);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "name", "assay");
    assay_json_put_text(&w, "description",
            "Software-engineering episodes in sandboxes, with rewards from tests that cannot be "
            "faked");
    assay_json_put_null(&w, "readme_content");
    assay_json_put_text(&w, "version", call->serve->options.version);
    assay_json_put_null(&w, "author");
    assay_json_put_null(&w, "documentation_url");
    assay_json_end_object(&w);
    assay_service_reply(call->request, 200, &text);
}

void assay_service_openenv_schema(struct assay_service_call *call)
{
    reply_text(call->request,
            "{\"action\":{\"type\":\"object\",\"properties\":{\"tool\":{\"type\":\"string\"},"
            "\"arguments\":{\"type\":\"object\"},\"metadata\":{\"type\":\"object\"}},"
            "\"required\":[\"tool\"],\"additionalProperties\":false},"
            "\"observation\":{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"},"
            "\"failed\":{\"type\":\"boolean\"},\"cause\":{\"type\":\"string\"},"
            "\"exit_code\":{\"type\":\"integer\"},\"episode_id\":{\"type\":\"string\"},"
            "\"turns\":{\"type\":\"integer\"},\"terminated\":{\"type\":\"boolean\"},"
            "\"truncated\":{\"type\":\"boolean\"},\"pending\":{\"type\":\"boolean\"},"
            "\"episode_cause\":{\"type\":\"string\"}}},"
            "\"state\":{\"type\":\"object\",\"properties\":{\"episode_id\":{\"type\":\"string\"},"
            "\"step_count\":{\"type\":\"integer\"},\"instance_id\":{\"type\":\"string\"}}}}");
}

// --- a WebSocket --------------------------------------------------------------------------------

struct player {
    struct assay_service *serve;
    struct assay_mcp mcp;
    char episode[ASSAY_ID_BYTES]; // "": none
    // Of the step that is under way.
    struct assay_socket *ticket;
    char *tool_name; // owned
};

static void begin_message(struct assay_json_writer *w, struct assay_buf *text, const char *type)
{
    assay_buf_init(text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(w, text, 0);
    assay_json_begin_object(w, NULL);
    assay_json_put_text(w, "type", type);
    assay_json_begin_object(w, "data");
}

static void send_message(
        struct assay_socket *ticket, struct assay_json_writer *w, struct assay_buf *text)
{
    assay_json_end_object(w);
    assay_json_end_object(w);
    assay_socket_answer(ticket, text, false);
}

static void send_error(struct assay_socket *ticket, const char *code, const char *message)
{
    struct assay_json_writer w;
    struct assay_buf text;

    begin_message(&w, &text, "error");
    assay_json_put_text(&w, "message", message);
    assay_json_put_text(&w, "code", code);
    send_message(ticket, &w, &text);
}

static const char *code_of(enum assay_status status)
{
    if (status == ASSAY_EINVAL)
        return "VALIDATION_ERROR";
    if (status == ASSAY_EREFUSED)
        return "CAPACITY_REACHED";
    return status == ASSAY_ENOTFOUND ? "SESSION_ERROR" : "EXECUTION_ERROR";
}

static void leave_episode(struct player *p)
{
    struct assay_error err;

    if (p->episode[0] != '\0' && assay_leases_close(p->serve->leases, p->episode, &err) != ASSAY_OK)
        assay_log(assay_context_log(p->serve->context), ASSAY_LOG_DEBUG, "service",
                "episode was gone", "episode", p->episode, NULL);
    p->episode[0] = '\0';
}

static void play_reset(struct player *p, struct assay_socket *ticket, const struct assay_json *data)
{
    struct assay_lease_begin begin;
    struct assay_lease_view view;
    struct assay_error err = {0};
    struct assay_json_writer w;
    struct assay_buf text;
    enum assay_status status = assay_service_read_begin(&begin, p->serve, data, &err);

    if (status == ASSAY_OK) {
        leave_episode(p);
        begin.owner = p->mcp.who;
        status = assay_leases_open(p->serve->leases, &begin, p->episode, &err);
    }
    if (status == ASSAY_OK)
        status = assay_leases_look(p->serve->leases, p->episode, &view, &err);
    if (status != ASSAY_OK) {
        send_error(ticket, code_of(status), err.message);
        return;
    }
    begin_message(&w, &text, "observation");
    write_reset(&w, &view);
    send_message(ticket, &w, &text);
}

static void told_player(void *user, const struct assay_service_turn *turn)
{
    struct player *p = user;
    struct assay_json_writer w;
    struct assay_buf text;
    char *tool_name = p->tool_name;

    p->tool_name = NULL;
    begin_message(&w, &text, "observation");
    write_turn(&w, turn, tool_name);
    free(tool_name);
    send_message(p->ticket, &w, &text);
}

static void play_step(struct player *p, struct assay_socket *ticket, const struct assay_json *data)
{
    struct assay_error err = {0};
    struct assay_json_writer w;
    struct assay_buf text;
    struct assay_openenv_action action;
    enum assay_status status = assay_openenv_read_action(&action, data, &err);

    if (status == ASSAY_OK && action.lists) {
        begin_message(&w, &text, "observation");
        write_tools(&w);
        send_message(ticket, &w, &text);
    } else if (status == ASSAY_OK && p->episode[0] == '\0') {
        send_error(ticket, "SESSION_ERROR", "reset comes first");
    } else if (status == ASSAY_OK) {
        p->ticket = ticket;
        p->tool_name = action.tool_name;
        action.tool_name = NULL;
        status = act(p->serve, p->episode, &action.action, told_player, p, &err);
    }
    if (status != ASSAY_OK) {
        free(p->tool_name);
        p->tool_name = NULL;
        send_error(ticket, code_of(status), err.message);
    }
    assay_openenv_action_free(&action);
}

static void tell_state(struct player *p, struct assay_socket *ticket)
{
    struct assay_lease_view view;
    struct assay_json_writer w;
    struct assay_buf text;
    const bool known = p->episode[0] != '\0' &&
            assay_leases_look(p->serve->leases, p->episode, &view, NULL) == ASSAY_OK;

    begin_message(&w, &text, "state");
    write_state(&w, known ? &view : NULL);
    send_message(ticket, &w, &text);
}

static void mcp(struct player *p, struct assay_socket *ticket, const struct assay_json *data)
{
    struct assay_json_writer w;
    struct assay_buf reply, text;

    assay_buf_init(&reply, ASSAY_SERVE_REPLY_BYTES_MAX);
    memcpy(p->mcp.episode, p->episode, sizeof(p->mcp.episode));
    p->mcp.confined = p->episode[0] != '\0'; // an episode a connection
    assay_mcp_answer(&p->mcp, data, &reply);
    memcpy(p->episode, p->mcp.episode, sizeof(p->episode));
    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "type", "mcp");
    if (reply.len > 0)
        assay_json_put_written(&w, "data", reply.data);
    else
        assay_json_put_null(&w, "data");
    assay_json_end_object(&w);
    assay_buf_free(&reply);
    assay_socket_answer(ticket, &text, false);
}

static void on_player_message(void *user, struct assay_socket *ticket, const char *text, size_t len)
{
    const struct assay_json_limits limits = {ASSAY_SOCKET_MESSAGE_BYTES_MAX, ASSAY_SERVE_DEPTH_MAX};
    struct player *p = user;
    struct assay_json *json = NULL;
    struct assay_error err = {0};
    const struct assay_json *data;
    const char *type;

    if (assay_json_parse(&json, text, len, limits, "message", 1, &err) != ASSAY_OK) {
        send_error(ticket, "INVALID_JSON", err.message);
        return;
    }
    type = assay_json_text(assay_json_get(json, "type"));
    data = assay_json_get(json, "data");
    if (type != NULL && strcmp(type, "reset") == 0) {
        play_reset(p, ticket, data);
    } else if (type != NULL && strcmp(type, "step") == 0 && data != NULL) {
        play_step(p, ticket, data);
    } else if (type != NULL && strcmp(type, "state") == 0) {
        tell_state(p, ticket);
    } else if (type != NULL && strcmp(type, "mcp") == 0 && data != NULL) {
        mcp(p, ticket, data);
    } else if (type != NULL && strcmp(type, "close") == 0) {
        struct assay_buf none;

        assay_buf_init(&none, 1);
        leave_episode(p);
        assay_socket_answer(ticket, &none, true);
    } else {
        send_error(ticket, type != NULL ? "UNKNOWN_TYPE" : "VALIDATION_ERROR",
                "reset, step, state, mcp or close is wanted, with its data");
    }
    assay_json_free(json);
}

static void on_player_gone(void *user)
{
    struct player *p = user;

    leave_episode(p);
    free(p->tool_name);
    free(p);
}

void assay_service_openenv_socket(struct assay_service_call *call)
{
    static const struct assay_socket_kind kind = {on_player_message, on_player_gone};
    struct player *p = calloc(1, sizeof(*p));

    if (p == NULL) {
        assay_service_refuse(call->request, 500, "memory", "out of memory");
        return;
    }
    p->serve = call->serve;
    assay_mcp_init(
            &p->mcp, call->serve, assay_http_role(call->request), assay_http_who(call->request));
    if (!assay_sockets_accept(call->serve->sockets, call->request, &kind, p))
        free(p);
}
