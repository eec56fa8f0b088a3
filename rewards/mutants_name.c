// SPDX-License-Identifier: MIT
// mutants_name.c - a variable stands where another one of the same function should.
//
// Which names are variables is not parsed but guessed: in Python what a function takes, assigns or
// runs through; in C what is in lower case and is neither called nor a member nor a word of the
// language. A wrong guess makes a mutant that does not run, and those are thrown away.
#include <string.h>

#include "rewards/mutants_find.h"

#define NAMES_MAX 32
#define LINES_MAX 200 // of a function that are looked at, before and behind a line

struct names {
    struct assay_bytes items[NAMES_MAX]; // in the order in which they first come
    size_t count;
};

static const char *const words[] = {"and", "as", "assert", "async", "await", "break", "class",
        "continue", "def", "del", "elif", "else", "except", "False", "finally", "for", "from",
        "global", "if", "import", "in", "is", "lambda", "None", "nonlocal", "not", "or", "pass",
        "raise", "return", "self", "cls", "True", "try", "while", "with", "yield", "auto", "bool",
        "case", "char", "const", "default", "do", "double", "enum", "extern", "false", "float",
        "goto", "inline", "int", "long", "register", "restrict", "short", "signed", "sizeof",
        "static", "struct", "switch", "true", "typedef", "union", "unsigned", "void", "volatile",
        "size_t", "ssize_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t", "int8_t", "int16_t",
        "int32_t", "int64_t"};

static bool is_word(struct assay_bytes name)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == name.len && memcmp(words[i], name.data, name.len) == 0)
            return true;
    return false;
}

static bool is_equal(struct assay_bytes a, struct assay_bytes b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static size_t index_of(const struct names *names, struct assay_bytes name)
{
    size_t i = 0;

    while (i < names->count && !is_equal(names->items[i], name))
        i++;
    return i;
}

static void add_name(struct names *names, struct assay_bytes name)
{
    if (names->count < NAMES_MAX && !is_word(name) && index_of(names, name) == names->count)
        names->items[names->count++] = name;
}

// The name that begins at `at`; length 0 when none does.
static struct assay_bytes name_at(const struct mutant_text *text, size_t at, size_t end)
{
    const char first = text->bytes.data[at];
    size_t len = 0;

    if (!text->code[at] || !mutants_is_name(first) || (first >= '0' && first <= '9') ||
            mutants_is_name(mutants_byte_before(text, at)))
        return (struct assay_bytes){text->bytes.data + at, 0};
    while (at + len < end && mutants_is_name(text->bytes.data[at + len]))
        len++;
    return (struct assay_bytes){text->bytes.data + at, len};
}

// The first byte behind `at` that is no blank.
static char next_mark(const struct mutant_text *text, size_t at)
{
    while (mutants_byte(text, at) == ' ')
        at++;
    return mutants_byte(text, at);
}

static bool is_member(const struct mutant_text *text, size_t at)
{
    const char before = mutants_byte_before(text, at);

    return before == '.' || (before == '>' && at > 1 && text->bytes.data[at - 2] == '-');
}

static size_t indent_of(const struct mutant_text *text, size_t line)
{
    size_t indent = 0;

    while (text->starts[line] + indent < text->starts[line + 1] &&
            strchr(" \t", text->bytes.data[text->starts[line] + indent]))
        indent++;
    return indent;
}

static bool is_blank(const struct mutant_text *text, size_t line)
{
    const size_t at = text->starts[line] + indent_of(text, line);

    return at >= text->starts[line + 1] || strchr("\r\n", text->bytes.data[at]);
}

static bool begins_def(const struct mutant_text *text, size_t line)
{
    const size_t at = text->starts[line] + indent_of(text, line);

    return text->bytes.len - at > 4 && memcmp(text->bytes.data + at, "def ", 4) == 0;
}

// Lines [first, last) of the function around a line; empty when it is in none.
static void find_function(const struct mutant_text *text, size_t line, size_t *first, size_t *last)
{
    const bool python = text->family == MUTANT_PYTHON;
    const size_t low = line > LINES_MAX ? line - LINES_MAX : 0;
    const size_t high = line + LINES_MAX < text->line_count ? line + LINES_MAX : text->line_count;
    size_t top = line;

    *first = *last = line;
    if (python) {
        while (top > low &&
                !(begins_def(text, top) && indent_of(text, top) < indent_of(text, line)))
            top--;
        if (!begins_def(text, top) || top == line)
            return;
    } else {
        while (top > low && mutants_byte(text, text->starts[top]) != '{')
            top--;
        if (mutants_byte(text, text->starts[top]) != '{' || top == 0)
            return;
        top--;
    }
    *first = top;
    for (*last = line + 1; *last < high; (*last)++) {
        if (python ? !is_blank(text, *last) && indent_of(text, *last) <= indent_of(text, top)
                   : mutants_byte(text, text->starts[*last]) == '}')
            break;
    }
}

// Parameters, targets of assignments and of loops.
static void learn_python(struct names *names, const struct mutant_text *text, size_t line)
{
    const size_t end = text->starts[line + 1];
    size_t at = text->starts[line] + indent_of(text, line);
    bool target = true, in_for = false;

    if (begins_def(text, line)) {
        while (at < end && text->bytes.data[at] != '(')
            at++;
        in_for = true;
    }
    for (; at < end; at++) {
        const struct assay_bytes name = name_at(text, at, end);
        const char mark = next_mark(text, at + name.len);

        if (name.len == 0) {
            target = target && strchr(", (", text->bytes.data[at]);
            continue;
        }
        if (name.len == 3 && memcmp(name.data, "for", 3) == 0)
            in_for = true;
        else if (name.len == 2 && memcmp(name.data, "in", 2) == 0)
            in_for = false;
        else if (in_for || (target && strchr("=,+-*/%|&^", mark)))
            add_name(names, name);
        target = target && mark == ',';
        at += name.len - 1;
    }
}

// "struct name": of a type.
static bool is_tag(const struct mutant_text *text, size_t at)
{
    static const char *const tags[] = {"struct ", "enum ", "union "};

    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        const size_t len = strlen(tags[i]);

        if (at >= len && memcmp(text->bytes.data + at - len, tags[i], len) == 0)
            return true;
    }
    return false;
}

static void learn_c(struct names *names, const struct mutant_text *text, size_t line)
{
    const size_t end = text->starts[line + 1];

    for (size_t at = text->starts[line]; at < end; at++) {
        const struct assay_bytes name = name_at(text, at, end);

        // "name(" and "name x" are none.
        if (name.len > 0 && name.data[0] >= 'a' && name.data[0] <= 'z' && !is_member(text, at) &&
                !is_tag(text, at) && next_mark(text, at + name.len) != '(' &&
                !mutants_is_name(next_mark(text, at + name.len)))
            add_name(names, name);
        at += name.len > 0 ? name.len - 1 : 0;
    }
}

static enum assay_status replace(struct mutant_candidates *out, const struct mutant_text *text,
        size_t line, struct assay_bytes name, struct assay_bytes by, struct assay_arena *arena,
        struct assay_error *err)
{
    const char *other = assay_arena_memdup(arena, by.data, by.len);
    const struct mutant_candidate candidate = {.source = text->source,
            .operator= MUTANT_WRONG_VARIABLE,
            .line = line + 1,
            .at = (size_t)(name.data - text->bytes.data),
            .len = name.len,
            .text = {other, by.len}};

    if (!other)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    mutants_add(out, &candidate);
    return ASSAY_OK;
}

// By the one before it and the one behind it, in the order in which they come: what stands near is
// likely of the same kind.
static enum assay_status replace_by_neighbours(struct mutant_candidates *out,
        const struct mutant_text *text, size_t line, const struct names *names,
        struct assay_bytes name, struct assay_arena *arena, struct assay_error *err)
{
    const size_t index = index_of(names, name);
    const size_t before = (index + names->count - 1) % names->count;
    const size_t behind = (index + 1) % names->count;
    enum assay_status status = replace(out, text, line, name, names->items[behind], arena, err);

    if (status == ASSAY_OK && before != behind)
        status = replace(out, text, line, name, names->items[before], arena, err);
    return status;
}

enum assay_status mutants_find_names(struct mutant_candidates *out, const struct mutant_text *text,
        size_t line, struct assay_arena *arena, struct assay_error *err)
{
    const size_t end = text->starts[line + 1];
    struct names names = {.count = 0};
    size_t first = 0, last = 0;
    enum assay_status status = ASSAY_OK;

    if (text->family == MUTANT_SHELL)
        return ASSAY_OK;
    find_function(text, line, &first, &last);
    for (size_t i = first; i < last; i++)
        (text->family == MUTANT_PYTHON ? learn_python : learn_c)(&names, text, i);
    if (first == line || names.count < 2)
        return ASSAY_OK;
    for (size_t at = text->starts[line]; at < end && status == ASSAY_OK; at++) {
        const struct assay_bytes name = name_at(text, at, end);

        if (name.len > 0 && !is_member(text, at) && index_of(&names, name) < names.count &&
                next_mark(text, at + name.len) != '(')
            status = replace_by_neighbours(out, text, line, &names, name, arena, err);
        at += name.len > 0 ? name.len - 1 : 0;
    }
    return status;
}
