// SPDX-License-Identifier: MIT
// What must hold: no bytes of a weight file make the reader crash, hang, or hand out a view that
// leaves the file; every view converts.
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "policy/gguf.h"
#include "policy/weight_file.h"
#include "tests/fuzz/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_weight_file *file = NULL;
    struct assay_model_config config;
    struct assay_arena *arena = NULL;
    char path[32];
    float values[256];
    int fd = memory_file(path, data, size);

    if (fd < 0)
        return 0;
    if (assay_weight_file_open(&file, path, NULL) == ASSAY_OK &&
            assay_arena_create(&arena, (size_t)1 << 26, NULL) == ASSAY_OK) {
        for (size_t i = 0; i < assay_weight_file_count(file); i++) {
            const struct assay_weight_view *view = assay_weight_file_at(file, i);
            const uint64_t count = assay_weight_elements(view);
            const uint32_t block = assay_weight_block_elements(view->type);

            if (count)
                (void)assay_weight_to_float(values, view, count - block, block);
        }
        if (assay_model_config_from_gguf(&config, file, arena, NULL) == ASSAY_OK &&
                config.layer_count == 0)
            abort();
    }
    assay_arena_destroy(arena);
    assay_weight_file_close(file);
    close(fd);
    return 0;
}
