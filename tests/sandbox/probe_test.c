// SPDX-License-Identifier: MIT
// What must hold: a host is described by what was tried there, and one that gives too little is
// refused, never served with less.
#include "sandbox/probe.h"

#include <string.h>

#include "tests/sandbox/boxes.h"

// A probe of no name when there is none: every assertion about it fails.
static struct assay_probe find(const struct assay_probes *probes, const char *name)
{
    const struct assay_probe none = {.passed = true, .required = true};

    for (size_t i = 0; i < probes->count; i++)
        if (strcmp(probes->items[i].name, name) == 0)
            return probes->items[i];
    return none;
}

static void this_host_gives_everything_that_is_required(void **state)
{
    struct assay_sandbox_options options;
    static struct assay_probes probes;

    (void)state;
    boxes_options(&options);
    assert_int_equal(assay_probe_host(&probes, &options, NULL), ASSAY_OK);
    assert_int_equal(probes.tier, ASSAY_TIER_A);
    assert_int_equal(probes.cgroup_shape, assay_sandbox_cgroup_shape(boxes_sandbox));
    for (size_t i = 0; i < probes.count; i++) {
        const struct assay_probe *probe = &probes.items[i];

        print_message("probe %s: %s, errno %d %s\n", probe->name, probe->passed ? "yes" : "no",
                probe->sys_errno, probe->detail);
        assert_true(probe->passed || !probe->required);
        assert_true(probe->passed || probe->remedy[0] != '\0');
    }
}

static void a_missing_thing_has_an_errno_and_a_remedy(void **state)
{
    struct assay_sandbox_options options;
    static struct assay_probes probes;
    struct assay_probe probe;

    (void)state;
    boxes_options(&options);
    options.hide_user_namespaces = true;
    options.hide_cgroups = true;
    assert_int_equal(assay_probe_host(&probes, &options, NULL), ASSAY_OK);
    assert_int_not_equal(probes.tier, ASSAY_TIER_A);
    assert_int_equal(probes.cgroup_shape, ASSAY_CGROUP_NONE);
    probe = find(&probes, "user namespace");
    assert_true(!probe.passed);
    assert_true(probe.required && probe.sys_errno != 0 && probe.remedy[0] != '\0');
    probe = find(&probes, "control groups");
    assert_false(probe.passed || probe.required);
    assert_true(probe.remedy[0] != '\0');
}

static void a_host_that_gives_less_than_the_minimum_is_refused(void **state)
{
    static const enum assay_tier minima[] = {ASSAY_TIER_A, ASSAY_TIER_B};

    (void)state;
    for (size_t i = 0; i < sizeof(minima) / sizeof(minima[0]); i++) {
        struct assay_sandbox_options options;
        struct assay_sandbox *sandbox = NULL;
        struct assay_error err;

        boxes_options(&options);
        options.hide_user_namespaces = true;
        options.tier_min = minima[i];
        assert_int_equal(assay_sandbox_start(&sandbox, &options, &err), ASSAY_EREFUSED);
        assert_null(sandbox);
        assert_non_null(strstr(err.message, "isolation tier"));
    }
}

static void a_missing_program_is_an_error(void **state)
{
    const struct assay_sandbox_options options = {.box_program = "/nowhere/assay-box"};
    struct assay_sandbox *sandbox = NULL;
    struct assay_error err;

    (void)state;
    assert_int_equal(assay_sandbox_start(&sandbox, &options, &err), ASSAY_EIO);
    assert_null(sandbox);
    assert_string_equal(err.message, "start /nowhere/assay-box: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(this_host_gives_everything_that_is_required),
            cmocka_unit_test(a_missing_thing_has_an_errno_and_a_remedy),
            cmocka_unit_test(a_host_that_gives_less_than_the_minimum_is_refused),
            cmocka_unit_test(a_missing_program_is_an_error),
    };

    return boxes_main("probe", tests, sizeof(tests) / sizeof(tests[0]));
}
