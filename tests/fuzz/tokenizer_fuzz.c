// SPDX-License-Identifier: MIT
// What must hold: no tokenizer.json makes the reader crash or hang; what it accepts encodes any
// text into ids that stand for tokens.
#include <stdint.h>
#include <stdlib.h>

#include "policy/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "It's 12 o'clock, \xc3\xa9\xcc\x81 \xff\x80<|x|>\r\n\n  end";
    struct assay_tokenizer *tokenizer = NULL;
    struct assay_ids ids = {0};
    struct assay_buf back;

    if (assay_tokenizer_from_json(&tokenizer, (const char *)data, size, NULL, "t", NULL) !=
            ASSAY_OK)
        return 0;
    assay_buf_init(&back, 65536);
    if (assay_tokenizer_encode(tokenizer, &ids, text, sizeof(text) - 1, NULL) == ASSAY_OK)
        for (size_t i = 0; i < ids.count; i++)
            if (!assay_tokenizer_token(tokenizer, ids.items[i]))
                abort();
    if (assay_tokenizer_decode(tokenizer, &back, ids.items, ids.count, true, NULL) != ASSAY_OK)
        assay_buf_clear(&back);
    assay_buf_free(&back);
    free(ids.items);
    assay_tokenizer_destroy(tokenizer);
    return 0;
}
