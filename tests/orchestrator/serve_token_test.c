// SPDX-License-Identifier: MIT
// What must hold: only whole tokens of a private file open a door, each its own; and only names of
// this server are its names.
#include "orchestrator/serve_token.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "support/harness.h"
#include "support/temp.h"

static enum assay_status read_tokens(
        struct assay_tokens **out, void **state, const char *text, mode_t mode)
{
    const struct assay_temp *temp = *state;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/tokens", temp->path);
    (void)remove(path);
    assay_temp_write(temp, "tokens", text);
    assert_int_equal(chmod(path, mode), 0);
    return assay_tokens_read(out, path, NULL);
}

static void each_token_has_its_role(void **state)
{
    static const struct {
        const char *header, *who;
        enum assay_role role;
    } rows[] = {
            {"Bearer aaaaaaaaaaaaaaaa", "ci", ASSAY_ROLE_READ},
            {"bearer bbbbbbbbbbbbbbbb", "run-3", ASSAY_ROLE_RUN},
            {"Bearer cccccccccccccccc", "admin-5", ASSAY_ROLE_ADMIN},
            {"Bearer aaaaaaaaaaaaaaa", "", ASSAY_ROLE_NONE},
            {"Bearer aaaaaaaaaaaaaaaaa", "", ASSAY_ROLE_NONE},
            {"Bearer  aaaaaaaaaaaaaaaa", "", ASSAY_ROLE_NONE},
            {"Bearer", "", ASSAY_ROLE_NONE},
            {"Basic aaaaaaaaaaaaaaaa", "", ASSAY_ROLE_NONE},
            {"Bearer #dddddddddddddddd", "", ASSAY_ROLE_NONE},
            {"", "", ASSAY_ROLE_NONE},
            {NULL, "", ASSAY_ROLE_NONE},
    };
    struct assay_tokens *tokens = NULL;
    char who[ASSAY_WHO_BYTES];

    assert_int_equal(read_tokens(&tokens, state,
                             "# whose\nread aaaaaaaaaaaaaaaa ci\n run\tbbbbbbbbbbbbbbbb \r\n\n"
                             "admin cccccccccccccccc",
                             0600),
            ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(assay_tokens_role(tokens, rows[i].header, who), rows[i].role);
        assert_string_equal(who, rows[i].who);
    }
    assert_int_equal(assay_tokens_role_of(tokens, "bbbbbbbbbbbbbbbb", who), ASSAY_ROLE_RUN);
    assert_string_equal(who, "run-3");
    assert_int_equal(assay_tokens_role_of(tokens, "Bearer bbbbbbbbbbbbbbbb", who), ASSAY_ROLE_NONE);
    assert_int_equal(assay_tokens_role_of(tokens, NULL, who), ASSAY_ROLE_NONE);
    assert_int_equal(assay_tokens_role(NULL, NULL, who), ASSAY_ROLE_ADMIN);
    assay_tokens_free(tokens);
}

static void a_file_that_is_wrong_opens_nothing(void **state)
{
    struct assay_tokens *tokens = NULL;

    assert_int_equal(read_tokens(&tokens, state, "read aaaaaaaaaaaaaaaa\n", 0640), ASSAY_EREFUSED);
    assert_int_equal(read_tokens(&tokens, state, "", 0600), ASSAY_EINVAL);
    assert_int_equal(read_tokens(&tokens, state, "# none\n\n", 0600), ASSAY_EINVAL);
    assert_int_equal(read_tokens(&tokens, state, "read short\n", 0600), ASSAY_EINVAL);
    assert_int_equal(read_tokens(&tokens, state, "none aaaaaaaaaaaaaaaa\n", 0600), ASSAY_EINVAL);
    assert_int_equal(read_tokens(&tokens, state, "root aaaaaaaaaaaaaaaa\n", 0600), ASSAY_EINVAL);
    assert_int_equal(assay_tokens_read(&tokens, "/nonexistent", NULL), ASSAY_ENOTFOUND);
    assert_int_equal(assay_tokens_read(&tokens, "/dev/null", NULL), ASSAY_EREFUSED);
    assert_null(tokens);
}

static void names_of_this_server(void **state)
{
    static const char *const names[] = {"grader.example"};
    static const struct {
        const char *host;
        bool ours;
    } rows[] = {{"localhost", true}, {"LocalHost:8080", true}, {"127.0.0.1:1", true},
            {"[::1]:8080", true}, {"[::1]", true}, {"grader.example:443", true}, {"", false},
            {":80", false}, {"[", false}, {"[]", false}, {"localhost.evil", false},
            {"evil.localhost", false}, {"127.0.0.1.evil", false}, {"127.0.0.11", false},
            {"grader.exampl", false}, {NULL, false}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(assay_host_is_ours(rows[i].host, names, 1), rows[i].ours);
    assert_false(assay_host_is_ours("grader.example", NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(
                    each_token_has_its_role, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(
                    a_file_that_is_wrong_opens_nothing, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test(names_of_this_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
