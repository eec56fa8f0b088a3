/* SPDX-License-Identifier: MIT */
#include "check.h"

static int between(void)
{
    CHECK(date_months_between(day("2024-01-15"), day("2024-03-15")) == 2);
    CHECK(date_months_between(day("2024-01-15"), day("2024-03-14")) == 1);
    CHECK(date_months_between(day("2024-03-14"), day("2024-01-15")) == -1);
    return 0;
}

static int add(void)
{
    CHECK(same(date_add_months(day("2024-01-15"), 1), "2024-02-15"));
    CHECK(same(date_add_months(day("2024-11-30"), 14), "2026-01-30"));
    CHECK(same(date_add_months(day("2024-05-31"), -2), "2024-03-31"));
    return 0;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    if (strcmp(argv[1], "between") == 0) {
        return between();
    }
    return strcmp(argv[1], "add") == 0 ? add() : 2;
}
