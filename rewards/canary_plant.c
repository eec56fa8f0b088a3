// SPDX-License-Identifier: MIT
#include "rewards/canary_plant.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BYTES_MIN 3
#define WORD_BYTES_MAX 14
#define WORDS_LEARNT_MAX 48
#define LITERAL_BYTES_MAX 2048
#define NAME_TRIES 64

// For suites whose own names have too few words.
static const char *const common_words[] = {"empty", "default", "value", "order", "name", "first",
        "last", "single", "nested", "missing", "unknown", "length", "repeat", "limit", "input",
        "result"};

size_t assay_canary_below(struct assay_canary_bed *bed, size_t bound)
{
    uint64_t x = bed->random += UINT64_C(0x9e3779b97f4a7c15);

    // splitmix64 (Steele, Lea, Flood 2014). The bounds are small: what the remainder favours is
    // nothing.
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (size_t)((x ^ (x >> 31)) % bound);
}

bool assay_canary_once_in(struct assay_canary_bed *bed, size_t bound)
{
    return assay_canary_below(bed, bound) == 0;
}

const char *assay_canary_print(struct assay_canary_bed *bed, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    int len = 0;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len >= 0)
        text = assay_arena_alloc(bed->arena, (size_t)len + 1);
    if (text == NULL) {
        bed->no_memory = true;
        return "";
    }
    va_start(args, fmt);
    (void)vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return text;
}

// --- words and names ----------------------------------------------------------------------------

static const char small_letters[] = "abcdefghijklmnopqrstuvwxyz";
static const char capital_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

static bool is_small(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

static void add_word(struct assay_canary_bed *bed, const char *word, size_t len)
{
    if (len < WORD_BYTES_MIN || len > WORD_BYTES_MAX || bed->word_count == WORDS_LEARNT_MAX ||
            (len == 4 && memcmp(word, "test", 4) == 0))
        return;
    for (size_t i = 0; i < bed->word_count; i++)
        if (strlen(bed->words[i]) == len && memcmp(bed->words[i], word, len) == 0)
            return;
    bed->words[bed->word_count] = assay_arena_memdup(bed->arena, word, len);
    if (bed->words[bed->word_count] == NULL)
        bed->no_memory = true;
    else
        bed->word_count++;
}

void assay_canary_learn(struct assay_canary_bed *bed, struct assay_text name)
{
    char word[WORD_BYTES_MAX + 1];
    size_t len = 0;

    for (size_t i = 0; i <= name.len; i++) {
        const char c = (char)(i < name.len ? name.data[i] : '_');

        // A word ends at its edge, and where a capital follows a small letter.
        if ((!is_small(c) && !is_capital(c)) ||
                (is_capital(c) && i > 0 && is_small(name.data[i - 1]))) {
            if (len <= WORD_BYTES_MAX)
                add_word(bed, word, len);
            len = 0;
        }
        if (!is_small(c) && !is_capital(c))
            continue;
        if (len < WORD_BYTES_MAX)
            word[len] = (char)(is_capital(c) ? small_letters[c - 'A'] : c);
        len++;
    }
}

static void add_common_words(struct assay_canary_bed *bed)
{
    // A few words would give the same few names again and again.
    for (size_t i = 0; i < sizeof(common_words) / sizeof(common_words[0]) &&
            bed->word_count < WORDS_LEARNT_MAX / 2;
            i++)
        add_word(bed, common_words[i], strlen(common_words[i]));
}

const char *assay_canary_word(struct assay_canary_bed *bed)
{
    if (bed->word_count < WORDS_LEARNT_MAX / 2)
        add_common_words(bed);
    return bed->word_count == 0 ? "value" : bed->words[assay_canary_below(bed, bed->word_count)];
}

static bool is_new(const struct assay_canary_bed *bed, struct assay_text text, const char *name)
{
    const size_t len = strlen(name);

    if (text.len >= len && memmem(text.data, text.len, name, len) != NULL)
        return false;
    for (size_t i = 0; i < bed->count; i++)
        if (strstr(bed->items[i].id, name) != NULL)
            return false;
    return true;
}

static const char *join_words(
        struct assay_canary_bed *bed, const char *front, enum assay_canary_style style)
{
    const size_t count = 2 + assay_canary_below(bed, 2);
    char name[160];
    size_t len = (size_t)snprintf(name, sizeof(name), "%.80s", front);

    for (size_t i = 0; i < count && len + WORD_BYTES_MAX + 2 < sizeof(name); i++) {
        const char *word = assay_canary_word(bed);
        const size_t first = len + (i > 0 && style != ASSAY_CANARY_CAPITAL);

        if (first > len)
            name[len] = style == ASSAY_CANARY_SNAKE ? '_' : ' ';
        len = first + (size_t)snprintf(name + first, sizeof(name) - first, "%s", word);
        if (style == ASSAY_CANARY_CAPITAL && is_small(name[first]))
            name[first] = capital_letters[name[first] - 'a'];
    }
    return assay_canary_print(bed, "%s", name);
}

const char *assay_canary_name(struct assay_canary_bed *bed, struct assay_text text,
        const char *front, enum assay_canary_style style)
{
    const char *name = "";

    for (unsigned i = 0; i < NAME_TRIES; i++) {
        name = join_words(bed, front, style);
        if (is_new(bed, text, name))
            return name;
    }
    return assay_canary_print(bed, "%s%s%zu", name,
            style == ASSAY_CANARY_SNAKE           ? "_"
                    : style == ASSAY_CANARY_PROSE ? " "
                                                  : "",
            10 + assay_canary_below(bed, 90000));
}

bool assay_canary_add(
        struct assay_canary_bed *bed, enum assay_canary_kind kind, const char *id, const char *of)
{
    if (bed->count == ASSAY_CANARIES_MAX)
        return false;
    bed->items[bed->count++] = (struct assay_canary){.kind = kind, .id = id, .of = of};
    return true;
}

// --- files --------------------------------------------------------------------------------------

static int compare_inserts(const void *left, const void *right)
{
    const struct assay_canary_insert *a = left, *b = right;

    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

bool assay_canary_put(struct assay_canary_bed *bed, const struct assay_canary_file *file,
        struct assay_canary_insert *inserts, size_t count)
{
    size_t len = file->content.len, from = 0;
    char *text, *at;

    if (bed->file_count == ASSAY_CANARY_FILES_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        inserts[i].order = i;
        len += strlen(inserts[i].text);
    }
    qsort(inserts, count, sizeof(*inserts), compare_inserts);
    text = assay_arena_alloc(bed->arena, len + 1);
    if (text == NULL) {
        bed->no_memory = true;
        return false;
    }
    at = text;
    for (size_t i = 0; i < count; i++) {
        at = mempcpy(at, file->content.data + from, inserts[i].at - from);
        at = mempcpy(at, inserts[i].text, strlen(inserts[i].text));
        from = inserts[i].at;
    }
    (void)mempcpy(at, file->content.data + from, file->content.len - from);
    bed->files[bed->file_count] = *file;
    bed->files[bed->file_count++].content = (struct assay_bytes){text, len};
    return true;
}

bool assay_canary_find_file(
        struct assay_canary_bed *bed, const char *path, struct assay_canary_file *out)
{
    const struct assay_canary_source *source = bed->source;
    const size_t len = strlen(path);
    const char *found = NULL;

    if (source->read(source->user, path, out))
        return true;
    for (size_t i = 0; i < source->paths.count; i++) {
        const char *one = source->paths.items[i];
        const size_t one_len = strlen(one);

        if (one_len <= len || one[one_len - len - 1] != '/' ||
                strcmp(one + one_len - len, path) != 0)
            continue;
        if (found != NULL && strcmp(found, one) != 0)
            return false; // two of them
        found = one;
    }
    return found != NULL && source->read(source->user, found, out);
}

// --- another expected value ---------------------------------------------------------------------

#define TOKENS_MAX 64

struct token {
    size_t begin, end; // in the literal; of a string: its content
    bool is_string;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// The end of the string that begins at `at`, or SIZE_MAX: it is none of one line.
static size_t string_end(struct assay_text text, size_t at)
{
    const char quote = text.data[at];

    if (at + 2 < text.len && text.data[at + 1] == quote && text.data[at + 2] == quote)
        return SIZE_MAX;
    for (at++; at < text.len && text.data[at] != quote; at++)
        at += text.data[at] == '\\';
    return at < text.len ? at : SIZE_MAX;
}

// A word among the tokens: None, True, False, or what stands before a string. False: a name.
static bool skip_word(struct assay_text text, size_t *at)
{
    static const char *const words[] = {"None", "True", "False", "nil", "null", "true", "false"};
    size_t len = 0;

    while (*at + len < text.len &&
            (is_small(text.data[*at + len]) || is_capital(text.data[*at + len])))
        len++;
    if (len <= 2 && *at + len < text.len && strchr("'\"", text.data[*at + len]) != NULL &&
            memchr(text.data + *at, 'f', len) == NULL &&
            memchr(text.data + *at, 'F', len) == NULL) {
        *at += len;
        return true; // r"..."
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == len && memcmp(words[i], text.data + *at, len) == 0) {
            *at += len;
            return true;
        }
    return false;
}

// Plain decimal digits, perhaps with a fraction; *whole is false for other numbers (0x10, 1e3,
// 017).
static void skip_number(struct assay_text text, size_t *at, size_t *digits, bool *whole)
{
    const size_t begin = *at;

    while (*at < text.len && is_digit(text.data[*at]))
        (*at)++;
    *digits = *at - begin;
    *whole = *digits <= 6 && (text.data[begin] != '0' || *digits == 1);
    if (*at < text.len && text.data[*at] == '.')
        for ((*at)++; *at < text.len && is_digit(text.data[*at]);)
            (*at)++;
    while (*at < text.len &&
            (is_small(text.data[*at]) || is_capital(text.data[*at]) || is_digit(text.data[*at]) ||
                    text.data[*at] == '_')) {
        *whole = false;
        (*at)++;
    }
}

// False: something is no literal.
static bool list_tokens(struct assay_text text, struct token *tokens, size_t *count)
{
    *count = 0;
    for (size_t at = 0; at < text.len && *count < TOKENS_MAX;) {
        const char c = text.data[at];

        if (c == '"' || c == '\'') {
            const size_t end = string_end(text, at);

            if (end == SIZE_MAX)
                return false;
            tokens[(*count)++] = (struct token){at + 1, end, true};
            at = end + 1;
        } else if (is_digit(c)) {
            const size_t begin = at;
            size_t digits = 0;
            bool whole = false;

            skip_number(text, &at, &digits, &whole);
            if (whole)
                tokens[(*count)++] = (struct token){begin, begin + digits, false};
        } else if (is_small(c) || is_capital(c)) {
            if (!skip_word(text, &at))
                return false;
        } else if (strchr("[](){},: -", c) != NULL) {
            at++;
        } else {
            return false;
        }
    }
    return *count < TOKENS_MAX;
}

const char *assay_canary_other_value(struct assay_canary_bed *bed, struct assay_text literal)
{
    struct token tokens[TOKENS_MAX];
    const struct token *token = NULL;
    const char *middle = NULL;
    size_t count = 0;

    if (literal.len > LITERAL_BYTES_MAX || !list_tokens(literal, tokens, &count) || count == 0)
        return NULL;
    token = &tokens[assay_canary_below(bed, count)];
    if (token->is_string)
        // Behind its content: never inside an escape sequence.
        middle = assay_canary_print(bed, "%.*s%s", (int)(token->end - token->begin),
                literal.data + token->begin, assay_canary_word(bed));
    else
        middle = assay_canary_print(bed, "%lu",
                strtoul(literal.data + token->begin, NULL, 10) + 11 + assay_canary_below(bed, 86));
    return assay_canary_print(bed, "%.*s%s%.*s", (int)token->begin, literal.data, middle,
            (int)(literal.len - token->end), literal.data + token->end);
}
