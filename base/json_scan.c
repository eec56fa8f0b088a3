// SPDX-License-Identifier: MIT
// json_scan.c - RFC 8259 to the letter, and what we refuse on top: duplicate
// keys, \u0000, numbers that cJSON would cut off.
//
// The keys of every object that is open lie in one stack, decoded, and are
// sorted and compared when their object ends: n log n however hostile they are.
#include "base/json_scan.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"

enum {
    NUMBER_BYTES_MAX = 63, // cJSON's own buffer; it takes the rest for a syntax error
    SHOWN_BYTES_MAX = 60,  // of a key in a message
    PAIRS_KEYS_MAX = 16,   // of an object whose keys are compared without being sorted
};

struct key {
    const char *at; // its opening quote in the text
    size_t raw_len; // from there to behind the closing one
    size_t start;   // of its decoded bytes in key_text
    size_t len;
};

struct scan {
    const char *text;
    const char *at;
    const char *end;
    const char *source;
    size_t first_line;
    unsigned depth_left;
    struct assay_buf key_text; // decoded keys of the open objects
    struct key *keys;
    size_t key_count;
    size_t key_cap;
    struct assay_error *err;
};

static size_t line_at(const struct scan *scan, const char *at)
{
    size_t line = scan->first_line;

    for (const char *p = scan->text; p < at; p++)
        line += *p == '\n';
    return line;
}

static enum assay_status refuse(const struct scan *scan, const char *at, const char *fmt, ...)
        ASSAY_PRINTF(3, 4);

static enum assay_status refuse(const struct scan *scan, const char *at, const char *fmt, ...)
{
    char reason[160];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    return assay_fail(
            scan->err, ASSAY_EINVAL, "%s:%zu: %s", scan->source, line_at(scan, at), reason);
}

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end &&
            (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
        scan->at++;
}

static bool next_is(const struct scan *scan, char c)
{
    return scan->at < scan->end && *scan->at == c;
}

static enum assay_status expect(struct scan *scan, char c, const char *where)
{
    if (!next_is(scan, c))
        return refuse(scan, scan->at, "expected '%c' %s", c, where);
    scan->at++;
    return ASSAY_OK;
}

// Four hexadecimal digits at `at`, or -1.
static long hex4(const struct scan *scan, const char *at)
{
    long value = 0;

    if (scan->end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char c = at[i];

        value <<= 4;
        if (c >= '0' && c <= '9')
            value |= c - '0';
        else if (c >= 'a' && c <= 'f')
            value |= c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            value |= c - 'A' + 10;
        else
            return -1;
    }
    return value;
}

static void add_utf8(struct assay_buf *out, unsigned long c)
{
    char bytes[4];
    size_t len = 0;

    if (c < 0x80) {
        bytes[len++] = (char)c;
    } else if (c < 0x800) {
        bytes[len++] = (char)(0xc0 | c >> 6);
        bytes[len++] = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        bytes[len++] = (char)(0xe0 | c >> 12);
        bytes[len++] = (char)(0x80 | (c >> 6 & 0x3f));
        bytes[len++] = (char)(0x80 | (c & 0x3f));
    } else {
        bytes[len++] = (char)(0xf0 | c >> 18);
        bytes[len++] = (char)(0x80 | (c >> 12 & 0x3f));
        bytes[len++] = (char)(0x80 | (c >> 6 & 0x3f));
        bytes[len++] = (char)(0x80 | (c & 0x3f));
    }
    (void)assay_buf_add(out, bytes, len);
}

// \uXXXX, or two of them for a character above U+FFFF. scan->at is behind the 'u'.
static enum assay_status scan_unicode(struct scan *scan, struct assay_buf *decoded)
{
    long c = hex4(scan, scan->at);

    if (c < 0)
        return refuse(scan, scan->at, "\\u needs four hexadecimal digits");
    if (c == 0)
        return refuse(scan, scan->at, "\\u0000 in a string");
    scan->at += 4;
    if (c >= 0xdc00 && c <= 0xdfff)
        return refuse(scan, scan->at, "half of a surrogate pair");
    if (c >= 0xd800 && c <= 0xdbff) {
        const bool is_escape =
                scan->end - scan->at >= 6 && scan->at[0] == '\\' && scan->at[1] == 'u';
        const long low = is_escape ? hex4(scan, scan->at + 2) : -1;

        if (low < 0xdc00 || low > 0xdfff)
            return refuse(scan, scan->at, "half of a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        scan->at += 6;
    }
    if (decoded != NULL)
        add_utf8(decoded, (unsigned long)c);
    return ASSAY_OK;
}

// scan->at is on the backslash.
static enum assay_status scan_escape(struct scan *scan, struct assay_buf *decoded)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    const char *name = NULL;

    scan->at++;
    if (next_is(scan, 'u')) {
        scan->at++;
        return scan_unicode(scan, decoded);
    }
    if (scan->at < scan->end && *scan->at != '\0')
        name = strchr(names, *scan->at);
    if (name == NULL)
        return refuse(scan, scan->at, "unknown escape in a string");
    scan->at++;
    if (decoded != NULL)
        (void)assay_buf_addc(decoded, values[name - names]);
    return ASSAY_OK;
}

// A string; its decoded bytes are appended to `decoded` unless that is NULL.
// Bytes up to what needs a look: a quote, an escape, a control character, anything past ASCII.
static size_t plain_run(const struct scan *scan)
{
    const char *at = scan->at;

    while (at < scan->end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 &&
            *at != '"' && *at != '\\')
        at++;
    return (size_t)(at - scan->at);
}

static enum assay_status scan_string(struct scan *scan, struct assay_buf *decoded)
{
    enum assay_status status = expect(scan, '"', "to open a string");

    while (status == ASSAY_OK && !next_is(scan, '"')) {
        const char *from = scan->at;
        size_t len = 0;

        if (scan->at == scan->end)
            return refuse(scan, scan->at, "a string has no end");
        if (*scan->at == '\\') {
            status = scan_escape(scan, decoded);
            continue;
        }
        if ((unsigned char)*scan->at < 0x20)
            return refuse(scan, scan->at, "control character in a string");
        len = plain_run(scan);
        if (len == 0)
            len = assay_utf8_length(scan->at, (size_t)(scan->end - scan->at));
        if (len == 0)
            return refuse(scan, scan->at, "invalid UTF-8 in a string");
        scan->at += len;
        if (decoded != NULL)
            (void)assay_buf_add(decoded, from, len);
    }
    if (status == ASSAY_OK)
        scan->at++;
    return status;
}

static size_t scan_digits(struct scan *scan)
{
    const char *from = scan->at;

    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return (size_t)(scan->at - from);
}

static enum assay_status scan_number(struct scan *scan)
{
    const char *from = scan->at;
    const char *digits = NULL;
    char number[NUMBER_BYTES_MAX + 1];
    size_t len = 0;
    bool is_good = true;

    if (next_is(scan, '-'))
        scan->at++;
    digits = scan->at;
    len = scan_digits(scan);
    is_good = len > 0 && (len == 1 || *digits != '0');
    if (is_good && next_is(scan, '.')) {
        scan->at++;
        is_good = scan_digits(scan) > 0;
    }
    if (is_good && (next_is(scan, 'e') || next_is(scan, 'E'))) {
        scan->at++;
        if (next_is(scan, '+') || next_is(scan, '-'))
            scan->at++;
        is_good = scan_digits(scan) > 0;
    }
    if (!is_good)
        return refuse(scan, from, "malformed number");
    len = (size_t)(scan->at - from);
    if (len > NUMBER_BYTES_MAX)
        return refuse(scan, from, "number of more than %d characters", NUMBER_BYTES_MAX);
    memcpy(number, from, len);
    number[len] = '\0';
    if (!isfinite(strtod(number, NULL)))
        return refuse(scan, from, "number out of range");
    return ASSAY_OK;
}

static enum assay_status scan_word(struct scan *scan, const char *word)
{
    const size_t len = strlen(word);

    if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
        return refuse(scan, scan->at, "expected a value");
    scan->at += len;
    return ASSAY_OK;
}

static enum assay_status scan_value(struct scan *scan);

// Elements up to the closing bracket, after the opening one.
static enum assay_status scan_elements(struct scan *scan)
{
    enum assay_status status = ASSAY_OK;

    skip_space(scan);
    if (next_is(scan, ']')) {
        scan->at++;
        return ASSAY_OK;
    }
    for (;;) {
        status = scan_value(scan);
        if (status != ASSAY_OK)
            return status;
        skip_space(scan);
        if (!next_is(scan, ','))
            return expect(scan, ']', "or ',' in an array");
        scan->at++;
    }
}

static int by_decoded_bytes(const void *a, const void *b, void *text)
{
    const struct key *x = a;
    const struct key *y = b;
    const char *bytes = text;
    const size_t shorter = x->len < y->len ? x->len : y->len;
    const int order = memcmp(bytes + x->start, bytes + y->start, shorter);

    if (order != 0)
        return order;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return x->at < y->at ? -1 : 1; // so that the message names the second
}

static bool same_key(const struct key *a, const struct key *b, const char *text)
{
    return a->len == b->len && memcmp(text + a->start, text + b->start, a->len) == 0;
}

static enum assay_status refuse_duplicate(const struct scan *scan, const struct key *key)
{
    const size_t shown = key->raw_len < SHOWN_BYTES_MAX ? key->raw_len : SHOWN_BYTES_MAX;

    // As it stands in the text: escaped, so that it cannot break a line of a log.
    return refuse(scan, key->at, "duplicate key %.*s", (int)shown, key->at);
}

// Most objects are small: each pair is looked at sooner than they are sorted.
static enum assay_status check_duplicates(const struct scan *scan, size_t first_key)
{
    struct key *keys = scan->keys + first_key;
    const size_t count = scan->key_count - first_key;
    char *text = scan->key_text.data;

    if (count <= PAIRS_KEYS_MAX) {
        for (size_t i = 1; i < count; i++)
            for (size_t k = 0; k < i; k++)
                if (same_key(&keys[i], &keys[k], text))
                    return refuse_duplicate(scan, &keys[i]);
        return ASSAY_OK;
    }
    qsort_r(keys, count, sizeof(*keys), by_decoded_bytes, text);
    for (size_t i = 1; i < count; i++)
        if (same_key(&keys[i], &keys[i - 1], text))
            return refuse_duplicate(scan, &keys[i]);
    return ASSAY_OK;
}

static enum assay_status scan_key(struct scan *scan)
{
    struct key key = {.at = scan->at, .start = scan->key_text.len};
    enum assay_status status = scan_string(scan, &scan->key_text);

    if (status == ASSAY_OK)
        status = assay_buf_check(&scan->key_text, "the set of keys", scan->err);
    if (status != ASSAY_OK)
        return status;
    key.len = scan->key_text.len - key.start;
    key.raw_len = (size_t)(scan->at - key.at);
    if (scan->key_count == scan->key_cap) {
        const size_t cap = scan->key_cap == 0 ? 64 : 2 * scan->key_cap;
        struct key *keys = realloc(scan->keys, cap * sizeof(*keys));

        if (keys == NULL)
            return assay_fail(scan->err, ASSAY_ENOMEM, "no memory for the keys of an object");
        scan->keys = keys;
        scan->key_cap = cap;
    }
    scan->keys[scan->key_count++] = key;
    skip_space(scan);
    return expect(scan, ':', "after a key");
}

// Members up to the closing brace, after the opening one.
static enum assay_status scan_members(struct scan *scan)
{
    enum assay_status status = ASSAY_OK;
    const size_t first_key = scan->key_count;
    const size_t key_text_len = scan->key_text.len;

    skip_space(scan);
    if (next_is(scan, '}')) {
        scan->at++;
        return ASSAY_OK;
    }
    for (;;) {
        skip_space(scan);
        status = scan_key(scan);
        if (status == ASSAY_OK)
            status = scan_value(scan);
        if (status != ASSAY_OK)
            return status;
        skip_space(scan);
        if (!next_is(scan, ','))
            break;
        scan->at++;
    }
    status = expect(scan, '}', "or ',' in an object");
    if (status == ASSAY_OK)
        status = check_duplicates(scan, first_key);
    scan->key_count = first_key;
    assay_buf_truncate(&scan->key_text, key_text_len);
    return status;
}

static enum assay_status scan_container(struct scan *scan)
{
    enum assay_status status = ASSAY_OK;

    if (scan->depth_left == 0)
        return refuse(scan, scan->at, "nested too deep");
    scan->depth_left--;
    status = *scan->at++ == '{' ? scan_members(scan) : scan_elements(scan);
    scan->depth_left++;
    return status;
}

static enum assay_status scan_value(struct scan *scan)
{
    skip_space(scan);
    if (scan->at == scan->end)
        return refuse(scan, scan->at, "expected a value");
    switch (*scan->at) {
    case '{':
    case '[':
        return scan_container(scan);
    case '"':
        return scan_string(scan, NULL);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        if (*scan->at != '-' && (*scan->at < '0' || *scan->at > '9'))
            return refuse(scan, scan->at, "expected a value");
        return scan_number(scan);
    }
}

static void scan_init(struct scan *scan, const char *text, size_t len, size_t first_line)
{
    *scan = (struct scan){
            .text = text,
            .at = text,
            .end = text + len,
            .first_line = first_line,
            .source = "",
    };
    assay_buf_init(&scan->key_text, len); // decoding never makes a key longer
}

static void scan_free(struct scan *scan)
{
    assay_buf_free(&scan->key_text);
    free(scan->keys);
}

enum assay_status assay_json_scan(const char *text, size_t len, unsigned depth_max,
        const char *source, size_t first_line, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct scan scan;

    scan_init(&scan, text, len, first_line);
    scan.source = source;
    scan.depth_left = depth_max;
    scan.err = err;
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        status = refuse(&scan, text, "begins with a byte order mark");
    else
        status = scan_value(&scan);
    if (status == ASSAY_OK) {
        skip_space(&scan);
        if (scan.at < scan.end)
            status = refuse(&scan, scan.at, "something follows the value");
    }
    scan_free(&scan);
    return status;
}

// Finding a line.

// Pass over the `index` elements before the wanted one; scan->at is on the '['.
static bool seek_element(struct scan *scan, size_t index)
{
    scan->at++;
    for (size_t i = 0; i < index; i++) {
        if (scan_value(scan) != ASSAY_OK)
            return false;
        skip_space(scan);
        if (!next_is(scan, ','))
            return false;
        scan->at++;
    }
    skip_space(scan);
    return scan->at < scan->end && *scan->at != ']';
}

// Does the decoded key stand at the start of the path, as a whole step?
static bool is_step(const char *path, const char *key, size_t len)
{
    return strncmp(path, key, len) == 0 && strlen(path) >= len &&
            (path[len] == '\0' || path[len] == '.' || path[len] == '[');
}

// Pass over the members before the one that `path` begins with; scan->at is on
// the '{' and ends behind the ':'. *key_at is its key; the return value is the
// length of the step, or -1.
static ptrdiff_t seek_member(struct scan *scan, const char *path, const char **key_at)
{
    scan->at++;
    for (;;) {
        const struct key *key = NULL;

        skip_space(scan);
        if (scan_key(scan) != ASSAY_OK)
            return -1;
        key = &scan->keys[--scan->key_count];
        *key_at = key->at;
        if (is_step(path, scan->key_text.data + key->start, key->len))
            return (ptrdiff_t)key->len;
        assay_buf_truncate(&scan->key_text, key->start);
        if (scan_value(scan) != ASSAY_OK)
            return -1;
        skip_space(scan);
        if (!next_is(scan, ','))
            return -1;
        scan->at++;
    }
}

size_t assay_json_line(const char *text, size_t len, size_t first_line, const char *path)
{
    struct scan scan;
    const char *found = text;

    scan_init(&scan, text, len, first_line);
    scan.depth_left = ASSAY_JSON_DEPTH_MAX;
    while (*path != '\0') {
        ptrdiff_t step = -1;

        skip_space(&scan);
        if (*path == '[' && next_is(&scan, '[')) {
            char *rest = NULL;
            const unsigned long long index = strtoull(path + 1, &rest, 10);

            if (*rest == ']' && seek_element(&scan, (size_t)index)) {
                step = rest + 1 - path;
                found = scan.at;
            }
        } else if (next_is(&scan, '{')) {
            step = seek_member(&scan, path, &found);
        }
        if (step < 0) {
            found = text;
            break;
        }
        path += step;
        if (*path == '.')
            path++;
    }
    scan_free(&scan);
    return line_at(&scan, found);
}
