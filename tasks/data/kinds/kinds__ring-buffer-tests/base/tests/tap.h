/* SPDX-License-Identifier: MIT */
/* A very small TAP producer for the tests of one program. Include it once, in the file that holds main(). */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *tap_script = "?";
static int tap_count;
static int tap_failed;

static void tap_write(int fd, const char *text, size_t length)
{
    while (write(fd, text, length) < 0) {
        break;
    }
}

/* One line to stdout and, when ASSAY_REPORT_FD names a descriptor, one record to it; one write() each. */
static void tap_line(const char *format, ...)
{
    char line[512], record[1024];
    const char *report = getenv("ASSAY_REPORT_FD");
    char *end = NULL;
    va_list args;
    long fd;
    int n;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    n = snprintf(record, sizeof record, "%s\n", line);
    tap_write(STDOUT_FILENO, record, (size_t)n);
    if (report == NULL || *report < '0' || *report > '9') {
        return;
    }
    fd = strtol(report, &end, 10);
    if (*end != '\0' || fd > 1 << 20) {
        return;
    }
    n = snprintf(record, sizeof record, "%s\t%s\n", tap_script, line);
    if (n > 0 && (size_t)n < sizeof record) {
        tap_write((int)fd, record, (size_t)n);
    }
}

static void plan(char **argv, int tests)
{
    tap_script = argv[0];
    tap_line("1..%d", tests);
}

static int ok(int passed, const char *description)
{
    tap_count++;
    tap_failed += !passed;
    tap_line("%s %d - %s", passed ? "ok" : "not ok", tap_count, description);
    return passed;
}

static int finish(void)
{
    return tap_failed ? 1 : 0;
}

#endif
