// SPDX-License-Identifier: MIT
#include "rewards/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define SHOWN_BYTES_MAX 160
#define MESSAGE_BYTES_MAX 400
#define ID_BYTES_SPARE ((size_t)16 << 20)
#define ID_BYTES_FACTOR 8

// Terminal colours are "ESC [ ... letter". A copy of the log is made only when
// there is something to take out.
static bool strip_colours(struct assay_reader *reader)
{
    const struct assay_bytes bytes = reader->evidence->log;
    const struct assay_text log = {bytes.data != NULL ? bytes.data : "", bytes.len};
    char *plain;
    size_t len = 0;

    reader->log = log;
    if (memchr(log.data, 0x1b, log.len) == NULL)
        return true;
    plain = assay_arena_alloc(reader->arena, log.len + 1);
    if (plain == NULL)
        return false;
    for (size_t i = 0; i < log.len; i++) {
        if (log.data[i] != 0x1b || i + 1 >= log.len || log.data[i + 1] != '[') {
            plain[len++] = log.data[i];
            continue;
        }
        i += 2;
        while (i < log.len && (log.data[i] < '@' || log.data[i] > '~') && log.data[i] != '\n')
            i++;
    }
    reader->log = (struct assay_text){plain, len};
    return true;
}

static size_t evidence_bytes(const struct assay_evidence *evidence)
{
    size_t bytes = evidence->log.len + evidence->report.len;

    for (size_t i = 0; i < evidence->file_count; i++)
        bytes += evidence->files[i].content.len;
    return bytes;
}

enum assay_status assay_reader_begin(struct assay_reader *reader,
        const struct assay_evidence *evidence, struct assay_reading *reading,
        struct assay_arena *arena, struct assay_error *err)
{
    *reading = (struct assay_reading){.exit_expected = -1};
    *reader = (struct assay_reader){.evidence = evidence, .reading = reading, .arena = arena};
    assay_outcome_init(&reading->channel, arena);
    assay_outcome_init(&reading->log, arena);
    reader->id_bytes_left = ID_BYTES_SPARE + ID_BYTES_FACTOR * evidence_bytes(evidence);
    reader->problems = assay_arena_array(arena, ASSAY_PROBLEMS_MAX, sizeof(*reader->problems));
    if (reader->problems == NULL || !strip_colours(reader))
        return assay_fail(err, ASSAY_ENOMEM, "no memory to read the results of the tests");
    reading->problems.items = reader->problems;
    return ASSAY_OK;
}

enum assay_status assay_reader_end(struct assay_reader *reader, struct assay_error *err)
{
    enum assay_status status = assay_outcome_finish(&reader->reading->channel, err);

    if (status != ASSAY_OK)
        return status;
    return assay_outcome_finish(&reader->reading->log, err);
}

// May a result with an id of this length be added?
static bool id_fits(struct assay_reader *reader, const struct assay_outcome *outcome, size_t len)
{
    if (outcome->count < ASSAY_OUTCOME_TESTS_MAX && len <= reader->id_bytes_left) {
        reader->id_bytes_left -= len;
        return true;
    }
    if (!reader->overflowed)
        assay_reader_problem(reader, "the run reports more test results than can be kept");
    reader->overflowed = true;
    return false;
}

void assay_reader_add(struct assay_reader *reader, struct assay_outcome *outcome,
        struct assay_text id, enum assay_test_status status)
{
    if (id_fits(reader, outcome, id.len))
        assay_outcome_add(outcome, id.data, id.len, status);
}

void assay_reader_add_joined(struct assay_reader *reader, struct assay_outcome *outcome,
        struct assay_text front, const char *between, struct assay_text back,
        enum assay_test_status status)
{
    const size_t between_len = strlen(between), len = front.len + between_len + back.len;
    char *id, *at;

    if (!id_fits(reader, outcome, len))
        return;
    id = malloc(len > 0 ? len : 1); // counted, not terminated
    if (id == NULL) {
        outcome->failed = true;
        return;
    }
    at = mempcpy(id, front.data, front.len);
    at = mempcpy(at, between, between_len);
    (void)mempcpy(at, back.data, back.len);
    assay_outcome_add(outcome, id, len, status);
    free(id);
}

void assay_reader_problem(struct assay_reader *reader, const char *fmt, ...)
{
    struct assay_strings *problems = &reader->reading->problems;
    char message[MESSAGE_BYTES_MAX];
    va_list args;

    if (problems->count == ASSAY_PROBLEMS_MAX)
        return;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    reader->problems[problems->count] = assay_arena_strdup(reader->arena, message);
    if (reader->problems[problems->count] == NULL)
        reader->problems[problems->count] = "out of memory";
    problems->count++;
}

const char *assay_show(struct assay_arena *arena, const char *text, size_t len)
{
    char shown[SHOWN_BYTES_MAX + 4];
    size_t at = 0, used = 0;
    const char *copy;

    while (at < len && used + 4 < SHOWN_BYTES_MAX) {
        const size_t bytes = assay_utf8_length(text + at, len - at);

        if (bytes == 0 || (unsigned char)text[at] < ' ' || text[at] == 0x7f) {
            shown[used++] = '?';
            at++;
            continue;
        }
        memcpy(shown + used, text + at, bytes);
        used += bytes;
        at += bytes;
    }
    if (at < len) {
        memset(shown + used, '.', 3);
        used += 3;
    }
    copy = assay_arena_memdup(arena, shown, used);
    return copy != NULL ? copy : "?";
}

bool assay_text_line(struct assay_text *rest, struct assay_text *line)
{
    const char *end;

    if (rest->len == 0)
        return false;
    end = memchr(rest->data, '\n', rest->len);
    line->data = rest->data;
    line->len = end != NULL ? (size_t)(end - rest->data) : rest->len;
    rest->data += line->len + (end != NULL);
    rest->len -= line->len + (end != NULL);
    if (line->len > 0 && line->data[line->len - 1] == '\r')
        line->len--;
    return true;
}

bool assay_text_split(struct assay_text *text, const char *mark, struct assay_text *head)
{
    const size_t mark_len = strlen(mark);
    const char *at = text->len == 0 ? NULL : memmem(text->data, text->len, mark, mark_len);

    if (at == NULL)
        return false;
    *head = (struct assay_text){text->data, (size_t)(at - text->data)};
    text->len -= head->len + mark_len;
    text->data = at + mark_len;
    return true;
}

bool assay_text_split_last(struct assay_text *text, const char *mark, struct assay_text *head)
{
    const size_t mark_len = strlen(mark);

    for (size_t at = text->len; at >= mark_len && at > 0; at--) {
        const size_t start = at - mark_len;

        if (memcmp(text->data + start, mark, mark_len) != 0)
            continue;
        *head = (struct assay_text){text->data, start};
        text->data += at;
        text->len -= at;
        return true;
    }
    return false;
}

bool assay_text_skip(struct assay_text *text, const char *prefix)
{
    const size_t len = strlen(prefix);

    if (text->len < len || memcmp(text->data, prefix, len) != 0)
        return false;
    text->data += len;
    text->len -= len;
    return true;
}

bool assay_text_drop(struct assay_text *text, const char *suffix)
{
    const size_t len = strlen(suffix);

    if (text->len < len || memcmp(text->data + text->len - len, suffix, len) != 0)
        return false;
    text->len -= len;
    return true;
}

bool assay_text_is(struct assay_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

bool assay_text_has(struct assay_text text, const char *part)
{
    return text.len > 0 && memmem(text.data, text.len, part, strlen(part)) != NULL;
}

struct assay_text assay_text_trim(struct assay_text text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

struct assay_text assay_text_of(const char *text)
{
    return (struct assay_text){text, strlen(text)};
}

bool assay_text_number(struct assay_text *text, size_t *out)
{
    size_t value = 0, digits = 0;

    while (digits < text->len && text->data[digits] >= '0' && text->data[digits] <= '9') {
        if (digits == 9)
            return false;
        value = value * 10 + (size_t)(text->data[digits++] - '0');
    }
    if (digits == 0)
        return false;
    text->data += digits;
    text->len -= digits;
    *out = value;
    return true;
}

bool assay_log_line_begins(struct assay_text log, const char *const *prefixes)
{
    struct assay_text line;

    while (assay_text_line(&log, &line))
        for (size_t i = 0; prefixes[i] != NULL; i++) {
            struct assay_text rest = line;

            if (assay_text_skip(&rest, prefixes[i]))
                return true;
        }
    return false;
}

bool assay_log_build_failed(struct assay_text log)
{
    static const char *const prefixes[] = {"make: *** ", "gmake: *** ", "make[", "gmake[",
            "ninja: build stopped", "ninja: error", "CMake Error", "collect2: error",
            "compilation terminated.", "error: could not compile", NULL};
    struct assay_text line;

    while (assay_text_line(&log, &line))
        for (size_t i = 0; prefixes[i] != NULL; i++) {
            struct assay_text rest = line;

            if (!assay_text_skip(&rest, prefixes[i]))
                continue;
            // make[2]: also announces directories.
            if (strchr(prefixes[i], '[') == NULL || assay_text_has(rest, "]: *** "))
                return true;
        }
    return false;
}
