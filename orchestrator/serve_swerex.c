// SPDX-License-Identifier: MIT
// serve_swerex.c - an episode as SWE-ReX's RemoteRuntime uses one: a shell, and commands apart.
//
// There is one shell in an episode, so one session at a time, of whatever name; no terminal, so
// nothing interactive. A command that is over has nothing left running, so an interrupt finds
// nothing to interrupt.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "orchestrator/serve_swerex_parts.h"
#include "orchestrator/serve_turn.h"

#define TIMEOUT_S_MAX 86400.0
#define SCRIPT_BYTES_MAX ((size_t)16 << 20)

// --- a request ----------------------------------------------------------------------------------

struct assay_rex *assay_rex_begin(struct assay_service_call *call, bool has_body)
{
    struct assay_rex *rex = calloc(1, sizeof(*rex));
    struct assay_error err = {0};
    enum assay_status status = ASSAY_OK;

    if (rex == NULL || assay_id_new(rex->mark, NULL) != ASSAY_OK) {
        free(rex);
        assay_service_refuse(call->request, 500, "memory", "out of memory");
        return NULL;
    }
    rex->serve = call->serve;
    rex->request = call->request;
    if (!assay_service_may_touch(call->serve, call->request, call->argument, &err))
        status = ASSAY_ENOTFOUND;
    if (status == ASSAY_OK)
        status = assay_leases_look(call->serve->leases, call->argument, &rex->view, &err);
    if (status == ASSAY_OK && has_body) {
        status = assay_service_read(&rex->body, call->request, &err);
        if (status == ASSAY_OK && assay_json_type(rex->body) != ASSAY_JSON_OBJECT)
            status = assay_fail(&err, ASSAY_EINVAL, "an object is wanted");
    }
    if (status == ASSAY_OK)
        return rex;
    assay_service_fail(call->request, status, &err);
    assay_rex_end(rex);
    return NULL;
}

void assay_rex_end(struct assay_rex *rex)
{
    assay_json_free(rex->body);
    free(rex->path);
    free(rex);
}

void assay_rex_reply_empty(struct assay_rex *rex)
{
    struct assay_buf text;

    assay_buf_init(&text, 16);
    assay_buf_adds(&text, "{}");
    assay_service_reply(rex->request, 200, &text);
    assay_rex_end(rex);
}

void assay_rex_raise(struct assay_rex *rex, const char *class_path, const char *message)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_begin_object(&w, "swerexception");
    assay_json_put_text(&w, "message", message);
    assay_json_put_text(&w, "class_path", class_path);
    assay_json_put_text(&w, "traceback", "");
    assay_json_begin_object(&w, "extra_info");
    assay_json_end_object(&w);
    assay_json_end_object(&w);
    assay_json_end_object(&w);
    assay_service_reply(rex->request, 511, &text);
    assay_rex_end(rex);
}

static void refuse_field(struct assay_rex *rex, const struct assay_error *err)
{
    assay_service_refuse(rex->request, 422, "validation", err->message);
    assay_rex_end(rex);
}

// --- turns --------------------------------------------------------------------------------------

static void told(void *user, const struct assay_service_turn *turn)
{
    struct assay_rex *rex = user;
    const struct assay_observation *seen = turn->seen;

    if (seen->failed && !seen->ran)
        assay_rex_raise(rex, ASSAY_REX_ERROR "SwerexException", seen->text.data);
    else
        rex->write(rex, seen);
}

// A turn of the episode; `arguments` is freed.
static void act(struct assay_rex *rex, const char *tool, struct assay_buf *arguments)
{
    const struct assay_action action = {.tool = tool, .arguments = arguments->data};
    struct assay_error err = {0};
    enum assay_status status = assay_buf_check(arguments, "arguments", &err);

    if (status == ASSAY_OK)
        status = assay_service_take_turn(rex->serve, rex->view.id, &action,
                assay_clock_ms() + ASSAY_SERVE_PATIENCE_MS, told, rex, &err);
    assay_buf_free(arguments);
    if (status != ASSAY_OK)
        assay_rex_raise(rex, ASSAY_REX_ERROR "SwerexException", err.message);
}

void assay_rex_run(struct assay_rex *rex, struct assay_buf *script, double timeout_s, bool apart)
{
    struct assay_json_writer w;
    struct assay_buf arguments;

    assay_buf_init(&arguments, SCRIPT_BYTES_MAX);
    assay_json_writer_init(&w, &arguments, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_bytes(&w, "command", script->data, script->len);
    if (timeout_s > 0)
        assay_json_put_u64(&w, "timeout_s", (uint64_t)ceil(timeout_s));
    if (apart)
        assay_json_put_bool(&w, "apart", true);
    assay_json_end_object(&w);
    assay_buf_free(script);
    act(rex, "bash", &arguments);
}

void assay_rex_put_file(struct assay_rex *rex, const char *path, const char *text)
{
    struct assay_json_writer w;
    struct assay_buf arguments;

    assay_buf_init(&arguments, SCRIPT_BYTES_MAX);
    assay_json_writer_init(&w, &arguments, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "command", "create");
    assay_json_put_text(&w, "path", path);
    assay_json_put_text(&w, "file_text", text);
    assay_json_end_object(&w);
    act(rex, "edit", &arguments);
}

void assay_rex_add_path(struct assay_buf *out, const struct assay_rex *rex, const char *path)
{
    if (*path != '/')
        assay_buf_addf(out, "%s/", rex->view.workdir);
    assay_buf_adds(out, path);
}

// --- what a request says ------------------------------------------------------------------------

static const char *text_of(const struct assay_rex *rex, const char *key, const char *otherwise)
{
    const char *text = assay_json_text(assay_json_get(rex->body, key));

    return text != NULL ? text : otherwise;
}

static bool flag_of(const struct assay_rex *rex, const char *key)
{
    return assay_json_bool(assay_json_get(rex->body, key));
}

// Seconds; 0: none were given.
static double timeout_of(const struct assay_rex *rex)
{
    const double seconds = assay_json_number(assay_json_get(rex->body, "timeout"));

    return isnan(seconds) || seconds <= 0 ? 0 : fmin(seconds, TIMEOUT_S_MAX);
}

// "ERROR_MSG: Command ... failed with exit code N. ..."
static void raise_exit(struct assay_rex *rex, const struct assay_observation *seen)
{
    const char *words = text_of(rex, "error_msg", "");
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_buf_addf(&text, "%s%sCommand ", words, *words != '\0' ? ": " : "");
    assay_json_writer_init(&w, &text, 0);
    assay_json_put_copy(&w, NULL, assay_json_get(rex->body, "command"));
    assay_buf_addf(&text, " failed with exit code %d. Here is the output:\n", seen->exit_code);
    assay_buf_add(&text, seen->text.data, seen->written_bytes);
    assay_rex_raise(rex, ASSAY_REX_ERROR "NonZeroExitCodeError", text.data);
    assay_buf_free(&text);
}

static void raise_timeout(struct assay_rex *rex, const struct assay_observation *seen)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_buf_addf(&text, "timeout after %.3f seconds while running command ",
            (double)seen->wall_us / 1e6);
    assay_json_writer_init(&w, &text, 0);
    assay_json_put_copy(&w, NULL, assay_json_get(rex->body, "command"));
    assay_rex_raise(rex, ASSAY_REX_ERROR "CommandTimeoutError", text.data);
    assay_buf_free(&text);
}

// --- sessions -----------------------------------------------------------------------------------

void assay_service_swerex_alive(struct assay_service_call *call)
{
    struct assay_rex *rex = assay_rex_begin(call, false);
    struct assay_json_writer w;
    struct assay_buf text;

    if (rex == NULL)
        return;
    assay_buf_init(&text, 1024);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_bool(&w, "is_alive", rex->view.cause == ASSAY_EPISODE_RUNNING);
    assay_json_put_text(&w, "message",
            rex->view.cause == ASSAY_EPISODE_RUNNING ? ""
                                                     : assay_episode_cause_name(rex->view.cause));
    assay_json_end_object(&w);
    assay_service_reply(call->request, 200, &text);
    assay_rex_end(rex);
}

static void reply_session(struct assay_rex *rex, const char *output, size_t len)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_bytes(&w, "output", output, len);
    assay_json_put_text(&w, "session_type", "bash");
    assay_json_end_object(&w);
    assay_service_reply(rex->request, 200, &text);
    assay_rex_end(rex);
}

static void write_started(struct assay_rex *rex, const struct assay_observation *seen)
{
    reply_session(rex, seen->text.data, seen->written_bytes);
}

// source FILE; ...: as its own server writes it, so that a shell's ~ is one.
static void add_sources(struct assay_buf *out, const struct assay_json *files)
{
    for (const struct assay_json *at = files != NULL ? assay_json_first(files) : NULL; at != NULL;
            at = assay_json_next(at)) {
        if (assay_json_text(at) != NULL)
            assay_buf_addf(out, "%ssource %s", out->len > 0 ? " ; " : "", assay_json_text(at));
    }
}

void assay_service_swerex_create_session(struct assay_service_call *call)
{
    struct assay_rex *rex = assay_rex_begin(call, true);
    struct assay_error err = {0};
    struct assay_buf script;
    const char *name;

    if (rex == NULL)
        return;
    name = text_of(rex, "session", "default");
    if (*name == '\0' || strlen(name) >= ASSAY_LEASE_WORD_BYTES) {
        assay_rex_raise(rex, ASSAY_REX_ERROR "SwerexException", "a session's name is too long");
        return;
    }
    if (assay_leases_name_shell(rex->serve->leases, rex->view.id, "", name, &err) != ASSAY_OK) {
        assay_rex_raise(rex,
                strcmp(rex->view.shell, name) == 0 ? ASSAY_REX_ERROR "SessionExistsError"
                                                   : ASSAY_REX_ERROR "SwerexException",
                strcmp(rex->view.shell, name) == 0
                        ? "the session already exists"
                        : "an episode has one shell: close the other session first");
        return;
    }
    assay_buf_init(&script, SCRIPT_BYTES_MAX);
    add_sources(&script, assay_json_get(rex->body, "startup_source"));
    rex->write = write_started;
    if (script.len > 0)
        assay_rex_run(rex, &script, 0, false);
    else
        reply_session(rex, "", 0);
}

static void raise_no_session(struct assay_rex *rex)
{
    assay_rex_raise(rex, ASSAY_REX_ERROR "SessionDoesNotExistError", "the session does not exist");
}

void assay_service_swerex_close_session(struct assay_service_call *call)
{
    struct assay_rex *rex = assay_rex_begin(call, true);
    struct assay_buf text;
    const char *name;

    if (rex == NULL)
        return;
    name = text_of(rex, "session", "default");
    if (*name == '\0' ||
            assay_leases_name_shell(rex->serve->leases, rex->view.id, name, "", NULL) != ASSAY_OK) {
        raise_no_session(rex);
        return;
    }
    assay_buf_init(&text, 64);
    assay_buf_adds(&text, "{\"session_type\":\"bash\"}");
    assay_service_reply(rex->request, 200, &text);
    assay_rex_end(rex);
}

// Its client is done with it; what it is worth is another's to ask.
void assay_service_swerex_close(struct assay_service_call *call)
{
    struct assay_rex *rex = assay_rex_begin(call, false);

    if (rex == NULL)
        return;
    if (rex->view.shell[0] != '\0')
        (void)!assay_leases_name_shell(rex->serve->leases, rex->view.id, rex->view.shell, "", NULL);
    assay_rex_reply_empty(rex);
}

// --- commands of a session ----------------------------------------------------------------------

static void reply_observation(
        struct assay_rex *rex, const char *output, size_t len, const int *exit_code)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_bytes(&w, "output", output, len);
    if (exit_code != NULL)
        assay_json_put_i64(&w, "exit_code", *exit_code);
    else
        assay_json_put_null(&w, "exit_code");
    assay_json_put_text(&w, "failure_reason", "");
    assay_json_put_text(&w, "expect_string", "");
    assay_json_put_text(&w, "session_type", "bash");
    assay_json_end_object(&w);
    assay_service_reply(rex->request, 200, &text);
    assay_rex_end(rex);
}

static void write_run(struct assay_rex *rex, const struct assay_observation *seen)
{
    const char *check = text_of(rex, "check", "raise");
    const bool ended = seen->box_cause == ASSAY_BOX_EXITED;

    if (seen->box_cause == ASSAY_BOX_WALL_LIMIT)
        raise_timeout(rex, seen);
    else if (strcmp(check, "raise") == 0 && !ended)
        assay_rex_raise(rex, ASSAY_REX_ERROR "NoExitCodeError", seen->text.data);
    else if (strcmp(check, "raise") == 0 && seen->exit_code != 0)
        raise_exit(rex, seen);
    else
        reply_observation(rex, seen->text.data, seen->written_bytes,
                ended && strcmp(check, "ignore") != 0 ? &seen->exit_code : NULL);
}

void assay_service_swerex_run(struct assay_service_call *call)
{
    struct assay_rex *rex = assay_rex_begin(call, true);
    const struct assay_json *expect;
    struct assay_error err = {0};
    const char *command = NULL;
    struct assay_buf script;
    const int zero = 0;

    if (rex == NULL)
        return;
    expect = assay_json_get(rex->body, "expect");
    if (strcmp(text_of(rex, "session", "default"), rex->view.shell) != 0) {
        raise_no_session(rex);
    } else if (strcmp(text_of(rex, "action_type", "bash"), "bash_interrupt") == 0) {
        reply_observation(rex, "", 0, &zero);
    } else if (assay_json_read_text(&command, rex->body, "command", &err) != ASSAY_OK) {
        refuse_field(rex, &err);
    } else if (flag_of(rex, "is_interactive_command") || flag_of(rex, "is_interactive_quit") ||
            (expect != NULL && assay_json_count(expect) > 0)) {
        assay_rex_raise(rex, ASSAY_REX_ERROR "SwerexException",
                "there is no terminal here: nothing interactive is run");
    } else if (command[strspn(command, " \t\r\n")] == '\0') {
        reply_observation(rex, "", 0, &zero);
    } else {
        rex->write = write_run;
        assay_buf_init(&script, SCRIPT_BYTES_MAX);
        assay_buf_adds(&script, command);
        assay_rex_run(rex, &script, timeout_of(rex), false);
    }
}

// --- commands apart -----------------------------------------------------------------------------

// Standard output is what stands before the mark, standard error what stands behind it.
static void write_executed(struct assay_rex *rex, const struct assay_observation *seen)
{
    const char *text = seen->text.data;
    const char *at = memmem(text, seen->written_bytes, rex->mark, ASSAY_ID_BYTES - 1);
    const size_t out = at != NULL ? (size_t)(at - text) : seen->written_bytes;
    const size_t skip = at != NULL ? out + ASSAY_ID_BYTES - 1 : out;
    struct assay_json_writer w;
    struct assay_buf reply;

    if (seen->box_cause == ASSAY_BOX_WALL_LIMIT) {
        raise_timeout(rex, seen);
        return;
    }
    if (flag_of(rex, "check") && (seen->box_cause != ASSAY_BOX_EXITED || seen->exit_code != 0)) {
        raise_exit(rex, seen);
        return;
    }
    assay_buf_init(&reply, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &reply, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_bytes(&w, "stdout", text, out);
    assay_json_put_bytes(&w, "stderr", text + skip, seen->written_bytes - skip);
    if (seen->box_cause == ASSAY_BOX_EXITED)
        assay_json_put_i64(&w, "exit_code", seen->exit_code);
    else
        assay_json_put_null(&w, "exit_code");
    assay_json_end_object(&w);
    assay_service_reply(rex->request, 200, &reply);
    assay_rex_end(rex);
}

// As subprocess.run() takes it: words, or one that is a program's name; with `shell` one for sh.
static bool add_command(struct assay_buf *out, const struct assay_rex *rex)
{
    const struct assay_json *command = assay_json_get(rex->body, "command");
    const struct assay_json *env = assay_json_get(rex->body, "env");
    const bool words = assay_json_type(command) == ASSAY_JSON_ARRAY;
    const char *cwd = text_of(rex, "cwd", "");

    if (*cwd != '\0') {
        assay_buf_adds(out, "cd ");
        assay_buf_add_quoted(out, cwd);
        assay_buf_adds(out, " || exit 1\n");
    }
    assay_buf_adds(out, "exec");
    if (assay_json_type(env) == ASSAY_JSON_OBJECT)
        assay_buf_adds(out, " env -i");
    for (const struct assay_json *at =
                    assay_json_type(env) == ASSAY_JSON_OBJECT ? assay_json_first(env) : NULL;
            at != NULL; at = assay_json_next(at)) {
        struct assay_buf pair;

        assay_buf_init(&pair, SCRIPT_BYTES_MAX);
        assay_buf_addf(&pair, "%s=%s", assay_json_key(at),
                assay_json_text(at) != NULL ? assay_json_text(at) : "");
        assay_buf_addc(out, ' ');
        assay_buf_add_quoted(out, pair.data);
        assay_buf_free(&pair);
    }
    if (flag_of(rex, "shell"))
        assay_buf_adds(out, " /bin/sh -c");
    for (const struct assay_json *at = words ? assay_json_first(command) : command; at != NULL;
            at = words ? assay_json_next(at) : NULL) {
        if (assay_json_text(at) == NULL)
            return false;
        assay_buf_addc(out, ' ');
        assay_buf_add_quoted(out, assay_json_text(at));
    }
    return !words || assay_json_count(command) > 0;
}

void assay_service_swerex_execute(struct assay_service_call *call)
{
    struct assay_rex *rex = assay_rex_begin(call, true);
    struct assay_error err = {0};
    struct assay_buf script;
    bool merged;

    if (rex == NULL)
        return;
    merged = flag_of(rex, "merge_output_streams");
    assay_buf_init(&script, SCRIPT_BYTES_MAX);
    if (!merged)
        assay_buf_adds(&script, "e=$(mktemp) || exit 125\n(");
    if (assay_json_get(rex->body, "command") == NULL || !add_command(&script, rex)) {
        (void)assay_fail(&err, ASSAY_EINVAL, "field \"command\" must be a text, or texts");
        assay_buf_free(&script);
        refuse_field(rex, &err);
        return;
    }
    if (!merged)
        assay_buf_addf(&script,
                ") 2>\"$e\" </dev/null\nc=$?\nprintf %%s %s\ncat \"$e\"\nrm -f \"$e\"\nexit $c\n",
                rex->mark);
    else
        assay_buf_adds(&script, " 2>&1 </dev/null\n");
    rex->write = write_executed;
    assay_rex_run(rex, &script, timeout_of(rex), true);
}
