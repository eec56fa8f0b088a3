// SPDX-License-Identifier: MIT
// cmd_model_generate.c - assay model generate: a prompt, and what a model makes of it.
//
// One sample is written as it comes; of several, each is written when all have ended.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "kernels/ops.h"
#include "orchestrator/commands.h"
#include "orchestrator/device.h"
#include "policy/chat.h"
#include "policy/generate.h"
#include "policy/text_stream.h"
#include "policy/tokenizer.h"

#define SAMPLES_MAX 1024
#define TOKENS_MAX ((uint64_t)1 << 20)
#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define STOP_IDS_MAX 8
#define CHAT_ARENA_BYTES_MAX ((size_t)512 << 20)

const struct assay_option assay_model_generate_options[] = {
        {"prompt", 'p', "TEXT", "what the answer continues", false},
        {"ids", 0, "1,2,3", "the prompt as ids: needs no tokenizer, and prints ids", false},
        {"chat", 'c', "FILE",
                "answer the messages of a JSON file (-: stdin) as the family's chat does", false},
        {"template", 0, "NAME", "qwen3, minimind, minimax_m1 or minimax_text_01 (the family's)",
                false},
        {"thinking", 0, "on|off", "whether the model is to think first (as its template does)",
                false},
        {"max", 'n', "TOKENS", "length of an answer, at most (256)", false},
        {"temperature", 't', "T", "0 takes the likeliest token; 1, as the model says (1)", false},
        {"top-k", 0, "K", "only the K likeliest (all)", false},
        {"top-p", 0, "P", "only the likeliest that make up P together (1)", false},
        {"min-p", 0, "P", "only what has P of the likeliest's probability (0)", false},
        {"repetition-penalty", 0, "X", "divide the logits of what was seen (1)", false},
        {"stop", 0, "TEXT", "the answer ends before this", true},
        {"seed", 's', "N", "of the draws (0)", false},
        {"samples", 'g', "N", "answers to the prompt; it is read once (1)", false},
        {"pattern", 0, "NAME", "split text by gpt2, qwen2 or o200k, whatever the file says", false},
        {"config", 0, "FILE", "config.json of a weight file that has none beside it", false},
        {"device", 0, "NAME", "that computes: " ASSAY_DEVICE_NAMES " (cpu)", false},
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

struct answer {
    struct run *run;
    struct assay_text_stream stream;
    struct assay_buf text;
    struct assay_ids ids;
    double logp; // of the answer
    enum assay_finish finish;
    bool failed;
};

struct run {
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_model *model;
    struct assay_tokenizer *tokenizer; // NULL: ids alone
    struct assay_generator *generator;
    struct assay_ids prompt;
    const char *stops[ASSAY_STOP_STRINGS_MAX];
    size_t stop_count;
    struct answer *answers; // [sample_count]
    size_t sample_count;
    bool live; // write as it comes
    uint64_t first_ms, token_count;
};

static enum assay_status read_request(struct assay_generation *g,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    uint64_t max = 256, samples = 1, top_k = 0;
    enum assay_status status = assay_cli_number(&max, invocation, "max", 1, TOKENS_MAX, err);

    *g = (struct assay_generation){.sampling = ASSAY_SAMPLING_PLAIN};
    if (status == ASSAY_OK)
        status = assay_cli_number(&samples, invocation, "samples", 1, SAMPLES_MAX, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&top_k, invocation, "top-k", 0, UINT32_MAX, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&g->seed, invocation, "seed", 0, UINT64_MAX, err);
    if (status == ASSAY_OK)
        status = assay_cli_real(&g->sampling.temperature, invocation, "temperature", err);
    if (status == ASSAY_OK)
        status = assay_cli_real(&g->sampling.top_p, invocation, "top-p", err);
    if (status == ASSAY_OK)
        status = assay_cli_real(&g->sampling.min_p, invocation, "min-p", err);
    if (status == ASSAY_OK)
        status = assay_cli_real(
                &g->sampling.repetition_penalty, invocation, "repetition-penalty", err);
    g->token_count_max = (size_t)max;
    g->sample_count = (size_t)samples;
    g->sampling.top_k = (uint32_t)top_k;
    return status;
}

static enum assay_status read_ids(struct assay_ids *ids, const char *text, struct assay_error *err)
{
    for (const char *at = text;;) {
        char *end = NULL;
        const unsigned long id = strtoul(at, &end, 10);

        if (*at < '0' || *at > '9' || id > INT32_MAX || (*end && *end != ','))
            return assay_fail(err, ASSAY_EUSAGE, "--ids: \"%s\" is not a list of ids", text);
        if (!assay_ids_add(ids, (int32_t)id))
            return assay_fail(err, ASSAY_ENOMEM, "--ids: out of memory");
        if (!*end)
            return ASSAY_OK;
        at = end + 1;
    }
}

// For --chat: known once the model is open.
struct dialogue {
    struct assay_arena *arena; // owned
    struct assay_chat chat;
    const struct assay_chat_family *family; // NULL: the model's
    enum assay_chat_thinking thinking;
};

static enum assay_status read_messages(
        struct dialogue *d, const char *path, struct assay_error *err)
{
    const bool from_stdin = strcmp(path, "-") == 0;
    struct assay_buf text;
    enum assay_status status = assay_arena_create(&d->arena, CHAT_ARENA_BYTES_MAX, err);

    assay_buf_init(&text, ASSAY_CHAT_BYTES_MAX);
    if (status == ASSAY_OK)
        status = from_stdin ? assay_fs_read_fd(&text, STDIN_FILENO, err)
                            : assay_fs_read_file(&text, path, err);
    if (status == ASSAY_OK)
        status = assay_chat_read(
                &d->chat, text.data, text.len, from_stdin ? "stdin" : path, d->arena, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status read_dialogue(
        struct dialogue *d, const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *path = assay_cli_value(invocation, "chat");
    const char *name = assay_cli_value(invocation, "template");
    const char *thinking = assay_cli_value(invocation, "thinking");
    enum assay_status status = ASSAY_OK;

    if (!path && (name || thinking))
        return assay_fail(
                err, ASSAY_EUSAGE, "--%s goes with --chat", name ? "template" : "thinking");
    if (thinking && strcmp(thinking, "on") != 0 && strcmp(thinking, "off") != 0)
        return assay_fail(err, ASSAY_EUSAGE, "--thinking: \"%s\" is neither on nor off", thinking);
    d->thinking = !thinking               ? ASSAY_CHAT_THINKING_DEFAULT
            : strcmp(thinking, "on") == 0 ? ASSAY_CHAT_THINKING_ON
                                          : ASSAY_CHAT_THINKING_OFF;
    if (name) {
        status = assay_chat_family_find(&d->family, name, NULL);
        if (status != ASSAY_OK)
            return assay_fail(err, ASSAY_EUSAGE,
                    "--template: \"%s\" is none of the templates qwen3, minimind, minimax_m1, "
                    "minimax_text_01",
                    name);
    }
    if (status == ASSAY_OK && path)
        status = read_messages(d, path, err);
    return status;
}

// The model's ids for the conversation.
static enum assay_status encode_dialogue(struct run *r, struct dialogue *d, struct assay_error *err)
{
    struct assay_chat_text text;
    enum assay_status status = ASSAY_OK;

    assay_chat_text_init(&text);
    if (!d->family) {
        status = assay_chat_family_of(&d->family, &r->model->config, err);
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "--template");
    }
    if (status == ASSAY_OK)
        status = assay_chat_write(&text, &d->chat, d->family, d->thinking, err);
    if (status == ASSAY_OK)
        status = assay_chat_encode(&r->prompt, &text, d->family, r->tokenizer, err);
    assay_chat_text_free(&text);
    return status;
}

static enum assay_status read_prompt(
        struct run *r, const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *prompt = assay_cli_value(invocation, "prompt");
    const char *ids = assay_cli_value(invocation, "ids");
    const char *chat = assay_cli_value(invocation, "chat");
    enum assay_status status;

    if (!prompt + !ids + !chat != 2)
        return assay_fail(err, ASSAY_EUSAGE, "give one of --prompt, --ids and --chat");
    if (ids)
        return read_ids(&r->prompt, ids, err);
    status = assay_tokenizer_open(
            &r->tokenizer, invocation->arguments[0], assay_cli_value(invocation, "pattern"), err);
    if (status == ASSAY_OK && prompt)
        status = assay_tokenizer_encode(r->tokenizer, &r->prompt, prompt, strlen(prompt), err);
    if (status == ASSAY_OK && prompt && r->prompt.count == 0)
        status = assay_fail(err, ASSAY_EUSAGE, "--prompt is empty");
    return status;
}

// The description's end, and the ends that a family's tokenizer names.
static size_t find_stop_ids(int32_t out[STOP_IDS_MAX], const struct run *r)
{
    static const char *const names[] = {"<|im_end|>", "<|endoftext|>", "<end_of_sentence>"};
    size_t count = 0;

    if (r->model->config.eos_id >= 0 && r->model->config.eos_id <= INT32_MAX)
        out[count++] = (int32_t)r->model->config.eos_id;
    for (size_t i = 0; r->tokenizer && i < sizeof(names) / sizeof(names[0]); i++) {
        const int32_t id = assay_tokenizer_find(r->tokenizer, names[i]);

        if (id >= 0 && assay_tokenizer_token(r->tokenizer, id)->special)
            out[count++] = id;
    }
    return count;
}

static bool show(struct answer *a, size_t from)
{
    if (a->run->live && a->text.len > from) {
        fwrite(a->text.data + from, 1, a->text.len - from, stdout);
        fflush(stdout);
    }
    return !a->stream.stopped;
}

static bool on_token(void *user, const struct assay_generated *token)
{
    struct run *r = user;
    struct answer *a = &r->answers[token->sample];
    const struct assay_token *text =
            r->tokenizer ? assay_tokenizer_token(r->tokenizer, token->id) : NULL;
    const size_t before = a->text.len;

    if (r->token_count++ == 0)
        r->first_ms = assay_clock_ms();
    a->logp += token->logp;
    a->finish = token->finish;
    if (!assay_ids_add(&a->ids, token->id))
        a->failed = true;
    if (token->finish == ASSAY_FINISH_STOP_ID)
        return true;
    if (!r->tokenizer)
        (void)assay_buf_addf(
                &a->text, "%s%d", before ? "," : "", token->id); // a list of ids is its text
    else if (text && !text->special &&
            assay_text_stream_add(&a->stream, text->bytes, text->len, &a->text, NULL) != ASSAY_OK)
        a->failed = true;
    return show(a, before) && !a->failed;
}

static enum assay_status generate(
        struct run *r, const struct assay_generation *g, struct assay_error *err)
{
    int32_t stop_ids[STOP_IDS_MAX];
    struct assay_generation request = *g;
    const struct assay_generator_options options = {.sequences_max = g->sample_count + 1,
            .rows_max = g->sample_count + 128,
            .positions_max = r->prompt.count + g->token_count_max};
    size_t left = 1;
    enum assay_status status;

    request.prompt = r->prompt.items;
    request.prompt_count = r->prompt.count;
    request.stop_ids = stop_ids;
    request.stop_id_count = find_stop_ids(stop_ids, r);
    request.on_token = on_token;
    request.user = r;
    status = assay_generator_create(&r->generator, r->model, &options, r->stream, err);
    if (status == ASSAY_OK)
        status = assay_generator_add(r->generator, &request, err);
    while (status == ASSAY_OK && left > 0)
        status = assay_generator_step(r->generator, &left, err);
    for (size_t i = 0; i < r->sample_count && status == ASSAY_OK; i++) {
        struct answer *a = &r->answers[i];
        const size_t before = a->text.len;

        status = assay_text_stream_finish(&a->stream, &a->text, err);
        (void)show(a, before);
        if (status == ASSAY_OK && a->failed)
            status = assay_fail(err, ASSAY_ENOMEM, "an answer is too long to keep");
    }
    return status;
}

static enum assay_status prepare(struct run *r, const struct assay_invocation *invocation,
        const struct assay_generation *g, struct assay_error *err)
{
    const struct assay_stream_options options = {0};
    const struct assay_model_dialect dialect = {0};
    struct dialogue d = {0};
    enum assay_status status = ASSAY_OK;

    for (const char *stop; (stop = assay_cli_value_at(invocation, "stop", r->stop_count)) &&
            r->stop_count < ASSAY_STOP_STRINGS_MAX;)
        r->stops[r->stop_count++] = stop;
    r->answers = calloc(g->sample_count, sizeof(*r->answers));
    if (!r->answers)
        return assay_fail(err, ASSAY_ENOMEM, "answers: out of memory");
    r->sample_count = g->sample_count;
    for (size_t i = 0; i < r->sample_count && status == ASSAY_OK; i++) {
        r->answers[i].run = r;
        assay_buf_init(&r->answers[i].text, TEXT_BYTES_MAX);
        status = assay_text_stream_init(&r->answers[i].stream, r->stops, r->stop_count, err);
    }
    r->live = r->sample_count == 1 && !assay_cli_flag(invocation, "json");
    if (status == ASSAY_OK)
        status = assay_device_find(&r->ops, assay_cli_value(invocation, "device"), err);
    if (status == ASSAY_OK)
        status = read_dialogue(&d, invocation, err);
    if (status == ASSAY_OK)
        status = read_prompt(r, invocation, err);
    if (status == ASSAY_OK)
        status = r->ops->device.stream_create(&r->stream, &options, err);
    if (status == ASSAY_OK)
        status = assay_model_open(&r->model, invocation->arguments[0],
                assay_cli_value(invocation, "config"), &dialect, r->ops, r->stream, err);
    if (status == ASSAY_OK && d.chat.message_count > 0)
        status = encode_dialogue(r, &d, err);
    assay_arena_destroy(d.arena);
    return status;
}

static const char *finish_name(const struct answer *a)
{
    return a->stream.stopped ? "stop_string" : assay_finish_name(a->finish);
}

static void put_ids(struct assay_json_writer *w, const char *key, const struct assay_ids *ids)
{
    assay_json_begin_array(w, key);
    for (size_t i = 0; i < ids->count; i++)
        assay_json_put_u64(w, NULL, (uint64_t)ids->items[i]);
    assay_json_end_array(w);
}

static enum assay_status print_json(const struct run *r, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, TEXT_BYTES_MAX * 2);
    assay_json_writer_init(&w, &text, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_u64(&w, "prompt_tokens", r->prompt.count);
    put_ids(&w, "prompt_ids", &r->prompt);
    assay_json_begin_array(&w, "answers");
    for (size_t i = 0; i < r->sample_count; i++) {
        const struct answer *a = &r->answers[i];

        assay_json_begin_object(&w, NULL);
        if (r->tokenizer)
            assay_json_put_bytes(&w, "text", a->text.data, a->text.len);
        put_ids(&w, "ids", &a->ids);
        assay_json_put_double(&w, "logp", a->logp);
        assay_json_put_text(&w, "finish", finish_name(a));
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    return assay_cli_print(&text, err);
}

static void print_answers(const struct run *r)
{
    for (size_t i = 0; i < r->sample_count && !r->live; i++) {
        const struct answer *a = &r->answers[i];

        printf("--- %zu: %zu tokens, logp %.3f, %s\n", i, a->ids.count, a->logp, finish_name(a));
        fwrite(a->text.data, 1, a->text.len, stdout);
        printf("\n");
    }
    if (r->live)
        printf("\n");
}

static void release(struct run *r)
{
    for (size_t i = 0; r->answers && i < r->sample_count; i++) {
        assay_text_stream_free(&r->answers[i].stream);
        assay_buf_free(&r->answers[i].text);
        free(r->answers[i].ids.items);
    }
    free(r->answers);
    assay_generator_destroy(r->generator);
    assay_model_destroy(r->model);
    if (r->stream)
        r->ops->device.stream_destroy(r->stream);
    assay_tokenizer_destroy(r->tokenizer);
    free(r->prompt.items);
}

enum assay_exit assay_cmd_model_generate(struct assay_invocation *invocation)
{
    struct assay_error err = {0};
    struct run r = {0};
    struct assay_generation g;
    uint64_t begin_ms = 0, ms;
    enum assay_status status = read_request(&g, invocation, &err);

    if (status == ASSAY_OK)
        status = prepare(&r, invocation, &g, &err);
    begin_ms = assay_clock_ms();
    if (status == ASSAY_OK)
        status = generate(&r, &g, &err);
    if (status == ASSAY_OK && assay_cli_flag(invocation, "json"))
        status = print_json(&r, &err);
    else if (status == ASSAY_OK)
        print_answers(&r);
    if (status == ASSAY_OK) {
        ms = assay_clock_ms() - r.first_ms;
        fprintf(stderr, "prompt %zu tokens in %" PRIu64 " ms; %" PRIu64 " tokens, %.1f tokens/s\n",
                r.prompt.count, r.first_ms - begin_ms, r.token_count,
                (double)r.token_count * 1000.0 / (double)(ms ? ms : 1));
    }
    release(&r);
    return status == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}
