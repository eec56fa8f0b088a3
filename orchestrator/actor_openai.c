// SPDX-License-Identifier: MIT
// actor_openai.c - a model behind a chat-completions endpoint as an actor.
//
// It answers questions; who leads it through an episode is a scaffold (scaffold.h). What may go
// better the next time (no connection, a cut answer, 408, 409, 429, 5xx, 200 with an error or
// without a choice) is asked again, after a wait that doubles and is drawn at random below that, or
// that the server names. What will not (another 4xx) fails the episode at once.
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/rng.h"
#include "envs/tools.h"
#include "orchestrator/actor.h"
#include "orchestrator/chat.h"
#include "orchestrator/chat_stream.h"
#include "orchestrator/client.h"

#define CHAT_BYTES_MAX ((size_t)256 << 20)
#define ANSWER_BYTES_MAX ((size_t)64 << 20)
#define BACKOFF_MS UINT64_C(500) // before the second try; twice as long before each further one
#define BACKOFF_MS_MAX UINT64_C(60000)
#define LOOK_US UINT64_C(20000) // how often who waits looks whether it is over
#define URL_DEFAULT "http://127.0.0.1:8000/v1"

struct openai {
    char *model, *url;       // owned
    char *key;               // owned; NULL: none
    const char *temperature; // a JSON number; borrowed from the command line; NULL: not told
    uint64_t answer_tokens;  // 0: not told
    uint64_t timeout_ms;
    unsigned tries;
    bool stream, logprobs;
    char *digest;      // owned
    struct pace *pace; // owned; NULL: none
};

// When requests may begin, one behind the other, whoever asks.
struct pace {
    pthread_mutex_t lock;
    uint64_t interval_us;
    uint64_t next_us; // on assay_clock_us()'s scale
};

// A connection of one episode.
struct line {
    const struct openai *openai;
    const struct assay_actor_task *task;
    struct assay_client *client; // owned
    struct assay_rng rng;        // of waits
};

// --- what the command said -----------------------------------------------------------------------

// A key never stands on a command line, where every user of the host could read it.
static enum assay_status read_key(
        char **key, const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *name = assay_cli_value(invocation, "key-env");
    const char *file = assay_cli_value(invocation, "key-file");
    const char *value = NULL;
    enum assay_status status = ASSAY_OK;

    if (name != NULL && file != NULL)
        return assay_fail(err, ASSAY_EUSAGE, "give one of --key-env, --key-file");
    if (file != NULL)
        status = assay_client_read_key(key, file, "--key-file", err);
    if (name != NULL) {
        value = getenv(name); // NOLINT(concurrency-mt-unsafe): before any thread
        if (value == NULL || value[0] == '\0')
            return assay_fail(err, ASSAY_EUSAGE, "--key-env: the variable %.60s is empty", name);
        *key = strdup(value);
        if (*key == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    if (status == ASSAY_OK && *key != NULL && strpbrk(*key, "\r\n \t") != NULL)
        return assay_fail(err, ASSAY_EUSAGE, "the key has blanks in it");
    return status;
}

static enum assay_status read_url(
        char **url, const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *base = assay_cli_value(invocation, "base-url");
    size_t len;

    if (base == NULL)
        base = URL_DEFAULT;
    if (assay_client_check_url(base, "--base-url", err) != ASSAY_OK)
        return ASSAY_EUSAGE;
    len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    return asprintf(url, "%.*s/chat/completions", (int)len, base) > 0
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

static bool is_number(const char *text, double max)
{
    char *end = NULL;
    const double value = strtod(text, &end);

    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value <= max &&
            strpbrk(text, "xXpP") == NULL;
}

static enum assay_status read_pace(
        struct pace **out, const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *text = assay_cli_value(invocation, "request-rate");
    const double rate = text != NULL && is_number(text, 1e6) ? strtod(text, NULL) : 0;
    struct pace *pace = NULL;

    if (text == NULL)
        return ASSAY_OK;
    if (rate < 0.001)
        return assay_fail(err, ASSAY_EUSAGE,
                "--request-rate: '%.60s' is no number from 0.001 to 1000000", text);
    pace = calloc(1, sizeof(*pace));
    if (pace == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    pthread_mutex_init(&pace->lock, NULL);
    pace->interval_us = (uint64_t)(1e6 / rate);
    *out = pace;
    return ASSAY_OK;
}

static void release(void *config)
{
    struct openai *o = config;

    if (o == NULL)
        return;
    if (o->key != NULL)
        explicit_bzero(o->key, strlen(o->key));
    free(o->key);
    free(o->url);
    free(o->model);
    free(o->digest);
    if (o->pace != NULL)
        pthread_mutex_destroy(&o->pace->lock);
    free(o->pace);
    free(o);
}

static enum assay_status read_options(struct openai *o, const char *model,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    uint64_t seconds = 300, tries = 6;
    enum assay_status status = ASSAY_OK;

    if (model[0] == '\0')
        return assay_fail(err, ASSAY_EUSAGE, "--actor openai:MODEL wants the model's name");
    o->model = strdup(model);
    if (o->model == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    o->temperature = assay_cli_value(invocation, "temperature");
    if (o->temperature != NULL && !is_number(o->temperature, 100))
        return assay_fail(err, ASSAY_EUSAGE, "--temperature: '%.60s' is no number", o->temperature);
    status = assay_cli_number(&o->answer_tokens, invocation, "answer-tokens", 1, 100000000, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&seconds, invocation, "request-timeout", 1, 1000000, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&tries, invocation, "request-tries", 1, 100, err);
    if (status == ASSAY_OK)
        status = read_url(&o->url, invocation, err);
    if (status == ASSAY_OK)
        status = read_key(&o->key, invocation, err);
    if (status == ASSAY_OK)
        status = read_pace(&o->pace, invocation, err);
    o->timeout_ms = seconds * 1000;
    o->tries = (unsigned)tries;
    o->stream = assay_cli_flag(invocation, "stream");
    o->logprobs = assay_cli_flag(invocation, "logprobs");
    if (status == ASSAY_OK &&
            asprintf(&o->digest, "%s\n%s\n%" PRIu64 "\n%d", o->url,
                    o->temperature != NULL ? o->temperature : "", o->answer_tokens,
                    o->logprobs) < 0) {
        o->digest = NULL;
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    return status;
}

static enum assay_status configure(void **config, const char *rest,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    struct openai *o = calloc(1, sizeof(*o));
    enum assay_status status =
            o != NULL ? assay_client_prepare(err) : assay_fail(err, ASSAY_ENOMEM, "out of memory");

    if (status == ASSAY_OK)
        status = read_options(o, rest, invocation, err);
    if (status == ASSAY_OK)
        *config = o;
    else
        release(o);
    return status;
}

static const char *digest(const void *config)
{
    const struct openai *o = config;

    return o->digest;
}

// --- a question ---------------------------------------------------------------------------------

static void close_line(void *state)
{
    struct line *l = state;

    assay_client_destroy(l->client);
    free(l);
}

static enum assay_status open_line(void **state, const void *config,
        const struct assay_actor_task *task, struct assay_error *err)
{
    struct line *l = calloc(1, sizeof(*l));
    enum assay_status status;

    if (l == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "openai: out of memory");
    *l = (struct line){.openai = config, .task = task};
    assay_rng_seed(&l->rng, task->seed, 1);
    status = assay_client_create(&l->client, l->openai->key, task->cancel, err);
    if (status == ASSAY_OK)
        *state = l;
    else
        close_line(l);
    return status;
}

static void write_settings(struct assay_json_writer *w, const struct line *l, uint64_t draw)
{
    const struct openai *o = l->openai;

    if (o->temperature != NULL)
        assay_json_put_written(w, "temperature", o->temperature);
    if (o->answer_tokens > 0)
        assay_json_put_u64(w, "max_tokens", o->answer_tokens);
    assay_json_put_u64(w, "seed", (l->task->seed + draw) & 0x7fffffff);
    if (o->logprobs)
        assay_json_put_bool(w, "logprobs", true);
    assay_json_put_bool(w, "stream", o->stream);
    if (!o->stream)
        return;
    assay_json_begin_object(w, "stream_options");
    assay_json_put_bool(w, "include_usage", true);
    assay_json_end_object(w);
}

static enum assay_status write_request(const struct line *l,
        const struct assay_actor_question *question, struct assay_buf *body,
        struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf messages;

    assay_buf_init(&messages, question->messages->max + 2);
    assay_buf_addc(&messages, '[');
    assay_buf_add(&messages, question->messages->data, question->messages->len);
    assay_buf_addc(&messages, ']');
    assay_json_writer_init(&w, body, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "model", l->openai->model);
    assay_json_put_written(&w, "messages", messages.data);
    if (question->tools) {
        assay_tools_write(&w, "tools");
        assay_json_put_text(&w, "tool_choice", "auto");
    }
    write_settings(&w, l, question->draw);
    assay_json_end_object(&w);
    if (question->messages->failed || messages.failed)
        body->failed = true;
    assay_buf_free(&messages);
    return assay_buf_check(body, "the conversation", err);
}

// --- asking --------------------------------------------------------------------------------------

static bool may_go_better(long status)
{
    return status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;
}

static enum assay_status read_answer(struct assay_actor_message *out,
        const struct assay_answer *answer, bool streamed, const char *key, struct assay_error *err)
{
    struct assay_buf whole;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&whole, 2 * ANSWER_BYTES_MAX);
    if (streamed)
        status = assay_chat_stream_gather(&whole, answer->body.data, answer->body.len, err);
    // What came in pieces may say the key in pieces.
    assay_client_redact(whole.data, whole.len, key);
    if (status == ASSAY_OK)
        status = streamed ? assay_chat_read_answer(out, whole.data, whole.len, err)
                          : assay_chat_read_answer(out, answer->body.data, answer->body.len, err);
    assay_buf_free(&whole);
    return status;
}

// Sleep until then, or until the episode's time is over. False: cancelled.
static bool sleep_until(const struct line *l, uint64_t deadline_us)
{
    while (assay_clock_us() < deadline_us && assay_clock_left_ms(l->task->deadline_ms) > 0 &&
            !*l->task->cancel) {
        const uint64_t now_us = assay_clock_us();
        const uint64_t left_us = now_us < deadline_us ? deadline_us - now_us : 0;
        const struct timespec moment = {
                .tv_nsec = (long)(left_us < LOOK_US ? left_us : LOOK_US) * 1000};

        nanosleep(&moment, NULL);
    }
    return !*l->task->cancel;
}

// Until the rate of all lines together allows a request. False: cancelled.
static bool await_turn(const struct line *l)
{
    struct pace *pace = l->openai->pace;
    uint64_t begin_us = assay_clock_us();

    if (pace == NULL)
        return true;
    pthread_mutex_lock(&pace->lock);
    if (pace->next_us > begin_us)
        begin_us = pace->next_us;
    pace->next_us = begin_us + pace->interval_us;
    pthread_mutex_unlock(&pace->lock);
    return sleep_until(l, begin_us);
}

// One request. *again: it may go better the next time, after *wait_ms if the server said so.
static enum assay_status ask_once(struct line *l, const struct assay_buf *body,
        struct assay_actor_message *out, bool *again, uint64_t *wait_ms, struct assay_error *err)
{
    const struct openai *o = l->openai;
    const bool may_ask = await_turn(l);
    const uint64_t left_ms = assay_clock_left_ms(l->task->deadline_ms);
    // A stream is as long as it is: there it counts how long nothing comes.
    const struct assay_client_patience patience = {
            .whole_ms = o->stream || left_ms < o->timeout_ms ? left_ms : o->timeout_ms,
            .silence_ms = o->stream ? o->timeout_ms : 0};
    struct assay_answer answer;
    enum assay_status status = ASSAY_OK;

    *again = false;
    if (!may_ask)
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    if (left_ms == 0)
        return assay_fail(err, ASSAY_ETIMEOUT, "the episode's time is over");
    status = assay_client_post(l->client, o->url, body, patience, ANSWER_BYTES_MAX, &answer, err);
    *wait_ms = 0;
    *again = status == ASSAY_EIO || status == ASSAY_ETIMEOUT;
    if (status != ASSAY_OK)
        return status;
    if (answer.status == 200) {
        struct assay_arena *arena = out->arena;

        *out = (struct assay_actor_message){.arena = arena}; // of an earlier try
        status = read_answer(out, &answer, o->stream, o->key, err);
        *again = status == ASSAY_EINVAL || status == ASSAY_EIO;
    } else {
        *again = may_go_better(answer.status);
        *wait_ms = answer.retry_after_s * 1000;
        status = assay_fail(err, ASSAY_EIO, "HTTP %ld: %.150s", answer.status, answer.body.data);
    }
    assay_answer_release(&answer);
    return status;
}

// False: cancelled.
static bool wait_for(struct line *l, unsigned try, uint64_t wait_ms)
{
    const uint64_t longest_ms = try < 7 ? BACKOFF_MS <<
    try : BACKOFF_MS_MAX
        ;
    const uint64_t drawn_ms = longest_ms / 2 + assay_rng_below(&l->rng, longest_ms / 2);
    const uint64_t ms = wait_ms > BACKOFF_MS_MAX ? BACKOFF_MS_MAX
            : wait_ms > 0                        ? wait_ms
                                                 : drawn_ms;

    return sleep_until(l, assay_clock_us() + ms * 1000);
}

static enum assay_status ask(void *state, const struct assay_actor_question *question,
        struct assay_actor_message *out, struct assay_error *err)
{
    struct line *l = state;
    struct assay_buf body;
    enum assay_status status;

    assay_buf_init(&body, 2 * CHAT_BYTES_MAX);
    status = write_request(l, question, &body, err);
    for (unsigned try = 0; status == ASSAY_OK; try++) {
        struct assay_error trouble = {0};
        uint64_t wait_ms = 0;
        bool again = false;
        const enum assay_status got = ask_once(l, &body, out, &again, &wait_ms, &trouble);

        if (got == ASSAY_OK)
            break;
        if (!again || try + 1 == l->openai->tries) {
            assay_client_redact(trouble.message, strlen(trouble.message), l->openai->key);
            status = again
                    ? assay_fail(err, got, "after %u tries: %.200s", try + 1, trouble.message)
                    : assay_fail(err, got, "%s", trouble.message);
        } else if (!wait_for(l, try, wait_ms)) {
            status = assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        }
    }
    assay_buf_free(&body);
    return status;
}

const struct assay_actor_kind assay_actor_openai = {.name = "openai",
        .configure = configure,
        .release = release,
        .digest = digest,
        .open = open_line,
        .ask = ask,
        .close = close_line};
