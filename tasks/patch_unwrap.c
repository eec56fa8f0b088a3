// SPDX-License-Identifier: MIT
// patch_unwrap.c - takes off what stands around a whole patch.
//
// A model's <think> and <solution> tags, the colours of a terminal, and the
// transfer encodings of mails (quoted-printable and base64, as RFC 2045 has
// them; `git format-patch` output that went through a mailer has the first).
// Every line that is left keeps the number that it had.
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "tasks/patch_read.h"

enum encoding { ENCODING_NONE, ENCODING_QUOTED, ENCODING_BASE64 };

struct unwrapping {
    struct assay_buf out;
    struct assay_buf numbers; // uint32_t, one a line of `out`
    bool coloured;
    bool in_line; // the last byte written was no newline
};

// Where in the text `what` stands at the start of a line, or NULL.
static const char *find_at_line_start(struct assay_bytes text, const char *what)
{
    const size_t len = strlen(what);
    const char *p = text.data, *end = text.data + text.len;

    while ((p = memmem(p, (size_t)(end - p), what, len)) != NULL) {
        if (p == text.data || p[-1] == '\n')
            return p;
        p += len;
    }
    return NULL;
}

static struct assay_bytes from(struct assay_bytes text, const char *start)
{
    return (struct assay_bytes){.data = start, .len = (size_t)(text.data + text.len - start)};
}

// What a model thought before it answered is no part of the answer.
static struct assay_bytes skip_thoughts(struct assay_bytes text)
{
    static const char open[] = "<think>", close[] = "</think>";
    const struct assay_bytes trimmed = patch_bytes_trim(text);
    const char *end = NULL;

    if (patch_bytes_start(trimmed, open))
        end = memmem(text.data, text.len, close, strlen(close));
    else
        end = find_at_line_start(text, close);
    return end != NULL ? from(text, end + strlen(close)) : text;
}

static enum assay_status take_solution(struct assay_bytes *text, struct assay_error *err)
{
    static const char open[] = "<solution>", close[] = "</solution>";
    const char *start = find_at_line_start(*text, open), *end = NULL;

    if (start == NULL)
        return ASSAY_OK;
    start += strlen(open);
    if (find_at_line_start(from(*text, start), open) != NULL)
        return assay_fail(err, ASSAY_EPATCH, "more than one <solution>");
    end = memmem(start, from(*text, start).len, close, strlen(close));
    *text = from(*text, start);
    if (end != NULL)
        text->len = (size_t)(end - start);
    return ASSAY_OK;
}

// Length of the colour or other control sequence at p; 0: none.
static size_t sequence_length(const char *p, const char *end)
{
    const char *start = p;

    if (end - p < 3 || p[0] != '\x1b' || p[1] != '[')
        return 0;
    for (p += 2; p < end && *p >= 0x20 && *p <= 0x3f; p++) {
    }
    return p < end && *p >= 0x40 && *p <= 0x7e ? (size_t)(p + 1 - start) : 0;
}

static bool line_is_coloured_header(struct assay_bytes line)
{
    static const char *const starts[] = {"diff --git ", "--- ", "@@"};
    const char *end = line.data + line.len;
    size_t skip = sequence_length(line.data, end);

    if (skip == 0)
        return false;
    while (skip > 0) {
        line.data += skip;
        line.len -= skip;
        skip = sequence_length(line.data, end);
    }
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (patch_bytes_start(line, starts[i]))
            return true;
    }
    return false;
}

static struct assay_bytes next_line(struct assay_bytes *rest)
{
    const char *newline = memchr(rest->data, '\n', rest->len);
    const struct assay_bytes line = {.data = rest->data,
            .len = newline != NULL ? (size_t)(newline + 1 - rest->data) : rest->len};

    rest->data += line.len;
    rest->len -= line.len;
    return line;
}

static bool is_coloured(struct assay_bytes text)
{
    if (memchr(text.data, '\x1b', text.len) == NULL)
        return false;
    while (text.len > 0) {
        if (line_is_coloured_header(next_line(&text)))
            return true;
    }
    return false;
}

static void put(struct unwrapping *to, const char *bytes, size_t len, uint32_t number)
{
    for (size_t i = 0; i < len; i++) {
        if (!to->in_line)
            (void)assay_buf_add(&to->numbers, &number, sizeof(number));
        to->in_line = bytes[i] != '\n';
        (void)assay_buf_addc(&to->out, bytes[i]);
    }
}

static void put_plain(struct unwrapping *to, struct assay_bytes line, uint32_t number)
{
    const char *p = line.data, *end = line.data + line.len;

    while (p < end) {
        const size_t skip = to->coloured ? sequence_length(p, end) : 0;

        if (skip == 0)
            put(to, p, 1, number);
        p += skip > 0 ? skip : 1;
    }
}

static int hex_value(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *at = c != '\0' ? strchr(digits, toupper((unsigned char)c)) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

// A line of quoted-printable; "=" at its end joins it with the next.
static void put_quoted(struct unwrapping *to, struct assay_bytes line, uint32_t number)
{
    const bool ended = line.len > 0 && line.data[line.len - 1] == '\n';

    while (line.len > 0 && strchr(" \t\r\n", line.data[line.len - 1]) != NULL)
        line.len--; // added on the way
    for (size_t i = 0; i < line.len; i++) {
        char c = line.data[i];

        if (c == '=' && i + 1 == line.len)
            return;
        if (c == '=' && i + 2 < line.len && hex_value(line.data[i + 1]) >= 0 &&
                hex_value(line.data[i + 2]) >= 0) {
            c = (char)(hex_value(line.data[i + 1]) * 16 + hex_value(line.data[i + 2]));
            i += 2;
        }
        put(to, &c, 1, number);
    }
    if (ended)
        put(to, "\n", 1, number);
}

// Base64 goes over line ends; `group` holds the digits that make no whole byte yet.
struct base64 {
    uint32_t group;
    unsigned bits;
    bool done;
};

static void put_base64(
        struct unwrapping *to, struct base64 *state, struct assay_bytes line, uint32_t number)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < line.len && !state->done; i++) {
        const char *at = line.data[i] != '\0' ? strchr(digits, line.data[i]) : NULL;

        state->done = line.data[i] == '=';
        if (at == NULL)
            continue;
        state->group = (state->group << 6 | (uint32_t)(at - digits)) & 0xffffU;
        state->bits += 6;
        if (state->bits >= 8) {
            const char byte = (char)(state->group >> (state->bits - 8) & 0xffU);

            state->bits -= 8;
            if (byte != '\r')
                put(to, &byte, 1, number);
        }
    }
}

static bool starts_mail(struct assay_bytes line)
{
    size_t digits = 0;

    if (!patch_bytes_start(line, "From "))
        return false;
    while (5 + digits < line.len && isxdigit((unsigned char)line.data[5 + digits]))
        digits++;
    return digits == 40 || digits == 64;
}

// "Name: value" and its continuation lines.
static bool is_mail_header(struct assay_bytes line)
{
    size_t at = 0;

    if (line.len > 1 && (line.data[0] == ' ' || line.data[0] == '\t'))
        return true;
    while (at < line.len && (isalnum((unsigned char)line.data[at]) || line.data[at] == '-'))
        at++;
    return at > 0 && at < line.len && line.data[at] == ':';
}

static enum encoding encoding_in(struct assay_bytes line)
{
    static const char name[] = "Content-Transfer-Encoding:";
    struct assay_bytes value = {.data = line.data + strlen(name)};

    if (line.len <= strlen(name) || strncasecmp(line.data, name, strlen(name)) != 0)
        return ENCODING_NONE;
    value.len = line.len - strlen(name);
    value = patch_bytes_trim(value);
    if (value.len == 16 && strncasecmp(value.data, "quoted-printable", 16) == 0)
        return ENCODING_QUOTED;
    return value.len == 6 && strncasecmp(value.data, "base64", 6) == 0 ? ENCODING_BASE64
                                                                       : ENCODING_NONE;
}

// Are the headers at the start of the text, or behind a "From " line, those of an encoded mail?
static bool has_encoded_mail(struct assay_bytes text)
{
    bool in_header = true;

    while (text.len > 0) {
        const struct assay_bytes line = next_line(&text);

        in_header = starts_mail(line) || (in_header && is_mail_header(line));
        if (in_header && encoding_in(line) != ENCODING_NONE)
            return true;
    }
    return false;
}

static void decode(struct unwrapping *to, struct assay_bytes text, uint32_t number, bool mail)
{
    enum encoding told = ENCODING_NONE, body = ENCODING_NONE;
    struct base64 base64 = {0};
    bool in_header = mail;

    for (; text.len > 0; number++) {
        const struct assay_bytes line = next_line(&text);

        if (mail && starts_mail(line)) {
            if (to->in_line)
                put(to, "\n", 1, number);
            in_header = true;
            told = ENCODING_NONE;
            body = ENCODING_NONE;
            base64 = (struct base64){0};
        } else if (in_header && !is_mail_header(line)) {
            in_header = false;
            body = told;
        } else if (in_header && encoding_in(line) != ENCODING_NONE) {
            told = encoding_in(line);
        }
        if (body == ENCODING_QUOTED)
            put_quoted(to, line, number);
        else if (body == ENCODING_BASE64)
            put_base64(to, &base64, line, number);
        else
            put_plain(to, line, number);
    }
}

static uint32_t count_newlines(const char *start, const char *end)
{
    uint32_t count = 0;

    while ((start = memchr(start, '\n', (size_t)(end - start))) != NULL) {
        start++;
        count++;
    }
    return count;
}

static enum assay_status keep(struct patch_text *out, const struct unwrapping *from_buf,
        struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status = assay_buf_check(&from_buf->out, "the patch", err);

    if (status == ASSAY_OK)
        status = assay_buf_check(&from_buf->numbers, "the patch's line numbers", err);
    if (status != ASSAY_OK)
        return status;
    out->text.data = assay_arena_memdup(arena, from_buf->out.data, from_buf->out.len);
    out->text.len = from_buf->out.len;
    // Room for the one line that a missing newline at the end may not hide.
    uint32_t *numbers = assay_arena_alloc(arena, from_buf->numbers.len + sizeof(uint32_t));

    if (out->text.data == NULL || numbers == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a patch");
    if (from_buf->numbers.len > 0)
        memcpy(numbers, from_buf->numbers.data, from_buf->numbers.len);
    out->numbers = numbers;
    return ASSAY_OK;
}

enum assay_status patch_unwrap(struct patch_text *out, struct assay_bytes text,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_bytes inner = skip_thoughts(text);
    struct unwrapping to = {0};
    enum assay_status status = take_solution(&inner, err);
    bool mail = false;

    *out = (struct patch_text){.text = text};
    if (status != ASSAY_OK)
        return status;
    to.coloured = is_coloured(inner);
    mail = has_encoded_mail(inner);
    if (inner.len == text.len && !to.coloured && !mail)
        return ASSAY_OK;
    assay_buf_init(&to.out, ASSAY_PATCH_BYTES_MAX + 2);
    assay_buf_init(&to.numbers, 4 * ASSAY_PATCH_BYTES_MAX + 16);
    decode(&to, inner, 1 + count_newlines(text.data, inner.data), mail);
    status = keep(out, &to, arena, err);
    assay_buf_free(&to.out);
    assay_buf_free(&to.numbers);
    return status;
}
