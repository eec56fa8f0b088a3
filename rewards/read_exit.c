// SPDX-License-Identifier: MIT
// read_exit.c - plain exit status: one test, "exit_status", passed when the command exits 0.
#include "rewards/reader.h"

enum assay_status assay_read_exit(const struct assay_evidence *evidence, struct assay_reading *out,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_reader reader;
    enum assay_status status = assay_reader_begin(&reader, evidence, out, arena, err);

    if (status != ASSAY_OK)
        return status;
    out->failed = evidence->exit_code != 0;
    assay_reader_add(&reader, &out->log, assay_text_of("exit_status"),
            out->failed ? ASSAY_TEST_FAILED : ASSAY_TEST_PASSED);
    out->build_failed = out->failed && assay_log_build_failed(reader.log);
    return assay_reader_end(&reader, err);
}
