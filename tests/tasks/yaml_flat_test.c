// SPDX-License-Identifier: MIT
// What must hold: settings come out flat, in order, with their lines; whatever a setting cannot be
// is refused with its line.
#include "tasks/yaml_flat.h"

#include <string.h>

#include "support/harness.h"

static void settings_come_out_flat(void **state)
{
    static const char text[] = "# a run\n"
                               "name: demo\n"
                               "loss:\n"
                               "  name: cispo   # the default\n"
                               "  is_cap: 5\n"
                               "rl: {steps: 60, \"groups\": '16'}\n"
                               "tasks:\n"
                               "  deep:\n"
                               "    er: ''\n";
    static const struct {
        const char *key, *value;
        size_t line;
    } want[] = {{"name", "demo", 2}, {"loss.name", "cispo", 4}, {"loss.is_cap", "5", 5},
            {"rl.steps", "60", 6}, {"rl.groups", "16", 6}, {"tasks.deep.er", "", 9}};
    struct assay_arena *arena = NULL;
    struct assay_yaml_entry *entries = NULL;
    size_t count = 0;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assert_int_equal(
            assay_yaml_flatten(&entries, &count, text, strlen(text), "x.yaml", arena, NULL),
            ASSAY_OK);
    assert_int_equal(count, sizeof(want) / sizeof(want[0]));
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(entries[i].key, want[i].key);
        assert_string_equal(entries[i].value, want[i].value);
        assert_int_equal(entries[i].line, want[i].line);
    }
    assert_int_equal(
            assay_yaml_flatten(&entries, &count, "# no\n", 5, "x.yaml", arena, NULL), ASSAY_OK);
    assert_int_equal(count, 0);
    assay_arena_destroy(arena);
}

static void what_no_setting_can_be_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
            {"a: 1\nb: [1, 2]\n", "x.yaml:2: lists and aliases"},
            {"a: &x 1\nb: *x\n", "x.yaml:1: anchors and tags"},
            {"a: !!int 1\n", "x.yaml:1: anchors and tags"},
            {"a: 1\na: 2\n", "x.yaml:2: a stands on line 1 already"},
            {"a.b: 1\na:\n  b: 2\n", "x.yaml:3: a.b stands on line 1 already"},
            {"just text\n", "x.yaml:1: settings are"},
            {"a: 1\n---\nb: 2\n", "x.yaml:2: one document"},
            {"a: \"open\n", "x.yaml:"},
            {"{{a: 1}: 2}\n", "x.yaml:1: a name is expected"},
            {"a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}\n", "x.yaml:1: too many levels"},
            {"a: \"x\\0y\"\n", "x.yaml:1: a NUL"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_arena *arena = NULL;
        struct assay_yaml_entry *entries = NULL;
        struct assay_error err = {0};
        size_t count = 7;

        assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
        assert_int_equal(assay_yaml_flatten(&entries, &count, rows[i].text, strlen(rows[i].text),
                                 "x.yaml", arena, &err),
                ASSAY_EINVAL);
        if (!strstr(err.message, rows[i].message))
            fail_msg("%s, want %s", err.message, rows[i].message);
        assert_true(count == 7 && !entries);
        assay_arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(settings_come_out_flat),
            cmocka_unit_test(what_no_setting_can_be_is_refused_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
