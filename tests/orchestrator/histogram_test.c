// SPDX-License-Identifier: MIT
// What must hold: buckets are cumulative, the last holds all, and no reading is larger than the
// count beside it.
#include "orchestrator/histogram.h"

#include <string.h>

#include "support/harness.h"

static void lines_are_as_prometheus_reads_them(void **state)
{
    struct assay_histogram histogram = {.count = 0};
    struct assay_buf text;

    (void)state;
    assay_histogram_add(&histogram, 500);       // on a bound: in its bucket
    assay_histogram_add(&histogram, 501);       // the next
    assay_histogram_add(&histogram, 900000000); // beyond all
    assay_buf_init(&text, 65536);
    assay_histogram_write(&text, "t_seconds", "a=\"b\"", &histogram);
    assert_non_null(strstr(text.data, "t_seconds_bucket{a=\"b\",le=\"0.0005\"} 1\n"));
    assert_non_null(strstr(text.data, "t_seconds_bucket{a=\"b\",le=\"0.001\"} 2\n"));
    assert_non_null(strstr(text.data, "t_seconds_bucket{a=\"b\",le=\"300\"} 2\n"));
    assert_non_null(strstr(text.data, "t_seconds_bucket{a=\"b\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text.data, "t_seconds_sum{a=\"b\"} 900.001\n"));
    assert_non_null(strstr(text.data, "t_seconds_count{a=\"b\"} 3\n"));
    assert_int_equal(assay_histogram_count(&histogram), 3);
    assay_buf_free(&text);
}

static void without_labels(void **state)
{
    struct assay_histogram histogram = {.count = 0};
    struct assay_buf text;

    (void)state;
    assay_buf_init(&text, 65536);
    assay_histogram_write(&text, "t", "", &histogram);
    assert_non_null(strstr(text.data, "t_bucket{le=\"+Inf\"} 0\n"));
    assay_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(lines_are_as_prometheus_reads_them),
            cmocka_unit_test(without_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
