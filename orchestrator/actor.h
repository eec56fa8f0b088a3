// SPDX-License-Identifier: MIT
// actor.h - who acts in an episode: one interface over scripts, programs and models.
//
// A kind of actor is a row of functions. An actor (a kind with what the command said of it) is
// shared by all threads; its state of one episode is that episode's alone.
#ifndef ASSAY_ORCHESTRATOR_ACTOR_H
#define ASSAY_ORCHESTRATOR_ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "orchestrator/cli.h"
#include "orchestrator/context.h"
#include "tasks/suite.h"
#include "tasks/trajectory.h"

// Rows of a command's table of options: what openai:MODEL and embedded:MODEL want to know.
#define ASSAY_MODEL_OPTIONS                                                                        \
    {"base-url", 0, "URL", "openai: where /chat/completions is (http://127.0.0.1:8000/v1)",        \
            false},                                                                                \
            {"key-env", 0, "NAME", "openai: the variable that holds the key", false},              \
            {"key-file", 0, "FILE", "openai: the file (mode 0600) that holds the key", false},     \
            {"temperature", 0, "T", "of sampling (openai: the server's own; embedded: 1)", false}, \
            {"answer-tokens", 0, "N", "of one answer (openai: the server's own; embedded: 1024)",  \
                    false},                                                                        \
            {"stream", 0, NULL, "openai: hear the answer as it is made", false},                   \
            {"request-timeout", 0, "SECONDS",                                                      \
                    "openai, command: of one answer; streamed: of silence in it (300)", false},    \
            {"request-tries", 0, "N", "openai: of one request (6)", false},                        \
            {"request-rate", 0, "N", "openai: requests a second, of all episodes together",        \
                    false},                                                                        \
    {                                                                                              \
        "template", 0, "NAME", "embedded: how its conversations are written", false                \
    }

// The same for any actor in an episode.
#define ASSAY_ACTOR_OPTIONS                                                                        \
    ASSAY_MODEL_OPTIONS,                                                                           \
            {"logprobs", 0, NULL, "openai: record the sampled tokens with their logp", false},     \
            {"scaffold", 0, "NAME", "how a model is led: agent, single, agentless", false},        \
            {"dialect", 0, "NAME", "how a model says what it does: tools, bash, patch", false},    \
    {                                                                                              \
        "repairs", 0, "N", "agentless: patches that are drawn (4)", false                          \
    }

#define ASSAY_ACTOR_CALLS_MAX 32 // of one message

struct assay_actor_call {
    const char *id;        // the actor's own name of it; NULL: none
    const char *tool;      // NULL: the message asks for none
    const char *arguments; // JSON, perhaps not valid; NULL: none
    const char *reply;     // what asking for none shows; NULL: which tools there are
};

// What an actor says next. All of it lies in `arena`.
struct assay_actor_message {
    struct assay_arena *arena; // the caller's
    const char *text;          // NULL: nothing
    struct assay_actor_call calls[ASSAY_ACTOR_CALLS_MAX];
    size_t call_count;
    bool stop; // and no call: it has nothing more to do
    uint64_t prompt_tokens, answer_tokens;
    const char *sampled; // as a turn has it (tasks/trajectory.h); NULL: not known
};

// What one call of the last message showed.
struct assay_actor_seen {
    const char *call_id;
    struct assay_bytes text;
    bool failed;
    bool ran, succeeded; // it ran a command; which exited with 0
};

// The episode, as its actor may know it. The gold actor alone looks at what is hidden.
struct assay_actor_task {
    struct assay_context *context; // where the base tree is
    const struct assay_suite *suite;
    const struct assay_instance *instance;
    const char *workdir;
    unsigned sample;
    uint64_t seed;
    uint32_t turns_max;
    const struct assay_turn *history; // what was done before this actor came
    size_t history_count;
    uint64_t deadline_ms; // of the episode, on assay_clock_ms()'s scale: who waits gives up then
    const volatile bool *cancel;
};

// What a model is asked, outside of any loop of its own.
struct assay_actor_question {
    const struct assay_buf *messages; // the conversation so far (chat.h)
    bool tools;                       // it is told of the tools, and may call them
    uint64_t draw;                    // 0, 1, ...: the same question again has another seed
};

struct assay_actor;

struct assay_actor_kind {
    const char *name; // what stands before the ':' of --actor
    // What the command said of it, once; *config is released by `release`.
    enum assay_status (*configure)(void **config, const char *rest,
            const struct assay_invocation *invocation, struct assay_error *err);
    void (*release)(void *config);
    // What makes two of one name differ, as text; borrowed. NULL: nothing.
    const char *(*digest)(const void *config);
    // The state of one episode.
    enum assay_status (*open)(void **state, const void *config, const struct assay_actor_task *task,
            struct assay_error *err);
    // The next message, after what its last one showed. An error is the actor's failure;
    // ASSAY_EINTERRUPTED: task->cancel was set. NULL: a scaffold asks it (scaffold.h).
    enum assay_status (*next)(void *state, const struct assay_actor_seen *seen, size_t seen_count,
            struct assay_actor_message *out, struct assay_error *err);
    // The answer to a question; errors as above. NULL: it is no model.
    enum assay_status (*ask)(void *state, const struct assay_actor_question *question,
            struct assay_actor_message *out, struct assay_error *err);
    void (*close)(void *state);
};

struct assay_actor {
    const struct assay_actor_kind *kind;
    const char *name; // as the command named it; borrowed
    void *config;     // owned; may be NULL
};

// "gold", "noop", "script:FILE", "command:PROGRAM", "openai:MODEL", "embedded:MODEL". ASSAY_EUSAGE:
// none of them.
ASSAY_MUST_USE enum assay_status assay_actor_make(struct assay_actor *out, const char *name,
        const struct assay_invocation *invocation, struct assay_error *err);
// One that answers questions, whom no scaffold leads: its kind's open, ask and close.
ASSAY_MUST_USE enum assay_status assay_actor_make_model(struct assay_actor *out, const char *name,
        const struct assay_invocation *invocation, struct assay_error *err);
void assay_actor_release(struct assay_actor *actor);

// One that does what was done: turns are borrowed. Not for a command line.
struct assay_recorded {
    const struct assay_turn *turns;
    size_t count;
};
struct assay_actor assay_actor_recorded(const struct assay_recorded *recorded);

// A message as JSON has it, into out->arena: {"text", "tool", "arguments"}, or with several calls
// {"text", "calls": [{"id", "tool", "arguments"}]}; {"type": "stop"} is the last. "arguments" is an
// object, or a text that is taken as it is. ASSAY_EINVAL says what is wrong.
ASSAY_MUST_USE enum assay_status assay_actor_read_message(
        struct assay_actor_message *out, const struct assay_json *json, struct assay_error *err);
// Its "arguments" alone; NULL when memory runs out.
const char *assay_actor_copy_arguments(const struct assay_json *json, struct assay_arena *arena);

extern const struct assay_actor_kind assay_actor_gold, assay_actor_noop, assay_actor_script,
        assay_actor_command, assay_actor_openai, assay_actor_embedded;

#endif
