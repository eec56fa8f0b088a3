// SPDX-License-Identifier: MIT
// What must hold: a shaped reward is the sum of its components, `reward` is left alone, trouble of
// ours never becomes a number, and a run that is not believed never earns more than 0.
#include "rewards/shaping.h"

#include <math.h>
#include <string.h>

#include "support/harness.h"

static const char *const ids[] = {"a", "b", "c", "d"};

static struct assay_strings some(size_t count)
{
    return (struct assay_strings){ids, count};
}

static struct assay_verdict verdict_of(enum assay_cause cause)
{
    return (struct assay_verdict){.scored = !assay_cause_is_infra(cause),
            .resolved = cause == ASSAY_CAUSE_OK,
            .reward = cause == ASSAY_CAUSE_OK,
            .cause = cause};
}

static const struct assay_shaped_reward *shape(struct assay_arena *arena,
        const struct assay_verdict *verdict, const struct assay_reward_map *map,
        const struct assay_shaping *shaping, double similarity)
{
    const struct assay_shaping_facts facts = {.length = 90, .similarity = similarity};
    const struct assay_shaped_reward *shaped = NULL;

    assert_int_equal(assay_shape(&shaped, verdict, map, shaping, &facts, arena, NULL), ASSAY_OK);
    return shaped;
}

static struct assay_reward_map preset(const char *name)
{
    struct assay_reward_map map;

    assert_true(assay_reward_map_preset(&map, name));
    return map;
}

static void every_cause_has_the_class_that_the_page_says(void **state)
{
    static const struct {
        enum assay_cause cause;
        const char *name;
        double paid; // by m1-negative
    } rows[] = {{ASSAY_CAUSE_OK, "resolved", 1}, {ASSAY_CAUSE_TESTS_FAILED, "unresolved", 0},
            {ASSAY_CAUSE_PATCH_REJECTED, "format_error", -1},
            {ASSAY_CAUSE_EMPTY_PATCH, "format_error", -1},
            {ASSAY_CAUSE_BUILD_FAILED, "build_error", -1},
            {ASSAY_CAUSE_NONE_COLLECTED, "build_error", -1},
            {ASSAY_CAUSE_CPU_LIMIT, "runtime_error", -1},
            {ASSAY_CAUSE_WALL_LIMIT, "runtime_error", -1},
            {ASSAY_CAUSE_IDLE_LIMIT, "runtime_error", -1},
            {ASSAY_CAUSE_MEMORY_LIMIT, "runtime_error", -1},
            {ASSAY_CAUSE_PIDS_LIMIT, "runtime_error", -1},
            {ASSAY_CAUSE_DISK_LIMIT, "runtime_error", -1},
            {ASSAY_CAUSE_OUTPUT_LIMIT, "runtime_error", -1},
            {ASSAY_CAUSE_SIGNALLED, "runtime_error", -1},
            {ASSAY_CAUSE_SYSCALL_DENIED, "runtime_error", -1}, {ASSAY_CAUSE_TAMPERED, "forged", -1},
            {ASSAY_CAUSE_INCONSISTENT, "forged", -1}, {ASSAY_CAUSE_SETUP_FAILED, NULL, (double)NAN},
            {ASSAY_CAUSE_INFRA_ERROR, NULL, (double)NAN}};
    const struct assay_reward_map map = preset("m1-negative");
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_verdict verdict = verdict_of(rows[i].cause);
        const struct assay_shaped_reward *shaped = shape(arena, &verdict, &map, NULL, 0);

        print_message("%s\n", assay_cause_name(rows[i].cause));
        if (rows[i].name == NULL) {
            assert_null(shaped->reward_class);
            assert_int_equal(shaped->component_count, 0);
            assert_true(isnan(shaped->reward));
        } else {
            assert_string_equal(shaped->reward_class, rows[i].name);
            assert_true(shaped->reward == rows[i].paid);
        }
    }
    assay_arena_destroy(arena);
}

static void a_broken_old_test_is_a_regression(void **state)
{
    struct assay_verdict verdict = verdict_of(ASSAY_CAUSE_TESTS_FAILED);
    enum assay_reward_class got;

    (void)state;
    verdict.f2p_failure = some(1);
    assert_true(assay_reward_classify(&got, &verdict));
    assert_int_equal(got, ASSAY_REWARD_UNRESOLVED);
    verdict.p2p_failure = some(1);
    assert_true(assay_reward_classify(&got, &verdict));
    assert_int_equal(got, ASSAY_REWARD_REGRESSION);
}

static const struct assay_shaping everything = {.tests = 0.5,
        .resolution = 0.25,
        .resolution_partial = 0.5,
        .regression = 1,
        .format = 0.125,
        .format_tolerated = 0.5,
        .length = 2,
        .length_max = 100,
        .length_buffer = 20,
        .similarity = 4};

static double component(const struct assay_shaped_reward *shaped, const char *name)
{
    for (size_t i = 0; i < shaped->component_count; i++) {
        if (strcmp(shaped->components[i].name, name) == 0)
            return shaped->components[i].value;
    }
    fail_msg("no component %s", name);
    return (double)NAN;
}

static void each_term_adds_what_it_says_and_the_sum_is_theirs(void **state)
{
    const struct assay_reward_map map = preset("default");
    struct assay_verdict verdict = verdict_of(ASSAY_CAUSE_TESTS_FAILED);
    struct assay_hunk_record hunk = {.path = "a", .tolerance = "recount"};
    const struct assay_shaped_reward *shaped;
    struct assay_arena *arena = NULL;
    double sum = 0;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    verdict.f2p_success = some(1);
    verdict.f2p_failure = some(3);
    verdict.p2p_success = some(3);
    verdict.p2p_failure = some(1);
    verdict.resolution = ASSAY_RESOLUTION_PARTIAL;
    verdict.hunks = &hunk;
    verdict.hunk_count = 1;
    shaped = shape(arena, &verdict, &map, &everything, 0.75);
    assert_string_equal(shaped->reward_class, "regression");
    assert_true(component(shaped, "outcome") == 0);
    assert_true(component(shaped, "tests") == 0.125);
    assert_true(component(shaped, "resolution") == 0.125);
    assert_true(component(shaped, "regression") == -0.25);
    assert_true(component(shaped, "format") == 0.0625);
    assert_true(component(shaped, "length") == -1); // 90 of 100, half of the buffer
    assert_true(component(shaped, "similarity") == 3);
    for (size_t i = 0; i < shaped->component_count; i++)
        sum += shaped->components[i].value;
    assert_true(shaped->reward == sum);
    assert_true(verdict.reward == 0 && !verdict.resolved);
    // What could not be measured is no 0.
    shaped = shape(arena, &verdict, &map, &everything, (double)NAN);
    assert_true(isnan(component(shaped, "similarity")) && isnan(shaped->reward));
    assay_arena_destroy(arena);
}

// Statuses from before a kill, lists of a forged run: nothing of them is worth anything.
static void what_is_not_believed_earns_nothing(void **state)
{
    static const enum assay_cause causes[] = {ASSAY_CAUSE_TAMPERED, ASSAY_CAUSE_INCONSISTENT};
    struct assay_reward_map map = preset("default");
    struct assay_arena *arena = NULL;
    struct assay_verdict verdict;
    const struct assay_shaped_reward *shaped;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    map.values[ASSAY_REWARD_FORGED] = 5; // no reader gives this
    for (size_t i = 0; i < 2; i++) {
        verdict = verdict_of(causes[i]);
        verdict.resolved = true;
        verdict.resolution = ASSAY_RESOLUTION_FULL;
        verdict.f2p_success = verdict.p2p_success = some(4);
        shaped = shape(arena, &verdict, &map, &everything, 1);
        assert_string_equal(shaped->reward_class, "forged");
        assert_int_equal(shaped->component_count, 1);
        assert_true(shaped->reward == 0);
    }
    verdict = verdict_of(ASSAY_CAUSE_WALL_LIMIT);
    verdict.f2p_success = some(4);
    verdict.resolution = ASSAY_RESOLUTION_PARTIAL;
    shaped = shape(arena, &verdict, &map, &everything, 0);
    assert_true(component(shaped, "tests") == 0);
    assert_true(component(shaped, "resolution") == 0);
    assay_arena_destroy(arena);
}

static void overlong_is_the_soft_punishment_of_dapo(void **state)
{
    static const struct {
        uint64_t length;
        double want;
    } rows[] = {{0, 0}, {16384, 0}, {16385, -1.0 / 4096}, {18432, -0.5}, {20480, -1}, {20481, -1},
            {UINT64_MAX, -1}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(assay_shaping_overlong(rows[i].length, 20480, 4096) == rows[i].want);
}

static void good_configurations_are_read(void **state)
{
    static const char map_text[] = "{\"schema\": 1, \"regression\": -0.5, \"format_error\": -1}";
    static const char shaping_text[] =
            "{\"schema\": 1, \"tests\": {\"weight\": 0.5},"
            " \"length\": {\"weight\": 1, \"max\": 20480, \"buffer\": 4096},"
            " \"format\": {\"weight\": 0.1, \"tolerated\": 0.5}, \"similarity\": {\"weight\": 1}}";
    struct assay_reward_map map;
    struct assay_shaping shaping;

    (void)state;
    assert_int_equal(assay_reward_map_read(&map, map_text, strlen(map_text), "m", NULL), ASSAY_OK);
    assert_true(map.values[ASSAY_REWARD_RESOLVED] == 1);
    assert_true(map.values[ASSAY_REWARD_REGRESSION] == -0.5);
    assert_true(map.values[ASSAY_REWARD_BUILD_ERROR] == 0);
    assert_int_equal(
            assay_shaping_read(&shaping, shaping_text, strlen(shaping_text), "s", NULL), ASSAY_OK);
    assert_true(shaping.tests == 0.5 && shaping.similarity == 1 && shaping.resolution == 0);
    assert_true(shaping.format_tolerated == 0.5);
    assert_true(shaping.length_max == 20480 && shaping.length_buffer == 4096);
}

static void a_wrong_configuration_is_refused_with_its_field(void **state)
{
    static const struct {
        bool is_map;
        const char *text, *message;
    } rows[] = {{true, "{}", "schema: must be 1"}, {true, "[]", "expected an object"},
            {true, "{\"schema\": 1,\n \"regresion\": 0}", "m:2: regresion: unknown key"},
            {true, "{\"schema\": 1, \"regression\": \"no\"}", "regression: expected a number"},
            {true, "{\"schema\": 1, \"regression\": 2}", "worth more than \"resolved\""},
            {true, "{\"schema\": 1, \"forged\": 0.1}", "forged: must be from -1000 to 0"},
            {true, "{\"schema\": 1, \"resolved\": 1e9}", "resolved: must be from"},
            {true, "{\"schema\": 1, ", "m:1"},
            {false, "{\"schema\": 1, \"tests\": 1}", "tests: expected an object"},
            {false, "{\"schema\": 1, \"tests\": {}}", "tests: has no \"weight\""},
            {false, "{\"schema\": 1, \"tests\": {\"weight\": -1}}", "tests.weight: must be from"},
            {false, "{\"schema\": 1, \"tests\": {\"weight\": 1, \"x\": 1}}", "has an unknown key"},
            {false, "{\"schema\": 1, \"length\": {\"weight\": 1, \"max\": 0, \"buffer\": 1}}",
                    "length: \"max\""},
            {false, "{\"schema\": 1, \"length\": {\"weight\": 1, \"max\": 5, \"buffer\": 6}}",
                    "length: \"buffer\""},
            {false, "{\"schema\": 1, \"resolution\": {\"weight\": 1, \"partial\": 2}}",
                    "resolution.partial: must be from 0 to 1"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_reward_map map = {.values = {7}};
        struct assay_shaping shaping = {.tests = 7};
        struct assay_error err = {0};
        const enum assay_status status = rows[i].is_map
                ? assay_reward_map_read(&map, rows[i].text, strlen(rows[i].text), "m", &err)
                : assay_shaping_read(&shaping, rows[i].text, strlen(rows[i].text), "s", &err);

        print_message("%s: %s\n", rows[i].text, err.message);
        assert_int_equal(status, ASSAY_EINVAL);
        assert_non_null(strstr(err.message, rows[i].message));
        assert_true(map.values[0] == 7 && shaping.tests == 7);
    }
}

static void every_preset_keeps_to_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; assay_reward_map_presets[i]; i++) {
        const struct assay_reward_map map = preset(assay_reward_map_presets[i]);

        assert_true(map.values[ASSAY_REWARD_RESOLVED] == 1);
        assert_true(map.values[ASSAY_REWARD_FORGED] <= 0);
    }
    assert_false(assay_reward_map_preset(&(struct assay_reward_map){{0}}, "nosuch"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_cause_has_the_class_that_the_page_says),
            cmocka_unit_test(a_broken_old_test_is_a_regression),
            cmocka_unit_test(each_term_adds_what_it_says_and_the_sum_is_theirs),
            cmocka_unit_test(what_is_not_believed_earns_nothing),
            cmocka_unit_test(overlong_is_the_soft_punishment_of_dapo),
            cmocka_unit_test(good_configurations_are_read),
            cmocka_unit_test(a_wrong_configuration_is_refused_with_its_field),
            cmocka_unit_test(every_preset_keeps_to_the_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
