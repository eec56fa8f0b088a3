// SPDX-License-Identifier: MIT
// log_text.c - text as Python's str has it, over UTF-8 bytes.
#include <string.h>

#include "base/utf8.h"
#include "rewards/log_parse.h"

#define REPLACEMENT "\xef\xbf\xbd" // U+FFFD

size_t assay_py_space(struct assay_text text)
{
    // U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F, U+3000: three bytes each.
    static const char wide[][3] = {"\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
            "\xe2\x81\x9f", "\xe3\x80\x80"};
    const unsigned char first = text.len > 0 ? (unsigned char)text.data[0] : 'x';

    if (first < 0x80)
        return (first >= '\t' && first <= '\r') || (first >= 0x1c && first <= ' ');
    if (first == 0xc2 && text.len >= 2)
        return (unsigned char)text.data[1] == 0x85 || (unsigned char)text.data[1] == 0xa0 ? 2 : 0;
    if (text.len < 3)
        return 0;
    if (memcmp(text.data, "\xe2\x80", 2) == 0 && (unsigned char)text.data[2] >= 0x80 &&
            (unsigned char)text.data[2] <= 0x8a)
        return 3;
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
        if (memcmp(text.data, wide[i], 3) == 0)
            return 3;
    return 0;
}

struct assay_text assay_py_lstrip(struct assay_text text)
{
    size_t space;

    while ((space = assay_py_space(text)) > 0) {
        text.data += space;
        text.len -= space;
    }
    return text;
}

struct assay_text assay_py_rstrip(struct assay_text text)
{
    while (text.len > 0) {
        size_t start = text.len - 1;

        while (start > 0 && ((unsigned char)text.data[start] & 0xc0) == 0x80)
            start--;
        if (assay_py_space((struct assay_text){text.data + start, text.len - start}) == 0)
            break;
        text.len = start;
    }
    return text;
}

struct assay_text assay_py_strip(struct assay_text text)
{
    return assay_py_lstrip(assay_py_rstrip(text));
}

size_t assay_py_length(struct assay_text text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

size_t assay_py_indent(struct assay_text line)
{
    const struct assay_text rest = assay_py_lstrip(line);

    return assay_py_length((struct assay_text){line.data, line.len - rest.len});
}

bool assay_py_line(struct assay_text *rest, struct assay_text *line)
{
    const char *end;

    if (rest->data == NULL)
        return false;
    end = memchr(rest->data, '\n', rest->len);
    if (end == NULL) {
        *line = *rest;
        *rest = (struct assay_text){NULL, 0};
        return true;
    }
    *line = (struct assay_text){rest->data, (size_t)(end - rest->data)};
    rest->len -= line->len + 1;
    rest->data = end + 1;
    return true;
}

bool assay_py_word(struct assay_text *rest, struct assay_text *word)
{
    const struct assay_text text = assay_py_lstrip(*rest);
    size_t len = 0;

    if (text.len == 0)
        return false;
    while (len < text.len &&
            assay_py_space((struct assay_text){text.data + len, text.len - len}) == 0)
        len++;
    *word = (struct assay_text){text.data, len};
    *rest = (struct assay_text){text.data + len, text.len - len};
    return true;
}

bool assay_py_starts(struct assay_text text, const char *prefix)
{
    const size_t len = strlen(prefix);

    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

bool assay_py_ends(struct assay_text text, const char *suffix)
{
    const size_t len = strlen(suffix);

    return text.len >= len && memcmp(text.data + text.len - len, suffix, len) == 0;
}

bool assay_py_cut(struct assay_text text, const char *mark, struct assay_text *before,
        struct assay_text *after)
{
    const size_t len = strlen(mark);
    const char *at = text.len >= len ? memmem(text.data, text.len, mark, len) : NULL;

    if (at == NULL) {
        *before = text;
        *after = (struct assay_text){text.data + text.len, 0};
        return false;
    }
    *before = (struct assay_text){text.data, (size_t)(at - text.data)};
    *after = (struct assay_text){at + len, text.len - before->len - len};
    return true;
}

bool assay_py_rcut(struct assay_text text, const char *mark, struct assay_text *before,
        struct assay_text *after)
{
    const size_t len = strlen(mark);

    for (size_t at = text.len >= len ? text.len - len + 1 : 0; at-- > 0;) {
        if (memcmp(text.data + at, mark, len) != 0)
            continue;
        *before = (struct assay_text){text.data, at};
        *after = (struct assay_text){text.data + at + len, text.len - at - len};
        return true;
    }
    *before = text;
    *after = (struct assay_text){text.data + text.len, 0};
    return false;
}

struct assay_text assay_py_replace(
        struct assay_log_run *run, struct assay_text text, const char *from, const char *to)
{
    const size_t to_len = strlen(to);
    struct assay_text before, rest = text;
    char *made, *at;

    // No replacement here is longer than what it replaces.
    if (!assay_py_cut(text, from, &before, &rest))
        return text;
    made = assay_arena_alloc(run->arena, text.len + 1);
    if (made == NULL) {
        run->no_memory = true;
        return text;
    }
    at = mempcpy(made, before.data, before.len);
    for (bool more = true; more;) {
        at = mempcpy(at, to, to_len);
        more = assay_py_cut(rest, from, &before, &rest);
        at = mempcpy(at, before.data, before.len);
    }
    return (struct assay_text){made, (size_t)(at - made)};
}

// Length of the escape sequence at the start of the text: ESC and one of @-Z \ - _, or ESC [,
// parameters, intermediates, and a final byte. 0: there is none.
static size_t escape_length(struct assay_text text)
{
    size_t len = 2;

    if (text.len < 2 || text.data[0] != 0x1b)
        return 0;
    if (text.data[1] != '[')
        return (text.data[1] >= '@' && text.data[1] <= 'Z') ||
                        (text.data[1] >= '\\' && text.data[1] <= '_')
                ? 2
                : 0;
    while (len < text.len && text.data[len] >= '0' && text.data[len] <= '?')
        len++;
    while (len < text.len && text.data[len] >= ' ' && text.data[len] <= '/')
        len++;
    return len < text.len && text.data[len] >= '@' && text.data[len] <= '~' ? len + 1 : 0;
}

struct assay_text assay_py_plain(struct assay_log_run *run, struct assay_text text)
{
    char *made;
    size_t len = 0;

    if (memchr(text.data, 0x1b, text.len) == NULL)
        return text;
    made = assay_arena_alloc(run->arena, text.len + 1);
    if (made == NULL) {
        run->no_memory = true;
        return text;
    }
    for (size_t i = 0; i < text.len;) {
        const size_t skip = escape_length((struct assay_text){text.data + i, text.len - i});

        if (skip == 0)
            made[len++] = text.data[i++];
        i += skip;
    }
    return (struct assay_text){made, len};
}

// --- bytes to text -------------------------------------------------------------------------------

// How many bytes one U+FFFD stands for: as long as they could still have begun a character.
static size_t maximal_subpart(const char *bytes, size_t left)
{
    const unsigned char *at = (const unsigned char *)bytes;
    unsigned char low = 0x80, high = 0xbf;
    size_t want = 0, len = 1;

    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        want = 2;
    else if (at[0] >= 0xe0 && at[0] <= 0xef)
        want = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        want = 4;
    if (at[0] == 0xe0)
        low = 0xa0;
    else if (at[0] == 0xed)
        high = 0x9f;
    else if (at[0] == 0xf0)
        low = 0x90;
    else if (at[0] == 0xf4)
        high = 0x8f;
    while (len < want && len < left && at[len] >= low && at[len] <= high) {
        low = 0x80;
        high = 0xbf;
        len++;
    }
    return len;
}

// The first byte from `at` on that decoding would change; `len` when there is none.
static size_t first_changed(struct assay_bytes bytes, bool newlines)
{
    size_t at = 0;

    while (at < bytes.len) {
        const size_t len = assay_utf8_length(bytes.data + at, bytes.len - at);

        if (len == 0 || (newlines && bytes.data[at] == '\r'))
            break;
        at += len;
    }
    return at;
}

struct assay_bytes assay_log_decode(
        struct assay_bytes bytes, bool newlines, struct assay_arena *arena)
{
    size_t at = first_changed(bytes, newlines), size = bytes.len + 1;
    char *made, *end;

    if (bytes.data == NULL)
        return (struct assay_bytes){"", 0};
    if (at == bytes.len)
        return bytes;
    for (size_t i = at; i < bytes.len; i++)
        size += ((unsigned char)bytes.data[i] & 0x80) != 0 ? strlen(REPLACEMENT) - 1 : 0;
    made = assay_arena_alloc(arena, size);
    if (made == NULL)
        return (struct assay_bytes){NULL, 0};
    end = mempcpy(made, bytes.data, at);
    while (at < bytes.len) {
        const size_t len = assay_utf8_length(bytes.data + at, bytes.len - at);

        if (len == 0) {
            end = mempcpy(end, REPLACEMENT, strlen(REPLACEMENT));
            at += maximal_subpart(bytes.data + at, bytes.len - at);
        } else if (newlines && bytes.data[at] == '\r') {
            *end++ = '\n';
            at += at + 1 < bytes.len && bytes.data[at + 1] == '\n' ? 2 : 1;
        } else {
            end = mempcpy(end, bytes.data + at, len);
            at += len;
        }
    }
    *end = '\0';
    return (struct assay_bytes){made, (size_t)(end - made)};
}
