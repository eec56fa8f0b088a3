// SPDX-License-Identifier: MIT
// What must hold: without the library, or with one that is not ours, a program is told why, and out
// parameters stay as they were.
#include "kernels/gpu.h"

#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

static void refused(const char *library, enum assay_status status, const char *why)
{
    struct assay_error err = {0};
    struct assay_gpu gpu = {.index = 7};
    const struct assay_ops *ops = NULL;

    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    assert_int_equal(setenv("ASSAY_CUDA_LIBRARY", library, 1), 0);
    assert_int_equal(assay_ops_cuda(&ops, ASSAY_DTYPE_BF16, &err), status);
    assert_non_null(strstr(err.message, why));
    assert_null(ops);
    assert_int_equal(assay_gpu_count(), 0);
    assert_int_equal(assay_gpu_describe(&gpu, 0, NULL), status);
    assert_int_equal(gpu.index, 7);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): likewise
    assert_int_equal(unsetenv("ASSAY_CUDA_LIBRARY"), 0);
}

static void a_library_that_is_not_there_is_told(void **state)
{
    (void)state;
    refused("/nowhere/libassay_cuda.so", ASSAY_ENOTFOUND, "/nowhere/libassay_cuda.so");
}

static void a_library_that_is_not_ours_is_told(void **state)
{
    (void)state;
    refused("libm.so.6", ASSAY_EINVAL, "not ours");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_library_that_is_not_there_is_told),
            cmocka_unit_test(a_library_that_is_not_ours_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
