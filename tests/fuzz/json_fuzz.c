// SPDX-License-Identifier: MIT
// What must hold: no bytes make the reader crash, hang or read past their end; whatever it takes
// can be written again, and reads back as the same value.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// text, read and written; the caller frees *out.
static bool round_trip(struct assay_buf *out, const char *text, size_t len)
{
    const struct assay_json_limits limits = {.bytes_max = 1 << 24, .depth_max = 64};
    struct assay_json *json = NULL;
    struct assay_json_writer w;

    assay_buf_init(out, 1 << 24);
    if (assay_json_parse(&json, text, len, limits, "fuzz", 1, NULL) != ASSAY_OK)
        return false;
    assay_json_writer_init(&w, out, 1);
    assay_json_put_copy(&w, NULL, json);
    assay_json_free(json);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_buf once;
    struct assay_buf twice;

    (void)assay_json_line((const char *)data, size, 1, "a.b[1].c");
    if (round_trip(&once, (const char *)data, size)) {
        if (!round_trip(&twice, once.data, once.len) || strcmp(once.data, twice.data) != 0)
            abort();
        assay_buf_free(&twice);
    }
    assay_buf_free(&once);
    return 0;
}
