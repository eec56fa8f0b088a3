// SPDX-License-Identifier: MIT
// What must hold: exactly the well-formed sequences of Unicode's table 3-7 are UTF-8.
#include "base/utf8.h"

#include <string.h>

#include "support/harness.h"

static void every_code_point_but_the_surrogates_has_one_form(void **state)
{
    (void)state;
    for (unsigned long c = 1; c <= 0x110000; c++) {
        char bytes[4];
        size_t len = 0;

        if (c < 0x80)
            bytes[len++] = (char)c;
        else if (c < 0x800)
            bytes[len++] = (char)(0xc0 | c >> 6);
        else if (c < 0x10000)
            bytes[len++] = (char)(0xe0 | c >> 12);
        else
            bytes[len++] = (char)(0xf0 | c >> 18);
        if (c >= 0x10000)
            bytes[len++] = (char)(0x80 | (c >> 12 & 0x3f));
        if (c >= 0x800)
            bytes[len++] = (char)(0x80 | (c >> 6 & 0x3f));
        if (c >= 0x80)
            bytes[len++] = (char)(0x80 | (c & 0x3f));

        if ((c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
            len = 0;
        if (assay_utf8_length(bytes, sizeof(bytes)) != len)
            fail_msg("U+%04lX", c);
    }
}

static void malformed_sequences_are_none(void **state)
{
    static const char *const rows[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x20",
            "\xe0\x9f\xbf", "\xe2\x82", "\xe2\x82\x20", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
            "\xf4\x90\x80\x80", "\xf0\x9f\x98", "\xf5\x80\x80\x80", "\xff"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("row %zu\n", i);
        assert_int_equal(assay_utf8_length(rows[i], strlen(rows[i])), 0);
    }
    assert_int_equal(assay_utf8_length("a", 0), 0);
    assert_int_equal(assay_utf8_length("\xe2\x82\xac", 2), 0);
    assert_int_equal(assay_utf8_length("\0", 1), 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_code_point_but_the_surrogates_has_one_form),
            cmocka_unit_test(malformed_sequences_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
