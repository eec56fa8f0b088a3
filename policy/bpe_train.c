// SPDX-License-Identifier: MIT
// bpe_train.c - count words, then merge. A queue entry keeps the words in which its pair was seen
// when it was queued; an entry whose count has changed goes back with the new one. All this as HF
// does it, with what follows from it: a pair can be queued, and merged, twice.
#include "policy/bpe_train.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/utf8.h"
#include "policy/tokenizer_parts.h"
#include "policy/unicode.h"
#include "policy/vocabulary.h"

#define WORDS_BYTES_MAX ((size_t)4 << 30)
#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define TEXT_BYTES_MAX ((size_t)256 << 20)

struct word {
    uint32_t *ids; // [count], in the words' one block; shrinks
    uint32_t count;
    uint64_t times;
};

struct entry {
    uint64_t pair; // left << 32 | right
    int64_t count;
    uint32_t *words; // owned, [word_count] in which it stood
    size_t word_count, word_capacity;
};

struct assay_bpe_trainer {
    const char *pattern; // its expression
    struct assay_splitter *splitter;
    bool nfc;
    struct assay_buf bytes;    // of all words, one behind the other
    struct assay_map64 places; // hash of a word, moved on by collisions -> its index
    struct word_place {
        size_t first;
        uint32_t len;
        uint64_t times;
    } * found;
    size_t found_count, found_capacity;

    struct word *words;
    uint32_t *ids;             // of all words
    struct assay_map64 counts; // pair -> times, as int64
    struct entry *queue;       // a heap
    size_t queue_count, queue_capacity;
    struct entry *fresh; // pairs that the merge under way made
    size_t fresh_count, fresh_capacity;
    struct assay_map64 fresh_at; // pair -> index into fresh, of this merge

    struct assay_arena *arena;
    struct assay_vocabulary vocabulary;
    uint32_t token_count;
    uint64_t *merges; // pairs, in order; [merge_count]
    size_t merge_count, merge_capacity;
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "tokenizer training: out of memory");
}

// Room for one more element in the list that `list` points to (a pointer of any type: hence
// memcpy).
static bool grow(void *list, size_t count, size_t *capacity, size_t size)
{
    void *items, *larger;

    if (count < *capacity)
        return true;
    memcpy(&items, list, sizeof(items));
    larger = realloc(items, (*capacity ? *capacity * 2 : 16) * size);
    if (!larger)
        return false;
    memcpy(list, &larger, sizeof(larger));
    *capacity = *capacity ? *capacity * 2 : 16;
    // cppcheck-suppress memleak // the list has it
    return true;
}

// --- counting words ------------------------------------------------------------------------------

enum assay_status assay_bpe_trainer_create(
        struct assay_bpe_trainer **out, const char *pattern, struct assay_error *err)
{
    struct assay_bpe_trainer *t;
    enum assay_status status;

    if (!assay_pattern_find(pattern))
        return assay_fail(
                err, ASSAY_EINVAL, "\"%.64s\" is none of the patterns gpt2, qwen2, o200k", pattern);
    t = calloc(1, sizeof(*t));
    if (!t)
        return no_memory(err);
    t->pattern = assay_pattern_find(pattern);
    t->nfc = t->pattern == assay_pattern_qwen2;
    assay_buf_init(&t->bytes, WORDS_BYTES_MAX);
    status = assay_splitter_create(&t->splitter, t->pattern, err);
    if (status == ASSAY_OK)
        status = assay_arena_create(&t->arena, ARENA_BYTES_MAX, err);
    if (status != ASSAY_OK) {
        assay_bpe_trainer_destroy(t);
        return status;
    }
    *out = t;
    return ASSAY_OK;
}

void assay_bpe_trainer_destroy(struct assay_bpe_trainer *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->queue_count; i++)
        free(t->queue[i].words);
    for (size_t i = 0; i < t->fresh_count; i++)
        free(t->fresh[i].words);
    free(t->queue);
    free(t->fresh);
    free(t->merges);
    free(t->words);
    free(t->ids);
    free(t->found);
    assay_map64_free(&t->places);
    assay_map64_free(&t->counts);
    assay_map64_free(&t->fresh_at);
    assay_vocabulary_release(&t->vocabulary);
    assay_arena_destroy(t->arena);
    assay_splitter_destroy(t->splitter);
    assay_buf_free(&t->bytes);
    free(t);
}

// The word that ends t->bytes, from `first` on: counted, and cut off again when it is known.
static bool count_word(struct assay_bpe_trainer *t, size_t first)
{
    const size_t len = t->bytes.len - first;
    uint64_t key = assay_hash64(t->bytes.data + first, len) >> 1;

    for (;; key++) {
        const uint64_t *at = assay_map64_find(&t->places, key);

        if (!at)
            break;
        if (t->found[*at].len == len &&
                memcmp(t->bytes.data + t->found[*at].first, t->bytes.data + first, len) == 0) {
            t->found[*at].times++;
            assay_buf_truncate(&t->bytes, first);
            return true;
        }
    }
    if (!grow(&t->found, t->found_count, &t->found_capacity, sizeof(*t->found)) ||
            !assay_map64_put(&t->places, key, t->found_count))
        return false;
    t->found[t->found_count++] = (struct word_place){first, (uint32_t)len, 1};
    return true;
}

struct text {
    struct assay_bpe_trainer *t;
    const uint32_t *codes;
};

static enum assay_status on_word(
        void *user, size_t first, size_t end, bool is_match, struct assay_error *err)
{
    struct text *text = user;
    const size_t before = text->t->bytes.len;

    (void)is_match; // what lies between matches is a word, too
    if (!assay_codes_to_bytes(&text->t->bytes, text->codes + first, end - first))
        return assay_buf_check(&text->t->bytes, "all words", err);
    return count_word(text->t, before) ? ASSAY_OK : no_memory(err);
}

enum assay_status assay_bpe_trainer_add(
        struct assay_bpe_trainer *t, const char *bytes, size_t len, struct assay_error *err)
{
    uint32_t *codes = NULL, *normal = NULL, *classes = NULL;
    struct text text = {.t = t};
    size_t count;
    enum assay_status status = ASSAY_OK;

    if (len > TEXT_BYTES_MAX)
        return assay_fail(
                err, ASSAY_EINVAL, "a text of %zu bytes: more than %zu", len, TEXT_BYTES_MAX);
    codes = malloc((len + 1) * sizeof(*codes));
    if (!codes)
        return no_memory(err);
    count = assay_codes_from_bytes(codes, bytes, len);
    if (t->nfc)
        status = assay_codes_nfc(&normal, &count, codes, count, err);
    if (status != ASSAY_OK)
        goto out;
    text.codes = normal ? normal : codes;
    classes = malloc((count + 1) * sizeof(*classes));
    if (!classes) {
        status = no_memory(err);
        goto out;
    }
    for (size_t i = 0; i < count; i++)
        classes[i] = assay_code_class(text.codes[i]);
    status = assay_splitter_run(t->splitter, classes, count, on_word, &text, err);

out:
    free(codes);
    free(normal);
    free(classes);
    return status;
}

// --- the queue -----------------------------------------------------------------------------------

static bool comes_first(const struct entry *a, const struct entry *b)
{
    return a->count != b->count ? a->count > b->count : a->pair < b->pair;
}

static bool queue_push(struct assay_bpe_trainer *t, struct entry e)
{
    size_t at = t->queue_count;

    if (!grow(&t->queue, t->queue_count, &t->queue_capacity, sizeof(*t->queue)))
        return false;
    t->queue_count++;
    while (at > 0 && comes_first(&e, &t->queue[(at - 1) / 2])) {
        t->queue[at] = t->queue[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    t->queue[at] = e;
    return true;
}

static struct entry queue_pop(struct assay_bpe_trainer *t)
{
    const struct entry top = t->queue[0];
    const struct entry last = t->queue[--t->queue_count];
    size_t at = 0;

    for (;;) {
        size_t child = at * 2 + 1;

        if (child >= t->queue_count)
            break;
        if (child + 1 < t->queue_count && comes_first(&t->queue[child + 1], &t->queue[child]))
            child++;
        if (!comes_first(&t->queue[child], &last))
            break;
        t->queue[at] = t->queue[child];
        at = child;
    }
    t->queue[at] = last;
    return top;
}

static int64_t count_of(const struct assay_bpe_trainer *t, uint64_t pair)
{
    const uint64_t *count = assay_map64_find(&t->counts, pair);

    return count ? (int64_t)*count : 0;
}

// `change` more of a pair in a word; a pair that became more is queued after this merge.
static bool change_pair(struct assay_bpe_trainer *t, uint64_t pair, int64_t change, uint32_t word)
{
    const uint64_t *at;
    struct entry *e;

    if (!assay_map64_put(&t->counts, pair, (uint64_t)(count_of(t, pair) + change)))
        return false;
    if (change <= 0)
        return true;
    at = assay_map64_find(&t->fresh_at, pair);
    if (!at) {
        if (!grow(&t->fresh, t->fresh_count, &t->fresh_capacity, sizeof(*t->fresh)) ||
                !assay_map64_put(&t->fresh_at, pair, t->fresh_count))
            return false;
        t->fresh[t->fresh_count++] = (struct entry){.pair = pair};
        at = assay_map64_find(&t->fresh_at, pair);
    }
    e = &t->fresh[*at];
    // Words come in order, so one that is there already is the last.
    if (e->word_count > 0 && e->words[e->word_count - 1] == word)
        return true;
    if (!grow(&e->words, e->word_count, &e->word_capacity, sizeof(*e->words)))
        return false;
    e->words[e->word_count++] = word;
    return true;
}

// Queue what the last merge made.
static bool queue_fresh(struct assay_bpe_trainer *t)
{
    for (size_t i = 0; i < t->fresh_count; i++) {
        t->fresh[i].count = count_of(t, t->fresh[i].pair);
        if (t->fresh[i].count <= 0)
            free(t->fresh[i].words);
        else if (!queue_push(t, t->fresh[i]))
            return false;
        t->fresh[i].words = NULL;
    }
    t->fresh_count = 0;
    assay_map64_free(&t->fresh_at);
    return true;
}

// --- merging -------------------------------------------------------------------------------------

static uint64_t pair_of(uint32_t left, uint32_t right)
{
    return (uint64_t)left << 32 | right;
}

static bool merge_word(struct assay_bpe_trainer *t, uint32_t index, uint64_t pair, uint32_t id)
{
    struct word *w = &t->words[index];
    const uint32_t left = (uint32_t)(pair >> 32), right = (uint32_t)pair;
    const int64_t times = (int64_t)w->times;
    uint32_t kept = 0;
    bool good = true;

    for (uint32_t i = 0; i < w->count && good; i++) {
        if (i + 1 >= w->count || w->ids[i] != left || w->ids[i + 1] != right) {
            w->ids[kept++] = w->ids[i];
            continue;
        }
        if (kept > 0)
            good = change_pair(t, pair_of(w->ids[kept - 1], left), -times, index) &&
                    change_pair(t, pair_of(w->ids[kept - 1], id), times, index);
        if (good && i + 2 < w->count)
            good = change_pair(t, pair_of(right, w->ids[i + 2]), -times, index) &&
                    change_pair(t, pair_of(id, w->ids[i + 2]), times, index);
        w->ids[kept++] = id;
        i++;
    }
    w->count = kept;
    return good;
}

// The id of two tokens together: a known one, or the next.
static enum assay_status token_of(
        struct assay_bpe_trainer *t, uint32_t *out, uint64_t pair, struct assay_error *err)
{
    const struct assay_token *left = &t->vocabulary.tokens[pair >> 32];
    const struct assay_token *right = &t->vocabulary.tokens[(uint32_t)pair];
    const size_t len = (size_t)left->len + right->len;
    char *both = malloc(len);
    enum assay_status status = ASSAY_OK;
    int64_t id;

    if (!both)
        return no_memory(err);
    memcpy(both, left->bytes, left->len);
    memcpy(both + left->len, right->bytes, right->len);
    id = assay_vocabulary_find(&t->vocabulary, both, len);
    if (id < 0) {
        id = t->token_count;
        status = assay_vocabulary_add(&t->vocabulary, t->token_count, both, len, true, err);
        t->token_count += status == ASSAY_OK;
    }
    free(both);
    *out = (uint32_t)id;
    return status;
}

static enum assay_status merge_all(struct assay_bpe_trainer *t, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    while (t->token_count < t->vocabulary.count && t->queue_count > 0) {
        struct entry top = queue_pop(t);
        const int64_t now = count_of(t, top.pair);
        uint32_t id = 0;
        bool good = true;

        if (top.count != now) {
            top.count = now;
            if (queue_push(t, top))
                continue;
            free(top.words);
            return no_memory(err);
        }
        if (top.count < 1) {
            free(top.words);
            break;
        }
        status = token_of(t, &id, top.pair, err);
        good = grow(&t->merges, t->merge_count, &t->merge_capacity, sizeof(*t->merges));
        if (good)
            t->merges[t->merge_count++] = top.pair;
        for (size_t i = 0; i < top.word_count && good && status == ASSAY_OK; i++)
            good = merge_word(t, top.words[i], top.pair, id);
        free(top.words);
        if (status != ASSAY_OK)
            return status;
        if (!good || !queue_fresh(t))
            return no_memory(err);
    }
    return status;
}

// Words as ids of bytes, and all their pairs queued.
static enum assay_status begin(struct assay_bpe_trainer *t, struct assay_error *err)
{
    size_t at = 0;

    t->words = calloc(t->found_count + 1, sizeof(*t->words));
    t->ids = malloc((t->bytes.len + 1) * sizeof(*t->ids));
    if (!t->words || !t->ids || t->found_count >= UINT32_MAX)
        return no_memory(err);
    for (size_t i = 0; i < t->found_count; i++) {
        const struct word_place *f = &t->found[i];

        t->words[i] = (struct word){t->ids + at, f->len, f->times};
        for (uint32_t k = 0; k < f->len; k++)
            t->ids[at++] = t->vocabulary.bytes[(unsigned char)t->bytes.data[f->first + k]];
        for (uint32_t k = 0; k + 1 < f->len; k++)
            if (!change_pair(t, pair_of(t->words[i].ids[k], t->words[i].ids[k + 1]),
                        (int64_t)f->times, (uint32_t)i))
                return no_memory(err);
    }
    return queue_fresh(t) ? ASSAY_OK : no_memory(err);
}

static enum assay_status add_first_tokens(struct assay_bpe_trainer *t, uint32_t vocab_size,
        const char *const *specials, size_t special_count, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    unsigned byte = 0;

    if (special_count > ASSAY_SPECIAL_TOKENS_MAX || vocab_size < 256 + special_count)
        return assay_fail(err, ASSAY_EINVAL, "%zu special tokens and 256 bytes do not fit into %u",
                special_count, vocab_size);
    status = assay_vocabulary_create(&t->vocabulary, vocab_size, t->arena, err);
    for (size_t i = 0; i < special_count && status == ASSAY_OK; i++) {
        for (size_t k = 0; specials[i][k];) {
            const size_t n = assay_utf8_length(specials[i] + k, strlen(specials[i] + k));

            if (n == 0)
                return assay_fail(err, ASSAY_EINVAL, "special token %zu is no UTF-8", i);
            k += n;
        }
        status = assay_vocabulary_add(
                &t->vocabulary, t->token_count++, specials[i], strlen(specials[i]), true, err);
    }
    // In the order of the alphabet: first the bytes that are themselves in it, then the others.
    for (unsigned pass = 0; pass < 2; pass++)
        for (byte = 0; byte < 256 && status == ASSAY_OK; byte++) {
            const char c = (char)byte;

            if (assay_byte_is_itself(byte) == (pass == 0))
                status = assay_vocabulary_add(&t->vocabulary, t->token_count++, &c, 1, true, err);
        }
    return status == ASSAY_OK ? assay_vocabulary_finish(&t->vocabulary, err) : status;
}

// --- the file ------------------------------------------------------------------------------------

static void put_byte_level(struct assay_json_writer *w, const char *key, bool use_regex)
{
    assay_json_begin_object(w, key);
    assay_json_put_text(w, "type", "ByteLevel");
    assay_json_put_bool(w, "add_prefix_space", false);
    assay_json_put_bool(w, "trim_offsets", false);
    assay_json_put_bool(w, "use_regex", use_regex);
    assay_json_end_object(w);
}

static void put_steps(struct assay_json_writer *w, const struct assay_bpe_trainer *t)
{
    if (t->pattern == assay_pattern_gpt2) {
        put_byte_level(w, "pre_tokenizer", true);
        return;
    }
    assay_json_begin_object(w, "pre_tokenizer");
    assay_json_put_text(w, "type", "Sequence");
    assay_json_begin_array(w, "pretokenizers");
    assay_json_begin_object(w, NULL);
    assay_json_put_text(w, "type", "Split");
    assay_json_begin_object(w, "pattern");
    assay_json_put_text(w, "Regex", t->pattern);
    assay_json_end_object(w);
    assay_json_put_text(w, "behavior", "Isolated");
    assay_json_put_bool(w, "invert", false);
    assay_json_end_object(w);
    put_byte_level(w, NULL, false);
    assay_json_end_array(w);
    assay_json_end_object(w);
}

static void put_specials(struct assay_json_writer *w, const char *const *specials, size_t count)
{
    static const char *const flags[] = {"single_word", "lstrip", "rstrip", "normalized"};

    assay_json_begin_array(w, "added_tokens");
    for (size_t i = 0; i < count; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_u64(w, "id", i);
        assay_json_put_text(w, "content", specials[i]);
        for (size_t k = 0; k < 4; k++)
            assay_json_put_bool(w, flags[k], false);
        assay_json_put_bool(w, "special", true);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
}

static void spell(struct assay_buf *text, const struct assay_token *token)
{
    assay_buf_clear(text);
    assay_byte_spell(text, token->bytes, token->len);
}

static void put_model(
        struct assay_json_writer *w, const struct assay_bpe_trainer *t, size_t special_count)
{
    struct assay_buf text;

    assay_buf_init(&text, (size_t)ASSAY_TOKEN_BYTES_MAX * 4);
    assay_json_begin_object(w, "model");
    assay_json_put_text(w, "type", "BPE");
    assay_json_put_null(w, "dropout");
    assay_json_put_null(w, "unk_token");
    assay_json_put_null(w, "continuing_subword_prefix");
    assay_json_put_null(w, "end_of_word_suffix");
    assay_json_put_bool(w, "fuse_unk", false);
    assay_json_put_bool(w, "byte_fallback", false);
    assay_json_put_bool(w, "ignore_merges", false);
    assay_json_begin_object(w, "vocab");
    for (uint32_t id = 0; id < t->token_count; id++) {
        const struct assay_token *token = &t->vocabulary.tokens[id];

        spell(&text, token);
        assay_json_put_u64(w, id < special_count ? token->bytes : text.data, id);
    }
    assay_json_end_object(w);
    assay_json_begin_array(w, "merges");
    for (size_t i = 0; i < t->merge_count; i++) {
        assay_json_begin_array(w, NULL);
        spell(&text, &t->vocabulary.tokens[t->merges[i] >> 32]);
        assay_json_put_text(w, NULL, text.data);
        spell(&text, &t->vocabulary.tokens[(uint32_t)t->merges[i]]);
        assay_json_put_text(w, NULL, text.data);
        assay_json_end_array(w);
    }
    assay_json_end_array(w);
    assay_json_end_object(w);
    assay_buf_free(&text);
}

enum assay_status assay_bpe_trainer_finish(struct assay_bpe_trainer *t, uint32_t vocab_size,
        const char *const *specials, size_t special_count, struct assay_buf *out,
        struct assay_error *err)
{
    struct assay_json_writer w;
    enum assay_status status = add_first_tokens(t, vocab_size, specials, special_count, err);

    if (status == ASSAY_OK)
        status = begin(t, err);
    if (status == ASSAY_OK)
        status = merge_all(t, err);
    if (status != ASSAY_OK)
        return status;
    assay_json_writer_init(&w, out, 1);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "version", "1.0");
    assay_json_put_null(&w, "truncation");
    assay_json_put_null(&w, "padding");
    put_specials(&w, specials, special_count);
    if (t->nfc) {
        assay_json_begin_object(&w, "normalizer");
        assay_json_put_text(&w, "type", "NFC");
        assay_json_end_object(&w);
    } else {
        assay_json_put_null(&w, "normalizer");
    }
    put_steps(&w, t);
    assay_json_put_null(&w, "post_processor");
    put_byte_level(&w, "decoder", true);
    put_model(&w, t, special_count);
    assay_json_end_object(&w);
    return assay_buf_check(out, "tokenizer.json", err);
}
