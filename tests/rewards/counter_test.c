// SPDX-License-Identifier: MIT
// What must hold: expected values become others, and nothing else of a test does; what passes with
// them is held against gold alone.
#include "rewards/counter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "rewards/counter_data.h"
#include "rewards/counter_text.h"
#include "support/harness.h"

static struct assay_arena *new_arena(void)
{
    struct assay_arena *arena = NULL;

    assert_int_equal(assay_arena_create(&arena, (size_t)64 << 20, NULL), ASSAY_OK);
    return arena;
}

// What stays in front of and behind the changed value; NULL: the line is left alone.
static const struct {
    const char *line, *front, *back;
    enum assay_counter_shape shape;
    bool described, sure;
} value_rows[] = {
        {"    assert f(2) == 5", "    assert f(2) == ", "", ASSAY_COUNTER_SCRIPT, false, true},
        {"\tif got := Add(2, 3); got != 5 {", "\tif got := Add(2, 3); got != ", " {",
                ASSAY_COUNTER_C, false, true},
        {"    CHECK(bv_ones(&v) == 69);", "    CHECK(bv_ones(&v) == ", ");", ASSAY_COUNTER_C, false,
                true},
        {"    assert_equal 4, Rpn.new.evaluate('7 3 -')", "    assert_equal ",
                ", Rpn.new.evaluate('7 3 -')", ASSAY_COUNTER_SCRIPT, false, false},
        {"    self.assertEqual(f(\"a\"), \"b\")", "    self.assertEqual(f(\"a\"), \"b", "\")",
                ASSAY_COUNTER_SCRIPT, false, false},
        {"is \"$(f 'x')\" \"y z\" \"joins words\"", "is \"$(f 'x')\" \"y z", "\" \"joins words\"",
                ASSAY_COUNTER_SCRIPT, true, false},
        {"is(fold(\"a b\", 5), \"a\", \"a name\");", "is(fold(\"a b\", 5), \"a", "\", \"a name\");",
                ASSAY_COUNTER_SCRIPT, true, false},
        {"    (\"12.50\", 1250),", "    (\"12.50\", ", "),", ASSAY_COUNTER_SCRIPT, false, false},
        {"    assert_eq!(parse(\"x\"), 'c' as u32);", "    assert_eq!(parse(\"x",
                "\"), 'c' as u32);", ASSAY_COUNTER_C, false, false},
        {"3 4 = 7", "3 4 = ", "", ASSAY_COUNTER_DATA, false, false},
        {"import os", NULL, NULL, ASSAY_COUNTER_SCRIPT, false, false},
        {"    plan 11", NULL, NULL, ASSAY_COUNTER_SCRIPT, true, false},
        {"    x = open(\"file\")", NULL, NULL, ASSAY_COUNTER_SCRIPT, false, false},
        {"", NULL, NULL, ASSAY_COUNTER_DATA, false, false},
        // What brings in other files: without them nothing would run.
        {"#include \"check.h\"", NULL, NULL, ASSAY_COUNTER_C, false, false},
        {"\t\"github.com/x/go-cmp/cmp\"", NULL, NULL, ASSAY_COUNTER_C, false, false},
        {"\tmust \"example.com/must\"", NULL, NULL, ASSAY_COUNTER_C, false, false},
        {"const assert = require('assert');", NULL, NULL, ASSAY_COUNTER_SCRIPT, false, false},
        {"import { expect } from 'vitest';", NULL, NULL, ASSAY_COUNTER_SCRIPT, false, false},
        {"require_relative \"test_helper_match\"", NULL, NULL, ASSAY_COUNTER_SCRIPT, false, false},
        {"#[case(2, 3)]", NULL, NULL, ASSAY_COUNTER_C, false, false},
        {"\t\"b\",", "\t\"b", "\",", ASSAY_COUNTER_C, false, false},
        {"  assert.strictEqual(require('..').size(t), 4);",
                "  assert.strictEqual(require('..').size(t), ", ");", ASSAY_COUNTER_SCRIPT, true,
                false},
        {"  assert.strictEqual(find(t, 'a/c').name, 'd');",
                "  assert.strictEqual(find(t, 'a/c').name, 'd", "');", ASSAY_COUNTER_SCRIPT, true,
                false},
        {"  t.equal(find(t, 'a/c').name, 'd', 'finds it');", "  t.equal(find(t, 'a/c').name, 'd",
                "', 'finds it');", ASSAY_COUNTER_SCRIPT, true, false},
        // A name of a file of data is no value, unless the code's result is compared with it.
        {"    golden.check(\"none\", f(\"x\", 3))", "    golden.check(\"none\", f(\"x\", ", "))",
                ASSAY_COUNTER_SCRIPT, false, false},
        {"    check_golden('none.sql')", NULL, NULL, ASSAY_COUNTER_SCRIPT, false, false},
        {"    assert f(3) == \"none\"", "    assert f(3) == \"none", "\"", ASSAY_COUNTER_SCRIPT,
                false, true},
        {"SELECT a FROM users", "SELECT a FROM users", "", ASSAY_COUNTER_PROSE, false, false},
        {"<b>fat text</b>", "<b>fat text", "</b>", ASSAY_COUNTER_PROSE, false, false},
        {"{", NULL, NULL, ASSAY_COUNTER_PROSE, false, false},
        {"add_test(NAME a COMMAND b 3)", NULL, NULL, ASSAY_COUNTER_NONE, false, false},
};

static void values_that_are_changed(void **state)
{
    static const char *const golden[] = {"tests/golden/none.sql"};
    const struct assay_canary_source source = {.data = {golden, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(value_rows) / sizeof(value_rows[0]); i++) {
        struct assay_canary_bed bed = {.arena = new_arena(), .source = &source};
        bool sure = false;
        const char *out;

        bed.random = i;
        print_message("%s\n", value_rows[i].line);
        out = assay_counter_line(&bed, assay_text_of(value_rows[i].line), value_rows[i].shape,
                value_rows[i].described, &sure);
        if (value_rows[i].front == NULL) {
            assert_null(out);
        } else {
            const size_t front = strlen(value_rows[i].front), back = strlen(value_rows[i].back);

            assert_non_null(out);
            print_message("    %s\n", out);
            assert_string_not_equal(out, value_rows[i].line);
            assert_memory_equal(out, value_rows[i].front, front);
            assert_true(strlen(out) > front + back);
            assert_string_equal(out + strlen(out) - back, value_rows[i].back);
            assert_int_equal(sure, value_rows[i].sure);
        }
        assay_arena_destroy(bed.arena);
    }
}

static const char base[] = "def test_old():\n    assert f(1) == 2\n";
static const char text[] =
        "def test_old():\n    assert f(1) == 2\n\n\n"
        "def test_new():\n    x = f(3)\n    assert check(x, 9)\n    assert x == 4\n";
static const char *const paths[] = {"tests/test_a.py"};

static bool read_text(void *user, const char *path, struct assay_canary_file *out)
{
    (void)user;
    *out = (struct assay_canary_file){path, {text, sizeof(text) - 1}, false};
    return true;
}

static bool read_base(void *user, const char *path, struct assay_canary_file *out)
{
    (void)user;
    *out = (struct assay_canary_file){path, {base, sizeof(base) - 1}, false};
    return true;
}

static void lines_of_the_base_stay(void **state)
{
    static const char *const f2p[] = {"tests/test_a.py::test_new"};
    const struct assay_instance instance = {.framework = "pytest", .fail_to_pass = {f2p, 1}};
    const struct assay_canary_source source = {
            .read = read_text, .read_base = read_base, .paths = {paths, 1}};
    const struct assay_counter_how how = {.part = ASSAY_COUNTER_OF_TESTS, .seed = 3};
    struct assay_arena *arena = new_arena();
    struct assay_canary_file *files = NULL;
    size_t count = 0;

    (void)state;
    assert_int_equal(
            assay_counter_draw(&files, &count, &instance, &source, &how, arena, NULL), ASSAY_OK);
    assert_int_equal(count, 1);
    assert_non_null(strstr(files[0].content.data, "    assert f(1) == 2\n"));
    assert_non_null(strstr(files[0].content.data, "    x = f(3)\n    assert check(x, 9)\n"));
    assert_null(strstr(files[0].content.data, "x == 4\n"));
    assay_arena_destroy(arena);
}

// But for a test that was to be mended and has no other.
static void a_test_of_the_base_that_is_to_be_mended(void **state)
{
    static const char *const f2p[] = {"tests/test_a.py::test_old"};
    const struct assay_instance instance = {.framework = "pytest", .fail_to_pass = {f2p, 1}};
    const struct assay_canary_source source = {
            .read = read_text, .read_base = read_base, .paths = {paths, 1}};
    const struct assay_counter_how how = {.part = ASSAY_COUNTER_OF_TESTS, .seed = 3};
    struct assay_arena *arena = new_arena();
    struct assay_canary_file *files = NULL;
    size_t count = 0;

    (void)state;
    assert_int_equal(
            assay_counter_draw(&files, &count, &instance, &source, &how, arena, NULL), ASSAY_OK);
    assert_int_equal(count, 1);
    assert_null(strstr(files[0].content.data, "    assert f(1) == 2\n"));
    assert_null(strstr(files[0].content.data, "x == 4\n"));
    assay_arena_destroy(arena);
}

static const char *const both_paths[] = {"tests/test_a.py", "tests/test_b.py"};

static size_t changed_lines(const char *content)
{
    size_t count = 0;

    for (const char *a = text, *b = content; *a != '\0' && *b != '\0';) {
        const size_t a_len = strcspn(a, "\n"), b_len = strcspn(b, "\n");

        count += a_len != b_len || memcmp(a, b, a_len) != 0;
        a += a_len + 1;
        b += b_len + 1;
    }
    return count;
}

// After a draw that nothing came out of: no more than one line, of either file, and any of them.
static void one_line_in_all(void **state)
{
    static const char *const f2p[] = {"tests/test_a.py::test_new"};
    const struct assay_instance instance = {.framework = "tap", .fail_to_pass = {f2p, 1}};
    const struct assay_canary_source source = {.read = read_text, .paths = {both_paths, 2}};
    unsigned seen[2] = {0};

    (void)state;
    for (uint64_t seed = 0; seed < 32; seed++) {
        const struct assay_counter_how how = {ASSAY_COUNTER_OF_TESTS, seed, true};
        struct assay_arena *arena = new_arena();
        struct assay_canary_file *files = NULL;
        size_t count = 0;

        assert_int_equal(assay_counter_draw(&files, &count, &instance, &source, &how, arena, NULL),
                ASSAY_OK);
        assert_int_equal(count, 1);
        assert_int_equal(changed_lines(files[0].content.data), 1);
        seen[strcmp(files[0].path, both_paths[1]) == 0]++;
        assay_arena_destroy(arena);
    }
    assert_true(seen[0] > 0 && seen[1] > 0);
}

static struct assay_outcome outcome_of(
        struct assay_arena *arena, const struct assay_test_result *results, size_t count)
{
    struct assay_outcome outcome;

    assay_outcome_init(&outcome, arena);
    for (size_t i = 0; i < count; i++)
        assay_outcome_add(&outcome, results[i].id, strlen(results[i].id), results[i].status);
    assert_int_equal(assay_outcome_finish(&outcome, NULL), ASSAY_OK);
    return outcome;
}

static void gold_decides(void **state)
{
    static const char *const f2p[] = {"a::x", "a::y", "a::p[1]"};
    static const struct assay_test_result first[] = {{"a::x", ASSAY_TEST_PASSED},
            {"a::y", ASSAY_TEST_PASSED}, {"a::p[1]", ASSAY_TEST_PASSED}},
                                          counter[] = {{"a::x", ASSAY_TEST_PASSED},
                                                  {"a::y", ASSAY_TEST_FAILED},
                                                  {"a::p[23]", ASSAY_TEST_PASSED}},
                                          gold[] = {{"a::x", ASSAY_TEST_PASSED},
                                                  {"a::p[23]", ASSAY_TEST_FAILED}};
    const struct assay_instance instance = {.framework = "pytest", .fail_to_pass = {f2p, 3}};
    struct assay_arena *arena = new_arena();
    const struct assay_outcome of_first = outcome_of(arena, first, 3),
                               of_counter = outcome_of(arena, counter, 3),
                               of_gold = outcome_of(arena, gold, 2);
    const struct assay_outcome nothing = outcome_of(arena, first, 0);
    struct assay_strings passed, unmoved;

    (void)state;
    assert_true(assay_counter_spoke(&instance, &of_counter));
    assert_true(assay_counter_spoke(&instance, &of_gold));
    assert_false(assay_counter_spoke(&instance, &nothing));
    assert_true(assay_counter_moved(&instance, &of_counter));
    assert_true(assay_counter_moved(&instance, &of_gold));
    assert_false(assay_counter_moved(&instance, &of_first));
    assert_false(assay_counter_moved(&instance, &nothing));
    assert_int_equal(assay_counter_passed(&passed, &instance, &of_first, &of_counter, arena, NULL),
            ASSAY_OK);
    assert_int_equal(passed.count, 2);
    assert_int_equal(
            assay_counter_unmoved(&unmoved, &passed, &instance, &of_gold, arena, NULL), ASSAY_OK);
    assert_int_equal(unmoved.count, 1);
    assert_string_equal(unmoved.items[0], "a::p[23]");
    assay_arena_destroy(arena);
}

static void when_it_is_due(void **state)
{
    static const char *const f2p[] = {"a::x", "a::p[1]", "a::p[2]"};
    static const struct assay_canary copies[] = {
            {ASSAY_CANARY_COPY, "a::c", "a::x"}, {ASSAY_CANARY_COPY, "a::d", "a::p"}};
    struct assay_instance instance = {.framework = "pytest", .fail_to_pass = {f2p, 3}};
    struct assay_canary_plan plan = {.seed = 1, .items = copies, .count = 2};

    (void)state;
    assert_true(assay_counter_due(&instance));
    assert_true(assay_counter_all_copied(&plan, &instance));
    plan.count = 1;
    assert_false(assay_counter_all_copied(&plan, &instance));
    instance.no_canaries = true;
    assert_false(assay_counter_due(&instance));
}

// --- data ---------------------------------------------------------------------------------------

static const struct {
    const char *path, *text;
    size_t len;
} tree[] = {{"tests/test_a.py", "def test_new(golden):\n    golden.check(\"none\", f(7))\n", 50},
        {"tests/golden/none.sql", "SELECT id FROM users LIMIT 0\n", 29},
        {"tests/golden/prose.txt", "no value\nin here\n", 17}, {"tests/golden/a.png", "\0PNG a", 6},
        {"tests/golden/b.png", "\0PNG b", 6},
        {"tests/CMakeLists.txt", "add_test(NAME a COMMAND b 3)\n", 29}};

static bool read_tree(void *user, const char *path, struct assay_canary_file *out)
{
    (void)user;
    for (size_t i = 0; i < sizeof(tree) / sizeof(tree[0]); i++)
        if (strcmp(tree[i].path, path) == 0) {
            *out = (struct assay_canary_file){path, {tree[i].text, tree[i].len}, false};
            return true;
        }
    return false;
}

static const struct assay_canary_file *find(
        const struct assay_canary_file *files, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    print_error("%s was not changed\n", path);
    abort();
}

// Values of programs and of data are never others in one and the same run.
static void one_part_at_a_time(void **state)
{
    static const char *const f2p[] = {"tests/test_a.py::test_new"};
    static const char *const written[] = {
            "tests/test_a.py", "tests/golden/none.sql", "tests/CMakeLists.txt"};
    static const char *const named[] = {
            "tests/golden/prose.txt", "tests/golden/a.png", "tests/golden/b.png"};
    const struct assay_instance instance = {.framework = "pytest", .fail_to_pass = {f2p, 1}};
    const struct assay_canary_source source = {
            .read = read_tree, .paths = {written, 3}, .data = {named, 3}};
    struct assay_counter_how how = {.part = ASSAY_COUNTER_OF_TESTS, .seed = 5};
    struct assay_arena *arena = new_arena();
    struct assay_canary_file *files = NULL;
    const struct assay_canary_file *file = NULL;
    size_t count = 0;

    (void)state;
    assert_int_equal(
            assay_counter_draw(&files, &count, &instance, &source, &how, arena, NULL), ASSAY_OK);
    assert_int_equal(count, 1);
    assert_string_equal(files[0].path, "tests/test_a.py");
    assert_non_null(strstr(files[0].content.data, "check(\"none\", f("));
    assert_null(strstr(files[0].content.data, "f(7)"));
    how.part = ASSAY_COUNTER_OF_DATA;
    assert_int_equal(
            assay_counter_draw(&files, &count, &instance, &source, &how, arena, NULL), ASSAY_OK);
    assert_int_equal(count, 4);
    file = find(files, count, "tests/golden/none.sql");
    assert_memory_equal(file->content.data, "SELECT id FROM users LIMIT ", 27);
    assert_int_not_equal(file->content.data[27], '0');
    file = find(files, count, "tests/golden/prose.txt");
    assert_memory_equal(file->content.data, "no value", 8);
    assert_true(file->content.len > 17 + 2);
    file = find(files, count, "tests/golden/a.png");
    assert_memory_equal(file->content.data, "\0PNG b", 6);
    // What stands first stays; files of one line are what they were in the run before.
    how.part = ASSAY_COUNTER_OF_ENDS;
    assert_int_equal(
            assay_counter_draw(&files, &count, &instance, &source, &how, arena, NULL), ASSAY_OK);
    file = find(files, count, "tests/golden/prose.txt");
    assert_memory_equal(file->content.data, "no value\nin here", 16);
    assert_true(file->content.len > 17 + 2);
    assert_int_equal(
            assay_counter_draw(&files, &count, &instance,
                    &(struct assay_canary_source){.read = read_tree, .paths = {written, 3}}, &how,
                    arena, NULL),
            ASSAY_OK);
    assert_int_equal(count, 0);
    assay_arena_destroy(arena);
}

static void names_of_data(void **state)
{
    static const struct {
        const char *name, *path;
        bool meant;
    } rows[] = {{"none", "tests/golden/none.sql", true},
            {"none.sql", "tests/golden/none.sql", true},
            {"golden/none", "tests/golden/none.sql", true},
            {"./golden/none.sql", "tests/golden/none.sql", true},
            {"tests/golden/none.sql", "tests/golden/none.sql", true}, {"a", "t/a.txt", false},
            {"a.golden", "t/a.golden.json", true}, {"golden", "tests/golden/none.sql", true},
            {"golden/", "tests/golden/x/y", true}, {"tests", "tests/golden/none.sql", false},
            {"one", "tests/golden/none.sql", false},
            {"olden/none.sql", "tests/golden/none.sql", false},
            {"sql", "tests/golden/none.sql", false}, {"", "tests/golden/none.sql", false},
            {"..", "tests/golden/none.sql", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_arena *arena = new_arena();
        struct assay_data_names names;
        char said[128];

        print_message("%s %s\n", rows[i].name, rows[i].path);
        assert_int_equal(
                assay_data_is_meant(assay_text_of(rows[i].name), rows[i].path), rows[i].meant);
        (void)snprintf(said, sizeof(said), "x = read(\"%s\")\n", rows[i].name);
        assert_int_equal(assay_data_names_init(&names, arena, NULL), ASSAY_OK);
        assay_data_names_learn(&names, assay_text_of(said));
        assay_data_names_sort(&names);
        assert_int_equal(assay_data_names_mean(&names, rows[i].path), rows[i].meant);
        assay_arena_destroy(arena);
    }
}

static void folders_of_data(void **state)
{
    static const char *const tests[] = {"src/tests/unit/test_a.py", "pkg/x_test.go", "t/a.t"};
    struct assay_arena *arena = new_arena();
    const struct assay_strings three = {tests, 3};
    struct assay_strings folders;

    (void)state;
    assert_int_equal(assay_data_folders(&folders, &three, arena, NULL), ASSAY_OK);
    assert_string_equal(folders.items[0], "src/tests/");
    assert_string_equal(folders.items[1], "pkg/testdata/");
    assert_string_equal(folders.items[folders.count - 1], "t/");
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_that_are_changed),
            cmocka_unit_test(lines_of_the_base_stay),
            cmocka_unit_test(a_test_of_the_base_that_is_to_be_mended),
            cmocka_unit_test(one_line_in_all), cmocka_unit_test(gold_decides),
            cmocka_unit_test(when_it_is_due), cmocka_unit_test(one_part_at_a_time),
            cmocka_unit_test(names_of_data), cmocka_unit_test(folders_of_data)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
