// SPDX-License-Identifier: MIT
// What must hold: the command table parses what it describes, refuses the rest with exit status 2,
// and every option of every command stands in its help.
#include "orchestrator/cli.h"

#include <string.h>

#include "support/harness.h"

static const struct assay_option options[] = {
        {"number", 'n', "N", "a number", false},
        {"name", 0, "TEXT", "a name", true},
        {"loud", 'l', NULL, "a flag", false},
        {NULL, 0, NULL, NULL, false},
};

static enum assay_exit look(struct assay_invocation *invocation)
{
    struct assay_error err = {0};
    uint64_t number = 7;

    if (assay_cli_number(&number, invocation, "number", 1, 100, &err) != ASSAY_OK)
        return assay_cli_fail(&err);
    assert_int_equal(invocation->argument_count, 1);
    assert_string_equal(invocation->arguments[0], "here");
    if (assay_cli_flag(invocation, "loud")) {
        assert_int_equal(number, 42);
        assert_string_equal(assay_cli_value_at(invocation, "name", 0), "a");
        assert_string_equal(assay_cli_value_at(invocation, "name", 1), "b c");
        assert_null(assay_cli_value_at(invocation, "name", 2));
        assert_string_equal(assay_cli_value(invocation, "name"), "b c");
        assert_non_null(strstr(invocation->command_line, "'--name=b c'"));
    } else {
        assert_int_equal(number, 7);
        assert_null(assay_cli_value(invocation, "name"));
    }
    return ASSAY_EXIT_OK;
}

static const struct assay_command commands[] = {
        {"look", "PLACE", "Look", "assay look here", options, 1, 1, look},
        {"look twice", "PLACE", "Look twice", "assay look twice here", options, 1, 1, look},
        {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL},
};

static void the_table_decides_what_a_command_line_means(void **state)
{
    static const struct {
        enum assay_exit want;
        const char *argv[10];
    } rows[] = {
            {ASSAY_EXIT_OK, {"assay", "look", "here"}},
            {ASSAY_EXIT_OK, {"assay", "look", "twice", "here"}},
            {ASSAY_EXIT_OK,
                    {"assay", "look", "-l", "here", "-n", "42", "--name", "a", "--name=b c"}},
            {ASSAY_EXIT_OK, {"assay", "look", "--help"}},
            {ASSAY_EXIT_OK, {"assay", "--help"}},
            {ASSAY_EXIT_USAGE, {"assay"}},
            {ASSAY_EXIT_USAGE, {"assay", "look"}},
            {ASSAY_EXIT_USAGE, {"assay", "look", "here", "there"}},
            {ASSAY_EXIT_USAGE, {"assay", "look", "here", "--nosuch"}},
            {ASSAY_EXIT_USAGE, {"assay", "look", "here", "--number"}},
            {ASSAY_EXIT_USAGE, {"assay", "look", "here", "-n", "1", "-n", "2"}},
            {ASSAY_EXIT_USAGE, {"assay", "look", "here", "--log-level", "shout"}},
            {ASSAY_EXIT_USAGE, {"assay", "lock", "here"}},
            {ASSAY_EXIT_USAGE, {"assay", "look", "here", "-n", "101"}},
            {ASSAY_EXIT_USAGE, {"assay", "look", "here", "-n", "-1"}},
            {ASSAY_EXIT_USAGE, {"assay", "look", "here", "-n", "4x"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char copies[10][32];
        char *argv[11] = {NULL};
        int argc = 0;

        while (argc < 10 && rows[i].argv[argc]) {
            snprintf(copies[argc], sizeof(copies[argc]), "%s", rows[i].argv[argc]);
            argv[argc] = copies[argc];
            argc++;
        }
        print_message("row %zu\n", i);
        assert_int_equal(assay_cli_main(commands, argc, argv), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_table_decides_what_a_command_line_means),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
