// SPDX-License-Identifier: MIT
// What must hold: a selection is what its options say, the same on every host; a split never parts
// a repository, whoever has a copy of it.
#include "tasks/select.h"

#include <stdio.h>
#include <string.h>

#include "tests/tasks/fixture.h"

static struct assay_suite *suite_of(void)
{
    static const char *const tags[] = {"easy", "mutant"};
    static const char *const repos[] = {
            "pypi/toolz", "pypi/boltons", "debian/python-toolz", "a/c", "a/d"};
    static const char row[] = "{\"difficulty\": \"<15 min fix\", \"n\": 3, \"langs\": [\"c\"]}";
    struct assay_suite *suite = make_suite(5, "s");

    for (size_t i = 0; i < 5; i++) {
        suite->instances[i].repo = repos[i];
        suite->instances[i].tags.count = 0;
    }
    suite->instances[1].tags = (struct assay_strings){tags, 2};
    suite->instances[2].row = (struct assay_bytes){row, strlen(row)};
    return suite;
}

// The numbers behind "demo__thing-" of what is selected, as "13".
static const char *selected(struct assay_suite *suite, const struct assay_select *select)
{
    static char text[16];
    struct assay_strings ids = {NULL, 0};
    struct assay_error err;

    if (assay_select(&ids, suite, select, suite->arena, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < ids.count; i++)
        text[i] = ids.items[i][strlen(ids.items[i]) - 1];
    text[ids.count] = '\0';
    return text;
}

static const char *filtered(struct assay_suite *suite, const char *one, const char *two)
{
    const char *const items[] = {one, two};
    const struct assay_select select = {.filters = {items, two == NULL ? 1 : 2}};

    return selected(suite, &select);
}

static void filters_hold_all(void **state)
{
    struct assay_suite *suite = suite_of();

    (void)state;
    assert_string_equal(filtered(suite, "repo=pypi/*", NULL), "12");
    assert_string_equal(filtered(suite, "repo!=pypi/*", NULL), "345");
    assert_string_equal(filtered(suite, "repo=pypi/*", "tag=easy"), "2");
    assert_string_equal(filtered(suite, "tag!=mutant", "group=toolz"), "13");
    assert_string_equal(filtered(suite, "row.difficulty=<15*", NULL), "3");
    assert_string_equal(filtered(suite, "row.n=3", "row.langs=c"), "3");
    assert_string_equal(filtered(suite, "row.n!=3", "id=*5"), "5");
    assay_suite_free(suite);
}

static void what_is_no_selection_is_told(void **state)
{
    static const char *const bad[] = {"repo", "=x", "colour=red", "row.=x", "!=x"};
    struct assay_suite *suite = suite_of();
    struct assay_strings ids;
    struct assay_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct assay_select select = {.filters = {&bad[i], 1}};

        assert_int_equal(assay_select(&ids, suite, &select, suite->arena, &err), ASSAY_EUSAGE);
        assert_non_null(strstr(err.message, "--filter: "));
    }
    const char *nothing = "repo=none", *unknown = "demo__thing-9";

    assert_fails(assay_select(&ids, suite, &(struct assay_select){.filters = {&nothing, 1}},
                         suite->arena, &err),
            &err, ASSAY_ENOTFOUND, "suite demo: no instance is selected");
    assert_fails(assay_select(&ids, suite, &(struct assay_select){.ids = {&unknown, 1}},
                         suite->arena, &err),
            &err, ASSAY_ENOTFOUND, "suite demo has no instance 'demo__thing-9'");
    assay_suite_free(suite);
}

static void slices_and_shuffles(void **state)
{
    struct assay_suite *suite = suite_of();
    static const char *const rated[] = {"demo__thing-00001", "demo__thing-00003"};
    struct assay_select select = {.sliced = true, .begin = 1, .end = 3};
    char whole[16];

    (void)state;
    assert_string_equal(selected(suite, &select), "23");
    select.end = SIZE_MAX;
    assert_string_equal(selected(suite, &select), "2345");
    select = (struct assay_select){.rated_only = true, .rated = {rated, 2}};
    assert_string_equal(selected(suite, &select), "13");
    select = (struct assay_select){.shuffle = true, .seed = 1};
    (void)snprintf(whole, sizeof(whole), "%s", selected(suite, &select));
    assert_int_equal(strlen(whole), 5);
    assert_int_equal(strspn(whole, "12345"), 5);
    assert_string_equal(selected(suite, &select), whole);
    select.sliced = true;
    select.end = 2;
    assert_memory_equal(selected(suite, &select), whole, 2); // a sample grows, it does not change
    assay_suite_free(suite);
}

static void a_split_keeps_repositories_whole(void **state)
{
    static const char *const same[] = {
            "pypi/toolz", "debian/python-toolz", "a/Toolz", "swesmith/pytoolz__toolz.1a2b3c4d"};
    static const char *const family[] = {"x", "family:heap"};
    struct assay_instance instance = {.repo = ""};
    char group[ASSAY_GROUP_BYTES], name[32];
    size_t counts[3] = {0};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        instance.repo = same[i];
        assay_split_group(group, &instance);
        assert_string_equal(group, "toolz");
    }
    instance.tags = (struct assay_strings){family, 2};
    assay_split_group(group, &instance);
    assert_string_equal(group, "family:heap");
    instance.tags.count = 0;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "owner/repo%d", i);
        instance.repo = name;
        counts[assay_split_of(&instance)]++;
    }
    assert_in_range(counts[ASSAY_SPLIT_TRAIN], 750, 850);
    assert_in_range(counts[ASSAY_SPLIT_VALIDATION], 70, 130);
    assert_in_range(counts[ASSAY_SPLIT_HELD_OUT], 70, 130);
    // Where a group stands is for good: these are what it was on the day it was made.
    instance.repo = "pypi/toolz";
    assert_string_equal(assay_split_name(assay_split_of(&instance)), "train");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(filters_hold_all),
            cmocka_unit_test(what_is_no_selection_is_told),
            cmocka_unit_test(slices_and_shuffles),
            cmocka_unit_test(a_split_keeps_repositories_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
