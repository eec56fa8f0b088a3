// SPDX-License-Identifier: MIT
// What must hold: no byte becomes markup or stays unseen, none grows beyond what callers count on.
#include "orchestrator/html.h"

#include <stdint.h>

#include "support/harness.h"

static void whatever_bytes_come_the_text_is_safe_and_visible(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum assay_html_form form;
        const char *html;
    } rows[] = {
            {"</pre><script>", 14, ASSAY_HTML_BLOCK, "&lt;/pre&gt;&lt;script&gt;"},
            {"\"x' & y", 7, ASSAY_HTML_LINE, "&#34;x&#39; &amp; y"},
            {"caf\xc3\xa9 \xf0\x9f\xa6\x80", 10, ASSAY_HTML_LINE, "caf\xc3\xa9 \xf0\x9f\xa6\x80"},
            {"\xff\xc0\xaf|\xed\xa0\x80|\xe2\x82", 10, ASSAY_HTML_LINE,
                    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|"
                    "\xef\xbf\xbd\xef\xbf\xbd"},
            {"a\0b\x7f\x1b[31m", 9, ASSAY_HTML_BLOCK, "a^@b^?^[[31m"},
            {"a\nb\tc\r\n", 7, ASSAY_HTML_LINE, "a^Jb^Ic^M^J"},
            {"a\nb\tc\r\n", 7, ASSAY_HTML_BLOCK, "a\nb\tc^M\n"},
            {"\xe2\x80\xaegnp.\xe2\x80\xac\xc2\x85\xef\xbb\xbf", 15, ASSAY_HTML_LINE,
                    "[U+202E]gnp.[U+202C][U+0085][U+FEFF]"},
            {"\x1b[1;31mred\x1b[0m\x1b(B", 17, ASSAY_HTML_LOG, "red"},
            {"\x1b]0;title\x07"
             "a\x1b]8;;x\x1b\\b",
                    20, ASSAY_HTML_LOG, "ab"},
            {"\x1b]never\nended", 13, ASSAY_HTML_LOG, "^[]never\nended"},
            {"\x1b[12", 4, ASSAY_HTML_LOG, "^[[12"},
            {"\x1b", 1, ASSAY_HTML_LOG, "^["},
            {"1 %\r2 %\r\nx", 10, ASSAY_HTML_LOG, "1 %\n2 %\nx"},
            {NULL, 0, ASSAY_HTML_LINE, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_buf out;

        print_message("row %zu\n", i);
        assay_buf_init(&out, 1024);
        assay_html_bytes(&out, rows[i].bytes, rows[i].len, rows[i].form);
        assert_string_equal(out.data, rows[i].html);
        assay_buf_free(&out);
    }
}

static void no_byte_grows_beyond_the_promise(void **state)
{
    (void)state;
    for (unsigned form = 0; form <= ASSAY_HTML_LOG; form++) {
        for (unsigned point = 0; point < 0x3000; point++) {
            const unsigned char bytes[3] = {(unsigned char)(0xe0 | point >> 12),
                    (unsigned char)(0x80 | (point >> 6 & 0x3f)),
                    (unsigned char)(0x80 | (point & 0x3f))};
            const unsigned char two[2] = {(unsigned char)(0xc0 | point >> 6), bytes[2]};
            const unsigned char one = (unsigned char)point;
            const void *text = point < 0x80 ? (const void *)&one : point < 0x800 ? two : bytes;
            const size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : 3;
            struct assay_buf out;

            assay_buf_init(&out, 64);
            assay_html_bytes(&out, text, len, (enum assay_html_form)form);
            assert_true(out.len <= len * ASSAY_HTML_GROWTH);
            assert_false(out.failed);
            assay_buf_free(&out);
        }
    }
}

static void a_cut_never_splits_a_character(void **state)
{
    (void)state;
    assert_int_equal(assay_html_cut("abc", 3, 3), 3);
    assert_int_equal(assay_html_cut("ab\xf0\x9f\xa6\x80", 6, 5), 2);
    assert_int_equal(assay_html_cut("ab\xf0\x9f\xa6\x80", 6, 6), 6);
    assert_int_equal(assay_html_cut("abcdef\nhij", 10, 8), 7); // a newline in the last quarter
    assert_int_equal(assay_html_cut("a\ncdefghij", 10, 8), 8); // and one too far back
    assert_int_equal(assay_html_cut("abc", 3, 0), 0);
}

static void quantities_read_well(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *html;
    } sizes[] = {{0, "0&nbsp;B"}, {1023, "1023&nbsp;B"}, {1024, "1.0&nbsp;KiB"},
            {1048575, "1.0&nbsp;MiB"}, {UINT64_C(4) << 30, "4.0&nbsp;GiB"},
            {UINT64_MAX, "16777216&nbsp;TiB"}};
    static const struct {
        uint64_t ms;
        const char *html;
    } times[] = {{0, "0&nbsp;ms"}, {999, "999&nbsp;ms"}, {1250, "1.2&nbsp;s"},
            {59949, "59.9&nbsp;s"}, {59950, "1&nbsp;min&nbsp;00&nbsp;s"},
            {1800000, "30&nbsp;min&nbsp;00&nbsp;s"}, {5400000, "1&nbsp;h&nbsp;30&nbsp;min"}};
    struct assay_buf out;

    (void)state;
    assay_buf_init(&out, 256);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assay_buf_clear(&out);
        assay_html_size(&out, sizes[i].bytes);
        assert_string_equal(out.data, sizes[i].html);
    }
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        assay_buf_clear(&out);
        assay_html_duration(&out, times[i].ms);
        assert_string_equal(out.data, times[i].html);
    }
    assay_buf_free(&out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(whatever_bytes_come_the_text_is_safe_and_visible),
            cmocka_unit_test(no_byte_grows_beyond_the_promise),
            cmocka_unit_test(a_cut_never_splits_a_character),
            cmocka_unit_test(quantities_read_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
