// SPDX-License-Identifier: MIT
// mutants_statement.c - a statement of one line is left out, or returns something else.
#include <string.h>

#include "rewards/mutants_find.h"

// The statement on a line, without blanks and comments around it.
struct statement {
    size_t at, len;
    bool whole; // it begins and ends on this line
};

static struct statement statement_of(const struct mutant_text *text, size_t line)
{
    const char *data = text->bytes.data;
    size_t begin = text->starts[line], end = text->starts[line + 1];
    struct statement s = {begin, 0, false};

    while (begin < end && (data[begin] == ' ' || data[begin] == '\t'))
        begin++;
    // A comment behind it does not belong to it; a string does.
    while (end > begin &&
            (strchr(" \t\r\n", data[end - 1]) ||
                    (!text->code[end - 1] && !strchr("\"'`", data[end - 1]))))
        end--;
    s.at = begin;
    s.len = end - begin;
    s.whole = s.len > 0 && text->code[begin] && text->depths[line] == 0 &&
            text->depths[line + 1] == 0 && data[end - 1] != '\\' &&
            !(line > 0 && begin >= 2 && text->starts[line] >= 2 &&
                    data[text->starts[line] - 2] == '\\');
    return s;
}

static bool begins_with(const struct mutant_text *text, struct statement s, const char *word)
{
    const size_t len = strlen(word);
    char after = '\0';

    if (s.at + len < text->bytes.len)
        after = text->bytes.data[s.at + len];
    return s.len >= len && memcmp(text->bytes.data + s.at, word, len) == 0 &&
            !(after == '_' || (after >= 'a' && after <= 'z') || (after >= 'A' && after <= 'Z') ||
                    (after >= '0' && after <= '9'));
}

static bool begins_with_any(
        const struct mutant_text *text, struct statement s, const char *const *words)
{
    for (size_t i = 0; words[i]; i++) {
        if (begins_with(text, s, words[i]))
            return true;
    }
    return false;
}

// What stands in the place of nothing; NULL where the statement must stay.
static const char *nothing_for(const struct mutant_text *text, struct statement s)
{
    static const char *const python[] = {"def", "class", "if", "elif", "else", "for", "while",
            "try", "except", "finally", "with", "return", "import", "from", "async", "global",
            "nonlocal", "pass", "case", "match", "end", NULL};
    static const char *const c[] = {"return", "case", "default", "typedef", "struct", "else", "do",
            "for", "import", "package", "use", "using", "goto", NULL};
    static const char *const shell[] = {"if", "then", "else", "elif", "fi", "for", "while", "until",
            "do", "done", "case", "esac", "return", "local", ".", "source", "function", NULL};
    const char first = text->bytes.data[s.at], last = text->bytes.data[s.at + s.len - 1];

    switch (text->family) {
    case MUTANT_PYTHON:
        return first == '@' || last == ':' || last == ',' || begins_with_any(text, s, python)
                ? NULL
                : "pass";
    case MUTANT_C:
        return last != ';' || first == '#' || first == '}' || begins_with_any(text, s, c) ? NULL
                                                                                          : ";";
    case MUTANT_SHELL:
        return strchr("{}();|&#\"'", first) || strchr("{}();|&", last) ||
                        begins_with_any(text, s, shell)
                ? NULL
                : ":";
    }
    return NULL;
}

static void add_removal(struct mutant_candidates *out, const struct mutant_text *text, size_t line)
{
    const struct statement s = statement_of(text, line);
    const char *nothing = s.whole ? nothing_for(text, s) : NULL;
    const struct mutant_candidate candidate = {.source = text->source,
            .operator= MUTANT_REMOVE_STATEMENT,
            .line = line + 1,
            .at = s.at,
            .len = s.len,
            .text = {nothing, nothing ? strlen(nothing) : 0}};

    if (nothing)
        mutants_add(out, &candidate);
}

static void add_return(struct mutant_candidates *out, const struct mutant_text *text, size_t line)
{
    const struct statement s = statement_of(text, line);
    const bool python = text->family == MUTANT_PYTHON;
    const size_t head = strlen("return ");
    const size_t tail = text->family == MUTANT_C;
    const char *value = python ? "None" : "0";
    struct mutant_candidate candidate = {.source = text->source,
            .operator= MUTANT_RETURN_VALUE,
            .line = line + 1,
            .at = s.at + head};

    if (!s.whole || !begins_with(text, s, "return") || s.len <= head + tail ||
            (tail && text->bytes.data[s.at + s.len - 1] != ';'))
        return;
    candidate.len = s.len - head - tail;
    if (candidate.len == strlen(value) &&
            memcmp(text->bytes.data + candidate.at, value, candidate.len) == 0)
        value = "1";
    candidate.text = (struct assay_bytes){value, strlen(value)};
    mutants_add(out, &candidate);
}

void mutants_find_statements(
        struct mutant_candidates *out, const struct mutant_text *text, size_t line)
{
    add_removal(out, text, line);
    add_return(out, text, line);
}
