// SPDX-License-Identifier: MIT
// What must hold: pass@k is the share of k-sets of samples that hold a resolved one; an interval
// holds the mean, knows that samples of one instance are not independent, and is the same each
// time.
#include "orchestrator/rates.h"

#include <math.h>

#include "support/harness.h"

// By counting: all sets of k out of n bits, c of which are set.
static double count_sets(unsigned n, unsigned c, unsigned k)
{
    size_t all = 0, hit = 0;

    for (unsigned set = 0; set < 1u << n; set++) {
        if ((unsigned)__builtin_popcount(set) != k)
            continue;
        all++;
        hit += (set & ((1u << c) - 1)) != 0;
    }
    return (double)hit / (double)all;
}

static void pass_at_k_counts_sets(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 10; n++)
        for (unsigned c = 0; c <= n; c++)
            for (unsigned k = 1; k <= n; k++)
                assert_true(fabs(assay_pass_at_k(n, c, k) - count_sets(n, c, k)) < 1e-12);
    // Factorials of these would not fit.
    assert_true(fabs(assay_pass_at_k(1000, 1, 100) - 0.1) < 1e-12);
}

static void an_interval_holds_its_mean_and_comes_again(void **state)
{
    double values[50], low = 0, high = 0, low_again = 0, high_again = 0;

    (void)state;
    for (size_t i = 0; i < 50; i++)
        values[i] = i < 20;
    assert_int_equal(assay_cluster_bootstrap(&low, &high, values, 50, 1, NULL), ASSAY_OK);
    assert_int_equal(
            assay_cluster_bootstrap(&low_again, &high_again, values, 50, 1, NULL), ASSAY_OK);
    assert_true(low == low_again && high == high_again);
    assert_true(low < 0.4 && high > 0.4);
    // Of a mean of 50 coins, 95 % is about two standard errors of 0.069 to each side.
    assert_true(low > 0.22 && low < 0.32 && high > 0.48 && high < 0.58);
    assert_int_equal(assay_cluster_bootstrap(&low, &high, values, 0, 1, NULL), ASSAY_OK);
    assert_true(low == 0 && high == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(pass_at_k_counts_sets),
            cmocka_unit_test(an_interval_holds_its_mean_and_comes_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
