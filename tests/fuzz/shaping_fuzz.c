// SPDX-License-Identifier: MIT
// shaping_fuzz.c - reward maps and shaping: whatever is accepted keeps the two promises.
#include <math.h>
#include <stdlib.h>

#include "rewards/shaping.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

// No number for trouble of ours, nothing above 0 for a forged run, a finite sum for the rest.
static void check(const struct assay_reward_map *map, const struct assay_shaping *shaping)
{
    static const enum assay_cause causes[] = {ASSAY_CAUSE_OK, ASSAY_CAUSE_TESTS_FAILED,
            ASSAY_CAUSE_INCONSISTENT, ASSAY_CAUSE_TAMPERED, ASSAY_CAUSE_INFRA_ERROR};
    const struct assay_shaping_facts facts = {.length = 77, .similarity = 0.5};
    struct assay_arena *arena = NULL;

    if (assay_arena_create(&arena, (size_t)1 << 20, NULL) != ASSAY_OK)
        return;
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        const struct assay_verdict verdict = {.scored = !assay_cause_is_infra(causes[i]),
                .resolved = causes[i] == ASSAY_CAUSE_OK,
                .cause = causes[i]};
        const struct assay_shaped_reward *shaped = NULL;

        must(assay_shape(&shaped, &verdict, map, shaping, &facts, arena, NULL) == ASSAY_OK);
        if (i >= 4)
            must(isnan(shaped->reward) && shaped->component_count == 0);
        else
            must(isfinite(shaped->reward) && (i < 2 || shaped->reward <= 0));
    }
    assay_arena_destroy(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_reward_map map, standard;
    struct assay_shaping shaping;

    must(assay_reward_map_preset(&standard, "default"));
    if (assay_reward_map_read(&map, (const char *)data, size, "fuzz", NULL) == ASSAY_OK)
        check(&map, NULL);
    if (assay_shaping_read(&shaping, (const char *)data, size, "fuzz", NULL) == ASSAY_OK)
        check(&standard, &shaping);
    return 0;
}
