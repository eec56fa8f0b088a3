// SPDX-License-Identifier: MIT
// What must hold: a canary or a counter-run that came out wrong takes the reward away, and a run
// that none of them could speak against is weak evidence.
#include <stdio.h>
#include <string.h>

#include "rewards/canary.h"
#include "rewards/judge.h"
#include "rewards/match.h"
#include "support/harness.h"

static const char *const ids_a[] = {"t.py::a"}, *const ids_b[] = {"t.py::b"};

static const struct assay_instance pytest_instance = {.instance_id = "x-1",
        .framework = "pytest",
        .fail_to_pass = {ids_a, 1},
        .pass_to_pass = {ids_b, 1}};

// One canary of a kind that came out so, beside suite's tests that pass, or where "t.py::a" fails.
static const struct {
    enum assay_canary_kind kind;
    const char *outcome; // NULL: it has no result
    bool solved;
    enum assay_cause cause;
} canary_rows[] = {
        {ASSAY_CANARY_ASSERT, "failed", true, ASSAY_CAUSE_OK},
        {ASSAY_CANARY_ASSERT, "passed", true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_ASSERT, "passed", false, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_ASSERT, "skipped", true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_ASSERT, "skipped", false, ASSAY_CAUSE_TESTS_FAILED},
        {ASSAY_CANARY_ASSERT, NULL, true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_ASSERT, NULL, false, ASSAY_CAUSE_TESTS_FAILED},
        {ASSAY_CANARY_UNEQUAL, "failed", true, ASSAY_CAUSE_OK},
        {ASSAY_CANARY_UNEQUAL, "passed", true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_UNEQUAL, "passed", false, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_UNEQUAL, NULL, true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_RAISE, "failed", true, ASSAY_CAUSE_OK},
        {ASSAY_CANARY_RAISE, "passed", true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_RAISE, "passed", false, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_RAISE, NULL, true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_COPY, "failed", true, ASSAY_CAUSE_OK},
        {ASSAY_CANARY_COPY, "passed", true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_COPY, NULL, true, ASSAY_CAUSE_TAMPERED},
        // Wrong code may by chance give what the copy expects.
        {ASSAY_CANARY_COPY, "passed", false, ASSAY_CAUSE_TESTS_FAILED},
        {ASSAY_CANARY_COPY, NULL, false, ASSAY_CAUSE_TESTS_FAILED},
        {ASSAY_CANARY_PASS, "passed", true, ASSAY_CAUSE_OK},
        {ASSAY_CANARY_PASS, "failed", true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_PASS, "skipped", true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_PASS, NULL, true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_PASS, "failed", false, ASSAY_CAUSE_TESTS_FAILED},
        {ASSAY_CANARY_SKIP, "skipped", true, ASSAY_CAUSE_OK},
        {ASSAY_CANARY_SKIP, "passed", true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_SKIP, "passed", false, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_SKIP, "failed", true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_SKIP, NULL, true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_LAST, "passed", true, ASSAY_CAUSE_OK},
        {ASSAY_CANARY_LAST, "failed", true, ASSAY_CAUSE_TAMPERED},
        {ASSAY_CANARY_LAST, NULL, true, ASSAY_CAUSE_TAMPERED}, // the run was cut short
        {ASSAY_CANARY_LAST, NULL, false, ASSAY_CAUSE_TESTS_FAILED},
};

// --- a run with one canary -----------------------------------------------------------------------

// In memory that lives as long as the test.
struct run {
    struct assay_arena *arena;
    char report[4096];
    struct assay_evidence evidence; // points to the report and to the plan
    struct assay_verdict verdict;
    struct assay_judgement judgement;
};

static void write_phases(
        char *report, size_t room, unsigned *n, const char *id, const char *outcome)
{
    const char *const whens[] = {"setup", "call", "teardown"};

    for (size_t i = 0; i < 3; i++) {
        const size_t len = strlen(report);

        (void)snprintf(report + len, room - len,
                "{\"n\":%u,\"event\":\"phase\",\"id\":\"%s\",\"when\":\"%s\","
                "\"outcome\":\"%s\"}\n",
                (*n)++, id, whens[i], i == 1 ? outcome : "passed");
    }
}

// What an honest run with these results would have reported; its exit status.
static int write_report(char *report, size_t room, const char *canary, bool solved)
{
    const bool failed = !solved || (canary != NULL && strcmp(canary, "failed") == 0);
    const unsigned failures =
            (solved ? 0U : 1U) + (canary != NULL && strcmp(canary, "failed") == 0 ? 1U : 0U);
    unsigned n = 1;
    size_t len;

    (void)snprintf(report, room, "{\"n\":0,\"event\":\"begin\",\"framework\":\"pytest\"}\n");
    write_phases(report, room, &n, "t.py::a", solved ? "passed" : "failed");
    write_phases(report, room, &n, "t.py::b", "passed");
    if (canary != NULL)
        write_phases(report, room, &n, "t.py::canary", canary);
    len = strlen(report);
    (void)snprintf(report + len, room - len,
            "{\"n\":%u,\"event\":\"end\",\"exit\":%d,\"tests\":%d,\"failed\":%u,"
            "\"counted\":%u,\"outside\":0}\n",
            n, failed, canary != NULL ? 3 : 2, failures, failures);
    return failed;
}

static void begin(
        struct run *run, const struct assay_canary_plan *plan, const char *canary, bool solved)
{
    const int code = write_report(run->report, sizeof(run->report), canary, solved);

    assert_int_equal(assay_arena_create(&run->arena, 16 << 20, NULL), ASSAY_OK);
    run->evidence = (struct assay_evidence){
            .box_cause = code == 0 ? ASSAY_CAUSE_OK : ASSAY_CAUSE_TESTS_FAILED,
            .exit_code = code,
            .report = {run->report, strlen(run->report)},
            .canaries = plan};
}

static void judge(struct run *run, const struct assay_instance *instance)
{
    run->verdict = (struct assay_verdict){.patch_applied = true};
    assert_int_equal(
            assay_judge(&run->verdict, &run->judgement, instance,
                    assay_framework_find(instance->framework), &run->evidence, run->arena, NULL),
            ASSAY_OK);
}

static void end(struct run *run)
{
    assay_arena_destroy(run->arena);
}

// --- what must hold ------------------------------------------------------------------------------

static void canaries_tell_of_changed_results(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(canary_rows) / sizeof(canary_rows[0]); i++) {
        const bool copy = canary_rows[i].kind == ASSAY_CANARY_COPY;
        const struct assay_canary canary = {
                canary_rows[i].kind, "t.py::canary", copy ? "t.py::a" : NULL};
        const struct assay_canary_plan plan = {.framework = "pytest", .items = &canary, .count = 1};
        struct run run;

        print_message("row %zu: %s, %s\n", i, assay_canary_kind_name(canary_rows[i].kind),
                canary_rows[i].outcome != NULL ? canary_rows[i].outcome : "no result");
        begin(&run, &plan, canary_rows[i].outcome, canary_rows[i].solved);
        judge(&run, &pytest_instance);
        assert_string_equal(
                assay_cause_name(run.verdict.cause), assay_cause_name(canary_rows[i].cause));
        assert_int_equal(run.verdict.resolved, canary_rows[i].cause == ASSAY_CAUSE_OK);
        // It is none of the suite's tests.
        assert_int_equal(
                assay_outcome_find(&run.judgement.outcome, "t.py::canary"), ASSAY_TEST_MISSING);
        end(&run);
    }
}

// A copy that gold passes, too, is a fault of the suite, and accuses nobody.
static void a_deaf_copy_speaks_against_nobody(void **state)
{
    static const struct assay_canary copy = {
            .kind = ASSAY_CANARY_COPY, .id = "t.py::canary", .of = "t.py::a"};
    struct assay_canary_plan plan = {.framework = "pytest", .items = &copy, .count = 1};
    struct assay_copies copies;
    struct run run;

    (void)state;
    begin(&run, &plan, "passed", true);
    judge(&run, &pytest_instance);
    assert_int_equal(run.verdict.cause, ASSAY_CAUSE_TAMPERED);
    assert_int_equal(assay_judge_copies(&copies, &pytest_instance, assay_framework_find("pytest"),
                             &run.evidence, run.arena, NULL),
            ASSAY_OK);
    assert_int_equal(copies.passed, ASSAY_CANARY_BIT(0));
    assert_int_equal(copies.failed, 0);
    assert_int_equal(assay_canary_deafen(&plan, copies.passed, run.arena, NULL), ASSAY_OK);
    judge(&run, &pytest_instance);
    assert_int_equal(run.verdict.cause, ASSAY_CAUSE_OK);
    assert_int_equal(
            assay_outcome_find(&run.judgement.outcome, "t.py::canary"), ASSAY_TEST_MISSING);
    end(&run);
}

static const struct assay_canary passing = {.kind = ASSAY_CANARY_PASS, .id = "t.py::canary"};

// Canaries that came out right, and a counter-run that shows something else.
static void what_counter_runs_show_counts_like_the_run(void **state)
{
    static const struct {
        const char *says;
        struct assay_canary_plan plan;
    } rows[] = {
            // A test that passed whatever it expected.
            {"another expected value", {.unmoved = {ids_a, 1}}},
            // A canary of its own.
            {"must fail and passed", {.counter_fault = "canary x must fail and passed"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_canary_plan plan = rows[i].plan;
        struct run run;

        plan.framework = "pytest";
        plan.items = &passing;
        plan.count = 1;
        begin(&run, &plan, "passed", true);
        judge(&run, &pytest_instance);
        assert_int_equal(run.verdict.cause, ASSAY_CAUSE_TAMPERED);
        assert_non_null(strstr(run.verdict.tamper.items[0], rows[i].says));
        end(&run);
    }
}

// Where no counter-run is allowed, the run itself is all that speaks for the patch.
static void evidence_without_counter_runs_is_weak(void **state)
{
    static const struct {
        bool counter_silent, no_canaries;
        enum assay_evidence_kind strength;
    } rows[] = {
            {false, false, ASSAY_EVIDENCE_STRONG},
            {true, false, ASSAY_EVIDENCE_WEAK},
            {false, true, ASSAY_EVIDENCE_WEAK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_canary_plan plan = {.framework = "pytest",
                .items = &passing,
                .count = 1,
                .counter_silent = rows[i].counter_silent};
        struct assay_instance instance = pytest_instance;
        struct run run;

        instance.no_canaries = rows[i].no_canaries;
        begin(&run, &plan, "passed", true);
        judge(&run, &instance);
        assert_int_equal(run.verdict.cause, ASSAY_CAUSE_OK);
        assert_int_equal(run.verdict.evidence, rows[i].strength);
        end(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(canaries_tell_of_changed_results),
            cmocka_unit_test(a_deaf_copy_speaks_against_nobody),
            cmocka_unit_test(what_counter_runs_show_counts_like_the_run),
            cmocka_unit_test(evidence_without_counter_runs_is_weak),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
