// SPDX-License-Identifier: MIT
#include "tasks/toml_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define WORD_BYTES_MAX 64
#define DIGITS "0123456789"

void assay_toml_scan_begin(struct assay_toml_scan *scan, const char *text, size_t len)
{
    *scan = (struct assay_toml_scan){text, text + len, 1};
}

void assay_toml_scan_space(struct assay_toml_scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t'))
        scan->at++;
}

static void skip_comment(struct assay_toml_scan *scan)
{
    if (scan->at < scan->end && *scan->at == '#')
        while (scan->at < scan->end && *scan->at != '\n' && *scan->at != '\r')
            scan->at++;
}

// "\n" or "\r\n".
static bool take_line_end(struct assay_toml_scan *scan)
{
    const char *at = scan->at;

    if (at < scan->end && *at == '\r')
        at++;
    if (at == scan->end || *at != '\n')
        return false;
    scan->at = at + 1;
    scan->line++;
    return true;
}

void assay_toml_scan_lines(struct assay_toml_scan *scan)
{
    do {
        assay_toml_scan_space(scan);
        skip_comment(scan);
    } while (take_line_end(scan));
}

bool assay_toml_scan_take(struct assay_toml_scan *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

bool assay_toml_scan_line_end(struct assay_toml_scan *scan)
{
    assay_toml_scan_space(scan);
    skip_comment(scan);
    return scan->at == scan->end || take_line_end(scan);
}

// --- texts ---------------------------------------------------------------------------------------

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

// What stands behind a backslash, into out; 0: nothing that TOML knows.
static size_t read_escape(struct assay_toml_scan *scan, char *out)
{
    static const char from[] = "btnfr\"\\";
    static const char to[] = "\b\t\n\f\r\"\\";
    const char *found;
    unsigned long c = 0;
    size_t digits;

    if (scan->at == scan->end || *scan->at == '\0')
        return 0;
    found = strchr(from, *scan->at);
    digits = *scan->at == 'u' ? 4 : *scan->at == 'U' ? 8 : 0;
    scan->at++;
    if (found != NULL) {
        *out = to[found - from];
        return 1;
    }
    for (size_t i = 0; i < digits; i++, scan->at++) {
        const int digit = scan->at < scan->end ? hex_digit(*scan->at) : -1;

        if (digit < 0)
            return 0;
        c = c << 4 | (unsigned long)digit;
    }
    if (digits == 0 || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
        return 0;
    return assay_utf8_put(out, (uint32_t)c);
}

// A backslash at the end of a line takes the line end and all white space behind it.
static bool skip_continued(struct assay_toml_scan *scan)
{
    struct assay_toml_scan ahead = *scan;

    assay_toml_scan_space(&ahead);
    if (!take_line_end(&ahead))
        return false;
    do
        assay_toml_scan_space(&ahead);
    while (take_line_end(&ahead));
    *scan = ahead;
    return true;
}

struct quoting {
    char quote;
    bool raw, lines; // '...', """..."""
};

// How many quotes stand here, 5 at most.
static size_t quotes_ahead(const struct assay_toml_scan *scan, char quote)
{
    size_t count = 0;

    while (count < 5 && scan->at + count < scan->end && scan->at[count] == quote)
        count++;
    return count;
}

// One character of a text, or its end. False: refused.
static bool read_piece(struct assay_toml_scan *scan, const struct quoting *quoting, char *out,
        size_t *len, bool *ended, const char **wrong)
{
    const size_t quotes = quotes_ahead(scan, quoting->quote);
    const char *start = scan->at;
    size_t made = 1;

    if (quotes >= (quoting->lines ? 3u : 1u)) {
        // Up to two quotes of the text may stand before the three that end it.
        const size_t own = quoting->lines ? quotes - 3 : 0;

        memset(out + *len, quoting->quote, own);
        *len += own;
        scan->at += quoting->lines ? quotes : 1;
        *ended = true;
        return true;
    }
    if (*scan->at == '\\' && !quoting->raw) {
        scan->at++;
        if (quoting->lines && skip_continued(scan))
            return true;
        made = read_escape(scan, out + *len);
        if (made == 0)
            *wrong = "an escape that TOML does not know";
        *len += made;
        return made > 0;
    }
    if (take_line_end(scan)) {
        if (!quoting->lines)
            *wrong = "the text does not end on its line";
        made = (size_t)(scan->at - start);
    } else if (((unsigned char)*start < 0x20 && *start != '\t') || *start == 0x7f) {
        *wrong = "a control character in a text";
    } else {
        scan->at++;
    }
    if (*wrong != NULL)
        return false;
    memcpy(out + *len, start, made);
    *len += made;
    return true;
}

bool assay_toml_scan_text(struct assay_toml_scan *scan, char **out, size_t *len,
        struct assay_arena *arena, const char **wrong)
{
    struct quoting quoting = {.quote = *scan->at, .raw = *scan->at == '\''};
    char *text = assay_arena_alloc(arena, (size_t)(scan->end - scan->at) + 1);
    bool ended = false;

    if (text == NULL) {
        *wrong = "out of memory";
        return false;
    }
    quoting.lines = quotes_ahead(scan, quoting.quote) >= 3;
    scan->at += quoting.lines ? 3 : 1;
    if (quoting.lines)
        (void)take_line_end(scan); // right behind the quotes it is no part of the text
    *len = 0;
    while (!ended) {
        if (scan->at == scan->end) {
            *wrong = "the text does not end";
            return false;
        }
        if (!read_piece(scan, &quoting, text, len, &ended, wrong))
            return false;
    }
    text[*len] = '\0';
    *out = text;
    return true;
}

static bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
            c == '-';
}

bool assay_toml_scan_key(
        struct assay_toml_scan *scan, char **out, struct assay_arena *arena, const char **wrong)
{
    const char *start = scan->at;
    size_t len = 0;

    if (start < scan->end && (*start == '"' || *start == '\'')) {
        if (quotes_ahead(scan, *start) >= 3)
            *wrong = "a key cannot be a text of several lines";
        else if (assay_toml_scan_text(scan, out, &len, arena, wrong) && strlen(*out) != len)
            *wrong = "a key with a NUL";
        return *wrong == NULL;
    }
    while (scan->at < scan->end && is_bare(*scan->at))
        scan->at++;
    if (scan->at == start) {
        *wrong = "expected a key";
        return false;
    }
    *out = assay_arena_memdup(arena, start, (size_t)(scan->at - start));
    if (*out == NULL)
        *wrong = "out of memory";
    return *out != NULL;
}

// --- numbers, booleans, times --------------------------------------------------------------------

// Digits of `allowed` with single underscores between them, copied without. False: they are not.
static bool copy_digits(char *out, size_t *len, const char **at, const char *allowed)
{
    const char *start = *at;

    while (**at != '\0' && (strchr(allowed, **at) != NULL || **at == '_')) {
        if (**at == '_' &&
                (*at == start || (*at)[-1] == '_' || (*at)[1] == '\0' ||
                        strchr(allowed, (*at)[1]) == NULL))
            return false;
        if (**at != '_')
            out[(*len)++] = **at;
        (*at)++;
    }
    return *at > start;
}

static bool read_based(double *out, const char *word)
{
    static const struct {
        const char *prefix, *digits;
        int base;
    } bases[] = {{"0x", DIGITS "abcdefABCDEF", 16}, {"0o", "01234567", 8}, {"0b", "01", 2}};

    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        char digits[WORD_BYTES_MAX + 1];
        const char *at = word + 2;
        size_t len = 0;

        if (strncmp(word, bases[i].prefix, 2) != 0)
            continue;
        if (!copy_digits(digits, &len, &at, bases[i].digits) || *at != '\0')
            return false;
        digits[len] = '\0';
        *out = (double)strtoull(digits, NULL, bases[i].base);
        return true;
    }
    return false;
}

// Decimal integers and floats.
static bool read_decimal(struct assay_toml_word *out, const char *word)
{
    char digits[WORD_BYTES_MAX + 8] = "";
    const char *at = word;
    size_t len = 0, start;
    bool whole = true;

    if (*at == '+' || *at == '-')
        digits[len++] = *at++;
    if (strcmp(at, "inf") == 0 || strcmp(at, "nan") == 0) {
        out->kind = ASSAY_TOML_FLOAT;
        out->number = *at == 'n' ? (double)NAN : *word == '-' ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    start = len;
    if (!copy_digits(digits, &len, &at, DIGITS) || (digits[start] == '0' && len - start > 1))
        return false;
    if (*at == '.') {
        whole = false;
        digits[len++] = *at++;
        if (!copy_digits(digits, &len, &at, DIGITS))
            return false;
    }
    if (*at == 'e' || *at == 'E') {
        whole = false;
        digits[len++] = *at++;
        if (*at == '+' || *at == '-')
            digits[len++] = *at++;
        if (!copy_digits(digits, &len, &at, DIGITS))
            return false;
    }
    digits[len] = '\0';
    out->kind = whole ? ASSAY_TOML_INTEGER : ASSAY_TOML_FLOAT;
    out->number = strtod(digits, NULL);
    return *at == '\0';
}

// `pattern` with 'd' for a digit stands at *at.
static bool take_pattern(const char **at, const char *pattern)
{
    const char *to = *at;

    for (; *pattern != '\0'; pattern++, to++)
        if (*pattern == 'd' ? (*to < '0' || *to > '9') : *to != *pattern)
            return false;
    *at = to;
    return true;
}

static unsigned two(const char *digits)
{
    return (unsigned)(digits[0] - '0') * 10 + (unsigned)(digits[1] - '0');
}

static bool take_clock(const char **at)
{
    const char *start = *at;

    if (!take_pattern(at, "dd:dd:dd") || two(start) > 23 || two(start + 3) > 59 ||
            two(start + 6) > 60)
        return false;
    if (**at == '.') {
        (*at)++;
        if (**at < '0' || **at > '9')
            return false;
        while (**at >= '0' && **at <= '9')
            (*at)++;
    }
    return true;
}

static bool is_time(const char *word)
{
    const char *at = word;

    if (take_clock(&at))
        return *at == '\0';
    at = word;
    if (!take_pattern(&at, "dddd-dd-dd") || two(word + 5) < 1 || two(word + 5) > 12 ||
            two(word + 8) < 1 || two(word + 8) > 31)
        return false;
    if (*at == '\0')
        return true;
    if (strchr("Tt ", *at) == NULL)
        return false;
    at++;
    if (!take_clock(&at))
        return false;
    if (*at == 'Z' || *at == 'z')
        at++;
    else if (*at == '+' || *at == '-')
        return (at++, take_pattern(&at, "dd:dd")) && *at == '\0';
    return *at == '\0';
}

bool assay_toml_scan_word(
        struct assay_toml_scan *scan, struct assay_toml_word *out, const char **wrong)
{
    const char *start = scan->at;
    char word[WORD_BYTES_MAX + 1];
    size_t len;

    while (scan->at < scan->end && (is_bare(*scan->at) || strchr("+.:", *scan->at) != NULL) &&
            *scan->at != '\0')
        scan->at++;
    // A date and a time may have a space between them.
    if (scan->at - start == 10 && scan->end - scan->at > 3 && scan->at[0] == ' ' &&
            scan->at[1] >= '0' && scan->at[1] <= '9' && start[4] == '-')
        for (scan->at++; scan->at < scan->end && *scan->at != '\0' &&
                (is_bare(*scan->at) || strchr("+.:", *scan->at) != NULL);)
            scan->at++;
    len = (size_t)(scan->at - start);
    *out = (struct assay_toml_word){ASSAY_TOML_BOOL, start, len, 0.0};
    if (len == 0 || len > WORD_BYTES_MAX) {
        *wrong = "expected a value";
        return false;
    }
    memcpy(word, start, len);
    word[len] = '\0';
    if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0) {
        out->number = word[0] == 't';
        return true;
    }
    out->kind = ASSAY_TOML_INTEGER;
    if (read_based(&out->number, word) || read_decimal(out, word))
        return true;
    out->kind = ASSAY_TOML_TIME;
    out->number = 0.0;
    if (is_time(word))
        return true;
    *wrong = "neither a text nor a number, a boolean, a time, a list or a table";
    return false;
}
