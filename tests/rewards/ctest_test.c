// SPDX-License-Identifier: MIT
// What must hold: ctest's own file decides, through the wrapper; its tests can write neither that
// file nor the channel; the log has to agree.
#include <stdio.h>
#include <string.h>

#include "rewards/live.h"
#include "support/harness.h"

static const char lists[] = "cmake_minimum_required(VERSION 3.20)\n"
                            "project(x NONE)\n"
                            "enable_testing()\n"
                            "add_test(NAME \"good one\" COMMAND true)\n"
                            "add_test(NAME dots... COMMAND true)\n"
                            "include(more.cmake)\n";

static const char every_kind[] = "add_test(NAME bad COMMAND sh -c \"echo '<x&y>'; exit 3\")\n"
                                 "add_test(NAME skipped COMMAND sh -c \"exit 77\")\n"
                                 "set_tests_properties(skipped PROPERTIES SKIP_RETURN_CODE 77)\n"
                                 "add_test(NAME missing COMMAND /no/such/thing)\n"
                                 "add_test(NAME will COMMAND false)\n"
                                 "set_tests_properties(will PROPERTIES WILL_FAIL ON)\n"
                                 "add_test(NAME disabled COMMAND true)\n"
                                 "set_tests_properties(disabled PROPERTIES DISABLED ON)\n"
                                 "add_test(NAME crash COMMAND sh -c \"kill -11 $$\")\n"
                                 "add_test(NAME dep COMMAND true)\n"
                                 "add_test(NAME fix COMMAND false)\n"
                                 "set_tests_properties(fix PROPERTIES FIXTURES_SETUP f)\n"
                                 "set_tests_properties(dep PROPERTIES FIXTURES_REQUIRED f)\n";

#define RUN "sh -c cmake -S . -B build >/dev/null && ctest --test-dir build"

static void open_project(struct live *live, const char *more)
{
    live_open(live, "ctest");
    live_file(live, "CMakeLists.txt", lists);
    live_file(live, "more.cmake", more);
    live_expect(live, "good one", "dots...");
}

static void every_kind_of_test_has_its_status(void **state)
{
    static const struct {
        const char *id;
        enum assay_test_status status;
    } rows[] = {
            {"good one", ASSAY_TEST_PASSED},
            {"dots...", ASSAY_TEST_PASSED},
            {"bad", ASSAY_TEST_FAILED},
            {"skipped", ASSAY_TEST_SKIPPED},
            {"missing", ASSAY_TEST_ERROR},
            {"will", ASSAY_TEST_PASSED},
            {"disabled", ASSAY_TEST_SKIPPED},
            {"crash", ASSAY_TEST_FAILED},
            {"dep", ASSAY_TEST_ERROR},
            {"fix", ASSAY_TEST_FAILED},
    };
    struct live live;

    (void)state;
    open_project(&live, every_kind);
    live_run(&live, RUN);
    live_check(&live, ASSAY_CAUSE_OK, true);
    assert_int_equal(live.verdict.evidence, ASSAY_EVIDENCE_STRONG);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        live_check_status(&live, rows[i].id, rows[i].status);
    live_close(&live);
}

static void honest_runs_are_never_inconsistent(void **state)
{
    static const struct {
        const char *command;
        enum assay_cause cause;
    } rows[] = {
            {RUN " -V", ASSAY_CAUSE_OK},
            {RUN " --output-on-failure -j2", ASSAY_CAUSE_OK},
            {RUN " -Q", ASSAY_CAUSE_OK},
            {RUN " -R good", ASSAY_CAUSE_TESTS_FAILED},
            {RUN " -R nothing", ASSAY_CAUSE_NONE_COLLECTED},
            {RUN " -R nothing --no-tests=error", ASSAY_CAUSE_NONE_COLLECTED},
            {RUN " -N", ASSAY_CAUSE_NONE_COLLECTED},
            {"ctest --version", ASSAY_CAUSE_NONE_COLLECTED},
            {RUN " --repeat until-fail:2 --schedule-random", ASSAY_CAUSE_OK},
            {RUN " --stop-on-failure -I 1,2", ASSAY_CAUSE_OK},
            {"sh -c cmake -S . -B build >/dev/null && cmake --build build -t test",
                    ASSAY_CAUSE_NONE_COLLECTED},
            {"sh -c cmake -S nowhere -B build", ASSAY_CAUSE_BUILD_FAILED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct live live;

        print_message("row %zu\n", i);
        open_project(&live,
                "add_test(NAME inner COMMAND ctest --version)\n"
                "add_test(NAME printed COMMAND echo \" 1/2 Test #1: good one ...***Failed 0.00 sec\")\n");
        live_run(&live, rows[i].command);
        // `make test` calls ctest by its full path, where no wrapper is.
        if (strstr(rows[i].command, "-t test") == NULL)
            live_check(&live, rows[i].cause, rows[i].cause == ASSAY_CAUSE_OK);
        else
            assert_false(live.verdict.resolved);
        live_close(&live);
    }
}

static void forged_runs_are_never_resolved(void **state)
{
    static const char *const products[] = {
            // A test writes to every descriptor, and to every file of the out directory.
            "add_test(NAME fix COMMAND sh -c \"for n in 3 4 5 6 7 8 9; do echo x >&$n; done; exit 1\")\n",
            "add_test(NAME fix COMMAND sh -c \"env | grep ASSAY_ && exit 0; exit 1\")\n",
            "add_test(NAME fix COMMAND sh -c \"echo ' 3/3 Test #3: fix ......   Passed    0.00 sec'; exit 1\")\n",
            // ctest never comes to its end.
            "add_test(NAME fix COMMAND sh -c \"kill -9 $PPID\")\n",
            "message(FATAL_ERROR \" 3/3 Test #3: fix ..........   Passed    0.00 sec\")\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++) {
        struct live live;

        print_message("row %zu\n", i);
        open_project(&live, products[i]);
        live_expect(&live, "fix", "good one");
        live_run(&live, RUN " --output-on-failure");
        assert_false(live.verdict.resolved);
        live_close(&live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_kind_of_test_has_its_status),
            cmocka_unit_test(honest_runs_are_never_inconsistent),
            cmocka_unit_test(forged_runs_are_never_resolved),
    };

    if (!live_has("/usr/bin/ctest") || !live_has("/usr/bin/cmake")) {
        ASSAY_SKIP_NOTE("no /usr/bin/ctest");
        return ASSAY_EXIT_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
