// SPDX-License-Identifier: MIT
// What must hold: a result reported twice keeps its worst status, and a test nobody reported is
// missing.
#include "tasks/outcome.h"

#include <string.h>

#include "tests/tasks/fixture.h"

static void add(struct assay_outcome *outcome, const char *id, enum assay_test_status status)
{
    assay_outcome_add(outcome, id, strlen(id), status);
}

static void names_go_both_ways(void **state)
{
    enum assay_test_status status;
    enum assay_cause cause;

    (void)state;
    for (int i = ASSAY_TEST_MISSING; i <= ASSAY_TEST_XPASS; i++) {
        assert_true(assay_test_status_from_name(
                &status, assay_test_status_name((enum assay_test_status)i)));
        assert_int_equal(status, i);
    }
    for (int i = ASSAY_CAUSE_OK; i <= ASSAY_CAUSE_INFRA_ERROR; i++) {
        assert_true(assay_cause_from_name(&cause, assay_cause_name((enum assay_cause)i)));
        assert_int_equal(cause, i);
        assert_int_equal(assay_cause_is_infra(cause), i >= ASSAY_CAUSE_SETUP_FAILED);
    }
    assert_false(assay_test_status_from_name(&status, "PASSED"));
    assert_false(assay_cause_from_name(&cause, ""));
}

static void the_worst_status_of_an_id_wins_in_any_order(void **state)
{
    static const struct {
        enum assay_test_status first, second, result;
    } rows[] = {
            {ASSAY_TEST_PASSED, ASSAY_TEST_FAILED, ASSAY_TEST_FAILED},
            {ASSAY_TEST_PASSED, ASSAY_TEST_ERROR, ASSAY_TEST_ERROR},
            {ASSAY_TEST_SKIPPED, ASSAY_TEST_FAILED, ASSAY_TEST_FAILED},
            {ASSAY_TEST_PASSED, ASSAY_TEST_SKIPPED, ASSAY_TEST_SKIPPED},
            {ASSAY_TEST_XFAIL, ASSAY_TEST_SKIPPED, ASSAY_TEST_SKIPPED},
            {ASSAY_TEST_PASSED, ASSAY_TEST_XFAIL, ASSAY_TEST_XFAIL},
            {ASSAY_TEST_PASSED, ASSAY_TEST_MISSING, ASSAY_TEST_MISSING},
            {ASSAY_TEST_PASSED, ASSAY_TEST_PASSED, ASSAY_TEST_PASSED},
    };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_arena *arena = make_arena();
        struct assay_outcome outcome;

        assay_outcome_init(&outcome, arena);
        add(&outcome, "z", ASSAY_TEST_PASSED);
        add(&outcome, "a", i % 2 == 0 ? rows[i / 2].first : rows[i / 2].second);
        add(&outcome, "m", ASSAY_TEST_PASSED);
        add(&outcome, "a", i % 2 == 0 ? rows[i / 2].second : rows[i / 2].first);
        assert_int_equal(assay_outcome_finish(&outcome, NULL), ASSAY_OK);
        assert_int_equal(outcome.count, 3);
        assert_int_equal(assay_outcome_find(&outcome, "a"), rows[i / 2].result);
        assert_int_equal(assay_outcome_find(&outcome, "z"), ASSAY_TEST_PASSED);
        assert_int_equal(assay_outcome_find(&outcome, "b"), ASSAY_TEST_MISSING);
        assay_arena_destroy(arena);
    }
}

static void a_nul_in_an_id_does_not_make_it_another_id(void **state)
{
    struct assay_arena *arena = make_arena();
    struct assay_outcome outcome;

    (void)state;
    assay_outcome_init(&outcome, arena);
    assay_outcome_add(&outcome, "test\0forged", 11, ASSAY_TEST_PASSED);
    assay_outcome_add(&outcome, "", 0, ASSAY_TEST_PASSED);
    assert_int_equal(assay_outcome_finish(&outcome, NULL), ASSAY_OK);
    assert_int_equal(outcome.count, 1);
    assert_int_equal(assay_outcome_find(&outcome, "test"), ASSAY_TEST_MISSING);
    assert_int_equal(assay_outcome_find(&outcome, ""), ASSAY_TEST_MISSING);
    assay_arena_destroy(arena);
}

static void what_does_not_fit_fails_the_whole(void **state)
{
    struct assay_arena *arena = NULL;
    struct assay_outcome outcome;
    struct assay_error err;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 4096, &err), ASSAY_OK);
    assay_outcome_init(&outcome, arena);
    for (size_t i = 0; i < 1000; i++)
        add(&outcome, "the same name again and again", ASSAY_TEST_PASSED);
    assert_fails(assay_outcome_finish(&outcome, &err), &err, ASSAY_ENOMEM,
            "more test results than memory or the bound of 1048576");
    assay_arena_destroy(arena);
}

static void an_empty_outcome_is_in_order(void **state)
{
    struct assay_outcome outcome;

    (void)state;
    assay_outcome_init(&outcome, NULL);
    assert_int_equal(assay_outcome_finish(&outcome, NULL), ASSAY_OK);
    assert_int_equal(assay_outcome_find(&outcome, "a"), ASSAY_TEST_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(names_go_both_ways),
            cmocka_unit_test(the_worst_status_of_an_id_wins_in_any_order),
            cmocka_unit_test(a_nul_in_an_id_does_not_make_it_another_id),
            cmocka_unit_test(what_does_not_fit_fails_the_whole),
            cmocka_unit_test(an_empty_outcome_is_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
