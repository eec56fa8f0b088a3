// SPDX-License-Identifier: MIT
// What must hold: no config.json makes the reader crash; what it takes is written, and reads back
// as the same text.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_model_config config;
    struct assay_arena *arena = NULL;
    char *once = NULL, *twice = NULL;

    if (assay_arena_create(&arena, (size_t)1 << 26, NULL) != ASSAY_OK)
        return 0;
    if (assay_model_config_read(&config, (const char *)data, size, "fuzz", NULL, arena, NULL) ==
                    ASSAY_OK &&
            assay_model_config_write(&once, &config, "assay", arena, NULL) == ASSAY_OK) {
        if (assay_model_config_read(&config, once, strlen(once), "once", NULL, arena, NULL) !=
                        ASSAY_OK ||
                assay_model_config_write(&twice, &config, "assay", arena, NULL) != ASSAY_OK ||
                strcmp(once, twice) != 0)
            abort();
    }
    assay_arena_destroy(arena);
    return 0;
}
