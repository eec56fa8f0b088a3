// SPDX-License-Identifier: MIT
// patch_name.c - file names in the headers of a diff: quoted, prefixed, followed by time stamps.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/patch_read.h"

static struct assay_bytes skip(struct assay_bytes text, size_t count)
{
    return (struct assay_bytes){.data = text.data + count, .len = text.len - count};
}

// One escape after a backslash at text[*at]; -1 when git knows no such escape.
static int read_escape(struct assay_bytes text, size_t *at)
{
    static const char letters[] = "abfnrtv\\\"";
    static const char values[] = "\a\b\f\n\r\t\v\\\"";
    const char *letter = NULL;
    int value = 0;
    char c = 0;

    if (*at >= text.len || text.data[*at] == '\0')
        return -1;
    c = text.data[*at];
    letter = strchr(letters, c);
    if (letter != NULL) {
        (*at)++;
        return (unsigned char)values[letter - letters];
    }
    if (c < '0' || c > '3' || text.len - *at < 3)
        return -1;
    for (size_t i = 0; i < 3; i++) {
        const char digit = text.data[(*at)++];

        if (digit < '0' || digit > '7')
            return -1;
        value = value * 8 + (digit - '0');
    }
    return value;
}

char *patch_name_unquote(struct patch_reader *reader, struct assay_bytes text, size_t *used)
{
    char *name = NULL;
    size_t len = 0;

    if (text.len == 0 || text.data[0] != '"')
        return NULL;
    name = assay_arena_alloc(reader->arena, text.len);
    if (name == NULL)
        return NULL;
    for (size_t at = 1; at < text.len;) {
        int c = (unsigned char)text.data[at++];

        if (c == '"') {
            name[len] = '\0';
            *used = at;
            return name;
        }
        if (c == '\\')
            c = read_escape(text, &at);
        if (c <= 0 || c == '\n')
            return NULL; // NUL cannot be part of a name
        name[len++] = (char)c;
    }
    return NULL;
}

// In place: "a//b" means "a/b".
static const char *squash_slashes(char *name)
{
    char *to = name;

    if (name == NULL)
        return NULL;
    for (const char *from = name; *from != '\0'; from++) {
        if (*from != '/' || to == name || to[-1] != '/')
            *to++ = *from;
    }
    *to = '\0';
    return name;
}

// Behind the strip-th slash; NULL when there are fewer.
static const char *after_components(const char *name, size_t len, unsigned strip)
{
    const char *end = name + len;

    for (; strip > 0; strip--) {
        const char *slash = memchr(name, '/', (size_t)(end - name));

        if (slash == NULL)
            return NULL;
        name = slash + 1;
    }
    return name;
}

static const char *copy_name(struct patch_reader *reader, const char *name, size_t len)
{
    if (memchr(name, '\0', len) != NULL)
        return NULL;
    return squash_slashes(assay_arena_memdup(reader->arena, name, len));
}

static const char *read_plain(struct patch_reader *reader, struct assay_bytes text, size_t len,
        unsigned strip, const char *preferred)
{
    const char *start = after_components(text.data, len, strip);
    const size_t start_len = start != NULL ? (size_t)(text.data + len - start) : 0;

    if (start_len == 0)
        return preferred;
    if (preferred != NULL && strlen(preferred) < start_len &&
            memcmp(start, preferred, strlen(preferred)) == 0)
        return preferred;
    return copy_name(reader, start, start_len);
}

static const char *read_quoted(struct patch_reader *reader, struct assay_bytes text, unsigned strip)
{
    size_t used = 0;
    char *name = patch_name_unquote(reader, text, &used);
    const char *start = name != NULL ? after_components(name, strlen(name), strip) : NULL;

    return start != NULL ? copy_name(reader, start, strlen(start)) : NULL;
}

static size_t plain_length(struct assay_bytes text, enum patch_name_end end)
{
    size_t len = 0;

    while (len < text.len) {
        const unsigned char c = (unsigned char)text.data[len];

        if (isspace(c) && c != ' ' && (c != '\t' || end == PATCH_NAME_TO_TAB))
            break;
        len++;
    }
    return len;
}

const char *patch_name_read(struct patch_reader *reader, struct assay_bytes text, unsigned strip,
        enum patch_name_end end, const char *preferred)
{
    const char *name = read_quoted(reader, text, strip);

    if (name != NULL)
        return name;
    return read_plain(reader, text, plain_length(text, end), strip, preferred);
}

// Does text end like `pattern`, where 0 stands for any digit and + for either sign?
static bool ends_like(const char *text, size_t len, const char *pattern)
{
    const size_t pattern_len = strlen(pattern);

    if (len < pattern_len)
        return false;
    text += len - pattern_len;
    for (size_t i = 0; i < pattern_len; i++) {
        const char c = text[i];
        const bool same = pattern[i] == '0' ? isdigit((unsigned char)c) != 0
                : pattern[i] == '+'         ? c == '+' || c == '-'
                                            : c == pattern[i];

        if (!same)
            return false;
    }
    return true;
}

// Length of text without what is like `pattern` at its end.
static size_t without(const char *text, size_t len, const char *pattern)
{
    return ends_like(text, len, pattern) ? len - strlen(pattern) : len;
}

static size_t without_time(const char *text, size_t len)
{
    size_t whole = len;

    if (ends_like(text, len, " 00:00:00"))
        return len - strlen(" 00:00:00");
    while (whole > 1 && isdigit((unsigned char)text[whole - 1]))
        whole--;
    if (whole < len && text[whole - 1] == '.' && ends_like(text, whole - 1, " 00:00:00"))
        return whole - 1 - strlen(" 00:00:00");
    return len;
}

// Length of the name in front of "2010-07-05 19:41:17.620000023 -0500" in any of
// its shorter forms; 0 when no such stamp ends the line.
static size_t length_before_stamp(const char *text, size_t len)
{
    size_t left = without(text, len, ends_like(text, len, " +0000") ? " +0000" : " +00:00");

    if (len == 0 || !isdigit((unsigned char)text[len - 1]))
        return 0;
    left = without_time(text, left);
    if (!ends_like(text, left, "00-00-00"))
        return 0;
    left = without(text, left, ends_like(text, left, "0000-00-00") ? "0000-00-00" : "00-00-00");
    if (left == 0)
        return 0;
    if (text[left - 1] == '\t')
        return left - 1;
    if (text[left - 1] != ' ')
        return 0;
    while (left > 0 && text[left - 1] == ' ') // a tab that some mailer turned into spaces
        left--;
    return left;
}

const char *patch_name_read_stamped(
        struct patch_reader *reader, struct assay_bytes text, unsigned strip, const char *preferred)
{
    const char *name = read_quoted(reader, text, strip);
    size_t len = text.len > 0 && text.data[text.len - 1] == '\n' ? text.len - 1 : text.len;

    if (name != NULL)
        return name;
    if (reader->tolerant && len > 0 && text.data[len - 1] == '\r')
        len--;
    len = length_before_stamp(text.data, len);
    if (len == 0)
        len = plain_length(text, PATCH_NAME_TO_TAB);
    return read_plain(reader, text, len, strip, preferred);
}

bool patch_name_is_dev_null(struct assay_bytes text)
{
    static const char null_name[] = "/dev/null";
    const size_t len = sizeof(null_name) - 1;

    return text.len > len && memcmp(text.data, null_name, len) == 0 &&
            isspace((unsigned char)text.data[len]);
}

// "hh:mm:00[.000] +zzzz" as minutes after midnight UTC, or -1.
static long stamp_minutes(const char *text)
{
    long minutes = 0, zone = 0;
    const char *p = text;
    int sign = 1;

    if (!ends_like(p, strnlen(p, 8), "00:00:00") || strncmp(p + 6, "00", 2) != 0)
        return -1;
    if (p[0] > '2' || p[3] > '5')
        return -1;
    minutes = strtol(p, NULL, 10) * 60 + strtol(p + 3, NULL, 10);
    p += 8;
    if (*p == '.') {
        const size_t zeros = strspn(p + 1, "0");

        if (zeros == 0)
            return -1;
        p += 1 + zeros;
    }
    if (*p++ != ' ' || (*p != '+' && *p != '-'))
        return -1;
    sign = *p++ == '-' ? -1 : 1;
    if (!ends_like(p, strnlen(p, 2), "00") || p[0] > '2')
        return -1;
    zone = strtol((char[]){p[0], p[1], '\0'}, NULL, 10) * 60;
    p += p[2] == ':' ? 3 : 2;
    if (!ends_like(p, strnlen(p, 2), "00") || p[0] > '5' || p[2] != '\0')
        return -1;
    return minutes - sign * (zone + strtol(p, NULL, 10));
}

bool patch_name_has_epoch(struct assay_bytes text)
{
    const char *tab = memrchr(text.data, '\t', text.len);
    char stamp[64] = "";
    size_t len = 0;

    if (tab == NULL)
        return false;
    len = (size_t)(text.data + text.len - tab) - 1;
    while (len > 0 && (tab[len] == '\n' || tab[len] == '\r'))
        len--;
    if (len >= sizeof(stamp))
        return false;
    memcpy(stamp, tab + 1, len);
    // West of Greenwich it was still 1969.
    if (strncmp(stamp, "1969-12-31 ", 11) == 0)
        return stamp_minutes(stamp + 11) == 24L * 60;
    return strncmp(stamp, "1970-01-01 ", 11) == 0 && stamp_minutes(stamp + 11) == 0;
}

// Like after_components() for "diff --git", where a path must not start with "/".
static const char *after_prefix(const char *name, size_t len, unsigned strip)
{
    if (len > 0 && name[0] == '/')
        return NULL;
    return after_components(name, len, strip);
}

static const char *read_pair_quoted(
        struct patch_reader *reader, struct assay_bytes text, const char **raw)
{
    size_t used = 0;
    const char *first = patch_name_unquote(reader, text, &used);
    const char *second = NULL;
    const char *name = NULL;

    if (first == NULL)
        return NULL;
    text = skip(text, used);
    while (text.len > 0 && isspace((unsigned char)text.data[0]))
        text = skip(text, 1);
    second = patch_name_unquote(reader, text, &used);
    if (second == NULL)
        return NULL; // git never quotes only one of two equal names
    *raw = second;
    first = after_prefix(first, strlen(first), reader->strip);
    name = after_prefix(second, strlen(second), reader->strip);
    if (first == NULL || name == NULL || strcmp(first, name) != 0)
        return NULL;
    return name;
}

// A space may be part of the name: the line is cut at each one, and counts when
// what follows the prefixes is the same on both sides.
const char *patch_name_read_pair(
        struct patch_reader *reader, struct assay_bytes text, const char **raw)
{
    size_t len = text.len;
    const char *name = NULL;

    if (len > 0 && text.data[0] == '"')
        return read_pair_quoted(reader, text, raw);
    if (len > 0 && text.data[len - 1] == '\n')
        len--;
    if (reader->tolerant && len > 0 && text.data[len - 1] == '\r')
        len--;
    name = after_prefix(text.data, len, reader->strip);
    if (name == NULL)
        return NULL;
    for (const char *end = text.data + len, *p = name; p < end; p++) {
        const char *second = NULL;
        const size_t name_len = (size_t)(p - name);

        if (*p != ' ' && *p != '\t')
            continue;
        second = after_prefix(p + 1, (size_t)(end - p) - 1, reader->strip);
        if (second != NULL && (size_t)(end - second) == name_len &&
                memcmp(name, second, name_len) == 0 && name_len > 0) {
            *raw = copy_name(reader, p + 1, (size_t)(end - p) - 1);
            return copy_name(reader, name, name_len);
        }
    }
    return NULL;
}
