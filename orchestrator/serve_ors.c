// SPDX-License-Identifier: MIT
// serve_ors.c - episodes as clients of the Open Reward Standard play them: sessions by a header,
// and calls of tools whose results are streams.
//
// A call waits for its episode's grading, however long that takes: its stream has beats.
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "envs/tools.h"
#include "orchestrator/serve_ors_parts.h"
#include "orchestrator/serve_turn.h"

#define CALL_MS_MAX 3600000u
#define BLOCK_BYTES_MAX ((size_t)256 << 20)

// --- sessions -----------------------------------------------------------------------------------

// The id that the client was told. False: the request was answered.
static bool read_session(char id[ASSAY_ID_BYTES], struct assay_service_call *call)
{
    const char *given = assay_http_header(call->request, "X-Session-ID");

    if (given == NULL || strlen(given) != ASSAY_ID_BYTES - 1 || !assay_instance_id_valid(given)) {
        assay_service_refuse(call->request, 400, "session", "X-Session-ID header is required");
        return false;
    }
    memcpy(id, given, ASSAY_ID_BYTES);
    return true;
}

// Its episode. False: the request was answered.
static bool find_session(struct assay_lease_view *view, struct assay_service_call *call)
{
    char id[ASSAY_ID_BYTES];

    if (!read_session(id, call))
        return false;
    if (assay_service_may_touch(call->serve, call->request, id, NULL) &&
            assay_leases_look(call->serve->leases, id, view, NULL) == ASSAY_OK)
        return true;
    assay_service_refuse(call->request, 404, "enotfound", "Active environment not found");
    return false;
}

static void reply_session(struct assay_service_call *call, const char *id)
{
    struct assay_buf text;

    assay_buf_init(&text, 128);
    assay_buf_addf(&text, "{\"sid\":\"%s\"}", id);
    assay_service_reply(call->request, 200, &text);
}

void assay_service_ors_create_session(struct assay_service_call *call)
{
    struct assay_error err = {0};
    char id[ASSAY_ID_BYTES];

    if (assay_id_new(id, &err) == ASSAY_OK)
        assay_calls_tell(call->request, "task_id", id);
    else
        assay_service_fail(call->request, ASSAY_EIO, &err);
}

void assay_service_ors_delete_session(struct assay_service_call *call)
{
    char id[ASSAY_ID_BYTES];

    if (read_session(id, call))
        reply_session(call, id);
}

void assay_service_ors_ping(struct assay_service_call *call)
{
    struct assay_lease_view view;
    struct assay_buf text;

    if (!find_session(&view, call))
        return;
    assay_buf_init(&text, 64);
    assay_buf_adds(&text, "{\"status\":\"ok\"}");
    assay_service_reply(call->request, 200, &text);
}

void assay_service_ors_delete(struct assay_service_call *call)
{
    char id[ASSAY_ID_BYTES];

    if (!read_session(id, call))
        return;
    // One that is gone already is what was wanted.
    if (assay_service_may_touch(call->serve, call->request, id, NULL))
        (void)!assay_leases_close(call->serve->leases, id, NULL);
    reply_session(call, id);
}

// Which task: "task_spec", or "split" and "index" of the environment.
static enum assay_status read_create(struct assay_lease_begin *out, struct assay_service_call *call,
        const struct assay_json *body, struct assay_error *err)
{
    static const char *const keys[] = {"env_name", "task_spec", "split", "index", "toolset_name"};
    const struct assay_json *spec = assay_json_get(body, "task_spec");
    const char *name = NULL, *split = NULL, *toolset = NULL;
    const struct assay_suite *suite;
    uint64_t index = UINT64_MAX;
    enum assay_status status =
            assay_json_only_keys(body, keys, sizeof(keys) / sizeof(keys[0]), err);

    if (status == ASSAY_OK)
        status = assay_json_opt_text(&name, body, "env_name", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&split, body, "split", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&toolset, body, "toolset_name", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&index, body, "index", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK && toolset != NULL)
        status = assay_fail(err, ASSAY_EINVAL, "toolsets are not built: %.60s", toolset);
    if (status == ASSAY_OK && assay_json_type(spec) == ASSAY_JSON_NULL)
        spec = NULL;
    if (status == ASSAY_OK && (spec != NULL) == (split != NULL && index != UINT64_MAX))
        status = assay_fail(err, ASSAY_EINVAL,
                "either task_spec, or both split and index are wanted, not both or neither");
    if (status == ASSAY_OK && spec != NULL && assay_json_type(spec) != ASSAY_JSON_OBJECT)
        status = assay_fail(err, ASSAY_EINVAL, "field \"task_spec\" must be an object");
    if (status != ASSAY_OK)
        return status;
    suite = assay_service_ors_suite(call, name);
    if (suite == NULL)
        return assay_fail(err, ASSAY_ENOTFOUND, "no such environment");
    if (spec != NULL)
        return assay_service_read_begin(out, call->serve, spec, err);
    status = assay_service_read_begin(out, call->serve, body, err); // its defaults
    return status != ASSAY_OK
            ? status
            : assay_service_ors_find(&out->task, call->serve, suite, split, index, err);
}

void assay_service_ors_create(struct assay_service_call *call)
{
    struct assay_lease_begin begin;
    struct assay_json *body = NULL;
    struct assay_error err = {0};
    char id[ASSAY_ID_BYTES];
    enum assay_status status;

    if (!read_session(id, call))
        return;
    status = assay_service_read(&body, call->request, &err);
    if (status == ASSAY_OK)
        status = read_create(&begin, call, body, &err);
    if (status == ASSAY_OK) {
        begin.owner = assay_http_who(call->request);
        begin.id = id;
        status = assay_leases_open(call->serve->leases, &begin, id, &err);
    }
    assay_json_free(body);
    if (status == ASSAY_OK)
        reply_session(call, id);
    else if (status == ASSAY_ECONFLICT)
        assay_service_refuse(call->request, 400, "session", "Session already exists");
    else
        assay_service_fail(call->request, status, &err);
}

// --- what it begins with ------------------------------------------------------------------------

static void put_block(struct assay_json_writer *w, const char *text, size_t len)
{
    assay_json_begin_object(w, NULL);
    assay_json_put_bytes(w, "text", text, len);
    assay_json_put_null(w, "detail");
    assay_json_put_text(w, "type", "text");
    assay_json_end_object(w);
}

static void reply_problem(struct assay_service_call *call, bool as_message)
{
    struct assay_lease_view view;
    struct assay_json_writer w;
    struct assay_buf text;

    if (!find_session(&view, call))
        return;
    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_array(&w, NULL);
    if (as_message) {
        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "role", "user");
        assay_json_begin_array(&w, "blocks");
    }
    put_block(&w, view.task->instance->problem.data, view.task->instance->problem.len);
    if (as_message) {
        assay_json_end_array(&w);
        assay_json_put_null(&w, "detail");
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    assay_service_reply(call->request, 200, &text);
}

void assay_service_ors_prompt(struct assay_service_call *call)
{
    reply_problem(call, false);
}

void assay_service_ors_messages(struct assay_service_call *call)
{
    reply_problem(call, true);
}

void assay_service_ors_task_tools(struct assay_service_call *call)
{
    struct assay_lease_view view;

    if (find_session(&view, call))
        assay_service_ors_tools(call);
}

// --- calls --------------------------------------------------------------------------------------

struct ors_call {
    struct assay_calls *calls;
    struct assay_call *call;
};

static void put_metadata(struct assay_json_writer *w, const struct assay_service_turn *turn)
{
    assay_json_begin_object(w, "metadata");
    assay_json_put_u64(w, "turns", turn->view.turns);
    if (turn->seen != NULL) {
        assay_json_put_bool(w, "failed", turn->seen->failed);
        if (turn->seen->ran)
            assay_json_put_i64(w, "exit_code", turn->seen->exit_code);
    }
    assay_json_put_bool(w, "terminated", turn->terminated);
    assay_json_put_bool(w, "truncated", turn->truncated);
    assay_json_put_text(w, "episode_cause", assay_episode_cause_name(turn->view.cause));
    if (turn->graded != NULL) {
        assay_json_put_text(w, "verdict_cause", turn->graded->cause);
        assay_json_put_text(w, "job_id", turn->graded->job_id);
    }
    assay_json_end_object(w);
}

static void finish(struct ors_call *c, bool failed, struct assay_buf *text)
{
    assay_calls_finish(c->calls, c->call, failed, text);
    free(c);
}

static void told(void *user, const struct assay_service_turn *turn)
{
    struct ors_call *c = user;
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, BLOCK_BYTES_MAX);
    if (turn->pending) {
        assay_buf_adds(&text, "it is not graded yet: GET /v1/episodes/ID tells how it stands");
        finish(c, true, &text);
        return;
    }
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_bool(&w, "ok", true);
    assay_json_begin_object(&w, "output");
    assay_json_begin_array(&w, "blocks");
    if (turn->seen != NULL)
        put_block(&w, turn->seen->text.data, turn->seen->text.len);
    assay_json_end_array(&w);
    put_metadata(&w, turn);
    assay_service_write_reward(&w, "reward", turn);
    assay_json_put_bool(&w, "finished", turn->over);
    assay_json_end_object(&w);
    assay_json_end_object(&w);
    finish(c, false, &text);
}

// A call that is none: told as a result, and nothing is done.
static void refuse_call(struct ors_call *c, const char *reason, const char *words)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, BLOCK_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_bool(&w, "ok", false);
    assay_json_put_text(&w, "error", words);
    assay_json_put_text(&w, "reason", reason);
    assay_json_end_object(&w);
    finish(c, false, &text);
}

static void fail_call(struct ors_call *c, const struct assay_error *err)
{
    struct assay_buf text;

    assay_buf_init(&text, BLOCK_BYTES_MAX);
    assay_buf_adds(&text, err->message);
    finish(c, true, &text);
}

static void run_call(struct assay_service_call *call, const struct assay_lease_view *view,
        const struct assay_action *action)
{
    struct ors_call *c = calloc(1, sizeof(*c));
    struct assay_error err = {0};
    enum assay_status status;

    if (c == NULL) {
        assay_service_refuse(call->request, 500, "memory", "out of memory");
        return;
    }
    c->calls = call->serve->calls;
    c->call = assay_calls_begin(c->calls, call->request, view->id);
    if (c->call == NULL) {
        free(c);
    } else if (view->cause != ASSAY_EPISODE_RUNNING) {
        refuse_call(c, "episode_finished", "the episode is over");
    } else if (assay_tool_find(action->tool) == NULL) {
        refuse_call(c, "not_found", "is not a valid tool");
    } else {
        status = assay_service_take_turn(
                call->serve, view->id, action, assay_clock_ms() + CALL_MS_MAX, told, c, &err);
        if (status != ASSAY_OK)
            fail_call(c, &err);
    }
}

void assay_service_ors_call(struct assay_service_call *call)
{
    static const char *const keys[] = {"name", "input", "task_id"};
    const struct assay_json *input = NULL;
    struct assay_action action = {.tool = NULL};
    struct assay_lease_view view;
    struct assay_json *body = NULL;
    struct assay_error err = {0};
    struct assay_buf arguments;
    const char *task_id = NULL;
    enum assay_status status;

    if (!find_session(&view, call))
        return;
    assay_buf_init(&arguments, ASSAY_SERVE_BODY_BYTES_MAX);
    status = assay_service_read(&body, call->request, &err);
    if (status == ASSAY_OK)
        status = assay_json_only_keys(body, keys, sizeof(keys) / sizeof(keys[0]), &err);
    if (status == ASSAY_OK)
        status = assay_json_read_text(&action.tool, body, "name", &err);
    if (status == ASSAY_OK)
        status = assay_json_read_object(&input, body, "input", &err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&task_id, body, "task_id", &err);
    if (status == ASSAY_OK)
        status = assay_service_write_arguments(&arguments, input, NULL, &err);
    action.arguments = arguments.data;
    if (status != ASSAY_OK)
        assay_service_refuse(call->request, 422, "validation", err.message);
    else if (task_id != NULL)
        assay_calls_resume(call->serve->calls, call->request, view.id, task_id);
    else if (view.busy)
        assay_service_refuse(call->request, 409, "econflict", "a call is under way");
    else
        run_call(call, &view, &action);
    assay_buf_free(&arguments);
    assay_json_free(body);
}
