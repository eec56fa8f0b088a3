// SPDX-License-Identifier: MIT
// mutants_bend.c - a condition is negated, two arguments change places, an index or a length is one
// off.
#include <string.h>

#include "rewards/mutants_find.h"

static enum assay_status add_text(struct mutant_candidates *out,
        const struct mutant_candidate *like, const char *text, struct assay_error *err)
{
    struct mutant_candidate candidate = *like;

    if (!text)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    candidate.text = (struct assay_bytes){text, strlen(text)};
    mutants_add(out, &candidate);
    return ASSAY_OK;
}

// Where the bracket that opens at `at` closes, before `end`; `end` when it does not.
static size_t close_of(const struct mutant_text *text, size_t at, size_t end)
{
    size_t depth = 0;

    for (; at < end; at++) {
        const char c = text->bytes.data[at];

        if (!text->code[at])
            continue;
        if (strchr("([{", c))
            depth++;
        else if (strchr(")]}", c) && --depth == 0)
            return at;
    }
    return end;
}

static bool has_word(const struct mutant_text *text, size_t at, size_t end, const char *word)
{
    const size_t len = strlen(word);

    if (end - at < len || memcmp(text->bytes.data + at, word, len) != 0)
        return false;
    return !mutants_is_name(mutants_byte(text, at + len));
}

static size_t skip_blanks(const struct mutant_text *text, size_t at, size_t end)
{
    while (at < end && (text->bytes.data[at] == ' ' || text->bytes.data[at] == '\t'))
        at++;
    return at;
}

// --- conditions ---------------------------------------------------------------------------------

// Is there a code "word" between at and end that stands outside of brackets?
static bool is_joined(const struct mutant_text *text, size_t at, size_t end)
{
    size_t depth = 0;

    for (; at < end; at++) {
        const char c = text->bytes.data[at];

        if (!text->code[at])
            continue;
        depth += strchr("([{", c) != NULL;
        depth -= strchr(")]}", c) != NULL && depth > 0;
        if (depth == 0 && !mutants_is_name(mutants_byte_before(text, at)) &&
                (has_word(text, at, end, "and") || has_word(text, at, end, "or") ||
                        has_word(text, at, end, "if")))
            return true;
    }
    return false;
}

static enum assay_status negate_python(struct mutant_candidates *out,
        const struct mutant_text *text, struct mutant_candidate *candidate, size_t end,
        struct assay_arena *arena, struct assay_error *err)
{
    size_t colon = end;

    // The last colon of the line: "if x:", not one of a slice in it.
    while (colon > candidate->at && !(text->code[colon - 1] && text->bytes.data[colon - 1] == ':'))
        colon--;
    if (colon <= candidate->at + 1 || has_word(text, candidate->at, end, "not"))
        return ASSAY_OK;
    candidate->len = colon - 1 - candidate->at;
    return add_text(out, candidate,
            assay_arena_printf(arena,
                    is_joined(text, candidate->at, colon - 1) ? "not (%.*s)" : "not %.*s",
                    (int)candidate->len, text->bytes.data + candidate->at),
            err);
}

static enum assay_status negate_c(struct mutant_candidates *out, const struct mutant_text *text,
        struct mutant_candidate *candidate, size_t end, struct assay_arena *arena,
        struct assay_error *err)
{
    const size_t close = close_of(text, candidate->at, end);

    if (mutants_byte(text, candidate->at) != '(' || close == end ||
            mutants_byte(text, candidate->at + 1) == '!')
        return ASSAY_OK;
    candidate->len = close + 1 - candidate->at;
    return add_text(out, candidate,
            assay_arena_printf(
                    arena, "(!%.*s)", (int)candidate->len, text->bytes.data + candidate->at),
            err);
}

static enum assay_status find_condition(struct mutant_candidates *out,
        const struct mutant_text *text, size_t line, struct assay_arena *arena,
        struct assay_error *err)
{
    static const char *const words[] = {"if", "elif", "while"};
    const size_t end = text->starts[line + 1];
    size_t at = skip_blanks(text, text->starts[line], end);
    struct mutant_candidate candidate = {
            .source = text->source, .operator= MUTANT_NEGATE_CONDITION, .line = line + 1};

    // A condition of several lines stays.
    if (text->depths[line] != 0 || text->depths[line + 1] != 0 || at >= end || !text->code[at])
        return ASSAY_OK;
    if (text->family == MUTANT_C && has_word(text, at, end, "}"))
        at = skip_blanks(text, at + 1, end);
    if (text->family == MUTANT_C && has_word(text, at, end, "else"))
        at = skip_blanks(text, at + strlen("else"), end);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!has_word(text, at, end, words[i]))
            continue;
        candidate.at = skip_blanks(text, at + strlen(words[i]), end);
        return text->family == MUTANT_C ? negate_c(out, text, &candidate, end, arena, err)
                                        : negate_python(out, text, &candidate, end, arena, err);
    }
    return ASSAY_OK;
}

// --- arguments ----------------------------------------------------------------------------------

// Where the argument that begins at `at` ends: at a comma or bracket that is not in it.
static size_t argument_end(const struct mutant_text *text, size_t at, size_t end)
{
    while (at < end) {
        const char c = text->bytes.data[at];

        if (text->code[at] && (c == ',' || c == ')' || c == ']' || c == '}'))
            return at;
        at = text->code[at] && strchr("([{", c) ? close_of(text, at, end) + 1 : at + 1;
    }
    return end;
}

static bool has_equals(const struct mutant_text *text, size_t at, size_t end)
{
    return memchr(text->bytes.data + at, '=', end - at) != NULL ||
            memchr(text->bytes.data + at, '*', end - at) != NULL;
}

// "f(a, b" at its "(": the two change places. Named and starred arguments stay.
static enum assay_status find_arguments(struct mutant_candidates *out,
        const struct mutant_text *text, size_t line, size_t open, struct assay_arena *arena,
        struct assay_error *err)
{
    const size_t end = text->starts[line + 1], close = close_of(text, open, end);
    struct mutant_candidate candidate = {.source = text->source,
            .operator= MUTANT_SWAP_ARGUMENTS,
            .line = line + 1,
            .at = open + 1};
    size_t comma, second, last;

    if (close == end)
        return ASSAY_OK;
    comma = argument_end(text, open + 1, close);
    second = skip_blanks(text, comma + 1, close);
    if (comma >= close || second >= close)
        return ASSAY_OK;
    last = argument_end(text, second, close);
    if (last == second || has_equals(text, open + 1, last) ||
            (last - second == comma - open - 1 &&
                    memcmp(text->bytes.data + open + 1, text->bytes.data + second, last - second) ==
                            0))
        return ASSAY_OK;
    candidate.len = last - candidate.at;
    return add_text(out, &candidate,
            assay_arena_printf(arena, "%.*s, %.*s", (int)(last - second), text->bytes.data + second,
                    (int)(comma - open - 1), text->bytes.data + open + 1),
            err);
}

// --- indexes and lengths ------------------------------------------------------------------------

static enum assay_status add_off(struct mutant_candidates *out, const struct mutant_text *text,
        size_t line, size_t at, struct assay_error *err)
{
    static const char *const by[] = {" - 1", " + 1"};
    const struct mutant_candidate candidate = {
            .source = text->source, .operator= MUTANT_OFF_BY_ONE, .line = line + 1, .at = at};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < 2 && status == ASSAY_OK; i++)
        status = add_text(out, &candidate, by[i], err);
    return status;
}

// Begins a name that `bracket` stands behind, as "len(" and "range(".
static bool is_call(const struct mutant_text *text, size_t bracket, const char *name)
{
    const size_t len = strlen(name);

    return bracket >= len && memcmp(text->bytes.data + bracket - len, name, len) == 0 &&
            (bracket == len || !mutants_is_name(text->bytes.data[bracket - len - 1]));
}

// At a bracket that opens: x[name], len(...), range(...).
static enum assay_status find_off(struct mutant_candidates *out, const struct mutant_text *text,
        size_t line, size_t open, struct assay_error *err)
{
    const size_t end = text->starts[line + 1], close = close_of(text, open, end);
    size_t at = open + 1;

    if (close == end)
        return ASSAY_OK;
    if (text->bytes.data[open] == '[') {
        while (at < close && mutants_is_name(text->bytes.data[at]))
            at++;
        // A name alone, and behind a name or another index: no list of one.
        return at == close && at > open + 1 && text->bytes.data[open + 1] > '9' && open > 0 &&
                        (mutants_is_name(text->bytes.data[open - 1]) ||
                                text->bytes.data[open - 1] == ']')
                ? add_off(out, text, line, close, err)
                : ASSAY_OK;
    }
    if (text->family != MUTANT_PYTHON)
        return ASSAY_OK;
    if (is_call(text, open, "len"))
        return add_off(out, text, line, close + 1, err);
    return is_call(text, open, "range")
            ? add_off(out, text, line, argument_end(text, at, close), err)
            : ASSAY_OK;
}

static bool begins_function(const struct mutant_text *text, size_t line)
{
    const size_t end = text->starts[line + 1];
    const size_t at = skip_blanks(text, text->starts[line], end);

    // A definition in C begins where its line does.
    return text->family == MUTANT_C ? at == text->starts[line]
                                    : has_word(text, at, end, "def") ||
                    has_word(text, at, end, "class") || has_word(text, at, end, "async");
}

enum assay_status mutants_find_bends(struct mutant_candidates *out, const struct mutant_text *text,
        size_t line, struct assay_arena *arena, struct assay_error *err)
{
    const size_t end = text->starts[line + 1];
    enum assay_status status = ASSAY_OK;

    if (text->family == MUTANT_SHELL)
        return ASSAY_OK;
    status = find_condition(out, text, line, arena, err);
    if (begins_function(text, line))
        return status;
    for (size_t at = text->starts[line]; at < end && status == ASSAY_OK; at++) {
        if (!text->code[at] || !strchr("([", text->bytes.data[at]))
            continue;
        status = find_off(out, text, line, at, err);
        if (status == ASSAY_OK && text->bytes.data[at] == '(' &&
                mutants_is_name(mutants_byte_before(text, at)))
            status = find_arguments(out, text, line, at, arena, err);
    }
    return status;
}
