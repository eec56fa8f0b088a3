// SPDX-License-Identifier: MIT
// What must hold: every rollout is in one part, once; whole groups stay whole when they are asked
// to; parts are as many as can be, none is empty, and none is two units larger than another.
#include "orchestrator/train_parts.h"
#include "support/harness.h"

enum { GROUPS_MAX = 9, GROUP_MAX = 8 };

static void check_cut(enum assay_cut cut, size_t groups, size_t updates, uint64_t seed)
{
    const struct assay_train_config config = {.cut = cut, .updates = updates};
    struct assay_trajectory rollouts[GROUPS_MAX * GROUP_MAX];
    bool seen[GROUPS_MAX * GROUP_MAX] = {false};
    size_t count = 0, from = 0, least = SIZE_MAX, most = 0;
    struct training_parts parts;
    struct assay_arena *arena = NULL;
    struct assay_rng rng;

    // Groups of different sizes, as truncated answers leave them.
    for (size_t g = 0; g < groups; g++)
        for (size_t i = 0; i < 1 + g % GROUP_MAX; i++, count++)
            rollouts[count] = (struct assay_trajectory){
                    .group = (uint32_t)(2 * g), .advantage = (double)count};
    assay_rng_seed(&rng, seed, 0);
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assert_int_equal(training_cut(&parts, rollouts, count, &config, &rng, arena, NULL), ASSAY_OK);
    const size_t units = cut == ASSAY_CUT_GROUPS ? groups : count;
    assert_int_equal(parts.count, units < updates ? units : updates);
    for (size_t k = 0; k < parts.count; from = parts.ends[k++]) {
        size_t in_part = 0;

        for (size_t i = from; i < parts.ends[k]; i++) {
            const struct assay_trajectory *r = &parts.rollouts[i];
            const bool same = i > from && r[-1].group == r->group;

            assert_false(seen[(size_t)r->advantage]);
            seen[(size_t)r->advantage] = true;
            in_part += cut == ASSAY_CUT_ROLLOUTS || !same;
            if (cut == ASSAY_CUT_GROUPS && i > 0 && !same)
                for (size_t j = 0; j < i; j++)
                    assert_true(parts.rollouts[j].group != r->group);
        }
        assert_true(in_part > 0);
        least = in_part < least ? in_part : least;
        most = in_part > most ? in_part : most;
    }
    assert_int_equal(from, count);
    assert_true(most - least <= 1);
    assay_arena_destroy(arena);
}

static void every_rollout_is_in_one_part(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++)
        for (size_t groups = 1; groups <= GROUPS_MAX; groups++)
            for (size_t updates = 1; updates < 12; updates++) {
                check_cut(ASSAY_CUT_ROLLOUTS, groups, updates, seed);
                check_cut(ASSAY_CUT_GROUPS, groups, updates, seed);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_rollout_is_in_one_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
