// SPDX-License-Identifier: MIT
// What must hold: a message in a few words is the call that it says, what is no call names no tool,
// and nothing that differs from run to run is shown.
#include "orchestrator/terse.h"

#include <string.h>

#include "support/harness.h"

static struct assay_arena *arena;

static int set_up(void **state)
{
    (void)state;
    return assay_arena_create(&arena, 1 << 20, NULL) == ASSAY_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    assay_arena_destroy(arena);
    return 0;
}

static void messages_are_calls(void **state)
{
    static const struct {
        const char *message, *tool, *arguments;
    } rows[] = {
            {"view a.py\n", "view", "{\"path\":\"a.py\"}"},
            {"view a.py", "view", "{\"path\":\"a.py\"}"},
            {"view", "view", "{}"},
            {"test\n", "run_tests", "{}"},
            {"submit\n", "submit", "{}"},
            {"edit a.py\n-    x\n+    y\n", "edit",
                    "{\"command\":\"str_replace\",\"path\":\"a.py\",\"old_str\":\"    x\","
                    "\"new_str\":\"    y\"}"},
            {"edit a.py\n-a\n-b\n+a\n+\n+c", "edit",
                    "{\"command\":\"str_replace\",\"path\":\"a.py\",\"old_str\":\"a\\nb\","
                    "\"new_str\":\"a\\n\\nc\"}"},
            {"edit a.py\n", "edit",
                    "{\"command\":\"str_replace\",\"path\":\"a.py\",\"old_str\":\"\","
                    "\"new_str\":\"\"}"},
            {"", NULL, NULL},
            {"viewer a.py\n", NULL, NULL},
            {"rm -rf /\n", NULL, NULL},
            {"\nview a.py\n", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_bytes message = {rows[i].message, strlen(rows[i].message)};
        struct assay_action action;

        print_message("row %zu\n", i);
        assert_int_equal(assay_terse_read(&action, message, arena, NULL), ASSAY_OK);
        if (rows[i].tool == NULL) {
            assert_null(action.tool);
            continue;
        }
        assert_string_equal(action.tool, rows[i].tool);
        assert_string_equal(action.arguments, rows[i].arguments);
    }
}

static void what_is_shown_is_short_and_the_same_each_time(void **state)
{
    static const struct {
        const char *tool, *text;
        bool failed;
        size_t bytes_max;
        const char *shown;
    } rows[] = {
            {"view", "     1\tdef f():\n    12\t\treturn 1\n[lines 1 to 12 of 20]\n", false, 999,
                    "1|def f():\n12|\treturn 1\n[lines 1 to 12 of 20]\n"},
            {"run_tests", "...\n----\nRan 3 tests in 0.002s\n\nOK\n", false, 999, "OK\n"},
            {"run_tests",
                    "F.\n====\nFAIL: test_a (test_x.T)\nTraceback (most recent call last):\n"
                    "  File \"/testbed/test_x.py\", line 6, in test_a\n    self.assertEqual(f(1), 2)\n"
                    "AssertionError: 1 != 2\n\nRan 2 tests in 0.001s\n\nFAILED (failures=1)\n"
                    "[exit code 1]\n",
                    false, 999, "AssertionError: 1 != 2\nFAILED (failures=1)\n"},
            {"run_tests", "[killed after 10 s, with all that it had started]\n", false, 999,
                    "[killed after 10 s, with all that it had started]\n"},
            {"run_tests", "x", false, 999, "no result\n"},
            {"edit", "Replaced in a.py:\n     1\tx\n", false, 999, "ok\n"},
            {"edit", "no such file", true, 999, "no such file\n"},
            {NULL, "there is no such tool: rm", true, 12, "there is no \n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_observation observation = {.failed = rows[i].failed};
        struct assay_buf out;

        print_message("row %zu\n", i);
        assay_buf_init(&observation.text, 4096);
        assay_buf_init(&out, 4096);
        assay_buf_adds(&observation.text, rows[i].text);
        assay_terse_show(&out, rows[i].tool, &observation, rows[i].bytes_max);
        assert_string_equal(out.data, rows[i].shown);
        assay_buf_free(&out);
        assay_observation_release(&observation);
    }
}

static void an_edit_names_its_place_alone(void **state)
{
    static const char file[] = "if a:\n    return 1\nif b:\n    return 1\nreturn 12\n";
    static const struct {
        size_t line;
        const char *text, *message;
    } rows[] = {
            {1, "if c:", "edit a.py\n-if a:\n+if c:\n"},
            {4, "    return 2", "edit a.py\n-if b:\n-    return 1\n+if b:\n+    return 2\n"},
            {2, "    return 2", "edit a.py\n-if a:\n-    return 1\n+if a:\n+    return 2\n"},
            {5, "return 3", "edit a.py\n-return 12\n+return 3\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_buf out;

        assay_buf_init(&out, 4096);
        assay_terse_edit(
                &out, "a.py", (struct assay_bytes){file, strlen(file)}, rows[i].line, rows[i].text);
        assert_string_equal(out.data, rows[i].message);
        assay_buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(messages_are_calls, set_up, tear_down),
            cmocka_unit_test(what_is_shown_is_short_and_the_same_each_time),
            cmocka_unit_test(an_edit_names_its_place_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
