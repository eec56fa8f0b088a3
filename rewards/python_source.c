// SPDX-License-Identifier: MIT
#include "rewards/python_source.h"

#include <stdint.h>
#include <string.h>

#define MODULE SIZE_MAX

// What the tokenizer is in the middle of.
struct lexer {
    char quote; // 0: code
    bool triple;
    size_t depth; // of brackets
    bool joined;  // the line before ended in a backslash
    bool bad;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
            (unsigned char)c >= 0x80;
}

// Inside a string, from `at`; returns where to go on.
static size_t lex_string(struct lexer *lexer, struct assay_text line, size_t at)
{
    const size_t width = lexer->triple ? 3 : 1;

    while (at < line.len) {
        if (line.data[at] == '\\') {
            at += 2;
            continue;
        }
        if (line.data[at] != lexer->quote ||
                (lexer->triple &&
                        (at + 2 >= line.len || line.data[at + 1] != lexer->quote ||
                                line.data[at + 2] != lexer->quote))) {
            at++;
            continue;
        }
        lexer->quote = '\0';
        return at + width;
    }
    // A string of one line goes on only behind a backslash.
    if (!lexer->triple && at == line.len)
        lexer->bad = true;
    return line.len;
}

static size_t open_string(struct lexer *lexer, struct assay_text line, size_t at)
{
    const char quote = line.data[at];

    lexer->quote = quote;
    lexer->triple = at + 2 < line.len && line.data[at + 1] == quote && line.data[at + 2] == quote;
    return lex_string(lexer, line, at + (lexer->triple ? 3 : 1));
}

static size_t lex_code(struct lexer *lexer, struct assay_text line, size_t at)
{
    switch (line.data[at]) {
    case '\'':
    case '"':
        return open_string(lexer, line, at);
    case '#':
        return line.len;
    case '(':
    case '[':
    case '{':
        lexer->depth++;
        break;
    case ')':
    case ']':
    case '}':
        lexer->bad = lexer->bad || lexer->depth == 0;
        lexer->depth -= lexer->depth > 0;
        break;
    case '\\':
        lexer->joined = at + 1 == line.len;
        lexer->bad = lexer->bad || !lexer->joined;
        break;
    default:
        break;
    }
    return at + 1;
}

static void lex_line(struct lexer *lexer, struct assay_text line, struct assay_python_line *out)
{
    const bool inside = lexer->quote != '\0' || lexer->depth > 0 || lexer->joined;
    size_t at = 0;

    while (out->indent < line.len && is_space(line.data[out->indent]))
        out->indent++;
    out->blank = !inside && (out->indent == line.len || line.data[out->indent] == '#');
    out->logical = !inside && !out->blank;
    lexer->joined = false;
    while (at < line.len)
        at = lexer->quote != '\0' ? lex_string(lexer, line, at) : lex_code(lexer, line, at);
    out->whole = out->logical && lexer->quote == '\0' && lexer->depth == 0 && !lexer->joined;
}

static bool read_lines(struct assay_python_source *source, struct assay_arena *arena)
{
    struct assay_text rest = source->text, line;
    struct lexer lexer = {0};
    bool tabs = false, blanks = false;
    size_t count = 0;

    for (size_t i = 0; i < rest.len; i++)
        count += rest.data[i] == '\n';
    source->lines = assay_arena_array(arena, count + 1, sizeof(*source->lines));
    if (source->lines == NULL)
        return false;
    while (assay_text_line(&rest, &line)) {
        struct assay_python_line *out = &source->lines[source->line_count++];

        out->begin = (size_t)(line.data - source->text.data);
        out->end = out->begin + line.len;
        lex_line(&lexer, line, out);
        if (out->logical && out->indent > 0) {
            tabs = tabs || memchr(line.data, '\t', out->indent) != NULL;
            blanks = blanks || memchr(line.data, ' ', out->indent) != NULL;
        }
    }
    source->sound = !lexer.bad && lexer.quote == '\0' && lexer.depth == 0 && !lexer.joined &&
            !(tabs && blanks) && memchr(source->text.data, '\f', source->text.len) == NULL &&
            memchr(source->text.data, '\0', source->text.len) == NULL;
    return true;
}

struct assay_text assay_python_line_text(
        const struct assay_python_source *source, size_t line, size_t from)
{
    const struct assay_python_line *at = &source->lines[line];

    return (struct assay_text){source->text.data + at->begin + from, at->end - at->begin - from};
}

// "class NAME", "def NAME", "async def NAME" at the statement that begins on this line.
static bool read_head(
        const struct assay_python_source *source, size_t line, struct assay_python_block *out)
{
    struct assay_text text = assay_python_line_text(source, line, source->lines[line].indent);
    size_t len = 0;

    out->is_async = assay_text_skip(&text, "async ");
    text = assay_text_trim(text);
    out->is_class = assay_text_skip(&text, "class ");
    if (!out->is_class && !assay_text_skip(&text, "def "))
        return false;
    text = assay_text_trim(text);
    while (len < text.len && is_word(text.data[len]))
        len++;
    out->name = (struct assay_text){text.data, len};
    out->first_line = line;
    return len > 0;
}

// From the head on: the first line of the body, and the last line that belongs to it.
static bool read_extent(const struct assay_python_source *source, struct assay_python_block *block)
{
    const size_t indent = source->lines[block->first_line].indent;
    size_t at = block->first_line + 1;

    while (at < source->line_count && !source->lines[at].logical)
        at++;
    if (at == source->line_count || source->lines[at].indent <= indent)
        return false; // the body is on the line of the head
    block->body_line = at;
    for (; at < source->line_count; at++) {
        if (source->lines[at].blank)
            continue;
        if (source->lines[at].logical && source->lines[at].indent <= indent)
            break;
        block->last_line = at;
    }
    return true;
}

// Does a function of this class, or of the module, stand on this line?
static bool is_member(const struct assay_python_source *source, size_t owner, size_t line)
{
    const size_t indent = source->lines[line].indent;

    if (owner == MODULE || line > source->blocks[owner].last_line)
        return indent == 0;
    return indent == 0 || indent == source->lines[source->blocks[owner].body_line].indent;
}

static bool read_blocks(struct assay_python_source *source, struct assay_arena *arena)
{
    size_t owner = MODULE;
    bool decorated = false;

    source->blocks = assay_arena_array(arena, source->line_count + 1, sizeof(*source->blocks));
    if (source->blocks == NULL)
        return false;
    for (size_t i = 0; i < source->line_count; i++) {
        struct assay_python_block block = {.owner = MODULE};

        if (!source->lines[i].logical || !is_member(source, owner, i))
            continue;
        if (source->text.data[source->lines[i].begin + source->lines[i].indent] == '@') {
            decorated = true;
            continue;
        }
        if (read_head(source, i, &block) && read_extent(source, &block)) {
            block.decorated = decorated;
            if (source->lines[i].indent > 0)
                block.owner = owner;
            source->blocks[source->block_count] = block;
            if (block.is_class && block.owner == MODULE)
                owner = source->block_count;
            source->block_count++;
        }
        decorated = false;
    }
    return true;
}

bool assay_python_source_read(
        struct assay_python_source *out, struct assay_text text, struct assay_arena *arena)
{
    *out = (struct assay_python_source){.text = text};
    return read_lines(out, arena) && (!out->sound || read_blocks(out, arena));
}

static bool same(struct assay_text a, struct assay_text b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

const struct assay_python_block *assay_python_find(
        const struct assay_python_source *source, struct assay_text owner, struct assay_text name)
{
    const struct assay_python_block *found = NULL;

    for (size_t i = 0; i < source->block_count; i++) {
        const struct assay_python_block *block = &source->blocks[i];

        if (!same(block->name, name) || (block->owner == MODULE) != (owner.len == 0))
            continue;
        if (block->owner != MODULE && !same(source->blocks[block->owner].name, owner))
            continue;
        if (found != NULL)
            return NULL;
        found = block;
    }
    return found;
}
