// SPDX-License-Identifier: MIT
// report_log.h - the beginning and the end of a run's log, as a folded part of the page.
#ifndef ASSAY_ORCHESTRATOR_REPORT_LOG_H
#define ASSAY_ORCHESTRATOR_REPORT_LOG_H

#include <stddef.h>

#include "base/buf.h"

#define ASSAY_REPORT_LOG_HEAD_BYTES ((size_t)8 << 10)
#define ASSAY_REPORT_LOG_TAIL_BYTES ((size_t)24 << 10)

// Add <details> with the log at log_path below home_fd: no link is followed, only a regular file
// is read. A log that cannot be read is a sentence in the page, not an error. The escaped text
// stays within html_bytes_max. name: whose log it is, for those who do not see the page.
void assay_report_log_write(struct assay_buf *out, int home_fd, const char *log_path,
        const char *name, size_t html_bytes_max);

#endif
