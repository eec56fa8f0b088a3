// SPDX-License-Identifier: MIT
// tokenizer_json.c - a tokenizer from the text of a tokenizer.json.
//
// The post-processor is not read (encoding adds no tokens), nor are truncation and padding: those
// belong to the caller of HF's library. The decoder of byte-level BPE is known.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "policy/tokenizer_parts.h"

#define DEPTH_MAX 32
#define ARENA_BYTES_MAX ((size_t)1 << 30)
// Ids may leave holes, but not so that a short file asks for much memory.
#define HOLES_MAX 4096

static bool is_null(const struct assay_json *json)
{
    return !json || assay_json_type(json) == ASSAY_JSON_NULL;
}

static bool is_text(const struct assay_json *json, const char *text)
{
    const char *value = json ? assay_json_text(json) : NULL;

    return value && strcmp(value, text) == 0;
}

static bool get_flag(const struct assay_json *object, const char *key, bool missing)
{
    const struct assay_json *value = assay_json_get(object, key);

    return is_null(value) ? missing : assay_json_bool(value);
}

// What stands in a "type", for messages.
static const char *type_of(const struct assay_json *json)
{
    const struct assay_json *type =
            assay_json_type(json) == ASSAY_JSON_OBJECT ? assay_json_get(json, "type") : NULL;
    const char *text = type ? assay_json_text(type) : NULL;

    return text ? text : "(no type)";
}

static bool read_id(uint32_t *out, const struct assay_json *json)
{
    const double number = json ? assay_json_number(json) : -1;

    if (!(number >= 0 && number < ASSAY_VOCABULARY_IDS_MAX) || number != (uint32_t)number)
        return false;
    *out = (uint32_t)number;
    return true;
}

// --- sizes ---------------------------------------------------------------------------------------

static enum assay_status count_ids(uint32_t *out, const struct assay_json *vocab,
        const struct assay_json *added, struct assay_error *err)
{
    const size_t entries = assay_json_count(vocab) + (added ? assay_json_count(added) : 0);
    uint32_t highest = 0, id = 0;

    for (const struct assay_json *m = assay_json_first(vocab); m; m = assay_json_next(m)) {
        if (!read_id(&id, m))
            return assay_fail(err, ASSAY_EINVAL, "model.vocab: \"%.64s\" has no id below %u",
                    assay_json_key(m), ASSAY_VOCABULARY_IDS_MAX);
        highest = id > highest ? id : highest;
    }
    for (const struct assay_json *m = added ? assay_json_first(added) : NULL; m;
            m = assay_json_next(m)) {
        if (assay_json_type(m) != ASSAY_JSON_OBJECT || !read_id(&id, assay_json_get(m, "id")))
            return assay_fail(err, ASSAY_EINVAL, "added_tokens: one has no id below %u",
                    ASSAY_VOCABULARY_IDS_MAX);
        highest = id > highest ? id : highest;
    }
    if (highest >= 2 * entries + HOLES_MAX)
        return assay_fail(
                err, ASSAY_EINVAL, "model.vocab: id %u among %zu tokens", highest, entries);
    *out = highest + 1;
    return ASSAY_OK;
}

// --- the model -----------------------------------------------------------------------------------

static enum assay_status check_model(const struct assay_json *model, struct assay_error *err)
{
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const struct assay_json *type = assay_json_get(model, "type");

    if (!is_null(type) && !is_text(type, "BPE"))
        return assay_fail(
                err, ASSAY_EINVAL, "model.type: %.64s is not built, only BPE", type_of(model));
    if (!is_null(assay_json_get(model, "dropout")))
        return assay_fail(err, ASSAY_EINVAL, "model.dropout: not built");
    if (get_flag(model, "byte_fallback", false))
        return assay_fail(err, ASSAY_EINVAL, "model.byte_fallback: not built");
    for (size_t i = 0; i < 2; i++) {
        const struct assay_json *affix = assay_json_get(model, affixes[i]);

        if (!is_null(affix) && !is_text(affix, ""))
            return assay_fail(err, ASSAY_EINVAL, "model.%s: not built", affixes[i]);
    }
    return ASSAY_OK;
}

static enum assay_status read_vocab(struct assay_tokenizer *t, const struct assay_json *vocab,
        struct assay_buf *scratch, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (const struct assay_json *m = assay_json_first(vocab); m && status == ASSAY_OK;
            m = assay_json_next(m)) {
        const char *key = assay_json_key(m);
        uint32_t id = 0;
        bool spelled;

        (void)read_id(&id, m); // count_ids() has looked
        assay_buf_clear(scratch);
        // A text outside of the alphabet is an added token, or one that no word becomes.
        spelled = assay_byte_unspell(scratch, key, strlen(key));
        status = assay_vocabulary_add(&t->vocabulary, id, spelled ? scratch->data : key,
                spelled ? scratch->len : strlen(key), spelled, err);
    }
    if (status != ASSAY_OK)
        return assay_wrap(err, "model.vocab");
    status = assay_vocabulary_finish(&t->vocabulary, err);
    return status == ASSAY_OK ? status : assay_wrap(err, "model.vocab");
}

// "a b", or ["a", "b"]: both parts in the alphabet of bytes, in which there is no space.
static bool merge_parts(
        const char **left, size_t *left_len, const char **right, const struct assay_json *merge)
{
    const char *text = assay_json_text(merge);
    const char *space = text ? strchr(text, ' ') : NULL;

    if (text) {
        *left = text;
        *left_len = space ? (size_t)(space - text) : 0;
        *right = space ? space + 1 : NULL;
        return space != NULL;
    }
    if (assay_json_type(merge) != ASSAY_JSON_ARRAY || assay_json_count(merge) != 2)
        return false;
    *left = assay_json_text(assay_json_first(merge));
    *right = assay_json_text(assay_json_next(assay_json_first(merge)));
    *left_len = *left ? strlen(*left) : 0;
    return *left && *right;
}

static enum assay_status read_merges(struct assay_tokenizer *t, const struct assay_json *merges,
        struct assay_buf *scratch, struct assay_error *err)
{
    uint32_t rank = 0;

    for (const struct assay_json *m = assay_json_first(merges); m; m = assay_json_next(m)) {
        const char *left = NULL, *right = NULL;
        size_t left_len = 0, middle = 0;

        assay_buf_clear(scratch);
        if (!merge_parts(&left, &left_len, &right, m) ||
                !assay_byte_unspell(scratch, left, left_len))
            return assay_fail(err, ASSAY_EINVAL, "model.merges[%u]: no pair of tokens", rank);
        middle = scratch->len;
        if (!assay_byte_unspell(scratch, right, strlen(right)))
            return assay_fail(err, ASSAY_EINVAL, "model.merges[%u]: no pair of tokens", rank);
        if (assay_vocabulary_merge(&t->vocabulary, scratch->data, middle, scratch->data + middle,
                    scratch->len - middle, rank, err) != ASSAY_OK)
            return assay_wrap(err, "model.merges");
        rank++;
    }
    return ASSAY_OK;
}

static enum assay_status read_model(
        struct assay_tokenizer *t, const struct assay_json *model, struct assay_error *err)
{
    const struct assay_json *vocab = NULL, *merges = NULL;
    struct assay_buf scratch;
    enum assay_status status = assay_json_read_object(&vocab, model, "vocab", err);

    assay_buf_init(&scratch, (size_t)ASSAY_TOKEN_BYTES_MAX * 4);
    if (status == ASSAY_OK)
        status = assay_json_read_array(&merges, model, "merges", err);
    if (status == ASSAY_OK)
        status = read_vocab(t, vocab, &scratch, err);
    if (status == ASSAY_OK)
        status = read_merges(t, merges, &scratch, err);
    t->vocabulary.ignore_merges = get_flag(model, "ignore_merges", false);
    assay_buf_free(&scratch);
    return status;
}

// --- added tokens --------------------------------------------------------------------------------

static enum assay_status read_added(
        struct assay_tokenizer *t, const struct assay_json *added, struct assay_error *err)
{
    for (const struct assay_json *m = added ? assay_json_first(added) : NULL; m;
            m = assay_json_next(m)) {
        struct assay_added_token token = {.single_word = get_flag(m, "single_word", false),
                .lstrip = get_flag(m, "lstrip", false),
                .rstrip = get_flag(m, "rstrip", false)};
        const bool special = get_flag(m, "special", false);
        const char *content = NULL;

        (void)read_id(&token.id, assay_json_get(m, "id")); // count_ids() has looked
        if (assay_json_read_text(&content, m, "content", err) != ASSAY_OK)
            return assay_wrap(err, "added_tokens");
        if (assay_tokenizer_add_token(t, content, &token, special,
                    get_flag(m, "normalized", !special), err) != ASSAY_OK)
            return assay_wrap(err, "added_tokens");
    }
    return ASSAY_OK;
}

// --- splitting -----------------------------------------------------------------------------------

static enum assay_status read_split(
        struct assay_tokenizer *t, const struct assay_json *step, struct assay_error *err)
{
    static const char *const names[] = {
            "Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const struct assay_json *pattern = assay_json_get(step, "pattern");
    const struct assay_json *regex = pattern && assay_json_type(pattern) == ASSAY_JSON_OBJECT
            ? assay_json_get(pattern, "Regex")
            : NULL;
    const struct assay_json *behavior = assay_json_get(step, "behavior");
    struct assay_split_step *made;
    size_t k = 0;

    if (!regex || !assay_json_text(regex))
        return assay_fail(err, ASSAY_EINVAL, "pre_tokenizer: a Split without a Regex is not built");
    while (k < 5 && !is_text(behavior, names[k]))
        k++;
    if (k == 5)
        return assay_fail(err, ASSAY_EINVAL, "pre_tokenizer: a Split with an unknown behavior");
    if (assay_tokenizer_add_step(t, assay_json_text(regex), err) != ASSAY_OK)
        return assay_wrap(err, "pre_tokenizer");
    made = &t->steps[t->step_count - 1];
    made->behavior = (enum assay_split_behavior)k;
    made->invert = get_flag(step, "invert", false);
    return ASSAY_OK;
}

static enum assay_status read_byte_level(
        struct assay_tokenizer *t, const struct assay_json *step, struct assay_error *err)
{
    if (assay_tokenizer_add_step(
                t, get_flag(step, "use_regex", true) ? assay_pattern_gpt2 : NULL, err) != ASSAY_OK)
        return assay_wrap(err, "pre_tokenizer");
    t->steps[t->step_count - 1].prefix_space = get_flag(step, "add_prefix_space", true);
    return ASSAY_OK;
}

static enum assay_status read_step(struct assay_tokenizer *t, const struct assay_json *step,
        bool last, struct assay_error *err)
{
    const char *type = type_of(step);

    // Behind ByteLevel the text is spelled in another alphabet; without it, in none.
    if (last != (strcmp(type, "ByteLevel") == 0))
        return assay_fail(err, ASSAY_EINVAL,
                "pre_tokenizer: %.64s: only Splits and one ByteLevel behind them are built", type);
    if (last)
        return read_byte_level(t, step, err);
    if (strcmp(type, "Split") == 0)
        return read_split(t, step, err);
    return assay_fail(err, ASSAY_EINVAL, "pre_tokenizer: %.64s is not built", type);
}

static enum assay_status read_steps(
        struct assay_tokenizer *t, const struct assay_json *pre, struct assay_error *err)
{
    const struct assay_json *list = NULL;
    enum assay_status status = ASSAY_OK;

    if (is_null(pre))
        return assay_fail(err, ASSAY_EINVAL, "pre_tokenizer: none; only byte-level BPE is built");
    if (strcmp(type_of(pre), "Sequence") != 0)
        return read_step(t, pre, true, err);
    if (assay_json_read_array(&list, pre, "pretokenizers", err) != ASSAY_OK)
        return assay_wrap(err, "pre_tokenizer");
    if (assay_json_count(list) == 0)
        return assay_fail(err, ASSAY_EINVAL, "pre_tokenizer: an empty Sequence");
    for (const struct assay_json *m = assay_json_first(list); m && status == ASSAY_OK;
            m = assay_json_next(m))
        status = read_step(t, m, assay_json_next(m) == NULL, err);
    return status;
}

static enum assay_status read_normalizer(
        struct assay_tokenizer *t, const struct assay_json *normalizer, struct assay_error *err)
{
    if (is_null(normalizer))
        return ASSAY_OK;
    if (strcmp(type_of(normalizer), "NFC") != 0)
        return assay_fail(
                err, ASSAY_EINVAL, "normalizer: %.64s is not built, only NFC", type_of(normalizer));
    t->nfc = true;
    return ASSAY_OK;
}

static enum assay_status read_root(struct assay_tokenizer **out, const struct assay_json *root,
        const char *pattern, struct assay_error *err)
{
    const struct assay_json *model = NULL, *vocab = NULL;
    const struct assay_json *added = NULL;
    uint32_t id_count = 0;
    enum assay_status status = ASSAY_OK;

    if (assay_json_type(root) != ASSAY_JSON_OBJECT)
        return assay_fail(err, ASSAY_EINVAL, "no object");
    added = assay_json_get(root, "added_tokens");
    if (is_null(added))
        added = NULL;
    if (added &&
            (assay_json_type(added) != ASSAY_JSON_ARRAY ||
                    assay_json_count(added) > ASSAY_ADDED_TOKENS_MAX))
        return assay_fail(
                err, ASSAY_EINVAL, "added_tokens: no array of at most %d", ASSAY_ADDED_TOKENS_MAX);
    status = assay_json_read_object(&model, root, "model", err);
    if (status == ASSAY_OK)
        status = check_model(model, err);
    if (status == ASSAY_OK)
        status = assay_json_read_object(&vocab, model, "vocab", err);
    if (status == ASSAY_OK)
        status = count_ids(&id_count, vocab, added, err);
    if (status == ASSAY_OK)
        status = assay_tokenizer_create(
                out, id_count, added ? assay_json_count(added) : 0, ARENA_BYTES_MAX, err);
    if (status == ASSAY_OK)
        status = read_normalizer(*out, assay_json_get(root, "normalizer"), err);
    if (status == ASSAY_OK)
        status = read_model(*out, model, err);
    if (status == ASSAY_OK)
        status = read_added(*out, added, err);
    if (status == ASSAY_OK && pattern)
        status = assay_tokenizer_add_step(*out, assay_pattern_find(pattern), err);
    else if (status == ASSAY_OK)
        status = read_steps(*out, assay_json_get(root, "pre_tokenizer"), err);
    return status;
}

enum assay_status assay_tokenizer_from_json(struct assay_tokenizer **out, const char *text,
        size_t len, const char *pattern, const char *source, struct assay_error *err)
{
    const struct assay_json_limits limits = {ASSAY_TOKENIZER_FILE_BYTES_MAX, DEPTH_MAX};
    struct assay_json *root = NULL;
    struct assay_tokenizer *t = NULL;
    enum assay_status status = ASSAY_OK;

    if (pattern && !assay_pattern_find(pattern))
        return assay_fail(
                err, ASSAY_EINVAL, "\"%.64s\" is none of the patterns gpt2, qwen2, o200k", pattern);
    status = assay_json_parse(&root, text, len, limits, source, 1, err);
    if (status != ASSAY_OK)
        return status;
    status = read_root(&t, root, pattern, err);
    if (status == ASSAY_OK) {
        *out = t;
        t = NULL;
    } else {
        (void)assay_wrap(err, "%s", source);
    }
    assay_tokenizer_destroy(t);
    assay_json_free(root);
    return status;
}
