/* SPDX-License-Identifier: MIT */
/* Days of the Gregorian calendar, also before it was introduced. */
#ifndef DATE_SPAN_H
#define DATE_SPAN_H

struct date {
    int year;
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
};

int date_is_leap(int year);
int date_month_length(int year, int month);
int date_valid(struct date date);

/* Days since 1970-01-01, and back. */
long date_to_days(struct date date);
struct date date_from_days(long days);

/* 0 is Sunday. */
int date_weekday(struct date date);

/* The same day of another month, or the last day of that month if it is shorter. */
struct date date_add_months(struct date date, int months);

/* Reads YYYY-MM-DD; returns 0 if that is not a valid day. */
int date_parse(const char *text, struct date *date);

/* Whole months from a to b, negative if b is earlier. */
int date_months_between(struct date a, struct date b);

#endif
