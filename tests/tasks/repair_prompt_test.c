// SPDX-License-Identifier: MIT
// What must hold: an answer is edits of lines and nothing else; each fault is told by its own name,
// and a fine answer is the patch that it says, in git's own reading.
#include "tasks/repair_prompt.h"

#include <string.h>

#include "support/harness.h"
#include "tasks/patch.h"

#define FILE_TEXT "def f(x):\n    y = x\n    return y\n"

static struct assay_bytes text_of(const char *text)
{
    return (struct assay_bytes){text, strlen(text)};
}

static void read_answer(
        struct assay_answer *out, const char *file, const char *answer, struct assay_arena *arena)
{
    assert_int_equal(
            assay_answer_read(out, "a.py", text_of(file), text_of(answer), arena, NULL), ASSAY_OK);
}

static void a_prompt_shows_numbers_test_and_failure(void **state)
{
    struct assay_buf out;

    (void)state;
    assay_buf_init(&out, 1 << 12);
    assay_repair_prompt(&out, "a.py", text_of("a = 1\n\nb = 2\n"), "f(1)\n", "ValueError: no");
    assert_string_equal(out.data, "a.py\n1|a = 1\n2|\n3|b = 2\nFAIL\nf(1)\nValueError: no\nFIX\n");
    assay_buf_free(&out);
}

static void a_reading_is_the_file_before_it_was_broken(void **state)
{
    struct assay_repair_task task = {.path = "a.py", .gold = text_of("a = 1\nb = 2\n")};
    struct assay_buf out;

    (void)state;
    assay_buf_init(&out, 1 << 12);
    assay_repair_reading_of(&out, &task);
    assert_string_equal(out.data, "a.py\n1|a = 1\n2|b = 2\n");
    assay_buf_free(&out);
}

static void who_treats_the_symptom_returns_what_is_asked_for(void **state)
{
    struct assay_repair_task task = {.broken = text_of(FILE_TEXT), .expected = "'a b'"};
    struct assay_buf out;

    (void)state;
    assay_buf_init(&out, 1 << 12);
    assay_repair_symptom_of(&out, &task);
    assert_string_equal(out.data, "3|    return 'a b'\n");
    assay_buf_free(&out);
}

static void an_answer_edits_the_lines_that_it_names(void **state)
{
    static const struct {
        const char *answer;
        size_t number;
        bool edits;
    } rows[] = {
            {"2|    y = 1", 2, true},
            {"2|    y = 1", 3, false},
            {"1|a\n2-", 2, true},
            {"2+    y = 1", 2, false},
            {"no\n99|x", 99, true},
            {"", 1, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("row %zu\n", i);
        assert_int_equal(
                assay_answer_edits_line(text_of(rows[i].answer), rows[i].number), rows[i].edits);
    }
}

static void each_fault_has_its_name(void **state)
{
    static const struct {
        const char *answer;
        enum assay_answer_fault fault;
    } rows[] = {
            {"", ASSAY_ANSWER_EMPTY},
            {" \n\n", ASSAY_ANSWER_EMPTY},
            {"return x", ASSAY_ANSWER_NO_NUMBER},
            {" 2|    y = 1", ASSAY_ANSWER_NO_NUMBER},
            {"-1|x", ASSAY_ANSWER_NO_NUMBER},
            {"2|    y = 1\n\n3|    return 1", ASSAY_ANSWER_NO_NUMBER},
            {"```\n2|    y = 1\n```", ASSAY_ANSWER_NO_NUMBER},
            {"2", ASSAY_ANSWER_NO_MARK},
            {"2: y = 1", ASSAY_ANSWER_NO_MARK},
            {"2-x", ASSAY_ANSWER_NO_MARK},
            {"4|    return x", ASSAY_ANSWER_NO_SUCH_LINE},
            {"0|x", ASSAY_ANSWER_NO_SUCH_LINE},
            {"0-", ASSAY_ANSWER_NO_SUCH_LINE},
            {"99999999999999999999999999999999|x", ASSAY_ANSWER_NO_SUCH_LINE},
            {"2|    y = 1\n2|    y = 2", ASSAY_ANSWER_TWICE},
            {"2|    y = 1\n2-", ASSAY_ANSWER_TWICE},
            {"2+    y = 1\n2+    y = 2", ASSAY_ANSWER_TWICE},
            {"0+a\n1+a\n2+a\n3+a\n1|b\n2|b\n3|b", ASSAY_ANSWER_FINE},
            {"2|    y = x", ASSAY_ANSWER_NO_CHANGE},
            {"2|    y = x   \n", ASSAY_ANSWER_NO_CHANGE},
            {"2-\n1+    y = x", ASSAY_ANSWER_NO_CHANGE},
            {"2|    y = \x01", ASSAY_ANSWER_NOT_TEXT},
            {"2|    y = \xff", ASSAY_ANSWER_NOT_TEXT},
            {"2|    y = \xc3\xa9", ASSAY_ANSWER_FINE},
            {"2|    y = 1\n", ASSAY_ANSWER_FINE},
            {"2-", ASSAY_ANSWER_FINE},
            {"2|", ASSAY_ANSWER_FINE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_arena *arena = NULL;
        struct assay_answer answer;

        print_message("row %zu\n", i);
        assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
        read_answer(&answer, FILE_TEXT, rows[i].answer, arena);
        assert_string_equal(
                assay_answer_fault_name(answer.fault), assay_answer_fault_name(rows[i].fault));
        assert_int_equal(answer.reason == NULL, rows[i].fault == ASSAY_ANSWER_FINE);
        assert_int_equal(answer.patch.data != NULL, rows[i].fault == ASSAY_ANSWER_FINE);
        assay_arena_destroy(arena);
    }
}

static void too_long_and_too_many_are_told(void **state)
{
    struct assay_arena *arena = NULL;
    struct assay_answer answer;
    char text[ASSAY_ANSWER_BYTES_MAX + 8];

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    memset(text, 'x', sizeof(text));
    memcpy(text, "2|", 2);
    text[ASSAY_ANSWER_BYTES_MAX + 1] = '\0';
    read_answer(&answer, FILE_TEXT, text, arena);
    assert_int_equal(answer.fault, ASSAY_ANSWER_TOO_LONG);
    read_answer(&answer, "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
            "1|a\n2|a\n3|a\n4|a\n5|a\n6|a\n7|a\n8|a\n9|a", arena);
    assert_int_equal(answer.fault, ASSAY_ANSWER_TOO_MANY);
    assay_arena_destroy(arena);
}

static void a_fine_answer_is_the_patch_that_it_says(void **state)
{
    static const struct {
        const char *file, *answer, *hunk;
    } rows[] = {
            {FILE_TEXT, "2|    y = 1",
                    "@@ -1,3 +1,3 @@\n def f(x):\n-    y = x\n+    y = 1\n     return y\n"},
            {FILE_TEXT, "2-", "@@ -1,3 +1,2 @@\n def f(x):\n-    y = x\n     return y\n"},
            {FILE_TEXT, "0+# top",
                    "@@ -1,3 +1,4 @@\n+# top\n def f(x):\n     y = x\n     return y\n"},
            {FILE_TEXT, "3+    # end",
                    "@@ -1,3 +1,4 @@\n def f(x):\n     y = x\n     return y\n+    # end\n"},
            {FILE_TEXT, "3|    return x\n1|def g(x):",
                    "@@ -1,3 +1,3 @@\n-def f(x):\n+def g(x):\n     y = x\n-    return y\n+    return "
                    "x\n"},
            {"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "7|x", "@@ -4,6 +4,6 @@\n 4\n 5\n 6\n-7\n+x\n 8\n 9\n"},
            {"a", "1|b",
                    "@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of "
                    "file\n"},
            {"a", "1+b",
                    "@@ -1,1 +1,2 @@\n-a\n\\ No newline at end of file\n+a\n+b\n\\ No newline at end "
                    "of file\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_arena *arena = NULL;
        struct assay_patch *patch = NULL;
        struct assay_answer answer;

        print_message("row %zu\n", i);
        assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
        read_answer(&answer, rows[i].file, rows[i].answer, arena);
        assert_int_equal(answer.fault, ASSAY_ANSWER_FINE);
        assert_non_null(strstr(answer.patch.data, "--- a/a.py\n+++ b/a.py\n"));
        assert_string_equal(strstr(answer.patch.data, "@@"), rows[i].hunk);
        assert_int_equal(
                assay_patch_parse(&patch, answer.patch.data, answer.patch.len, arena, NULL),
                ASSAY_OK);
        assert_non_null(patch->exact);
        assay_arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_prompt_shows_numbers_test_and_failure),
            cmocka_unit_test(a_reading_is_the_file_before_it_was_broken),
            cmocka_unit_test(who_treats_the_symptom_returns_what_is_asked_for),
            cmocka_unit_test(an_answer_edits_the_lines_that_it_names),
            cmocka_unit_test(each_fault_has_its_name),
            cmocka_unit_test(too_long_and_too_many_are_told),
            cmocka_unit_test(a_fine_answer_is_the_patch_that_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
