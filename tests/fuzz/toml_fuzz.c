// SPDX-License-Identifier: MIT
// toml_fuzz.c - what is read of a TOML file has keys of its own and lines in order; an error names
// the file.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_arena *arena = NULL;
    struct assay_toml_entry *entries = NULL;
    struct assay_error err = {0};
    size_t count = 0;

    if (size > 16384 || assay_arena_create(&arena, (size_t)256 << 20, NULL) != ASSAY_OK)
        return 0;
    if (assay_toml_flatten(&entries, &count, (const char *)data, size, "f.toml", arena, &err) !=
            ASSAY_OK) {
        if (strncmp(err.message, "f.toml:", 7) != 0)
            abort();
    } else {
        for (size_t i = 0; i < count; i++) {
            if (entries[i].line == 0 || entries[i].value[entries[i].len] != '\0')
                abort();
            if (i > 0 && strcmp(entries[i].key, entries[i - 1].key) == 0)
                abort();
        }
    }
    assay_arena_destroy(arena);
    return 0;
}
