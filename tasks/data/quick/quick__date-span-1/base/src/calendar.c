/* SPDX-License-Identifier: MIT */
#include "date_span.h"

int date_is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0 || year < 1970);
}

int date_month_length(int year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && date_is_leap(year) ? 29 : lengths[month - 1];
}

int date_valid(struct date date)
{
    return date.month >= 1 && date.month <= 12 && date.day >= 1
           && date.day <= date_month_length(date.year, date.month);
}

long date_to_days(struct date date)
{
    long days = date.day - 1;

    for (int year = 1970; year < date.year; year++) {
        days += date_is_leap(year) ? 366 : 365;
    }
    for (int year = date.year; year < 1970; year++) {
        days -= date_is_leap(year) ? 366 : 365;
    }
    for (int month = 1; month < date.month; month++) {
        days += date_month_length(date.year, month);
    }
    return days;
}

struct date date_from_days(long days)
{
    struct date date = {1970, 1, 1};
    int length;

    while (days >= (length = date_is_leap(date.year) ? 366 : 365)) {
        days -= length;
        date.year++;
    }
    while (days >= (length = date_month_length(date.year, date.month))) {
        days -= length;
        date.month++;
    }
    date.day += (int)days;
    return date;
}

int date_weekday(struct date date)
{
    return (int)((date_to_days(date) + 4) % 7);
}
