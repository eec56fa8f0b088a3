// SPDX-License-Identifier: MIT
// What must hold: a text is taken only if every reader would read the same value from it, and a
// refusal names the source, the line and the reason.
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

static const struct assay_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 16};

// The document, which must be good.
static struct assay_json *parse(const char *text)
{
    struct assay_json *json = NULL;
    struct assay_error err = {0};

    if (assay_json_parse(&json, text, strlen(text), limits, "t", 1, &err) != ASSAY_OK)
        fail_msg("%s: %s", text, err.message);
    return json;
}

static void refuse(const char *text, size_t len, const char *message)
{
    struct assay_error err = {0};
    struct assay_json *const untouched = (struct assay_json *)(void *)&err;
    struct assay_json *json = untouched;

    assert_int_equal(assay_json_parse(&json, text, len, limits, "a.json", 1, &err), ASSAY_EINVAL);
    assert_string_equal(err.message, message);
    assert_ptr_equal(json, untouched);
}

static void what_is_not_json_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
            {"", "a.json:1: expected a value"},
            {" \n\n", "a.json:3: expected a value"},
            {"{", "a.json:1: expected '\"' to open a string"},
            {"[1,]", "a.json:1: expected a value"},
            {"[1\n 2]", "a.json:2: expected ']' or ',' in an array"},
            {"{\"a\":1,}", "a.json:1: expected '\"' to open a string"},
            {"{\"a\" 1}", "a.json:1: expected ':' after a key"},
            {"{\"a\":1 \"b\":2}", "a.json:1: expected '}' or ',' in an object"},
            {"{a:1}", "a.json:1: expected '\"' to open a string"},
            {"'a'", "a.json:1: expected a value"},
            {"nul", "a.json:1: expected a value"},
            {"True", "a.json:1: expected a value"},
            {"NaN", "a.json:1: expected a value"},
            {"1 2", "a.json:1: something follows the value"},
            {"{}\n{}", "a.json:2: something follows the value"},
            {"{} // x", "a.json:1: something follows the value"},
            {"\xef\xbb\xbf{}", "a.json:1: begins with a byte order mark"},
            {"\v1", "a.json:1: expected a value"},
            // numbers
            {"007", "a.json:1: malformed number"},
            {"1.", "a.json:1: malformed number"},
            {"-", "a.json:1: malformed number"},
            {"1e", "a.json:1: malformed number"},
            {"1e+", "a.json:1: malformed number"},
            {".5", "a.json:1: expected a value"},
            {"+1", "a.json:1: expected a value"},
            {"0x10", "a.json:1: something follows the value"},
            {"1e999", "a.json:1: number out of range"},
            {"0.1234567890123456789012345678901234567890123456789012345678901234567890",
                    "a.json:1: number of more than 63 characters"},
            // strings
            {"\"abc", "a.json:1: a string has no end"},
            {"\"a\nb\"", "a.json:1: control character in a string"},
            {"\"\\x41\"", "a.json:1: unknown escape in a string"},
            {"\"\\", "a.json:1: unknown escape in a string"},
            {"\"\\u00\"", "a.json:1: \\u needs four hexadecimal digits"},
            {"\"\\u00g0\"", "a.json:1: \\u needs four hexadecimal digits"},
            {"\"\\u0000\"", "a.json:1: \\u0000 in a string"},
            {"\"\\ud800\"", "a.json:1: half of a surrogate pair"},
            {"\"\\udc00\"", "a.json:1: half of a surrogate pair"},
            {"\"\\ud800\\u0041\"", "a.json:1: half of a surrogate pair"},
            {"\"\xff\"", "a.json:1: invalid UTF-8 in a string"},
            {"\"\xed\xa0\x80\"", "a.json:1: invalid UTF-8 in a string"},
            {"\"\xc0\x80\"", "a.json:1: invalid UTF-8 in a string"},
            {"\"\xe2\x82", "a.json:1: invalid UTF-8 in a string"},
            // keys
            {"{\"a\":1,\n\"b\":2,\n\"a\":3}", "a.json:3: duplicate key \"a\""},
            {"{\"a\":1,\"\\u0061\":2}", "a.json:1: duplicate key \"\\u0061\""},
            {"[{\"x\":{\"\":1,\"\":2}}]", "a.json:1: duplicate key \"\""},
            {"{\"a\\u0000\":1}", "a.json:1: \\u0000 in a string"},
            // depth
            {"[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", "a.json:1: nested too deep"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("row %zu\n", i);
        refuse(rows[i].text, strlen(rows[i].text), rows[i].message);
    }
    refuse("\"a\0b\"", 5, "a.json:1: control character in a string");
    refuse("1\0", 2, "a.json:1: something follows the value");
    refuse("\"\\\0\"", 4, "a.json:1: unknown escape in a string");
}

static void what_is_json_is_taken(void **state)
{
    static const char *const rows[] = {"null", "true", " false ", "0", "-0", "-0.5e-3", "1E+2",
            "\"\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"",
            "\"\xf0\x9f\x98\x80\x7f\"", "[]", "{}", "[[],{}]", "\t{\r\n\"a\" : [ 1 , 2 ] }\n",
            "{\"a\":1,\"A\":2}", "{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}",
            "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
            "[9007199254740993, 123456789012345678901234567890]"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assay_json_free(parse(rows[i]));
}

static void the_size_is_bounded(void **state)
{
    const struct assay_json_limits four = {.bytes_max = 4, .depth_max = 1};
    struct assay_json *json = NULL;
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(assay_json_parse(&json, "true", 4, four, "s", 9, &err), ASSAY_OK);
    assay_json_free(json);
    assert_int_equal(assay_json_parse(&json, "false", 5, four, "s", 9, &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "s:9: more than 4 bytes");
}

static void depth_is_bounded_even_if_the_caller_asks_for_more(void **state)
{
    enum { DEPTH = 100000 };
    const struct assay_json_limits deep = {.bytes_max = DEPTH, .depth_max = DEPTH};
    struct assay_json *json = NULL;
    struct assay_error err = {0};
    char *text = malloc(DEPTH);

    (void)state;
    assert_non_null(text);
    memset(text, '[', DEPTH);
    assert_int_equal(assay_json_parse(&json, text, DEPTH, deep, "s", 1, &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "s:1: nested too deep");
    memset(text + ASSAY_JSON_DEPTH_MAX, ']', ASSAY_JSON_DEPTH_MAX);
    assert_int_equal(
            assay_json_parse(&json, text, 2 * (size_t)ASSAY_JSON_DEPTH_MAX, deep, "s", 1, &err),
            ASSAY_OK);
    assay_json_free(json);
    free(text);
}

static void a_hundred_thousand_hostile_keys_are_checked_in_no_time(void **state)
{
    struct assay_json *json = NULL;
    struct assay_error err = {0};
    struct assay_buf text;

    (void)state;
    assay_buf_init(&text, 1 << 24);
    for (int i = 0; i < 100000; i++)
        (void)assay_buf_addf(&text, "%c\"same-beginning-%d\":0", i == 0 ? '{' : ',', i);
    (void)assay_buf_adds(&text, ",\"same-beginning-7\":1}");
    assert_int_equal(
            assay_json_parse(&json, text.data, text.len,
                    (struct assay_json_limits){.bytes_max = 1 << 24, .depth_max = 2}, "s", 1, &err),
            ASSAY_EINVAL);
    assert_string_equal(err.message, "s:1: duplicate key \"same-beginning-7\"");
    assay_buf_free(&text);
}

static void values_have_their_types(void **state)
{
    struct assay_json *json = parse("[null, true, 1.5, \"t\", [0], {\"k\": 0, \"l\": 1}]");
    static const enum assay_json_type types[] = {ASSAY_JSON_NULL, ASSAY_JSON_BOOL,
            ASSAY_JSON_NUMBER, ASSAY_JSON_STRING, ASSAY_JSON_ARRAY, ASSAY_JSON_OBJECT};
    static const size_t counts[] = {0, 0, 0, 0, 1, 2};
    const struct assay_json *element = assay_json_first(json);

    (void)state;
    assert_int_equal(assay_json_count(json), 6);
    for (size_t i = 0; i < 6; i++, element = assay_json_next(element)) {
        assert_int_equal(assay_json_type(element), types[i]);
        assert_int_equal(assay_json_count(element), counts[i]);
        assert_int_equal(assay_json_bool(element), i == 1);
        assert_true(i == 2 ? assay_json_number(element) == 1.5 : isnan(assay_json_number(element)));
        assert_int_equal(assay_json_text(element) != NULL, i == 3);
        assert_int_equal(assay_json_first(element) != NULL, i >= 4);
        assert_null(assay_json_key(element));
        assert_int_equal(assay_json_get(element, "k") != NULL, i == 5);
    }
    assert_null(element);
    assay_json_free(json);
    assay_json_free(NULL);
}

static void keys_are_case_sensitive_and_decoded(void **state)
{
    struct assay_json *json = parse("{\"A\": 1, \"\\u00e9\\n\": 2}");

    (void)state;
    assert_non_null(assay_json_get(json, "A"));
    assert_null(assay_json_get(json, "a"));
    assert_true(assay_json_number(assay_json_get(json, "\xc3\xa9\n")) == 2.0);
    assert_string_equal(assay_json_key(assay_json_first(json)), "A");
    assert_string_equal(assay_json_key(assay_json_next(assay_json_first(json))), "\xc3\xa9\n");
    assay_json_free(json);
}

static void a_missing_field_or_a_wrong_type_is_named(void **state)
{
    struct assay_json *json = parse("{\"n\": 1, \"t\": \"x\", \"o\": {}, \"a\": [], \"z\": null}");
    const struct assay_json *member = json;
    struct assay_error err = {0};
    const char *text = "untouched";
    uint64_t number = 7;
    bool flag = true;

    (void)state;
    assert_int_equal(assay_json_read_text(&text, json, "m", &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "field \"m\" is missing");
    assert_int_equal(assay_json_read_text(&text, json, "n", &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "field \"n\" must be a string");
    assert_int_equal(assay_json_read_text(&text, json, "z", &err), ASSAY_EINVAL);
    assert_int_equal(assay_json_opt_text(&text, json, "a", &err), ASSAY_EINVAL);
    assert_int_equal(assay_json_read_u64(&number, json, "t", 0, 9, &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "field \"t\" must be an integer");
    assert_int_equal(assay_json_read_bool(&flag, json, "n", &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "field \"n\" must be true or false");
    assert_int_equal(assay_json_read_array(&member, json, "o", &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "field \"o\" must be an array");
    assert_int_equal(assay_json_read_object(&member, json, "a", &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "field \"a\" must be an object");
    assert_string_equal(text, "untouched");
    assert_int_equal(number, 7);
    assert_true(flag);
    assert_ptr_equal(member, json);

    assert_int_equal(assay_json_opt_text(&text, json, "m", &err), ASSAY_OK);
    assert_int_equal(assay_json_opt_text(&text, json, "z", &err), ASSAY_OK);
    assert_int_equal(assay_json_opt_u64(&number, json, "z", 0, 1, &err), ASSAY_OK);
    assert_string_equal(text, "untouched");
    assert_int_equal(number, 7);
    assert_int_equal(assay_json_read_text(&text, json, "t", &err), ASSAY_OK);
    assert_string_equal(text, "x");
    assay_json_free(json);
}

static void integers_are_exact_or_refused(void **state)
{
    static const struct {
        const char *text;
        uint64_t min, max;
        bool is_good;
        uint64_t value;
    } rows[] = {
            {"{\"n\": 0}", 0, UINT64_MAX, true, 0},
            {"{\"n\": 5}", 5, 5, true, 5},
            {"{\"n\": 5.0}", 0, 9, true, 5},
            {"{\"n\": 9007199254740991}", 0, UINT64_MAX, true, UINT64_C(9007199254740991)},
            {"{\"n\": 9007199254740992}", 0, UINT64_MAX, false, 0},
            {"{\"n\": 9007199254740993}", 0, UINT64_MAX, false, 0},
            {"{\"n\": 18446744073709551616}", 0, UINT64_MAX, false, 0},
            {"{\"n\": 1e300}", 0, UINT64_MAX, false, 0},
            {"{\"n\": -1}", 0, 9, false, 0},
            {"{\"n\": 0.5}", 0, 9, false, 0},
            {"{\"n\": 4}", 5, 9, false, 0},
            {"{\"n\": 10}", 5, 9, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_json *json = parse(rows[i].text);
        struct assay_error err = {0};
        uint64_t value = 77;

        print_message("row %zu\n", i);
        assert_int_equal(assay_json_read_u64(&value, json, "n", rows[i].min, rows[i].max, &err),
                rows[i].is_good ? ASSAY_OK : ASSAY_EINVAL);
        assert_true(value == (rows[i].is_good ? rows[i].value : 77));
        if (i == 11)
            assert_string_equal(err.message, "field \"n\" must be an integer from 5 to 9");
        assay_json_free(json);
    }
}

static void unknown_fields_are_named_without_breaking_the_line(void **state)
{
    static const char *const keys[] = {"a", "b"};
    struct assay_json *good = parse("{\"b\": 1}");
    struct assay_json *bad = parse("{\"a\": 1, \"x\\ny\": 2}");
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(assay_json_only_keys(good, keys, 2, &err), ASSAY_OK);
    assert_int_equal(assay_json_only_keys(bad, keys, 2, &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "unknown field \"x?y\"");
    assay_json_free(good);
    assay_json_free(bad);
}

static void the_line_of_a_member_is_found(void **state)
{
    static const char text[] = "{\n"                            // 10
                               "  \"name\": \"x { [ \\\" \",\n" // 11
                               "  \"recipes\": {\n"             // 12
                               "    \"plain\": {\n"             // 13
                               "      \"base\": \"host\",\n"    // 14
                               "      \"dir.d\": {\"q\": 1},\n" // 15
                               "      \"t[0]\": 1\n"            // 16
                               "    }\n"                        // 17
                               "  },\n"                         // 18
                               "  \"list\": [\n"                // 19
                               "    [1, 2],\n"                  // 20
                               "    {\"k\":\n"                  // 21
                               "       3}\n"                    // 22
                               "  ]\n"                          // 23
                               "}\n";
    static const struct {
        const char *path;
        size_t line;
    } rows[] = {
            {"name", 11},
            {"recipes", 12},
            {"recipes.plain", 13},
            {"recipes.plain.base", 14},
            {"recipes.plain.dir.d", 15},
            {"recipes.plain.dir.d.q", 15},
            {"recipes.plain.t[0]", 16},
            {"list", 19},
            {"list[0]", 20},
            {"list[0][1]", 20},
            {"list[1]", 21},
            {"list[1].k", 21},
            {"", 10},
            {"none", 10},
            {"recipes.none", 10},
            {"list[2]", 10},
            {"list[", 10},
            {"name.x", 10},
            {"list[0].x", 10},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("row %zu\n", i);
        assert_int_equal(assay_json_line(text, strlen(text), 10, rows[i].path), rows[i].line);
    }
    // A text that does not parse has no members, and does no harm.
    for (size_t len = 0; len < strlen(text); len++)
        (void)assay_json_line(text, len, 1, "list[1].k");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_is_not_json_is_refused_with_its_line),
            cmocka_unit_test(what_is_json_is_taken),
            cmocka_unit_test(the_size_is_bounded),
            cmocka_unit_test(depth_is_bounded_even_if_the_caller_asks_for_more),
            cmocka_unit_test(a_hundred_thousand_hostile_keys_are_checked_in_no_time),
            cmocka_unit_test(values_have_their_types),
            cmocka_unit_test(keys_are_case_sensitive_and_decoded),
            cmocka_unit_test(a_missing_field_or_a_wrong_type_is_named),
            cmocka_unit_test(integers_are_exact_or_refused),
            cmocka_unit_test(unknown_fields_are_named_without_breaking_the_line),
            cmocka_unit_test(the_line_of_a_member_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
