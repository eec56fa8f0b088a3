// SPDX-License-Identifier: MIT
// What must hold: a mutant differs from the fix in one place of what gold adds, strings and
// comments stay, and the same seed gives the same mutants.
#include "rewards/mutants.h"

#include <string.h>

#include "base/buf.h"
#include "support/harness.h"

static struct assay_bytes text_of(const char *text)
{
    return (struct assay_bytes){text, strlen(text)};
}

// All that can be made of one file whose last line but one gold adds, as "about" texts.
static void list(struct assay_buf *out, const char *path, const char *before, const char *added,
        const char *after)
{
    struct assay_arena *arena = NULL;
    struct assay_mutant *mutants = NULL;
    struct assay_buf base, gold;
    size_t count = 0;

    assay_buf_init(&base, 1 << 16);
    assay_buf_init(&gold, 1 << 16);
    assay_buf_addf(&base, "%s%s", before, after);
    assay_buf_addf(&gold, "%s%s%s", before, added, after);
    assert_int_equal(assay_arena_create(&arena, 16 << 20, NULL), ASSAY_OK);
    assert_int_equal(assay_mutants_make(&mutants, &count,
                             &(struct assay_mutant_source){
                                     path, {base.data, base.len}, {gold.data, gold.len}},
                             1, ASSAY_MUTANTS_OF_FIX, 7, ASSAY_MUTANTS_MAX, arena, NULL),
            ASSAY_OK);
    for (size_t i = 0; i < count; i++) {
        size_t same = 0, tail = 0;
        const struct assay_bytes *c = &mutants[i].content;

        assay_buf_addf(out, "%s\n", mutants[i].about);
        // What is around the added lines is never touched.
        while (same < c->len && same < gold.len && c->data[same] == gold.data[same])
            same++;
        while (tail < c->len && tail < gold.len &&
                c->data[c->len - 1 - tail] == gold.data[gold.len - 1 - tail])
            tail++;
        assert_true(same >= strlen(before) && tail >= strlen(after));
    }
    assay_arena_destroy(arena);
    assay_buf_free(&gold);
    assay_buf_free(&base);
}

static void every_operator_does_what_its_name_says(void **state)
{
    static const struct {
        const char *path, *before, *added, *after;
        const char *wants[8];
        size_t count;
    } rows[] = {
            {"a.py", "def f(a, b):\n", "    return a < b\n", "x = 1\n",
                    {"relational: \"<\" becomes \"<=\"",
                            "return_value: \"a < b\" becomes \"None\""},
                    2},
            {"a.py", "", "if a and not b == 10:  # and 3 < 4\n", "    pass\n",
                    {"boolean: \"and\" becomes \"or\"", "boolean: \"not \" becomes \"\"",
                            "relational: \"==\" becomes \"!=\"", "constant: \"10\" becomes \"11\""},
                    4},
            {"a.py", "def f():\n", "    self.x = 'a == 1' % y\n", "",
                    {"remove_statement: \"self.x = 'a == 1' % y\" becomes \"pass\"",
                            "arithmetic: \"%\" becomes \"*\""},
                    2},
            {"a.py", "", "@wraps(f)\ndef g(*args, n=-1):\n", "    pass\n",
                    {"constant: \"1\" becomes \"2\""}, 1},
            {"a.py", "", "f(x,\n  y)\n'''a == b\n1 < 2'''\nd.pop(key)\n", "",
                    {"remove_statement: \"d.pop(key)\" becomes \"pass\""}, 1},
            {"a.c", "int f(int a)\n{\n", "    return a->b + x[i] * 2; /* 3 + 4 */\n", "}\n",
                    {"arithmetic: \"+\" becomes \"-\"", "arithmetic: \"*\" becomes \"/\"",
                            "constant: \"2\" becomes \"3\"",
                            "return_value: \"a->b + x[i] * 2\" becomes \"0\""},
                    4},
            {"a.c", "{\n", "    if (!ready && n >= 0x10)\n", "}\n",
                    {"boolean: \"!\" becomes \"\"", "boolean: \"&&\" becomes \"||\"",
                            "relational: \">=\" becomes \">\""},
                    3},
            {"a.c", "{\n", "    i++;\n    x <<= 1.5e3;\n", "}\n",
                    {"remove_statement: \"i++;\" becomes \";\"",
                            "remove_statement: \"x <<= 1.5e3;\" becomes \";\""},
                    2},
            {"a.c", "", "#include <stdio.h>\n// x == 1\n", "", {NULL}, 0},
            {"a.sh", "", "if [ \"$1\" -lt 3 ] && x < y; then\n", "fi\n",
                    {"relational: \"-lt\" becomes \"-le\"", "boolean: \"&&\" becomes \"||\"",
                            "constant: \"3\" becomes \"4\""},
                    3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_buf told;
        size_t lines = 0;

        assay_buf_init(&told, 1 << 16);
        list(&told, rows[i].path, rows[i].before, rows[i].added, rows[i].after);
        print_message("row %zu:\n%s", i, told.data);
        for (size_t k = 0; k < rows[i].count; k++)
            assert_non_null(strstr(told.data, rows[i].wants[k]));
        for (const char *p = told.data; *p; p++)
            lines += *p == '\n';
        assert_int_equal(lines, rows[i].count);
        assay_buf_free(&told);
    }
}

// Each row: a line of a function, and what can be done to it beyond what is done to a fix.
static void a_program_can_be_broken_in_more_ways_than_a_fix(void **state)
{
    static const struct {
        const char *path, *text, *wants;
    } rows[] = {
            {"a.py", "def f(xs, n):\n    if n > len(xs):\n        return n\n",
                    "negate_condition: \"n > len(xs)\" becomes \"not n > len(xs)\""},
            {"a.py", "def f(xs, n):\n    while n and xs[n:]:\n        n -= 1\n",
                    "negate_condition: \"n and xs[n:]\" becomes \"not (n and xs[n:])\""},
            {"a.py", "def f(xs, n):\n    return xs[n]\n", "off_by_one: \"\" becomes \" - 1\""},
            {"a.py", "def f(xs, n):\n    return range(n, 3)\n", "off_by_one: \"3\" becomes \"2\""},
            {"a.py", "def f(xs, n):\n    for i in xs:\n        return n\n",
                    "wrong_variable: \"n\" becomes \"i\""},
            {"a.py", "def f(xs, n):\n    return divmod(n, (1, xs))\n",
                    "swap_arguments: \"n, (1, xs)\" becomes \"(1, xs), n\""},
            {"a.py", "def f(xs):\n    return xs.lower()\n",
                    "wrong_call: \".lower\" becomes \".upper\""},
            {"a.c", "int f(int a, int b)\n{\n    } else if (a || g(b)) {\n}\n",
                    "negate_condition: \"(a || g(b))\" becomes \"(!(a || g(b)))\""},
            {"a.c", "int f(int *a, int b)\n{\n    return a[b];\n}\n",
                    "off_by_one: \"\" becomes \" + 1\""},
            {"a.c", "int f(struct s *a, int b)\n{\n    return a->b + b;\n}\n",
                    "wrong_variable: \"b\" becomes \"a\""},
            {"a.c", "int f(int a, int b)\n{\n    return g(a, b);\n}\n",
                    "swap_arguments: \"a, b\" becomes \"b, a\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_mutant_source source = {rows[i].path, {NULL, 0}, text_of(rows[i].text)};
        struct assay_mutant *mutants = NULL;
        struct assay_arena *arena = NULL;
        size_t count = 0, seen = 0;

        print_message("row %zu\n", i);
        assert_int_equal(assay_arena_create(&arena, 16 << 20, NULL), ASSAY_OK);
        assert_int_equal(assay_mutants_make(&mutants, &count, &source, 1, ASSAY_MUTANTS_ALL, 1,
                                 ASSAY_MUTANT_CANDIDATES_MAX, arena, NULL),
                ASSAY_OK);
        for (size_t k = 0; k < count; k++) {
            assert_non_null(strstr(mutants[k].about, mutants[k].operator_name));
            seen += strstr(mutants[k].about, rows[i].wants) != NULL;
        }
        assert_true(seen >= 1);
        assert_int_equal(assay_mutants_make(&mutants, &count, &source, 1, ASSAY_MUTANTS_OF_FIX, 1,
                                 ASSAY_MUTANT_CANDIDATES_MAX, arena, NULL),
                ASSAY_OK);
        for (size_t k = 0; k < count; k++)
            assert_null(strstr(mutants[k].about, rows[i].wants));
        assay_arena_destroy(arena);
    }
}

static void hunks_are_reverted_where_there_are_several(void **state)
{
    const struct assay_mutant_source sources[] = {
            {"a.txt", text_of("one\ntwo\nthree\n"), text_of("ONE\ntwo\nTHREE\n")},
            {"new.txt", {NULL, 0}, text_of("new\n")}};
    struct assay_mutant *mutants = NULL;
    struct assay_arena *arena = NULL;
    size_t count = 0, seen = 0;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 16 << 20, NULL), ASSAY_OK);
    assert_int_equal(assay_mutants_make(&mutants, &count, sources, 2, ASSAY_MUTANTS_OF_FIX, 1, 64,
                             arena, NULL),
            ASSAY_OK);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(strstr(mutants[i].about, "revert_hunk"));
        seen += strcmp(mutants[i].content.data, "one\ntwo\nTHREE\n") == 0;
        seen += strcmp(mutants[i].content.data, "ONE\ntwo\nthree\n") == 0;
        seen += mutants[i].content.len == 0;
    }
    assert_int_equal(seen, 3);
    assay_arena_destroy(arena);
}

static void a_seed_gives_the_same_mutants_and_each_operator_its_turn(void **state)
{
    const struct assay_mutant_source source = {"a.py", {NULL, 0},
            text_of("x = a + 1\ny = a + 2\nz = a + 3\nif a < b and c:\n    go()\n")};
    struct assay_mutant *one = NULL, *two = NULL, *other = NULL;
    struct assay_arena *arena = NULL;
    size_t count = 0, again = 0, others = 0, differ = 0, turns[5] = {0};
    static const char *const operators[] = {
            "relational", "boolean", "arithmetic", "constant", "remove_statement"};

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 16 << 20, NULL), ASSAY_OK);
    assert_int_equal(
            assay_mutants_make(&one, &count, &source, 1, ASSAY_MUTANTS_OF_FIX, 5, 5, arena, NULL),
            ASSAY_OK);
    assert_int_equal(
            assay_mutants_make(&two, &again, &source, 1, ASSAY_MUTANTS_OF_FIX, 5, 5, arena, NULL),
            ASSAY_OK);
    assert_int_equal(assay_mutants_make(
                             &other, &others, &source, 1, ASSAY_MUTANTS_OF_FIX, 6, 5, arena, NULL),
            ASSAY_OK);
    assert_int_equal(count, 5);
    assert_int_equal(again, 5);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(one[i].about, two[i].about);
        for (size_t k = 0; k < count; k++)
            turns[k] += strstr(one[i].about, operators[k]) != NULL;
        differ += strcmp(one[i].about, other[i].about) != 0;
    }
    for (size_t k = 0; k < count; k++)
        assert_int_equal(turns[k], 1);
    assert_true(differ > 0);
    assay_arena_destroy(arena);
}

static void other_blanks_change_no_string_and_no_line(void **state)
{
    struct assay_arena *arena = NULL;
    struct assay_bytes out;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assert_int_equal(
            assay_respace(&out, "a.py", text_of("f(x[1], '(') # (\n"), arena, NULL), ASSAY_OK);
    assert_string_equal(out.data, "f( x[ 1], '(') # (\n");
    assert_int_equal(assay_respace(&out, "a.js", text_of("f(/(x)/)"), arena, NULL), ASSAY_OK);
    assert_string_equal(out.data, "f(/(x)/)");
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_operator_does_what_its_name_says),
            cmocka_unit_test(a_program_can_be_broken_in_more_ways_than_a_fix),
            cmocka_unit_test(hunks_are_reverted_where_there_are_several),
            cmocka_unit_test(a_seed_gives_the_same_mutants_and_each_operator_its_turn),
            cmocka_unit_test(other_blanks_change_no_string_and_no_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
