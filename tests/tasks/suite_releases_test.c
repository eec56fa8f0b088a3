// SPDX-License-Identifier: MIT
// What must hold: a release plan is taken whole or refused with file, line and field.
#include <stdio.h>
#include <string.h>

#include "tasks/suite.h"
#include "tests/tasks/fixture.h"

#define HASH "0123456789012345678901234567890123456789012345678901234567890123"

static const char plan_json[] =
        "{\n"
        "  \"schema\": 1,\n"
        "  \"ignore\": [\"*.egg-info/**\"],\n"
        "  \"pairs\": [\n"
        "    {\"instance_id\": \"thing-1.1\",\n"
        "     \"package\": \"thing\", \"repo\": \"demo/thing\",\n"
        "     \"old\": {\"version\": \"1.0\", \"file\": \"thing-1.0.tar.gz\", \"sha256\": \"" HASH
        "\"},\n"
        "     \"new\": {\"version\": \"1.1\", \"file\": \"thing-1.1.tar.gz\", \"sha256\": \"" HASH
        "\"},\n"
        "     \"tests\": [\"tests/**\"], \"recipe\": \"plain\", \"framework\": \"pytest\",\n"
        "     \"test_cmd\": [\"/usr/bin/python3\", \"-m\", \"pytest\"],\n"
        "     \"limits\": {\"wall_ms\": 60000}, \"problem\": \"Release 1.1\",\n"
        "     \"measured\": {\"FAIL_TO_PASS\": 3, \"PASS_TO_PASS\": 40}}\n"
        "  ],\n"
        "  \"left_out\": [{\"package\": \"x\", \"old\": \"1\", \"new\": \"2\", \"reason\": \"flaky\"}]\n"
        "}\n";

static void write_plan(void *const *state, const char *from, const char *to)
{
    const char *at = strstr(plan_json, from);
    char text[4096];

    write_file(state, "suite.json",
            "{\"schema\": 1, \"name\": \"demo\", \"version\": \"1\", \"recipes\": {\"plain\":"
            " {\"base\": \"host\"}}}");
    assert_non_null(at);
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - plan_json), plan_json, to,
            at + strlen(from));
    write_file(state, "releases.json", text);
}

static void a_plan_is_read(void **state)
{
    struct assay_release_plan *plan = NULL;
    struct assay_error err;

    write_plan(state, "", "");
    if (assay_release_plan_read(&plan, in_dir(state, ""), &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assert_string_equal(plan->suite->name, "demo");
    assert_int_equal(plan->suite->instance_count, 0);
    assert_string_equal(plan->ignore.items[0], "*.egg-info/**");
    assert_int_equal(plan->pair_count, 1);
    assert_string_equal(plan->pairs[0].new_release.file, "thing-1.1.tar.gz");
    assert_int_equal(plan->pairs[0].limits.wall_ms, 60000);
    assert_int_equal(plan->pairs[0].limits.memory_bytes, ASSAY_INSTANCE_MEMORY_BYTES);
    assert_int_equal(plan->pairs[0].fail_to_pass_expected, 3);
    assert_int_equal(plan->pairs[0].pass_to_pass_expected, 40);
    assay_release_plan_free(plan);
    assay_release_plan_free(NULL);
}

static void an_archive_of_debian_has_a_path(void **state)
{
    struct assay_release_plan *plan = NULL;
    struct assay_error err;

    write_plan(state, "\"sha256\": \"" HASH "\"}",
            "\"sha256\": \"" HASH "\", \"path\": \"pool/main/t/thing/thing-1.0.tar.gz\"}");
    if (assay_release_plan_read(&plan, in_dir(state, ""), &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assert_string_equal(plan->pairs[0].old_release.path, "pool/main/t/thing/thing-1.0.tar.gz");
    assert_null(plan->pairs[0].new_release.path);
    assay_release_plan_free(plan);
}

static void a_patch_of_debian_stands_for_a_newer_release(void **state)
{
    struct assay_release_plan *plan = NULL;
    struct assay_error err;

    write_plan(state, "\"new\": {", "\"series\": {\"patch\": \"fix.patch\", ");
    if (assay_release_plan_read(&plan, in_dir(state, ""), &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assert_string_equal(plan->pairs[0].new_release.version, "1.0");
    assert_string_equal(plan->pairs[0].series.version, "1.1");
    assert_string_equal(plan->pairs[0].patch, "fix.patch");
    assay_release_plan_free(plan);
}

static void a_malformed_plan_is_refused_with_file_line_and_field(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } rows[] = {
            {"\"schema\": 1", "\"schema\": 7", "2: schema: must be 1"},
            {"\"ignore\"", "\"ignored\"", "3: ignored: unknown key"},
            {"\"thing-1.1\"", "\"thing 1.1\"",
                    "5: pairs[0].instance_id: must be 1 to 200 of [A-Za-z0-9_.-]"},
            {"\"repo\": \"demo/thing\"", "\"repo\": \"a/b/c\"",
                    "6: pairs[0].repo: expected \"owner/name\""},
            {"thing-1.0.tar.gz", "../thing.tar.gz",
                    "7: pairs[0].old.file: expected a file name without a folder"},
            {"\"sha256\": \"" HASH "\"}", "\"sha256\": \"00\"}",
                    "7: pairs[0].old.sha256: expected 64 lower-case hex digits"},
            {"\"sha256\": \"" HASH "\"}",
                    "\"sha256\": \"" HASH "\", \"path\": \"http://x/thing-1.0.tar.gz\"}",
                    "7: pairs[0].old.path: expected a relative path to the file"},
            {"\"sha256\": \"" HASH "\"}",
                    "\"sha256\": \"" HASH "\", \"path\": \"/pool/thing-1.0.tar.gz\"}",
                    "7: pairs[0].old.path: expected a relative path to the file"},
            {"\"sha256\": \"" HASH "\"}",
                    "\"sha256\": \"" HASH "\", \"path\": \"pool/../thing-1.0.tar.gz\"}",
                    "7: pairs[0].old.path: expected a relative path to the file"},
            {"\"sha256\": \"" HASH "\"}",
                    "\"sha256\": \"" HASH "\", \"path\": \"pool/other-1.0.tar.gz\"}",
                    "7: pairs[0].old.path: expected a relative path to the file"},
            {"\"sha256\": \"" HASH "\"}",
                    "\"sha256\": \"" HASH "\", \"path\": \"thing-1.0.tar.gz\"}",
                    "7: pairs[0].old.path: expected a relative path to the file"},
            {"\"version\": \"1.1\",", "", "8: pairs[0].new.version: missing"},
            {"\"new\": {", "\"series\": {", "8: pairs[0].series.patch: missing"},
            {"\"new\": {", "\"new\": {\"patch\": \"x\", ", "8: pairs[0].new.patch: unknown key"},
            {"\"new\": {", "\"series\": {}, \"new\": {",
                    "8: pairs[0].series: there is \"new\" already"},
            {"[\"tests/**\"]", "[]", "9: pairs[0].tests: must not be empty"},
            {"\"plain\"", "\"fancy\"", "9: pairs[0].recipe: unknown recipe \"fancy\""},
            {"60000", "\"60000\"", "11: pairs[0].limits.wall_ms: expected a whole number"},
            {"\"FAIL_TO_PASS\": 3", "\"FAIL_TO_PASS\": -3",
                    "12: pairs[0].measured.FAIL_TO_PASS: must be from 0 to 1048576"},
            {"40}}", "40}}, 7", "12: pairs[1]: expected an object"},
            {", \"reason\": \"flaky\"", "", "14: left_out[0].reason: missing"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_release_plan *plan = NULL;
        struct assay_error err;
        char message[256];

        print_message("row %zu\n", i);
        write_plan(state, rows[i].from, rows[i].to);
        snprintf(message, sizeof(message), "releases.json:%s", rows[i].message);
        assert_fails(assay_release_plan_read(&plan, in_dir(state, ""), &err), &err, ASSAY_EINVAL,
                in_dir(state, message));
        assert_null(plan);
    }
}

#define ROOM(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            ROOM(a_plan_is_read),
            ROOM(an_archive_of_debian_has_a_path),
            ROOM(a_patch_of_debian_stands_for_a_newer_release),
            ROOM(a_malformed_plan_is_refused_with_file_line_and_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
