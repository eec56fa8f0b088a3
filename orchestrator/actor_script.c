// SPDX-License-Identifier: MIT
// actor_script.c - actors that know beforehand what they do: gold, noop, a file of actions, a
// recorded episode.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "orchestrator/actor.h"

#define SCRIPT_BYTES_MAX ((size_t)256 << 20)
#define SCRIPT_DEPTH_MAX 32

// --- gold and noop -------------------------------------------------------------------------------

struct gold_state {
    const struct assay_actor_task *task;
    unsigned said;
};

static enum assay_status gold_open(void **state, const void *config,
        const struct assay_actor_task *task, struct assay_error *err)
{
    struct gold_state *gold = calloc(1, sizeof(*gold));

    (void)config;
    if (gold == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "gold: out of memory");
    gold->task = task;
    *state = gold;
    return ASSAY_OK;
}

static enum assay_status put_call(struct assay_actor_message *out, const char *tool,
        const char *key, struct assay_bytes value, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf json;
    enum assay_status status;

    assay_buf_init(&json, SCRIPT_BYTES_MAX);
    assay_json_writer_init(&w, &json, 0);
    assay_json_begin_object(&w, NULL);
    if (key != NULL)
        assay_json_put_bytes(&w, key, value.data, value.len);
    assay_json_end_object(&w);
    status = assay_buf_check(&json, tool, err);
    if (status == ASSAY_OK) {
        out->calls[out->call_count++] = (struct assay_actor_call){
                .tool = tool, .arguments = assay_arena_strdup(out->arena, json.data)};
        if (out->calls[out->call_count - 1].arguments == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", tool);
    }
    assay_buf_free(&json);
    return status;
}

// Lay the gold patch, then say so. A task that asks for places gets the patch as its answer.
static enum assay_status gold_next(void *state, const struct assay_actor_seen *seen,
        size_t seen_count, struct assay_actor_message *out, struct assay_error *err)
{
    struct gold_state *gold = state;
    const struct assay_instance *instance = gold->task->instance;
    const struct assay_bytes patch =
            instance->task == ASSAY_TASK_WRITE_TESTS ? instance->test_patch : instance->gold_patch;

    if (seen_count > 0 && seen[0].failed)
        return assay_fail(err, ASSAY_EINVAL, "gold: %.150s", seen[0].text.data);
    if (instance->task == ASSAY_TASK_LOCALIZE)
        return put_call(out, "submit", "answer", patch, err);
    if (gold->said++ == 0)
        return put_call(out, "apply_patch", "patch", patch, err);
    return put_call(out, "submit", NULL, patch, err);
}

static enum assay_status noop_next(void *state, const struct assay_actor_seen *seen,
        size_t seen_count, struct assay_actor_message *out, struct assay_error *err)
{
    (void)state;
    (void)seen;
    (void)seen_count;
    return put_call(out, "submit", NULL, (struct assay_bytes){NULL, 0}, err);
}

const struct assay_actor_kind assay_actor_gold = {
        .name = "gold", .open = gold_open, .next = gold_next, .close = free};
const struct assay_actor_kind assay_actor_noop = {
        .name = "noop", .open = gold_open, .next = noop_next, .close = free};

// --- a recorded episode --------------------------------------------------------------------------

struct recorded_state {
    const struct assay_recorded *recorded;
    size_t at;
};

static enum assay_status recorded_open(void **state, const void *config,
        const struct assay_actor_task *task, struct assay_error *err)
{
    struct recorded_state *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "replay: out of memory");
    s->recorded = config;
    s->at = task->history_count; // what was done before is done
    *state = s;
    return ASSAY_OK;
}

// All turns of one message.
static enum assay_status recorded_next(void *state, const struct assay_actor_seen *seen,
        size_t seen_count, struct assay_actor_message *out, struct assay_error *err)
{
    struct recorded_state *s = state;
    const struct assay_turn *turns = s->recorded->turns;
    const size_t first = s->at;

    (void)seen;
    (void)seen_count;
    (void)err;
    out->stop = first >= s->recorded->count;
    if (out->stop)
        return ASSAY_OK;
    out->text = turns[first].text;
    out->prompt_tokens = turns[first].prompt_tokens;
    out->answer_tokens = turns[first].answer_tokens;
    out->sampled = turns[first].sampled;
    while (s->at < s->recorded->count && turns[s->at].message == turns[first].message &&
            out->call_count < ASSAY_ACTOR_CALLS_MAX) {
        const struct assay_turn *turn = &turns[s->at++];

        out->calls[out->call_count++] = (struct assay_actor_call){.id = turn->call_id,
                .tool = turn->tool,
                .arguments = turn->arguments,
                .reply = turn->tool == NULL ? turn->observation.data : NULL};
    }
    return ASSAY_OK;
}

static const struct assay_actor_kind recorded_kind = {
        .name = "recorded", .open = recorded_open, .next = recorded_next, .close = free};

struct assay_actor assay_actor_recorded(const struct assay_recorded *recorded)
{
    union {
        // cppcheck-suppress unusedStructMember
        const void *from;
        void *to;
    } config = {.from = recorded}; // nobody writes through it, and it is not released

    return (struct assay_actor){.kind = &recorded_kind, .name = "recorded", .config = config.to};
}

// --- a file of actions ---------------------------------------------------------------------------

// A line of the file: a message, with "instance_id" where it is for one instance alone.
struct script_line {
    const char *instance_id; // NULL: of every instance
    struct assay_actor_message message;
};

struct script {
    struct assay_arena *arena; // owned: this too
    struct script_line *lines;
    size_t count;
    char sha256[ASSAY_SHA256_HEX_BYTES]; // of the file
};

struct script_state {
    const struct script *script;
    const char *instance_id;
    size_t at;
};

static void script_release(void *config)
{
    struct script *script = config;

    if (script != NULL)
        assay_arena_destroy(script->arena);
}

static enum assay_status read_line(struct script *script, const char *line, size_t len,
        const char *file, size_t number, struct assay_error *err)
{
    const struct assay_json_limits limits = {SCRIPT_BYTES_MAX, SCRIPT_DEPTH_MAX};
    struct script_line *out = &script->lines[script->count];
    const char *instance_id = NULL;
    struct assay_json *json = NULL;
    enum assay_status status = assay_json_parse(&json, line, len, limits, file, number, err);

    if (status != ASSAY_OK)
        return status;
    out->message.arena = script->arena;
    status = assay_actor_read_message(&out->message, json, err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&instance_id, json, "instance_id", err);
    if (status != ASSAY_OK)
        (void)assay_wrap(err, "%s:%zu", file, number);
    else if (instance_id != NULL &&
            (out->instance_id = assay_arena_strdup(script->arena, instance_id)) == NULL)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    script->count++;
    assay_json_free(json);
    return status;
}

static enum assay_status read_lines(struct script *script, const struct assay_buf *text,
        const char *file, struct assay_error *err)
{
    const char *end = text->data + text->len;
    enum assay_status status = ASSAY_OK;
    size_t count = 1, number = 1;

    for (const char *at = text->data; at < end; at++)
        count += *at == '\n';
    script->lines = assay_arena_array(script->arena, count, sizeof(*script->lines));
    if (script->lines == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", file);
    for (const char *at = text->data; at < end && status == ASSAY_OK; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const size_t len = newline != NULL ? (size_t)(newline - at) : (size_t)(end - at);

        if (strspn(at, " \t\r") < len)
            status = read_line(script, at, len, file, number, err);
        at += len + 1;
    }
    return status;
}

static enum assay_status script_configure(void **config, const char *rest,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct script *script = NULL;
    struct assay_buf text;
    enum assay_status status;

    (void)invocation;
    if (rest[0] == '\0')
        return assay_fail(err, ASSAY_EUSAGE, "--actor script:FILE wants a file");
    status = assay_arena_create(&arena, 2 * SCRIPT_BYTES_MAX, err);
    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&text, SCRIPT_BYTES_MAX);
    script = assay_arena_alloc(arena, sizeof(*script));
    if (script == NULL)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (status == ASSAY_OK)
        status = assay_fs_read_file(&text, rest, err);
    if (status == ASSAY_OK) {
        script->arena = arena;
        status = assay_sha256_bytes(script->sha256, text.data, text.len, err);
    }
    if (status == ASSAY_OK)
        status = read_lines(script, &text, rest, err);
    assay_buf_free(&text);
    if (status == ASSAY_OK)
        *config = script;
    else
        assay_arena_destroy(arena);
    return status;
}

static const char *script_digest(const void *config)
{
    const struct script *script = config;

    return script->sha256;
}

static enum assay_status script_open(void **state, const void *config,
        const struct assay_actor_task *task, struct assay_error *err)
{
    struct script_state *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "script: out of memory");
    s->script = config;
    s->instance_id = task->instance->instance_id;
    *state = s;
    return ASSAY_OK;
}

static enum assay_status script_next(void *state, const struct assay_actor_seen *seen,
        size_t seen_count, struct assay_actor_message *out, struct assay_error *err)
{
    struct script_state *s = state;
    struct assay_arena *arena = out->arena;

    (void)seen;
    (void)seen_count;
    (void)err;
    for (; s->at < s->script->count; s->at++) {
        const struct script_line *line = &s->script->lines[s->at];

        if (line->instance_id != NULL && strcmp(line->instance_id, s->instance_id) != 0)
            continue;
        s->at++;
        *out = line->message;
        out->arena = arena;
        return ASSAY_OK;
    }
    out->stop = true;
    return ASSAY_OK;
}

// The next message is the answer, whatever is asked.
static enum assay_status script_ask(void *state, const struct assay_actor_question *question,
        struct assay_actor_message *out, struct assay_error *err)
{
    const enum assay_status status = script_next(state, NULL, 0, out, err);

    (void)question;
    if (status == ASSAY_OK && out->stop)
        return assay_fail(err, ASSAY_EINVAL, "the script has no further answer");
    return status;
}

const struct assay_actor_kind assay_actor_script = {.name = "script",
        .configure = script_configure,
        .release = script_release,
        .digest = script_digest,
        .open = script_open,
        .next = script_next,
        .ask = script_ask,
        .close = free};
