/* SPDX-License-Identifier: MIT */
#include "check.h"

int main(void)
{
    struct date date;

    CHECK(date_parse("2024-02-29", &date) && date.year == 2024 && date.month == 2 && date.day == 29);
    CHECK(!date_parse("2023-02-29", &date));
    CHECK(!date_parse("2023-2-1", &date));
    CHECK(!date_parse("2023-02-01x", &date));
    CHECK(!date_parse("2023-13-01", &date));
    return 0;
}
