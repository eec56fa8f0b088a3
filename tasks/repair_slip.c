// SPDX-License-Identifier: MIT
#include "tasks/repair_slip.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define PIECES_MAX 1024
#define TRIES_MAX 32
#define LINE_BYTES_MAX ((size_t)4 << 10)

enum kind { WORD, NUMBER, STRING, SIGN };

struct piece {
    enum kind kind;
    size_t line, at, len; // from 1; offset in the file
};

struct pieces {
    struct assay_bytes file;
    struct piece items[PIECES_MAX];
    size_t count;
};

static const char *const signs[] = {
        "==", "!=", "<=", ">=", "<", ">", "+=", "-=", "+", "-", "*", "//", "%"};
#define SIGN_COUNT (sizeof(signs) / sizeof(signs[0]))

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t sign_length(const char *at, size_t left)
{
    for (size_t i = 0; i < SIGN_COUNT; i++) {
        const size_t len = strlen(signs[i]);

        if (len == 2 && left >= 2 && memcmp(at, signs[i], 2) == 0)
            return 2;
    }
    return 1;
}

static size_t piece_length(enum kind *kind, const char *at, size_t left)
{
    size_t len = 1;

    if (is_word(*at)) {
        *kind = isdigit((unsigned char)*at) ? NUMBER : WORD;
        while (len < left && is_word(at[len]))
            len++;
    } else if (*at == '"' || *at == '\'') {
        *kind = STRING;
        while (len < left && at[len] != *at && at[len] != '\n')
            len++;
        len += len < left && at[len] == *at;
    } else {
        *kind = SIGN;
        len = sign_length(at, left);
    }
    return len;
}

static void cut(struct pieces *p)
{
    size_t line = 1;

    for (size_t at = 0; at < p->file.len && p->count < PIECES_MAX;) {
        const char c = p->file.data[at];

        if (c == '\n' || c == ' ') {
            line += c == '\n';
            at++;
        } else {
            struct piece *piece = &p->items[p->count++];

            *piece = (struct piece){WORD, line, at, 0};
            piece->len = piece_length(&piece->kind, p->file.data + at, p->file.len - at);
            at += piece->len;
        }
    }
}

// Another piece's text for this one: a sign or number of any kind, or its like from the file.
static struct assay_bytes other_text(
        const struct pieces *p, const struct piece *piece, char number[32], struct assay_rng *rng)
{
    const struct piece *other = piece;

    if (piece->kind == SIGN && assay_rng_below(rng, 4) > 0) {
        const char *sign = signs[assay_rng_below(rng, SIGN_COUNT)];

        return (struct assay_bytes){sign, strlen(sign)};
    }
    if (piece->kind == NUMBER && assay_rng_below(rng, 4) > 0) {
        (void)snprintf(number, 32, "%u", (unsigned)assay_rng_below(rng, 12));
        return (struct assay_bytes){number, strlen(number)};
    }
    for (size_t i = 0; i < TRIES_MAX; i++) {
        other = &p->items[assay_rng_below(rng, p->count)];
        if (other->kind == piece->kind)
            break;
    }
    return (struct assay_bytes){p->file.data + other->at, other->len};
}

struct line {
    size_t from, to; // of the file, without line feed
};

static struct line line_of(const struct pieces *p, const struct piece *piece)
{
    struct line line = {piece->at, piece->at};

    while (line.from > 0 && p->file.data[line.from - 1] != '\n')
        line.from--;
    while (line.to < p->file.len && p->file.data[line.to] != '\n')
        line.to++;
    return line;
}

// The line with its slip.
static void slip(struct assay_buf *out, const struct pieces *p, size_t index, struct assay_rng *rng)
{
    const struct piece *piece = &p->items[index];
    const struct piece *next =
            index + 1 < p->count && piece[1].line == piece->line ? &piece[1] : NULL;
    const struct line line = line_of(p, piece);
    const char *file = p->file.data;
    const size_t end = piece->at + piece->len;
    const uint64_t way = assay_rng_below(rng, 10);
    char number[32];

    if (way == 0) {
        for (size_t at = line.from; at < line.to && file[at] == ' '; at++)
            assay_buf_addc(out, ' ');
        assay_buf_adds(out, "pass");
        return;
    }
    assay_buf_add(out, file + line.from, piece->at - line.from);
    if (way == 1 && next) { // change places
        assay_buf_add(out, file + next->at, next->len);
        assay_buf_add(out, file + end, next->at - end);
        assay_buf_add(out, file + piece->at, piece->len);
        assay_buf_add(out, file + next->at + next->len, line.to - next->at - next->len);
        return;
    }
    if (way > 2) {
        const struct assay_bytes other = other_text(p, piece, number, rng);

        assay_buf_add(out, other.data, other.len);
    }
    assay_buf_add(out, file + end, line.to - end);
}

// The line with every other piece exchanged for its like: nothing of it can be relied upon.
static void garble(
        struct assay_buf *out, const struct pieces *p, size_t index, struct assay_rng *rng)
{
    const struct line line = line_of(p, &p->items[index]);
    size_t at = line.from;
    char number[32];

    for (size_t i = 0; i < p->count; i++) {
        const struct piece *piece = &p->items[i];

        if (piece->at < line.from || piece->at >= line.to)
            continue;
        assay_buf_add(out, p->file.data + at, piece->at - at);
        at = piece->at + piece->len;
        if (i == index || assay_rng_below(rng, 2) == 0) {
            const struct assay_bytes other = other_text(p, piece, number, rng);

            assay_buf_add(out, other.data, other.len);
        } else {
            assay_buf_add(out, p->file.data + piece->at, piece->len);
        }
    }
    assay_buf_add(out, p->file.data + at, line.to - at);
}

static enum assay_status put(struct repair_slip *out, const struct pieces *p,
        const struct piece *piece, const struct assay_buf *text, struct assay_arena *arena,
        struct assay_error *err)
{
    const struct line line = line_of(p, piece);
    const size_t rest = p->file.len - line.to, len = line.from + text->len + rest;
    char *file = assay_arena_alloc(arena, len + 1);
    char *right = assay_arena_alloc(arena, line.to - line.from + 1);

    if (!file || !right)
        return assay_fail(err, ASSAY_ENOMEM, "a slip: out of memory");
    memcpy(file, p->file.data, line.from);
    memcpy(file + line.from, text->data, text->len);
    memcpy(file + line.from + text->len, p->file.data + line.to, rest);
    file[len] = '\0';
    memcpy(right, p->file.data + line.from, line.to - line.from);
    right[line.to - line.from] = '\0';
    *out = (struct repair_slip){{file, len}, piece->line, right};
    return ASSAY_OK;
}

enum assay_status repair_slip_make(struct repair_slip *out, struct assay_bytes file,
        struct assay_rng *rng, repair_slip_allowed *allowed, void *user, struct assay_arena *arena,
        struct assay_error *err)
{
    struct pieces *p = assay_arena_alloc(arena, sizeof(*p));
    enum assay_status status = ASSAY_OK;
    struct assay_buf text;

    if (!p)
        return assay_fail(err, ASSAY_ENOMEM, "a slip: out of memory");
    *out = (struct repair_slip){{"", 0}, 0, ""};
    p->file = file;
    p->count = 0;
    cut(p);
    assay_buf_init(&text, LINE_BYTES_MAX);
    for (size_t tries = 0; p->count > 0 && tries < TRIES_MAX && out->line == 0; tries++) {
        const size_t index = (size_t)assay_rng_below(rng, p->count);
        const struct line line = line_of(p, &p->items[index]);

        assay_buf_clear(&text);
        if (assay_rng_below(rng, 2) == 0)
            garble(&text, p, index, rng);
        else
            slip(&text, p, index, rng);
        status = assay_buf_check(&text, "a slip", err);
        if (status != ASSAY_OK)
            break;
        if (text.len == line.to - line.from &&
                memcmp(text.data, file.data + line.from, text.len) == 0)
            continue;
        if (!allowed(user, p->items[index].line, text.data))
            continue;
        status = put(out, p, &p->items[index], &text, arena, err);
        if (status != ASSAY_OK)
            break;
    }
    assay_buf_free(&text);
    return status;
}
