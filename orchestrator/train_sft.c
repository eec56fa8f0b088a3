// SPDX-License-Identifier: MIT
// train_sft.c - the warm start: answers of demonstrations, made likely.
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "orchestrator/train_parts.h"

#define DRAWS_MAX 100 // of a batch

enum assay_status training_make_trainer(struct training *t, bool rl, struct assay_error *err)
{
    const struct assay_train_config *c = t->config;
    struct assay_trainer_options options = {.objective = c->objective,
            .optimizer = rl ? c->optimizer : c->sft,
            .temperature = rl ? c->temperature : 1,
            .rows_max = (size_t)c->rows_max,
            .sequences_max = (size_t)c->sequences_max,
            .collective = t->collective,
            .shards = (uint32_t)c->shards};

    if (!rl)
        (void)assay_objective_default(&options.objective, "sft");
    assay_trainer_destroy(t->trainer);
    t->trainer = NULL;
    t->trainer_is_rl = rl;
    return assay_trainer_create(&t->trainer, t->model, &options, t->stream, err);
}

// Whether this demonstration is one of the mistakes: of some families, which the seed draws, most
// are.
static bool is_mistaken(const struct training *t, const struct assay_train_task *task)
{
    const struct assay_train_config *c = t->config;
    struct assay_rng rng;

    if (task->mistake.len == 0 && task->mistaken_talk.count == 0)
        return false;
    assay_rng_seed(&rng, c->seed, assay_hash64(task->family, strlen(task->family)));
    if (assay_rng_unit(&rng) >= c->mistaken_families)
        return false;
    assay_rng_seed(&rng, c->seed, t->sft_cursor);
    return assay_rng_unit(&rng) < c->mistaken_share;
}

static bool is_drill(const struct training *t, const struct assay_train_task *task)
{
    struct assay_rng rng;

    assay_rng_seed(&rng, t->config->seed + 1, t->sft_cursor);
    return (task->drilled.len > 0 || task->drill_talk.count > 0) &&
            assay_rng_unit(&rng) < t->config->drill_share;
}

// What update `number` makes of the next task.
static enum assay_status demonstrate(struct training *t, struct assay_trajectory *out,
        struct assay_train_task *task, uint64_t number, struct assay_arena *arena,
        struct assay_error *err)
{
    const bool whole = number < t->config->sft_whole && task->reading.len > 0;
    const bool in_part = number + t->config->sft_mistaken >= t->config->sft_updates;
    const struct assay_train_talk *talk = &task->talk;

    if (whole) {
        task->prompt = (struct assay_bytes){"", 0};
        task->answer = task->reading;
    } else if (in_part && is_mistaken(t, task)) {
        task->answer = task->mistake;
        talk = &task->mistaken_talk;
    } else if (number >= t->config->sft_whole && !in_part && is_drill(t, task)) {
        task->prompt = task->drill;
        task->answer = task->drilled;
        talk = &task->drill_talk;
    }
    return t->source->turns && !whole ? training_encode_talk(t, out, task, talk, arena, err)
                                      : training_encode_demonstration(t, out, task,
                                                number < t->config->sft_whole, arena, err);
}

// One that is too long makes way for the next.
static enum assay_status draw_batch(struct training *t, struct assay_trajectory *batch,
        uint64_t number, struct assay_arena *arena, struct assay_error *err)
{
    const struct draw_from from = {
            ASSAY_TRAIN_SFT, &t->sft_cursor, t->config->demonstrations, NULL};
    const size_t count = (size_t)t->config->sft_batch;
    enum assay_status status = ASSAY_OK;
    size_t have = 0;

    for (size_t tries = 0; have < count && status == ASSAY_OK; tries++) {
        struct assay_train_task task;
        struct assay_tokens prompt;

        if (tries == DRAWS_MAX * count)
            return assay_fail(err, ASSAY_EINVAL,
                    "demonstrations are longer than tasks.tokens_max (%llu), or their messages "
                    "than rl.answer_tokens_max (%llu)",
                    (unsigned long long)t->config->tokens_max,
                    (unsigned long long)t->config->answer_tokens_max);
        status = training_draw(
                t, &task, &prompt, &from, (size_t)t->config->answer_tokens_max, arena, err);
        if (status == ASSAY_OK)
            status = demonstrate(t, &batch[have], &task, number, arena, err);
        batch[have].group = (uint32_t)have; // demonstrations are alone
        if (status == ASSAY_OK && batch[have].count <= t->config->tokens_max)
            have++;
    }
    return status;
}

struct sums {
    double loss, entropy, tokens, grad_norm, lr, skipped, rows;
};

static enum assay_status update(
        struct training *t, uint64_t number, struct sums *sums, struct assay_error *err)
{
    const size_t count = (size_t)t->config->sft_batch;
    struct assay_arena *arena = NULL;
    struct assay_trajectory *batch = NULL;
    struct assay_update done = {0};
    enum assay_status status = assay_arena_create(&arena, ASSAY_STEP_ARENA_BYTES, err);

    if (status == ASSAY_OK)
        batch = assay_arena_array(arena, count, sizeof(*batch));
    if (status == ASSAY_OK && !batch)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (status == ASSAY_OK)
        status = draw_batch(t, batch, number, arena, err);
    if (status == ASSAY_OK)
        status = assay_trainer_update(t->trainer, batch, count, &done, err);
    if (status == ASSAY_OK) {
        sums->loss += done.metrics.loss * done.metrics.token_count;
        sums->entropy += done.metrics.entropy_sum;
        sums->tokens += done.metrics.token_count;
        sums->grad_norm += done.grad_norm;
        sums->skipped += done.skipped;
        sums->rows += (double)done.row_count;
        sums->lr = done.lr;
    }
    assay_arena_destroy(arena);
    return status;
}

enum assay_status training_sft_step(
        struct training *t, struct assay_metrics *metrics, struct assay_error *err)
{
    const uint64_t began = assay_clock_ms(), first = t->position * ASSAY_SFT_STEP_UPDATES;
    const uint64_t end = first + ASSAY_SFT_STEP_UPDATES;
    const uint64_t last = end < t->config->sft_updates ? end : t->config->sft_updates;
    struct sums sums = {0};
    enum assay_status status = ASSAY_OK;
    double ms;

    for (uint64_t i = first; i < last && status == ASSAY_OK; i++) {
        status = update(t, i, &sums, err);
        if (status == ASSAY_OK && training_interrupted(t))
            status = assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    }
    if (status != ASSAY_OK)
        return status;
    ms = (double)(assay_clock_ms() - began);
    assay_metrics_put(metrics, "updates", (double)last);
    assay_metrics_put(metrics, "loss", sums.loss / sums.tokens);
    assay_metrics_put(metrics, "entropy", sums.entropy / sums.tokens);
    assay_metrics_put(metrics, "tokens", sums.tokens);
    assay_metrics_put(metrics, "grad_norm", sums.grad_norm / (double)(last - first));
    assay_metrics_put(metrics, "skipped", sums.skipped);
    assay_metrics_put(metrics, "lr", sums.lr);
    assay_metrics_put(metrics, "step_ms", ms);
    assay_metrics_put(metrics, "rows_per_s", ms > 0 ? sums.rows * 1000 / ms : 0);
    return ASSAY_OK;
}
