// SPDX-License-Identifier: MIT
// What must hold: a device is found by its name; a name that is none is a fault of usage.
#include "orchestrator/device.h"

#include <string.h>

#include "kernels/gpu.h"
#include "support/harness.h"

static void no_name_and_cpu_are_the_host(void **state)
{
    static const char *const names[] = {NULL, "", "cpu"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct assay_ops *ops = NULL;

        assert_int_equal(assay_device_find(&ops, names[i], NULL), ASSAY_OK);
        assert_ptr_equal(ops, assay_ops_cpu(NULL));
        assert_true(assay_device_is_exact(ops));
    }
}

static void an_unknown_name_is_a_fault_of_usage(void **state)
{
    struct assay_error err = {0};
    const struct assay_ops *ops = NULL;

    (void)state;
    assert_int_equal(assay_device_find(&ops, "tpu", &err), ASSAY_EUSAGE);
    assert_non_null(strstr(err.message, "\"tpu\""));
    assert_null(ops);
}

static void a_gpu_is_found_or_said_to_be_missing(void **state)
{
    static const char *const names[] = {"cuda", "cuda-f32"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct assay_error err = {0};
        const struct assay_ops *ops = NULL;
        const enum assay_status status = assay_device_find(&ops, names[i], &err);

        if (assay_gpu_count() > 0) {
            assert_int_equal(status, ASSAY_OK);
            assert_string_equal(ops->name, names[i]);
            assert_false(assay_device_is_exact(ops));
        } else {
            assert_int_equal(status, ASSAY_ENOTFOUND);
            assert_non_null(strstr(err.message, names[i]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(no_name_and_cpu_are_the_host),
            cmocka_unit_test(an_unknown_name_is_a_fault_of_usage),
            cmocka_unit_test(a_gpu_is_found_or_said_to_be_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
