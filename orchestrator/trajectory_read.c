// SPDX-License-Identifier: MIT
// trajectory_read.c - what SWE-agent and mini-swe-agent wrote; ATIF is trajectory_atif.c's, chats
// are trajectory_messages.c's.
//
// Where mini-swe-agent's messages do not list their actions, they are the tool calls, or else the
// one fenced block of shell. What an action showed are the messages up to the next of the model's.
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "orchestrator/trajectory_parts.h"

// --- turns ---------------------------------------------------------------------------------------

struct assay_turn *assay_trajectory_turn(struct assay_trajectory_reader *r, uint32_t message)
{
    struct assay_trajectory *t = r->out;
    struct assay_turn *turn;

    if (t->count == r->room) {
        const size_t room = r->room == 0 ? 64 : 2 * r->room;
        struct assay_turn *grown = assay_arena_array(r->arena, room, sizeof(*grown));

        if (grown == NULL) {
            r->no_memory = true;
            return NULL;
        }
        if (t->count > 0)
            memcpy(grown, t->turns, t->count * sizeof(*grown));
        t->turns = grown;
        r->room = room;
    }
    turn = &t->turns[t->count++];
    *turn = (struct assay_turn){
            .turn = (uint32_t)t->count, .message = message, .observation = {"", 0}};
    return turn;
}

const char *assay_trajectory_copy(struct assay_trajectory_reader *r, const char *text)
{
    const char *made = text != NULL ? assay_arena_strdup(r->arena, text) : NULL;

    r->no_memory |= text != NULL && made == NULL;
    return made;
}

void assay_trajectory_command(struct assay_trajectory_reader *r, struct assay_turn *turn,
        const char *command, size_t len, bool apart)
{
    struct assay_json_writer w;
    struct assay_buf json;

    assay_buf_init(&json, 8 * ASSAY_TRAJECTORY_BYTES_MAX);
    assay_json_writer_init(&w, &json, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_bytes(&w, "command", command, len);
    if (apart)
        assay_json_put_bool(&w, "apart", true);
    assay_json_end_object(&w);
    turn->tool = "bash";
    turn->arguments = json.failed ? NULL : assay_arena_strdup(r->arena, json.data);
    r->no_memory |= turn->arguments == NULL;
    assay_buf_free(&json);
}

void assay_trajectory_observation(
        struct assay_trajectory_reader *r, struct assay_turn *turn, const char *text)
{
    const char *made = assay_trajectory_copy(r, text != NULL ? text : "");

    if (made != NULL)
        turn->observation = (struct assay_bytes){made, strlen(made)};
}

// --- SWE-agent -----------------------------------------------------------------------------------

// Its own command to submit is a function of its shell that no other box has.
static bool is_submit(const char *action)
{
    static const char word[] = "submit";
    const char *at = action + strspn(action, " \t\r\n");
    const size_t len = sizeof(word) - 1;

    return strncmp(at, word, len) == 0 && at[len + strspn(at + len, " \t\r\n")] == '\0';
}

static void read_action(
        struct assay_trajectory_reader *r, struct assay_turn *turn, const char *action)
{
    if (is_submit(action)) {
        turn->tool = "submit";
        turn->arguments = "{}";
    } else if (action[strspn(action, " \t\r\n")] != '\0') {
        assay_trajectory_command(r, turn, action, strlen(action), false);
    }
}

static enum assay_status read_swe_agent(
        struct assay_trajectory_reader *r, const struct assay_json *steps, struct assay_error *err)
{
    uint32_t message = 0;

    for (const struct assay_json *step = assay_json_first(steps); step != NULL;
            step = assay_json_next(step)) {
        const char *action = NULL, *observation = NULL;
        struct assay_turn *turn = NULL;
        enum assay_status status = assay_json_read_text(&action, step, "action", err);

        if (status == ASSAY_OK)
            status = assay_json_opt_text(&observation, step, "observation", err);
        if (status != ASSAY_OK)
            return assay_wrap(err, "trajectory[%u]", message);
        turn = assay_trajectory_turn(r, ++message);
        if (turn == NULL)
            return ASSAY_OK; // out of memory: told at the end
        turn->text = assay_trajectory_copy(r, assay_json_text(assay_json_get(step, "response")));
        read_action(r, turn, action);
        assay_trajectory_observation(r, turn, observation);
    }
    return ASSAY_OK;
}

// A demonstration has no "trajectory": its history alone says what was done and what that showed.
static void read_history(struct assay_trajectory_reader *r, const struct assay_json *history)
{
    struct assay_turn *last = NULL;
    uint32_t message = 0;

    for (const struct assay_json *entry = assay_json_first(history); entry != NULL;
            entry = assay_json_next(entry)) {
        const char *role = assay_json_text(assay_json_get(entry, "role"));
        const char *content = assay_trajectory_content(r, assay_json_get(entry, "content"));
        const char *action = assay_json_text(assay_json_get(entry, "action"));

        if (role == NULL || assay_json_bool(assay_json_get(entry, "is_demo")))
            continue;
        if (strcmp(role, "assistant") == 0) {
            last = assay_trajectory_turn(r, ++message);
            if (last == NULL)
                return; // out of memory: told at the end
            last->text = assay_trajectory_copy(r, content);
            if (action != NULL)
                read_action(r, last, action);
        } else if (last != NULL) {
            assay_trajectory_observation(r, last, content);
            last = NULL;
        }
    }
}

// --- mini-swe-agent ------------------------------------------------------------------------------

const char *assay_trajectory_content(
        struct assay_trajectory_reader *r, const struct assay_json *content)
{
    struct assay_buf text;
    const char *made;

    if (content == NULL || assay_json_type(content) != ASSAY_JSON_ARRAY)
        return content != NULL ? assay_json_text(content) : NULL;
    assay_buf_init(&text, ASSAY_TRAJECTORY_BYTES_MAX);
    for (const struct assay_json *part = assay_json_first(content); part != NULL;
            part = assay_json_next(part)) {
        const char *piece = assay_json_text(assay_json_get(part, "text"));

        if (piece != NULL)
            assay_buf_adds(&text, piece);
    }
    made = assay_trajectory_copy(r, text.data);
    assay_buf_free(&text);
    return made;
}

// The one fenced block of a message that is marked as shell.
static bool fenced_command(const char *content, const char **command, size_t *len)
{
    static const char *const marks[] = {"```bash\n", "```mswea_bash_command\n", "```sh\n"};

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        const char *at = strstr(content, marks[i]);
        const char *end = at != NULL ? strstr(at + strlen(marks[i]), "\n```") : NULL;

        if (end == NULL)
            continue;
        *command = at + strlen(marks[i]);
        *len = (size_t)(end - *command);
        return true;
    }
    return false;
}

static const char *command_of_call(struct assay_trajectory_reader *r, const struct assay_json *call)
{
    const struct assay_json_limits limits = {
            ASSAY_TRAJECTORY_BYTES_MAX, ASSAY_TRAJECTORY_DEPTH_MAX};
    const struct assay_json *function = assay_json_get(call, "function");
    const char *text =
            function != NULL ? assay_json_text(assay_json_get(function, "arguments")) : NULL;
    struct assay_json *json = NULL;
    const char *command = NULL;

    if (text == NULL ||
            assay_json_parse(&json, text, strlen(text), limits, "", 1, NULL) != ASSAY_OK)
        return NULL;
    command = assay_trajectory_copy(r, assay_json_text(assay_json_get(json, "command")));
    assay_json_free(json);
    return command;
}

// The turns of one message of the model.
static void read_actions(struct assay_trajectory_reader *r, const struct assay_json *message,
        const char *content, uint32_t number)
{
    const struct assay_json *extra = assay_json_get(message, "extra");
    const struct assay_json *listed = extra != NULL ? assay_json_get(extra, "actions") : NULL;
    const struct assay_json *calls = assay_json_get(message, "tool_calls");
    const bool has_list = listed != NULL && assay_json_count(listed) > 0;
    const struct assay_json *actions = has_list ? listed : calls;
    const size_t before = r->out->count;
    const char *command = NULL;
    size_t len = 0;

    for (const struct assay_json *action = actions != NULL ? assay_json_first(actions) : NULL;
            action != NULL; action = assay_json_next(action)) {
        struct assay_turn *turn = assay_trajectory_turn(r, number);

        command = has_list ? assay_json_text(assay_json_get(action, "command"))
                           : command_of_call(r, action);
        if (turn != NULL && command != NULL)
            assay_trajectory_command(r, turn, command, strlen(command), true);
    }
    if (r->out->count == before) {
        struct assay_turn *turn = assay_trajectory_turn(r, number);

        if (turn != NULL && content != NULL && fenced_command(content, &command, &len))
            assay_trajectory_command(r, turn, command, len, true);
    }
    if (r->out->count > before)
        r->out->turns[before].text = assay_trajectory_copy(r, content);
}

// What a command printed and how it ended, as `bash` says it.
static void set_output(struct assay_trajectory_reader *r, struct assay_turn *turn,
        const char *output, size_t len, int exit_code)
{
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_TRAJECTORY_BYTES_MAX);
    assay_buf_add(&text, output, len);
    if (len > 0 && output[len - 1] != '\n')
        assay_buf_addc(&text, '\n');
    if (exit_code != 0)
        assay_buf_addf(&text, "[exit code %d]\n", exit_code);
    else if (len == 0)
        assay_buf_adds(&text, "[no output; exit code 0]\n");
    turn->exit_code = exit_code < 0 ? 0 : exit_code;
    assay_trajectory_observation(r, turn, text.data);
    assay_buf_free(&text);
}

// mini-swe-agent's own record of a command, or its usual words for it; else the text as it is.
static void read_observation(struct assay_trajectory_reader *r, struct assay_turn *turn,
        const struct assay_json *message, const char *content)
{
    static const char middle[] = "</returncode>\n<output>\n", tail[] = "</output>";
    const struct assay_json *extra = assay_json_get(message, "extra");
    const char *raw = extra != NULL ? assay_json_text(assay_json_get(extra, "raw_output")) : NULL;
    const double number =
            extra != NULL ? assay_json_number(assay_json_get(extra, "returncode")) : 0;
    const char *output = content != NULL ? strstr(content, middle) : NULL;
    const char *end = output != NULL ? strstr(output, tail) : NULL;
    static const char head[] = "<returncode>";

    if (raw != NULL && number > -256 && number < 256)
        set_output(r, turn, raw, strlen(raw), (int)number);
    else if (end != NULL && strncmp(content, head, strlen(head)) == 0)
        set_output(r, turn, output + strlen(middle), (size_t)(end - output) - strlen(middle),
                (int)strtol(content + strlen(head), NULL, 10));
    else
        assay_trajectory_observation(r, turn, content);
}

// The command that submits is answered by the end alone; what it printed is the submission.
static void read_exit(struct assay_trajectory_reader *r, struct assay_turn *turn,
        const struct assay_json *message)
{
    const struct assay_json *extra = assay_json_get(message, "extra");
    const char *submission =
            extra != NULL ? assay_json_text(assay_json_get(extra, "submission")) : NULL;
    struct assay_buf text;

    if (submission == NULL || turn->tool == NULL)
        return;
    assay_buf_init(&text, ASSAY_TRAJECTORY_BYTES_MAX);
    assay_buf_addf(&text, "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\n%s", submission);
    set_output(r, turn, text.data, text.len, 0);
    assay_buf_free(&text);
}

static void read_mini(struct assay_trajectory_reader *r, const struct assay_json *messages)
{
    uint32_t number = 0;
    size_t waiting = 0; // the turn that the next observation belongs to

    for (const struct assay_json *message = assay_json_first(messages); message != NULL;
            message = assay_json_next(message)) {
        const char *role = assay_json_text(assay_json_get(message, "role"));
        const char *content = assay_trajectory_content(r, assay_json_get(message, "content"));

        if (role == NULL)
            continue;
        if (strcmp(role, "assistant") == 0) {
            waiting = r->out->count;
            read_actions(r, message, content, ++number);
        } else if (number > 0 && waiting < r->out->count) {
            struct assay_turn *turn = &r->out->turns[waiting++];

            if (strcmp(role, "exit") == 0)
                read_exit(r, turn, message);
            else
                read_observation(r, turn, message, content);
        }
    }
}

// --- both ----------------------------------------------------------------------------------------

enum assay_episode_cause assay_trajectory_cause(const char *exit_status)
{
    static const struct {
        const char *word;
        enum assay_episode_cause cause;
    } words[] = {{"ubmitted", ASSAY_EPISODE_SUBMITTED}, {"exit_cost", ASSAY_EPISODE_TOKEN_LIMIT},
            {"exit_context", ASSAY_EPISODE_TOKEN_LIMIT},
            {"LimitsExceeded", ASSAY_EPISODE_TURN_LIMIT},
            {"exit_total_execution_time", ASSAY_EPISODE_WALL_LIMIT},
            {"exit_format", ASSAY_EPISODE_ACTOR_FAILED}, {"exit_error", ASSAY_EPISODE_ACTOR_FAILED},
            {"exit_api", ASSAY_EPISODE_ACTOR_FAILED}};
    enum assay_episode_cause own;

    if (assay_episode_cause_from_name(&own, exit_status) && own != ASSAY_EPISODE_RUNNING)
        return own;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(exit_status, words[i].word) != NULL)
            return words[i].cause;
    return ASSAY_EPISODE_STOPPED;
}

static void read_info(struct assay_trajectory_reader *r, const struct assay_json *document)
{
    const struct assay_json *info = assay_json_get(document, "info");
    const struct assay_json *config = info != NULL ? assay_json_get(info, "config") : NULL;
    const struct assay_json *model = config != NULL ? assay_json_get(config, "model") : NULL;
    const char *status = info != NULL ? assay_json_text(assay_json_get(info, "exit_status")) : NULL;
    const char *submission =
            info != NULL ? assay_json_text(assay_json_get(info, "submission")) : NULL;
    const char *name = model != NULL ? assay_json_text(assay_json_get(model, "model_name")) : NULL;

    r->out->exit_status = assay_trajectory_copy(r, status != NULL ? status : "");
    r->out->model = assay_trajectory_copy(r, name != NULL ? name : "");
    submission = assay_trajectory_copy(r, submission != NULL ? submission : "");
    if (submission != NULL)
        r->out->submission = (struct assay_bytes){submission, strlen(submission)};
    r->out->cause = assay_trajectory_cause(status != NULL ? status : "");
}

static enum assay_status read_document(struct assay_trajectory_reader *r,
        const struct assay_json *document, const char *file, struct assay_error *err)
{
    const struct assay_json *steps = assay_json_get(document, "trajectory");
    const struct assay_json *messages = assay_json_get(document, "messages");
    const struct assay_json *history = assay_json_get(document, "history");
    enum assay_status status = ASSAY_OK;

    if (assay_atif_is(document)) {
        r->out->format = ASSAY_TRAJECTORY_ATIF;
        status = assay_atif_read(r, document, err);
    } else if (steps != NULL && assay_json_type(steps) == ASSAY_JSON_ARRAY) {
        r->out->format = ASSAY_TRAJECTORY_SWE_AGENT;
        status = read_swe_agent(r, steps, err);
    } else if (assay_messages_are(document)) {
        r->out->format = ASSAY_TRAJECTORY_MESSAGES;
        assay_messages_read(r, document);
    } else if (messages != NULL && assay_json_type(messages) == ASSAY_JSON_ARRAY) {
        r->out->format = ASSAY_TRAJECTORY_MINI;
        read_mini(r, messages);
    } else if (history != NULL && assay_json_type(history) == ASSAY_JSON_ARRAY) {
        r->out->format = ASSAY_TRAJECTORY_SWE_AGENT;
        read_history(r, history);
    } else {
        status = assay_fail(err, ASSAY_EINVAL,
                "none of \"trajectory\", \"history\" (SWE-agent), \"messages\" (chats, mini-swe-agent) and "
                "\"schema_version\": \"ATIF-...\" is in it");
    }
    if (status != ASSAY_OK)
        return assay_wrap(err, "%.100s", file);
    if (r->out->format == ASSAY_TRAJECTORY_SWE_AGENT || r->out->format == ASSAY_TRAJECTORY_MINI)
        read_info(r, document);
    return r->no_memory ? assay_fail(err, ASSAY_ENOMEM, "%.100s: out of memory", file) : ASSAY_OK;
}

enum assay_status assay_trajectory_read(struct assay_trajectory *out, const char *text, size_t len,
        const char *file, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_json_limits limits = {
            ASSAY_TRAJECTORY_BYTES_MAX, ASSAY_TRAJECTORY_DEPTH_MAX};
    struct assay_trajectory_reader r = {.out = out, .arena = arena};
    struct assay_json *document = NULL;
    enum assay_status status = assay_json_parse(&document, text, len, limits, file, 1, err);

    memset(out, 0, sizeof(*out));
    out->instance_id = "";
    if (status == ASSAY_OK)
        status = read_document(&r, document, file, err);
    assay_json_free(document);
    return status;
}
