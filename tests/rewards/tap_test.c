// SPDX-License-Identifier: MIT
// What must hold: with helpers that report, TAP is judged by their records and a silent channel
// earns nothing; a log alone is weak evidence and must agree with itself and with the exit status.
#include <stdio.h>
#include <string.h>

#include "rewards/live.h"
#include "support/harness.h"

// A TAP producer as suites have it: each line to stdout and to the channel.
static const char helper[] = "count=0\n"
                             "line() {\n"
                             "    printf '%s\\n' \"$1\"\n"
                             "    [ -z \"${ASSAY_REPORT_FD:-}\" ] ||\n"
                             "        printf '%s\\t%s\\n' \"$0\" \"$1\" >&\"$ASSAY_REPORT_FD\"\n"
                             "}\n"
                             "plan() { line \"1..$1\"; }\n"
                             "ok() {\n"
                             "    count=$((count + 1))\n"
                             "    if [ \"$1\" = 0 ]; then line \"ok $count - $2\"\n"
                             "    else line \"not ok $count - $2\"; fi\n"
                             "}\n";

#define PROVE "/usr/bin/prove -v -e /usr/bin/bash t"

static void mixed_files(const struct live *live)
{
    live_file(live, "tap.sh", helper);
    live_file(live, "t/a.t",
            ". ./tap.sh\nplan 4\nok 0 'first one'\nok 0 'second # SKIP no disk'\n"
            "ok 1 'third # TODO later'\nok 0 'fourth - last'\n");
    live_file(live, "t/b.t", ". ./tap.sh\nok 0 works\nok 1 breaks\nplan 2\n");
    live_file(live, "t/c.t", ". ./tap.sh\nplan 3\nok 0 begins\nexit 0\n");
    live_file(live, "t/d.t", ". ./tap.sh\nline '1..0 # SKIP not here'\n");
}

static void check_mixed(const struct live *live)
{
    live_check_status(live, "t/a.t::first one", ASSAY_TEST_PASSED);
    live_check_status(live, "t/a.t::second", ASSAY_TEST_SKIPPED);
    live_check_status(live, "t/a.t::third", ASSAY_TEST_XFAIL);
    live_check_status(live, "t/a.t::fourth - last", ASSAY_TEST_PASSED);
    live_check_status(live, "t/a.t", ASSAY_TEST_PASSED);
    live_check_status(live, "t/b.t::works", ASSAY_TEST_PASSED);
    live_check_status(live, "t/b.t::breaks", ASSAY_TEST_FAILED);
    live_check_status(live, "t/b.t", ASSAY_TEST_FAILED);
    live_check_status(live, "t/c.t::begins", ASSAY_TEST_PASSED);
    live_check_status(live, "t/c.t", ASSAY_TEST_ERROR);
    live_check_status(live, "t/d.t", ASSAY_TEST_SKIPPED);
}

static void records_of_helpers_decide(void **state)
{
    struct live live;

    (void)state;
    live_open(&live, "tap");
    mixed_files(&live);
    live_expect(&live, "t/a.t::first one\nt/b.t::works", "t/a.t::second");
    live_run(&live, PROVE);
    // t/c.t died, so some channel never ended; prove says so by its status.
    live_check(&live, ASSAY_CAUSE_TESTS_FAILED, false);
    check_mixed(&live);
    assert_int_equal(live.verdict.evidence, ASSAY_EVIDENCE_STRONG);
    live_file(&live, "t/c.t", ". ./tap.sh\nplan 1\nok 0 begins\n");
    live_run(&live, PROVE);
    live_check(&live, ASSAY_CAUSE_OK, true);
    live_run(&live, "/usr/bin/prove -e /usr/bin/bash t");
    live_check(&live, ASSAY_CAUSE_OK, true);
    live_run(&live, "sh -c for t in t/*.t; do bash $t; done");
    live_check(&live, ASSAY_CAUSE_OK, true);
    live_close(&live);
}

static void a_log_alone_is_weak_evidence(void **state)
{
    struct live live;

    (void)state;
    live_open(&live, "tap-log");
    mixed_files(&live);
    live_expect(&live, "t/a.t::first one\nt/b.t::works", "t/a.t::second");
    live_run(&live, "sh -c unset ASSAY_REPORT_FD; exec " PROVE);
    live_check(&live, ASSAY_CAUSE_OK, true);
    check_mixed(&live);
    assert_int_equal(live.verdict.evidence, ASSAY_EVIDENCE_WEAK);
    // Without -v there are only scripts.
    live_expect(&live, "t/a.t", "");
    live_run(&live, "sh -c unset ASSAY_REPORT_FD; exec /usr/bin/prove -e /usr/bin/bash t");
    live_check(&live, ASSAY_CAUSE_OK, true);
    live_check_status(&live, "t/c.t", ASSAY_TEST_ERROR);
    live_close(&live);
}

static void plain_tap_has_bare_ids(void **state)
{
    static const struct {
        const char *script;
        enum assay_cause cause;
        bool resolved;
    } rows[] = {
            {"echo 1..2; echo ok 1 - good; echo ok", ASSAY_CAUSE_OK, true},
            {"echo ok 1 - good; echo ok 2; echo 1..2", ASSAY_CAUSE_OK, true},
            {"echo 1..2; echo ok 1 good; echo not ok 2", ASSAY_CAUSE_TESTS_FAILED, false},
            {"echo 1..2; echo ok 1 - good; echo ok; exit 1", ASSAY_CAUSE_INCONSISTENT, false},
            {"echo 1..2; echo ok 1 - good; echo '    ok 2'", ASSAY_CAUSE_TESTS_FAILED, false},
            {"echo 1..2; echo ok 1 - good; echo 'Bail out! disk'; exit 255",
                    ASSAY_CAUSE_TESTS_FAILED, false},
            {"echo TAP version 13; echo '1..2'; echo 'ok 1 - good # time=1ms'; echo '  ---'; "
             "echo '  ...'; echo ok 2",
                    ASSAY_CAUSE_TESTS_FAILED, false}, // the description is another one
            {"echo 1..1; echo ok 1 - good; echo 1..1; echo ok 1 - 2", ASSAY_CAUSE_OK, true},
            {"echo hello", ASSAY_CAUSE_NONE_COLLECTED, false},
            {"exit 3", ASSAY_CAUSE_NONE_COLLECTED, false},
            {"echo 1..2; echo ok 1 - good; echo not ok 2; echo 'make: *** [check] Error 1'; exit 2",
                    ASSAY_CAUSE_TESTS_FAILED, false},
            {"echo 'make: *** [all] Error 1'; exit 2", ASSAY_CAUSE_BUILD_FAILED, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct live live;

        print_message("row %zu\n", i);
        live_open(&live, "tap-log");
        live_expect(&live, "good\n2", "");
        live_file(&live, "run", rows[i].script);
        live_run(&live, "/bin/sh run");
        live_check(&live, rows[i].cause, rows[i].resolved);
        live_close(&live);
    }
}

// The product prints what passing tests would print, and leaves with 0.
static void forged_runs_are_never_resolved(void **state)
{
    static const char forged[] = "echo 1..2; echo ok 1 - fixed; echo ok 2 - kept; exit 0\n";
    static const struct {
        const char *test, *product, *tamper;
        enum assay_cause cause;
    } rows[] = {
            {". ./product.sh\n. ./tap.sh\nplan 2\nok 1 fixed\nok 0 kept\n", forged,
                    "channel is silent", ASSAY_CAUSE_INCONSISTENT},
            // prove sees the second plan, and fails by itself.
            {". ./tap.sh\nplan 2\n. ./product.sh\nok 1 fixed\nok 0 kept\n", forged, NULL,
                    ASSAY_CAUSE_TESTS_FAILED},
            {". ./tap.sh\nplan 2\n. ./product.sh\nok 1 fixed\nok 0 kept\n",
                    "echo ok 1 - fixed; echo ok 2 - kept; exit 0\n", "never ended",
                    ASSAY_CAUSE_INCONSISTENT},
            {". ./tap.sh\nplan 2\n. ./product.sh\nok 1 fixed\nok 0 kept\n",
                    "echo ok 1 - fixed; echo ok 2 - kept\n", NULL, ASSAY_CAUSE_TESTS_FAILED},
            // Finds the descriptor, and so speaks beside the helper.
            {". ./tap.sh\nplan 2\n. ./product.sh\nok 1 fixed\nok 0 kept\n",
                    "printf 't/a.t\\tok 1 - fixed\\nt/a.t\\tok 2 - kept\\n' >&3\n",
                    "more tests than its plan", ASSAY_CAUSE_INCONSISTENT},
            {". ./tap.sh\nplan 2\n. ./product.sh\nok 1 fixed\nok 0 kept\n",
                    "echo '{\"n\":0,\"event\":\"begin\"}' >&3\n", "no record",
                    ASSAY_CAUSE_INCONSISTENT},
            {". ./tap.sh\nplan 2\n. ./product.sh\nok 1 fixed\nok 0 kept\n",
                    "printf 't/a.t\\t1..2\\n' >&3\n", "second plan", ASSAY_CAUSE_INCONSISTENT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct live live;

        print_message("row %zu\n", i);
        live_open(&live, "tap");
        live_file(&live, "tap.sh", helper);
        live_file(&live, "product.sh", rows[i].product);
        live_file(&live, "t/a.t", rows[i].test);
        live_expect(&live, "t/a.t::fixed", "t/a.t::kept");
        live_run(&live, PROVE);
        live_check(&live, rows[i].cause, false);
        if (rows[i].tamper != NULL)
            assert_true(live_tamper_has(&live, rows[i].tamper));
        live_close(&live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(records_of_helpers_decide),
            cmocka_unit_test(a_log_alone_is_weak_evidence),
            cmocka_unit_test(plain_tap_has_bare_ids),
            cmocka_unit_test(forged_runs_are_never_resolved),
    };

    if (!live_has("/usr/bin/prove") || !live_has("/usr/bin/bash")) {
        ASSAY_SKIP_NOTE("no prove or no bash");
        return ASSAY_EXIT_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
