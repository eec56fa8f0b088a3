// SPDX-License-Identifier: MIT
// tokenizer.c - the life of a tokenizer, decoding, and encoding: added tokens of the raw text, then
// for each piece between them its normal form, added tokens of that, the splitting steps, and the
// merges of each word.
#include "policy/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "policy/tokenizer_parts.h"
#include "policy/unicode.h"

enum assay_status assay_tokenizer_create(struct assay_tokenizer **out, uint32_t id_count,
        size_t added_max, size_t bytes_max, struct assay_error *err)
{
    struct assay_tokenizer *t = calloc(1, sizeof(*t));
    enum assay_status status = ASSAY_OK;

    if (!t)
        return assay_fail(err, ASSAY_ENOMEM, "tokenizer: out of memory");
    status = assay_arena_create(&t->arena, bytes_max, err);
    if (status == ASSAY_OK)
        status = assay_vocabulary_create(&t->vocabulary, id_count, t->arena, err);
    if (status == ASSAY_OK) {
        t->raw.tokens = assay_arena_array(t->arena, added_max, sizeof(*t->raw.tokens));
        t->normalized.tokens =
                assay_arena_array(t->arena, added_max, sizeof(*t->normalized.tokens));
        if (!t->raw.tokens || !t->normalized.tokens)
            status = assay_fail(err, ASSAY_ENOMEM, "tokenizer: out of memory");
    }
    if (status != ASSAY_OK) {
        assay_tokenizer_destroy(t);
        return status;
    }
    *out = t;
    return ASSAY_OK;
}

void assay_tokenizer_destroy(struct assay_tokenizer *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->step_count; i++)
        assay_splitter_destroy(t->steps[i].splitter);
    assay_map64_free(&t->raw.edges);
    assay_map64_free(&t->raw.ends);
    assay_map64_free(&t->normalized.edges);
    assay_map64_free(&t->normalized.ends);
    assay_vocabulary_release(&t->vocabulary);
    assay_arena_destroy(t->arena);
    free(t);
}

const char *assay_pattern_find(const char *name)
{
    if (strcmp(name, "gpt2") == 0)
        return assay_pattern_gpt2;
    if (strcmp(name, "qwen2") == 0)
        return assay_pattern_qwen2;
    return strcmp(name, "o200k") == 0 ? assay_pattern_o200k : NULL;
}

enum assay_status assay_tokenizer_add_step(
        struct assay_tokenizer *t, const char *pattern, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_splitter *splitter = NULL;

    if (t->step_count == ASSAY_SPLIT_STEPS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "more than %d steps", ASSAY_SPLIT_STEPS_MAX);
    if (pattern)
        status = assay_splitter_create(&splitter, pattern, err);
    if (status == ASSAY_OK)
        t->steps[t->step_count++] = (struct assay_split_step){.splitter = splitter};
    return status;
}

enum assay_status assay_tokenizer_open(struct assay_tokenizer **out, const char *path,
        const char *pattern, struct assay_error *err)
{
    struct assay_weight_file *file = NULL;
    struct assay_buf name, text;
    struct stat info;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&name, 65536);
    assay_buf_init(&text, ASSAY_TOKENIZER_FILE_BYTES_MAX);
    (void)assay_buf_adds(&name, path);
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        (void)assay_buf_adds(&name, "/tokenizer.json");
    if (name.len >= 5 && strcmp(name.data + name.len - 5, ".gguf") == 0) {
        status = assay_weight_file_open(&file, path, err);
        if (status == ASSAY_OK)
            status = assay_tokenizer_from_gguf(out, file, pattern, err);
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "%s", path);
        goto out;
    }
    status = assay_fs_read_file(&text, name.data, err);
    if (status == ASSAY_OK)
        status = assay_tokenizer_from_json(out, text.data, text.len, pattern, name.data, err);

out:
    assay_weight_file_close(file);
    assay_buf_free(&name);
    assay_buf_free(&text);
    return status;
}

uint32_t assay_tokenizer_count(const struct assay_tokenizer *t)
{
    return t->vocabulary.count;
}

const struct assay_token *assay_tokenizer_token(const struct assay_tokenizer *t, int32_t id)
{
    if (id < 0 || (uint32_t)id >= t->vocabulary.count)
        return NULL;
    return t->vocabulary.tokens[id].bytes ? &t->vocabulary.tokens[id] : NULL;
}

int32_t assay_tokenizer_find(const struct assay_tokenizer *t, const char *text)
{
    const struct assay_added_trie *tries[] = {&t->raw, &t->normalized};
    const size_t len = strlen(text);

    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < tries[k]->count; i++) {
            const struct assay_token *token = &t->vocabulary.tokens[tries[k]->tokens[i].id];

            if (token->len == len && memcmp(token->bytes, text, len) == 0)
                return (int32_t)tries[k]->tokens[i].id;
        }
    return (int32_t)assay_vocabulary_find(&t->vocabulary, text, len);
}

enum assay_status assay_tokenizer_decode(const struct assay_tokenizer *t, struct assay_buf *buf,
        const int32_t *ids, size_t count, bool skip_special, struct assay_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct assay_token *token = assay_tokenizer_token(t, ids[i]);

        if (token && !(skip_special && token->special))
            (void)assay_buf_add(buf, token->bytes, token->len);
    }
    return assay_buf_check(buf, "decoded text", err);
}

// --- encoding ------------------------------------------------------------------------------------

struct encoder {
    const struct assay_tokenizer *t;
    struct assay_ids *ids;
    struct assay_word_scratch scratch;
    struct assay_buf word;
    const uint32_t *codes; // of the piece that is being searched for added tokens
};

// A text on its way through the steps.
struct piece {
    struct encoder *e;
    const uint32_t *codes, *classes;
    size_t count;
    size_t step;                 // the next
    size_t held_first, held_end; // a piece that may still grow (behaviours that join)
    bool held, held_match;
};

static enum assay_status run_steps(struct encoder *e, size_t step, const uint32_t *codes,
        const uint32_t *classes, size_t count, struct assay_error *err);

static enum assay_status emit_word(
        struct encoder *e, const uint32_t *codes, size_t count, struct assay_error *err)
{
    assay_buf_clear(&e->word);
    if (!assay_codes_to_bytes(&e->word, codes, count))
        return assay_buf_check(&e->word, "word", err);
    return assay_vocabulary_word(
            &e->t->vocabulary, e->ids, e->word.data, e->word.len, &e->scratch, err);
}

static enum assay_status pass_on(struct piece *p, size_t first, size_t end, struct assay_error *err)
{
    return run_steps(p->e, p->step + 1, p->codes + first, p->classes + first, end - first, err);
}

static enum assay_status flush(struct piece *p, struct assay_error *err)
{
    if (!p->held)
        return ASSAY_OK;
    p->held = false;
    return pass_on(p, p->held_first, p->held_end, err);
}

// Whether a piece joins the one that is held.
static bool joins(const struct piece *p, enum assay_split_behavior behavior, bool is_match)
{
    switch (behavior) {
    case ASSAY_SPLIT_WITH_PREV:
        return is_match && !p->held_match;
    case ASSAY_SPLIT_WITH_NEXT:
        return p->held_match && !is_match;
    case ASSAY_SPLIT_CONTIGUOUS:
        return is_match == p->held_match;
    case ASSAY_SPLIT_ISOLATED:
    case ASSAY_SPLIT_REMOVED:
        break;
    }
    return false;
}

static enum assay_status on_split(
        void *user, size_t first, size_t end, bool is_match, struct assay_error *err)
{
    struct piece *p = user;
    const struct assay_split_step *step = &p->e->t->steps[p->step];
    enum assay_status status = ASSAY_OK;

    is_match = is_match != step->invert;
    if (step->behavior == ASSAY_SPLIT_ISOLATED)
        return pass_on(p, first, end, err);
    if (step->behavior == ASSAY_SPLIT_REMOVED)
        return is_match ? ASSAY_OK : pass_on(p, first, end, err);
    if (p->held && joins(p, step->behavior, is_match)) {
        p->held_end = end;
    } else {
        status = flush(p, err);
        p->held = true;
        p->held_first = first;
        p->held_end = end;
    }
    p->held_match = is_match;
    return status;
}

static enum assay_status split(
        struct piece *p, const struct assay_splitter *splitter, struct assay_error *err)
{
    enum assay_status status = assay_splitter_run(splitter, p->classes, p->count, on_split, p, err);

    return status == ASSAY_OK ? flush(p, err) : status;
}

// A copy of [codes, classes] with a space before both.
static enum assay_status run_prefixed(struct encoder *e, size_t step, const uint32_t *codes,
        const uint32_t *classes, size_t count, struct assay_error *err)
{
    uint32_t *copy = malloc((count + 1) * 2 * sizeof(*copy));
    enum assay_status status;

    if (!copy)
        return assay_fail(err, ASSAY_ENOMEM, "text: out of memory");
    copy[0] = copy[count + 1] = ' ';
    memcpy(copy + 1, codes, count * sizeof(*copy));
    memcpy(copy + count + 2, classes, count * sizeof(*copy));
    status = run_steps(e, step, copy, copy + count + 1, count + 1, err);
    free(copy);
    return status;
}

static enum assay_status run_steps(struct encoder *e, size_t step, const uint32_t *codes,
        const uint32_t *classes, size_t count, struct assay_error *err)
{
    const struct assay_split_step *s = &e->t->steps[step];
    struct piece piece = {.e = e, .codes = codes, .classes = classes, .count = count, .step = step};

    if (count == 0)
        return ASSAY_OK;
    if (step == e->t->step_count)
        return emit_word(e, codes, count, err);
    if (s->prefix_space && codes[0] != ' ')
        return run_prefixed(e, step, codes, classes, count, err);
    return s->splitter ? split(&piece, s->splitter, err)
                       : run_steps(e, step + 1, codes, classes, count, err);
}

static enum assay_status add_id(struct encoder *e, int64_t id, struct assay_error *err)
{
    return assay_ids_add(e->ids, (int32_t)id) ? ASSAY_OK
                                              : assay_fail(err, ASSAY_ENOMEM, "ids: out of memory");
}

static enum assay_status encode_words(
        struct encoder *e, const uint32_t *codes, size_t count, struct assay_error *err)
{
    uint32_t *classes = malloc(count * sizeof(*classes));
    enum assay_status status;

    if (!classes)
        return assay_fail(err, ASSAY_ENOMEM, "text: out of memory");
    for (size_t i = 0; i < count; i++)
        classes[i] = assay_code_class(codes[i]);
    status = run_steps(e, 0, codes, classes, count, err);
    free(classes);
    return status;
}

static enum assay_status on_normalized(
        void *user, int64_t id, size_t first, size_t end, struct assay_error *err)
{
    struct encoder *e = user;

    return id >= 0 ? add_id(e, id, err) : encode_words(e, e->codes + first, end - first, err);
}

// A piece of raw text without added tokens of the raw kind.
static enum assay_status encode_piece(
        struct encoder *e, const uint32_t *codes, size_t count, bool plain, struct assay_error *err)
{
    uint32_t *normal = NULL;
    enum assay_status status = ASSAY_OK;

    if (e->t->nfc) {
        status = assay_codes_nfc(&normal, &count, codes, count, err);
        if (status != ASSAY_OK)
            return status;
        codes = normal;
    }
    e->codes = codes;
    status = plain ? encode_words(e, codes, count, err)
                   : assay_added_split(&e->t->normalized, codes, count, on_normalized, e, err);
    free(normal);
    return status;
}

struct raw_text {
    struct encoder *e;
    const uint32_t *codes;
};

static enum assay_status on_raw(
        void *user, int64_t id, size_t first, size_t end, struct assay_error *err)
{
    struct raw_text *raw = user;

    return id >= 0 ? add_id(raw->e, id, err)
                   : encode_piece(raw->e, raw->codes + first, end - first, false, err);
}

static enum assay_status encode(const struct assay_tokenizer *t, struct assay_ids *ids,
        const char *bytes, size_t len, bool plain, struct assay_error *err)
{
    struct encoder e = {.t = t, .ids = ids};
    uint32_t *codes = NULL;
    struct raw_text raw = {.e = &e};
    size_t count;
    enum assay_status status;

    if (len > ASSAY_TOKENIZER_TEXT_BYTES_MAX)
        return assay_fail(err, ASSAY_EINVAL, "a text of %zu bytes: more than %zu", len,
                ASSAY_TOKENIZER_TEXT_BYTES_MAX);
    if (len == 0)
        return ASSAY_OK;
    codes = malloc(len * sizeof(*codes));
    if (!codes)
        return assay_fail(err, ASSAY_ENOMEM, "text: out of memory");
    // A byte can become four when composed forms have no composed form.
    assay_buf_init(&e.word, ASSAY_TOKENIZER_TEXT_BYTES_MAX * 4 + 1);
    count = assay_codes_from_bytes(codes, bytes, len);
    raw.codes = codes;
    status = plain ? encode_piece(&e, codes, count, true, err)
                   : assay_added_split(&t->raw, codes, count, on_raw, &raw, err);
    assay_buf_free(&e.word);
    assay_word_scratch_free(&e.scratch);
    free(codes);
    return status;
}

enum assay_status assay_tokenizer_encode(const struct assay_tokenizer *t, struct assay_ids *ids,
        const char *bytes, size_t len, struct assay_error *err)
{
    return encode(t, ids, bytes, len, false, err);
}

enum assay_status assay_tokenizer_encode_plain(const struct assay_tokenizer *t,
        struct assay_ids *ids, const char *bytes, size_t len, struct assay_error *err)
{
    return encode(t, ids, bytes, len, true, err);
}
