// SPDX-License-Identifier: MIT
// What must hold: rows in any of the field's spellings become instances, byte for byte; a malformed
// row is refused with file, line and field; a row cannot name a path.
#include <stdio.h>
#include <string.h>

#include "tasks/suite.h"
#include "tests/tasks/fixture.h"

#define COMMIT "0123456789012345678901234567890123456789"
#define PATCH "--- a/a.txt\\n+++ b/a.txt\\n@@ -1 +1 @@\\n-one\\r\\n+two\\r\\n"

// A row in one line; the tests change parts of it.
static const char row_json[] =
        "{\"repo\": \"demo/thing\", \"instance_id\": \"demo__thing-1\", \"base_commit\": \"" COMMIT
        "\", \"patch\": \"" PATCH "\", \"test_patch\": \"\", \"problem_statement\": \"It fails.\","
        " \"hints_text\": null, \"version\": \"1.0\","
        " \"FAIL_TO_PASS\": \"[\\\"t.py::a\\\", \\\"t.py::b[x y\\\"]\","
        " \"PASS_TO_PASS\": [\"t.py::c\"],"
        " \"test_cmd\": \"pytest -rA t.py\", \"log_parser\": \"parse_log_pytest_v2\"}";

static struct assay_swebench_options options_of(void *const *state)
{
    static char repos[256];

    snprintf(repos, sizeof(repos), "%s", in_dir(state, "repos"));
    return (struct assay_swebench_options){.name = "demo", .repos = repos};
}

static void write_repository(void *const *state)
{
    make_folder(state, "repos/demo__thing/.git");
}

// `text` with the first `from` replaced by `to`.
static const char *changed(const char *text, const char *from, const char *to)
{
    static char out[16384];
    char copy[16384];
    const char *at = strstr(text, from);

    assert_non_null(at);
    snprintf(copy, sizeof(copy), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    memcpy(out, copy, sizeof(out));
    return out;
}

static struct assay_suite *read_good(void *const *state, const char *file)
{
    const struct assay_swebench_options options = options_of(state);
    struct assay_suite *suite = NULL;
    struct assay_error err;

    if (assay_suite_read_swebench(&suite, in_dir(state, file), &options, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return suite;
}

static void assert_refused(void *const *state, const char *file,
        const struct assay_swebench_options *options, const char *message)
{
    struct assay_suite *suite = NULL;
    struct assay_error err = {0};
    char expected[512];

    snprintf(expected, sizeof(expected), "%s", in_dir(state, message));
    assert_int_not_equal(
            assay_suite_read_swebench(&suite, in_dir(state, file), options, &err), ASSAY_OK);
    assert_string_equal(err.message, expected);
    assert_null(suite);
}

static void a_row_becomes_an_instance(void **state)
{
    const struct assay_instance *instance;
    struct assay_suite *suite;

    write_repository(state);
    write_file(state, "rows.jsonl", row_json);
    suite = read_good(state, "rows.jsonl");
    assert_string_equal(suite->name, "demo");
    assert_int_equal(strncmp(suite->version, "sha256:", 7), 0);
    assert_int_equal(suite->instance_count, 1);
    instance = &suite->instances[0];
    assert_string_equal(instance->instance_id, "demo__thing-1");
    assert_int_equal(instance->base.kind, ASSAY_BASE_GIT);
    assert_string_equal(instance->base.where, in_dir(state, "repos/demo__thing"));
    assert_string_equal(instance->base.commit, COMMIT);
    assert_string_equal(
            instance->gold_patch.data, "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\r\n+two\r\n");
    assert_string_equal(instance->fail_to_pass.items[1], "t.py::b[x y"); // cut off, kept as it is
    assert_string_equal(instance->pass_to_pass.items[0], "t.py::c");
    assert_int_equal(instance->test_cmd.count, 3);
    assert_string_equal(instance->test_cmd.items[0], "bash");
    assert_string_equal(instance->test_cmd.items[2], "pytest -rA t.py");
    assert_string_equal(instance->framework, "pytest");
    assert_int_equal(instance->rules, ASSAY_RULES_SWEBENCH);
    assert_string_equal(instance->recipe, "host");
    assert_string_equal(suite->recipes[0].workdir, "/testbed");
    assay_suite_free(suite);
}

static void lines_lists_and_objects_are_the_same_suite(void **state)
{
    char text[8192];
    char second[4096];

    write_repository(state);
    snprintf(second, sizeof(second), "%s", changed(row_json, "thing-1", "thing-0"));
    for (size_t i = 0; i < 5; i++) {
        struct assay_suite *suite;

        if (i == 0)
            snprintf(text, sizeof(text), "\xef\xbb\xbf%s\r\n\r\n%s\r\n", row_json, second);
        else if (i == 1)
            snprintf(text, sizeof(text), "[\n%s,\n %s]\n", row_json, second);
        else if (i == 2)
            snprintf(text, sizeof(text), "{\"demo__thing-1\": %s,\n\"demo__thing-0\":%s}", row_json,
                    second);
        else if (i == 3) // JSON Lines by another name
            snprintf(text, sizeof(text), "%s\n%s", row_json, second);
        else // one row over several lines
            snprintf(text, sizeof(text), "%s", changed(row_json, "{\"repo\"", "{\n\"repo\""));
        print_message("layout %zu\n", i);
        write_file(state, i == 0 ? "rows.jsonl" : "rows.json", text);
        suite = read_good(state, i == 0 ? "rows.jsonl" : "rows.json");
        assert_int_equal(suite->instance_count, i == 4 ? 1 : 2);
        assert_string_equal(
                suite->instances[0].instance_id, i == 4 ? "demo__thing-1" : "demo__thing-0");
        assay_suite_free(suite);
    }
}

static void test_lists_are_read_in_all_spellings(void **state)
{
    static const struct {
        const char *json, *first;
        size_t count;
    } rows[] = {
            {"\"FAIL_TO_PASS\": [\"a\", \"b\"]", "a", 2},
            {"\"FAIL_TO_PASS\": []", NULL, 0},
            {"\"FAIL_TO_PASS\": \"[]\"", NULL, 0},
            {"\"FAIL_TO_PASS\": \"['a', \\\"b's\\\"]\"", "a", 2},
            {"\"fail_to_pass\": \"[\\\"it's\\\", 'say \\\\\\\"x\\\\\\\"',]\"", "it's", 2},
            {"\"fail_to_pass\": [\"a\"]", "a", 1},
            {"\"fail_to_pass\": \"['\\\\u00e9\\\\x41\\\\n\\\\\\\\d\\\\d']\"",
                    "\xc3\xa9"
                    "A\n\\d\\d",
                    1},
            {"\"fail_to_pass\": \"['\\\\U0001F600', '\\\\101\\\\60']\"", "\xf0\x9f\x98\x80", 2},
            {"\"fail_to_pass\": \" [ 'a' , 'b' , ] \"", "a", 2},
    };

    write_repository(state);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_strings *tests;
        struct assay_suite *suite;

        print_message("row %zu\n", i);
        write_file(state, "rows.jsonl",
                changed(row_json, "\"FAIL_TO_PASS\": \"[\\\"t.py::a\\\", \\\"t.py::b[x y\\\"]\"",
                        rows[i].json));
        suite = read_good(state, "rows.jsonl");
        tests = &suite->instances[0].fail_to_pass;
        assert_int_equal(tests->count, rows[i].count);
        if (rows[i].first != NULL)
            assert_string_equal(tests->items[0], rows[i].first);
        assay_suite_free(suite);
    }
}

static void the_command_is_cut_out_of_the_eval_script(void **state)
{
    static const char script[] =
            "\"eval_script\": \"#!/bin/bash\\nset -uxo pipefail\\nsource x activate\\n"
            "export LANG=C.UTF-8\\ngit apply -v - <<'EOF_114'\\n"
            "--- a/x\\n+++ b/x\\n@@ -1,2 +1,3 @@\\nexport FORGED=1\\n: '>>>>> Start Test Output'\\n"
            "EOF_114\\nexport TZ=UTC\\n: '>>>>> Start Test Output'\\n"
            "./tests/runtests.py --verbosity 2 a.b\\nRC=$?\\n: '>>>>> End Test Output'\\n"
            "git checkout x\\necho \\\">>>>> Test Exit Code: $RC\\\"\\n\", \"test_cmd\": \"no\"";
    struct assay_suite *suite;

    write_repository(state);
    write_file(state, "rows.jsonl",
            changed(changed(row_json, "\"test_cmd\": \"pytest -rA t.py\"", script),
                    "parse_log_pytest_v2", "parse_log_django"));
    suite = read_good(state, "rows.jsonl");
    assert_string_equal(suite->instances[0].test_cmd.items[2],
            "export LANG=C.UTF-8\nexport TZ=UTC\n./tests/runtests.py --verbosity 2 a.b\n");
    assert_string_equal(suite->instances[0].framework, "unittest");
    assay_suite_free(suite);
}

static void commands_come_from_the_row_before_the_options(void **state)
{
    static const struct {
        const char *json, *command, *framework;
    } rows[] = {
            {"\"install_config\": {\"test_cmd\": \"make check\", \"log_parser\": \"tap\"}",
                    "make check", "tap"},
            {"\"install_config\": {\"test_cmd\": [\"mvn a\", \"mvn b\"]}, \"log_parser\": \"junit\"",
                    "mvn a\nmvn b", "junit"},
            {"\"test_cmd\": \"go test ./...\", \"log_parser\": \"parse_log_gotest\"",
                    "go test ./...", "gotest"},
            {"\"log_parser\": \"cargo\"", "standby", "cargo"},
            {"\"test_cmd\": null", "standby", "ctest"},
            {"\"eval_type\": \"fail_only\"", "standby", "ctest"},
    };
    struct assay_swebench_options options = options_of(state);

    write_repository(state);
    options.test_cmd = "standby";
    options.framework = "ctest";
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_suite *suite = NULL;
        struct assay_error err;

        print_message("row %zu\n", i);
        write_file(state, "rows.jsonl",
                changed(row_json,
                        "\"test_cmd\": \"pytest -rA t.py\", \"log_parser\": \"parse_log_pytest_v2\"",
                        rows[i].json));
        if (assay_suite_read_swebench(&suite, in_dir(state, "rows.jsonl"), &options, &err) !=
                ASSAY_OK)
            fail_msg("%s", err.message);
        assert_string_equal(suite->instances[0].test_cmd.items[2], rows[i].command);
        assert_string_equal(suite->instances[0].framework, rows[i].framework);
        assert_int_equal(suite->instances[0].fail_only, i == 5);
        assay_suite_free(suite);
    }
}

static void a_malformed_row_is_refused_with_file_line_and_field(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } rows[] = {
            {"\"instance_id\"", "\"id\"", "instance_id: missing"},
            {"demo__thing-1", "demo/thing-1", "instance_id: must be 1 to 200 of [A-Za-z0-9_.-]"},
            {"\"demo/thing\"", "\"demo/../thing\"", "repo: expected \"owner/name\""},
            {"\"demo/thing\"", "\"../thing\"", "repo: expected \"owner/name\""},
            {"\"demo/thing\"", "null", "repo: null is not allowed"},
            {COMMIT, "HEAD", "base_commit: expected 40 or 64 lower-case hex digits"},
            {"\"patch\": \"" PATCH "\"", "\"patch\": \"\"", "patch: must not be empty"},
            {"\"patch\": \"" PATCH "\"", "\"patch\": \"prose\"", "patch: no diff found"},
            {"\"test_patch\": \"\"", "\"test_patch\": null", "test_patch: null is not allowed"},
            {"\"problem_statement\"", "\"problem\"", "problem_statement: missing"},
            {"\"PASS_TO_PASS\"", "\"P2P\"", "PASS_TO_PASS: missing"},
            {"[\"t.py::c\"]", "[\"t.py::c\", 7]", "PASS_TO_PASS[1]: expected a string"},
            {"[\"t.py::c\"]", "[\"t.py::a\"]",
                    "PASS_TO_PASS[0]: \"t.py::a\" stands in FAIL_TO_PASS already"},
            {"[\"t.py::c\"]", "\"t.py::c\"",
                    "PASS_TO_PASS: neither a list of strings nor a string that holds one in JSON "
                    "or Python"},
            {"[\"t.py::c\"]", "\"['a' 'b']\"",
                    "PASS_TO_PASS: neither a list of strings nor a string that holds one in JSON "
                    "or Python"},
            {"[\"t.py::c\"]", "\"[1, 2]\"", "PASS_TO_PASS[0]: expected a string"},
            {"parse_log_pytest_v2", "parse_log_nosuch",
                    "log_parser: no framework reads what \"parse_log_nosuch\" reads"},
            {"\"log_parser\"", "\"parser\"", "log_parser: missing; --framework stands in for it"},
            {"\"test_cmd\"", "\"cmd\"",
                    "test_cmd: missing, as eval_script is; --test-cmd stands in for it"},
            {"pytest -rA t.py", " ", "test_cmd: must not be empty"},
            {"\"test_cmd\"", "\"eval_script\": \"make\", \"test_cmd\"",
                    "eval_script: no line with '>>>>> Start Test Output'"},
            {"\"test_cmd\"",
                    "\"eval_script\": \": '>>>>> Start Test Output'\\nmake\", \"test_cmd\"",
                    "eval_script: no line with '>>>>> End Test Output'"},
            {"\"test_cmd\"",
                    "\"eval_script\": \": '>>>>> Start Test Output'\\nX=$?\\n: '>>>>> End Test "
                    "Output'\", \"test_cmd\"",
                    "eval_script: nothing stands between the test output markers"},
            {"\"test_cmd\"", "\"eval_type\": \"both\", \"test_cmd\"",
                    "eval_type: expected \"pass_and_fail\" or \"fail_only\""},
            {"\"hints_text\"", "\"repo\"", NULL}, // a key twice: base/json's message
    };
    const struct assay_swebench_options options = options_of(state);

    write_repository(state);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_suite *suite = NULL;
        struct assay_error err = {0};
        char text[8192];
        char message[256];

        print_message("row %zu\n", i);
        snprintf(text, sizeof(text), "\n%s\n%s\n", changed(row_json, "thing-1", "thing-0"), "");
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n",
                changed(row_json, rows[i].from, rows[i].to));
        write_file(state, "rows.jsonl", text);
        snprintf(message, sizeof(message), "rows.jsonl:4: %s",
                rows[i].message == NULL ? "" : rows[i].message);
        if (rows[i].message != NULL) {
            assert_refused(state, "rows.jsonl", &options, message);
            continue;
        }
        assert_int_equal(
                assay_suite_read_swebench(&suite, in_dir(state, "rows.jsonl"), &options, &err),
                ASSAY_EINVAL);
        assert_non_null(strstr(err.message, message));
        assert_non_null(strstr(err.message, "repo"));
    }
}

static void what_is_wrong_with_the_whole_file_is_told(void **state)
{
    struct assay_swebench_options options = options_of(state);
    char text[8192];

    write_repository(state);
    assert_refused(state, "none.jsonl", &options, "none.jsonl: no such file");
    write_file(state, "rows.jsonl", "\n\n");
    assert_refused(state, "rows.jsonl", &options, "rows.jsonl: no rows");
    snprintf(text, sizeof(text), "%s\n%s\n", row_json, row_json);
    write_file(state, "rows.jsonl", text);
    assert_refused(state, "rows.jsonl", &options,
            "rows.jsonl:2: instance_id: \"demo__thing-1\" has a row already, in line 1");
    snprintf(text, sizeof(text), "[%s\n%s]", row_json, row_json);
    write_file(state, "rows.json", text);
    assert_refused(state, "rows.json", &options, "rows.json:2: expected ',' or ']'");
    snprintf(text, sizeof(text), "[%s,\n{\"repo\"", row_json);
    write_file(state, "rows.json", text);
    assert_refused(state, "rows.json", &options, "rows.json:2: the file is cut off");
    snprintf(text, sizeof(text), "[%s,\n]", row_json);
    write_file(state, "rows.json", text);
    assert_refused(state, "rows.json", &options, "rows.json:2: a row is missing behind ','");
    snprintf(text, sizeof(text), "[%s]\n[", row_json);
    write_file(state, "rows.json", text);
    assert_refused(state, "rows.json", &options, "rows.json:2: the file goes on behind its end");
    snprintf(text, sizeof(text), "{\"other\": %s}", row_json);
    write_file(state, "rows.json", text);
    assert_refused(state, "rows.json", &options,
            "rows.json:1: instance_id: \"demo__thing-1\" stands under the key \"other\"");
    write_file(state, "rows.jsonl", "[]\n");
    assert_refused(state, "rows.jsonl", &options, "rows.jsonl:1: expected an object");
    options.name = NULL;
    write_file(state, "my rows.jsonl", row_json);
    assert_refused(state, "my rows.jsonl", &options,
            "my rows.jsonl: a suite cannot be called \"my rows\": --name must be 1 to 100 of "
            "[A-Za-z0-9_.-]");
    options.repos = NULL;
    write_file(state, "rows.jsonl", row_json);
    assert_refused(state, "rows.jsonl", &options,
            "rows.jsonl:1: repo: --repos must tell where repositories are found");
}

static void repositories_are_found_under_the_usual_names(void **state)
{
    static const struct {
        const char *path;
        enum assay_base_kind kind;
    } rows[] = {
            {"demo__thing/.git/", ASSAY_BASE_GIT},
            {"demo__thing.git/HEAD", ASSAY_BASE_GIT},
            {"demo/thing/HEAD", ASSAY_BASE_GIT},
            {"demo/thing.git/HEAD", ASSAY_BASE_GIT},
            {"thing/HEAD", ASSAY_BASE_GIT},
            {"thing.git/HEAD", ASSAY_BASE_GIT},
            {"demo__thing.tar.gz", ASSAY_BASE_GIT},
            {"demo/thing.tgz", ASSAY_BASE_GIT},
            {"thing.tar", ASSAY_BASE_GIT},
            {"thing.tar.xz", ASSAY_BASE_GIT},
            {"demo__thing.zip", ASSAY_BASE_GIT},
            {"demo__thing-" COMMIT ".tar.gz", ASSAY_BASE_ARCHIVE},
            {"demo/thing-" COMMIT ".zip", ASSAY_BASE_ARCHIVE},
            {"thing-" COMMIT ".tgz", ASSAY_BASE_ARCHIVE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_swebench_options options = {.name = "demo"};
        struct assay_suite *suite = NULL;
        struct assay_error err;
        char folder[32];
        char path[256];
        size_t len;

        print_message("row %zu\n", i);
        snprintf(folder, sizeof(folder), "repos%zu", i);
        make_folder(state, folder);
        make_folder(state, "repos-other");
        snprintf(path, sizeof(path), "%s/%s", folder, rows[i].path);
        len = strlen(path);
        if (path[len - 1] == '/') {
            path[len - 1] = '\0';
            make_folder(state, path);
        } else {
            write_file(state, path, "x");
        }
        if (len > 5 && strcmp(path + len - 5, "/HEAD") == 0) {
            memcpy(path + len - 4, "objects", 8);
            make_folder(state, path);
        }
        write_file(state, "rows.jsonl", row_json);
        options.repos = in_dir(state, folder);
        if (assay_suite_read_swebench(&suite, in_dir(state, "rows.jsonl"), &options, &err) !=
                ASSAY_OK)
            fail_msg("%s", err.message);
        assert_int_equal(suite->instances[0].base.kind, rows[i].kind);
        assert_int_equal(suite->instances[0].base.where[0], '/');
        if (rows[i].kind == ASSAY_BASE_ARCHIVE) // of "x"
            assert_string_equal(suite->instances[0].base.sha256,
                    "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
        assay_suite_free(suite);
    }
}

static void a_template_makes_urls(void **state)
{
    static const struct {
        const char *template, *result, *message;
    } rows[] = {
            {"https://example.org/{repo}.git", "https://example.org/demo/thing.git", NULL},
            {"ssh://x/{owner}--{name}", "ssh://x/demo--thing", NULL},
            {"https://example.org/", NULL,
                    "rows.jsonl:1: repo: --repos: a URL needs {repo}, or {owner} and {name}"},
            {"https://example.org/{slug}", NULL,
                    "rows.jsonl:1: repo: --repos: only {owner}, {name} and {repo} are replaced"},
    };

    write_file(state, "rows.jsonl", row_json);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_swebench_options options = {.name = "demo", .repos = rows[i].template};
        struct assay_suite *suite = NULL;

        if (rows[i].message != NULL) {
            assert_refused(state, "rows.jsonl", &options, rows[i].message);
            continue;
        }
        assert_int_equal(
                assay_suite_read_swebench(&suite, in_dir(state, "rows.jsonl"), &options, NULL),
                ASSAY_OK);
        assert_string_equal(suite->instances[0].base.where, rows[i].result);
        assay_suite_free(suite);
    }
}

static void a_repository_that_is_not_there_is_named(void **state)
{
    struct assay_swebench_options options = {.name = "demo"};
    struct assay_suite *suite = NULL;
    struct assay_error err;

    make_folder(state, "repos/demo/thing"); // a folder, but no repository
    write_file(state, "rows.jsonl", row_json);
    options.repos = in_dir(state, "repos");
    assert_int_equal(assay_suite_read_swebench(&suite, in_dir(state, "rows.jsonl"), &options, &err),
            ASSAY_EINVAL);
    assert_non_null(strstr(
            err.message, "rows.jsonl:1: repo: no repository or tarball of \"demo/thing\" in "));
}

#define ROOM(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            ROOM(a_row_becomes_an_instance),
            ROOM(lines_lists_and_objects_are_the_same_suite),
            ROOM(test_lists_are_read_in_all_spellings),
            ROOM(the_command_is_cut_out_of_the_eval_script),
            ROOM(commands_come_from_the_row_before_the_options),
            ROOM(a_malformed_row_is_refused_with_file_line_and_field),
            ROOM(what_is_wrong_with_the_whole_file_is_told),
            ROOM(repositories_are_found_under_the_usual_names),
            ROOM(a_template_makes_urls),
            ROOM(a_repository_that_is_not_there_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
