// SPDX-License-Identifier: MIT
// What must hold: an answer that comes byte by byte is handed out in whole characters, ends before
// the first stop string, and is the same however it was cut.
#include "policy/text_stream.h"

#include <string.h>

#include "base/utf8.h"
#include "support/harness.h"

static const char *const stops[] = {"</end>", "\n\nQ:", "\xc3\xa9."};

// The text as it comes out when `step` bytes come at a time.
static void check(const char *text, const char *wanted, size_t step, bool whole)
{
    struct assay_text_stream stream;
    struct assay_buf out;
    const size_t len = strlen(text);

    assert_int_equal(assay_text_stream_init(&stream, stops, 3, NULL), ASSAY_OK);
    assay_buf_init(&out, 1024);
    for (size_t i = 0; i < len; i += step) {
        const size_t before = out.len;

        assert_int_equal(assay_text_stream_add(
                                 &stream, text + i, len - i < step ? len - i : step, &out, NULL),
                ASSAY_OK);
        for (size_t at = before; whole && at < out.len;) {
            const size_t n = assay_utf8_length(out.data + at, out.len - at);

            assert_true(n > 0);
            at += n;
        }
    }
    assert_int_equal(assay_text_stream_finish(&stream, &out, NULL), ASSAY_OK);
    assert_string_equal(out.data, wanted);
    assert_int_equal(stream.stopped, strlen(wanted) < len);
    assay_text_stream_free(&stream);
    assay_buf_free(&out);
}

static void answers_end_before_a_stop_string(void **state)
{
    static const struct {
        const char *text, *wanted;
        bool whole;
    } rows[] = {
            {"plain text", "plain text", true},
            {"one</end>two", "one", true},
            {"</en</end>", "</en", true},
            {"a\n\n\nQ: b", "a\n", true},
            {"caf\xc3\xa9 \xf0\x9f\x98\x80!", "caf\xc3\xa9 \xf0\x9f\x98\x80!", true},
            {"caf\xc3\xa9.", "caf", true},
            {"cut \xf0\x9f\x98", "cut \xf0\x9f\x98", true},
            {"bad \xff\x80 bytes", "bad \xff\x80 bytes", false},
            {"x</end", "x</end", true},
            {"\n\nQ</end>:", "\n\nQ", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t step = 1; step < 12; step++)
            check(rows[i].text, rows[i].wanted, step, rows[i].whole);
}

static void bad_stop_strings_are_refused(void **state)
{
    static const char *const empty[] = {""};
    struct assay_text_stream stream;
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(assay_text_stream_init(&stream, empty, 1, &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "stop string 0: not 1 to 4096 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(answers_end_before_a_stop_string),
            cmocka_unit_test(bad_stop_strings_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
