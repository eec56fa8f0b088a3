// SPDX-License-Identifier: MIT
// tap.h - one line a test on stdout and, when ASSAY_REPORT_FD is a number, on that descriptor.
#ifndef TAP_H
#define TAP_H
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int tap_count, tap_failed;

static inline void tap_line(const char *line)
{
    const char *fd = getenv("ASSAY_REPORT_FD");
    char record[512];
    int len;

    printf("%s\n", line);
    fflush(stdout);
    if (!fd || !*fd)
        return;
    len = snprintf(record, sizeof(record), "%s\t%s\n", TAP_SCRIPT, line);
    if (write(atoi(fd), record, (size_t)len) != len)
        exit(3);
}

static inline void plan(int count)
{
    char line[32];

    snprintf(line, sizeof(line), "1..%d", count);
    tap_line(line);
}

static inline void ok(int good, const char *name)
{
    char line[256];

    snprintf(line, sizeof(line), "%sok %d - %s", good ? "" : "not ", ++tap_count, name);
    tap_failed |= !good;
    tap_line(line);
}
#endif
