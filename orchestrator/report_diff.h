// SPDX-License-Identifier: MIT
// report_diff.h - a model patch as coloured lines.
//
// The patch is what a model wrote: it may be no diff at all, and a hunk's header may lie about its
// length. Every byte is shown whatever it is; the kind of a line decides its colour and no more.
#ifndef ASSAY_ORCHESTRATOR_REPORT_DIFF_H
#define ASSAY_ORCHESTRATOR_REPORT_DIFF_H

#include <stddef.h>

#include "base/buf.h"

struct assay_report_diff_counts {
    size_t files, added, deleted;
};
struct assay_report_diff_counts assay_report_diff_count(const char *patch, size_t len);

// Content of <pre><code>: escaped lines, runs of one kind in one element (<ins>, <del>, <span>).
// Stops before more than html_bytes_max are added; returns how many bytes of the patch are shown.
size_t assay_report_diff_write(
        struct assay_buf *out, const char *patch, size_t len, size_t html_bytes_max);

#endif
