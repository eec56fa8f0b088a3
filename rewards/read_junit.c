// SPDX-License-Identifier: MIT
// read_junit.c - JUnit XML that the suite's own command writes into ASSAY_OUT_DIR.
//
// Per-test, but weak: whatever runs in the box may write that directory.
#include <string.h>

#include "rewards/reader.h"

static void visit_case(struct assay_reader *reader, const struct assay_junit_case *test, void *user)
{
    enum assay_test_status status = ASSAY_TEST_PASSED;

    (void)user;
    if (test->error)
        status = ASSAY_TEST_ERROR;
    else if (test->failure)
        status = ASSAY_TEST_FAILED;
    else if (test->skipped)
        status = ASSAY_TEST_SKIPPED;
    reader->reading->failed = reader->reading->failed || test->error || test->failure;
    if (test->classname[0] != '\0')
        assay_reader_add_joined(reader, &reader->reading->channel, assay_text_of(test->classname),
                "::", assay_text_of(test->name), status);
    else
        assay_reader_add(reader, &reader->reading->channel, assay_text_of(test->name), status);
}

enum assay_status assay_read_junit(const struct assay_evidence *evidence, struct assay_reading *out,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_reader reader;
    bool whole = true;
    enum assay_status status = assay_reader_begin(&reader, evidence, out, arena, err);

    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < evidence->file_count; i++) {
        const struct assay_out_file *file = &evidence->files[i];
        struct assay_text xml = {
                file->content.data != NULL ? file->content.data : "", file->content.len};

        out->has_channel = out->begun = true;
        if (!assay_reader_junit(&reader, assay_show(arena, file->name, strlen(file->name)), xml,
                    visit_case, NULL))
            whole = false; // cut off, as by a runner that died
    }
    out->ended = out->begun && whole;
    out->exit_blind = true; // many builds are told to go on past failed tests
    // make says that it failed after failed tests, too.
    out->build_failed =
            out->channel.count + out->log.count == 0 && assay_log_build_failed(reader.log);
    return assay_reader_end(&reader, err);
}
