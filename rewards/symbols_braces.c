// SPDX-License-Identifier: MIT
// symbols_braces.c - what stands before an opening brace says what the brace opens.
//
// The words since the last ';', '{' or '}' are the head. A head with a name right before its first
// parenthesis opens a function ("int f(void) {", "f() {", "func (t *T) F() {"), a head with `class`
// or a word like it a class, a head with "name = function" or "=>" a function of that name.
#include <string.h>

#include "rewards/symbols_read.h"

// A piece of the text.
struct word {
    size_t at, len; // len 0: none
};

struct braces {
    struct symbols_reader *r;
    bool hash_comments;
    size_t at, line;
    size_t parens;                  // open ones
    bool at_line_start;             // only blanks since the last line feed
    size_t head_line;               // of the head's first word; 0: the head is empty
    struct word called;             // the first name right before a parenthesis
    struct word assigned;           // the name before the first '='
    struct word last;               // the last name
    struct word container;          // the name after `class` and the like
    bool wants_container;           // the next name is that one
    bool wants_function;            // the next name is the function's: after `fn` and the like
    bool is_container, is_function; // a keyword of either kind was there
    bool settled;                   // `called` stays: what follows is a type or an initialiser
    char before;                    // the last character that is no blank
};

static char peek(const struct braces *s, size_t ahead)
{
    const struct assay_bytes *text = &s->r->text;

    if (s->at + ahead >= text->len)
        return '\0';
    return text->data[s->at + ahead];
}

static void clear_head(struct braces *s)
{
    s->head_line = 0;
    s->called = s->assigned = s->last = s->container = (struct word){0, 0};
    s->wants_container = s->wants_function = s->is_container = s->is_function = false;
    s->settled = false;
    s->before = '\0';
}

static bool word_is(const struct braces *s, struct word word, const char *text)
{
    return word.len == strlen(text) && memcmp(s->r->text.data + word.at, text, word.len) == 0;
}

static bool word_in(const struct braces *s, struct word word, const char *const *words)
{
    for (size_t i = 0; words[i]; i++) {
        if (word_is(s, word, words[i]))
            return true;
    }
    return false;
}

// To the end of the line; a backslash before it carries on.
static void skip_line(struct braces *s, bool carries_on)
{
    for (; s->at < s->r->text.len && peek(s, 0) != '\n'; s->at++) {
        if (carries_on && peek(s, 0) == '\\' && peek(s, 1) == '\n') {
            s->at++;
            s->line++;
        }
    }
}

static void skip_comment(struct braces *s)
{
    for (s->at += 2; s->at < s->r->text.len; s->at++) {
        if (peek(s, 0) == '*' && peek(s, 1) == '/') {
            s->at += 2;
            return;
        }
        s->line += peek(s, 0) == '\n';
    }
}

// A quote that nothing closes on its line is no string (a Rust lifetime, an apostrophe).
static bool skip_string(struct braces *s, char quote)
{
    const bool many = quote == '`' || s->hash_comments;
    size_t i = 1, lines = 0;

    for (; s->at + i < s->r->text.len; i++) {
        const char c = peek(s, i);

        if (c == quote)
            break;
        if (c == '\n' && !many)
            return false;
        lines += c == '\n';
        if (c == '\\' && !(s->hash_comments && quote == '\''))
            i++;
    }
    if (s->at + i >= s->r->text.len)
        return false;
    s->at += i + 1;
    s->line += lines;
    return true;
}

static struct word read_word(struct braces *s)
{
    const size_t begin = s->at;

    while (symbols_is_name(peek(s, 0)) || (peek(s, 0) == '~' && s->at == begin) ||
            (peek(s, 0) == ':' && peek(s, 1) == ':' &&
                    (symbols_is_name(peek(s, 2)) || peek(s, 2) == '~')))
        s->at += peek(s, 0) == ':' ? 2 : 1;
    return (struct word){begin, s->at - begin};
}

// Does a parenthesis follow?
static bool is_called(const struct braces *s)
{
    size_t i = 0;

    while (i < 64 && (peek(s, i) == ' ' || peek(s, i) == '\t'))
        i++;
    return peek(s, i) == '(';
}

static void take_word(struct braces *s)
{
    static const char *const containers[] = {"class", "struct", "namespace", "interface", "enum",
            "union", "trait", "impl", "object", "module", "package", NULL};
    static const char *const functions[] = {"function", "func", "fn", "def", "sub", "fun", NULL};
    static const char *const statements[] = {"if", "for", "while", "switch", "catch", "return",
            "sizeof", "else", "do", "foreach", "synchronized", "with", "match", "until", "elif",
            "case", "then", "in", "noexcept", "decltype", "alignas", "requires", NULL};
    const char before = s->before;
    const struct word word = read_word(s);

    if (s->head_line == 0)
        s->head_line = s->line;
    s->before = 'w';
    if (s->parens > 0)
        return;
    if (word_in(s, word, functions)) {
        s->is_function = true;
        s->wants_function = !s->settled;
        return;
    }
    if (s->wants_function) {
        s->called = word;
        s->wants_function = false;
        s->settled = true;
        return;
    }
    if (word_in(s, word, containers) && s->called.len == 0) {
        s->is_container = s->wants_container = true;
        return;
    }
    // "impl Trait for Type": the last name is the type's.
    if (s->wants_container && !word_is(s, word, "for")) {
        s->container = word;
        s->wants_container = false;
    } else if (s->is_container && word_is(s, word, "for")) {
        s->wants_container = true;
    }
    s->last = word;
    if (!s->settled && before != '@' && is_called(s) && !word_in(s, word, statements) &&
            !(word.len >= 11 && memcmp(s->r->text.data + word.at, "__attribute", 11) == 0))
        s->called = word;
}

static void open_brace(struct braces *s)
{
    struct word name = {0, 0};
    bool is_function = true;

    if (s->parens == 0 && s->assigned.len > 0 && s->is_function) {
        name = s->assigned;
    } else if (s->parens == 0 && s->assigned.len == 0) {
        if (s->called.len > 0)
            name = s->called;
        else if (s->is_function)
            name = s->last;
        else if (s->is_container) {
            name = s->container;
            is_function = false;
        }
    }
    symbols_push(s->r, s->r->text.data + name.at, name.len, s->head_line ? s->head_line : s->line,
            is_function, s->parens);
    s->parens = 0;
    clear_head(s);
}

static void close_brace(struct braces *s)
{
    const size_t depth = s->r->depth;

    // Parentheses that were open around a block are open again after it.
    if (depth > 0 && depth <= SYMBOLS_DEPTH_MAX)
        s->parens = s->r->scopes[depth - 1].indent;
    symbols_pop(s->r, s->line);
    clear_head(s);
}

static void take_sign(struct braces *s, char c)
{
    if (c == '{')
        open_brace(s);
    else if (c == '}')
        close_brace(s);
    else if (c == ';' && s->parens == 0)
        clear_head(s);
    else if (c == '(' || c == '[')
        s->parens++;
    else if ((c == ')' || c == ']') && s->parens)
        s->parens--;
    else if (c == '=' && peek(s, 1) == '>')
        s->is_function = true;
    else if (c == '=' && s->parens == 0 && s->assigned.len == 0 && peek(s, 1) != '=' &&
            s->called.len == 0)
        s->assigned = s->last;
    else if ((c == ':' || c == '>') && s->parens == 0 && s->called.len > 0)
        s->settled = true;
    if (c != '{' && c != '}' && c != ';') {
        s->before = c;
        if (s->head_line == 0)
            s->head_line = s->line;
    }
    s->at++;
}

static bool skip_foreign(struct braces *s, char c)
{
    if (c == '/' && peek(s, 1) == '/' && !s->hash_comments) {
        skip_line(s, false);
        return true;
    }
    if (c == '/' && peek(s, 1) == '*' && !s->hash_comments) {
        skip_comment(s);
        return true;
    }
    if (c == '#' &&
            (s->hash_comments ? s->at == 0 || strchr(" \t\n;", s->r->text.data[s->at - 1]) != NULL
                              : s->at_line_start)) {
        skip_line(s, !s->hash_comments);
        return true;
    }
    return (c == '"' || c == '\'' || c == '`') && skip_string(s, c);
}

void symbols_read_braces(struct symbols_reader *r, bool hash_comments)
{
    struct braces s = {.r = r, .hash_comments = hash_comments, .line = 1, .at_line_start = true};

    while (s.at < r->text.len) {
        const char c = peek(&s, 0);

        if (c == '\n') {
            s.line++;
            s.at++;
            s.at_line_start = true;
            // In a shell the line feed ends the statement.
            if (hash_comments && s.parens == 0 && s.called.len == 0 && !s.is_function)
                clear_head(&s);
            continue;
        }
        if (c == ' ' || c == '\t' || c == '\r') {
            s.at++;
            continue;
        }
        if (skip_foreign(&s, c)) {
            s.at_line_start = false;
            continue;
        }
        s.at_line_start = false;
        if (symbols_is_name(c) || c == '~')
            take_word(&s);
        else
            take_sign(&s, c);
    }
    while (r->depth > 0)
        symbols_pop(r, s.line);
}
