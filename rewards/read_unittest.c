// SPDX-License-Identifier: MIT
// read_unittest.c - unittest: records from assay_unittest.py, the verbose lines and sections of the
// log.
#include <string.h>

#include "rewards/reader.h"

struct unittest_counts {
    size_t tests; // records of whole tests
};

static void result_record(struct assay_reader *reader, struct unittest_counts *counts,
        const struct assay_json *record)
{
    const char *id, *name, *when;
    enum assay_test_status status;

    if (!assay_record_text(reader, record, "id", &id) ||
            !assay_record_text(reader, record, "status", &name) ||
            !assay_record_text(reader, record, "when", &when))
        return;
    if (!assay_test_status_from_name(&status, name) || status == ASSAY_TEST_MISSING) {
        assay_reader_problem(reader, "the private channel has an unknown status \"%s\"",
                assay_show(reader->arena, name, strlen(name)));
        return;
    }
    counts->tests += strcmp(when, "test") == 0;
    // unittest's exit status counts an unexpected success among the failures.
    if (status == ASSAY_TEST_FAILED || status == ASSAY_TEST_ERROR || status == ASSAY_TEST_XPASS)
        reader->reading->failed = true;
    assay_reader_add(reader, &reader->reading->channel, assay_text_of(id), status);
}

static void visit_record(
        struct assay_reader *reader, const char *event, const struct assay_json *record, void *user)
{
    struct unittest_counts *counts = user;
    size_t tests = 0;

    if (strcmp(event, "result") == 0) {
        result_record(reader, counts, record);
    } else if (strcmp(event, "end") == 0) {
        if (assay_record_count(reader, record, "tests", &tests) && tests != counts->tests)
            assay_reader_problem(reader,
                    "unittest ended with %zu tests, the private channel has %zu", tests,
                    counts->tests);
    } else {
        assay_reader_problem(reader, "the private channel has an unknown record \"%s\"",
                assay_show(reader->arena, event, strlen(event)));
    }
}

// --- the log ------------------------------------------------------------------------------------

// A test as the log names it: "name (module.Class)"; since Python 3.11
// "name (module.Class.name)". Its id is "module.Class.name".
struct named_test {
    struct assay_text name, where;
};

static bool is_word(struct assay_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == ' ' || text.data[i] == '\t' || text.data[i] == '(')
            return false;
    return text.len > 0;
}

static bool parse_named(struct assay_text text, struct named_test *out)
{
    struct assay_text name;

    if (!assay_text_drop(&text, ")") || !assay_text_split(&text, " (", &name))
        return false;
    if (!is_word(name) || !is_word(text))
        return false;
    *out = (struct named_test){name, text};
    return true;
}

static void add_named(
        struct assay_reader *reader, const struct named_test *test, enum assay_test_status status)
{
    struct assay_outcome *log = &reader->reading->log;
    struct assay_text tail = test->where, head;

    if (assay_text_split_last(&tail, ".", &head) && tail.len == test->name.len &&
            memcmp(tail.data, test->name.data, tail.len) == 0)
        assay_reader_add(reader, log, test->where, status);
    else
        assay_reader_add_joined(reader, log, test->where, ".", test->name, status);
}

static bool parse_status(struct assay_text text, enum assay_test_status *out)
{
    text = assay_text_trim(text);
    if (assay_text_is(text, "ok") || assay_text_is(text, "OK"))
        *out = ASSAY_TEST_PASSED;
    else if (assay_text_is(text, "FAIL"))
        *out = ASSAY_TEST_FAILED;
    else if (assay_text_is(text, "ERROR"))
        *out = ASSAY_TEST_ERROR;
    else if (assay_text_is(text, "skipped") || assay_text_skip(&text, "skipped "))
        *out = ASSAY_TEST_SKIPPED;
    else if (assay_text_is(text, "expected failure"))
        *out = ASSAY_TEST_XFAIL;
    else if (assay_text_is(text, "unexpected success"))
        *out = ASSAY_TEST_XPASS;
    else
        return false;
    return true;
}

// "FAIL: name (module.Class)" heads a section; a subtest adds " [message] (i=1)".
static bool section_line(struct assay_reader *reader, struct assay_text line)
{
    struct named_test test;
    struct assay_text head;
    enum assay_test_status status = ASSAY_TEST_FAILED;

    if (assay_text_skip(&line, "ERROR: "))
        status = ASSAY_TEST_ERROR;
    else if (!assay_text_skip(&line, "FAIL: "))
        return false;
    if (assay_text_split(&line, ") ", &head))
        line = (struct assay_text){head.data, head.len + 1};
    if (parse_named(line, &test))
        add_named(reader, &test, status);
    return true;
}

// "TEST ... STATUS", where TEST is a named test, or the first line of its
// docstring with the named test on the line before.
static void verbose_line(
        struct assay_reader *reader, struct assay_text line, const struct named_test *before)
{
    struct assay_text title;
    struct named_test test;
    enum assay_test_status status;

    if (!assay_text_split_last(&line, " ... ", &title) || !parse_status(line, &status))
        return;
    title = assay_text_trim(title);
    if (parse_named(title, &test)) {
        add_named(reader, &test, status);
    } else if (before != NULL) {
        add_named(reader, before, status);
        // Some suites know the test by this line alone.
        assay_reader_add(reader, &reader->reading->log, title, status);
    }
}

static void read_log(struct assay_reader *reader)
{
    struct assay_text rest = reader->log, line, head;
    struct named_test before;
    bool has_before = false;

    while (assay_text_line(&rest, &line)) {
        if (section_line(reader, line)) {
            has_before = false;
            continue;
        }
        if (assay_text_split(&(struct assay_text){line.data, line.len}, " ... ", &head))
            verbose_line(reader, line, has_before ? &before : NULL);
        has_before = parse_named(assay_text_trim(line), &before);
    }
    for (size_t i = 0; i < reader->reading->log.count; i++) {
        const enum assay_test_status status = reader->reading->log.results[i].status;

        if (!reader->reading->has_channel &&
                (status == ASSAY_TEST_FAILED || status == ASSAY_TEST_ERROR ||
                        status == ASSAY_TEST_XPASS))
            reader->reading->failed = true;
    }
}

// The summary's last word, for a run without a channel whose tests are dots:
// "FAILED (failures=1)" alone on a line.
static bool summary_failed(struct assay_text log)
{
    static const char *const prefixes[] = {
            "FAILED (failures=", "FAILED (errors=", "FAILED (unexpected successes=", NULL};

    return assay_log_line_begins(log, prefixes);
}

enum assay_status assay_read_unittest(const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_reader reader;
    struct unittest_counts counts = {0};
    enum assay_status status = assay_reader_begin(&reader, evidence, out, arena, err);

    if (status != ASSAY_OK)
        return status;
    assay_reader_records(&reader, "unittest", visit_record, &counts);
    read_log(&reader);
    if (!out->has_channel && summary_failed(reader.log))
        out->failed_outside = true;
    out->none_collected = out->ended && out->channel.count == 0;
    return assay_reader_end(&reader, err);
}

// --- the command --------------------------------------------------------------------------------

#define RUNNER ASSAY_TRUSTED_DIR "/python/assay_unittest.py"

bool assay_command_is_unittest(const struct assay_strings *argv)
{
    return assay_python_module_at(argv, "unittest") != 0;
}

enum assay_status assay_command_unittest(const struct assay_strings *argv,
        struct assay_strings *out, struct assay_arena *arena, struct assay_error *err)
{
    return assay_python_replace_module(argv, "unittest", RUNNER, out, arena, err);
}
