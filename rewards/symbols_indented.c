// SPDX-License-Identifier: MIT
// symbols_indented.c - `def` and `class` by indentation; strings and brackets may span lines.
#include <string.h>

#include "rewards/symbols_read.h"

#define TAB_WIDTH 8

// Where the reader stands.
struct indented {
    struct symbols_reader *r;
    size_t at, line;
    size_t brackets;  // open ones
    size_t last_line; // of the last statement so far
    size_t decorator; // first line of the decorators right before; 0: none
};

static char peek(const struct indented *s, size_t ahead)
{
    const struct assay_bytes *text = &s->r->text;

    if (s->at + ahead >= text->len)
        return '\0';
    return text->data[s->at + ahead];
}

// Past a string that begins here; one of three quotes may span lines.
static void skip_string(struct indented *s)
{
    const char quote = peek(s, 0);
    const bool triple = peek(s, 1) == quote && peek(s, 2) == quote;

    s->at += triple ? 3 : 1;
    while (s->at < s->r->text.len) {
        const char c = peek(s, 0);

        if (c == '\n' && !triple)
            return;
        if (c == '\n' || (c == '\\' && peek(s, 1) == '\n'))
            s->line++;
        if (c == '\\') {
            s->at += 2;
            continue;
        }
        if (c == quote && (!triple || (peek(s, 1) == quote && peek(s, 2) == quote))) {
            s->at += triple ? 3 : 1;
            return;
        }
        s->at++;
    }
}

// Past the rest of a statement: to the line feed that ends it.
static void skip_statement(struct indented *s)
{
    while (s->at < s->r->text.len) {
        const char c = peek(s, 0);

        if (c == '\n' && s->brackets == 0)
            return;
        if (c == '\n' || (c == '\\' && peek(s, 1) == '\n'))
            s->line++;
        if (c == '"' || c == '\'') {
            skip_string(s);
            continue;
        }
        if (c == '#') {
            while (s->at < s->r->text.len && peek(s, 0) != '\n')
                s->at++;
            continue;
        }
        if (strchr("([{", c) && c)
            s->brackets++;
        else if (strchr(")]}", c) && c && s->brackets)
            s->brackets--;
        s->at += c == '\\' && s->at + 1 < s->r->text.len ? 2 : 1;
    }
    s->brackets = 0;
}

static bool take_word(struct indented *s, const char *word)
{
    const size_t len = strlen(word);

    if (s->at + len >= s->r->text.len || memcmp(s->r->text.data + s->at, word, len) != 0 ||
            (peek(s, len) != ' ' && peek(s, len) != '\t'))
        return false;
    s->at += len;
    while (peek(s, 0) == ' ' || peek(s, 0) == '\t')
        s->at++;
    return true;
}

// A statement begins here, so far indented.
static void read_statement(struct indented *s, size_t indent)
{
    const size_t first = s->decorator ? s->decorator : s->line;
    bool is_function;
    const char *name;
    size_t len = 0;

    while (s->r->depth > 0 &&
            (s->r->depth > SYMBOLS_DEPTH_MAX || s->r->scopes[s->r->depth - 1].indent >= indent))
        symbols_pop(s->r, s->last_line);
    if (peek(s, 0) == '@') {
        s->decorator = first;
    } else {
        s->decorator = 0;
        (void)take_word(s, "async");
        is_function = take_word(s, "def");
        if (is_function || take_word(s, "class") || take_word(s, "module")) {
            name = s->r->text.data + s->at;
            while (symbols_is_name(peek(s, len)) || (peek(s, len) == '.' && len > 0))
                len++;
            symbols_push(s->r, name, len, first, is_function, indent);
        }
    }
    skip_statement(s);
    s->last_line = s->line;
}

void symbols_read_indented(struct symbols_reader *r)
{
    struct indented s = {.r = r, .line = 1};

    while (s.at < r->text.len) {
        size_t indent = 0;

        for (; peek(&s, 0) == ' ' || peek(&s, 0) == '\t' || peek(&s, 0) == '\f'; s.at++)
            indent = peek(&s, 0) == '\t' ? (indent / TAB_WIDTH + 1) * TAB_WIDTH : indent + 1;
        if (peek(&s, 0) == '#' || peek(&s, 0) == '\n' || peek(&s, 0) == '\r') {
            while (s.at < r->text.len && peek(&s, 0) != '\n')
                s.at++;
        } else if (s.at < r->text.len) {
            read_statement(&s, indent);
        }
        s.at++; // the line feed
        s.line++;
    }
    while (r->depth > 0)
        symbols_pop(r, s.last_line);
}
