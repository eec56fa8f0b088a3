// SPDX-License-Identifier: MIT
// What must hold: each family's rule, where it differs from SWE-bench's: a missing test, a skipped
// one, an expected failure, the equality of the whole map, the three stages; and a reward file
// speaks for itself, where its absence is no reward and not 0.
#include <string.h>

#include "rewards/judge.h"
#include "rewards/match.h"
#include "tests/support/harness.h"

struct bench {
    struct assay_arena *arena;
    struct assay_verdict verdict;
    struct assay_judgement judgement;
};

static void judge(struct bench *bench, const struct assay_instance *instance,
        const struct assay_out_file *files, size_t count, int exit_code)
{
    const struct assay_evidence evidence = {
            .box_cause = exit_code == 0 ? ASSAY_CAUSE_OK : ASSAY_CAUSE_TESTS_FAILED,
            .exit_code = exit_code,
            .log = {"", 0},
            .report = {"", 0},
            .files = files,
            .file_count = count};
    struct assay_error err = {0};

    assert_int_equal(assay_arena_create(&bench->arena, 16 << 20, NULL), ASSAY_OK);
    bench->verdict = (struct assay_verdict){.run_id = "run-1"};
    if (assay_judge(&bench->verdict, &bench->judgement, instance,
                assay_framework_find(instance->framework), &evidence, bench->arena,
                &err) != ASSAY_OK)
        fail_msg("%s", err.message);
}

static const char *const f2p[] = {"a"}, *const p2p[] = {"b"}, *const fails[] = {"f"},
                         *const errors[] = {"e"}, *const kept[] = {"k"};

#define ONE(name, status) "{\"name\": \"" name "\", \"status\": \"" status "\"}"
#define RESULTS(tests) "{\"tests\": [" tests "]}"
#define AB(a, b) ONE("a", a) ", " ONE("b", b)

static void each_rule_says_what_passes(void **state)
{
    // NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which rows read
    static const struct {
        enum assay_rules rules;
        const char *results;
        bool resolved;
        const char *reason;
    } rows[] = {
            {ASSAY_RULES_SWEBENCH, RESULTS(AB("PASSED", "SKIPPED")), true, "all 2 expected"},
            {ASSAY_RULES_SWEBENCH, RESULTS(ONE("a", "PASSED")), false, "b (missing)"},
            {ASSAY_RULES_ALL_PASSED, RESULTS(AB("PASSED", "PASSED")), true, "all 2 expected"},
            {ASSAY_RULES_ALL_PASSED, RESULTS(AB("PASSED", "SKIPPED")), false, "b (skipped)"},
            {ASSAY_RULES_ALL_PASSED, RESULTS(ONE("b", "PASSED")), false, "a (missing)"},
            {ASSAY_RULES_ALL_PASSED, RESULTS(AB("PASSED", "PASSED") ", " ONE("c", "FAILED")), true,
                    "all 2 expected"},
            {ASSAY_RULES_WHOLE_MAP,
                    RESULTS(AB("PASSED", "PASSED") ", " ONE("f", "FAILED") ", " ONE("e", "ERROR")),
                    true, "all 2 expected"},
            {ASSAY_RULES_WHOLE_MAP,
                    RESULTS(AB("PASSED", "PASSED") ", " ONE("x.py::f", "FAILED") ", " ONE(
                            "e", "ERROR") ", " ONE("s", "SKIPPED")),
                    true, "all 2 expected"},
            {ASSAY_RULES_WHOLE_MAP,
                    RESULTS(AB("PASSED", "PASSED") ", " ONE("f", "PASSED") ", " ONE("e", "ERROR")),
                    false, "but f passed, expected: failed"},
            {ASSAY_RULES_WHOLE_MAP, RESULTS(AB("PASSED", "PASSED") ", " ONE("f", "FAILED")), false,
                    "but e missing, expected: error"},
            {ASSAY_RULES_WHOLE_MAP,
                    RESULTS(AB("PASSED", "PASSED") ", " ONE("f", "FAILED") ", " ONE(
                            "e", "ERROR") ", " ONE("n", "PASSED")),
                    false, "but n passed, expected: no such test"},
            {ASSAY_RULES_WHOLE_MAP,
                    RESULTS(AB("PASSED", "SKIPPED") ", " ONE("f", "FAILED") ", " ONE("e", "ERROR")),
                    false, "b (missing)"},
            {ASSAY_RULES_THREE_STAGE, RESULTS(AB("PASSED", "PASSED") ", " ONE("k", "SKIPPED")),
                    true, "all 2 expected"},
            {ASSAY_RULES_THREE_STAGE, RESULTS(AB("PASSED", "PASSED")), true, "all 2 expected"},
            {ASSAY_RULES_THREE_STAGE, RESULTS(AB("PASSED", "PASSED") ", " ONE("k", "FAILED")),
                    false, "but k failed, expected: no failure"},
            {ASSAY_RULES_THREE_STAGE, RESULTS(AB("PASSED", "SKIPPED")), false, "b (skipped)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const bool map = rows[i].rules == ASSAY_RULES_WHOLE_MAP;
        const struct assay_instance instance = {.instance_id = "x-1",
                .framework = "results-json",
                .rules = rows[i].rules,
                .fail_to_pass = {f2p, 1},
                .pass_to_pass = {p2p, 1},
                .fail_to_fail = {fails, map},
                .error_to_error = {errors, map},
                .not_fail = {kept, rows[i].rules == ASSAY_RULES_THREE_STAGE}};
        const struct assay_out_file file = {
                "results.json", {rows[i].results, strlen(rows[i].results)}};
        struct bench bench;

        print_message("row %zu\n", i);
        judge(&bench, &instance, &file, 1, 0);
        assert_int_equal(bench.verdict.resolved, rows[i].resolved);
        if (strstr(bench.verdict.reason, rows[i].reason) == NULL)
            fail_msg("reason: %s", bench.verdict.reason);
        assert_int_equal(bench.verdict.evidence, ASSAY_EVIDENCE_WEAK);
        assay_arena_destroy(bench.arena);
    }
}

// The parser's statuses have no word for it, pytest's have.
static void an_expected_failure_is_passed_for_some_and_not_for_others(void **state)
{
    static const struct {
        enum assay_rules rules;
        enum assay_resolution resolution;
    } rows[] = {{ASSAY_RULES_NATIVE, ASSAY_RESOLUTION_FULL},
            {ASSAY_RULES_SWEBENCH, ASSAY_RESOLUTION_FULL},
            {ASSAY_RULES_ALL_PASSED, ASSAY_RESOLUTION_NO},
            {ASSAY_RULES_WHOLE_MAP, ASSAY_RESOLUTION_NO},
            {ASSAY_RULES_THREE_STAGE, ASSAY_RESOLUTION_NO}};
    const enum assay_test_status passed = ASSAY_TEST_PASSED, xfail = ASSAY_TEST_XFAIL;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_instance instance = {
                .rules = rows[i].rules, .fail_to_pass = {f2p, 1}, .pass_to_pass = {p2p, 1}};

        assert_int_equal(assay_judge_lists(&instance, &passed, &xfail), rows[i].resolution);
    }
}

static void a_map_may_have_nothing_that_failed_before(void **state)
{
    const struct assay_instance instance = {.instance_id = "x-1",
            .framework = "results-json",
            .rules = ASSAY_RULES_WHOLE_MAP,
            .pass_to_pass = {p2p, 1}};
    const struct assay_out_file file = {"results.json",
            {RESULTS(ONE("t.py::b", "PASSED")), strlen(RESULTS(ONE("t.py::b", "PASSED")))}};
    struct bench bench;

    (void)state;
    judge(&bench, &instance, &file, 1, 0);
    assert_true(bench.verdict.resolved);
    assert_int_equal(assay_match_id(&bench.judgement.outcome, "b", ASSAY_RULES_WHOLE_MAP),
            ASSAY_TEST_PASSED);
    assay_arena_destroy(bench.arena);
}

static void a_reward_file_speaks_and_its_absence_is_no_reward(void **state)
{
    static const struct {
        const char *json, *text; // NULL: no such file
        int exit_code;
        enum assay_cause cause;
        double reward;
    } rows[] = {
            {NULL, "1\n", 0, ASSAY_CAUSE_OK, 1.0},
            {NULL, "1.0", 1, ASSAY_CAUSE_INCONSISTENT, 0.0}, // our script always ends with 0
            {NULL, "0", 0, ASSAY_CAUSE_TESTS_FAILED, 0.0},
            {NULL, "0.25", 0, ASSAY_CAUSE_TESTS_FAILED, 0.25},
            {"1", NULL, 0, ASSAY_CAUSE_OK, 1.0},
            {"{\"reward\": 0.5, \"speed\": 3}", NULL, 0, ASSAY_CAUSE_TESTS_FAILED, 0.5},
            {"{\"reward\": 1, \"speed\": 3}", "1", 0, ASSAY_CAUSE_OK, 1.0},
            {NULL, NULL, 0, ASSAY_CAUSE_INFRA_ERROR, 0.0},
            {NULL, NULL, 1, ASSAY_CAUSE_INFRA_ERROR, 0.0},
            // What cannot be read, or disagrees, earns nothing.
            {"1", "0", 0, ASSAY_CAUSE_INCONSISTENT, 0.0},
            {"{\"speed\": 3}", NULL, 0, ASSAY_CAUSE_INCONSISTENT, 0.0},
            {"{\"reward\": 1, \"speed\": \"3\"}", NULL, 0, ASSAY_CAUSE_INCONSISTENT, 0.0},
            {"{", NULL, 0, ASSAY_CAUSE_INCONSISTENT, 0.0},
            {NULL, "", 0, ASSAY_CAUSE_INCONSISTENT, 0.0},
            {NULL, "nan", 0, ASSAY_CAUSE_INCONSISTENT, 0.0},
            {NULL, "inf", 0, ASSAY_CAUSE_INCONSISTENT, 0.0},
            {NULL, "1e999", 0, ASSAY_CAUSE_INCONSISTENT, 0.0},
            {NULL, "1 1", 0, ASSAY_CAUSE_INCONSISTENT, 0.0},
            {NULL, "0x1", 0, ASSAY_CAUSE_INCONSISTENT, 0.0},
    };
    static const char *const reward[] = {"reward"};
    const struct assay_instance instance = {
            .instance_id = "x-1", .framework = "reward-file", .fail_to_pass = {reward, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_out_file files[2];
        struct bench bench;
        size_t count = 0;

        print_message("row %zu\n", i);
        if (rows[i].json != NULL)
            files[count++] =
                    (struct assay_out_file){"reward.json", {rows[i].json, strlen(rows[i].json)}};
        if (rows[i].text != NULL)
            files[count++] =
                    (struct assay_out_file){"reward.txt", {rows[i].text, strlen(rows[i].text)}};
        judge(&bench, &instance, files, count, rows[i].exit_code);
        assert_string_equal(assay_cause_name(bench.verdict.cause), assay_cause_name(rows[i].cause));
        assert_int_equal(bench.verdict.scored, rows[i].cause != ASSAY_CAUSE_INFRA_ERROR);
        assert_int_equal(bench.verdict.resolved, rows[i].cause == ASSAY_CAUSE_OK);
        assert_float_equal(bench.verdict.reward, rows[i].reward, 0);
        assay_arena_destroy(bench.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(each_rule_says_what_passes),
            cmocka_unit_test(an_expected_failure_is_passed_for_some_and_not_for_others),
            cmocka_unit_test(a_map_may_have_nothing_that_failed_before),
            cmocka_unit_test(a_reward_file_speaks_and_its_absence_is_no_reward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
