// SPDX-License-Identifier: MIT
// What must hold: on the logs of tests/parity/logs each of the field's parsers gives the map that
// the swebench package gave (expected.json, made by tests/parity/parity.py); bytes become text as
// Python has it; the modes differ from our rules where docs/parity.md says so.
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "rewards/compat.h"
#include "support/harness.h"

#define LOGS "tests/parity/logs/"
#define ARENA_BYTES ((size_t)256 << 20)
#define PARSERS 57

static struct assay_json *load(const char *path)
{
    const struct assay_json_limits limits = {.bytes_max = 16 << 20, .depth_max = 16};
    struct assay_json *json = NULL;
    struct assay_error err = {0};
    struct assay_buf buf;

    assay_buf_init(&buf, 16 << 20);
    assert_int_equal(assay_fs_read_file(&buf, path, &err), ASSAY_OK);
    if (assay_json_parse(&json, buf.data, buf.len, limits, path, 1, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assay_buf_free(&buf);
    return json;
}

static const char *text_of(const struct assay_json *object, const char *key)
{
    return assay_json_text(assay_json_get(object, key));
}

static void check_entries(const struct assay_log_map *map, const struct assay_json *expected)
{
    const struct assay_json *pair = assay_json_first(expected);

    assert_int_equal(map->count, assay_json_count(expected));
    for (size_t i = 0; i < map->count; i++, pair = assay_json_next(pair)) {
        const struct assay_json *id = assay_json_first(pair);

        assert_string_equal(map->entries[i].id, assay_json_text(id));
        assert_string_equal(map->entries[i].word, assay_json_text(assay_json_next(id)));
    }
}

static void check_row(const struct assay_json *row, struct assay_arena *arena)
{
    const struct assay_log_parser *parser = assay_log_parser_find(text_of(row, "parser"));
    const struct assay_log_context context = {text_of(row, "instance_id"), text_of(row, "version")};
    const struct assay_json *expected = assay_json_get(row, "expected");
    const char *path = assay_arena_printf(arena, LOGS "%s", text_of(row, "file"));
    struct assay_log_map map;
    struct assay_buf log;

    assert_non_null(parser);
    assay_buf_init(&log, 1 << 20);
    assert_int_equal(assay_fs_read_file(&log, path, NULL), ASSAY_OK);
    assert_int_equal(assay_log_parse(&map, parser, (struct assay_bytes){log.data, log.len},
                             &context, arena, NULL),
            ASSAY_OK);
    print_message("%s %s\n", parser->name, path);
    if (assay_json_type(expected) == ASSAY_JSON_STRING) {
        assert_non_null(map.raised);
    } else {
        assert_null(map.raised);
        check_entries(&map, expected);
    }
    assay_buf_free(&log);
}

static void parsers_agree_with_the_package(void **state)
{
    struct assay_json *json = load(LOGS "expected.json");
    const struct assay_json *rows = assay_json_get(json, "rows");
    bool seen[PARSERS] = {false};
    const struct assay_log_parser *table;
    struct assay_arena *arena;
    size_t count = 0;

    (void)state;
    table = assay_log_parser_table(&count);
    assert_int_equal(count, PARSERS);
    assert_int_equal(assay_arena_create(&arena, ARENA_BYTES, NULL), ASSAY_OK);
    for (const struct assay_json *row = assay_json_first(rows); row != NULL;
            row = assay_json_next(row)) {
        check_row(row, arena);
        seen[assay_log_parser_find(text_of(row, "parser")) - table] = true;
    }
    for (size_t i = 0; i < PARSERS; i++)
        assert_true(seen[i]);
    assay_arena_destroy(arena);
    assay_json_free(json);
}

static void bytes_become_text_as_python_has_it(void **state)
{
    static const struct {
        const char *bytes, *text;
        bool newlines;
    } rows[] = {
            {"plain", "plain", true},
            {"a\r\nb\rc\n\r", "a\nb\nc\n\n", true},
            {"a\r\n", "a\r\n", false},
            {"a\xff"
             "b",
                    "a\xef\xbf\xbd"
                    "b",
                    false},
            {"\xe2\x82", "\xef\xbf\xbd", false}, // cut off: one
            {"\xe2\x28\xa1", "\xef\xbf\xbd(\xef\xbf\xbd", false},
            {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", false}, // half a pair: three
            {"\xf0\x9f\x98x", "\xef\xbf\xbdx", false},
            {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", false},
            {"\xf4\x90\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", false},
            {"\xe0\x80\r\n\xf0\x80", "\xef\xbf\xbd\xef\xbf\xbd\n\xef\xbf\xbd\xef\xbf\xbd", true},
    };
    struct assay_arena *arena;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, ARENA_BYTES, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_bytes text =
                assay_log_decode((struct assay_bytes){rows[i].bytes, strlen(rows[i].bytes)},
                        rows[i].newlines, arena);

        assert_string_equal(text.data, rows[i].text);
        assert_int_equal(text.len, strlen(rows[i].text));
    }
    assay_arena_destroy(arena);
}

// --- modes ---------------------------------------------------------------------------------------

struct mode_case {
    const char *mode, *log, *f2p, *p2p; // ids: one, or NULL
    int exit_code;
    bool fail_only, resolved;
};

static struct assay_strings one(const char *const *id)
{
    return (struct assay_strings){id, *id != NULL};
}

static void check_mode(const struct mode_case *row, struct assay_arena *arena)
{
    const struct assay_instance instance = {.instance_id = "acme__x-1",
            .repo = "acme/x",
            .framework = "pytest",
            .fail_only = row->fail_only,
            .fail_to_pass = one(&row->f2p),
            .pass_to_pass = one(&row->p2p)};
    const struct assay_evidence evidence = {
            .box_cause = row->exit_code == 0 ? ASSAY_CAUSE_OK : ASSAY_CAUSE_TESTS_FAILED,
            .exit_code = row->exit_code,
            .log = {row->log, strlen(row->log)}};
    struct assay_judgement judgement;
    struct assay_verdict verdict = {0};
    enum assay_compat compat = ASSAY_COMPAT_NONE;

    assert_true(assay_compat_from_name(&compat, row->mode));
    assert_int_equal(assay_judge_compat(&verdict, &judgement, &instance,
                             assay_framework_find("pytest"), &evidence, compat, arena, NULL),
            ASSAY_OK);
    print_message("%s %s\n%s\n", row->mode, verdict.reason, row->log);
    assert_int_equal(verdict.resolved, row->resolved);
    assert_int_equal(verdict.evidence, ASSAY_EVIDENCE_WEAK);
    assert_string_equal(verdict.compat, row->mode);
}

static void modes_have_their_quirks(void **state)
{
    static const struct mode_case rows[] = {
            {"swebench", "PASSED t::a\n", "t::a", NULL, 0, false, true},
            {"swebench", "PASSED t::a\n", "t::a", NULL, 1, false, false},
            // A decoy explains the exit status.
            {"swebench", "PASSED t::a\nFAILED x::y\n", "t::a", NULL, 1, false, true},
            {"swebench", "FAILED t::a\nPASSED t::a\n", "t::a", NULL, 0, false, true},
            {"swebench", ">>>>> Test Exit Code: 0\nPASSED t::a\n", "t::a", NULL, 1, false, true},
            {"swebench", ">>>>> Tests Errored\nPASSED t::a\n", "t::a", NULL, 0, false, false},
            {"swebench", "PASSED t::a[x-1]\n", "t::a[x", NULL, 0, false, true},
            {"swebench", "PASSED t::a[x-1]\nFAILED t::a[x-2]\n", "t::a[x", NULL, 1, false, false},
            {"swebench", "SKIPPED t::a\n", NULL, "t::a", 0, false, true},
            {"swebench", "SKIPPED t::a\n", "t::a", NULL, 0, false, false},
            {"swebench", "XFAIL t::a\n", "t::a", NULL, 0, false, true},
            {"swebench", "ERRORS t::a\nPASSED t::b\n", "t::a", "t::b", 0, false, true},
            {"swebench", "PASSED t::b\n", NULL, NULL, 0, false, true}, // nothing is expected
            {"swebench", "Tests: 1\n", "t::a", NULL, 1, true, true},
            {"swebench", "nothing ran\n", "t::a", NULL, 0, true, false},
            {"swesmith", "t::a PASSED [ 50%]\n", "t::a", NULL, 1, false, true},
            {"swesmith", "t::b PASSED\n", "t::a", NULL, 0, false, false},
            {"swesmith", "t::a SKIPPED\n", "t::a", NULL, 0, false, true},
            {"swesmith", ">>>>> Tests Timed Out\nt::a PASSED\n", "t::a", NULL, 0, false, false},
            {"r2e", "= short test summary info =\nPASSED t.py::A::b\n", "t.py::A::b", NULL, 0,
                    false, true},
            {"r2e", "= short test summary info =\nPASSED t.py::a\nFAILED t.py::b - x\n", "t.py::a",
                    NULL, 1, false, false}, // a test that nobody expects
            {"r2e", "PASSED t.py::a\n", "t.py::a", NULL, 0, false, false},
            {"pro", "PASSED t::a\n", "t::a", NULL, 1, false, true},
            {"pro", "XFAIL t::a\n", "t::a", NULL, 0, false, false},
            {"pro", "SKIPPED t::a\n", NULL, "t::a", 0, false, false},
            {"rebench", "PASSED t::a[1.3ms]\n", "t::a", NULL, 0, false, true},
            {"rebench", "PASSED t::a\n", "t::a (5 ms)", NULL, 0, false, true},
            {"rebench", "PASSED t::a\n", "t::a in 0.2 sec", NULL, 0, false, true},
    };
    struct assay_arena *arena;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, (size_t)1 << 30, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_mode(&rows[i], arena);
    assay_arena_destroy(arena);
}

// A run that a signal ended has a status that is not 0; one that did not end has no verdict there.
static void deaths_are_no_exits(void **state)
{
    static const char *const id[] = {"t::a"};
    const struct assay_instance instance = {.instance_id = "acme__x-1",
            .repo = "acme/x",
            .framework = "pytest",
            .fail_to_pass = {id, 1}};
    struct assay_evidence evidence = {
            .box_cause = ASSAY_CAUSE_SIGNALLED, .log = {"PASSED t::a\n", 12}};
    const struct assay_framework *pytest = assay_framework_find("pytest");
    struct assay_judgement judgement;
    struct assay_verdict verdict = {0};
    struct assay_arena *arena;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, ARENA_BYTES, NULL), ASSAY_OK);
    assert_int_equal(assay_judge_compat(&verdict, &judgement, &instance, pytest, &evidence,
                             ASSAY_COMPAT_SWEBENCH, arena, NULL),
            ASSAY_OK);
    assert_false(verdict.resolved);
    assert_int_equal(verdict.cause, ASSAY_CAUSE_SIGNALLED);
    evidence.box_cause = ASSAY_CAUSE_WALL_LIMIT;
    assert_int_equal(assay_judge_compat(&verdict, &judgement, &instance, pytest, &evidence,
                             ASSAY_COMPAT_SWEBENCH, arena, NULL),
            ASSAY_OK);
    assert_false(verdict.resolved);
    assert_int_equal(verdict.cause, ASSAY_CAUSE_WALL_LIMIT);
    assert_int_equal(verdict.evidence, ASSAY_EVIDENCE_WEAK);
    assay_arena_destroy(arena);
}

static void repositories_have_parsers(void **state)
{
    (void)state;
    assert_string_equal(assay_log_parser_of_repo("django/django"), "parse_log_django");
    assert_string_equal(assay_log_parser_of_repo("ReactiveX/RxJava"), "parse_log_gradle_custom");
    assert_string_equal(assay_log_parser_of_repo("prettier/prettier"), "parse_log_carbon");
    assert_null(assay_log_parser_of_repo("acme/x"));
    assert_true(assay_log_fail_only_repo("eslint/eslint"));
    assert_false(assay_log_fail_only_repo("axios/axios"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(parsers_agree_with_the_package),
            cmocka_unit_test(bytes_become_text_as_python_has_it),
            cmocka_unit_test(modes_have_their_quirks),
            cmocka_unit_test(deaths_are_no_exits),
            cmocka_unit_test(repositories_have_parsers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
