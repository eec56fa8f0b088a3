// SPDX-License-Identifier: MIT
// What must hold: only a new test that fails on the buggy tree, for its own reason, and passes on
// the fixed one, both times, is worth something, and only with mutants killed.
#include "rewards/write_tests.h"

#include <string.h>

#include "rewards/test_files.h"
#include "support/harness.h"

#define P ASSAY_TEST_PASSED
#define F ASSAY_TEST_FAILED
#define E ASSAY_TEST_ERROR
#define S ASSAY_TEST_SKIPPED
#define M ASSAY_TEST_MISSING

static const char *const ids[] = {"old", "t.C.new", "other"};

struct row {
    const char *name;
    enum assay_test_status base[3], before[2][3], after[2][3];
    const char *log;
    const char *fault; // NULL: none
    size_t fails, passes, flaky;
};

static struct assay_outcome *outcome_of(
        struct assay_arena *arena, const enum assay_test_status *statuses)
{
    struct assay_outcome *outcome = assay_arena_alloc(arena, sizeof(*outcome));

    assert_non_null(outcome);
    assay_outcome_init(outcome, arena);
    for (size_t i = 0; i < 3; i++) {
        if (statuses[i] != M)
            assay_outcome_add(outcome, ids[i], strlen(ids[i]), statuses[i]);
    }
    assert_int_equal(assay_outcome_finish(outcome, NULL), ASSAY_OK);
    return outcome;
}

static struct assay_tests_run run_of(
        struct assay_arena *arena, const enum assay_test_status *statuses)
{
    return (struct assay_tests_run){.cause = ASSAY_CAUSE_TESTS_FAILED,
            .reason = "r",
            .outcome = outcome_of(arena, statuses)};
}

static const struct row rows[] = {
        {"good", {P, M, M}, {{P, F, M}, {P, F, M}}, {{P, P, M}, {P, P, M}}, "", NULL, 1, 1, 0},
        {"an error is a failure", {P, M, M}, {{P, E, M}, {P, E, M}}, {{P, P, M}, {P, P, M}}, "",
                NULL, 1, 1, 0},
        {"no test of its own before", {M, M, M}, {{M, F, M}, {M, F, M}}, {{M, P, M}, {M, P, M}}, "",
                NULL, 1, 1, 0},
        {"more than one", {P, M, M}, {{P, F, P}, {P, F, P}}, {{P, P, P}, {P, P, P}}, "", NULL, 1, 2,
                0},
        {"an old test that asks for more", {P, M, M}, {{F, M, M}, {F, M, M}},
                {{P, M, M}, {P, M, M}}, "", NULL, 1, 1, 0},
        {"passes before", {P, M, M}, {{P, P, M}, {P, P, M}}, {{P, P, M}, {P, P, M}}, "",
                "no new test fails", 0, 1, 0},
        {"was not collected before", {P, M, M}, {{P, M, M}, {P, M, M}}, {{P, P, M}, {P, P, M}}, "",
                "no new test fails", 0, 1, 0},
        {"skipped before", {P, M, M}, {{P, S, M}, {P, S, M}}, {{P, P, M}, {P, P, M}}, "",
                "no new test fails", 0, 1, 0},
        {"skipped after", {P, M, M}, {{P, F, M}, {P, F, M}}, {{P, S, M}, {P, S, M}}, "",
                "no new test that passes", 0, 0, 0},
        {"fails after", {P, M, M}, {{P, F, M}, {P, F, M}}, {{P, F, M}, {P, F, M}}, "",
                "a new test fails on the fixed tree: t.C.new", 0, 0, 0},
        {"one of two fails after", {P, M, M}, {{P, F, F}, {P, F, F}}, {{P, P, F}, {P, P, F}}, "",
                "a new test fails on the fixed tree: other", 1, 1, 0},
        {"breaks an old one", {P, M, M}, {{F, F, M}, {F, F, M}}, {{F, P, M}, {F, P, M}}, "",
                "a test that passed without", 1, 1, 0},
        {"wavers after", {P, M, M}, {{P, F, M}, {P, F, M}}, {{P, P, M}, {P, F, M}}, "",
                "one thing and then another", 0, 0, 1},
        {"wavers before", {P, M, M}, {{P, F, M}, {P, P, M}}, {{P, P, M}, {P, P, M}}, "",
                "one thing and then another", 0, 0, 1},
        {"wavers, but another is good", {P, M, M}, {{P, F, F}, {P, F, P}}, {{P, P, P}, {P, P, P}},
                "", NULL, 1, 1, 1},
        {"fails for an import, pytest", {P, M, M}, {{P, F, M}, {P, F, M}}, {{P, P, M}, {P, P, M}},
                "____ C.new ____\n\n    def new(self):\n>       from a import b\nE   ImportError: cannot import name\n",
                "for want of a name", 0, 1, 0},
        {"fails for an import, unittest", {P, M, M}, {{P, E, M}, {P, E, M}}, {{P, P, M}, {P, P, M}},
                "=====\nERROR: new (t.C.new)\n-----\nTraceback:\n  x\nModuleNotFoundError: No module\n",
                "for want of a name", 0, 1, 0},
        {"another test's import error", {P, M, M}, {{P, F, M}, {P, F, M}}, {{P, P, M}, {P, P, M}},
                "____ C.different ____\nE   ImportError: x\n____ C.new ____\nE   assert 1 == 2\n",
                NULL, 1, 1, 0},
};

static void only_tests_that_tell_the_trees_apart_are_worth_something(void **state)
{
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 16 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_write_tests_runs runs = {.base = run_of(arena, rows[i].base)};
        struct assay_write_tests_score score = {0};
        enum assay_cause cause = ASSAY_CAUSE_OK;
        const char *fault = NULL;

        for (size_t k = 0; k < ASSAY_WRITE_TESTS_ROUNDS; k++) {
            runs.before[k] = run_of(arena, rows[i].before[k]);
            runs.after[k] = run_of(arena, rows[i].after[k]);
        }
        runs.before[0].log = (struct assay_bytes){rows[i].log, strlen(rows[i].log)};
        assert_int_equal(
                assay_write_tests_compare(&score, &fault, &cause, &runs, arena, NULL), ASSAY_OK);
        print_message("%s: %s\n", rows[i].name, fault ? fault : "good");
        if (rows[i].fault == NULL)
            assert_null(fault);
        else
            assert_true(fault != NULL && strstr(fault, rows[i].fault) != NULL);
        assert_int_equal(cause, ASSAY_CAUSE_TESTS_FAILED);
        assert_int_equal(score.fails_before.count, rows[i].fails);
        assert_int_equal(score.passes_after.count, rows[i].passes);
        assert_int_equal(score.flaky.count, rows[i].flaky);
    }
    assay_arena_destroy(arena);
}

static void a_run_that_does_not_end_gives_its_cause(void **state)
{
    static const enum assay_cause causes[] = {ASSAY_CAUSE_BUILD_FAILED, ASSAY_CAUSE_NONE_COLLECTED,
            ASSAY_CAUSE_INCONSISTENT, ASSAY_CAUSE_WALL_LIMIT};
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 16 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        struct assay_write_tests_runs runs = {.base = run_of(arena, rows[0].base),
                .after = {run_of(arena, rows[0].after[0])},
                .before = {run_of(arena, rows[0].before[0])}};
        struct assay_write_tests_score score = {0};
        enum assay_cause cause = ASSAY_CAUSE_OK;
        const char *fault = NULL;

        runs.before[0].cause = causes[i];
        assert_int_equal(
                assay_write_tests_compare(&score, &fault, &cause, &runs, arena, NULL), ASSAY_OK);
        assert_string_equal(fault, "on the buggy tree: r");
        assert_int_equal(cause, causes[i]);
        assert_int_equal(score.fails_before.count, 0);
    }
    assay_arena_destroy(arena);
}

static void a_mutant_is_killed_by_a_new_test_that_fails(void **state)
{
    static const char *const passes[] = {"t.C.new"};
    const struct assay_write_tests_score score = {.passes_after = {passes, 1}};
    static const struct {
        enum assay_cause cause;
        enum assay_test_status statuses[3];
        bool kills;
    } cases[] = {{ASSAY_CAUSE_TESTS_FAILED, {P, F, M}, true},
            {ASSAY_CAUSE_TESTS_FAILED, {P, E, M}, true},
            {ASSAY_CAUSE_TESTS_FAILED, {P, P, M}, false},
            {ASSAY_CAUSE_TESTS_FAILED, {F, P, F}, false},
            {ASSAY_CAUSE_TESTS_FAILED, {P, M, M}, false}, {ASSAY_CAUSE_WALL_LIMIT, {M, M, M}, true},
            {ASSAY_CAUSE_SIGNALLED, {P, M, M}, true}, {ASSAY_CAUSE_BUILD_FAILED, {M, M, M}, false},
            {ASSAY_CAUSE_INCONSISTENT, {P, F, M}, false},
            {ASSAY_CAUSE_NONE_COLLECTED, {M, M, M}, false}};
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 16 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct assay_tests_run run = run_of(arena, cases[i].statuses);

        run.cause = cases[i].cause;
        assert_int_equal(assay_write_tests_kills(&score, &run), cases[i].kills);
    }
    assay_arena_destroy(arena);
}

static void a_mutant_that_dies_at_import_is_stillborn(void **state)
{
    static const enum assay_test_status fixed[3] = {P, P, S};
    static const struct {
        enum assay_cause cause;
        enum assay_test_status statuses[3];
        bool valid, killed;
    } cases[] = {{ASSAY_CAUSE_TESTS_FAILED, {P, P, S}, true, false},
            {ASSAY_CAUSE_TESTS_FAILED, {P, F, S}, true, true},
            {ASSAY_CAUSE_TESTS_FAILED, {P, M, M}, false, false},
            {ASSAY_CAUSE_TESTS_FAILED, {F, F, F}, false, true},
            {ASSAY_CAUSE_BUILD_FAILED, {M, M, M}, false, false},
            {ASSAY_CAUSE_WALL_LIMIT, {P, M, M}, true, true},
            {ASSAY_CAUSE_WALL_LIMIT, {M, M, M}, false, true}};
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 16 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct assay_tests_run reference = run_of(arena, fixed);
        struct assay_tests_run run = run_of(arena, cases[i].statuses);
        bool killed = false;

        run.cause = cases[i].cause;
        print_message("case %zu\n", i);
        assert_int_equal(assay_write_tests_mutant_valid(&reference, &run, &killed), cases[i].valid);
        if (cases[i].valid)
            assert_int_equal(killed, cases[i].killed);
    }
    assay_arena_destroy(arena);
}

static void equivalent_mutants_are_allowed_for(void **state)
{
    (void)state;
    assert_int_equal(assay_write_tests_needed(6, 6), 3);
    assert_int_equal(assay_write_tests_needed(5, 5), 3);
    assert_int_equal(assay_write_tests_needed(6, 2), 2); // people's own tests kill no more
    assert_int_equal(assay_write_tests_needed(6, 0), 1);
    assert_int_equal(assay_write_tests_needed(0, 0), 1); // no mutant, no reward
}

static void test_files_are_told_by_their_names(void **state)
{
    static const char *const good[] = {"tests/x.py", "a/tests/b/c.txt", "test_a.py", "a/b_test.go",
            "t/a.t", "src/x.test.js", "src/AppTest.java", "tests/t_a.c", "spec/a_spec.rb"};
    static const char *const bad[] = {"src/a.py", "setup.py", "latest/a.py", "contest.py",
            "a/attest.c", "conftest.py", "Makefile", "src/testing.py"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(assay_is_test_file(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(assay_is_test_file(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(only_tests_that_tell_the_trees_apart_are_worth_something),
            cmocka_unit_test(a_run_that_does_not_end_gives_its_cause),
            cmocka_unit_test(a_mutant_is_killed_by_a_new_test_that_fails),
            cmocka_unit_test(a_mutant_that_dies_at_import_is_stillborn),
            cmocka_unit_test(equivalent_mutants_are_allowed_for),
            cmocka_unit_test(test_files_are_told_by_their_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
