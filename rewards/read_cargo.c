// SPDX-License-Identifier: MIT
// read_cargo.c - cargo test: the lines of libtest, with the counts of each test binary checked.
//
// Weak: libtest prints to the stdout that the code under test prints to as well.
#include <string.h>

#include "rewards/reader.h"

// One test binary: "running N tests" ... "test result: ok. A passed; B failed; C ignored; ...".
struct binary {
    bool open;
    bool quoting; // below "failures:" the output of tests is quoted
    size_t announced, passed, failed, ignored, lines;
};

static void open_binary(struct assay_reader *reader, struct binary *binary, size_t announced)
{
    if (binary->open)
        reader->reading->failed_outside = true; // the one before died
    *binary = (struct binary){.open = true, .announced = announced};
}

static void test_line(struct assay_reader *reader, struct binary *binary, struct assay_text line)
{
    struct assay_text name;
    enum assay_test_status status;

    if (!assay_text_split_last(&line, " ... ", &name))
        return;
    if (assay_text_is(line, "ok")) {
        status = ASSAY_TEST_PASSED;
        binary->passed++;
    } else if (assay_text_is(line, "FAILED")) {
        status = ASSAY_TEST_FAILED;
        binary->failed++;
        reader->reading->failed = true;
    } else if (assay_text_is(line, "ignored") || assay_text_skip(&line, "ignored, ")) {
        status = ASSAY_TEST_SKIPPED;
        binary->ignored++;
    } else {
        return;
    }
    (void)assay_text_drop(&name, " - should panic");
    binary->lines++;
    assay_reader_add(reader, &reader->reading->log, name, status);
}

// Lines may be lost where a test prints in the middle of one; none may be added.
static void result_line(struct assay_reader *reader, struct binary *binary, struct assay_text line)
{
    struct assay_text head;
    size_t counts[4] = {0}; // passed, failed, ignored, measured

    if (!assay_text_split(&line, ". ", &head))
        return;
    for (size_t i = 0; i < 4; i++) {
        if (!assay_text_number(&line, &counts[i]) || !assay_text_split(&line, "; ", &head))
            return;
    }
    binary->open = false;
    if (counts[1] > 0)
        reader->reading->failed = true;
    if (counts[0] + counts[1] + counts[2] + counts[3] != binary->announced)
        assay_reader_problem(reader, "a test binary announced %zu tests and counted %zu",
                binary->announced, counts[0] + counts[1] + counts[2] + counts[3]);
    if (binary->passed > counts[0] || binary->failed > counts[1] || binary->ignored > counts[2])
        assay_reader_problem(reader,
                "the log shows %zu results of a test binary that counted %zu passed, %zu failed",
                binary->lines, counts[0], counts[1]);
}

static void log_line(struct assay_reader *reader, struct binary *binary, struct assay_text line)
{
    size_t announced = 0;

    if (assay_text_skip(&line, "running ")) {
        if (assay_text_number(&line, &announced) &&
                (assay_text_is(line, " tests") || assay_text_is(line, " test")))
            open_binary(reader, binary, announced);
    } else if (!binary->open) {
        return;
    } else if (assay_text_skip(&line, "test result: ")) {
        result_line(reader, binary, line);
    } else if (assay_text_is(line, "failures:")) {
        binary->quoting = true;
    } else if (!binary->quoting && assay_text_skip(&line, "test ")) {
        test_line(reader, binary, line);
    }
}

enum assay_status assay_read_cargo(const struct assay_evidence *evidence, struct assay_reading *out,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_reader reader;
    struct binary binary = {0};
    struct assay_text rest, line;
    enum assay_status status = assay_reader_begin(&reader, evidence, out, arena, err);

    if (status != ASSAY_OK)
        return status;
    rest = reader.log;
    while (assay_text_line(&rest, &line))
        log_line(&reader, &binary, line);
    if (binary.open && !evidence->log_truncated)
        out->failed_outside = true;
    out->build_failed = assay_log_build_failed(reader.log);
    return assay_reader_end(&reader, err);
}
