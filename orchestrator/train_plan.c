// SPDX-License-Identifier: MIT
// train_plan.c - what a run would take, before it begins.
#include <inttypes.h>

#include "orchestrator/device.h"
#include "orchestrator/train_parts.h"
#include "policy/pass.h"

// Of each rank: weights and gradients are whole, moments are cut (ZeRO-1).
static void plan_memory(struct assay_buf *out, const struct assay_train_config *c,
        const struct assay_model_config *config, const struct assay_params *params,
        const struct assay_ops *ops, uint32_t world)
{
    const struct assay_pass_options train = {.rows_max = (size_t)c->rows_max,
            .sequences_max = 2 * (size_t)c->sequences_max, // spans: trainer.c
            .training = true};
    const struct assay_pass_options sample = {.rows_max = (size_t)c->sample_sequences_max + 512,
            .sequences_max = (size_t)c->sample_sequences_max};
    const double weights = (double)params->element_count * 4 / 1e6;
    // Shards that one process adds to each other; of several ranks, in a rank's own range.
    const double sums = c->shards > world ? weights / world : 0;

    (void)assay_buf_addf(out,
            "memory    %s%.0f MB weights, gradients and moments, %.0f MB a pass of training, "
            "%.0f MB a pass of sampling\n",
            world > 1 ? "a rank: " : "", 2 * weights + 2 * weights / world + sums,
            (double)assay_pass_bytes(config, ops, &train) / 1e6,
            (double)assay_pass_bytes(config, ops, &sample) / 1e6);
    if (world > 1)
        (void)assay_buf_addf(out,
                "          of them %.0f MB moments: 1/%u of all; %u ranks, %" PRIu64
                " shards of an update\n",
                2 * weights / world, world, world, c->shards);
    if (c->staleness > 0)
        (void)assay_buf_addf(out,
                "          %.0f MB weights of %" PRIu64 " versions and of the sampler\n",
                weights * (double)(c->staleness + 2), c->staleness + 1);
}

enum assay_status assay_train_plan(const struct assay_train_settings *settings, uint32_t world,
        struct assay_buf *out, struct assay_error *err)
{
    const struct assay_train_config *c = &settings->config;
    const struct assay_ops *ops = NULL;
    struct assay_model_config config;
    struct assay_params params = {0};
    struct assay_arena *arena = NULL;
    enum assay_status status = assay_device_find(&ops, c->device, err);

    if (status == ASSAY_OK)
        status = assay_arena_create(&arena, (size_t)64 << 20, err);

    if (status == ASSAY_OK && *c->model_path)
        status = assay_model_config_load(&config, c->model_path, NULL, arena, err);
    else if (status == ASSAY_OK)
        status = training_config_of(&config, c, (uint32_t)c->vocab, arena, err);
    if (status == ASSAY_OK)
        status = assay_params_create(&params, &config, ops, arena, err);
    if (status == ASSAY_OK) {
        const double weights = (double)params.element_count * 4 / 1e6;
        const uint64_t rollouts = c->groups * c->group_size;

        (void)assay_buf_addf(out, "model     %" PRIu64 " parameters, %u layers, on %s\n",
                params.element_count, config.layer_count, ops->name);
        plan_memory(out, c, &config, &params, ops, world);
        (void)assay_buf_addf(out, "disk      %.0f MB a checkpoint, %" PRIu64 " kept\n", 3 * weights,
                c->checkpoint_keep);
        (void)assay_buf_addf(out, "sft       %" PRIu64 " updates of %" PRIu64 " demonstrations\n",
                c->sft_updates, c->sft_batch);
        (void)assay_buf_addf(out,
                "rl        %" PRIu64 " steps of %" PRIu64 " rollouts (%" PRIu64 " to %" PRIu64
                " sampled), %" PRIu64 " updates each\n",
                c->steps, rollouts, rollouts, c->dynamic ? rollouts * c->rounds_max : rollouts,
                c->updates * c->epochs);
        (void)assay_buf_addf(out,
                "answers   %" PRIu64 " to %" PRIu64 " graded for rewards, and %" PRIu64
                " an evaluation\n",
                c->steps * rollouts, c->steps * rollouts * (c->dynamic ? c->rounds_max : 1),
                2 * c->eval_count);
    }
    assay_params_release(&params);
    assay_arena_destroy(arena);
    return status;
}
