// SPDX-License-Identifier: MIT
// What must hold: runs find their place by their role, whatever is no role is refused, a run that
// was spoiled gives way to its next try, and the verdict is that of all runs together.
#include "orchestrator/writing.h"

#include <string.h>

#include "rewards/framework.h"
#include "tests/support/harness.h"

static const struct assay_instance instance = {
        .instance_id = "a__b-1", .framework = "tap-log", .task = ASSAY_TASK_WRITE_TESTS};

#define OLD "1..1\nok 1 - old\n"
#define GOOD "1..2\nok 1 - old\nok 2 - new\n"
#define BAD "1..2\nok 1 - old\nnot ok 2 - new\n"
#define THEIRS_BAD "1..2\nnot ok 1 - theirs\nok 2 - more\n"
#define THEIRS_GOOD "1..2\nok 1 - theirs\nok 2 - more\n"

// A run that printed `log`; NULL: it could not be made.
static enum assay_status take(struct assay_writing *w, const char *role, const char *log)
{
    const bool failed = log != NULL && strstr(log, "not ok") != NULL;
    const struct assay_run_evidence evidence = {
            .judged = {.box_cause = log == NULL ? ASSAY_CAUSE_INFRA_ERROR
                            : failed            ? ASSAY_CAUSE_TESTS_FAILED
                                                : ASSAY_CAUSE_OK,
                    .exit_code = failed,
                    .log = {log, log != NULL ? strlen(log) : 0}},
            .trouble = log == NULL ? "no box" : NULL,
            .role = role,
            .tier = "B"};
    struct assay_writing_run *run = NULL;

    return assay_writing_take(w, &evidence, &run, NULL);
}

static void open_writing(struct assay_writing *w, struct assay_arena **arena)
{
    assert_int_equal(assay_arena_create(arena, (size_t)64 << 20, NULL), ASSAY_OK);
    assay_writing_init(w, &instance, assay_framework_find("tap-log"), *arena);
}

static void take_rounds(struct assay_writing *w)
{
    assert_int_equal(take(w, "base", OLD), ASSAY_OK);
    assert_int_equal(take(w, "after.1", GOOD), ASSAY_OK);
    assert_int_equal(take(w, "before.1", BAD), ASSAY_OK);
    assert_int_equal(take(w, "after.2", GOOD), ASSAY_OK);
    assert_int_equal(take(w, "before.2", BAD), ASSAY_OK);
}

static void what_is_no_role_is_refused(void **state)
{
    static const char *const rows[] = {NULL, "", "after", "after.3", "mutant", "mutant0", "mutant7",
            "mutant01", "mutant1.", "mutant1.referenced", "mutant-1", "mutant18446744073709551617"};
    struct assay_arena *arena = NULL;
    struct assay_writing w;

    (void)state;
    open_writing(&w, &arena);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(take(&w, rows[i], GOOD), ASSAY_EINVAL);
    assay_arena_destroy(arena);
}

static void the_verdict_is_that_of_all_runs(void **state)
{
    struct assay_verdict verdict = {0};
    struct assay_arena *arena = NULL;
    struct assay_writing w;

    (void)state;
    open_writing(&w, &arena);
    take_rounds(&w);
    assert_int_equal(assay_writing_decide(&w, &verdict, NULL), ASSAY_OK);
    assert_true(verdict.scored && !verdict.resolved);
    assert_string_equal(verdict.reason, "there is no mutant of the fix to try the tests on");

    assert_int_equal(take(&w, "reference", THEIRS_GOOD), ASSAY_OK);
    assert_int_equal(take(&w, "mutant1.reference", THEIRS_BAD), ASSAY_OK);
    assert_int_equal(take(&w, "mutant2.reference", OLD), ASSAY_OK); // theirs did not run: stillborn
    assert_int_equal(take(&w, "mutant1", GOOD), ASSAY_OK);
    assert_int_equal(assay_writing_decide(&w, &verdict, NULL), ASSAY_OK);
    assert_int_equal(verdict.write_tests->mutants_made, 2);
    assert_int_equal(verdict.write_tests->mutants_valid, 1);
    assert_int_equal(verdict.write_tests->mutants_killed, 0);
    assert_int_equal(verdict.resolution, ASSAY_RESOLUTION_PARTIAL);
    assay_arena_destroy(arena);

    open_writing(&w, &arena);
    take_rounds(&w);
    assert_int_equal(take(&w, "reference", THEIRS_GOOD), ASSAY_OK);
    assert_int_equal(take(&w, "mutant1.reference", THEIRS_BAD), ASSAY_OK);
    assert_int_equal(take(&w, "mutant1", BAD), ASSAY_OK);
    assert_int_equal(assay_writing_decide(&w, &verdict, NULL), ASSAY_OK);
    assert_true(verdict.resolved);
    assert_string_equal(verdict.reason,
            "1 new tests tell the buggy tree from the fixed one, and kill 1 of 1 mutants");
    assay_arena_destroy(arena);
}

static void a_spoiled_run_gives_way_to_its_next_try(void **state)
{
    struct assay_verdict verdict = {0};
    struct assay_arena *arena = NULL;
    struct assay_writing w;

    (void)state;
    open_writing(&w, &arena);
    assert_int_equal(take(&w, "after.1", NULL), ASSAY_OK);
    take_rounds(&w);
    assert_null(assay_writing_spoiled(&w));
    assert_int_equal(take(&w, "after.1", NULL), ASSAY_OK); // takes nothing back
    assert_null(assay_writing_spoiled(&w));
    assert_int_equal(take(&w, "mutant6", NULL), ASSAY_OK);
    assert_string_equal(assay_writing_spoiled(&w), "no box");
    assert_int_equal(assay_writing_decide(&w, &verdict, NULL), ASSAY_OK);
    assert_false(verdict.scored);
    assert_int_equal(verdict.cause, ASSAY_CAUSE_INFRA_ERROR);
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_no_role_is_refused),
            cmocka_unit_test(the_verdict_is_that_of_all_runs),
            cmocka_unit_test(a_spoiled_run_gives_way_to_its_next_try)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
