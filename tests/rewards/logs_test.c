// SPDX-License-Identifier: MIT
// What must hold: logs and reports of go test, cargo test and JUnit producers, as the tools write
// them, give each test its status; what does not add up is never resolved.
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "rewards/live.h"
#include "support/harness.h"

#define FIXTURES "tests/rewards/fixtures/"

static const char *fixture(struct live *live, const char *name)
{
    char path[256];
    const char *copy;
    struct assay_buf buf;

    (void)snprintf(path, sizeof(path), FIXTURES "%s", name);
    assay_buf_init(&buf, 1 << 20);
    assert_int_equal(assay_fs_read_file(&buf, path, NULL), ASSAY_OK);
    copy = assay_arena_memdup(live->arena, buf.data, buf.len);
    assay_buf_free(&buf);
    return copy;
}

// Judge a log as if a command had printed it.
static void judge_log(struct live *live, const char *log, int exit_code)
{
    live->evidence = (struct assay_evidence){
            .box_cause = exit_code == 0 ? ASSAY_CAUSE_OK : ASSAY_CAUSE_TESTS_FAILED,
            .exit_code = exit_code,
            .log = {log, strlen(log)}};
    live_judge(live);
}

static void check_go(const struct live *live)
{
    live_check_status(live, "TestGood", ASSAY_TEST_PASSED);
    live_check_status(live, "example.org/m/a::TestGood", ASSAY_TEST_PASSED);
    live_check_status(live, "TestTable", ASSAY_TEST_FAILED);
    live_check_status(live, "TestTable/one_two", ASSAY_TEST_FAILED);
    live_check_status(live, "example.org/m/a::TestTable/one_two", ASSAY_TEST_FAILED);
    live_check_status(live, "TestSkip", ASSAY_TEST_SKIPPED);
    live_check_status(live, "example.org/m/b::TestOther", ASSAY_TEST_PASSED);
    live_check_status(live, "example.org/m/b::TestGood", ASSAY_TEST_MISSING);
}

static void go_logs_are_read(void **state)
{
    struct live live;

    (void)state;
    live_open(&live, "gotest");
    live_expect(&live, "TestGood", "example.org/m/b::TestOther");
    judge_log(&live, fixture(&live, "go-plain.log"), 1);
    live_check(&live, ASSAY_CAUSE_OK, true);
    check_go(&live);
    assert_int_equal(live.verdict.evidence, ASSAY_EVIDENCE_WEAK);
    judge_log(&live, fixture(&live, "go-events.json"), 1);
    live_check(&live, ASSAY_CAUSE_OK, true);
    check_go(&live);
    judge_log(&live, fixture(&live, "go-plain.log"), 0);
    live_check(&live, ASSAY_CAUSE_INCONSISTENT, false);
    judge_log(&live, fixture(&live, "go-build-failed.log"), 1);
    live_check(&live, ASSAY_CAUSE_BUILD_FAILED, false);
    live_close(&live);
}

// A go that has run already: what it would write, and its exit status.
static void the_wrapper_of_go_reports_events(void **state)
{
    struct live live;

    (void)state;
    live_open(&live, "gotest");
    live_file(&live, "events.json", fixture(&live, "go-events.json"));
    live_file(&live, "tools/go",
            "#!/bin/sh\n"
            "case \"$*\" in\n"
            "'test -json ./...') ;;\n"
            "*) echo \"other: $*\"; exit 7 ;;\n"
            "esac\n"
            "echo secret >&9 && exit 9\n"
            "echo secret >&3 && exit 9\n"
            "echo '# example.org/m/c'\n"
            "echo on stderr >&2\n"
            "cat events.json\n"
            "exit 1\n");
    live_expect(&live, "TestGood", "example.org/m/b::TestOther");
    live_run(&live, "sh -c PATH=${PATH%%:*}:$PWD/tools:$PATH; go test ./...");
    assert_int_equal(live.evidence.exit_code, 1);
    live_check(&live, ASSAY_CAUSE_OK, true);
    check_go(&live);
    assert_non_null(strstr(live.log.data, "\na\tb \"quoted\" <x&y> back\\slash\n"));
    assert_non_null(strstr(live.log.data, "on stderr\n"));
    assert_null(strstr(live.log.data, "\"Action\""));
    live_run(&live, "sh -c PATH=${PATH%%:*}:$PWD/tools:$PATH; go vet ./...");
    assert_int_equal(live.evidence.exit_code, 7);
    assert_int_equal(live.report.len, 0);
    live_run(&live, "sh -c PATH=${PATH%%:*}:$PWD/tools:$PATH; go test -c");
    assert_int_equal(live.evidence.exit_code, 7);
    live_close(&live);
}

static void cargo_logs_are_read(void **state)
{
    struct live live;

    (void)state;
    live_open(&live, "cargo");
    live_expect(&live, "tests::good\ntests::pan", "tests::ign\nouter");
    judge_log(&live, fixture(&live, "cargo-mixed.log"), 101);
    live_check(&live, ASSAY_CAUSE_OK, true);
    live_check_status(&live, "tests::good", ASSAY_TEST_PASSED);
    live_check_status(&live, "tests::bad", ASSAY_TEST_FAILED);
    live_check_status(&live, "tests::ign2", ASSAY_TEST_SKIPPED);
    live_check_status(&live, "tests::pan", ASSAY_TEST_PASSED);
    live_check_status(&live, "src/lib.rs - f (line 1)", ASSAY_TEST_PASSED);
    judge_log(&live, fixture(&live, "cargo-build-failed.log"), 101);
    live_check(&live, ASSAY_CAUSE_BUILD_FAILED, false);
    live_close(&live);
}

static void cargo_counts_must_add_up(void **state)
{
#define HEAD "\nrunning 2 tests\n"
#define TAIL(passed, failed)                                                                       \
    "\ntest result: ok. " #passed " passed; " #failed " failed; 0 ignored; 0 measured; "           \
    "0 filtered out; finished in 0.00s\n"
    static const struct {
        const char *log;
        int exit_code;
        enum assay_cause cause;
    } rows[] = {
            {HEAD "test a ... ok\ntest b ... ok\n" TAIL(2, 0), 0, ASSAY_CAUSE_OK},
            {HEAD "test a ... ok\ntest b ... ok\n" TAIL(2, 0), 101, ASSAY_CAUSE_INCONSISTENT},
            {HEAD "test a ... FAILED\ntest a ... ok\ntest b ... ok\n" TAIL(1, 1), 101,
                    ASSAY_CAUSE_INCONSISTENT},
            {HEAD "test a ... FAILED\ntest b ... ok\n" TAIL(1, 1), 0, ASSAY_CAUSE_INCONSISTENT},
            {HEAD "test a ... FAILED\ntest b ... ok\n" TAIL(1, 1), 101, ASSAY_CAUSE_TESTS_FAILED},
            {"test a ... ok\ntest b ... ok\n", 0, ASSAY_CAUSE_NONE_COLLECTED},
            {HEAD "test a ... ok\ntest b ... ok\n", 0, ASSAY_CAUSE_INCONSISTENT},
            {HEAD "test a ... ok\ntest b ... ok\n" HEAD, 0, ASSAY_CAUSE_INCONSISTENT},
            {HEAD "test a ... printed\nok\ntest b ... ok\n" TAIL(2, 0), 0,
                    ASSAY_CAUSE_TESTS_FAILED},
            {HEAD "test a ... ok\ntest b ... ok\n" TAIL(3, 0), 0, ASSAY_CAUSE_INCONSISTENT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct live live;

        print_message("row %zu\n", i);
        live_open(&live, "cargo");
        live_expect(&live, "a", "b");
        judge_log(&live, rows[i].log, rows[i].exit_code);
        live_check(&live, rows[i].cause, rows[i].cause == ASSAY_CAUSE_OK);
        live_close(&live);
    }
}

static void junit_files_are_read(void **state)
{
    struct live live;
    const char *xml;

    (void)state;
    live_open(&live, "junit");
    xml = fixture(&live, "surefire.xml");
    live_file(&live, "report.xml", xml);
    live_expect(&live, "org.example.CalcTest::adds", "org.example.CalcTest::waits\nno class");
    live_run(&live, "sh -c cp report.xml $ASSAY_OUT_DIR/junit.xml; exit 1");
    live_check(&live, ASSAY_CAUSE_OK, true);
    assert_int_equal(live.verdict.evidence, ASSAY_EVIDENCE_WEAK);
    live_check_status(&live, "org.example.CalcTest::divides", ASSAY_TEST_FAILED);
    live_check_status(&live, "org.example.CalcTest::reads", ASSAY_TEST_ERROR);
    // A build that goes on past failures.
    live_run(&live, "sh -c cp report.xml $ASSAY_OUT_DIR/junit.xml");
    live_check(&live, ASSAY_CAUSE_OK, true);
    live_close(&live);
}

static void odd_junit_files_are_not_resolved(void **state)
{
    static const struct {
        const char *xml;
        enum assay_cause cause;
    } rows[] = {
            {"<testsuite><testcase name='a'/></testsuite>", ASSAY_CAUSE_OK},
            {"<testsuite><testcase name='a'/>", ASSAY_CAUSE_INCONSISTENT},
            {"<!DOCTYPE t [<!ENTITY x 'y'>]><testsuite><testcase name='a'/></testsuite>",
                    ASSAY_CAUSE_INCONSISTENT},
            {"", ASSAY_CAUSE_INCONSISTENT},
            {"<testsuite/>", ASSAY_CAUSE_NONE_COLLECTED},
            {"<testsuite><testcase name='a'/><testcase name='a'><failure/></testcase></testsuite>",
                    ASSAY_CAUSE_TESTS_FAILED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct live live;

        print_message("row %zu\n", i);
        live_open(&live, "junit");
        live_file(&live, "report.xml", rows[i].xml);
        live_expect(&live, "a", "");
        live_run(&live, "sh -c cp report.xml $ASSAY_OUT_DIR/junit.xml");
        live_check(&live, rows[i].cause, rows[i].cause == ASSAY_CAUSE_OK);
        live_close(&live);
    }
}

static void an_exit_status_is_one_test(void **state)
{
    struct live live;

    (void)state;
    live_open(&live, "exit");
    live_expect(&live, "exit_status", "");
    live_run(&live, "true");
    live_check(&live, ASSAY_CAUSE_OK, true);
    assert_int_equal(live.verdict.evidence, ASSAY_EVIDENCE_WEAK);
    live_run(&live, "false");
    live_check(&live, ASSAY_CAUSE_TESTS_FAILED, false);
    live_close(&live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(go_logs_are_read),
            cmocka_unit_test(the_wrapper_of_go_reports_events),
            cmocka_unit_test(cargo_logs_are_read),
            cmocka_unit_test(cargo_counts_must_add_up),
            cmocka_unit_test(junit_files_are_read),
            cmocka_unit_test(odd_junit_files_are_not_resolved),
            cmocka_unit_test(an_exit_status_is_one_test),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
