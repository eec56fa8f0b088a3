// SPDX-License-Identifier: MIT
// instance_json_fuzz.c - what is read as an instance reads back the same after writing.
#include <stdlib.h>
#include <string.h>

#include "tasks/suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_instance instance = {0};
    struct assay_instance back = {0};
    struct assay_arena *arena = NULL;
    struct assay_buf first;
    struct assay_buf second;

    if (assay_arena_create(&arena, (size_t)64 << 20, NULL) != ASSAY_OK)
        return 0;
    assay_buf_init(&first, (size_t)16 << 20);
    assay_buf_init(&second, (size_t)16 << 20);
    if (assay_instance_read(&instance, (const char *)data, size, "fuzz", arena, NULL) == ASSAY_OK) {
        assay_instance_write(&first, &instance);
        if (assay_instance_read(&back, first.data, first.len, "fuzz", arena, NULL) != ASSAY_OK)
            abort();
        assay_instance_write(&second, &back);
        if (strcmp(first.data, second.data) != 0)
            abort();
    }
    assay_buf_free(&second);
    assay_buf_free(&first);
    assay_arena_destroy(arena);
    return 0;
}
