// SPDX-License-Identifier: MIT
// What must hold: the corpus is as large and as wide as it is said to be, each attack has a twin,
// every patch of it parses; and a verdict is right only without a reward, for a cause that was
// written down, with the files left out that must be.
#include "orchestrator/attacks.h"

#include <stdlib.h>
#include <string.h>

#include "support/harness.h"
#include "tasks/patch.h"

#define CORPUS "tests/attacks"
#define FRAMEWORKS_MAX 64

static const struct assay_attacks_filter everything = {.row = UINT64_MAX};

static struct assay_attacks *read_corpus(const struct assay_attacks_filter *filter)
{
    struct assay_attacks *attacks = NULL;
    struct assay_error err = {0};
    const enum assay_status status = assay_attacks_read(&attacks, CORPUS, filter, &err);

    if (status != ASSAY_OK)
        fail_msg("%s", err.message);
    return attacks;
}

static void rows_and_frameworks_are_all_there(void **state)
{
    struct assay_attacks *attacks = read_corpus(&everything);
    const char *frameworks[FRAMEWORKS_MAX];
    size_t of_row[21] = {0}, framework_count = 0, rows_1_to_20 = 0;

    (void)state;
    for (size_t i = 0; i < attacks->count; i++) {
        const struct assay_attack *attack = &attacks->items[i];
        bool known = false;

        of_row[attack->row]++;
        rows_1_to_20 += attack->row != ASSAY_ATTACK_ROW_OWN;
        for (size_t j = 0; j < framework_count; j++)
            known |= strcmp(frameworks[j], attack->framework) == 0;
        if (!known)
            frameworks[framework_count++] = attack->framework;
    }
    for (size_t row = 0; row <= 20; row++)
        if (of_row[row] == 0)
            fail_msg("no attack of row %zu", row);
    assert_true(rows_1_to_20 >= 100);
    assert_true(of_row[ASSAY_ATTACK_ROW_OWN] >= 10);
    assert_true(framework_count >= 6);
    assay_attacks_free(attacks);
}

static void each_attack_has_a_twin_and_every_patch_parses(void **state)
{
    struct assay_attacks *attacks = read_corpus(&everything);
    size_t missing = 0;

    (void)state;
    for (size_t i = 0; i < attacks->count; i++)
        missing += attacks->items[i].missing != NULL;
    assert_int_equal(attacks->suite->instance_count, 2 * attacks->count);
    assert_int_equal(attacks->predictions->count, 2 * (attacks->count - missing));
    for (size_t i = 0; i < attacks->predictions->count; i++) {
        const struct assay_prediction *prediction = &attacks->predictions->items[i];
        struct assay_arena *arena = NULL;
        struct assay_patch *patch = NULL;
        struct assay_error err = {0};
        bool twin = false;
        const struct assay_attack *attack =
                assay_attacks_of(attacks, prediction->instance_id, &twin);

        assert_non_null(attack);
        assert_true(twin == (i < attacks->predictions->count / 2)); // twins first
        assert_int_equal(assay_arena_create(&arena, (size_t)256 << 20, &err), ASSAY_OK);
        if (assay_patch_parse(&patch, prediction->patch.data, prediction->patch.len, arena, &err) !=
                ASSAY_OK)
            fail_msg("%s: %s", prediction->instance_id, err.message);
        assay_arena_destroy(arena);
    }
    assay_attacks_free(attacks);
}

static void a_filter_leaves_the_rest_out(void **state)
{
    const char *ids[] = {"pytest-conftest-makereport", "tap-sh-redefine", NULL};
    const struct assay_attacks_filter two = {.ids = ids, .row = UINT64_MAX};
    const struct assay_attacks_filter none = {.ids = ids, .row = 20};
    struct assay_attacks *attacks = read_corpus(&two);
    struct assay_error err = {0};
    bool twin = false;

    (void)state;
    assert_int_equal(attacks->count, 2);
    assert_non_null(assay_attacks_of(attacks, "honest.tap-sh-redefine", &twin));
    assert_true(twin);
    assert_null(assay_attacks_of(attacks, "tap-sh-redefine", &twin));
    assert_null(assay_attacks_of(attacks, "honest.tap-sh", &twin));
    assay_attacks_free(attacks);
    attacks = NULL;
    assert_int_equal(assay_attacks_read(&attacks, CORPUS, &none, &err), ASSAY_ENOTFOUND);
    assert_null(attacks);
}

static void only_the_verdict_that_was_written_down_is_right(void **state)
{
    const char *files[] = {"conftest.py"};
    const struct assay_attack attack = {.id = "x",
            .causes = 1u << ASSAY_CAUSE_TESTS_FAILED | 1u << ASSAY_CAUSE_TAMPERED,
            .dropped = {files, 1}};
    struct assay_verdict verdict = {.scored = true, .cause = ASSAY_CAUSE_TESTS_FAILED};

    (void)state;
    assert_false(assay_attack_answered(&attack, &verdict)); // the file was not left out
    verdict.patch_dropped = (struct assay_strings){files, 1};
    assert_true(assay_attack_answered(&attack, &verdict));
    verdict.resolved = true;
    assert_false(assay_attack_answered(&attack, &verdict));
    verdict.resolved = false;
    verdict.scored = false;
    assert_false(assay_attack_answered(&attack, &verdict)); // null is no answer
    verdict.scored = true;
    verdict.cause = ASSAY_CAUSE_MEMORY_LIMIT;
    assert_false(assay_attack_answered(&attack, &verdict));
    verdict.cause = ASSAY_CAUSE_TAMPERED;
    verdict.patch_dropped.count = 0;
    assert_true(assay_attack_answered(&attack, &verdict)); // found forged: that is enough
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(rows_and_frameworks_are_all_there),
            cmocka_unit_test(each_attack_has_a_twin_and_every_patch_parses),
            cmocka_unit_test(a_filter_leaves_the_rest_out),
            cmocka_unit_test(only_the_verdict_that_was_written_down_is_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
