// SPDX-License-Identifier: MIT
// records.c - the record channel: numbered JSON lines between a begin and an end.
#include <limits.h>
#include <string.h>

#include "rewards/reader.h"

bool assay_record_text(struct assay_reader *reader, const struct assay_json *record,
        const char *key, const char **out)
{
    const char *text = assay_json_text(assay_json_get(record, key));

    if (text == NULL) {
        assay_reader_problem(reader, "a record of the private channel has no text \"%s\"", key);
        return false;
    }
    *out = text;
    return true;
}

bool assay_record_count(
        struct assay_reader *reader, const struct assay_json *record, const char *key, size_t *out)
{
    const double number = assay_json_number(assay_json_get(record, key));

    // Written so that NAN, which stands for "no number", is refused too.
    if (!(number >= 0 && number <= INT_MAX && number == (double)(int)number)) {
        assay_reader_problem(reader, "a record of the private channel has no count \"%s\"", key);
        return false;
    }
    *out = (size_t)number;
    return true;
}

// A JSON object with an event and the number that is due.
static struct assay_json *parse_record(
        struct assay_reader *reader, struct assay_text line, size_t index, const char **event)
{
    const struct assay_json_limits limits = {ASSAY_RECORD_BYTES_MAX, 8};
    struct assay_json *json = NULL;
    struct assay_error err = {0};
    size_t n = 0;

    if (assay_json_parse(&json, line.data, line.len, limits, "channel", index + 1, &err) !=
            ASSAY_OK) {
        assay_reader_problem(reader, "line %zu of the private channel is no record: %s", index + 1,
                assay_show(reader->arena, line.data, line.len));
        return NULL;
    }
    if (!assay_record_text(reader, json, "event", event) ||
            !assay_record_count(reader, json, "n", &n))
        goto bad;
    if (n != index && !(n == 0 && strcmp(*event, "begin") == 0)) {
        assay_reader_problem(reader,
                "line %zu of the private channel carries number %zu: a record was put in or taken "
                "out",
                index + 1, n);
        goto bad;
    }
    return json;

bad:
    assay_json_free(json);
    return NULL;
}

static void begin_record(
        struct assay_reader *reader, const char *framework, const struct assay_json *record)
{
    const char *name;

    if (reader->reading->begun)
        assay_reader_problem(reader, "the private channel was begun twice");
    reader->reading->begun = true;
    if (assay_record_text(reader, record, "framework", &name) && strcmp(name, framework) != 0)
        assay_reader_problem(reader, "the private channel was begun by %s, not by %s",
                assay_show(reader->arena, name, strlen(name)), framework);
}

static void end_record(struct assay_reader *reader, const struct assay_json *record)
{
    size_t status = 0;

    if (!assay_record_count(reader, record, "exit", &status))
        return;
    reader->reading->ended = true;
    reader->reading->exit_expected = (int)status;
}

struct assay_json *assay_records_next(struct assay_reader *reader, struct assay_records *records,
        struct assay_text line, const char **event)
{
    struct assay_reading *reading = reader->reading;
    struct assay_json *record = parse_record(reader, line, records->index++, event);

    if (record == NULL)
        return NULL;
    if (strcmp(*event, "begin") == 0) {
        begin_record(reader, records->framework, record);
    } else if (!reading->begun || reading->ended) {
        assay_reader_problem(reader, "the private channel has a record %s",
                reading->ended ? "after its end" : "before its beginning");
    } else if (strcmp(*event, "end") == 0) {
        end_record(reader, record);
    }
    return record;
}

void assay_reader_records(
        struct assay_reader *reader, const char *framework, assay_record_visit visit, void *user)
{
    const struct assay_bytes report = reader->evidence->report;
    struct assay_text rest = {report.data, report.len}, line;
    struct assay_records records = {.framework = framework};
    struct assay_reading *reading = reader->reading;

    reading->has_channel = report.len > 0;
    while (assay_text_line(&rest, &line)) {
        struct assay_json *record;
        const char *event;

        // A last line without its end was cut off by the writer's death; the
        // missing end record says so.
        if (rest.len == 0 && report.data[report.len - 1] != '\n')
            return;
        record = assay_records_next(reader, &records, line, &event);
        if (record == NULL)
            return; // nothing after it can be trusted to be in order
        if (strcmp(event, "begin") != 0)
            visit(reader, event, record, user);
        assay_json_free(record);
        if (reading->problems.count == ASSAY_PROBLEMS_MAX)
            return;
    }
}
