// SPDX-License-Identifier: MIT
// rows.c - splits a file of JSON rows without parsing them.
//
// Only strings and nesting are followed, enough to know where a row ends:
//   lines     a row ends with its line                   (.jsonl; .json with one value a line)
//   list      [row, row, ...]
//   object    {"id": row, "id": row, ...}
//   sequence  row row ... , each over several lines      (one pretty-printed row)
#include "tasks/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "tasks/fields.h"
#include "tasks/unpack.h"

#define WINDOW_BYTES ((size_t)64 << 10)
#define KEY_BYTES_MAX 4096

enum rows_layout { ROWS_LINES, ROWS_LIST, ROWS_OBJECT, ROWS_SEQUENCE };

struct assay_rows {
    char *file; // owned; for messages
    int fd;
    enum rows_layout layout;
    bool started, ended;
    size_t line;
    char window[WINDOW_BYTES]; // read, not yet taken: [at, filled)
    size_t at, filled;
    struct assay_unpack *unpack; // owned
    enum assay_status trouble;   // of a read that failed, and why
    struct assay_error trouble_err;
    struct assay_buf text, key;
    struct assay_sha256 *sha; // owned; NULL once sha256 is set
    char sha256[65];
};

// --- bytes ---------------------------------------------------------------------------------------

// Fill the window from its start. False at the end of the file.
static bool rows_fill(struct assay_rows *rows)
{
    rows->at = 0;
    rows->filled = 0;
    if (rows->trouble != ASSAY_OK)
        return false;
    rows->trouble = assay_unpack_read(
            rows->unpack, rows->window, WINDOW_BYTES, &rows->filled, &rows->trouble_err);
    assay_sha256_add(rows->sha, rows->window, rows->filled);
    return rows->filled > 0;
}

static int rows_peek(struct assay_rows *rows) // -1 at the end
{
    if (rows->at == rows->filled && !rows_fill(rows))
        return -1;
    return (unsigned char)rows->window[rows->at];
}

static void rows_take(struct assay_rows *rows)
{
    if (rows->window[rows->at++] == '\n')
        rows->line++;
}

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int rows_skip_space(struct assay_rows *rows)
{
    int c = rows_peek(rows);

    while (is_space(c)) {
        rows_take(rows);
        c = rows_peek(rows);
    }
    return c;
}

static enum assay_status rows_fail(
        const struct assay_rows *rows, struct assay_error *err, const char *reason)
{
    char file[ASSAY_PATH_SHORT_BYTES];

    assay_path_short(file, rows->file);
    if (rows->trouble != ASSAY_OK)
        return assay_fail(err, rows->trouble, "%s: %.120s", file, rows->trouble_err.message);
    return assay_fail(err, ASSAY_EINVAL, "%s:%zu: %s", file, rows->line, reason);
}

// --- layout --------------------------------------------------------------------------------------

// Where the JSON value at text[at] ends, or len when it does not end in the text.
static size_t value_end(const char *text, size_t at, size_t len)
{
    size_t depth = 0;
    bool in_string = false;

    for (; at < len; at++) {
        const char c = text[at];

        if (in_string && c == '\\')
            at++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && (c == '}' || c == ']') && depth-- <= 1)
            return at + 1;
    }
    return len;
}

static size_t skip_space(const char *text, size_t at, size_t len)
{
    while (at < len && is_space(text[at]))
        at++;
    return at;
}

// An object whose first member is an object is taken for rows by id: no known
// kind of row begins with such a member.
static bool is_object_of_rows(const char *text, size_t at, size_t len)
{
    at = skip_space(text, at + 1, len);
    if (at < len && text[at] == '}')
        return true;
    if (at == len || text[at] != '"')
        return false;
    for (at++; at < len && text[at] != '"'; at++)
        at += text[at] == '\\';
    at = skip_space(text, at + 1, len);
    if (at >= len || text[at] != ':')
        return false;
    at = skip_space(text, at + 1, len);
    return at < len && text[at] == '{';
}

static enum rows_layout rows_detect(const struct assay_rows *rows)
{
    const char *text = rows->window;
    const size_t len = rows->filled;
    const char *lines = strstr(rows->file, ".jsonl");
    const size_t at = skip_space(text, rows->at, len);
    const char *line_end;

    while (lines != NULL && strstr(lines + 1, ".jsonl") != NULL)
        lines = strstr(lines + 1, ".jsonl");
    if (lines != NULL &&
            (lines[6] == '\0' || strcmp(lines + 6, ".gz") == 0 || strcmp(lines + 6, ".zst") == 0))
        return ROWS_LINES;
    if (at < len && text[at] == '[')
        return ROWS_LIST;
    if (at == len || text[at] != '{')
        return ROWS_LINES;
    if (is_object_of_rows(text, at, len))
        return ROWS_OBJECT;
    line_end = memchr(text + at, '\n', len - at);
    if (line_end == NULL || value_end(text, at, len) <= (size_t)(line_end - text))
        return ROWS_LINES;
    return ROWS_SEQUENCE;
}

// --- rows ----------------------------------------------------------------------------------------

// The next `len` bytes of the window belong to the row.
static void row_take(struct assay_rows *rows, struct assay_row *row, size_t len)
{
    const char *bytes = rows->window + rows->at;

    if (!row->too_long && !assay_buf_add(&rows->text, bytes, len))
        row->too_long = true;
    for (const char *end = bytes + len;
            (bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL; bytes++)
        rows->line++;
    rows->at += len;
}

static void read_line(struct assay_rows *rows, struct assay_row *row)
{
    while (rows_peek(rows) != -1) {
        const char *start = rows->window + rows->at;
        const char *end = memchr(start, '\n', rows->filled - rows->at);

        row_take(rows, row, end == NULL ? rows->filled - rows->at : (size_t)(end - start));
        if (end != NULL)
            return;
    }
}

// Where a value is while it is being followed.
struct value_state {
    size_t depth;
    bool in_string, escaped;
};

enum value_end { VALUE_GOES_ON, VALUE_ENDS_BEFORE, VALUE_ENDS_BEHIND };

static enum value_end value_step(struct value_state *state, char c)
{
    if (state->in_string) {
        if (state->escaped || c == '\\')
            state->escaped = !state->escaped;
        else if (c == '"')
            state->in_string = false;
        return !state->in_string && state->depth == 0 ? VALUE_ENDS_BEHIND : VALUE_GOES_ON;
    }
    if (state->depth == 0 && (is_space(c) || c == ',' || c == ']' || c == '}'))
        return VALUE_ENDS_BEFORE; // behind a number or a word
    if (c == '{' || c == '[')
        state->depth++;
    else if (c == '"')
        state->in_string = true;
    else if ((c == '}' || c == ']') && --state->depth == 0)
        return VALUE_ENDS_BEHIND;
    return VALUE_GOES_ON;
}

// One value to its end. False when the file ends first.
static bool read_value(struct assay_rows *rows, struct assay_row *row)
{
    struct value_state state = {0};
    enum value_end end = VALUE_GOES_ON;

    while (end == VALUE_GOES_ON && rows_peek(rows) != -1) {
        size_t at = rows->at;

        while (end == VALUE_GOES_ON && at < rows->filled)
            end = value_step(&state, rows->window[at++]);
        row_take(rows, row, at - rows->at - (end == VALUE_ENDS_BEFORE));
    }
    return end != VALUE_GOES_ON;
}

// `"key" :` of a member into rows->key.
static enum assay_status read_key(struct assay_rows *rows, struct assay_error *err)
{
    const struct assay_json_limits limits = {.bytes_max = KEY_BYTES_MAX, .depth_max = 2};
    char file[ASSAY_PATH_SHORT_BYTES];
    struct assay_row raw = {.line = rows->line};
    struct assay_json *json = NULL;
    enum assay_status status;

    if (rows_skip_space(rows) != '"')
        return rows_fail(rows, err, "expected an instance id in quotes");
    assay_buf_clear(&rows->text);
    assay_buf_clear(&rows->key);
    if (!read_value(rows, &raw))
        return rows_fail(rows, err, "the file is cut off");
    status = assay_json_parse(&json, rows->text.data, rows->text.len, limits,
            assay_path_short(file, rows->file), rows->line, err);
    if (status != ASSAY_OK)
        return status;
    assay_buf_adds(&rows->key, assay_json_text(json));
    assay_json_free(json);
    if (rows_skip_space(rows) != ':')
        return rows_fail(rows, err, "expected ':' behind the key");
    rows_take(rows);
    return ASSAY_OK;
}

// Past '[' or '{' and the commas, to the next row. *more false behind ']' or '}'.
static enum assay_status next_member(bool *more, struct assay_rows *rows, struct assay_error *err)
{
    const bool object = rows->layout == ROWS_OBJECT;
    const int close = object ? '}' : ']';
    int c = rows_skip_space(rows);

    if (!rows->started) {
        rows_take(rows); // rows_detect() saw it
        c = rows_skip_space(rows);
    } else if (c == ',') {
        rows_take(rows);
        c = rows_skip_space(rows);
        if (c == close)
            return rows_fail(rows, err, "a row is missing behind ','");
    } else if (c != close) {
        return rows_fail(rows, err,
                c == -1          ? "the file is cut off"
                        : object ? "expected ',' or '}'"
                                 : "expected ',' or ']'");
    }
    rows->started = true;
    if (c != close) {
        *more = true;
        return object ? read_key(rows, err) : ASSAY_OK;
    }
    rows_take(rows);
    if (rows_skip_space(rows) != -1)
        return rows_fail(rows, err, "the file goes on behind its end");
    *more = false;
    return ASSAY_OK;
}

static enum assay_status next_row(
        bool *more, struct assay_row *row, struct assay_rows *rows, struct assay_error *err)
{
    struct assay_row found = {0};

    *more = true;
    if (rows->layout == ROWS_LIST || rows->layout == ROWS_OBJECT) {
        const enum assay_status status = next_member(more, rows, err);

        if (status != ASSAY_OK || !*more)
            return status;
    }
    if (rows_skip_space(rows) == -1) {
        if (rows->layout == ROWS_LIST || rows->layout == ROWS_OBJECT || rows->trouble != ASSAY_OK)
            return rows_fail(rows, err, "the file is cut off");
        *more = false;
        return ASSAY_OK;
    }
    assay_buf_clear(&rows->text);
    found.line = rows->line;
    if (rows->layout == ROWS_LINES)
        read_line(rows, &found);
    else if (!read_value(rows, &found) && rows->layout != ROWS_SEQUENCE)
        return rows_fail(rows, err, "the file is cut off");
    if (rows->text.len == 0 && !found.too_long)
        return rows_fail(rows, err, "expected a row");
    found.key = rows->layout == ROWS_OBJECT ? rows->key.data : NULL;
    found.text = rows->text.data;
    found.len = rows->text.len;
    *row = found;
    return ASSAY_OK;
}

enum assay_status assay_rows_next(
        bool *more, struct assay_row *row, struct assay_rows *rows, struct assay_error *err)
{
    bool found = false;
    enum assay_status status = ASSAY_OK;

    if (!rows->ended)
        status = next_row(&found, row, rows, err);
    rows->ended = status != ASSAY_OK || !found;
    if (status == ASSAY_OK)
        *more = found;
    return status;
}

enum assay_status assay_rows_sha256(char hex[65], struct assay_rows *rows, struct assay_error *err)
{
    if (rows->sha != NULL) {
        rows->ended = true;
        while (rows_fill(rows)) {
        }
        if (rows->trouble != ASSAY_OK)
            return rows_fail(rows, err, "");
        assay_sha256_hex(rows->sha, rows->sha256);
        assay_sha256_destroy(rows->sha);
        rows->sha = NULL;
    }
    memcpy(hex, rows->sha256, sizeof(rows->sha256));
    return ASSAY_OK;
}

enum assay_status assay_rows_open(
        struct assay_rows **out, const char *file, size_t row_bytes_max, struct assay_error *err)
{
    char shown[ASSAY_PATH_SHORT_BYTES];
    enum assay_status status;
    struct assay_rows *rows = calloc(1, sizeof(*rows));

    assay_path_short(shown, file);
    if (rows == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", shown);
    assay_buf_init(&rows->text, row_bytes_max);
    assay_buf_init(&rows->key, KEY_BYTES_MAX);
    rows->line = 1;
    rows->fd = open(file, O_RDONLY | O_CLOEXEC);
    rows->file = strdup(file);
    if (rows->fd < 0)
        status = errno == ENOENT ? assay_fail(err, ASSAY_ENOTFOUND, "%s: no such file", shown)
                                 : assay_fail_errno(err, errno, "%s", shown);
    else if (rows->file == NULL)
        status = assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", shown);
    else
        status = assay_sha256_create(&rows->sha, err);
    if (status == ASSAY_OK) {
        status = assay_unpack_open(&rows->unpack, rows->fd, err);
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "%s", shown);
    }
    if (status == ASSAY_OK) {
        rows_fill(rows);
        if (rows->trouble != ASSAY_OK)
            status = rows_fail(rows, err, "");
    }
    if (status != ASSAY_OK) {
        assay_rows_close(rows);
        return status;
    }
    if (rows->filled >= 3 && memcmp(rows->window, "\xef\xbb\xbf", 3) == 0)
        rows->at = 3;
    rows->layout = rows_detect(rows);
    *out = rows;
    return ASSAY_OK;
}

void assay_rows_close(struct assay_rows *rows)
{
    if (rows == NULL)
        return;
    assay_sha256_destroy(rows->sha);
    assay_buf_free(&rows->text);
    assay_buf_free(&rows->key);
    assay_unpack_close(rows->unpack);
    free(rows->file);
    if (rows->fd >= 0)
        close(rows->fd);
    free(rows);
}
