// SPDX-License-Identifier: MIT
// train_cut.c - a step's rollouts, shuffled and cut into the parts that updates are made of.
#include <string.h>

#include "orchestrator/train_parts.h"

static size_t group_end(const struct assay_trajectory *rollouts, size_t count, size_t first)
{
    size_t end = first + 1;

    while (end < count && rollouts[end].group == rollouts[first].group)
        end++;
    return end;
}

// A unit is a rollout, or a group: starts[u] is where it begins among the rollouts.
static size_t find_units(
        size_t *starts, const struct assay_trajectory *rollouts, size_t count, enum assay_cut cut)
{
    size_t units = 0;

    for (size_t i = 0; i < count;
            i = cut == ASSAY_CUT_GROUPS ? group_end(rollouts, count, i) : i + 1)
        starts[units++] = i;
    return units;
}

static void shuffle(size_t *starts, size_t count, struct assay_rng *rng)
{
    for (size_t i = count; i > 1; i--) {
        const size_t k = (size_t)assay_rng_below(rng, i), kept = starts[i - 1];

        starts[i - 1] = starts[k];
        starts[k] = kept;
    }
}

enum assay_status training_cut(struct training_parts *out, const struct assay_trajectory *rollouts,
        size_t count, const struct assay_train_config *config, struct assay_rng *rng,
        struct assay_arena *arena, struct assay_error *err)
{
    size_t *starts = assay_arena_array(arena, count, sizeof(*starts)), *ends, units, at = 0;
    struct assay_trajectory *dealt = assay_arena_array(arena, count, sizeof(*dealt));

    if (!starts || !dealt)
        return assay_fail(err, ASSAY_ENOMEM, "step: out of memory");
    units = find_units(starts, rollouts, count, config->cut);
    shuffle(starts, units, rng);
    *out = (struct training_parts){
            .rollouts = dealt, .count = units < config->updates ? units : (size_t)config->updates};
    out->ends = ends = assay_arena_array(arena, out->count, sizeof(*ends));
    if (!ends)
        return assay_fail(err, ASSAY_ENOMEM, "step: out of memory");
    for (size_t u = 0, part = 0; u < units; u++) {
        const size_t end = config->cut == ASSAY_CUT_GROUPS ? group_end(rollouts, count, starts[u])
                                                           : starts[u] + 1;

        memcpy(dealt + at, rollouts + starts[u], (end - starts[u]) * sizeof(*dealt));
        at += end - starts[u];
        if (u + 1 == (part + 1) * units / out->count)
            ends[part++] = at;
    }
    return ASSAY_OK;
}
