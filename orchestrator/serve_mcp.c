// SPDX-License-Identifier: MIT
#include "orchestrator/serve_mcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "envs/tools.h"
#include "orchestrator/serve_mcp_tools.h"
#include "orchestrator/serve_parts.h"

#define MESSAGES_MAX 64 // of a list

enum rpc_code {
    RPC_PARSE_ERROR = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_NO_METHOD = -32601,
    RPC_INVALID_PARAMS = -32602,
    RPC_SERVER_ERROR = -32000,
};

// One request under way. Writes exactly one member, "result" or "error", into its response.
struct rpc {
    struct assay_mcp *mcp;
    const struct assay_json *params; // may be NULL
    struct assay_json_writer *w;
};

void assay_mcp_init(
        struct assay_mcp *mcp, struct assay_service *serve, unsigned role, const char *who)
{
    *mcp = (struct assay_mcp){.serve = serve, .role = role};
    snprintf(mcp->who, sizeof(mcp->who), "%s", who);
}

static void put_error(struct assay_json_writer *w, enum rpc_code code, const char *message)
{
    assay_json_begin_object(w, "error");
    assay_json_put_i64(w, "code", code);
    assay_json_put_text(w, "message", message);
    assay_json_end_object(w);
}

// What results of the revision without a handshake say of themselves; others pass it over.
static void begin_result(struct assay_json_writer *w)
{
    assay_json_begin_object(w, "result");
    assay_json_put_text(w, "resultType", "complete");
    assay_json_put_u64(w, "ttlMs", 0);
    assay_json_put_text(w, "cacheScope", "private");
}

// --- methods ------------------------------------------------------------------------------------

static const char *const handshakes[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};
#define STATELESS "2026-07-28"
#define HANDSHAKE_COUNT (sizeof(handshakes) / sizeof(handshakes[0]))
#define INSTRUCTIONS                                                                               \
    "Call list_tasks, then open_episode with an instance_id; act with bash, edit, run_tests and "  \
    "the other tools; end with submit. grade judges a patch without an episode."

static void put_server(struct rpc *r, const char *key)
{
    assay_json_begin_object(r->w, key);
    assay_json_put_text(r->w, "name", "assay");
    assay_json_put_text(r->w, "version", r->mcp->serve->options.version);
    assay_json_end_object(r->w);
}

static void put_capabilities(struct rpc *r)
{
    assay_json_begin_object(r->w, "capabilities");
    assay_json_begin_object(r->w, "tools");
    assay_json_end_object(r->w);
    assay_json_end_object(r->w);
    assay_json_put_text(r->w, "instructions", INSTRUCTIONS);
}

static void initialize(struct rpc *r)
{
    const char *wanted = assay_json_text(assay_json_get(r->params, "protocolVersion"));
    const char *version = handshakes[0];

    for (size_t i = 0; wanted != NULL && i < HANDSHAKE_COUNT; i++) {
        if (strcmp(wanted, handshakes[i]) == 0)
            version = handshakes[i];
    }
    assay_json_begin_object(r->w, "result");
    assay_json_put_text(r->w, "protocolVersion", version);
    put_capabilities(r);
    put_server(r, "serverInfo");
    assay_json_end_object(r->w);
}

static void discover(struct rpc *r)
{
    begin_result(r->w);
    assay_json_begin_array(r->w, "supportedVersions");
    assay_json_put_text(r->w, NULL, STATELESS);
    for (size_t i = 0; i < HANDSHAKE_COUNT; i++)
        assay_json_put_text(r->w, NULL, handshakes[i]);
    assay_json_end_array(r->w);
    put_capabilities(r);
    assay_json_begin_object(r->w, "_meta");
    put_server(r, "io.modelcontextprotocol/serverInfo");
    assay_json_end_object(r->w);
    assay_json_end_object(r->w);
}

static void ping(struct rpc *r)
{
    begin_result(r->w);
    assay_json_end_object(r->w);
}

static void list_tools(struct rpc *r)
{
    begin_result(r->w);
    assay_mcp_write_tools(r->w, "tools", "inputSchema",
            r->mcp->confined ? NULL : "the episode; the one opened last when not given");
    assay_json_end_object(r->w);
}

static void call_tool(struct rpc *r)
{
    const char *name = assay_json_text(assay_json_get(r->params, "name"));
    const char *session = assay_json_text(assay_json_get(r->params, "session_id"));
    const struct assay_json *arguments = assay_json_get(r->params, "arguments");
    struct assay_mcp_tool_result result;
    struct assay_error err = {0};
    enum assay_status status;

    if (name == NULL) {
        put_error(r->w, RPC_INVALID_PARAMS, "the name of a tool is wanted");
        return;
    }
    status = assay_mcp_call(&result, r->mcp, name, session, arguments, &err);
    if (status != ASSAY_OK) {
        put_error(
                r->w, status == ASSAY_EINVAL ? RPC_INVALID_PARAMS : RPC_SERVER_ERROR, err.message);
        return;
    }
    begin_result(r->w);
    assay_json_begin_array(r->w, "content");
    assay_json_begin_object(r->w, NULL);
    assay_json_put_text(r->w, "type", "text");
    assay_json_put_bytes(r->w, "text", result.text.data, result.text.len);
    assay_json_end_object(r->w);
    assay_json_end_array(r->w);
    assay_json_put_bool(r->w, "isError", result.failed);
    if (result.structured.len > 0)
        assay_json_put_written(r->w, "structuredContent", result.structured.data);
    assay_json_end_object(r->w);
    assay_mcp_tool_result_release(&result);
}

// OpenEnv's sessions are episodes.
static void create_session(struct rpc *r)
{
    struct assay_mcp_tool_result result;
    struct assay_error err = {0};

    if (assay_mcp_call(&result, r->mcp, "open_episode", NULL, r->params, &err) != ASSAY_OK) {
        put_error(r->w, RPC_SERVER_ERROR, err.message);
        return;
    }
    if (result.failed) {
        put_error(r->w, RPC_SERVER_ERROR, result.text.data);
    } else {
        assay_json_begin_object(r->w, "result");
        assay_json_put_text(r->w, "session_id", result.episode);
        assay_json_end_object(r->w);
    }
    assay_mcp_tool_result_release(&result);
}

static void close_session(struct rpc *r)
{
    const char *session = assay_json_text(assay_json_get(r->params, "session_id"));
    struct assay_mcp_tool_result result;
    struct assay_error err = {0};

    if (session == NULL) {
        put_error(r->w, RPC_INVALID_PARAMS, "Invalid params - 'session_id' is required");
        return;
    }
    if (assay_mcp_call(&result, r->mcp, "close_episode", session, NULL, &err) != ASSAY_OK) {
        put_error(r->w, RPC_INVALID_PARAMS, err.message);
        return;
    }
    if (result.failed) {
        put_error(r->w, RPC_INVALID_PARAMS, result.text.data);
    } else {
        assay_json_begin_object(r->w, "result");
        assay_json_put_text(r->w, "session_id", session);
        assay_json_put_bool(r->w, "closed", true);
        assay_json_end_object(r->w);
    }
    assay_mcp_tool_result_release(&result);
}

// --- JSON-RPC -----------------------------------------------------------------------------------

static const struct {
    const char *name;
    bool anywhere; // also where one episode is all there is
    void (*answer)(struct rpc *r);
} methods[] = {{"initialize", true, initialize}, {"server/discover", true, discover},
        {"ping", true, ping}, {"tools/list", true, list_tools}, {"tools/call", true, call_tool},
        {"openenv/session/create", false, create_session},
        {"openenv/session/close", false, close_session}};

static void answer_method(struct rpc *r, const char *method)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i].name, method) == 0 && (methods[i].anywhere || !r->mcp->confined)) {
            methods[i].answer(r);
            return;
        }
    }
    put_error(r->w, RPC_NO_METHOD, "there is no such method");
}

static void begin_response(
        struct assay_json_writer *w, struct assay_buf *reply, const struct assay_json *id)
{
    assay_json_writer_init(w, reply, 0);
    assay_json_begin_object(w, NULL);
    assay_json_put_text(w, "jsonrpc", "2.0");
    if (id != NULL)
        assay_json_put_copy(w, "id", id);
    else
        assay_json_put_null(w, "id");
}

static void answer_one(
        struct assay_mcp *mcp, const struct assay_json *message, struct assay_buf *reply)
{
    const char *version = assay_json_text(assay_json_get(message, "jsonrpc"));
    const char *method = assay_json_text(assay_json_get(message, "method"));
    const struct assay_json *id = assay_json_get(message, "id");
    struct assay_json_writer w;
    struct rpc r = {.mcp = mcp, .params = assay_json_get(message, "params"), .w = &w};

    // A notification, or an answer to a question that was never asked.
    if (id == NULL && version != NULL)
        return;
    if (id != NULL && assay_json_type(id) != ASSAY_JSON_STRING &&
            assay_json_type(id) != ASSAY_JSON_NUMBER)
        id = NULL;
    begin_response(&w, reply, id);
    if (version == NULL || strcmp(version, "2.0") != 0 || method == NULL || id == NULL)
        put_error(&w, RPC_INVALID_REQUEST, "a JSON-RPC 2.0 request is wanted");
    else
        answer_method(&r, method);
    assay_json_end_object(&w);
}

void assay_mcp_answer(
        struct assay_mcp *mcp, const struct assay_json *message, struct assay_buf *reply)
{
    struct assay_json_writer w;
    size_t count = 0;

    if (assay_json_type(message) != ASSAY_JSON_ARRAY) {
        answer_one(mcp, message, reply);
        return;
    }
    if (assay_json_count(message) == 0 || assay_json_count(message) > MESSAGES_MAX) {
        begin_response(&w, reply, NULL);
        put_error(&w, RPC_INVALID_REQUEST, "from 1 to 64 messages are wanted");
        assay_json_end_object(&w);
        return;
    }
    for (const struct assay_json *at = assay_json_first(message); at != NULL;
            at = assay_json_next(at)) {
        struct assay_buf one;

        assay_buf_init(&one, ASSAY_SERVE_REPLY_BYTES_MAX);
        answer_one(mcp, at, &one);
        if (one.len > 0) {
            assay_buf_addc(reply, count++ == 0 ? '[' : ',');
            assay_buf_add(reply, one.data, one.len);
        }
        assay_buf_free(&one);
    }
    if (count > 0)
        assay_buf_addc(reply, ']');
}

void assay_mcp_answer_text(
        struct assay_mcp *mcp, const char *text, size_t len, struct assay_buf *reply)
{
    const struct assay_json_limits limits = {ASSAY_SERVE_BODY_BYTES_MAX, ASSAY_SERVE_DEPTH_MAX};
    struct assay_json *json = NULL;
    struct assay_json_writer w;
    struct assay_error err = {0};

    if (assay_json_parse(&json, text, len, limits, "message", 1, &err) == ASSAY_OK) {
        assay_mcp_answer(mcp, json, reply);
    } else {
        begin_response(&w, reply, NULL);
        put_error(&w, RPC_PARSE_ERROR, err.message);
        assay_json_end_object(&w);
    }
    assay_json_free(json);
}

// --- over HTTP ----------------------------------------------------------------------------------

void assay_service_mcp(struct assay_service_call *call)
{
    const struct assay_buf *body = assay_http_body(call->request);
    struct assay_error err = {0};
    struct assay_mcp mcp;
    struct assay_buf reply;

    assay_mcp_init(
            &mcp, call->serve, assay_http_role(call->request), assay_http_who(call->request));
    mcp.confined = call->argument[0] != '\0';
    if (mcp.confined &&
            !assay_service_may_touch(call->serve, call->request, call->argument, &err)) {
        assay_service_fail(call->request, ASSAY_ENOTFOUND, &err);
        return;
    }
    snprintf(mcp.episode, sizeof(mcp.episode), "%.*s", ASSAY_ID_BYTES - 1, call->argument);
    assay_buf_init(&reply, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_mcp_answer_text(&mcp, body->data, body->len, &reply);
    if (reply.len > 0 || reply.failed)
        assay_service_reply(call->request, 200, &reply);
    else
        assay_http_reply(call->request, 202, NULL, &reply);
}

// --- over a WebSocket ---------------------------------------------------------------------------

static void on_message(void *user, struct assay_socket *ticket, const char *text, size_t len)
{
    struct assay_buf reply;

    assay_buf_init(&reply, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_mcp_answer_text(user, text, len, &reply);
    assay_socket_answer(ticket, &reply, false);
}

static void on_gone(void *user)
{
    struct assay_mcp *mcp = user;

    if (mcp->episode[0] != '\0' &&
            assay_leases_close(mcp->serve->leases, mcp->episode, NULL) != ASSAY_OK)
        mcp->episode[0] = '\0'; // it was over before
    free(mcp);
}

void assay_service_mcp_socket(struct assay_service_call *call)
{
    static const struct assay_socket_kind kind = {on_message, on_gone};
    struct assay_mcp *mcp;

    if (assay_http_header(call->request, "Upgrade") == NULL) {
        assay_http_add_header(call->request, "Allow", "POST"); // no stream of our own words
        assay_service_refuse(call->request, 405, "method", "POST a JSON-RPC message");
        return;
    }
    mcp = calloc(1, sizeof(*mcp));
    if (mcp == NULL) {
        assay_service_refuse(call->request, 500, "memory", "out of memory");
        return;
    }
    assay_mcp_init(mcp, call->serve, assay_http_role(call->request), assay_http_who(call->request));
    if (!assay_sockets_accept(call->serve->sockets, call->request, &kind, mcp))
        free(mcp);
}
