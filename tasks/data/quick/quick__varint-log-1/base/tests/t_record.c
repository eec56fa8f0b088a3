/* SPDX-License-Identifier: MIT */
#include "record.h"
#include "tap.h"

int main(int argc, char **argv)
{
    struct record_reader reader;
    struct record record;
    char log[64];
    size_t n;

    (void)argc;
    plan(argv, 5);
    n = record_put(log, sizeof log, 7, "seven", 5);
    n += record_put(log + n, sizeof log - n, 8, "", 0);
    ok(n == 9, "writes two records");
    record_open(&reader, log, n);
    ok(record_next(&reader, &record) == 1 && record.tag == 7 && record.length == 5
           && memcmp(record.content, "seven", 5) == 0,
       "reads the first");
    ok(record_next(&reader, &record) == 1 && record.tag == 8 && record.length == 0, "reads an empty one");
    ok(record_next(&reader, &record) == 0, "comes to the end");
    record_open(&reader, log, 4);
    ok(record_next(&reader, &record) == -1, "sees that a record is cut off");
    return finish();
}
