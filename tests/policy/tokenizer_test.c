// SPDX-License-Identifier: MIT
// What must hold: 10,000 strings become the ids that HF tokenizers gave them, under each family's
// pattern; training gives HF's merges; any bytes, UTF-8 or not, come back as they were; a file that
// asks for what is not built is refused by name. The fixtures: tests/parity/tokenizer_ids.py make.
#include "policy/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/rng.h"
#include "policy/bpe_train.h"
#include "support/harness.h"
#include "support/temp.h"

#define FIXTURES "tests/policy/fixtures/tokenizers/"
#define GGUF "tests/policy/fixtures/gguf/"
#define CHAT "tests/policy/fixtures/chat/"
#define STRINGS 10000

static struct assay_tokenizer *open_tokenizer(const char *path)
{
    struct assay_tokenizer *tokenizer = NULL;
    struct assay_error err = {0};

    if (assay_tokenizer_open(&tokenizer, path, NULL, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return tokenizer;
}

static void read_file(struct assay_buf *buf, const char *path)
{
    assay_buf_init(buf, (size_t)1 << 24);
    assert_int_equal(assay_fs_read_file(buf, path, NULL), ASSAY_OK);
}

static size_t take_u16(const struct assay_buf *buf, size_t *at)
{
    const unsigned char *p = (const unsigned char *)buf->data + *at;

    *at += 2;
    assert_true(*at <= buf->len);
    return (size_t)p[0] | (size_t)p[1] << 8;
}

static void check_family(const char *name)
{
    struct assay_buf texts, wanted;
    struct assay_ids ids = {0};
    struct assay_tokenizer *tokenizer;
    char path[128];
    size_t at = 0, wanted_at = 0;

    snprintf(path, sizeof(path), FIXTURES "%s.json", name);
    tokenizer = open_tokenizer(path);
    snprintf(path, sizeof(path), FIXTURES "%s.ids", name);
    read_file(&wanted, path);
    read_file(&texts, FIXTURES "strings.bin");
    for (size_t i = 0; i < STRINGS; i++) {
        const size_t len = take_u16(&texts, &at);
        const size_t count = take_u16(&wanted, &wanted_at);
        const char *text = texts.data + at;

        at += len;
        ids.count = 0;
        assert_int_equal(assay_tokenizer_encode(tokenizer, &ids, text, len, NULL), ASSAY_OK);
        if (ids.count != count)
            fail_msg("%s, string %zu: %zu ids, not %zu", name, i, ids.count, count);
        for (size_t k = 0; k < count; k++)
            if ((size_t)ids.items[k] != take_u16(&wanted, &wanted_at))
                fail_msg("%s, string %zu: id %zu differs", name, i, k);
    }
    assert_int_equal(at, texts.len);
    assert_int_equal(wanted_at, wanted.len);
    free(ids.items);
    assay_buf_free(&texts);
    assay_buf_free(&wanted);
    assay_tokenizer_destroy(tokenizer);
}

static void ids_are_those_of_hf_tokenizers(void **state)
{
    (void)state;
    check_family("gpt2");
    check_family("qwen2");
    check_family("o200k");
}

// The same vocabulary from a GGUF file (tests/golden/make_gguf.py) and from its tokenizer.json.
static void gguf_vocabularies_give_the_same_ids(void **state)
{
    static const char *const rows[][2] = {{GGUF "chatml.gguf", CHAT "chatml.json"},
            {GGUF "qwen2.gguf", GGUF "qwen2.json"}, {GGUF "minimax.gguf", CHAT "minimax.json"}};
    struct assay_buf texts;

    (void)state;
    read_file(&texts, FIXTURES "strings.bin");
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct assay_tokenizer *from_gguf = open_tokenizer(rows[r][0]);
        struct assay_tokenizer *from_json = open_tokenizer(rows[r][1]);
        struct assay_ids ours = {0}, wanted = {0};

        assert_int_equal(assay_tokenizer_count(from_gguf), assay_tokenizer_count(from_json));
        for (size_t at = 0; at < texts.len;) {
            const size_t len = take_u16(&texts, &at);
            const char *text = texts.data + at;

            at += len;
            ours.count = wanted.count = 0;
            assert_int_equal(assay_tokenizer_encode(from_gguf, &ours, text, len, NULL), ASSAY_OK);
            assert_int_equal(assay_tokenizer_encode(from_json, &wanted, text, len, NULL), ASSAY_OK);
            if (ours.count != wanted.count ||
                    memcmp(ours.items, wanted.items, ours.count * sizeof(*ours.items)) != 0)
                fail_msg("%s: ids of the text before byte %zu differ", rows[r][0], at);
        }
        free(ours.items);
        free(wanted.items);
        assay_tokenizer_destroy(from_gguf);
        assay_tokenizer_destroy(from_json);
    }
    assay_buf_free(&texts);
}

static void gguf_vocabularies_that_are_not_built_are_refused(void **state)
{
    static const struct {
        const char *from, *to, *message; // from and to have one length
    } rows[] = {
            {"tokenizer.ggml.tokens", "tokenizer.ggml.tokenx", "tokenizer.ggml.tokens: not in"},
            {"tokenizer.ggml.merges", "tokenizer.ggml.mergex", "tokenizer.ggml.merges: no list"},
            {"gpt2", "bert", "tokenizer.ggml.model: \"bert\" is not built, only gpt2"},
            {"gpt-2", "llama", "tokenizer.ggml.pre: \"llama\" is not built"},
            {"a t", "azt", "tokenizer.ggml.merges: [18]: no pair of tokens"},
    };
    const struct assay_temp *temp = *state;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/v.gguf", temp->path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_tokenizer *tokenizer = NULL;
        struct assay_error err = {0};
        struct assay_buf file;
        char *at;

        read_file(&file, GGUF "chatml.gguf");
        at = memmem(file.data, file.len, rows[i].from, strlen(rows[i].from));
        if (!at) {
            fail_msg("there is no %s", rows[i].from);
            return;
        }
        assert_int_equal(strlen(rows[i].from), strlen(rows[i].to));
        for (size_t k = 0; rows[i].to[k] != '\0'; k++)
            at[k] = rows[i].to[k];
        assert_int_equal(assay_fs_replace_file(path, file.data, file.len, 0600, NULL), ASSAY_OK);
        assert_int_not_equal(assay_tokenizer_open(&tokenizer, path, NULL, &err), ASSAY_OK);
        if (!strstr(err.message, rows[i].message))
            fail_msg("\"%s\" does not say \"%s\"", err.message, rows[i].message);
        assert_null(tokenizer);
        assay_buf_free(&file);
    }
}

static void any_bytes_come_back(void **state)
{
    struct assay_tokenizer *tokenizer = open_tokenizer(FIXTURES "gpt2.json");
    struct assay_ids ids = {0};
    struct assay_buf back;
    struct assay_rng rng;

    (void)state;
    assay_rng_seed(&rng, 1, 0);
    assay_buf_init(&back, 65536);
    for (size_t i = 0; i < 2000; i++) {
        char bytes[64];
        const size_t len = (size_t)assay_rng_below(&rng, sizeof(bytes) + 1);

        for (size_t k = 0; k < len; k++)
            bytes[k] = (char)assay_rng_below(&rng, 256);
        ids.count = 0;
        assay_buf_clear(&back);
        assert_int_equal(assay_tokenizer_encode(tokenizer, &ids, bytes, len, NULL), ASSAY_OK);
        assert_int_equal(
                assay_tokenizer_decode(tokenizer, &back, ids.items, ids.count, false, NULL),
                ASSAY_OK);
        assert_int_equal(back.len, len);
        assert_memory_equal(back.data, bytes, len);
    }
    assay_buf_free(&back);
    free(ids.items);
    assay_tokenizer_destroy(tokenizer);
}

// A megabyte of one letter, of spaces, of marks: no step may take the square of the length.
static void long_runs_take_linear_time(void **state)
{
    static const char *const units[] = {"a", " ", "A", "\n", "\xcc\x81", "\xcc\x81\xcc\xa3", "'s"};
    struct assay_tokenizer *tokenizer[2] = {
            open_tokenizer(FIXTURES "qwen2.json"), open_tokenizer(FIXTURES "o200k.json")};
    const size_t len = (size_t)1 << 18;
    char *text = malloc(len + 8);
    struct assay_ids ids = {0};

    (void)state;
    assert_non_null(text);
    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        size_t at = 0;

        while (at < len) {
            memcpy(text + at, units[u], strlen(units[u]));
            at += strlen(units[u]);
        }
        for (size_t k = 0; k < 2; k++) {
            ids.count = 0;
            assert_int_equal(assay_tokenizer_encode(tokenizer[k], &ids, text, at, NULL), ASSAY_OK);
            assert_true(ids.count > 0);
        }
    }
    free(text);
    free(ids.items);
    assay_tokenizer_destroy(tokenizer[0]);
    assay_tokenizer_destroy(tokenizer[1]);
}

static void special_tokens_are_known_and_skipped(void **state)
{
    struct assay_tokenizer *tokenizer = open_tokenizer(FIXTURES "gpt2.json");
    const int32_t end = assay_tokenizer_find(tokenizer, "<|im_end|>");
    const int32_t think = assay_tokenizer_find(tokenizer, "<think>");
    const int32_t both[] = {end, think, 1 << 30, -1};
    struct assay_ids ids = {0};
    struct assay_buf text;

    (void)state;
    assert_true(end >= 0 && think >= 0);
    assert_true(assay_tokenizer_token(tokenizer, end)->special);
    assert_false(assay_tokenizer_token(tokenizer, think)->special);
    assay_buf_init(&text, 64);
    assert_int_equal(assay_tokenizer_decode(tokenizer, &text, both, 4, true, NULL), ASSAY_OK);
    assert_string_equal(text.data, "<think>");
    assert_int_equal(
            assay_tokenizer_encode_plain(tokenizer, &ids, "<|im_end|>", 10, NULL), ASSAY_OK);
    for (size_t i = 0; i < ids.count; i++)
        assert_int_not_equal(ids.items[i], end);
    free(ids.items);
    assay_buf_free(&text);
    assay_tokenizer_destroy(tokenizer);
}

// The merges of ours, one a line, as HF's fixture has them.
static void check_training(const char *pattern)
{
    static const char *const specials[] = {"<|endoftext|>", "<|im_end|>"};
    const struct assay_json_limits limits = {(size_t)1 << 24, 16};
    struct assay_bpe_trainer *trainer = NULL;
    struct assay_json *root = NULL;
    struct assay_buf texts, wanted, json, got;
    char path[128];

    read_file(&texts, FIXTURES "strings.bin");
    snprintf(path, sizeof(path), FIXTURES "%s.merges", pattern);
    read_file(&wanted, path);
    assay_buf_init(&json, (size_t)1 << 24);
    assay_buf_init(&got, (size_t)1 << 24);
    assert_int_equal(assay_bpe_trainer_create(&trainer, pattern, NULL), ASSAY_OK);
    for (size_t at = 0; at < texts.len;) {
        const size_t len = take_u16(&texts, &at);

        assert_int_equal(assay_bpe_trainer_add(trainer, texts.data + at, len, NULL), ASSAY_OK);
        at += len;
    }
    assert_int_equal(assay_bpe_trainer_finish(trainer, 1200, specials, 2, &json, NULL), ASSAY_OK);
    assert_int_equal(assay_json_parse(&root, json.data, json.len, limits, "t", 1, NULL), ASSAY_OK);
    for (const struct assay_json *m =
                    assay_json_first(assay_json_get(assay_json_get(root, "model"), "merges"));
            m; m = assay_json_next(m))
        (void)assay_buf_addf(&got, "%s %s\n", assay_json_text(assay_json_first(m)),
                assay_json_text(assay_json_next(assay_json_first(m))));
    assert_string_equal(got.data, wanted.data);
    assay_json_free(root);
    assay_bpe_trainer_destroy(trainer);
    assay_buf_free(&texts);
    assay_buf_free(&wanted);
    assay_buf_free(&json);
    assay_buf_free(&got);
}

static void training_gives_the_merges_of_hf(void **state)
{
    (void)state;
    check_training("gpt2");
    check_training("qwen2");
    check_training("o200k");
}

// What becomes of the fixture when `from` is written as `to`: the message of the refusal.
static void check_refused(
        const struct assay_buf *file, const char *from, const char *to, const char *message)
{
    const char *at = strstr(file->data, from);
    struct assay_tokenizer *tokenizer = NULL;
    struct assay_error err = {0};
    struct assay_buf text;

    assert_non_null(at);
    assay_buf_init(&text, (size_t)1 << 24);
    (void)assay_buf_add(&text, file->data, (size_t)(at - file->data));
    (void)assay_buf_adds(&text, to);
    (void)assay_buf_adds(&text, at + strlen(from));
    if (assay_tokenizer_from_json(&tokenizer, text.data, text.len, NULL, "t.json", &err) !=
            ASSAY_EINVAL)
        fail_msg("accepted: %s", to);
    if (!strstr(err.message, message))
        fail_msg("\"%s\" does not say \"%s\"", err.message, message);
    assert_null(tokenizer);
    assay_buf_free(&text);
}

static void what_is_not_built_is_refused_by_name(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } rows[] = {
            {"\"normalizer\":{\"type\":\"NFC\"}", "\"normalizer\":{\"type\":\"NFKC\"}",
                    "t.json: normalizer: NFKC is not built"},
            {"\"type\":\"Split\"", "\"type\":\"Digits\"", "pre_tokenizer: Digits"},
            {"\"behavior\":\"Isolated\"", "\"behavior\":\"Else\"", "pre_tokenizer: a Split with"},
            {"\"type\":\"ByteLevel\"", "\"type\":\"Metaspace\"", "pre_tokenizer: Metaspace"},
            {"\"type\":\"BPE\"", "\"type\":\"Unigram\"", "model.type: Unigram"},
            {"\"dropout\":null", "\"dropout\":0.1", "model.dropout"},
            {"\"byte_fallback\":false", "\"byte_fallback\":true", "model.byte_fallback"},
            {"(?i:", "(?i:(?:", "pattern: error"},
            {"\\\\s+(?!", "\\\\w+(?!", "pattern: \\w+"},
            {"\\\\p{N}", "\\\\p{Han}", "pattern: \\p{Han}"},
            {"\\\\s*[", "\\\\s*|[", "pattern: it can match nothing"},
            {"\"!\":3", "\"!\":9999999", "model.vocab: \"!\" has no id"},
            {"\"!\":3", "\"!\":4000000", "model.vocab: id 4000000 among"},
            {"\"!\":3", "\"!\":4", "model.vocab: id 4 stands for two tokens"},
            {"\"merges\":[[\"", "\"merges\":[[\"zqzq", "model.merges: merge 0: its left part"},
            {"\"merges\":[[\"", "\"merges\":[7,[\"", "model.merges[0]: no pair"},
            {"\"id\":1,", "\"id\":2,", "added_tokens: id 2 is another token"},
    };
    struct assay_buf file;

    (void)state;
    read_file(&file, FIXTURES "qwen2.json");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_refused(&file, rows[i].from, rows[i].to, rows[i].message);
    assay_buf_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(ids_are_those_of_hf_tokenizers),
            cmocka_unit_test(gguf_vocabularies_give_the_same_ids),
            cmocka_unit_test_setup_teardown(gguf_vocabularies_that_are_not_built_are_refused,
                    assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test(any_bytes_come_back),
            cmocka_unit_test(long_runs_take_linear_time),
            cmocka_unit_test(special_tokens_are_known_and_skipped),
            cmocka_unit_test(training_gives_the_merges_of_hf),
            cmocka_unit_test(what_is_not_built_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
