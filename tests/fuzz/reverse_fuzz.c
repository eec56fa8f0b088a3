// SPDX-License-Identifier: MIT
// reverse_fuzz.c - a diff that is turned round parses where it did, and turned round again is a
// diff of the same lines.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/patch_make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_buf once, twice, thrice;

    assay_buf_init(&once, 4 * size + 4096);
    assay_buf_init(&twice, 16 * size + 65536);
    assay_buf_init(&thrice, 64 * size + 262144);
    // The first turn also writes headers in one way; from then on two turns are none.
    if (assay_patch_reverse(&once, (struct assay_bytes){(const char *)data, size}) == NULL &&
            !once.failed && memchr(data, '\0', size) == NULL &&
            assay_patch_reverse(&twice, (struct assay_bytes){once.data, once.len}) == NULL &&
            !twice.failed &&
            assay_patch_reverse(&thrice, (struct assay_bytes){twice.data, twice.len}) == NULL &&
            !thrice.failed) {
        if (thrice.len != once.len)
            abort();
    }
    assay_buf_free(&once);
    assay_buf_free(&twice);
    assay_buf_free(&thrice);
    return 0;
}
