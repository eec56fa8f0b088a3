// SPDX-License-Identifier: MIT
// trajectory_atif.c - Harbor's Agent Trajectory Interchange Format.
//
// Written is version 1.4, read any version. A message is a step of the agent, its calls are
// tool_calls, what they showed are the results of its observation. What ATIF has no place for (the
// suite's instance, the submission, why it ended) stands in "extra".
#include <stdio.h>
#include <string.h>

#include "envs/tools.h"
#include "orchestrator/chat.h"
#include "orchestrator/trajectory_parts.h"
#include "rewards/judge.h"

#define VERSION_PREFIX "ATIF-"
#define AGENT_NAME "assay"

// --- writing -------------------------------------------------------------------------------------

static void put_step(struct assay_json_writer *w, size_t *number, const char *source)
{
    assay_json_begin_object(w, NULL);
    assay_json_put_u64(w, "step_id", ++*number);
    assay_json_put_text(w, "source", source);
}

// The arguments as an object; what is none stands in one, as a text.
static void put_arguments(struct assay_json_writer *w, const char *text)
{
    const struct assay_json_limits limits = {
            ASSAY_TRAJECTORY_BYTES_MAX, ASSAY_TRAJECTORY_DEPTH_MAX};
    struct assay_json *json = NULL;

    if (text == NULL)
        text = "{}";
    if (assay_json_parse(&json, text, strlen(text), limits, "", 1, NULL) == ASSAY_OK &&
            assay_json_type(json) == ASSAY_JSON_OBJECT) {
        assay_json_put_copy(w, "arguments", json);
    } else {
        assay_json_begin_object(w, "arguments");
        assay_json_put_text(w, "text", text);
        assay_json_end_object(w);
    }
    assay_json_free(json);
}

static const char *call_id(char room[32], const struct assay_turn *turn)
{
    snprintf(room, 32, "call_%u", turn->turn);
    return turn->call_id != NULL && turn->call_id[0] != '\0' ? turn->call_id : room;
}

static void put_metrics(struct assay_json_writer *w, const struct assay_turn *turn)
{
    const struct assay_json_limits limits = {
            ASSAY_TRAJECTORY_BYTES_MAX, ASSAY_TRAJECTORY_DEPTH_MAX};
    struct assay_json *sampled = NULL;
    const struct assay_json *ids, *logp;

    if (turn->sampled == NULL ||
            assay_json_parse(&sampled, turn->sampled, strlen(turn->sampled), limits, "", 1, NULL) !=
                    ASSAY_OK)
        sampled = NULL;
    ids = assay_json_get(sampled, "ids");
    logp = assay_json_get(sampled, "logp");
    assay_json_begin_object(w, "metrics");
    assay_json_put_u64(w, "prompt_tokens", turn->prompt_tokens);
    assay_json_put_u64(w, "completion_tokens", turn->answer_tokens);
    // They are those of the answer alone where no mask says otherwise.
    if (ids != NULL && assay_json_get(sampled, "mask") == NULL)
        assay_json_put_copy(w, "completion_token_ids", ids);
    if (logp != NULL && assay_json_get(sampled, "mask") == NULL)
        assay_json_put_copy(w, "logprobs", logp);
    assay_json_end_object(w);
    assay_json_free(sampled);
}

// The turns of one message.
static void put_message(
        struct assay_json_writer *w, size_t *number, const struct assay_turn *turns, size_t count)
{
    char id[32];

    put_step(w, number, "agent");
    assay_json_put_text(w, "message", turns[0].text != NULL ? turns[0].text : "");
    if (turns[0].tool != NULL) {
        assay_json_begin_array(w, "tool_calls");
        for (size_t i = 0; i < count; i++) {
            assay_json_begin_object(w, NULL);
            assay_json_put_text(w, "tool_call_id", call_id(id, &turns[i]));
            assay_json_put_text(w, "function_name", turns[i].tool);
            put_arguments(w, turns[i].arguments);
            assay_json_end_object(w);
        }
        assay_json_end_array(w);
    }
    assay_json_begin_object(w, "observation");
    assay_json_begin_array(w, "results");
    for (size_t i = 0; i < count; i++) {
        assay_json_begin_object(w, NULL);
        if (turns[i].tool != NULL)
            assay_json_put_text(w, "source_call_id", call_id(id, &turns[i]));
        assay_json_put_bytes(w, "content", turns[i].observation.data, turns[i].observation.len);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    assay_json_end_object(w);
    put_metrics(w, &turns[0]);
    assay_json_end_object(w);
}

static void put_problem(struct assay_json_writer *w, size_t *number,
        const struct assay_instance *instance, const char *workdir)
{
    const struct assay_bytes problem = instance->problem;
    struct assay_buf text;

    assay_buf_init(&text, ASSAY_TRAJECTORY_BYTES_MAX);
    assay_buf_addf(&text, "The repository %s is at %s. %s\n\n", instance->repo, workdir,
            assay_chat_task(instance->task));
    assay_buf_add(&text, problem.data != NULL ? problem.data : "", problem.len);
    put_step(w, number, "user");
    assay_json_put_bytes(w, "message", text.data, text.len);
    assay_json_end_object(w);
    assay_buf_free(&text);
}

static void put_extra(struct assay_json_writer *w, const struct assay_episode_row *row)
{
    assay_json_begin_object(w, "extra");
    assay_json_put_text(w, "instance_id", row->instance_id);
    assay_json_put_text(w, "run_id", row->run_id);
    assay_json_put_u64(w, "sample", row->sample);
    assay_json_put_text(w, "exit_status", assay_episode_cause_name(row->cause));
    assay_json_put_bytes(
            w, "submission", row->answer.data != NULL ? row->answer.data : "", row->answer.len);
    if (row->has_verdict && row->scored)
        assay_json_put_bool(w, "resolved", row->resolved);
    assay_json_end_object(w);
}

void assay_atif_write(struct assay_json_writer *w, const struct assay_episode_row *row,
        const struct assay_turn *turns, size_t count, const struct assay_instance *instance,
        const char *workdir)
{
    size_t number = 0;
    char session[64];

    snprintf(session, sizeof(session), "episode-%llu", (unsigned long long)row->number);
    assay_json_put_text(w, "schema_version", VERSION_PREFIX "v1.4");
    assay_json_put_text(w, "session_id", session);
    assay_json_begin_object(w, "agent");
    assay_json_put_text(w, "name", AGENT_NAME);
    assay_json_put_text(w, "version", ASSAY_GRADER_VERSION);
    assay_json_put_text(w, "model_name", row->actor);
    assay_json_end_object(w);
    assay_json_begin_array(w, "steps");
    if (instance != NULL)
        put_problem(w, &number, instance, workdir);
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;

        while (end < count && turns[end].message == turns[i].message)
            end++;
        put_message(w, &number, &turns[i], end - i);
        i = end;
    }
    assay_json_end_array(w);
    assay_json_begin_object(w, "final_metrics");
    assay_json_put_u64(w, "total_prompt_tokens", row->prompt_tokens);
    assay_json_put_u64(w, "total_completion_tokens", row->answer_tokens);
    assay_json_put_u64(w, "total_steps", number);
    assay_json_end_object(w);
    put_extra(w, row);
}

// --- reading -------------------------------------------------------------------------------------

bool assay_atif_is(const struct assay_json *document)
{
    const char *version = assay_json_text(assay_json_get(document, "schema_version"));

    return version != NULL && strncmp(version, VERSION_PREFIX, strlen(VERSION_PREFIX)) == 0;
}

// What a call showed: the result that names it, or the one at its place.
static const char *result_of(struct assay_trajectory_reader *r, const struct assay_json *results,
        const char *id, size_t place)
{
    const struct assay_json *found = NULL;
    size_t i = 0;

    for (const struct assay_json *result = assay_json_first(results); result != NULL;
            result = assay_json_next(result), i++) {
        const char *source = assay_json_text(assay_json_get(result, "source_call_id"));

        if (source != NULL && id != NULL && strcmp(source, id) == 0)
            return assay_trajectory_content(r, assay_json_get(result, "content"));
        if (source == NULL && i == place)
            found = result;
    }
    return found != NULL ? assay_trajectory_content(r, assay_json_get(found, "content")) : NULL;
}

// Our own calls are what they were; of another agent's, those with a command line can be done here.
static void read_call(struct assay_trajectory_reader *r, struct assay_turn *turn,
        const struct assay_json *call, bool own)
{
    const struct assay_json *arguments = assay_json_get(call, "arguments");
    const char *command = assay_json_text(assay_json_get(arguments, "command"));
    struct assay_json_writer w;
    struct assay_buf json;

    if (command == NULL)
        command = assay_json_text(assay_json_get(arguments, "keystrokes"));
    turn->tool = assay_trajectory_copy(r, assay_json_text(assay_json_get(call, "function_name")));
    turn->call_id = assay_trajectory_copy(r, assay_json_text(assay_json_get(call, "tool_call_id")));
    if (!own && command != NULL) {
        assay_trajectory_command(r, turn, command, strlen(command), false);
        return;
    }
    assay_buf_init(&json, ASSAY_TRAJECTORY_BYTES_MAX);
    assay_json_writer_init(&w, &json, 0);
    if (arguments != NULL)
        assay_json_put_copy(&w, NULL, arguments);
    turn->arguments = assay_trajectory_copy(r, json.len > 0 ? json.data : "{}");
    r->no_memory |= json.failed;
    assay_buf_free(&json);
}

static void read_metrics(struct assay_trajectory_reader *r, struct assay_turn *turn,
        const struct assay_json *metrics)
{
    const struct assay_json *ids = assay_json_get(metrics, "completion_token_ids");
    const struct assay_json *logp = assay_json_get(metrics, "logprobs");
    struct assay_json_writer w;
    struct assay_buf json;

    if (assay_json_opt_u64(&turn->prompt_tokens, metrics, "prompt_tokens", 0, UINT64_C(1) << 40,
                NULL) != ASSAY_OK ||
            assay_json_opt_u64(&turn->answer_tokens, metrics, "completion_tokens", 0,
                    UINT64_C(1) << 40, NULL) != ASSAY_OK)
        return;
    if (logp == NULL || assay_json_type(logp) != ASSAY_JSON_ARRAY)
        return;
    assay_buf_init(&json, ASSAY_TRAJECTORY_BYTES_MAX);
    assay_json_writer_init(&w, &json, 0);
    assay_json_begin_object(&w, NULL);
    if (ids != NULL)
        assay_json_put_copy(&w, "ids", ids);
    assay_json_put_copy(&w, "logp", logp);
    assay_json_end_object(&w);
    turn->sampled = assay_trajectory_copy(r, json.data);
    r->no_memory |= json.failed;
    assay_buf_free(&json);
}

static void read_step(struct assay_trajectory_reader *r, const struct assay_json *step,
        uint32_t message, bool own)
{
    const struct assay_json *calls = assay_json_get(step, "tool_calls");
    const struct assay_json *results =
            assay_json_get(assay_json_get(step, "observation"), "results");
    const struct assay_json *metrics = assay_json_get(step, "metrics");
    const struct assay_json *call = calls != NULL && assay_json_type(calls) == ASSAY_JSON_ARRAY
            ? assay_json_first(calls)
            : NULL;

    for (size_t place = 0; place == 0 || call != NULL; place++) {
        struct assay_turn *turn = assay_trajectory_turn(r, message);

        if (turn == NULL)
            return; // out of memory: told at the end
        if (place == 0)
            turn->text = assay_trajectory_copy(
                    r, assay_trajectory_content(r, assay_json_get(step, "message")));
        if (place == 0 && metrics != NULL && assay_json_type(metrics) == ASSAY_JSON_OBJECT)
            read_metrics(r, turn, metrics);
        if (call != NULL)
            read_call(r, turn, call, own);
        assay_trajectory_observation(r, turn,
                result_of(
                        r, results, assay_json_text(assay_json_get(call, "tool_call_id")), place));
        call = call != NULL ? assay_json_next(call) : NULL;
    }
}

enum assay_status assay_atif_read(struct assay_trajectory_reader *r,
        const struct assay_json *document, struct assay_error *err)
{
    const struct assay_json *agent = assay_json_get(document, "agent");
    const struct assay_json *extra = assay_json_get(document, "extra");
    const char *name = assay_json_text(assay_json_get(agent, "name"));
    const char *model = assay_json_text(assay_json_get(agent, "model_name"));
    const char *ended = assay_json_text(assay_json_get(extra, "exit_status"));
    const char *submission = assay_json_text(assay_json_get(extra, "submission"));
    const char *instance_id = assay_json_text(assay_json_get(extra, "instance_id"));
    const bool own = name != NULL && strcmp(name, AGENT_NAME) == 0;
    const struct assay_json *steps = NULL;
    uint32_t message = 0;
    const enum assay_status status = assay_json_read_array(&steps, document, "steps", err);

    if (status != ASSAY_OK)
        return status;
    for (const struct assay_json *step = assay_json_first(steps); step != NULL;
            step = assay_json_next(step)) {
        const char *source = assay_json_text(assay_json_get(step, "source"));

        if (source != NULL && strcmp(source, "agent") == 0)
            read_step(r, step, ++message, own);
    }
    model = assay_trajectory_copy(r, model != NULL ? model : name != NULL ? name : "");
    ended = assay_trajectory_copy(r, ended != NULL ? ended : "");
    submission = assay_trajectory_copy(r, submission != NULL ? submission : "");
    instance_id = assay_trajectory_copy(r, instance_id != NULL ? instance_id : "");
    r->out->instance_id = instance_id != NULL ? instance_id : "";
    r->out->model = model != NULL ? model : "";
    r->out->exit_status = ended != NULL ? ended : "";
    r->out->submission = (struct assay_bytes){submission, submission ? strlen(submission) : 0};
    r->out->cause = assay_trajectory_cause(r->out->exit_status);
    return ASSAY_OK;
}
