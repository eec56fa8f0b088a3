// SPDX-License-Identifier: MIT
// What must hold: reward 1 means that every expected test passed by positive evidence that agrees;
// limits come first, trouble of ours is no reward at all, and no evidence makes the judge fail.
#include "rewards/judge.h"

#include <stdio.h>
#include <string.h>

#include "rewards/logs.h"
#include "rewards/match.h"
#include "support/harness.h"

#define M ASSAY_TEST_MISSING
#define P ASSAY_TEST_PASSED
#define F ASSAY_TEST_FAILED
#define E ASSAY_TEST_ERROR
#define S ASSAY_TEST_SKIPPED
#define XF ASSAY_TEST_XFAIL
#define XP ASSAY_TEST_XPASS
#define NO ASSAY_RESOLUTION_NO
#define PARTIAL ASSAY_RESOLUTION_PARTIAL
#define FULL ASSAY_RESOLUTION_FULL

static void lists_are_counted_by_the_rules(void **state)
{
    static const struct {
        size_t f2p_count, p2p_count;
        enum assay_test_status f2p[2], p2p[2];
        enum assay_resolution strict, fail_only;
    } rows[] = {
            {1, 0, {P}, {0}, FULL, FULL},
            {1, 1, {P}, {P}, FULL, FULL},
            {1, 1, {XF}, {XF}, FULL, FULL},
            {1, 1, {P}, {S}, FULL, FULL},
            {1, 1, {P}, {M}, NO, FULL},
            {1, 1, {P}, {F}, NO, NO},
            {1, 1, {P}, {E}, NO, NO},
            {1, 1, {P}, {XP}, NO, FULL},
            {1, 1, {F}, {P}, NO, NO},
            {1, 1, {E}, {P}, NO, NO},
            {1, 1, {S}, {P}, NO, FULL},
            {1, 1, {M}, {P}, NO, FULL},
            {1, 1, {XP}, {P}, NO, FULL},
            {2, 1, {P, F}, {P}, PARTIAL, PARTIAL},
            {2, 1, {P, M}, {P}, PARTIAL, FULL},
            {2, 1, {P, F}, {F}, NO, NO},
            {2, 2, {P, P}, {P, F}, NO, NO},
            {0, 0, {0}, {0}, NO, NO},
            {0, 1, {0}, {P}, NO, NO},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("row %zu\n", i);
        for (int fail_only = 0; fail_only < 2; fail_only++) {
            const struct assay_instance instance = {.fail_only = fail_only != 0,
                    .fail_to_pass = {NULL, rows[i].f2p_count},
                    .pass_to_pass = {NULL, rows[i].p2p_count}};

            assert_int_equal(assay_judge_lists(&instance, rows[i].f2p, rows[i].p2p),
                    fail_only ? rows[i].fail_only : rows[i].strict);
        }
    }
}

struct bench {
    struct assay_arena *arena;
    struct assay_verdict verdict;
    struct assay_judgement judgement;
};

static void judge(struct bench *bench, const struct assay_instance *instance,
        const struct assay_evidence *evidence)
{
    struct assay_error err = {0};

    assert_int_equal(assay_arena_create(&bench->arena, 16 << 20, NULL), ASSAY_OK);
    // What other rooms filled in stays.
    bench->verdict = (struct assay_verdict){.run_id = "run-1", .patch_applied = true};
    assert_int_equal(
            assay_judge(&bench->verdict, &bench->judgement, instance,
                    assay_framework_find(instance->framework), evidence, bench->arena, &err),
            ASSAY_OK);
    assert_string_equal(bench->verdict.run_id, "run-1");
    assert_true(bench->verdict.patch_applied);
    assert_non_null(bench->verdict.reason);
}

static const char *const ids_a[] = {"t.py::a"}, *const ids_b[] = {"t.py::b"};

static const struct assay_instance pytest_instance = {.instance_id = "x-1",
        .framework = "pytest",
        .fail_to_pass = {ids_a, 1},
        .pass_to_pass = {ids_b, 1}};

#define BEGIN "{\"n\":0,\"event\":\"begin\",\"framework\":\"pytest\"}\n"
#define PHASE(n, id, when, outcome)                                                                \
    "{\"n\":" #n ",\"event\":\"phase\",\"id\":\"" id "\",\"when\":\"" when                         \
    "\",\"outcome\":\"" outcome "\"}\n"
#define TEST(n0, n1, n2, id, outcome)                                                              \
    PHASE(n0, id, "setup", "passed")                                                               \
    PHASE(n1, id, "call", outcome) PHASE(n2, id, "teardown", "passed")
#define END(n, status, tests, failed)                                                              \
    "{\"n\":" #n ",\"event\":\"end\",\"exit\":" #status ",\"tests\":" #tests                       \
    ",\"failed\":" #failed ",\"counted\":" #failed ",\"outside\":0}\n"
#define GOOD                                                                                       \
    BEGIN TEST(1, 2, 3, "t.py::a", "passed") TEST(4, 5, 6, "t.py::b", "passed") END(7, 0, 2, 0)

static const struct {
    const char *report, *log;
    int exit_code;
    enum assay_cause cause;
    const char *tamper;
} agreement_rows[] = {
        {GOOD, "", 0, ASSAY_CAUSE_OK, NULL},
        {GOOD, "PASSED t.py::a\nPASSED t.py::b\n", 0, ASSAY_CAUSE_OK, NULL},
        {GOOD, "", 1, ASSAY_CAUSE_INCONSISTENT, "process exited with 1"},
        {GOOD, "FAILED t.py::b - x\n", 0, ASSAY_CAUSE_INCONSISTENT, "failed in the log"},
        {GOOD, "FAILED t.py::other - x\n", 0, ASSAY_CAUSE_OK, NULL},
        {GOOD GOOD, "", 0, ASSAY_CAUSE_INCONSISTENT, "begun twice"},
        {GOOD "x\n", "", 0, ASSAY_CAUSE_INCONSISTENT, "no record"},
        {GOOD "x", "", 0, ASSAY_CAUSE_OK, NULL}, // cut off
        {"x\n", "", 0, ASSAY_CAUSE_INCONSISTENT, "no record"},
        {"", "", 0, ASSAY_CAUSE_NONE_COLLECTED, NULL},
        {"", "t.py::a PASSED\nt.py::b PASSED\n", 0, ASSAY_CAUSE_INCONSISTENT, "silent"},
        {BEGIN, "", 0, ASSAY_CAUSE_INCONSISTENT, "never ended"},
        {BEGIN END(1, 5, 0, 0), "", 5, ASSAY_CAUSE_NONE_COLLECTED, NULL},
        {BEGIN TEST(1, 2, 3, "t.py::a", "passed") END(4, 0, 1, 0), "", 0, ASSAY_CAUSE_TESTS_FAILED,
                NULL},
        {BEGIN TEST(1, 2, 3, "t.py::a", "passed") TEST(4, 5, 6, "t.py::b", "failed")
                        END(7, 1, 2, 1),
                "", 1, ASSAY_CAUSE_TESTS_FAILED, NULL},
        {BEGIN TEST(1, 2, 3, "t.py::a", "passed") TEST(4, 5, 6, "t.py::b", "failed")
                        END(7, 0, 2, 1),
                "", 0, ASSAY_CAUSE_INCONSISTENT, "tests failed, and yet the run exited 0"},
        {BEGIN TEST(1, 2, 3, "t.py::a", "passed") TEST(4, 5, 6, "t.py::b", "passed")
                        END(7, 1, 2, 0),
                "", 1, ASSAY_CAUSE_INCONSISTENT, "no test failed, and yet"},
        {BEGIN TEST(1, 2, 3, "t.py::a", "passed") TEST(4, 5, 6, "t.py::b", "passed")
                        END(7, 2, 2, 0),
                "", 2, ASSAY_CAUSE_TESTS_FAILED, NULL}, // interrupted
        {BEGIN TEST(1, 2, 3, "t.py::a", "passed") TEST(4, 5, 6, "t.py::b", "passed")
                        END(7, 0, 3, 0),
                "", 0, ASSAY_CAUSE_INCONSISTENT, "ended with 3 tests"},
        // A failure was taken out: the numbers show it.
        {BEGIN TEST(1, 2, 3, "t.py::a", "passed") TEST(7, 8, 9, "t.py::b", "passed")
                        END(10, 0, 2, 0),
                "", 0, ASSAY_CAUSE_INCONSISTENT, "carries number 7"},
        // A test without its tear-down did not come to its end.
        {BEGIN TEST(1, 2, 3, "t.py::b", "passed") PHASE(4, "t.py::a", "setup", "passed")
                        PHASE(5, "t.py::a", "call", "passed") END(6, 0, 2, 0),
                "", 0, ASSAY_CAUSE_TESTS_FAILED, NULL},
        // The worst of two reports counts.
        {BEGIN TEST(1, 2, 3, "t.py::b", "passed") TEST(4, 5, 6, "t.py::a", "failed")
                        TEST(7, 8, 9, "t.py::a", "passed") END(10, 1, 2, 1),
                "", 1, ASSAY_CAUSE_TESTS_FAILED, NULL},
};

static void only_evidence_that_agrees_is_rewarded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(agreement_rows) / sizeof(agreement_rows[0]); i++) {
        const struct assay_evidence evidence = {.box_cause = agreement_rows[i].exit_code == 0
                        ? ASSAY_CAUSE_OK
                        : ASSAY_CAUSE_TESTS_FAILED,
                .exit_code = agreement_rows[i].exit_code,
                .log = {agreement_rows[i].log, strlen(agreement_rows[i].log)},
                .report = {agreement_rows[i].report, strlen(agreement_rows[i].report)}};
        struct bench bench;

        print_message("row %zu\n", i);
        judge(&bench, &pytest_instance, &evidence);
        assert_string_equal(
                assay_cause_name(bench.verdict.cause), assay_cause_name(agreement_rows[i].cause));
        assert_int_equal(bench.verdict.resolved, agreement_rows[i].cause == ASSAY_CAUSE_OK);
        assert_true(bench.verdict.reward == (bench.verdict.resolved ? 1.0 : 0.0));
        assert_int_equal(bench.verdict.tamper.count > 0, agreement_rows[i].tamper != NULL);
        if (agreement_rows[i].tamper != NULL &&
                strstr(bench.verdict.tamper.items[0], agreement_rows[i].tamper) == NULL)
            assert_string_equal(bench.verdict.tamper.items[0], agreement_rows[i].tamper);
        if (!bench.verdict.resolved)
            assert_int_not_equal(bench.verdict.resolution, FULL);
        assay_arena_destroy(bench.arena);
    }
}

static void limits_and_signals_come_first(void **state)
{
    static const char *const reports[] = {
            GOOD, BEGIN TEST(1, 2, 3, "t.py::a", "passed"), "x\n", ""};

    (void)state;
    for (int cause = ASSAY_CAUSE_CPU_LIMIT; cause <= ASSAY_CAUSE_SYSCALL_DENIED; cause++)
        for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
            const struct assay_evidence evidence = {.box_cause = (enum assay_cause)cause,
                    .report = {reports[i], strlen(reports[i])},
                    .log = {"t.py::a PASSED\n", 15}};
            struct bench bench;

            judge(&bench, &pytest_instance, &evidence);
            assert_int_equal(bench.verdict.cause, cause);
            assert_true(bench.verdict.scored);
            assert_false(bench.verdict.resolved);
            // What did come to its end stands in the lists all the same.
            assert_int_equal(bench.verdict.f2p_success.count, i < 2);
            assay_arena_destroy(bench.arena);
        }
}

static void trouble_of_ours_is_no_reward(void **state)
{
    static const enum assay_cause causes[] = {ASSAY_CAUSE_SETUP_FAILED, ASSAY_CAUSE_INFRA_ERROR};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct assay_evidence evidence = {
                .box_cause = causes[i], .report = {GOOD, strlen(GOOD)}};
        struct bench bench;

        judge(&bench, &pytest_instance, &evidence);
        assert_int_equal(bench.verdict.cause, causes[i]);
        assert_false(bench.verdict.scored);
        assert_false(bench.verdict.resolved);
        assert_int_equal(bench.verdict.f2p_failure.count, 0);
        assay_arena_destroy(bench.arena);
    }
}

static void a_patch_that_was_not_run_fails_every_test(void **state)
{
    struct assay_verdict verdict = {0};

    (void)state;
    assay_judge_unrun(
            &verdict, &pytest_instance, ASSAY_CAUSE_PATCH_REJECTED, "line 3: no such file");
    assert_true(verdict.scored);
    assert_false(verdict.resolved);
    assert_int_equal(verdict.f2p_failure.count, 1);
    assert_int_equal(verdict.p2p_failure.count, 1);
    assert_string_equal(verdict.reason, "line 3: no such file");
}

static void fail_only_still_needs_a_run_that_agrees(void **state)
{
    static const struct {
        const char *report;
        int exit_code;
        enum assay_cause cause;
    } rows[] = {
            {BEGIN TEST(1, 2, 3, "t.py::c", "passed") END(4, 0, 1, 0), 0, ASSAY_CAUSE_OK},
            {BEGIN TEST(1, 2, 3, "t.py::c", "passed") END(4, 0, 1, 0), 1, ASSAY_CAUSE_INCONSISTENT},
            {BEGIN TEST(1, 2, 3, "t.py::c", "passed"), 1, ASSAY_CAUSE_TESTS_FAILED},
            {BEGIN END(1, 5, 0, 0), 5, ASSAY_CAUSE_NONE_COLLECTED},
            {"", 1, ASSAY_CAUSE_NONE_COLLECTED},
    };
    struct assay_instance instance = pytest_instance;

    (void)state;
    instance.fail_only = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_evidence evidence = {
                .box_cause = rows[i].exit_code == 0 ? ASSAY_CAUSE_OK : ASSAY_CAUSE_TESTS_FAILED,
                .exit_code = rows[i].exit_code,
                .report = {rows[i].report, strlen(rows[i].report)}};
        struct bench bench;

        print_message("row %zu\n", i);
        judge(&bench, &instance, &evidence);
        assert_int_equal(bench.verdict.cause, rows[i].cause);
        assert_int_equal(bench.verdict.resolved, rows[i].cause == ASSAY_CAUSE_OK);
        assay_arena_destroy(bench.arena);
    }
}

static void cut_ids_count_when_all_that_they_may_mean_agree(void **state)
{
    static const struct assay_test_result results[] = {
            {"m.C.test_m", P},
            {"t.py::all[a b]", P},
            {"t.py::all[a c]", XF},
            {"t.py::bad[a b]", F},
            {"t.py::bad[a c]", E},
            {"t.py::mix[a b]", P},
            {"t.py::mix[a c]", F},
            {"t.py::mix[ad]", P},
            {"t.py::plain", P},
            {"t.py::plain_longer", F},
            {"t.py::x[[1]-2]", P},
    };
    static const struct {
        const char *id;
        enum assay_test_status native, swebench;
    } rows[] = {
            {"t.py::plain", P, P},
            {"t.py::plai", M, M},
            {"t.py::all[a", M, P},
            {"t.py::all[", M, P},
            {"t.py::bad[a", M, F},
            {"t.py::mix[a", M, M},
            {"t.py::mix[ad", M, P},
            {"t.py::mix[a b]", P, P},
            {"t.py::x[[1]", M, P},
            {"t.py::x[1]", M, M},
            {"test_m (m.C)", M, P},
            {"test_m (m.C.test_m)", M, P},
            {"test_n (m.C)", M, M},
            {"test_m (m.C", M, M},
            {"", M, M},
            {"[", M, M},
    };
    struct assay_outcome outcome;
    struct assay_arena *arena;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assay_outcome_init(&outcome, arena);
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        assay_outcome_add(&outcome, results[i].id, strlen(results[i].id), results[i].status);
    assert_int_equal(assay_outcome_finish(&outcome, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("%s\n", rows[i].id);
        assert_int_equal(assay_match_id(&outcome, rows[i].id, ASSAY_RULES_NATIVE), rows[i].native);
        assert_int_equal(
                assay_match_id(&outcome, rows[i].id, ASSAY_RULES_SWEBENCH), rows[i].swebench);
    }
    assay_arena_destroy(arena);
}

// Much out of little: results whose ids are longer than the lines that report them.
static void no_output_exhausts_the_judge(void **state)
{
    static const struct {
        const char *framework;
        size_t head_bytes; // of 'x', before `neck`
        const char *neck, *line;
        size_t lines;
        bool report; // as the report, not the log
    } rows[] = {
            {"tap-log", 100000, " ..\n", "ok\n", 2000000, false},
            {"tap-log", 1, " ..\n", "ok\n", 3000000, false},
            {"tap", 1, "\t1..9\n", "x\tok\n", 2000000, true},
            {"tap", 1, "\t1..9\n", "x\n", 2000000, true},
            {"gotest", 1, "\n", "--- PASS: a (s)\nok  \tpppppppppppp\n", 700000, false},
            {"gotest", 1, "\n", "--- PASS: a (s)\n", 1500000, false},
            {"cargo", 1, "\nrunning 9 tests\n", "test a ... ok\n", 1500000, false},
            {"unittest", 1, "\n", "a (b) ... ok\n", 1500000, false},
            {"pytest", 1, "\n", "a::b PASSED\n", 1500000, false},
            {"pytest", 1, "\n", "\n", 20000000, true},
            {"ctest", 1, "\n", "1/1 Test #1: a   Passed 0 sec\n", 1500000, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_instance instance = {
                .instance_id = "x-1", .framework = rows[i].framework, .fail_to_pass = {ids_a, 1}};
        struct assay_evidence evidence = {.box_cause = ASSAY_CAUSE_OK};
        struct assay_verdict verdict = {0};
        struct assay_judgement judgement;
        struct assay_arena *arena;
        struct assay_buf buf;

        print_message("row %zu\n", i);
        assay_buf_init(&buf, 64 << 20);
        for (size_t x = 0; x < rows[i].head_bytes; x++)
            assert_true(assay_buf_addc(&buf, 'x'));
        assert_true(assay_buf_adds(&buf, rows[i].neck));
        for (size_t line = 0; line < rows[i].lines; line++)
            assert_true(assay_buf_adds(&buf, rows[i].line));
        *(rows[i].report ? &evidence.report : &evidence.log) =
                (struct assay_bytes){buf.data, buf.len};
        assert_int_equal(
                assay_arena_create(&arena, ASSAY_JUDGE_ARENA_BYTES(buf.len), NULL), ASSAY_OK);
        assert_int_equal(assay_judge(&verdict, &judgement, &instance,
                                 assay_framework_find(rows[i].framework), &evidence, arena, NULL),
                ASSAY_OK);
        assert_true(verdict.scored);
        assert_false(verdict.resolved);
        assay_arena_destroy(arena);
        assay_buf_free(&buf);
    }
}

static void every_row_of_the_table_is_whole(void **state)
{
    size_t count = 0, files = 0;
    const struct assay_framework *table = assay_framework_table(&count);
    const struct assay_trusted_file *trusted = assay_trusted_files(&files);

    (void)state;
    assert_true(count >= 8);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(assay_framework_find(table[i].name), &table[i]);
        assert_true(assay_framework_known(table[i].name));
        assert_non_null(table[i].about);
        assert_non_null(table[i].env);
        assert_non_null(table[i].out_files);
        // Without a reader of its own a row has a parser: a known one, or the instance's.
        if (table[i].read == NULL)
            assert_non_null(table[i].log_parser);
        if (table[i].read == NULL && table[i].log_parser[0] != '\0')
            assert_non_null(assay_log_parser_find(table[i].log_parser));
    }
    assert_false(assay_framework_known("nose"));
    assert_true(files > 0);
    for (size_t i = 0; i < files; i++)
        assert_non_null(strstr(trusted[i].content, "SPDX-License-Identifier: MIT\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(lists_are_counted_by_the_rules),
            cmocka_unit_test(only_evidence_that_agrees_is_rewarded),
            cmocka_unit_test(limits_and_signals_come_first),
            cmocka_unit_test(trouble_of_ours_is_no_reward),
            cmocka_unit_test(a_patch_that_was_not_run_fails_every_test),
            cmocka_unit_test(fail_only_still_needs_a_run_that_agrees),
            cmocka_unit_test(cut_ids_count_when_all_that_they_may_mean_agree),
            cmocka_unit_test(no_output_exhausts_the_judge),
            cmocka_unit_test(every_row_of_the_table_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
