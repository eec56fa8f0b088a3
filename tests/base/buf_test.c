// SPDX-License-Identifier: MIT
// What must hold: a buffer never grows past its maximum, and one check at the end sees any failure.
#include "base/buf.h"

#include <stdint.h>
#include <string.h>

#include "support/harness.h"

static void an_empty_buffer_is_an_empty_string(void **state)
{
    struct assay_buf buf;

    (void)state;
    assay_buf_init(&buf, 10);
    assert_string_equal(buf.data, "");
    assert_true(assay_buf_add(&buf, NULL, 0));
    assert_string_equal(buf.data, "");
    assay_buf_clear(&buf);
    assay_buf_free(&buf);
    assay_buf_free(&buf);
    assert_string_equal(buf.data, "");
}

static void the_maximum_can_be_reached_but_not_passed(void **state)
{
    struct assay_buf buf;

    (void)state;
    assay_buf_init(&buf, 5);
    assert_true(assay_buf_adds(&buf, "abc"));
    assert_true(assay_buf_adds(&buf, "de"));
    assert_int_equal(assay_buf_check(&buf, "line", NULL), ASSAY_OK);
    assert_false(assay_buf_addc(&buf, 'f'));
    assert_string_equal(buf.data, "abcde");
    assert_int_equal(buf.len, 5);
    assay_buf_free(&buf);
}

static void a_failure_sticks_until_the_buffer_is_cleared(void **state)
{
    struct assay_error err = {0};
    struct assay_buf buf;

    (void)state;
    assay_buf_init(&buf, 4);
    assert_false(assay_buf_addf(&buf, "%s", "five!"));
    assert_false(assay_buf_addc(&buf, 'x')); // would fit
    assert_string_equal(buf.data, "");
    assert_int_equal(assay_buf_check(&buf, "the answer", &err), ASSAY_ENOMEM);
    assert_string_equal(err.message, "the answer is larger than 4 bytes");
    assay_buf_clear(&buf);
    assert_true(assay_buf_addc(&buf, 'x'));
    assert_string_equal(buf.data, "x");
    assay_buf_free(&buf);
}

static void sizes_that_overflow_fail_like_any_other(void **state)
{
    struct assay_buf buf;

    (void)state;
    assay_buf_init(&buf, SIZE_MAX);
    assert_true(assay_buf_adds(&buf, "abc"));
    assert_false(assay_buf_reserve(&buf, SIZE_MAX - 3));
    assert_true(buf.failed);
    assert_string_equal(buf.data, "abc");
    assay_buf_free(&buf);
}

static void growth_keeps_content_and_counts_embedded_nuls(void **state)
{
    struct assay_buf buf;

    (void)state;
    assay_buf_init(&buf, 100000);
    for (int i = 0; i < 50000; i++) {
        const char c = (char)(i % 7);

        assert_true(assay_buf_add(&buf, &c, 1));
    }
    assert_int_equal(buf.len, 50000);
    for (int i = 0; i < 50000; i++)
        assert_int_equal(buf.data[i], i % 7);
    assay_buf_truncate(&buf, 3);
    assert_int_equal(buf.len, 3);
    assert_int_equal(buf.data[3], 0);
    assay_buf_free(&buf);
}

static void reserved_room_is_written_by_the_caller(void **state)
{
    struct assay_buf buf;

    (void)state;
    assay_buf_init(&buf, 8);
    assert_true(assay_buf_reserve(&buf, 8));
    memcpy(buf.data, "12345678", 9);
    buf.len = 8;
    assert_true(assay_buf_reserve(&buf, 0));
    assert_false(assay_buf_reserve(&buf, 1));
    assert_string_equal(buf.data, "12345678");
    assay_buf_free(&buf);
}

static void a_word_for_a_shell_is_one_whatever_it_holds(void **state)
{
    struct assay_buf buf;

    (void)state;
    assay_buf_init(&buf, 64);
    assert_true(assay_buf_add_quoted(&buf, "it's $x \"`\\"));
    assert_string_equal(buf.data, "'it'\\''s $x \"`\\'");
    assay_buf_clear(&buf);
    assert_true(assay_buf_add_quoted(&buf, ""));
    assert_string_equal(buf.data, "''");
    assay_buf_free(&buf);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(an_empty_buffer_is_an_empty_string),
            cmocka_unit_test(the_maximum_can_be_reached_but_not_passed),
            cmocka_unit_test(a_failure_sticks_until_the_buffer_is_cleared),
            cmocka_unit_test(sizes_that_overflow_fail_like_any_other),
            cmocka_unit_test(growth_keeps_content_and_counts_embedded_nuls),
            cmocka_unit_test(reserved_room_is_written_by_the_caller),
            cmocka_unit_test(a_word_for_a_shell_is_one_whatever_it_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
