// SPDX-License-Identifier: MIT
// What must hold: an answer is read as people write it, gold's own answer is always right, naming
// everything is not, and functions are found in real sources.
#include "rewards/localize.h"

#include <string.h>

#include "base/fs.h"
#include "rewards/symbols.h"
#include "support/harness.h"

static struct assay_bytes text_of(const char *text)
{
    return (struct assay_bytes){text, strlen(text)};
}

static const char base_text[] = "import os\n"           // 1
                                "LIMIT = 3\n"           // 2
                                "\n"                    // 3
                                "class Reader:\n"       // 4
                                "    @property\n"       // 5
                                "    def size(self):\n" // 6
                                "        return 1\n"    // 7
                                "\n"                    // 8
                                "    def next(self):\n" // 9
                                "        x = '''\n"     // 10
                                "def not_one():\n"      // 11
                                "'''\n"                 // 12
                                "        return (x,\n"  // 13
                                "   1)\n"               // 14
                                "\n"                    // 15
                                "def main():\n"         // 16
                                "    pass\n";           // 17
static const char gold_text[] = "import os\nLIMIT = 3\n\nclass Reader:\n    @property\n"
                                "    def size(self):\n        return 1\n\n    def next(self):\n"
                                "        x = '''\ndef not_one():\n'''\n        return (x,\n   2)\n"
                                "\ndef helper():\n    return 0\n\ndef main():\n    pass\n";

static void functions_are_found_by_indentation_and_by_braces(void **state)
{
    static const struct {
        const char *path, *text;
        size_t line;
        const char *name; // NULL: in no function
    } rows[] = {{"a.py", base_text, 2, NULL}, {"a.py", base_text, 5, "Reader.size"},
            {"a.py", base_text, 7, "Reader.size"}, {"a.py", base_text, 11, "Reader.next"},
            {"a.py", base_text, 14, "Reader.next"}, {"a.py", base_text, 17, "main"},
            {"a.py", "def f():\n    def g():\n        return 1\n    return g\n", 3, "f"},
            {"a.py", "async def f(\n  a=(1,\n 2)):\n  pass\n", 4, "f"},
            {"a.c", "static int\nf(int x) // {\n{\n  if (x) { y(); }\n  return '}';\n}\nint g;\n",
                    4, "f"},
            {"a.c", "#define M {\nint f(void)\n{\n  return 1;\n}\n", 4, "f"},
            {"a.c", "struct s { int x; };\nstatic struct s *f(struct s *p)\n{\n}\n", 3, "f"},
            {"a.c", "static const struct s x[] = {\n {1},\n};\n", 2, NULL},
            {"a.cpp", "namespace n {\nFoo::Foo(int a) : a_(a), b_(1) {\n  x();\n}\n}\n", 3,
                    "n.Foo.Foo"},
            {"a.java", "class A {\n  @Over(x) public int f(int a) throws E {\n    g();\n  }\n}\n",
                    3, "A.f"},
            {"a.go", "func (r *T) Name(a int) (int, error) {\n\treturn 0, nil\n}\n", 2, "Name"},
            {"a.rs",
                    "impl<T> Show for Point<T> {\n  pub fn f<U>(&self, x: U) -> Box<dyn Fn(i32)> {\n    1\n  }\n}\n",
                    3, "Point.f"},
            {"a.js", "const f = async (x) => {\n  return x\n}\n", 2, "f"},
            {"a.js", "class A {\n  get(x) {\n    return {\n a: 1 };\n  }\n}\n", 4, "A.get"},
            {"a.js", "it('does', function () {\n  x();\n});\n", 2, NULL},
            {"a.sh", "x=${y#z}\nname() {\n  echo \"}\"\n  # }\n  z\n}\n", 5, "name"},
            {"bin/tool", "f() {\n  echo hi\n}\n", 2, "f"}};
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 16 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_symbols symbols;
        const struct assay_symbol *symbol;

        print_message("row %zu\n", i);
        assert_int_equal(
                assay_symbols_find(&symbols, rows[i].path, text_of(rows[i].text), arena, NULL),
                ASSAY_OK);
        symbol = assay_symbols_at(&symbols, rows[i].line);
        if (rows[i].name == NULL)
            assert_null(symbol);
        else {
            assert_non_null(symbol);
            assert_string_equal(symbol->name, rows[i].name);
        }
    }
    assay_arena_destroy(arena);
}

// Nobody wrote these for the reader.
static void functions_are_found_in_our_own_sources(void **state)
{
    static const struct {
        const char *path, *first, *last, *name;
    } rows[] = {{"rewards/judge.c", "static void judge_cause(",
                        "        verdict->resolution = ASSAY_RESOLUTION_NO;", "judge_cause"},
            {"tasks/patch.c", "enum assay_status assay_patch_parse(", NULL, "assay_patch_parse"},
            {"rewards/trusted/python/assay_report.py", "    def ", NULL, NULL}};
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 64 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_symbols symbols;
        struct assay_buf text;
        size_t line = 1;
        const char *at;

        assay_buf_init(&text, 1 << 20);
        assert_int_equal(assay_fs_read_file(&text, rows[i].path, NULL), ASSAY_OK);
        assert_int_equal(assay_symbols_find(&symbols, rows[i].path,
                                 (struct assay_bytes){text.data, text.len}, arena, NULL),
                ASSAY_OK);
        at = strstr(text.data, rows[i].last ? rows[i].last : rows[i].first);
        assert_non_null(at);
        for (const char *p = text.data; p < at; p++)
            line += *p == '\n';
        assert_non_null(assay_symbols_at(&symbols, line));
        if (rows[i].name)
            assert_string_equal(assay_symbols_at(&symbols, line)->name, rows[i].name);
        assay_buf_free(&text);
    }
    assay_arena_destroy(arena);
}

static void names_match_by_their_ends(void **state)
{
    const struct assay_symbol symbol = {"Reader.next", 1, 2, true};
    static const char *const good[] = {
            "Reader.next", "next", "Reader::next", "next()", "lex.Reader.next", "Reader#next"};
    static const char *const bad[] = {
            "ext", "Reader", "Writer.next", "xReader.next", "", "next.x", "."};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(assay_symbol_is(&symbol, good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(assay_symbol_is(&symbol, bad[i]));
}

static void answers_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *text, *want; // path|function|first-last;...
    } rows[] = {{"a/b.py", "a/b.py||0-0;"}, {"./b.py:12", "b.py||12-12;"},
            {"I think it is here:\n\n1. `a/b.c:f`\n- a/b.c:10-20\n* b.c\n",
                    "a/b.c|f|0-0;a/b.c||10-20;b.c||0-0;"},
            {"b.cc:A::f\nb.py::A::f\nb.py:A.f:12\nb.py:12:f\n",
                    "b.cc|A::f|0-0;b.py|A::f|0-0;b.py|A.f|12-12;b.py|f|12-12;"},
            {"```\nb.c:3\n```\n", "b.c||3-3;"},
            {"[\"b.c:f\", {\"path\": \"c.c\", \"lines\": [2, 9]}]", "b.c|f|0-0;c.c||2-9;"},
            {"```json\n{\"locations\": [{\"file\": \"c.c\", \"function\": \"g\", \"line\": 7, \"why\": 1}]}\n```",
                    "c.c|g|7-7;"},
            {"[{\"path\": \"c.c\", \"lines\": [4]}]", "c.c||4-4;"}};
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 16 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_locations got;
        struct assay_buf told;

        assay_buf_init(&told, 4096);
        assert_int_equal(
                assay_locations_read(&got, rows[i].text, strlen(rows[i].text), arena, NULL),
                ASSAY_OK);
        for (size_t k = 0; k < got.count; k++)
            assay_buf_addf(&told, "%s|%s|%zu-%zu;", got.items[k].path,
                    got.items[k].function ? got.items[k].function : "", got.items[k].first,
                    got.items[k].last);
        assert_string_equal(told.data, rows[i].want);
        assay_buf_free(&told);
    }
    assay_arena_destroy(arena);
}

static void what_is_no_answer_is_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {{"", "names no location"}, {"I do not know.", "names no location"},
            {"/etc/passwd", "names no location"}, {"../x.c:1", "names no location"},
            {"[1]", "location 1 is none"}, {"{}", "no list of locations"}, {"[", "answer:1"},
            {"[{\"path\": \"a.c\", \"lines\": [3, 1]}]", "a range of more than"},
            {"a.c:1-20000", "a range of more than"},
            {"[{\"path\": \"a.c\", \"line\": 0}]", "location 1 is none"}};
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 16 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_locations got = {0};
        struct assay_error err = {0};

        assert_int_equal(
                assay_locations_read(&got, rows[i].text, strlen(rows[i].text), arena, &err),
                ASSAY_EPATCH);
        print_message("%s: %s\n", rows[i].text, err.message);
        assert_non_null(strstr(err.message, rows[i].message));
        assert_int_equal(got.count, 0);
    }
    assay_arena_destroy(arena);
}

static void answers_are_scored_by_precision_recall_and_rank(void **state)
{
    const struct assay_localize_file files[] = {
            {"a.py", true, true, text_of(base_text), text_of(gold_text)},
            {"other.py", true, false, text_of("def f():\n    pass\n"),
                    text_of("def f():\n    pass\n")},
            {"new.py", false, true, {NULL, 0}, text_of("x = 1\n")}};
    static const struct {
        const char *answer;
        bool found;
        size_t rank, files_right, functions_answered, functions_right, lines_right;
        double score;
    } rows[] = {{"a.py:Reader.next", true, 1, 1, 1, 1, 0, 1}, {"a.py:14", true, 1, 1, 1, 1, 1, 1},
            {"a.py:next\nother.py:f", true, 1, 1, 2, 1, 0, 2.0 / 3}, // half right is enough
            {"other.py:f\na.py:next", true, 2, 1, 2, 1, 0, 2.0 / 3},
            {"a.py:next\nother.py:f\nnone.py", false, 1, 1, 2, 1, 0, 2.0 / 3},
            {"a.py:next\na.py:size\na.py:main\n", false, 1, 1, 3, 1, 0, 0.5},
            {"a.py:1-17", false, 1, 1, 3, 1, 1, 0.5}, // everything is not an answer
            {"a.py", false, 1, 1, 0, 0, 0, 0}, {"a.py:nosuch", false, 0, 1, 1, 0, 0, 0},
            {"a.py:Reader", false, 1, 1, 0, 0, 0, 0}, {"other.py", false, 0, 0, 0, 0, 0, 0},
            {"new.py\na.py:next", true, 2, 1, 1, 1, 0, 1}};
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 64 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_localize_result got;
        struct assay_locations answer;

        assert_int_equal(
                assay_locations_read(&answer, rows[i].answer, strlen(rows[i].answer), arena, NULL),
                ASSAY_OK);
        assert_int_equal(assay_localize_judge(&got, &answer, files, 3, arena, NULL), ASSAY_OK);
        print_message("row %zu: %s (score %g, rank %zu)\n", i, got.reason, got.score.score,
                got.score.rank);
        assert_int_equal(got.found, rows[i].found);
        assert_int_equal(got.score.rank, rows[i].rank);
        assert_int_equal(got.score.files.gold, 1); // a new file cannot be named
        assert_int_equal(got.score.files.right, rows[i].files_right);
        assert_int_equal(got.score.functions.gold, 1); // helper() is new
        assert_int_equal(got.score.functions.answered, rows[i].functions_answered);
        assert_int_equal(got.score.functions.right, rows[i].functions_right);
        assert_int_equal(got.score.lines.right, rows[i].lines_right);
        assert_true(
                got.score.score > rows[i].score - 1e-12 && got.score.score < rows[i].score + 1e-12);
    }
    assay_arena_destroy(arena);
}

static void golds_own_answer_is_right(void **state)
{
    const struct assay_localize_file sets[][2] = {
            {{"a.py", true, true, text_of(base_text), text_of(gold_text)},
                    {"b.py", true, true, text_of("x = 1\n"), text_of("x = 2\n")}},
            {{"b.py", true, true, text_of("x = 1\ny = 2\n"), text_of("x = 1\ny = 3\n")},
                    {"n.py", false, true, {NULL, 0}, text_of("z\n")}},
            {{"n.py", false, true, {NULL, 0}, text_of("z\n")},
                    {"m.py", false, true, {NULL, 0}, text_of("z\n")}},
            {{"e.py", true, true, text_of(""), text_of("z\n")},
                    {"b.py", true, false, text_of("x\n"), text_of("x\n")}}};
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 64 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        struct assay_localize_result got;
        struct assay_locations answer = {0}, none = {0};

        assert_int_equal(assay_localize_gold(&answer, sets[i], 2, arena, NULL), ASSAY_OK);
        assert_int_equal(assay_localize_judge(&got, &answer, sets[i], 2, arena, NULL), ASSAY_OK);
        print_message("set %zu: %s\n", i, got.reason);
        assert_true(got.found);
        assert_int_equal(got.score.rank, 1);
        assert_int_equal(assay_localize_judge(&got, &none, sets[i], 2, arena, NULL), ASSAY_OK);
        assert_false(got.found);
    }
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(functions_are_found_by_indentation_and_by_braces),
            cmocka_unit_test(functions_are_found_in_our_own_sources),
            cmocka_unit_test(names_match_by_their_ends),
            cmocka_unit_test(answers_are_read_as_people_write_them),
            cmocka_unit_test(what_is_no_answer_is_refused),
            cmocka_unit_test(answers_are_scored_by_precision_recall_and_rank),
            cmocka_unit_test(golds_own_answer_is_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
