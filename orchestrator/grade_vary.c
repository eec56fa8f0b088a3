// SPDX-License-Identifier: MIT
// grade_vary.c - the runs of a certification: another order, a busy CPU, another date, other
// hashes.
#include "orchestrator/grading.h"

#define BUSY ASSAY_TRUSTED_DIR "/bin/assay-busy"   // LOOPS COMMAND...
#define CLOCK ASSAY_TRUSTED_DIR "/bin/assay-clock" // SECONDS COMMAND...

enum assay_status assay_grading_vary_order(
        struct assay_grading *g, struct assay_strings *argv, struct assay_error *err)
{
    const struct assay_grade_variation *variation = g->request->variation;
    bool possible = false;

    if (!variation || !variation->order || !g->framework->reorder)
        return ASSAY_OK;
    return g->framework->reorder(argv, variation->order, argv, &possible, g->arena, err);
}

static enum assay_status put_before(struct assay_grading *g, struct assay_strings *argv,
        const char *program, unsigned number, struct assay_error *err)
{
    const char **items = assay_arena_array(g->arena, argv->count + 2, sizeof(*items));

    if (!items)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    items[0] = program;
    items[1] = assay_arena_printf(g->arena, "%u", number);
    for (size_t i = 0; i < argv->count; i++)
        items[i + 2] = argv->items[i];
    *argv = (struct assay_strings){items, argv->count + 2};
    return items[1] ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

enum assay_status assay_grading_vary_command(
        struct assay_grading *g, struct assay_strings *argv, struct assay_error *err)
{
    const struct assay_grade_variation *variation = g->request->variation;
    enum assay_status status = ASSAY_OK;

    if (variation && variation->clock_seconds)
        status = put_before(g, argv, CLOCK, variation->clock_seconds, err);
    if (status == ASSAY_OK && variation && variation->busy_per_cpu)
        status = put_before(g, argv, BUSY, variation->busy_per_cpu, err);
    return status;
}

void assay_grading_vary_env(struct assay_grading *g, const char **env)
{
    const struct assay_grade_variation *variation = g->request->variation;
    size_t count = 0;

    if (variation && variation->order)
        env[count++] = assay_arena_printf(g->arena, "ASSAY_ORDER=%s", variation->order);
    if (variation && variation->hash_seed) {
        env[count++] = assay_arena_printf(g->arena, "PYTHONHASHSEED=%u", variation->hash_seed);
        env[count++] = assay_arena_printf(g->arena, "PERL_HASH_SEED=%u", variation->hash_seed);
    }
}
