// SPDX-License-Identifier: MIT
// What must hold: a native folder is taken whole or refused with file, line and field.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tasks/suite.h"
#include "tests/tasks/fixture.h"

static const char suite_json[] = "{\n"
                                 "  \"schema\": 1,\n"
                                 "  \"name\": \"demo\",\n"
                                 "  \"version\": \"1.2\",\n"
                                 "  \"recipes\": {\n"
                                 "    \"plain\": {\"base\": \"host\", \"setup\": [\"true\"],\n"
                                 "      \"env\": {\"LANG\": \"C\"}, \"workdir\": \"/work\"},\n"
                                 "    \"image\": {\"base\": \"oci:images/x\"}\n"
                                 "  }\n"
                                 "}\n";

static const char instance_json[] =
        "{\n"
        "  \"schema\": 1,\n"
        "  \"instance_id\": \"a-1\",\n"
        "  \"repo\": \"demo/a\",\n"
        "  \"base\": {\"dir\": \"base\"},\n"
        "  \"recipe\": \"plain\",\n"
        "  \"test_cmd\": [\"prove\", \"-v\"],\n"
        "  \"framework\": \"tap\",\n"
        "  \"FAIL_TO_PASS\": [\n"
        "    \"t/a.t::one\",\n"
        "    \"t/a.t::two\"\n"
        "  ],\n"
        "  \"PASS_TO_PASS\": [\"t/a.t::three\"],\n"
        "  \"task\": \"localize\",\n"
        "  \"protected_allowed\": [\"conf/**\"],\n"
        "  \"limits\": {\"wall_ms\": 1000, \"cpu_ms\": 500, \"memory_bytes\": 1048576},\n"
        "  \"tags\": [\"easy\"]\n"
        "}\n";

static const char patch_text[] = "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+two\n";

static void write_suite(void *const *state)
{
    write_file(state, "suite.json", suite_json);
    write_file(state, "a-1/instance.json", instance_json);
    write_file(state, "a-1/problem.md", "It fails.\r\n");
    write_file(state, "a-1/gold.patch", patch_text);
    write_file(state, "a-1/test.patch", "");
    write_file(state, "a-1/base/a.txt", "one\n");
}

static void a_whole_folder_is_read(void **state)
{
    struct assay_suite *suite = NULL;
    const struct assay_instance *instance;
    struct assay_error err;

    write_suite(state);
    make_folder(state, ".git");
    make_folder(state, "_build");
    write_file(state, "README.md", "not an instance");
    if (assay_suite_read_native(&suite, in_dir(state, ""), &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assert_string_equal(suite->name, "demo");
    assert_string_equal(suite->version, "1.2");
    assert_int_equal(suite->recipe_count, 2);
    assert_string_equal(suite->recipes[0].workdir, "/work");
    assert_string_equal(suite->recipes[0].env.items[0], "LANG=C");
    assert_string_equal(suite->recipes[1].workdir, "/testbed");
    assert_int_equal(strncmp(suite->recipes[1].base, "oci:/tmp/", 9), 0);
    assert_int_equal(suite->instance_count, 1);
    instance = assay_suite_find(suite, "a-1");
    assert_non_null(instance);
    assert_int_equal(instance->base.kind, ASSAY_BASE_DIR);
    assert_string_equal(instance->base.where, in_dir(state, "a-1/base"));
    assert_int_equal(instance->task, ASSAY_TASK_LOCALIZE);
    assert_int_equal(instance->limits.cpu_ms, 500);
    assert_int_equal(instance->problem.len, 11); // byte for byte
    assert_string_equal(instance->gold_patch.data, patch_text);
    assert_int_equal(instance->test_patch.len, 0);
    assert_string_equal(instance->framework_at, in_dir(state, "a-1/instance.json:8"));
    assay_suite_free(suite);
}

static void what_is_left_out_has_its_default(void **state)
{
    struct assay_suite *suite = NULL;
    struct assay_error err;

    write_suite(state);
    write_file(state, "a-1/instance.json",
            "{\"schema\": 1, \"instance_id\": \"a-1\", \"repo\": \"a\", \"base\": {\"git\":"
            " \"https://example.org/a\", \"commit\": \"0123456789012345678901234567890123456789\"},"
            " \"recipe\": \"plain\", \"test_cmd\": [\"make\"], \"framework\": \"exit\","
            " \"FAIL_TO_PASS\": [], \"PASS_TO_PASS\": []}");
    if (assay_suite_read_native(&suite, in_dir(state, ""), &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assert_int_equal(suite->instances[0].task, ASSAY_TASK_REPAIR);
    assert_int_equal(suite->instances[0].limits.wall_ms, ASSAY_INSTANCE_WALL_MS);
    assert_int_equal(suite->instances[0].tags.count, 0);
    assert_string_equal(suite->instances[0].base.where, "https://example.org/a");
    assay_suite_free(suite);
}

// Write `file` with the first `from` replaced by `to`.
static void write_changed(
        void *const *state, const char *file, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    char changed[4096];

    assert_non_null(at);
    snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    write_file(state, file, changed);
}

static void assert_refused(void *const *state, const char *message)
{
    struct assay_suite *suite = NULL;
    struct assay_error err = {0};
    char expected[512];

    snprintf(expected, sizeof(expected), "%s", in_dir(state, message));
    assert_int_not_equal(assay_suite_read_native(&suite, in_dir(state, ""), &err), ASSAY_OK);
    assert_string_equal(err.message, expected);
    assert_null(suite);
}

static void a_malformed_instance_is_refused_with_file_line_and_field(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } rows[] = {
            {"\"schema\": 1", "\"schema\": 2", "2: schema: must be 1"},
            {"\"schema\": 1,\n", "\n", "1: schema: missing"},
            {"\"tags\"", "\"tagz\"", "17: tagz: unknown key"},
            {"\"a-1\"", "\"a-2\"", "3: instance_id: \"a-2\" stands in the folder \"a-1\""},
            {"\"a-1\"", "\"a 1\"", "3: instance_id: \"a 1\" stands in the folder \"a-1\""},
            {"\"demo/a\"", "\"../a\"", "4: repo: expected \"owner/name\""},
            {"\"demo/a\"", "7", "4: repo: expected a string"},
            {"\"demo/a\"", "null", "4: repo: null is not allowed"},
            {"{\"dir\": \"base\"}", "\"base\"", "5: base: expected an object"},
            {"{\"dir\": \"base\"}", "{}",
                    "5: base: expected {\"git\", \"commit\"}, {\"archive\", \"sha256\"}, "
                    "{\"dir\"} or {\"empty\": true}"},
            {"{\"dir\": \"base\"}", "{\"dir\": \"base\", \"commit\": \"x\"}",
                    "5: base: expected {\"git\", \"commit\"}, {\"archive\", \"sha256\"}, "
                    "{\"dir\"} or {\"empty\": true}"},
            {"{\"dir\": \"base\"}", "{\"folder\": \"base\"}", "5: base.folder: unknown key"},
            {"{\"dir\": \"base\"}", "{\"git\": \"base\", \"commit\": \"HEAD\"}",
                    "5: base.commit: expected 40 or 64 lower-case hex digits"},
            {"{\"dir\": \"base\"}", "{\"archive\": \"a.tar\", \"sha256\": \"00\"}",
                    "5: base.sha256: expected 64 lower-case hex digits"},
            {"\"dir\": \"base\"", "\"dir\": \"none\"",
                    "5: base.dir: none: No such file or directory"},
            {"\"dir\": \"base\"", "\"dir\": \"../..\"",
                    "5: base.dir: ../.. lies outside the suite folder"},
            {"\"dir\": \"base\"", "\"dir\": \"link\"",
                    "5: base.dir: link lies outside the suite folder"},
            {"\"dir\": \"base\"", "\"dir\": \"/usr\"",
                    "5: base.dir: must be relative to the instance folder"},
            {"\"dir\": \"base\"", "\"dir\": \"problem.md\"",
                    "5: base.dir: problem.md is not a folder"},
            {"\"plain\"", "\"fancy\"", "6: recipe: unknown recipe \"fancy\""},
            {"[\"prove\", \"-v\"]", "[]", "7: test_cmd: must not be empty"},
            {"[\"prove\", \"-v\"]", "\"prove -v\"", "7: test_cmd: expected a list of strings"},
            {"\"-v\"", "7", "7: test_cmd[1]: expected a string"},
            {"\"tap\"", "\"\"", "8: framework: must not be empty"},
            {"\"t/a.t::two\"", "\"t/a.t::one\"",
                    "11: FAIL_TO_PASS[1]: \"t/a.t::one\" stands in this list already"},
            {"\"t/a.t::three\"", "\"t/a.t::two\"",
                    "13: PASS_TO_PASS[0]: \"t/a.t::two\" stands in FAIL_TO_PASS already"},
            {"\"t/a.t::two\"", "\"\"", "11: FAIL_TO_PASS[1]: must not be empty"},
            {"\"t/a.t::two\"", "{}", "11: FAIL_TO_PASS[1]: expected a string"},
            {"\"localize\"", "\"guess\"",
                    "14: task: expected \"repair\", \"localize\" or \"write_tests\""},
            {"\"conf/**\"", "[]", "15: protected_allowed[0]: expected a string"},
            {"1000", "0", "16: limits.wall_ms: must be from 1 to 604800000"},
            {"500", "0.5", "16: limits.cpu_ms: expected a whole number"},
            {"\"memory_bytes\"", "\"memory\"", "16: limits.memory: unknown key"},
            {"\"tags\": [", "\"rules\": \"mine\", \"tags\": [",
                    "17: rules: expected \"native\", \"swebench\", \"all_passed\", "
                    "\"whole_map\" or \"three_stage\""},
    };

    write_suite(state);
    assert_int_equal(symlink("/usr", in_dir(state, "a-1/link")), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char message[256];

        print_message("row %zu\n", i);
        write_changed(state, "a-1/instance.json", instance_json, rows[i].from, rows[i].to);
        snprintf(message, sizeof(message), "a-1/instance.json:%s", rows[i].message);
        assert_refused(state, message);
    }
}

static void lists_that_judge_nothing_are_refused(void **state)
{
    write_suite(state);
    write_changed(state, "a-1/instance.json", instance_json,
            "[\n    \"t/a.t::one\",\n    \"t/a.t::two\"\n  ],\n"
            "  \"PASS_TO_PASS\": [\"t/a.t::three\"],\n  \"task\": \"localize\"",
            "[],\n  \"PASS_TO_PASS\": []");
    assert_refused(state,
            "a-1/instance.json:9: FAIL_TO_PASS: empty, as PASS_TO_PASS is: nothing would be judged");
}

static void a_malformed_suite_json_is_refused(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } rows[] = {
            {"\"name\": \"demo\"", "\"name\": \"de/mo\"",
                    "3: name: must be 1 to 100 of [A-Za-z0-9_.-]"},
            {"\"version\": \"1.2\",", "", "1: version: missing"},
            {"\"version\"", "\"author\": 1, \"version\"", "4: author: unknown key"},
            {"\"host\"", "\"docker:x\"",
                    "6: recipes.plain.base: expected \"host\", \"image:NAME\", \"oci:PATH\" or \"dir:PATH\""},
            {"\"setup\"", "\"steps\"", "6: recipes.plain.steps: unknown key"},
            {"[\"true\"]", "\"true\"", "6: recipes.plain.setup: expected a list of strings"},
            {"{\"LANG\": \"C\"}", "{\"LANG\": 1}", "7: recipes.plain.env.LANG: expected a string"},
            {"{\"LANG\": \"C\"}", "[\"LANG\"]", "7: recipes.plain.env: \"LANG\" is not NAME=value"},
            {"{\"LANG\": \"C\"}", "{\"A B\": \"C\"}",
                    "7: recipes.plain.env: \"A B=C\" is not NAME=value"},
            {"\"/work\"", "\"work\"",
                    "7: recipes.plain.workdir: must be an absolute path without \"..\""},
            {"{\"base\": \"oci:images/x\"}", "[]", "8: recipes.image: expected an object"},
    };

    write_suite(state);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char message[256];

        print_message("row %zu\n", i);
        write_changed(state, "suite.json", suite_json, rows[i].from, rows[i].to);
        snprintf(message, sizeof(message), "suite.json:%s", rows[i].message);
        assert_refused(state, message);
    }
}

static void every_file_of_an_instance_must_be_there(void **state)
{
    static const char *const files[] = {"instance.json", "problem.md", "gold.patch", "test.patch"};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[64];
        char message[128];

        write_suite(state);
        snprintf(path, sizeof(path), "a-1/%s", files[i]);
        snprintf(message, sizeof(message), "a-1/%s: missing", files[i]);
        assert_int_equal(unlink(in_dir(state, path)), 0);
        assert_refused(state, message);
        assert_int_equal(symlink("/etc/passwd", in_dir(state, path)), 0);
        snprintf(
                message, sizeof(message), "a-1/%s: symbolic links are not followed here", files[i]);
        assert_refused(state, message);
        assert_int_equal(unlink(in_dir(state, path)), 0);
    }
}

static void a_folder_without_instance_json_is_an_error(void **state)
{
    write_suite(state);
    make_folder(state, "b-2");
    assert_refused(state, "b-2/instance.json: missing");
}

static void patches_that_do_not_parse_are_refused(void **state)
{
    write_suite(state);
    write_file(state, "a-1/gold.patch", " \n");
    assert_refused(state, "a-1/gold.patch: must not be empty");
    write_file(state, "a-1/gold.patch", "no diff at all\n");
    assert_refused(state, "a-1/gold.patch: no diff found");
    write_file(state, "a-1/gold.patch", patch_text);
    write_file(state, "a-1/test.patch", "--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-one\n+two\n");
    assert_refused(state, "a-1/test.patch:1: ../x: a patch may not name this path");
}

static void a_suite_needs_suite_json_and_an_instance(void **state)
{
    enum assay_suite_format format;
    struct assay_suite *suite = NULL;
    struct assay_error err;

    assert_refused(state, "suite.json: missing");
    assert_fails(assay_suite_detect(&format, in_dir(state, "none"), &err), &err, ASSAY_ENOTFOUND,
            in_dir(state, "none: no such file or folder"));
    assert_int_equal(assay_suite_detect(&format, in_dir(state, ""), &err), ASSAY_ENOTFOUND);
    write_file(state, "suite.json", suite_json);
    assert_int_equal(assay_suite_read_native(&suite, in_dir(state, ""), &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, ": no instance folder"));
    assert_int_equal(assay_suite_detect(&format, in_dir(state, ""), &err), ASSAY_OK);
    assert_int_equal(format, ASSAY_SUITE_NATIVE);
    write_file(state, "releases.json", "{}");
    assert_int_equal(assay_suite_detect(&format, in_dir(state, ""), &err), ASSAY_OK);
    assert_int_equal(format, ASSAY_SUITE_RELEASES);
    assert_int_equal(assay_suite_detect(&format, in_dir(state, "suite.json"), &err), ASSAY_OK);
    assert_int_equal(format, ASSAY_SUITE_SWEBENCH);
}

#define ROOM(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            ROOM(a_whole_folder_is_read),
            ROOM(what_is_left_out_has_its_default),
            ROOM(a_malformed_instance_is_refused_with_file_line_and_field),
            ROOM(lists_that_judge_nothing_are_refused),
            ROOM(a_malformed_suite_json_is_refused),
            ROOM(every_file_of_an_instance_must_be_there),
            ROOM(a_folder_without_instance_json_is_an_error),
            ROOM(patches_that_do_not_parse_are_refused),
            ROOM(a_suite_needs_suite_json_and_an_instance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
