// SPDX-License-Identifier: MIT
// What must hold: durations never run backwards, and a time in a record is RFC 3339 in UTC.
#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "support/harness.h"

static void the_clock_never_runs_backwards(void **state)
{
    uint64_t last_us = assay_clock_us();

    (void)state;
    for (int i = 0; i < 100000; i++) {
        const uint64_t now_us = assay_clock_us();

        assert_true(now_us >= last_us);
        last_us = now_us;
    }
    assert_true(assay_clock_ms() >= last_us / 1000);
}

static void what_is_left_of_a_deadline_ends_at_zero(void **state)
{
    const uint64_t now_ms = assay_clock_ms();
    const uint64_t left_ms = assay_clock_left_ms(now_ms + 100000);

    (void)state;
    assert_in_range(left_ms, 1, 100000);
    assert_int_equal(assay_clock_left_ms(0), 0);
    assert_int_equal(assay_clock_left_ms(now_ms), 0);
}

static void the_time_of_a_record_is_now_in_utc(void **state)
{
    char text[ASSAY_TIME_TEXT_BYTES];
    struct tm utc = {0};
    const char *rest = NULL;
    const time_t before = time(NULL);

    (void)state;
    assay_clock_utc(text);
    assert_int_equal(strlen(text), strlen("2026-11-24T07:00:00.123Z"));
    rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
    assert_non_null(rest);
    assert_int_equal(rest[0], '.');
    assert_int_equal(rest[4], 'Z');
    assert_in_range(timegm(&utc), before, before + 5);
    assay_clock_utc_ago(text, 86400);
    assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%S", &utc));
    assert_in_range(timegm(&utc), before - 86400, before - 86400 + 5);
}

static void a_time_is_read_back(void **state)
{
    (void)state;
    assert_int_equal(assay_clock_utc_ms("1970-01-02T00:00:01.250Z"), 86401250);
    assert_int_equal(assay_clock_utc_ms("1970-01-01T00:01:00Z"), 60000);
    assert_int_equal(assay_clock_utc_ms("yesterday"), 0);
    assert_int_equal(assay_clock_utc_ms("1970-01-01 00:00:00"), 0);
    assert_int_equal(assay_clock_utc_ms(NULL), 0);
    assert_true(assay_clock_now_ms() > assay_clock_utc_ms("2020-01-01T00:00:00.000Z"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_time_is_read_back),
            cmocka_unit_test(the_clock_never_runs_backwards),
            cmocka_unit_test(what_is_left_of_a_deadline_ends_at_zero),
            cmocka_unit_test(the_time_of_a_record_is_now_in_utc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
