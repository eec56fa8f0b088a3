/* SPDX-License-Identifier: MIT */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

#include "date_span.h"

#define CHECK(cond) \
    do { \
        if (!(cond)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
            return 1; \
        } \
    } while (0)

static inline struct date day(const char *text)
{
    struct date date = {0, 0, 0};

    date_parse(text, &date);
    return date;
}

static inline int same(struct date a, const char *text)
{
    struct date b = day(text);

    return a.year == b.year && a.month == b.month && a.day == b.day;
}

#endif
