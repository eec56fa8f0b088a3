// SPDX-License-Identifier: MIT
// read_gotest.c - go test: the event stream of -json that trusted/bin/go copies, and plain logs.
//
// Per-test, but weak: go makes the events out of what the test binary prints.
// A test's id is its name, "TestA/sub"; "package::TestA/sub" stands for it too.
#include <string.h>

#include "rewards/reader.h"

struct stream {
    struct assay_reader *reader;
    struct assay_outcome *into;
};

static void add_both(struct stream *stream, const char *package, struct assay_text test,
        enum assay_test_status status)
{
    assay_reader_add(stream->reader, stream->into, test, status);
    if (package != NULL)
        assay_reader_add_joined(
                stream->reader, stream->into, assay_text_of(package), "::", test, status);
}

// One event of `go test -json`; events of packages say how their binaries exited.
static void go_event(struct stream *stream, const struct assay_json *event)
{
    struct assay_reading *reading = stream->reader->reading;
    const char *action = assay_json_text(assay_json_get(event, "Action"));
    const char *package = assay_json_text(assay_json_get(event, "Package"));
    const char *test = assay_json_text(assay_json_get(event, "Test"));
    const char *output = assay_json_text(assay_json_get(event, "Output"));
    enum assay_test_status status;

    if (action == NULL)
        return;
    if (strcmp(action, "build-fail") == 0 ||
            assay_json_text(assay_json_get(event, "FailedBuild")) != NULL ||
            (output != NULL && test == NULL &&
                    (strstr(output, " [build failed]\n") != NULL ||
                            strstr(output, " [setup failed]\n") != NULL)))
        reading->build_failed = true;
    if (strcmp(action, "pass") == 0)
        status = ASSAY_TEST_PASSED;
    else if (strcmp(action, "fail") == 0)
        status = ASSAY_TEST_FAILED;
    else if (strcmp(action, "skip") == 0)
        status = ASSAY_TEST_SKIPPED;
    else
        return;
    if (test == NULL) {
        reading->failed_outside = reading->failed_outside || status == ASSAY_TEST_FAILED;
        return;
    }
    reading->failed = reading->failed || status == ASSAY_TEST_FAILED;
    add_both(stream, package, assay_text_of(test), status);
}

// True when the line was a JSON object of go's.
static bool event_line(struct stream *stream, struct assay_text line)
{
    const struct assay_json_limits limits = {ASSAY_RECORD_BYTES_MAX, 8};
    struct assay_json *event = NULL;

    if (line.len == 0 || line.data[0] != '{' || !assay_text_has(line, "\"Action\":"))
        return false;
    if (assay_json_parse(&event, line.data, line.len, limits, "log", 1, NULL) != ASSAY_OK)
        return false;
    go_event(stream, event);
    assay_json_free(event);
    return true;
}

// A begin record, go's lines as they are, an end record.
static void read_channel(struct stream *stream)
{
    struct assay_reader *reader = stream->reader;
    const struct assay_bytes report = reader->evidence->report;
    struct assay_text rest = {report.data, report.len}, line;
    struct assay_records records = {.framework = "gotest"};

    reader->reading->has_channel = report.len > 0;
    while (assay_text_line(&rest, &line)) {
        const char *name;
        struct assay_json *record;

        if (rest.len == 0 && report.data[report.len - 1] != '\n')
            return;
        if (records.index > 0 && !reader->reading->ended && event_line(stream, line))
            continue;
        if (!assay_text_skip(&(struct assay_text){line.data, line.len}, "{\"n\":") &&
                records.index > 0)
            continue; // what the compiler prints
        record = assay_records_next(reader, &records, line, &name);
        if (record == NULL)
            return;
        assay_json_free(record);
    }
}

// "    --- PASS: TestA/sub (0.00s)".
static void plain_line(struct stream *stream, struct assay_text line)
{
    struct assay_text name;
    enum assay_test_status status;

    line = assay_text_trim(line);
    if (!assay_text_skip(&line, "--- "))
        return;
    if (assay_text_skip(&line, "PASS: "))
        status = ASSAY_TEST_PASSED;
    else if (assay_text_skip(&line, "FAIL: "))
        status = ASSAY_TEST_FAILED;
    else if (assay_text_skip(&line, "SKIP: "))
        status = ASSAY_TEST_SKIPPED;
    else
        return;
    if (!assay_text_split_last(&line, " (", &name) || !assay_text_drop(&line, "s)"))
        return;
    if (!stream->reader->reading->has_channel && status == ASSAY_TEST_FAILED)
        stream->reader->reading->failed = true;
    assay_reader_add(stream->reader, stream->into, name, status);
}

// "ok  \tPACKAGE\t0.1s", "FAIL\tPACKAGE\t0.1s", "FAIL\tPACKAGE [build failed]" end the results of
// a package; they come to stand under its name too. True when the line was such a one.
static bool package_line(struct stream *stream, struct assay_text line, size_t *first)
{
    struct assay_outcome *into = stream->into;
    struct assay_reading *reading = stream->reader->reading;
    const bool failed = assay_text_skip(&line, "FAIL\t");
    struct assay_text package;
    const size_t count = into->count;

    if (!failed && !assay_text_skip(&line, "ok  \t"))
        return false;
    if (assay_text_drop(&line, " [build failed]") || assay_text_drop(&line, " [setup failed]"))
        reading->build_failed = true;
    if (failed && !reading->has_channel)
        reading->failed_outside = true;
    if (!assay_text_split(&line, "\t", &package))
        package = line;
    for (size_t i = *first; i < count; i++)
        assay_reader_add_joined(stream->reader, into, package,
                "::", assay_text_of(into->results[i].id), into->results[i].status);
    *first = into->count;
    return true;
}

enum assay_status assay_read_gotest(const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_reader reader;
    struct stream channel = {&reader, &out->channel}, log = {&reader, &out->log};
    struct assay_text rest, line;
    size_t first = 0;
    enum assay_status status = assay_reader_begin(&reader, evidence, out, arena, err);

    if (status != ASSAY_OK)
        return status;
    read_channel(&channel);
    rest = reader.log;
    while (assay_text_line(&rest, &line)) {
        if (!out->has_channel && event_line(&log, line))
            continue;
        if (!package_line(&log, line, &first))
            plain_line(&log, line);
    }
    return assay_reader_end(&reader, err);
}
