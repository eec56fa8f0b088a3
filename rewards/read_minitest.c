// SPDX-License-Identifier: MIT
// read_minitest.c - minitest -v: "Class#test = 0.01 s = .", one line a test, by a letter.
//
// The field's parser wants a full stop behind the name, as specs in prose have one. Here that is
// no part of the id, and names without one are read, too.
#include <string.h>

#include "rewards/reader.h"

static enum assay_test_status status_of(struct assay_text letter)
{
    static const struct {
        const char *letter;
        enum assay_test_status status;
    } rows[] = {{".", ASSAY_TEST_PASSED}, {"F", ASSAY_TEST_FAILED}, {"E", ASSAY_TEST_ERROR},
            {"S", ASSAY_TEST_SKIPPED}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (assay_text_is(letter, rows[i].letter))
            return rows[i].status;
    return ASSAY_TEST_MISSING;
}

// "1.23 s"
static bool is_time(struct assay_text text)
{
    if (!assay_text_drop(&text, " s") || text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '.' && (text.data[i] < '0' || text.data[i] > '9'))
            return false;
    return true;
}

static void read_line(
        struct assay_reader *reader, struct assay_reading *out, struct assay_text line)
{
    struct assay_text letter = assay_text_trim(line), time, name;
    enum assay_test_status status = ASSAY_TEST_MISSING;

    if (!assay_text_split_last(&letter, " = ", &time) ||
            (status = status_of(letter)) == ASSAY_TEST_MISSING ||
            !assay_text_split_last(&time, " = ", &name) || !is_time(time) || name.len == 0)
        return;
    (void)assay_text_drop(&name, ".");
    out->failed |= status == ASSAY_TEST_FAILED || status == ASSAY_TEST_ERROR;
    assay_reader_add(reader, &out->log, name, status);
}

enum assay_status assay_read_minitest(const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_reader reader;
    struct assay_text rest, line;
    enum assay_status status = assay_reader_begin(&reader, evidence, out, arena, err);

    if (status != ASSAY_OK)
        return status;
    rest = reader.log;
    while (assay_text_line(&rest, &line))
        read_line(&reader, out, line);
    out->build_failed = assay_log_build_failed(reader.log);
    return assay_reader_end(&reader, err);
}
