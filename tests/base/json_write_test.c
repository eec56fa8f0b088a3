// SPDX-License-Identifier: MIT
// What must hold: whatever is written can be read back by our own strict reader, with the same
// values.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/rng.h"
#include "support/harness.h"

static const struct assay_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 16};

static void write_sample(struct assay_json_writer *w)
{
    assay_json_begin_object(w, NULL);
    assay_json_put_u64(w, "schema", 1);
    assay_json_put_text(w, "name", "a \"b\"\n");
    assay_json_begin_array(w, "list");
    assay_json_put_bool(w, NULL, true);
    assay_json_put_null(w, NULL);
    assay_json_put_i64(w, NULL, -5);
    assay_json_put_double(w, NULL, 0.1);
    assay_json_begin_object(w, NULL);
    assay_json_end_object(w);
    assay_json_end_array(w);
    assay_json_begin_array(w, "none");
    assay_json_end_array(w);
    assay_json_put_text(w, "missing", NULL);
    assay_json_end_object(w);
}

static void one_line_has_no_spaces(void **state)
{
    struct assay_json_writer w;
    struct assay_buf buf;

    (void)state;
    assay_buf_init(&buf, 1000);
    assay_json_writer_init(&w, &buf, 0);
    write_sample(&w);
    assert_string_equal(buf.data,
            "{\"schema\":1,\"name\":\"a \\\"b\\\"\\n\",\"list\":[true,null,-5,"
            "0.1,{}],\"none\":[],\"missing\":null}");
    assay_buf_free(&buf);
}

static void indentation_follows_the_depth(void **state)
{
    struct assay_json_writer w;
    struct assay_buf buf;

    (void)state;
    assay_buf_init(&buf, 1000);
    assay_json_writer_init(&w, &buf, 2);
    write_sample(&w);
    assert_string_equal(buf.data,
            "{\n  \"schema\": 1,\n  \"name\": \"a \\\"b\\\"\\n\",\n"
            "  \"list\": [\n    true,\n    null,\n    -5,\n    0.1,\n"
            "    {}\n  ],\n  \"none\": [],\n  \"missing\": null\n}");
    assay_buf_free(&buf);
}

static void documents_follow_each_other_from_one_writer(void **state)
{
    struct assay_json_writer w;
    struct assay_buf buf;

    (void)state;
    assay_buf_init(&buf, 1000);
    assay_json_writer_init(&w, &buf, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_end_object(&w);
    (void)assay_buf_addc(&buf, '\n');
    assay_json_put_u64(&w, NULL, 7);
    (void)assay_buf_addc(&buf, '\n');
    assay_json_begin_array(&w, NULL);
    assay_json_put_u64(&w, NULL, 7);
    assay_json_end_array(&w);
    assert_string_equal(buf.data, "{}\n7\n[7]");
    assay_buf_free(&buf);
}

static void bytes_that_are_not_text_become_replacement_characters(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *json;
    } rows[] = {
            {"\xc3\xa9", 2, "\"\xc3\xa9\""},
            {"a\xff"
             "b",
                    3,
                    "\"a\xef\xbf\xbd"
                    "b\""},
            {"\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
            {"a\0b", 3,
                    "\"a\xef\xbf\xbd"
                    "b\""},
            {"\x01\x1f\x7f", 3, "\"\\u0001\\u001f\x7f\""},
            {"\"\\\b\f\n\r\t/", 8, "\"\\\"\\\\\\b\\f\\n\\r\\t/\""},
            {"", 0, "\"\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_json_writer w;
        struct assay_buf buf;

        print_message("row %zu\n", i);
        assay_buf_init(&buf, 1000);
        assay_json_writer_init(&w, &buf, 0);
        assay_json_put_bytes(&w, NULL, rows[i].bytes, rows[i].len);
        assert_string_equal(buf.data, rows[i].json);
        assay_buf_free(&buf);
    }
}

static void any_bytes_at_all_can_be_read_back(void **state)
{
    struct assay_rng rng;

    (void)state;
    assay_rng_seed(&rng, 1, 0);
    for (int round = 0; round < 2000; round++) {
        struct assay_json *json = NULL;
        struct assay_json_writer w;
        struct assay_error err = {0};
        struct assay_buf buf;
        char bytes[64];

        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (char)assay_rng_next(&rng);
        assay_buf_init(&buf, 1000);
        assay_json_writer_init(&w, &buf, 0);
        assay_json_begin_object(&w, NULL);
        assay_json_put_bytes(&w, "k", bytes, sizeof(bytes));
        assay_json_end_object(&w);
        if (assay_json_parse(&json, buf.data, buf.len, limits, "t", 1, &err) != ASSAY_OK)
            fail_msg("%s", err.message);
        assert_non_null(assay_json_text(assay_json_get(json, "k")));
        assay_json_free(json);
        assay_buf_free(&buf);
    }
}

static void doubles_are_short_and_come_back_exactly(void **state)
{
    static const struct {
        double value;
        const char *json;
    } rows[] = {{0.0, "0"}, {-0.0, "-0"}, {1.0, "1"}, {0.1, "0.1"}, {0.3, "0.3"},
            {0.1 + 0.2, "0.30000000000000004"}, {1e300, "1e+300"},
            {5e-324, "4.94065645841247e-324"}, {(double)NAN, "null"}, {(double)INFINITY, "null"},
            {-(double)INFINITY, "null"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_json_writer w;
        struct assay_buf buf;

        print_message("row %zu\n", i);
        assay_buf_init(&buf, 100);
        assay_json_writer_init(&w, &buf, 0);
        assay_json_put_double(&w, NULL, rows[i].value);
        assert_string_equal(buf.data, rows[i].json);
        if (isfinite(rows[i].value))
            assert_true(strtod(buf.data, NULL) == rows[i].value);
        assay_buf_free(&buf);
    }
}

static void the_largest_integers_come_back_exactly(void **state)
{
    struct assay_json *json = NULL;
    struct assay_json_writer w;
    struct assay_buf buf;
    uint64_t value = 0;

    (void)state;
    assay_buf_init(&buf, 100);
    assay_json_writer_init(&w, &buf, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "n", ASSAY_JSON_INTEGER_MAX);
    assay_json_put_i64(&w, "m", -(int64_t)ASSAY_JSON_INTEGER_MAX);
    assay_json_end_object(&w);
    assert_string_equal(buf.data, "{\"n\":9007199254740991,\"m\":-9007199254740991}");
    assert_int_equal(assay_json_parse(&json, buf.data, buf.len, limits, "t", 1, NULL), ASSAY_OK);
    assert_int_equal(assay_json_read_u64(&value, json, "n", 0, UINT64_MAX, NULL), ASSAY_OK);
    assert_true(value == ASSAY_JSON_INTEGER_MAX);
    assay_json_free(json);
    assay_buf_free(&buf);
}

static void a_document_that_does_not_fit_is_noticed_at_the_end(void **state)
{
    struct assay_error err = {0};
    struct assay_json_writer w;
    struct assay_buf buf;

    (void)state;
    assay_buf_init(&buf, 20);
    assay_json_writer_init(&w, &buf, 0);
    write_sample(&w);
    assert_int_equal(assay_buf_check(&buf, "answer", &err), ASSAY_ENOMEM);
    assert_string_equal(err.message, "answer is larger than 20 bytes");
    assay_buf_free(&buf);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(one_line_has_no_spaces),
            cmocka_unit_test(indentation_follows_the_depth),
            cmocka_unit_test(documents_follow_each_other_from_one_writer),
            cmocka_unit_test(bytes_that_are_not_text_become_replacement_characters),
            cmocka_unit_test(any_bytes_at_all_can_be_read_back),
            cmocka_unit_test(doubles_are_short_and_come_back_exactly),
            cmocka_unit_test(the_largest_integers_come_back_exactly),
            cmocka_unit_test(a_document_that_does_not_fit_is_noticed_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
