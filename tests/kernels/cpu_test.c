// SPDX-License-Identifier: MIT
// What must hold: every path of the cpu filling, and the float reference, compute what the
// reference in double does, on odd and empty shapes; AVX2 and AVX-512 agree bit for bit; threads
// change no bit.
#include <math.h>
#include <string.h>

#include "support/harness.h"
#include "tests/kernels/scenario.h"

static const double TOLERANCE = 2e-5; // of the largest entry

static void compare(const struct rig *rig, const struct outputs *got, const struct rig *truth,
        const struct outputs *want)
{
    assert_int_equal(got->count, want->count);
    for (size_t i = 0; i < want->count; i++) {
        double top = 1e-3, worst = 0;

        for (size_t j = 0; j < want->size[i]; j++)
            top = fmax(top, fabs(rig_get(truth, want->tensor[i], j)));
        for (size_t j = 0; j < want->size[i]; j++) {
            const double difference =
                    fabs(rig_get(rig, got->tensor[i], j) - rig_get(truth, want->tensor[i], j));

            assert_true(isfinite(difference));
            worst = fmax(worst, difference / top);
        }
        if (worst > TOLERANCE)
            print_message("%s: output %zu, %s of %zu: off by %.2e\n", rig->ops->name, i,
                    want->name[i], want->size[i], worst);
        assert_true(worst <= TOLERANCE);
    }
}

static void every_path_computes_what_the_reference_does(void **state)
{
    static struct rig truth, rig;
    const struct assay_ops *all[5] = {assay_ops_ref(ASSAY_DTYPE_F32)};

    (void)state;
    for (size_t i = 0; i < 4 && rig_cpu_paths()[i] != NULL; i++)
        all[i + 1] = rig_cpu_paths()[i];
    for (size_t i = 0; i < scenario_count; i++) {
        static struct outputs want;

        want.count = 0;
        rig_open(&truth, assay_ops_ref(ASSAY_DTYPE_F64), 1);
        scenarios[i].run(&truth, &want);
        for (size_t path = 0; all[path] != NULL; path++) {
            static struct outputs got;

            got.count = 0;
            print_message("%s on %s\n", scenarios[i].name, all[path]->name);
            rig_open(&rig, all[path], 3);
            scenarios[i].run(&rig, &got);
            compare(&rig, &got, &truth, &want);
            rig_close(&rig);
        }
        rig_close(&truth);
    }
}

static void same_bits(const struct scenario *scenario, const struct assay_ops *ops_a,
        size_t threads_a, const struct assay_ops *ops_b, size_t threads_b)
{
    static struct rig a, b;
    static struct outputs out_a, out_b;

    out_a.count = out_b.count = 0;
    rig_open(&a, ops_a, threads_a);
    rig_open(&b, ops_b, threads_b);
    scenario->run(&a, &out_a);
    scenario->run(&b, &out_b);
    for (size_t i = 0; i < out_a.count; i++) {
        const bool same =
                memcmp(out_a.tensor[i], out_b.tensor[i], out_a.size[i] * sizeof(float)) == 0;

        if (!same)
            print_message("%s: %s differs between %s with %zu threads and %s with %zu\n",
                    scenario->name, out_a.name[i], ops_a->name, threads_a, ops_b->name, threads_b);
        assert_true(same);
    }
    rig_close(&a);
    rig_close(&b);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    for (size_t path = 0; rig_cpu_paths()[path] != NULL; path++)
        for (size_t i = 0; i < scenario_count; i++) {
            same_bits(&scenarios[i], rig_cpu_paths()[path], 1, rig_cpu_paths()[path], 2);
            same_bits(&scenarios[i], rig_cpu_paths()[path], 1, rig_cpu_paths()[path], 5);
        }
}

static void avx2_and_avx512_agree_bit_for_bit(void **state)
{
    const struct assay_ops *avx2 = assay_ops_cpu("avx2"), *avx512 = assay_ops_cpu("avx512");

    (void)state;
    if (avx2 == NULL || avx512 == NULL)
        ASSAY_SKIP("this host has no AVX-512 or no AVX2");
    else
        for (size_t i = 0; i < scenario_count; i++)
            same_bits(&scenarios[i], avx2, 2, avx512, 2);
}

static void the_best_path_is_chosen_and_unknown_ones_are_not(void **state)
{
    (void)state;
    assert_ptr_equal(assay_ops_cpu(NULL), rig_cpu_paths()[0]);
    assert_non_null(assay_ops_cpu("plain"));
    assert_null(assay_ops_cpu("neon9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_path_computes_what_the_reference_does),
            cmocka_unit_test(threads_change_no_bit),
            cmocka_unit_test(avx2_and_avx512_agree_bit_for_bit),
            cmocka_unit_test(the_best_path_is_chosen_and_unknown_ones_are_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
