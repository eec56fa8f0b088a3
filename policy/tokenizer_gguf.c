// SPDX-License-Identifier: MIT
// tokenizer_gguf.c - a tokenizer from the keys tokenizer.ggml.* of a GGUF file.
#include <stdlib.h>
#include <string.h>

#include "policy/gguf.h"
#include "policy/tokenizer_parts.h"

#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define MINIMIND_TOKENS 6400

// Of tokenizer.ggml.token_type; the numbers are the format's own.
enum token_type {
    TOKEN_NORMAL = 1,
    TOKEN_CONTROL = 3,
    TOKEN_USER_DEFINED = 4,
};

struct keys {
    const struct assay_gguf_value *tokens, *types, *merges;
};

static enum assay_status find_keys(
        struct keys *keys, const struct assay_gguf_values *values, struct assay_error *err)
{
    keys->tokens = assay_gguf_find(values, "tokenizer.ggml.tokens");
    keys->types = assay_gguf_find(values, "tokenizer.ggml.token_type");
    keys->merges = assay_gguf_find(values, "tokenizer.ggml.merges");
    if (!keys->tokens)
        return assay_fail(err, ASSAY_ENOTFOUND, "tokenizer.ggml.tokens: not in the file");
    if (keys->tokens->type != ASSAY_GGUF_ARRAY || !keys->tokens->texts ||
            keys->tokens->count == 0 || keys->tokens->count > ASSAY_VOCABULARY_IDS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "tokenizer.ggml.tokens: no list of 1 to %u texts",
                ASSAY_VOCABULARY_IDS_MAX);
    if (!keys->merges || keys->merges->type != ASSAY_GGUF_ARRAY || !keys->merges->texts ||
            keys->merges->count > UINT32_MAX)
        return assay_fail(err, ASSAY_EINVAL, "tokenizer.ggml.merges: no list of texts");
    if (keys->types &&
            (keys->types->type != ASSAY_GGUF_ARRAY || keys->types->count != keys->tokens->count))
        return assay_fail(err, ASSAY_EINVAL, "tokenizer.ggml.token_type: not one a token");
    return ASSAY_OK;
}

// The text of a key as a short NUL-terminated one; empty when there is none.
static void name_of(char out[64], const struct assay_gguf_values *values, const char *key)
{
    const struct assay_gguf_value *value = assay_gguf_find(values, key);

    out[0] = '\0';
    if (value && value->type == ASSAY_GGUF_STRING && value->texts && value->texts[0].len < 64) {
        memcpy(out, value->texts[0].data, (size_t)value->texts[0].len);
        out[value->texts[0].len] = '\0';
    }
}

// How the file's makers name the splitting pattern, which is how llama.cpp names it.
static enum assay_status add_pattern(struct assay_tokenizer *t,
        const struct assay_gguf_values *values, const char *pattern, struct assay_error *err)
{
    static const struct {
        const char *pre, *pattern;
    } rows[] = {{"gpt-2", "gpt2"}, {"gpt2", "gpt2"}, {"default", "gpt2"}, {"", "gpt2"},
            {"qwen2", "qwen2"}, {"gpt-4o", "o200k"}, {"o200k", "o200k"}, {"minimax-m2", "o200k"}};
    char pre[64];

    name_of(pre, values, "tokenizer.ggml.pre");
    for (size_t i = 0; !pattern && i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(pre, rows[i].pre) == 0)
            pattern = rows[i].pattern;
    if (!pattern)
        return assay_fail(err, ASSAY_EINVAL, "tokenizer.ggml.pre: \"%s\" is not built", pre);
    // Qwen2's texts are normalised, and its converters say so by this name alone.
    t->nfc = strcmp(pattern, "qwen2") == 0;
    return assay_tokenizer_add_step(t, assay_pattern_find(pattern), err);
}

static enum assay_status add_tokens(
        struct assay_tokenizer *t, const struct keys *keys, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&text, (size_t)ASSAY_TOKEN_BYTES_MAX * 4);
    for (uint64_t i = 0; i < keys->tokens->count && status == ASSAY_OK; i++) {
        const struct assay_gguf_text *raw = &keys->tokens->texts[i];
        double type = TOKEN_NORMAL;

        if (keys->types)
            (void)assay_gguf_number(&type, keys->types, i);
        assay_buf_clear(&text);
        if (raw->len > ASSAY_TOKEN_BYTES_MAX)
            status = assay_fail(err, ASSAY_EINVAL, "id %u: too long", (unsigned)i);
        else if (type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED) {
            const struct assay_added_token token = {.id = (uint32_t)i};

            if (!assay_buf_add(&text, raw->data, (size_t)raw->len) || raw->len == 0 ||
                    memchr(text.data, '\0', text.len))
                status = assay_fail(err, ASSAY_EINVAL, "id %u: no text", (unsigned)i);
            else
                status = assay_tokenizer_add_token(
                        t, text.data, &token, type == TOKEN_CONTROL, false, err);
        } else if (assay_byte_unspell(&text, raw->data, (size_t)raw->len))
            status = assay_vocabulary_add(
                    &t->vocabulary, (uint32_t)i, text.data, text.len, true, err);
        else // padding, and what no word becomes
            status = assay_vocabulary_add(
                    &t->vocabulary, (uint32_t)i, raw->data, (size_t)raw->len, false, err);
    }
    assay_buf_free(&text);
    if (status != ASSAY_OK)
        return assay_wrap(err, "tokenizer.ggml.tokens");
    status = assay_vocabulary_finish(&t->vocabulary, err);
    return status == ASSAY_OK ? status : assay_wrap(err, "tokenizer.ggml.tokens");
}

static enum assay_status add_merges(
        struct assay_tokenizer *t, const struct keys *keys, struct assay_error *err)
{
    struct assay_buf bytes;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&bytes, (size_t)ASSAY_TOKEN_BYTES_MAX * 4);
    for (uint64_t i = 0; i < keys->merges->count && status == ASSAY_OK; i++) {
        const struct assay_gguf_text *text = &keys->merges->texts[i];
        const char *space = text->len ? memchr(text->data, ' ', (size_t)text->len) : NULL;
        const size_t left = space ? (size_t)(space - text->data) : 0;
        size_t middle = 0;
        bool good = space != NULL;

        assay_buf_clear(&bytes);
        good = good && assay_byte_unspell(&bytes, text->data, left);
        middle = bytes.len;
        good = good && assay_byte_unspell(&bytes, space + 1, (size_t)text->len - left - 1);
        status = good ? assay_vocabulary_merge(&t->vocabulary, bytes.data, middle,
                                bytes.data + middle, bytes.len - middle, (uint32_t)i, err)
                      : assay_fail(err, ASSAY_EINVAL, "[%u]: no pair of tokens", (unsigned)i);
    }
    assay_buf_free(&bytes);
    return status == ASSAY_OK ? status : assay_wrap(err, "tokenizer.ggml.merges");
}

enum assay_status assay_tokenizer_from_gguf(struct assay_tokenizer **out,
        const struct assay_weight_file *file, const char *pattern, struct assay_error *err)
{
    const struct assay_gguf_values *values = assay_weight_file_gguf(file);
    struct assay_tokenizer *t = NULL;
    struct keys keys;
    char model[64];
    enum assay_status status = ASSAY_OK;

    if (pattern && !assay_pattern_find(pattern))
        return assay_fail(
                err, ASSAY_EINVAL, "\"%.64s\" is none of the patterns gpt2, qwen2, o200k", pattern);
    if (!values)
        return assay_fail(err, ASSAY_ENOTFOUND, "not a GGUF file");
    status = find_keys(&keys, values, err);
    if (status != ASSAY_OK)
        return status;
    name_of(model, values, "tokenizer.ggml.model");
    if (strcmp(model, "gpt2") != 0)
        return assay_fail(err, ASSAY_EINVAL,
                "tokenizer.ggml.model: \"%s\" is not built, only gpt2 (byte-level BPE)", model);
    status = assay_tokenizer_create(
            &t, (uint32_t)keys.tokens->count, (size_t)keys.tokens->count, ARENA_BYTES_MAX, err);
    // minimind's makers write "qwen2", but its tokens were made with GPT-2's pattern.
    if (status == ASSAY_OK && !pattern && keys.tokens->count == MINIMIND_TOKENS)
        pattern = "gpt2";
    if (status == ASSAY_OK)
        status = add_pattern(t, values, pattern, err);
    if (status == ASSAY_OK)
        status = add_tokens(t, &keys, err);
    if (status == ASSAY_OK)
        status = add_merges(t, &keys, err);
    if (status == ASSAY_OK) {
        *out = t;
        t = NULL;
    }
    assay_tokenizer_destroy(t);
    return status;
}
