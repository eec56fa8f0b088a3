// SPDX-License-Identifier: MIT
// What must hold: a reason is complete where it matters most, and never overruns its record.
#include "base/error.h"

#include <errno.h>
#include <string.h>

#include "support/harness.h"

static void a_failure_carries_its_code_and_its_message(void **state)
{
    struct assay_error err = {.sys_errno = 7};

    (void)state;
    assert_int_equal(assay_fail(&err, ASSAY_EPATCH, "hunk %d does not apply", 3), ASSAY_EPATCH);
    assert_int_equal(err.status, ASSAY_EPATCH);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.message, "hunk 3 does not apply");
}

static void a_failed_system_call_keeps_its_errno_and_says_it_in_words(void **state)
{
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(assay_fail_errno(&err, ENOENT, "open %s", "a.txt"), ASSAY_EIO);
    assert_int_equal(err.sys_errno, ENOENT);
    assert_string_equal(err.message, "open a.txt: No such file or directory");
}

static void wrapping_puts_the_context_first_and_keeps_the_code(void **state)
{
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(assay_fail_errno(&err, EACCES, "open x"), ASSAY_EIO);
    assert_int_equal(assay_wrap(&err, "suite %s", "demo"), ASSAY_EIO);
    assert_int_equal(err.sys_errno, EACCES);
    assert_string_equal(err.message, "suite demo: open x: Permission denied");
}

static void a_record_is_optional(void **state)
{
    (void)state;
    assert_int_equal(assay_fail(NULL, ASSAY_EINVAL, "x"), ASSAY_EINVAL);
    assert_int_equal(assay_fail_errno(NULL, EIO, "x"), ASSAY_EIO);
    assert_int_equal(assay_wrap(NULL, "x"), ASSAY_EIO);
}

static void a_long_path_never_pushes_out_the_reason(void **state)
{
    struct assay_error err = {0};
    char path[600];
    static const char reason[] = ": Permission denied";

    (void)state;
    memset(path, 'p', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    (void)assay_fail_errno(&err, EACCES, "%s", path);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
    assert_string_equal(err.message + strlen(err.message) - strlen(reason), reason);
}

static void a_long_context_takes_no_more_than_half(void **state)
{
    struct assay_error err = {0};
    char path[600];

    (void)state;
    memset(path, 'p', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    (void)assay_fail(&err, ASSAY_EINVAL, "the reason");
    (void)assay_wrap(&err, "%s", path);
    assert_non_null(strstr(err.message, ": the reason"));

    (void)assay_fail(&err, ASSAY_EINVAL, "%s", path);
    (void)assay_wrap(&err, "%s", path);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
}

static void every_status_has_its_own_name(void **state)
{
    (void)state;
    assert_string_equal(assay_status_name(ASSAY_OK), "ok");
    for (int i = 0; i <= (int)ASSAY_ECUDA; i++) {
        assert_string_not_equal(assay_status_name((enum assay_status)i), "unknown");
        for (int j = 0; j < i; j++)
            assert_string_not_equal(assay_status_name((enum assay_status)i),
                    assay_status_name((enum assay_status)j));
    }
    assert_string_equal(assay_status_name((enum assay_status)99), "unknown");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_failure_carries_its_code_and_its_message),
            cmocka_unit_test(a_failed_system_call_keeps_its_errno_and_says_it_in_words),
            cmocka_unit_test(wrapping_puts_the_context_first_and_keeps_the_code),
            cmocka_unit_test(a_record_is_optional),
            cmocka_unit_test(a_long_path_never_pushes_out_the_reason),
            cmocka_unit_test(a_long_context_takes_no_more_than_half),
            cmocka_unit_test(every_status_has_its_own_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
