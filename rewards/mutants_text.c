// SPDX-License-Identifier: MIT
// mutants_text.c - which bytes of a source file are code, and how its brackets stand at each line.
#include <string.h>

#include "rewards/mutants_find.h"

static enum mutant_family family_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    static const char *const shells[] = {".sh", ".bash", ".t", ".zsh"};

    if (dot && (strcmp(dot, ".py") == 0 || strcmp(dot, ".pyi") == 0 || strcmp(dot, ".rb") == 0))
        return MUTANT_PYTHON;
    for (size_t i = 0; dot && i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(dot, shells[i]) == 0)
            return MUTANT_SHELL;
    }
    return dot ? MUTANT_C : MUTANT_SHELL;
}

struct scan {
    struct assay_bytes text;
    enum mutant_family family;
    size_t at;
};

static char peek(const struct scan *s, size_t ahead)
{
    if (s->at + ahead >= s->text.len)
        return '\0';
    return s->text.data[s->at + ahead];
}

// Bytes of the string that begins here, its quotes among them.
static size_t string_length(const struct scan *s)
{
    const char quote = peek(s, 0);
    const bool triple = s->family == MUTANT_PYTHON && peek(s, 1) == quote && peek(s, 2) == quote;
    const bool spans = triple || quote == '`' || s->family == MUTANT_SHELL;
    size_t i = triple ? 3 : 1;

    for (; s->at + i < s->text.len; i++) {
        const char c = peek(s, i);

        if (c == '\n' && !spans)
            return i;
        if (c == '\\' && !(s->family == MUTANT_SHELL && quote == '\''))
            i++;
        else if (c == quote && !triple)
            return i + 1;
        else if (c == quote && peek(s, i + 1) == quote && peek(s, i + 2) == quote)
            return i + 3;
    }
    return s->text.len - s->at;
}

static size_t comment_length(const struct scan *s)
{
    size_t i = 0;

    if (s->family == MUTANT_C && peek(s, 0) == '/' && peek(s, 1) == '*') {
        for (i = 2; s->at + i < s->text.len; i++) {
            if (peek(s, i) == '*' && peek(s, i + 1) == '/')
                return i + 2;
        }
        return i;
    }
    if (s->family == MUTANT_C ? peek(s, 0) != '/' || peek(s, 1) != '/' : peek(s, 0) != '#')
        return 0;
    if (s->family == MUTANT_SHELL && s->at > 0 && !strchr(" \t\n;", s->text.data[s->at - 1]))
        return 0;
    while (s->at + i < s->text.len && peek(s, i) != '\n')
        i++;
    return i;
}

static void mark_code(bool *code, struct assay_bytes text, enum mutant_family family)
{
    struct scan s = {.text = text, .family = family};

    while (s.at < text.len) {
        const char c = peek(&s, 0);
        size_t length = c == '"' || c == '\'' || c == '`' ? string_length(&s) : comment_length(&s);

        if (length > text.len - s.at)
            length = text.len - s.at;
        if (length == 0)
            code[s.at++] = true;
        s.at += length;
    }
}

// Lines here end at line feeds alone.
static void mark_lines(size_t *starts, size_t *depths, struct assay_bytes text, const bool *code)
{
    size_t line = 0, depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        const char c = text.data[i];

        if (code[i] && (c == '(' || c == '['))
            depth++;
        if (code[i] && (c == ')' || c == ']') && depth > 0)
            depth--;
        if (c == '\n') {
            starts[++line] = i + 1;
            depths[line] = depth;
        }
    }
    starts[line + 1] = text.len;
    depths[line + 1] = depth;
}

enum assay_status mutants_read_text(struct mutant_text *out, const char *path,
        struct assay_bytes bytes, struct assay_arena *arena, struct assay_error *err)
{
    size_t lines = 1;
    size_t *starts, *depths;
    bool *code;

    for (size_t i = 0; i < bytes.len; i++)
        lines += bytes.data[i] == '\n';
    code = assay_arena_array(arena, bytes.len, sizeof(*code));
    starts = assay_arena_array(arena, lines + 1, sizeof(*starts));
    depths = assay_arena_array(arena, lines + 1, sizeof(*depths));
    if (!code || !starts || !depths)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    out->family = family_of(path);
    mark_code(code, bytes, out->family);
    mark_lines(starts, depths, bytes, code);
    out->bytes = bytes;
    out->code = code;
    out->starts = starts;
    out->depths = depths;
    out->line_count = lines;
    return ASSAY_OK;
}

enum assay_status assay_respace(struct assay_bytes *out, const char *path, struct assay_bytes text,
        struct assay_arena *arena, struct assay_error *err)
{
    // Where blanks between tokens mean nothing; a regular expression in JavaScript is no string
    // here.
    static const char *const globs[] = {"**/*.py", "**/*.c", "**/*.h", "**/*.cc", "**/*.cpp",
            "**/*.cxx", "**/*.hpp", "**/*.java", "**/*.go", "**/*.rs", "**/*.cs"};
    struct mutant_text read;
    enum assay_status status;
    char *bytes;
    size_t len = 0;
    bool known = false;

    for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++)
        known |= assay_glob_match(globs[i], path);
    *out = text;
    if (!known)
        return ASSAY_OK;
    status = mutants_read_text(&read, path, text, arena, err);
    if (status != ASSAY_OK)
        return status;
    bytes = assay_arena_alloc(arena, 2 * text.len + 1);
    if (!bytes)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < text.len; i++) {
        bytes[len++] = text.data[i];
        if (read.code[i] && (text.data[i] == '(' || text.data[i] == '['))
            bytes[len++] = ' ';
    }
    *out = (struct assay_bytes){bytes, len};
    return ASSAY_OK;
}
