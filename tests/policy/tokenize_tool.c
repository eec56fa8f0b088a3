// SPDX-License-Identifier: MIT
// tokenize_tool FILE < texts > ids: for tests/parity/tokenizer_ids.py. Little-endian u32 counts:
// a text is its length and its bytes; its ids are their count and the ids.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/tokenizer.h"

static int encode_all(const struct assay_tokenizer *tokenizer)
{
    struct assay_error err = {0};
    struct assay_ids ids = {0};
    char *text = NULL;
    uint32_t len = 0;

    while (fread(&len, sizeof(len), 1, stdin) == 1) {
        const uint32_t zero = 0;
        uint32_t count;

        free(text);
        text = malloc((size_t)len + 1);
        if (!text || fread(text, 1, len, stdin) != len)
            return 1;
        ids.count = 0;
        if (assay_tokenizer_encode(tokenizer, &ids, text, len, &err) != ASSAY_OK) {
            fprintf(stderr, "%s\n", err.message);
            fwrite(&zero, sizeof(zero), 1, stdout);
            continue;
        }
        count = (uint32_t)ids.count;
        fwrite(&count, sizeof(count), 1, stdout);
        fwrite(ids.items, sizeof(*ids.items), ids.count, stdout);
    }
    free(text);
    free(ids.items);
    return 0;
}

int main(int argc, char **argv)
{
    struct assay_tokenizer *tokenizer = NULL;
    struct assay_error err = {0};
    int code;

    if (argc != 2) {
        fprintf(stderr, "usage: tokenize_tool FILE < texts > ids\n");
        return 2;
    }
    if (assay_tokenizer_open(&tokenizer, argv[1], NULL, &err) != ASSAY_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    code = encode_all(tokenizer);
    assay_tokenizer_destroy(tokenizer);
    return code;
}
