// SPDX-License-Identifier: MIT
// What must hold: whatever the pieces, the first and the last bytes are kept and all are counted.
#include "sandbox/keep.h"

#include <stdio.h>
#include <string.h>

#include "support/harness.h"

// "0123456789abcdef..." of `len` bytes in pieces of `piece`, kept with these maxima.
static void keep(struct assay_buf *out, size_t len, size_t piece, size_t head, size_t tail)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    struct assay_keep kept;

    assay_keep_init(&kept, head, tail);
    for (size_t at = 0; at < len; at += piece)
        assay_keep_add(&kept, digits + at, at + piece > len ? len - at : piece);
    assert_int_equal(kept.total, len);
    (void)assay_keep_join(&kept, out);
    assay_keep_free(&kept);
}

static void pieces_do_not_matter(void **state)
{
    static const struct {
        size_t len, head, tail;
        const char *text;
    } rows[] = {
            {0, 4, 4, ""},
            {3, 4, 4, "012"},
            {4, 4, 4, "0123"},
            {8, 4, 4, "01234567"},
            {9, 4, 4, "0123\n[assay: 1 bytes left out]\n5678"},
            {36, 4, 3, "0123\n[assay: 29 bytes left out]\nxyz"},
            {10, 0, 3, "\n[assay: 7 bytes left out]\n789"},
            {10, 3, 0, "012\n[assay: 7 bytes left out]\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t piece = 1; piece <= 37; piece++) {
            struct assay_buf out;

            keep(&out, rows[i].len, piece, rows[i].head, rows[i].tail);
            assert_string_equal(out.data, rows[i].text);
            assay_buf_free(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pieces_do_not_matter)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
