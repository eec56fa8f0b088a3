/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "date_span.h"

struct date date_add_months(struct date date, int months)
{
    int total = date.month - 1 + months;

    date.year += total / 12;
    date.month = total % 12 + 1;
    if (date.day > 31) {
        date.day = 31;
    }
    return date_from_days(date_to_days(date));
}

int date_parse(const char *text, struct date *date)
{
    int end = 0;

    if (sscanf(text, "%4d-%2d-%2d%n", &date->year, &date->month, &date->day, &end) != 3) {
        return 0;
    }
    return end == 10 && text[end] == '\0' && date_valid(*date);
}

int date_months_between(struct date a, struct date b)
{
    int months = (b.year - a.year) * 12 + b.month - a.month;

    if (months > 0 && b.day < a.day) {
        months--;
    }
    if (months < 0 && b.day > a.day) {
        months++;
    }
    return months;
}
