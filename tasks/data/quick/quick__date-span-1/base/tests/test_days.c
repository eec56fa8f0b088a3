/* SPDX-License-Identifier: MIT */
#include "check.h"

static int round_trip(void)
{
    for (long days = 0; days < 60000; days += 17) {
        struct date date = date_from_days(days);

        CHECK(date_valid(date) && date_to_days(date) == days);
    }
    CHECK(date_to_days(day("2000-03-01")) == 11017);
    return 0;
}

static int weekday(void)
{
    CHECK(date_weekday(day("1970-01-01")) == 4);
    CHECK(date_weekday(day("2024-02-29")) == 4);
    CHECK(date_weekday(day("2026-01-04")) == 0);
    return 0;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    if (strcmp(argv[1], "round_trip") == 0) {
        return round_trip();
    }
    return strcmp(argv[1], "weekday") == 0 ? weekday() : 2;
}
