// SPDX-License-Identifier: MIT
// What must hold: an instance is the same after writing and reading; what changes a verdict changes
// its hash, and nothing else does; a glob means what a path list means by it.
#include "tasks/instance.h"

#include <string.h>

#include "tasks/suite.h"
#include "tests/tasks/fixture.h"

static void ids_are_short_and_plain(void **state)
{
    static const char *const good[] = {"a", "django__django-11099", "A.b_c-9", "...a"};
    static const char *const bad[] = {"", ".", "..", "a/b", "a b", "a\n", "caf\xc3\xa9", "a:b"};
    char longest[202];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(assay_instance_id_valid(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(assay_instance_id_valid(bad[i]));
    memset(longest, 'a', sizeof(longest));
    longest[200] = '\0';
    assert_true(assay_instance_id_valid(longest));
    longest[200] = 'a';
    longest[201] = '\0';
    assert_false(assay_instance_id_valid(longest));
}

static void globs_match_as_written(void **state)
{
    static const struct {
        const char *glob, *path;
        bool match;
    } rows[] = {
            {"a.c", "a.c", true},
            {"a.c", "axc", false},
            {"*.c", "a.c", true},
            {"*.c", "src/a.c", false},
            {"*", "", true},
            {"?.c", "a.c", true},
            {"?.c", ".c", false},
            {"a?b", "a/b", false},
            {"src/*", "src/a.c", true},
            {"src/*", "src/x/a.c", false},
            {"src/**", "src/x/y/a.c", true},
            {"src/**", "src", false},
            {"**/test_*.py", "test_a.py", true},
            {"**/test_*.py", "x/y/test_a.py", true},
            {"**/test_*.py", "x/y/contest_a.py", false},
            {"a/**/b", "a/b", true},
            {"a/**/b", "a/x/y/b", true},
            {"a/**/b", "ab", false},
            {"a/**/b", "a/xb", false},
            {"**", "any/thing", true},
            {"a**b", "a/x/b", true},
            {"*.egg-info/**", "p.egg-info/PKG-INFO", true},
            {"[a]", "[a]", true},
            {"[a]", "a", false},
            {"", "", true},
            {"", "a", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("row %zu: %s %s\n", i, rows[i].glob, rows[i].path);
        assert_int_equal(assay_glob_match(rows[i].glob, rows[i].path), rows[i].match);
    }
}

static void a_hostile_glob_takes_no_longer_than_its_size(void **state)
{
    char glob[401];
    char path[4097];

    (void)state;
    for (size_t i = 0; i < 400; i += 4)
        memcpy(glob + i, "**a*", 4);
    glob[400] = '\0';
    memset(path, 'a', sizeof(path));
    path[4096] = '\0';
    assert_true(assay_glob_match(glob, path));
    path[4095] = '/';
    glob[399] = 'b';
    assert_false(assay_glob_match(glob, path));
}

static void an_instance_is_the_same_after_writing_and_reading(void **state)
{
    static const struct assay_base bases[] = {
            {ASSAY_BASE_DIR, "/demo", NULL, NULL},
            {ASSAY_BASE_GIT, "https://example.org/a.git",
                    "0123456789012345678901234567890123456789", NULL},
            {ASSAY_BASE_ARCHIVE, "/a.tar.gz", NULL,
                    "0123456789012345678901234567890123456789012345678901234567890123"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        struct assay_suite *suite = make_suite(1, "t::two");
        struct assay_instance *instance = &suite->instances[0];
        struct assay_instance back = {0};
        struct assay_buf first;
        struct assay_buf second;
        struct assay_error err;

        instance->base = bases[i];
        instance->rules = i == 1 ? ASSAY_RULES_SWEBENCH : ASSAY_RULES_NATIVE;
        instance->fail_only = i == 1;
        instance->task = i == 2 ? ASSAY_TASK_WRITE_TESTS : ASSAY_TASK_REPAIR;
        assay_buf_init(&first, 1 << 16);
        assay_buf_init(&second, 1 << 16);
        assay_instance_write(&first, instance);
        if (assay_instance_read(&back, first.data, first.len, "x", suite->arena, &err) != ASSAY_OK)
            fail_msg("%s", err.message);
        assay_instance_write(&second, &back);
        assert_string_equal(first.data, second.data);
        assert_int_equal(back.base.kind, bases[i].kind);
        assert_int_equal(back.rules, instance->rules);
        assert_int_equal(back.fail_only, instance->fail_only);
        assert_int_equal(back.task, instance->task);
        assay_buf_free(&first);
        assay_buf_free(&second);
        assay_suite_free(suite);
    }
}

static void only_what_changes_a_verdict_changes_the_hash(void **state)
{
    struct assay_suite *suite = make_suite(1, "t::two");
    struct assay_instance *instance = &suite->instances[0];
    const struct assay_instance before = *instance;
    char hashes[9][65];
    struct assay_error err;

    (void)state;
    for (size_t i = 0; i < 9; i++) {
        *instance = before;
        suite->recipes[0].env.count = 1;
        switch (i) {
        case 1:
            instance->tree[0] = 'b';
            break;
        case 2:
            instance->test_patch = (struct assay_bytes){"x", 1};
            break;
        case 3:
            instance->fail_to_pass.count--;
            break;
        case 4:
            instance->limits.cpu_ms++;
            break;
        case 5:
            suite->recipes[0].env.count = 0;
            break;
        case 6:
            instance->rules = ASSAY_RULES_SWEBENCH;
            break;
        case 7: // moves ids from one list to the other
            instance->pass_to_pass = before.fail_to_pass;
            instance->fail_to_pass = before.pass_to_pass;
            break;
        case 8: // labels only: as the first
            instance->problem = (struct assay_bytes){"x", 1};
            instance->tags.count = 0;
            instance->repo = "other/name";
            break;
        default:
            break;
        }
        assert_int_equal(assay_instance_hash(hashes[i], suite, instance, &err), ASSAY_OK);
    }
    assert_string_equal(hashes[0], hashes[8]);
    for (size_t i = 0; i < 8; i++) {
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(hashes[i], hashes[j]);
    }
    assay_suite_free(suite);
}

static bool only_tap(const char *name)
{
    return strcmp(name, "tap") == 0;
}

static void a_suite_made_by_hand_is_checked_too(void **state)
{
    struct assay_suite *suite = make_suite(2, "t::two");
    struct assay_error err;

    (void)state;
    assert_int_equal(assay_suite_check(suite, only_tap, &err), ASSAY_OK);
    suite->instances[1].framework = "jest";
    assert_fails(assay_suite_check(suite, only_tap, &err), &err, ASSAY_EINVAL,
            "suite demo: demo__thing-00002: framework: unknown framework \"jest\"");
    suite->instances[1].framework_at = "x/instance.json:7";
    assert_fails(assay_suite_check(suite, only_tap, &err), &err, ASSAY_EINVAL,
            "x/instance.json:7: framework: unknown framework \"jest\"");
    suite->instances[1].framework = "tap";
    suite->instances[1].instance_id = "demo__thing-00001";
    assert_fails(assay_suite_check(suite, NULL, &err), &err, ASSAY_EINVAL,
            "suite demo: demo__thing-00001: instance_id: there are two of it");
    suite->instances[1].instance_id = "a";
    suite->instances[1].recipe = "fancy";
    assert_fails(assay_suite_check(suite, NULL, &err), &err, ASSAY_EINVAL,
            "suite demo: a: recipe: unknown recipe \"fancy\"");
    suite->recipes[0].base = "docker";
    assert_fails(assay_suite_check(suite, NULL, &err), &err, ASSAY_EINVAL,
            "suite demo: recipe \"plain\": base: expected \"host\", \"image:NAME\", \"oci:PATH\" or \"dir:PATH\"");
    assert_non_null(assay_suite_find(suite, "a")); // sorted even so
    assert_null(assay_suite_find(suite, "b"));
    assay_suite_free(suite);
    assay_suite_free(NULL);
    suite = NULL;
    assert_fails(assay_suite_create(&suite, "a/b", &err), &err, ASSAY_EINVAL,
            "suite name \"a/b\": must be 1 to 100 of [A-Za-z0-9_.-]");
    assert_null(suite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(ids_are_short_and_plain),
            cmocka_unit_test(globs_match_as_written),
            cmocka_unit_test(a_hostile_glob_takes_no_longer_than_its_size),
            cmocka_unit_test(an_instance_is_the_same_after_writing_and_reading),
            cmocka_unit_test(only_what_changes_a_verdict_changes_the_hash),
            cmocka_unit_test(a_suite_made_by_hand_is_checked_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
