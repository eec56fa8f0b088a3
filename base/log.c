// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/utf8.h"

enum {
    LINE_BYTES_MAX = 4 * 1024 * 1024, // more than any call can fill
    VALUE_BYTES_MAX = 4 * 1024,       // longer values are cut, and the cut is marked
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char cut_mark[] = "...";

static bool needs_quotes(const char *text, size_t len)
{
    if (len == 0)
        return true;
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];

        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return true;
    }
    return false;
}

// Every byte that could move a terminal's cursor or end the line is escaped.
static void add_quoted(struct assay_buf *line, const char *text, size_t len)
{
    size_t at = 0;

    (void)assay_buf_addc(line, '"');
    while (at < len) {
        const size_t char_len = assay_utf8_length(text + at, len - at);
        const unsigned char c = (unsigned char)text[at];
        // U+0080 to U+009F are control characters too.
        const bool is_c1 = char_len == 2 && c == 0xc2 && (unsigned char)text[at + 1] < 0xa0;

        if (c == '"' || c == '\\')
            (void)assay_buf_addf(line, "\\%c", c);
        else if (c == '\n')
            (void)assay_buf_adds(line, "\\n");
        else if (c == '\t')
            (void)assay_buf_adds(line, "\\t");
        else if (char_len == 0 || c < 0x20 || c == 0x7f || is_c1)
            (void)assay_buf_addf(line, "\\x%02x", c);
        else
            (void)assay_buf_add(line, text + at, char_len);
        if (is_c1)
            (void)assay_buf_addf(line, "\\x%02x", (unsigned char)text[at + 1]);
        at += char_len > 0 ? char_len : 1;
    }
    (void)assay_buf_addc(line, '"');
}

static void add_text_field(struct assay_buf *line, const char *key, const char *value, size_t len)
{
    (void)assay_buf_addf(line, " %s=", key);
    if (needs_quotes(value, len))
        add_quoted(line, value, len);
    else
        (void)assay_buf_add(line, value, len);
}

// A value, cut to its maximum. `scratch` holds the cut form.
static const char *bounded(struct assay_buf *scratch, const char *value, size_t *len)
{
    *len = strnlen(value, VALUE_BYTES_MAX + 1);
    if (*len <= VALUE_BYTES_MAX)
        return value;
    assay_buf_clear(scratch);
    (void)assay_buf_add(scratch, value, VALUE_BYTES_MAX - strlen(cut_mark));
    (void)assay_buf_adds(scratch, cut_mark);
    *len = scratch->len;
    return scratch->data;
}

static void add_fields(
        struct assay_buf *line, struct assay_json_writer *json, bool is_json, va_list args)
{
    struct assay_buf scratch;
    const char *key = NULL;

    assay_buf_init(&scratch, VALUE_BYTES_MAX);
    while ((key = va_arg(args, const char *)) != NULL) {
        const char *value = va_arg(args, const char *);
        size_t len = 0;

        value = bounded(&scratch, value != NULL ? value : "", &len);
        if (is_json)
            assay_json_put_bytes(json, key, value, len);
        else
            add_text_field(line, key, value, len);
    }
    assay_buf_free(&scratch);
}

static void write_line(const struct assay_log *log, struct assay_buf *line)
{
    enum assay_status status = ASSAY_OK;

    (void)assay_buf_addc(line, '\n');
    if (line->failed)
        return;
    if (log->around != NULL)
        log->around(log->user, true);
    // A log that cannot be written must not stop the work it tells about.
    status = assay_fs_write_all(log->fd, line->data, line->len, NULL);
    (void)status;
    if (log->around != NULL)
        log->around(log->user, false);
}

void assay_log(const struct assay_log *log, enum assay_log_level level, const char *room,
        const char *event, ...)
{
    char time[ASSAY_TIME_TEXT_BYTES];
    struct assay_json_writer json;
    struct assay_buf line;
    va_list args;

    if (log == NULL || level > log->level_max)
        return;
    assay_clock_utc(time);
    assay_buf_init(&line, LINE_BYTES_MAX);
    assay_json_writer_init(&json, &line, 0);
    va_start(args, event);
    if (log->format == ASSAY_LOG_JSON) {
        assay_json_begin_object(&json, NULL);
        assay_json_put_text(&json, "time", time);
        assay_json_put_text(&json, "level", level_names[level]);
        assay_json_put_text(&json, "room", room);
        assay_json_put_text(&json, "event", event);
        add_fields(&line, &json, true, args);
        assay_json_end_object(&json);
    } else {
        (void)assay_buf_addf(&line, "%s %s %s %s", time, level_names[level], room, event);
        add_fields(&line, &json, false, args);
    }
    va_end(args);
    write_line(log, &line);
    assay_buf_free(&line);
}
