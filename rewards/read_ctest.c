// SPDX-License-Identifier: MIT
// read_ctest.c - ctest: its JUnit file as trusted/bin/ctest copies it to the channel, and its log.
//
// Channel: a begin record, {"n":1,"event":"file","bytes":N}, N bytes of XML and
// a line end, an end record. ctest itself writes the XML, from the exit
// statuses of the tests; they never see the descriptor.
#include <string.h>

#include "rewards/reader.h"

static void visit_case(struct assay_reader *reader, const struct assay_junit_case *test, void *user)
{
    enum assay_test_status status = ASSAY_TEST_ERROR;

    (void)user;
    if (test->failure || strcmp(test->status, "fail") == 0)
        status = ASSAY_TEST_FAILED;
    else if (strcmp(test->status, "disabled") == 0 ||
            (test->skipped && strncmp(test->message, "SKIP_", 5) == 0))
        status = ASSAY_TEST_SKIPPED; // SKIP_RETURN_CODE=, SKIP_REGULAR_EXPRESSION_MATCHED
    else if (strcmp(test->status, "run") == 0 && !test->skipped && !test->error)
        status = ASSAY_TEST_PASSED;
    if (status == ASSAY_TEST_FAILED || status == ASSAY_TEST_ERROR)
        reader->reading->failed = true;
    assay_reader_add(reader, &reader->reading->channel, assay_text_of(test->name), status);
}

static void read_file(
        struct assay_reader *reader, const struct assay_json *record, struct assay_text *rest)
{
    struct assay_text xml = *rest;
    size_t bytes = 0;

    if (!assay_record_count(reader, record, "bytes", &bytes))
        return;
    if (bytes >= rest->len || rest->data[bytes] != '\n') {
        assay_reader_problem(reader, "the file of ctest is not as long as its record says");
        rest->len = 0;
        return;
    }
    xml.len = bytes;
    rest->data += bytes + 1;
    rest->len -= bytes + 1;
    if (!assay_reader_junit(reader, "the file of ctest", xml, visit_case, NULL))
        assay_reader_problem(reader, "the file of ctest is not well formed");
}

static void read_channel(struct assay_reader *reader)
{
    const struct assay_bytes report = reader->evidence->report;
    struct assay_text rest = {report.data, report.len}, line;
    struct assay_records records = {.framework = "ctest"};

    reader->reading->has_channel = report.len > 0;
    while (assay_text_line(&rest, &line)) {
        const char *event;
        struct assay_json *record;

        if (rest.len == 0 && report.data[report.len - 1] != '\n')
            return; // cut off by death
        record = assay_records_next(reader, &records, line, &event);
        if (record == NULL)
            return;
        if (strcmp(event, "file") == 0)
            read_file(reader, record, &rest);
        assay_json_free(record);
    }
}

// " 2/10 Test  #2: NAME ......***Failed    0.00 sec"; " ...   Passed    0.00 sec".
static void log_line(struct assay_reader *reader, struct assay_text line)
{
    struct assay_text head, name;
    enum assay_test_status status = ASSAY_TEST_FAILED;
    size_t number = 0;

    line = assay_text_trim(line);
    if (!assay_text_number(&line, &number) || !assay_text_skip(&line, "/") ||
            !assay_text_number(&line, &number) || !assay_text_skip(&line, " Test "))
        return;
    line = assay_text_trim(line);
    if (!assay_text_skip(&line, "#") || !assay_text_split(&line, ": ", &head) ||
            !assay_text_drop(&line, " sec") || !assay_text_split_last(&line, " ", &name))
        return;
    name = assay_text_trim(name);
    if (assay_text_drop(&name, "   Passed")) {
        status = ASSAY_TEST_PASSED;
    } else {
        struct assay_text said = name;

        if (!assay_text_split_last(&said, "***", &name))
            return;
        if (assay_text_skip(&said, "Skipped") || assay_text_is(said, "Not Run (Disabled)"))
            status = ASSAY_TEST_SKIPPED;
        else if (assay_text_skip(&said, "Not Run"))
            status = ASSAY_TEST_ERROR;
    }
    while (assay_text_drop(&name, "."))
        ;
    assay_reader_add(reader, &reader->reading->log, assay_text_trim(name), status);
}

enum assay_status assay_read_ctest(const struct assay_evidence *evidence, struct assay_reading *out,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_reader reader;
    struct assay_text rest, line;
    enum assay_status status = assay_reader_begin(&reader, evidence, out, arena, err);

    if (status != ASSAY_OK)
        return status;
    read_channel(&reader);
    rest = reader.log;
    while (assay_text_line(&rest, &line))
        log_line(&reader, line);
    out->none_collected = out->ended && out->channel.count == 0;
    // The command of the suite may be more than ctest: it builds first, and its
    // exit status is ctest's only if that came last.
    if (!out->has_channel)
        out->build_failed = assay_log_build_failed(reader.log);
    return assay_reader_end(&reader, err);
}
