// SPDX-License-Identifier: MIT
// What must hold: both tables of the cuda filling compute what the reference in double does, on
// every shape of the scenarios. In float 2e-5 of the largest entry, as the cpu filling; in bf16 the
// root mean square of the difference is at most 4e-3 of the result's, 5e-3 of a gradient's, and
// sums that are kept in float hold the gradients' bound. Skipped without a GPU.
#include <math.h>
#include <string.h>

#include "kernels/gpu.h"
#include "support/harness.h"
#include "tests/kernels/mirror.h"
#include "tests/kernels/scenario.h"

struct error {
    double largest;     // of the largest entry
    double root_square; // of the root mean square
    bool finite;
};

static struct error error_of(const struct outputs *got, const struct outputs *want, size_t i)
{
    double top = 1e-3, worst = 0, square = 0, truth_square = 0;
    struct error error = {.finite = true};

    for (size_t j = 0; j < want->size[i]; j++) {
        const double truth = rig_number(want->tensor[i], want->dtype[i], j);
        const double difference = rig_number(got->tensor[i], got->dtype[i], j) - truth;

        error.finite &= isfinite(difference);
        top = fmax(top, fabs(truth));
        worst = fmax(worst, fabs(difference));
        square += difference * difference;
        truth_square += truth * truth;
    }
    error.largest = worst / top;
    error.root_square = truth_square > 0 ? sqrt(square / truth_square) : sqrt(square);
    return error;
}

static bool is_gradient(const char *name)
{
    return strstr(name, " d") || (name[0] == 'd' && strncmp(name, "draw", 4) != 0);
}

static bool is_good(const struct error *error, const struct outputs *want, size_t i, bool wide)
{
    const double bound = is_gradient(want->name[i]) || want->sums[i] ? 5e-3 : 4e-3;

    if (!error->finite)
        return false;
    return wide ? error->largest <= 2e-5 : error->root_square <= bound;
}

// Lines of the table: the worst of each name; how many missed their bound.
static size_t print_table(const char *table, const struct scenario *scenario,
        const struct outputs *got, const struct outputs *want, bool wide)
{
    size_t bad = 0;

    for (size_t i = 0; i < want->count; i++) {
        struct error worst = {.finite = true};
        bool first = true, good = true;

        for (size_t j = 0; j < i; j++)
            first &= strcmp(want->name[j], want->name[i]) != 0;
        for (size_t j = i; first && j < want->count; j++) {
            if (strcmp(want->name[j], want->name[i]) != 0)
                continue;
            const struct error error = error_of(got, want, j);

            worst.largest = fmax(worst.largest, error.largest);
            worst.root_square = fmax(worst.root_square, error.root_square);
            if (is_good(&error, want, j, wide))
                continue;
            good = false;
            print_message("    number %zu, %zu entries: %.1e %.1e%s\n", j, want->size[j],
                    error.largest, error.root_square, error.finite ? "" : " not finite");
        }
        if (first)
            print_message("%-8s %-16s %-22s %8.1e %8.1e%s\n", table, scenario->name, want->name[i],
                    worst.largest, worst.root_square, good ? "" : "  BAD");
        bad += !good;
    }
    return bad;
}

// Names of scenarios to run, of the command line: a checker of races has no time for all. None:
// all.
static char **wanted;

static bool is_wanted(const char *name)
{
    bool found = *wanted == NULL;

    for (char **at = wanted; *at != NULL; at++)
        found |= strcmp(*at, name) == 0;
    return found;
}

static size_t check(const struct assay_ops *ops, bool wide)
{
    static struct rig truth, rig;
    static struct outputs got, want;
    size_t bad = 0;

    for (size_t i = 0; i < scenario_count; i++) {
        if (!is_wanted(scenarios[i].name))
            continue;
        want.count = got.count = 0;
        rig_open(&truth, assay_ops_ref(ASSAY_DTYPE_F64), 1);
        rig_open(&rig, mirror_of(ops), 1);
        truth.bf16 = rig.bf16 = !wide;
        scenarios[i].run(&truth, &want);
        scenarios[i].run(&rig, &got);
        assert_int_equal(got.count, want.count);
        bad += print_table(ops->name, &scenarios[i], &got, &want, wide);
        rig_close(&rig);
        rig_close(&truth);
    }
    return bad;
}

static const struct assay_ops *ops_or_skip(enum assay_dtype activation)
{
    struct assay_error err = {0};
    const struct assay_ops *ops = NULL;

    if (assay_ops_cuda(&ops, activation, &err) != ASSAY_OK)
        ASSAY_SKIP(err.message);
    return ops;
}

static void float_computes_what_the_reference_does(void **state)
{
    (void)state;
    assert_int_equal(check(ops_or_skip(ASSAY_DTYPE_F32), true), 0);
}

static void bf16_computes_what_the_reference_does(void **state)
{
    (void)state;
    assert_int_equal(check(ops_or_skip(ASSAY_DTYPE_BF16), false), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(float_computes_what_the_reference_does),
            cmocka_unit_test(bf16_computes_what_the_reference_does),
    };

    wanted = argv + (argc > 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
