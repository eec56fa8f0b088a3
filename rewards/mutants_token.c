// SPDX-License-Identifier: MIT
// mutants_token.c - one token becomes another.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rewards/mutants_find.h"

enum { IN_C = 1, IN_PYTHON = 2, IN_SHELL = 4, IN_ALL = 7 };

// The longest come first: "<=" is no "<".
struct rule {
    const char *was, *now;
    enum mutant_operator operator;
    unsigned families;
    bool spaced; // only between blanks, where it is sure to be an operator
    bool word;
};
static const struct rule rules[] = {
        {"===", "!==", MUTANT_RELATIONAL, IN_C, false, false},
        {"!==", "===", MUTANT_RELATIONAL, IN_C, false, false},
        {"==", "!=", MUTANT_RELATIONAL, IN_ALL, false, false},
        {"!=", "==", MUTANT_RELATIONAL, IN_ALL, false, false},
        {"<=", "<", MUTANT_RELATIONAL, IN_C | IN_PYTHON, false, false},
        {">=", ">", MUTANT_RELATIONAL, IN_C | IN_PYTHON, false, false},
        {"&&", "||", MUTANT_BOOLEAN, IN_C | IN_SHELL, false, false},
        {"||", "&&", MUTANT_BOOLEAN, IN_C | IN_SHELL, false, false},
        {"+=", "-=", MUTANT_ARITHMETIC, IN_C | IN_PYTHON, false, false},
        {"-=", "+=", MUTANT_ARITHMETIC, IN_C | IN_PYTHON, false, false},
        {"<", "<=", MUTANT_RELATIONAL, IN_C | IN_PYTHON, true, false},
        {">", ">=", MUTANT_RELATIONAL, IN_C | IN_PYTHON, true, false},
        {"+", "-", MUTANT_ARITHMETIC, IN_C | IN_PYTHON, true, false},
        {"-", "+", MUTANT_ARITHMETIC, IN_C | IN_PYTHON, true, false},
        {"*", "/", MUTANT_ARITHMETIC, IN_C | IN_PYTHON, true, false},
        {"/", "*", MUTANT_ARITHMETIC, IN_C | IN_PYTHON, true, false},
        {"//", "*", MUTANT_ARITHMETIC, IN_PYTHON, true, false},
        {"%", "*", MUTANT_ARITHMETIC, IN_C | IN_PYTHON, true, false},
        {"and", "or", MUTANT_BOOLEAN, IN_PYTHON, false, true},
        {"or", "and", MUTANT_BOOLEAN, IN_PYTHON, false, true},
        {"not ", "", MUTANT_BOOLEAN, IN_PYTHON, false, true},
        {"True", "False", MUTANT_BOOLEAN, IN_PYTHON, false, true},
        {"False", "True", MUTANT_BOOLEAN, IN_PYTHON, false, true},
        {"true", "false", MUTANT_BOOLEAN, IN_C, false, true},
        {"false", "true", MUTANT_BOOLEAN, IN_C, false, true},
        {"-lt", "-le", MUTANT_RELATIONAL, IN_SHELL, true, false},
        {"-le", "-lt", MUTANT_RELATIONAL, IN_SHELL, true, false},
        {"-gt", "-ge", MUTANT_RELATIONAL, IN_SHELL, true, false},
        {"-ge", "-gt", MUTANT_RELATIONAL, IN_SHELL, true, false},
        {"-eq", "-ne", MUTANT_RELATIONAL, IN_SHELL, true, false},
        {"-ne", "-eq", MUTANT_RELATIONAL, IN_SHELL, true, false},
        {"min", "max", MUTANT_WRONG_CALL, IN_PYTHON | IN_C, false, true},
        {"max", "min", MUTANT_WRONG_CALL, IN_PYTHON | IN_C, false, true},
        {"any", "all", MUTANT_WRONG_CALL, IN_PYTHON, false, true},
        {"all", "any", MUTANT_WRONG_CALL, IN_PYTHON, false, true},
        {"break", "continue", MUTANT_WRONG_CALL, IN_PYTHON | IN_C, false, true},
        {".lower", ".upper", MUTANT_WRONG_CALL, IN_PYTHON, false, true},
        {".upper", ".lower", MUTANT_WRONG_CALL, IN_PYTHON, false, true},
        {".startswith", ".endswith", MUTANT_WRONG_CALL, IN_PYTHON, false, true},
        {".endswith", ".startswith", MUTANT_WRONG_CALL, IN_PYTHON, false, true},
        {".append", ".extend", MUTANT_WRONG_CALL, IN_PYTHON, false, true},
        {".isdigit", ".isalpha", MUTANT_WRONG_CALL, IN_PYTHON, false, true},
        {".isalpha", ".isdigit", MUTANT_WRONG_CALL, IN_PYTHON, false, true},
        {".keys", ".values", MUTANT_WRONG_CALL, IN_PYTHON, false, true},
        {".values", ".keys", MUTANT_WRONG_CALL, IN_PYTHON, false, true},
        {"-z", "-n", MUTANT_BOOLEAN, IN_SHELL, true, false},
        {"-n", "-z", MUTANT_BOOLEAN, IN_SHELL, true, false},
};

bool mutants_is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

char mutants_byte(const struct mutant_text *text, size_t at)
{
    if (at >= text->bytes.len)
        return '\0';
    return text->bytes.data[at];
}

char mutants_byte_before(const struct mutant_text *text, size_t at)
{
    if (at == 0)
        return '\n';
    return text->bytes.data[at - 1];
}

// A sign that is part of a longer one ("<<", "->", "++") is not what it seems.
static bool stands_alone(const struct mutant_text *text, size_t at, size_t len)
{
    static const char signs[] = "<>=!&|+-*/%";
    const char before = mutants_byte_before(text, at), after = mutants_byte(text, at + len);

    return !(before && strchr(signs, before)) && !(after && strchr(signs, after));
}

static bool rule_holds(const struct mutant_text *text, size_t at, const struct rule *rule)
{
    const size_t len = strlen(rule->was);
    const char before = mutants_byte_before(text, at), after = mutants_byte(text, at + len);

    if (!(rule->families >> text->family & 1) || text->bytes.len - at < len ||
            memcmp(text->bytes.data + at, rule->was, len) != 0)
        return false;
    if (rule->word && rule->was[0] == '.')
        return !mutants_is_name(after);
    if (rule->word)
        return !mutants_is_name(before) && before != '.' &&
                (!mutants_is_name(after) || rule->was[len - 1] == ' ');
    if (rule->spaced)
        return is_blank(before) && is_blank(after);
    return stands_alone(text, at, len);
}

static size_t add_rule(
        struct mutant_candidates *out, const struct mutant_text *text, size_t line, size_t at)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct rule *rule = &rules[i];
        const struct mutant_candidate candidate = {.source = text->source,
                .operator= rule->operator,
                .line = line + 1,
                .at = at,
                .len = strlen(rule->was),
                .text = {rule->now, strlen(rule->now)}};

        if (!rule_holds(text, at, rule))
            continue;
        mutants_add(out, &candidate);
        return candidate.len;
    }
    return 0;
}

// "!x" becomes "x".
static size_t add_negation(
        struct mutant_candidates *out, const struct mutant_text *text, size_t line, size_t at)
{
    const char after = mutants_byte(text, at + 1);
    const struct mutant_candidate candidate = {.source = text->source,
            .operator= MUTANT_BOOLEAN,
            .line = line + 1,
            .at = at,
            .len = 1,
            .text = {"", 0}};

    if (text->family != MUTANT_C || mutants_byte(text, at) != '!' ||
            !(mutants_is_name(after) || after == '('))
        return 0;
    mutants_add(out, &candidate);
    return 1;
}

// A whole number that is no part of a name, a fraction or an exponent.
static enum assay_status add_constant(struct mutant_candidates *out, const struct mutant_text *text,
        size_t line, size_t at, size_t *taken, struct assay_arena *arena, struct assay_error *err)
{
    const char before = mutants_byte_before(text, at);
    struct mutant_candidate candidate = {
            .source = text->source, .operator= MUTANT_CONSTANT, .line = line + 1, .at = at};
    const char *more;
    long value = 0; // not by strtol(): nothing need end the text
    size_t len = 0;

    for (; is_digit(mutants_byte(text, at + len)); len++)
        value = len < 9 ? value * 10 + (mutants_byte(text, at + len) - '0') : value;
    *taken = len;
    if (len == 0 || len > 9 || mutants_is_name(before) || before == '.' || before == '$' ||
            mutants_is_name(mutants_byte(text, at + len)) || mutants_byte(text, at + len) == '.')
        return ASSAY_OK;
    more = assay_arena_printf(arena, "%ld", value + 1);
    if (!more)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    candidate.len = len;
    candidate.text = (struct assay_bytes){more, strlen(more)};
    mutants_add(out, &candidate);
    if (value == 0 || out->set != ASSAY_MUTANTS_ALL)
        return ASSAY_OK;
    more = assay_arena_printf(arena, "%ld", value - 1);
    if (!more)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    candidate.operator= MUTANT_OFF_BY_ONE;
    candidate.text = (struct assay_bytes){more, strlen(more)};
    mutants_add(out, &candidate);
    return ASSAY_OK;
}

enum assay_status mutants_find_tokens(struct mutant_candidates *out, const struct mutant_text *text,
        size_t line, struct assay_arena *arena, struct assay_error *err)
{
    const size_t end = text->starts[line + 1];
    enum assay_status status = ASSAY_OK;

    for (size_t at = text->starts[line]; at < end && status == ASSAY_OK;) {
        size_t taken = 0;

        if (!text->code[at]) {
            at++;
            continue;
        }
        taken = add_rule(out, text, line, at);
        if (taken == 0)
            taken = add_negation(out, text, line, at);
        if (taken == 0 && is_digit(mutants_byte(text, at)))
            status = add_constant(out, text, line, at, &taken, arena, err);
        at += taken ? taken : 1;
    }
    return status;
}
