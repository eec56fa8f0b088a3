// SPDX-License-Identifier: MIT
// What must hold: TOML's texts, numbers, lists and tables are read as TOML 1.0 says; what it
// forbids is refused with file and line.
#include "tasks/toml.h"

#include <math.h>
#include <string.h>

#include "tests/tasks/fixture.h"

static const struct assay_toml_entry *find(
        const struct assay_toml_entry *entries, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].key, key) == 0)
            return &entries[i];
    fail_msg("no %s", key);
    return NULL;
}

static void a_file_of_all_kinds_is_read(void **state)
{
    static const char text[] =
            "schema_version = \"1.0\" # a comment\r\n"
            "\n[task]\nname = 'org\\name'\n"
            "authors = [ { name = \"A\", email = \"a@b\" },\n  {name=\"B\"}, # second\n]\n"
            "long.text = \"\"\"\none \\\n   two\nthree\\u00e9\"\"\"\"\n"
            "raw = '''\nit's\n'''\n[metadata]\n\"odd key\" = 1_000\n\"\".x = true\n"
            "when = 2026-11-30 10:00:00.5Z\nday = 1979-05-27\nhex = 0xff\nmany = [[1, 2], []]\n"
            "[verifier]\ntimeout_sec = 6e2\n[verifier.env]\nTZ = \"UTC\"\n"
            "[[verifier.collect]]\ncommand = \"a\"\n[[verifier.collect]]\ncommand = \"b\"\n"
            "[verifier.collect.more]\nx = -inf\n";
    static const struct {
        const char *key, *value;
        enum assay_toml_kind kind;
        double number;
        size_t line;
    } rows[] = {
            {"schema_version", "1.0", ASSAY_TOML_TEXT, 0, 1},
            {"task.name", "org\\name", ASSAY_TOML_TEXT, 0, 4},
            {"task.authors", "", ASSAY_TOML_ARRAY, 2, 5},
            {"task.authors[0].email", "a@b", ASSAY_TOML_TEXT, 0, 5},
            {"task.authors[1].name", "B", ASSAY_TOML_TEXT, 0, 6},
            {"task.long.text", "one two\nthree\xc3\xa9\"", ASSAY_TOML_TEXT, 0, 8},
            {"task.raw", "it's\n", ASSAY_TOML_TEXT, 0, 12},
            {"metadata.odd key", "1_000", ASSAY_TOML_INTEGER, 1000, 16},
            {"metadata..x", "true", ASSAY_TOML_BOOL, 1, 17},
            {"metadata.when", "2026-11-30 10:00:00.5Z", ASSAY_TOML_TIME, 0, 18},
            {"metadata.day", "1979-05-27", ASSAY_TOML_TIME, 0, 19},
            {"metadata.hex", "0xff", ASSAY_TOML_INTEGER, 255, 20},
            {"metadata.many[0][1]", "2", ASSAY_TOML_INTEGER, 2, 21},
            {"metadata.many[1]", "", ASSAY_TOML_ARRAY, 0, 21},
            {"verifier.timeout_sec", "6e2", ASSAY_TOML_FLOAT, 600, 23},
            {"verifier.env.TZ", "UTC", ASSAY_TOML_TEXT, 0, 25},
            {"verifier.collect[1].command", "b", ASSAY_TOML_TEXT, 0, 29},
            {"verifier.collect[1].more.x", "-inf", ASSAY_TOML_FLOAT, -HUGE_VAL, 31},
    };
    struct assay_arena *arena = make_arena();
    struct assay_toml_entry *entries = NULL;
    struct assay_error err = {0};
    size_t count = 0;

    (void)state;
    if (assay_toml_flatten(&entries, &count, text, strlen(text), "t.toml", arena, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_toml_entry *entry = find(entries, count, rows[i].key);

        print_message("%s\n", rows[i].key);
        if (!entry) {
            fail_msg("no entry %s", rows[i].key);
            break;
        }
        assert_int_equal(entry->kind, rows[i].kind);
        assert_string_equal(entry->value, rows[i].value);
        assert_true(entry->number == rows[i].number);
        assert_int_equal(entry->line, rows[i].line);
    }
    assay_arena_destroy(arena);
}

static void what_toml_forbids_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
            {"a = 1\na = 2\n", "t.toml:2: the key stands twice"},
            {"[a]\n[a]\n", "t.toml:2: the table stands twice"},
            {"a = {b = 1}\n[a]\n", "t.toml:2: the table stands twice"},
            {"a = [1]\n[[a]]\n", "t.toml:2: the key stands twice"},
            {"a = 1\na.b = 2\n", "t.toml:2: the key goes on below a value"},
            {"a = [{}]\n[a.b]\n", "t.toml:2: the key goes on below a value"},
            {"a 1\n", "t.toml:1: expected '=' behind the key"},
            {"= 1\n", "t.toml:1: expected a key"},
            {"a = \n", "t.toml:1: expected a value"},
            {"a = 1 b = 2\n", "t.toml:1: something stands behind the value"},
            {"a = \"x\ny\"\n", "t.toml:2: the text does not end on its line"},
            {"a = \"x", "t.toml:1: the text does not end"},
            {"a = '''x", "t.toml:1: the text does not end"},
            {"a = \"\\q\"\n", "t.toml:1: an escape that TOML does not know"},
            {"a = \"\\ud800\"\n", "t.toml:1: an escape that TOML does not know"},
            {"a = \"\x01\"\n", "t.toml:1: a control character in a text"},
            {"a = \"\xff\"\n", "t.toml:1: not UTF-8"},
            {"a = 01\n",
                    "t.toml:1: neither a text nor a number, a boolean, a time, a list or a table"},
            {"a = 1__0\n",
                    "t.toml:1: neither a text nor a number, a boolean, a time, a list or a table"},
            {"a = 1.\n",
                    "t.toml:1: neither a text nor a number, a boolean, a time, a list or a table"},
            {"a = 2026-13-01\n",
                    "t.toml:1: neither a text nor a number, a boolean, a time, a list or a table"},
            {"a = yes\n",
                    "t.toml:1: neither a text nor a number, a boolean, a time, a list or a table"},
            {"a = [1 2]\n", "t.toml:1: expected ',' or ']'"},
            {"a = [1,\n", "t.toml:2: expected a value"},
            {"a = {b = 1,}\n", "t.toml:1: expected a key"},
            {"[a\n", "t.toml:1: expected ']' behind the table's name"},
            {"[[a]\n", "t.toml:1: expected ']' behind the table's name"},
            {"\"\"\"a\"\"\" = 1\n", "t.toml:1: a key cannot be a text of several lines"},
    };
    struct assay_arena *arena = make_arena();

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_toml_entry *entries = NULL;
        struct assay_error err = {0};
        size_t count = 77;

        print_message("row %zu\n", i);
        assert_fails(assay_toml_flatten(&entries, &count, rows[i].text, strlen(rows[i].text),
                             "t.toml", arena, &err),
                &err, ASSAY_EINVAL, rows[i].message);
        assert_null(entries);
        assert_int_equal(count, 77);
    }
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_file_of_all_kinds_is_read),
            cmocka_unit_test(what_toml_forbids_is_refused_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
