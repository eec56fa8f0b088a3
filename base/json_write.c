// SPDX-License-Identifier: MIT
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

void assay_json_writer_init(struct assay_json_writer *w, struct assay_buf *buf, unsigned indent)
{
    *w = (struct assay_json_writer){.buf = buf, .indent = indent};
}

static void new_line(struct assay_json_writer *w)
{
    if (w->indent == 0)
        return;
    (void)assay_buf_addf(w->buf, "\n%*s", (int)(w->depth * w->indent), "");
}

static void put_escaped(struct assay_buf *buf, const char *bytes, size_t len)
{
    static const char names[] = "\"\\bfnrt";
    static const char values[] = "\"\\\b\f\n\r\t";
    size_t at = 0;

    (void)assay_buf_addc(buf, '"');
    while (at < len) {
        const size_t char_len = assay_utf8_length(bytes + at, len - at);
        const char *short_form = bytes[at] != '\0' ? strchr(values, bytes[at]) : NULL;

        // NUL too: no reader of ours would take it back.
        if (char_len == 0 || bytes[at] == '\0')
            (void)assay_buf_adds(buf, "\xef\xbf\xbd");
        else if (short_form != NULL)
            (void)assay_buf_addf(buf, "\\%c", names[short_form - values]);
        else if ((unsigned char)bytes[at] < 0x20)
            (void)assay_buf_addf(buf, "\\u%04x", (unsigned)bytes[at]);
        else
            (void)assay_buf_add(buf, bytes + at, char_len);
        at += char_len > 0 ? char_len : 1;
    }
    (void)assay_buf_addc(buf, '"');
}

// What stands before any value: the comma, the line, the key.
static void put_lead(struct assay_json_writer *w, const char *key)
{
    assert(w->depth > 0 || key == NULL);
    if (w->comma)
        (void)assay_buf_addc(w->buf, ',');
    if (w->depth > 0)
        new_line(w);
    if (key != NULL) {
        put_escaped(w->buf, key, strlen(key));
        (void)assay_buf_adds(w->buf, w->indent > 0 ? ": " : ":");
    }
    w->comma = w->depth > 0; // the next document starts afresh
}

static void put_raw(struct assay_json_writer *w, const char *key, const char *text)
{
    put_lead(w, key);
    (void)assay_buf_adds(w->buf, text);
}

static void begin(struct assay_json_writer *w, const char *key, char bracket)
{
    put_lead(w, key);
    (void)assay_buf_addc(w->buf, bracket);
    w->depth++;
    w->comma = false;
}

static void end(struct assay_json_writer *w, char bracket)
{
    const bool is_empty = !w->comma;

    assert(w->depth > 0);
    w->depth--;
    if (!is_empty)
        new_line(w);
    (void)assay_buf_addc(w->buf, bracket);
    w->comma = w->depth > 0;
}

void assay_json_begin_object(struct assay_json_writer *w, const char *key)
{
    begin(w, key, '{');
}

void assay_json_end_object(struct assay_json_writer *w)
{
    end(w, '}');
}

void assay_json_begin_array(struct assay_json_writer *w, const char *key)
{
    begin(w, key, '[');
}

void assay_json_end_array(struct assay_json_writer *w)
{
    end(w, ']');
}

void assay_json_put_text(struct assay_json_writer *w, const char *key, const char *text)
{
    if (text == NULL)
        assay_json_put_null(w, key);
    else
        assay_json_put_bytes(w, key, text, strlen(text));
}

void assay_json_put_bytes(
        struct assay_json_writer *w, const char *key, const char *bytes, size_t len)
{
    put_lead(w, key);
    put_escaped(w->buf, bytes, len);
}

void assay_json_put_u64(struct assay_json_writer *w, const char *key, uint64_t value)
{
    char text[32];

    assert(value <= ASSAY_JSON_INTEGER_MAX);
    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    put_raw(w, key, text);
}

void assay_json_put_i64(struct assay_json_writer *w, const char *key, int64_t value)
{
    char text[32];

    assert(value <= (int64_t)ASSAY_JSON_INTEGER_MAX && value >= -(int64_t)ASSAY_JSON_INTEGER_MAX);
    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    put_raw(w, key, text);
}

void assay_json_put_double(struct assay_json_writer *w, const char *key, double value)
{
    char text[32];

    if (!isfinite(value)) {
        assay_json_put_null(w, key);
        return;
    }
    // The shortest text that reads back as the same double.
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    put_raw(w, key, text);
}

void assay_json_put_bool(struct assay_json_writer *w, const char *key, bool value)
{
    put_raw(w, key, value ? "true" : "false");
}

void assay_json_put_null(struct assay_json_writer *w, const char *key)
{
    put_raw(w, key, "null");
}

void assay_json_put_written(struct assay_json_writer *w, const char *key, const char *json)
{
    put_raw(w, key, json);
}

// Recursion is bounded by the depth that the reader allowed.
void assay_json_put_copy(
        struct assay_json_writer *w, const char *key, const struct assay_json *json)
{
    switch (assay_json_type(json)) {
    case ASSAY_JSON_NULL:
        assay_json_put_null(w, key);
        return;
    case ASSAY_JSON_BOOL:
        assay_json_put_bool(w, key, assay_json_bool(json));
        return;
    case ASSAY_JSON_NUMBER:
        assay_json_put_double(w, key, assay_json_number(json));
        return;
    case ASSAY_JSON_STRING:
        assay_json_put_text(w, key, assay_json_text(json));
        return;
    case ASSAY_JSON_ARRAY:
        assay_json_begin_array(w, key);
        for (const struct assay_json *e = assay_json_first(json); e != NULL; e = assay_json_next(e))
            assay_json_put_copy(w, NULL, e);
        assay_json_end_array(w);
        return;
    case ASSAY_JSON_OBJECT:
        assay_json_begin_object(w, key);
        for (const struct assay_json *e = assay_json_first(json); e != NULL; e = assay_json_next(e))
            assay_json_put_copy(w, assay_json_key(e), e);
        assay_json_end_object(w);
        return;
    }
}
