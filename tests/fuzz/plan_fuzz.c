// SPDX-License-Identifier: MIT
// What must hold: no bytes make the reader of plans crash or read past their end, and a plan that
// it takes is one that it would write.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_box_plan plan;
    struct assay_box_plan again;
    struct assay_arena *arena = NULL;
    struct assay_buf record;

    if (assay_arena_create(&arena, (size_t)8 << 20, NULL) != ASSAY_OK)
        return 0;
    assay_buf_init(&record, (size_t)8 << 20);
    if (assay_plan_unpack(&plan, arena, data, size, NULL) == ASSAY_OK) {
        if (assay_plan_pack(&record, &plan, NULL) != ASSAY_OK ||
                assay_plan_unpack(&again, arena, record.data, record.len, NULL) != ASSAY_OK ||
                strcmp(plan.name, again.name) != 0 || plan.mount_count != again.mount_count)
            abort();
    }
    assay_buf_free(&record);
    assay_arena_destroy(arena);
    return 0;
}
