// SPDX-License-Identifier: MIT
// What must hold: each family's rows, as that family writes them, become instances with that
// family's rules; a row that breaks the family's own rule is refused with file, line and field;
// gzip and zstd around a file change nothing.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "tasks/patch_make.h"
#include "tasks/suite.h"
#include "tests/tasks/fixture.h"

#define COMMIT "0123456789012345678901234567890123456789"
#define PATCH "--- a/a.py\\n+++ b/a.py\\n@@ -1,2 +1,2 @@\\n one\\n-two\\n+three\\n"

#define COMMON                                                                                     \
    "\"repo\": \"demo/thing\", \"instance_id\": \"demo__thing-1\", \"base_commit\": \"" COMMIT     \
    "\", \"patch\": \"" PATCH "\", \"test_patch\": \"\", \"problem_statement\": \"It fails.\""
#define LISTS "\"FAIL_TO_PASS\": [\"t.py::a\"], \"PASS_TO_PASS\": [\"t.py::b\"]"

static const char live[] =
        "{" COMMON ", " LISTS
        ", \"pull_number\": \"1\", \"test_cmds\": [\"cd /testbed\", \"pytest -rA\"],"
        " \"log_parser\": \"pytest\"}";
static const char rebench[] =
        "{" COMMON ", " LISTS
        ", \"image_name\": \"x\", \"language\": \"python\", \"install_config\":"
        " {\"test_cmd\": \"pytest -rA\", \"log_parser\": \"parse_log_pytest\"}}";
static const char smith[] =
        "{\"instance_id\": \"demo__thing.01234567.func_basic__x1\", \"repo\": \"swesmith/demo__thing"
        ".01234567\", \"base_commit\": \"" COMMIT "\", \"patch\": \"diff --git a/a.py b/a.py\\n"
        "index 111..222 100644\\n" PATCH
        "\", \"image_name\": \"x\", \"problem_statement\": \"\", " LISTS "}";
static const char pro[] =
        "{" COMMON ", \"requirements\": \"- R\", \"interface\": \"f()\","
        " \"repo_language\": \"go\", \"fail_to_pass\": \"['A | b', 'c']\", \"pass_to_pass\": \"[]\","
        " \"before_repo_set_cmd\": \"git reset --hard x\","
        " \"selected_test_files_to_run\": \"['t/a.js', 't/b.js']\"}";
static const char r2e[] =
        "{\"repo_name\": \"thing\", \"docker_image\": \"x\", \"commit_hash\": \"" COMMIT "\","
        " \"problem_statement\": \"It fails.\","
        " \"expected_output_json\": \"{\\\"A.one\\\": \\\"PASSED\\\", \\\"two\\\": \\\"FAILED\\\","
        " \\\"three\\\": \\\"ERROR\\\"}\","
        " \"execution_result_content\": {\"test_file_names\": [\"test_1.py\"],"
        "  \"test_file_codes\": [\"def test(): pass\"]},"
        " \"parsed_commit_content\": {\"file_diffs\": ["
        "  {\"minus_file\": {\"path\": \"a/src/a.py\"}, \"plus_file\": {\"path\": \"b/src/a.py\"},"
        "   \"hunks\": [{\"descriptor\": {\"old_range\": {\"start\": 1, \"length\": 2},"
        "    \"new_range\": {\"start\": 1, \"length\": 2}, \"section\": \"def f():\"},"
        "    \"line_group\": {\"all_lines\": [{\"content\": \"one\", \"type\": \"context\"},"
        "     {\"content\": \"two\", \"type\": \"deleted\"},"
        "     {\"content\": \"three\", \"type\": \"added\"},"
        "     {\"content\": \"\", \"type\": \"note\"}]}}]},"
        "  {\"minus_file\": {\"path\": \"/dev/null\"}, \"plus_file\": {\"path\": \"b/tests/x.py\"},"
        "   \"hunks\": []}, {\"minus_file\": {\"path\": \"a/doc.md\"}, \"plus_file\":"
        "   {\"path\": \"b/doc.md\"}, \"hunks\": []}]}}";
#define RESULT(passed, failed, skipped)                                                            \
    "{\"passed_count\": 0, \"failed_count\": 0, \"skipped_count\": 0, \"passed_tests\": [" passed  \
    "], \"failed_tests\": [" failed "], \"skipped_tests\": [" skipped "]}"
static const char multi[] =
        "{\"org\": \"demo\", \"repo\": \"thing\", \"number\": 7, \"state\": \"closed\","
        " \"title\": \"T\", \"body\": \"B\", \"base\": {\"label\": \"x\", \"ref\": \"main\","
        " \"sha\": \"" COMMIT "\"}, \"resolved_issues\": [{\"number\": 3, \"title\": \"It fails\","
        " \"body\": \"often\"}], \"fix_patch\": \"" PATCH "\", \"test_patch\": \"\","
        " \"f2p_tests\": {\"a\": {\"run\": \"PASS\", \"test\": \"FAIL\", \"fix\": \"PASS\"}},"
        " \"n2p_tests\": {\"n\": {\"run\": \"NONE\", \"test\": \"NONE\", \"fix\": \"PASS\"}},"
        " \"s2p_tests\": {}, \"p2p_tests\": {\"p\": {\"run\": \"PASS\", \"test\": \"PASS\", \"fix\":"
        " \"PASS\"}}, \"run_result\": " RESULT("\"a\", \"p\", \"q\", \"r\"", "",
                "") ", \"test_patch_result\": " RESULT("\"p\", \"q\"", "\"a\"",
                "\"r\"") ", \"fix_patch_result\": " RESULT("\"a\", \"n\", \"p\"", "",
                "\"q\"") ", \"test_cmd\": \"make check\","
                         " \"log_parser\": \"tap\"}";

static struct assay_swebench_options options_of(void *const *state)
{
    static char repos[256], scripts[256];

    snprintf(repos, sizeof(repos), "%s", in_dir(state, "repos"));
    snprintf(scripts, sizeof(scripts), "%s", in_dir(state, "scripts"));
    make_folder(state, "repos/demo__thing/.git");
    make_folder(state, "repos/thing/.git");
    make_folder(state, "repos/swesmith/demo__thing.01234567/.git");
    return (struct assay_swebench_options){.name = "demo", .repos = repos, .scripts = scripts};
}

static struct assay_suite *read_file(void *const *state, const char *file)
{
    const struct assay_swebench_options options = options_of(state);
    struct assay_suite *suite = NULL;
    struct assay_error err = {0};

    if (assay_suite_read_swebench(&suite, in_dir(state, file), &options, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assert_int_equal(suite->instance_count, 1);
    return suite;
}

static struct assay_suite *read_row(void *const *state, const char *row)
{
    write_file(state, "rows.jsonl", row);
    return read_file(state, "rows.jsonl");
}

// `row` with its first `from` replaced by `to` is refused, and the message ends in this.
static void assert_refused(
        void *const *state, const char *row, const char *from, const char *to, const char *end)
{
    const struct assay_swebench_options options = options_of(state);
    struct assay_suite *suite = NULL;
    struct assay_error err = {0};
    const char *at = strstr(row, from);
    char text[8192], expected[1024];

    assert_non_null(at);
    snprintf(text, sizeof(text), "\n%.*s%s%s", (int)(at - row), row, to, at + strlen(from));
    write_file(state, "rows.jsonl", text);
    assert_int_not_equal(
            assay_suite_read_swebench(&suite, in_dir(state, "rows.jsonl"), &options, &err),
            ASSAY_OK);
    snprintf(expected, sizeof(expected), "%s:2: %s", in_dir(state, "rows.jsonl"), end);
    assert_string_equal(err.message, expected);
    assert_null(suite);
}

static void swebenchs_nearest_relatives_are_told_apart(void **state)
{
    static const struct {
        const char *row;
        const char *command;
        enum assay_rules rules;
    } rows[] = {{live, "cd /testbed\npytest -rA", ASSAY_RULES_SWEBENCH},
            {rebench, "pytest -rA", ASSAY_RULES_ALL_PASSED}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_suite *suite = read_row(state, rows[i].row);

        assert_string_equal(suite->instances[0].test_cmd.items[2], rows[i].command);
        assert_int_equal(suite->instances[0].rules, rows[i].rules);
        assert_int_equal(suite->instances[0].row.len, strlen(rows[i].row));
        assert_string_equal(suite->instances[0].row.data, rows[i].row);
        assay_suite_free(suite);
    }
}

static void smiths_patch_makes_the_bug_and_gold_undoes_it(void **state)
{
    struct assay_suite *suite = read_row(state, smith);
    const struct assay_instance *instance = &suite->instances[0];

    assert_string_equal(instance->gold_patch.data,
            "diff --git a/a.py b/a.py\nindex 222..111 100644\n--- a/a.py\n+++ b/a.py\n"
            "@@ -1,2 +1,2 @@\n one\n-three\n+two\n");
    assert_non_null(strstr(instance->base.patch.data, "+three"));
    assert_int_equal(instance->test_patch.len, 0);
    assert_string_equal(instance->framework, "pytest");
    assay_suite_free(suite);
    assert_refused(state, smith, "a/a.py b/a.py\\nindex 111..222 100644\\n--- a/a.py",
            "a/x.py b/a.py\\nsimilarity index 90%\\nrename from x.py\\nrename to a.py\\n--- a/x.py",
            "patch: it renames or copies a file, which cannot be turned round");
}

static void pros_scripts_travel_in_the_test_patch(void **state)
{
    const struct assay_instance *instance;
    struct assay_suite *suite;

    write_file(state, "scripts/demo__thing-1/run_script.sh", "echo hi\n");
    write_file(state, "scripts/demo__thing-1/parser.py", "import sys");
    suite = read_row(state, pro);
    instance = &suite->instances[0];
    assert_int_equal(instance->rules, ASSAY_RULES_ALL_PASSED);
    assert_string_equal(instance->framework, "results-json");
    assert_int_equal(instance->test_cmd.count, 3);
    assert_string_equal(instance->test_cmd.items[2], "t/a.js,t/b.js");
    assert_string_equal(instance->fail_to_pass.items[0], "A | b");
    assert_int_equal(instance->pass_to_pass.count, 0);
    assert_string_equal(instance->problem.data,
            "It fails.\n\nRequirements:\n- R\n\nNew interfaces introduced:\nf()");
    assert_string_equal(instance->test_patch.data,
            "diff --git a/.assay-pro/run_script.sh b/.assay-pro/run_script.sh\n"
            "new file mode 100644\n--- /dev/null\n+++ b/.assay-pro/run_script.sh\n"
            "@@ -0,0 +1,1 @@\n+echo hi\n"
            "diff --git a/.assay-pro/parser.py b/.assay-pro/parser.py\n"
            "new file mode 100644\n--- /dev/null\n+++ b/.assay-pro/parser.py\n"
            "@@ -0,0 +1,1 @@\n+import sys\n\\ No newline at end of file\n");
    assay_suite_free(suite);
    assert_refused(state, pro, "demo__thing-1", "../demo__thing-1",
            "instance_id: must be 1 to 200 of [A-Za-z0-9_.-]");
}

static void r2es_commit_is_put_together_again(void **state)
{
    struct assay_suite *suite = read_row(state, r2e);
    const struct assay_instance *instance = &suite->instances[0];

    assert_string_equal(instance->instance_id, "thing__012345678901");
    assert_string_equal(instance->base.commit, COMMIT "^");
    assert_int_equal(instance->rules, ASSAY_RULES_WHOLE_MAP);
    assert_string_equal(instance->gold_patch.data,
            "diff --git a/src/a.py b/src/a.py\n--- a/src/a.py\n+++ b/src/a.py\n"
            "@@ -1,2 +1,2 @@ def f():\n one\n-two\n+three\n\\ No newline at end of file\n");
    assert_non_null(strstr(instance->test_patch.data, "+++ b/r2e_tests/test_1.py\n"));
    assert_string_equal(instance->pass_to_pass.items[0], "A.one");
    assert_string_equal(instance->fail_to_fail.items[0], "two");
    assert_string_equal(instance->error_to_error.items[0], "three");
    assay_suite_free(suite);
    assert_refused(state, r2e, "ERROR\\\"", "XFAIL\\\"",
            "expected_output_json: \"three\" is neither PASSED nor FAILED nor ERROR");
    assert_refused(state, r2e, "{\\\"A.one", "{\\\"A.one\\\" ",
            "expected_output_json: no JSON: "
            "expected_output_json:1: expected ':' after a key");
    assert_refused(state, r2e, "\"type\": \"added\"", "\"type\": \"moved\"",
            "parsed_commit_content: one of its file_diffs is broken");
}

static void multis_three_stages_must_hold(void **state)
{
    struct assay_suite *suite = read_row(state, multi);
    const struct assay_instance *instance = &suite->instances[0];

    assert_string_equal(instance->instance_id, "demo__thing-7");
    assert_string_equal(instance->repo, "demo/thing");
    assert_int_equal(instance->rules, ASSAY_RULES_THREE_STAGE);
    assert_string_equal(instance->problem.data, "It fails\n\noften\n");
    assert_int_equal(instance->fail_to_pass.count, 2);
    assert_string_equal(instance->fail_to_pass.items[1], "n");
    assert_string_equal(instance->pass_to_pass.items[0], "p");
    // "r" passed in the run and was skipped with the test patch; "a" failed there.
    assert_int_equal(instance->not_fail.count, 3);
    assert_string_equal(instance->not_fail.items[2], "r");
    assay_suite_free(suite);
    assert_refused(state, multi, RESULT("\"a\", \"n\", \"p\"", "", "\"q\""),
            RESULT("\"a\", \"n\"", "\"p\"", ""),
            "fix_patch_result.failed_tests: \"p\" passed before the fix");
    assert_refused(state, multi, RESULT("\"a\", \"n\", \"p\"", "", "\"q\""),
            RESULT("\"a\", \"n\", \"p\"", "\"r\"", ""),
            "fix_patch_result.failed_tests: \"r\" passed before the fix");
    assert_refused(state, multi, RESULT("\"a\", \"n\", \"p\"", "", "\"q\""),
            RESULT("\"p\"", "\"a\"", ""),
            "fix_patch_result.passed_tests: the fix makes nothing pass");
    assert_refused(state, multi, RESULT("\"a\", \"n\", \"p\"", "", "\"q\""), RESULT("", "", ""),
            "fix_patch_result: has no results");
    assert_refused(state, multi, RESULT("\"a\", \"n\", \"p\"", "", "\"q\""),
            RESULT("\"a\", \"n\", \"p\"", "", "\"a\""),
            "fix_patch_result.skipped_tests[0]: \"a\" has another result in the same run");
}

static void a_family_can_be_named(void **state)
{
    struct assay_swebench_options options = options_of(state);
    struct assay_suite *suite = NULL;
    struct assay_error err = {0};

    for (int i = ASSAY_FAMILY_AUTO; i <= ASSAY_FAMILY_PRO; i++) {
        enum assay_family family = ASSAY_FAMILY_AUTO;

        assert_true(assay_family_from_name(&family, assay_family_name((enum assay_family)i)));
        assert_int_equal(family, i);
    }
    options.family = ASSAY_FAMILY_REBENCH; // a row that says nothing of itself
    write_file(state, "rows.jsonl", live);
    assert_int_equal(assay_suite_read_swebench(&suite, in_dir(state, "rows.jsonl"), &options, &err),
            ASSAY_OK);
    assert_int_equal(suite->instances[0].rules, ASSAY_RULES_ALL_PASSED);
    assay_suite_free(suite);
}

static void packed_files_are_the_same_suite(void **state)
{
    char packed[8192], version[64];
    struct assay_suite *suite = read_row(state, live);
    gzFile gzip = gzopen(in_dir(state, "rows.jsonl.gz"), "wb");
    size_t len = ZSTD_compress(packed, sizeof(packed), live, strlen(live), 1);

    snprintf(version, sizeof(version), "%s", suite->version);
    assay_suite_free(suite);
    assert_int_equal(gzwrite(gzip, live, (unsigned)strlen(live)), strlen(live));
    assert_int_equal(gzclose(gzip), Z_OK);
    suite = read_file(state, "rows.jsonl.gz");
    assert_string_equal(suite->version, version);
    assay_suite_free(suite);
    assert_false(ZSTD_isError(len));
    write_bytes(state, "rows.jsonl.zst", packed, len);
    suite = read_file(state, "rows.jsonl.zst");
    assert_string_equal(suite->version, version);
    assay_suite_free(suite);
}

static void a_packed_file_that_is_cut_off_is_refused(void **state)
{
    const struct assay_swebench_options options = options_of(state);
    struct assay_suite *suite = NULL;
    struct assay_error err = {0};
    char packed[8192], expected[512];
    const size_t len = ZSTD_compress(packed, sizeof(packed), live, strlen(live), 1);

    write_bytes(state, "rows.jsonl.zst", packed, len - 3);
    assert_int_equal(
            assay_suite_read_swebench(&suite, in_dir(state, "rows.jsonl.zst"), &options, &err),
            ASSAY_EINVAL);
    snprintf(expected, sizeof(expected), "%s: the packed file is cut off",
            in_dir(state, "rows.jsonl.zst"));
    assert_string_equal(err.message, expected);
    assert_null(suite);
}

static void a_diff_turned_round_twice_is_the_diff(void **state)
{
    static const struct {
        const char *diff, *reverse;
    } rows[] = {
            {"diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1,1 @@\n+x\n",
                    "diff --git a/n b/n\ndeleted file mode 100644\n--- a/n\n+++ /dev/null\n"
                    "@@ -1,1 +0,0 @@\n-x\n"},
            {"--- a/f\n+++ b/f\n@@ -1,3 +1,4 @@ f\n--- x\n-b\n+++ y\n+d\n+e\n c\n",
                    "--- a/f\n+++ b/f\n@@ -1,4 +1,3 @@ f\n-++ y\n-d\n-e\n+-- x\n+b\n c\n"},
            {"--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-x\n\\ No newline at end of file\n+y\n",
                    "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-y\n+x\n\\ No newline at end of file\n"},
            {"--- a/f\n+++ b/f\n@@ -1,2 +1,1 @@\n x\r\n-y\r\n",
                    "--- a/f\n+++ b/f\n@@ -1,1 +1,2 @@\n x\r\n+y\r\n"},
    };
    struct assay_buf text;

    (void)state;
    assay_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_bytes diff = {rows[i].diff, strlen(rows[i].diff)};
        const struct assay_bytes reverse = {rows[i].reverse, strlen(rows[i].reverse)};

        print_message("row %zu\n", i);
        assay_buf_clear(&text);
        assert_null(assay_patch_reverse(&text, diff));
        assert_string_equal(text.data, rows[i].reverse);
        assay_buf_clear(&text);
        assert_null(assay_patch_reverse(&text, reverse));
        assert_string_equal(text.data, rows[i].diff);
    }
    assert_string_equal(
            assay_patch_reverse(&text, (struct assay_bytes){"@@ -1,2 +1 @@\n x\n+y\n", 20}),
            "a hunk of it is broken");
    assay_buf_free(&text);
}

#define ROOM(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            ROOM(swebenchs_nearest_relatives_are_told_apart),
            ROOM(smiths_patch_makes_the_bug_and_gold_undoes_it),
            ROOM(pros_scripts_travel_in_the_test_patch),
            ROOM(r2es_commit_is_put_together_again),
            ROOM(multis_three_stages_must_hold),
            ROOM(a_family_can_be_named),
            ROOM(packed_files_are_the_same_suite),
            ROOM(a_packed_file_that_is_cut_off_is_refused),
            cmocka_unit_test(a_diff_turned_round_twice_is_the_diff),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
