// SPDX-License-Identifier: MIT
// log.h - one line per event: "time level room event key=value ...", or JSON with the same keys.
//
// A logger is a value that is passed down, never a global. Libraries return
// errors; the one frame that handles an error logs it. Thread-safe: a line is
// one write().
#ifndef ASSAY_BASE_LOG_H
#define ASSAY_BASE_LOG_H

#include <stdbool.h>

#include "base/error.h"

enum assay_log_level { ASSAY_LOG_ERROR, ASSAY_LOG_WARN, ASSAY_LOG_INFO, ASSAY_LOG_DEBUG };
enum assay_log_format { ASSAY_LOG_TEXT, ASSAY_LOG_JSON };

struct assay_log {
    int fd; // borrowed; usually 2
    enum assay_log_level level_max;
    enum assay_log_format format;
    // Called (may be NULL) before and after a line is written, so that a
    // progress bar on the same terminal can clear and redraw itself.
    void (*around)(void *user, bool before);
    void *user;
};

// Keys and values alternate after `event` and end with NULL: all const char *.
// Text values with spaces, quotes, "=" or anything but printable ASCII are quoted
// and escaped, so no value can break a line or reach a terminal; a value beyond
// 4 KiB is cut and ends in "...". A NULL value is empty text. log may be NULL.
void assay_log(const struct assay_log *log, enum assay_log_level level, const char *room,
        const char *event, ...) __attribute__((sentinel));

#endif
