// SPDX-License-Identifier: MIT
// train_eval.c - the held-out solve rate: one greedy answer a task, the same tasks each time.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/report.h"
#include "orchestrator/train_parts.h"

#define FAMILIES_SHOWN 96

static void put_named(struct assay_metrics *m, const char *split, const char *what, double value)
{
    char name[ASSAY_METRIC_NAME_BYTES];

    (void)snprintf(name, sizeof(name), "%s_%s", split, what);
    assay_metrics_put(m, name, value);
}

static enum assay_status keep_some(struct training *t, struct group *groups, size_t count,
        struct assay_arena *arena, uint32_t *place, struct assay_error *err)
{
    struct group **list = assay_arena_array(arena, count, sizeof(struct group *));

    if (!list)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t g = 0; g < count; g++)
        list[g] = &groups[g];
    return training_keep_rollouts(t, "eval", list, count, place, err);
}

static void put_rate(struct assay_metrics *m, const char *split, size_t solved, size_t count)
{
    double low, high;

    assay_wilson(&low, &high, solved, count);
    put_named(m, split, "solved", (double)solved);
    put_named(m, split, "count", (double)count);
    put_named(m, split, "rate", (double)solved / (double)count);
    put_named(m, split, "low", low);
    put_named(m, split, "high", high);
}

void training_put_faults(struct assay_metrics *metrics, const char *prefix,
        const uint64_t faults[ASSAY_TRAIN_FAULTS], uint64_t count)
{
    static const char *const names[ASSAY_TRAIN_FAULTS] = {NULL, "form", "place", "text"};

    for (int i = ASSAY_TRAIN_FORM; i < ASSAY_TRAIN_FAULTS; i++) {
        char name[ASSAY_METRIC_NAME_BYTES];

        (void)snprintf(name, sizeof(name), "%sfault_%s", prefix, names[i]);
        assay_metrics_put(metrics, name, count > 0 ? (double)faults[i] / (double)count : 0);
    }
}

// One split: which of its tasks, how many, and how many answers of each.
struct eval_part {
    enum assay_train_split split;
    uint64_t first;
    size_t count, size; // size > 1: sampled as rl samples; 1: the greedy answer
};

static enum assay_status sample_part(struct training *t, struct group **groups,
        const struct eval_part *part, struct assay_arena *arena, uint64_t ms[2],
        struct assay_error *err)
{
    struct assay_rng rng;
    uint64_t cursor = part->first;
    const struct sample_request request = {.from = {part->split, &cursor, 0, NULL},
            .group_count = part->count,
            .group_size = part->size,
            .temperature = part->size > 1 ? t->config->temperature : 0,
            .rng = &rng};

    assay_rng_seed(&rng, t->config->seed, 0);
    return training_sample(t, groups, &request, arena, (struct sample_times){&ms[0], &ms[1]}, err);
}

static enum assay_status evaluate_greedy(struct training *t, const struct eval_part *part,
        struct assay_metrics *metrics, uint64_t ms[2], uint32_t *place, struct assay_error *err)
{
    const char *split = assay_train_split_name(part->split);
    uint64_t truncated = 0, faults[ASSAY_TRAIN_FAULTS] = {0};
    struct assay_arena *arena = NULL;
    struct group *groups = NULL;
    struct training_family *families = NULL;
    size_t scored = 0;
    enum assay_status status = assay_arena_create(&arena, ASSAY_STEP_ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = sample_part(t, &groups, part, arena, ms, err);
    if (status == ASSAY_OK) {
        families = assay_arena_array(arena, part->count, sizeof(*families));
        status = families ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    for (size_t g = 0; g < part->count && status == ASSAY_OK; g++) {
        const struct rollout *r = &groups[g].rollouts[0];

        truncated += r->truncated;
        if (!r->verdict.scored)
            continue; // trouble of ours: neither solved nor not
        families[scored++] = (struct training_family){groups[g].task.family, r->verdict.solved, 1};
        faults[r->verdict.fault]++;
    }
    if (status == ASSAY_OK && scored > 0) {
        char prefix[ASSAY_METRIC_NAME_BYTES];

        (void)snprintf(prefix, sizeof(prefix), "%s_", split);
        put_rate(metrics, split, (size_t)faults[ASSAY_TRAIN_SOLVED], scored);
        training_put_faults(metrics, prefix, faults, scored);
        put_named(metrics, split, "truncated", (double)truncated / (double)part->count);
        if (part->split >= ASSAY_TRAIN_SEEDS)
            training_put_families(metrics, "family/", families, scored, FAMILIES_SHOWN);
    }
    if (status == ASSAY_OK && part->split >= ASSAY_TRAIN_SEEDS) // a record has room for these two
        status = keep_some(t, groups, part->count, arena, place, err);
    assay_arena_destroy(arena);
    return status;
}

// pass@1 and pass@size of sampled answers: what rl can choose from.
static enum assay_status evaluate_sampled(struct training *t, const struct eval_part *part,
        struct assay_metrics *metrics, uint64_t ms[2], struct assay_error *err)
{
    const char *split = assay_train_split_name(part->split);
    size_t solved = 0, scored = 0, any = 0;
    struct assay_arena *arena = NULL;
    struct group *groups = NULL;
    enum assay_status status = assay_arena_create(&arena, ASSAY_STEP_ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = sample_part(t, &groups, part, arena, ms, err);
    for (size_t g = 0; g < part->count && status == ASSAY_OK; g++) {
        bool found = false;

        for (size_t i = 0; i < part->size; i++) {
            const struct assay_train_reward *verdict = &groups[g].rollouts[i].verdict;

            scored += verdict->scored;
            solved += verdict->scored && verdict->solved;
            found |= verdict->scored && verdict->solved;
        }
        any += found;
    }
    if (status == ASSAY_OK && scored > 0) {
        char name[32];

        (void)snprintf(name, sizeof(name), "pass_%zu", part->size);
        put_named(metrics, split, "pass_1", (double)solved / (double)scored);
        put_named(metrics, split, name, (double)any / (double)part->count);
    }
    assay_arena_destroy(arena);
    return status;
}

// Tasks of a split that training draws from, too: so far along that none is met.
#define FRESH ((uint64_t)1 << 40)

enum assay_status training_evaluate(
        struct training *t, struct assay_metrics *metrics, struct assay_error *err)
{
    const struct assay_train_config *c = t->config;
    const bool end = t->position == t->sft_steps || t->position == t->total;
    const size_t count = (size_t)c->eval_count, seen = end ? (size_t)c->eval_seen : 0;
    const size_t sampled = end ? (size_t)c->eval_pass_count : 0, size = (size_t)c->eval_pass_size;
    const struct eval_part parts[] = {{ASSAY_TRAIN_SEEDS, 0, count, 1},
            {ASSAY_TRAIN_FAMILIES, 0, count, 1}, {ASSAY_TRAIN_SFT, FRESH, seen, 1},
            {ASSAY_TRAIN_RL, FRESH, seen, 1}, {ASSAY_TRAIN_VARIANTS, 0, seen, 1},
            {ASSAY_TRAIN_SEEDS, 0, sampled, size}, {ASSAY_TRAIN_FAMILIES, 0, sampled, size}};
    uint64_t ms[2] = {0, 0};
    uint32_t place = 0;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && status == ASSAY_OK; i++) {
        if (parts[i].count == 0)
            continue;
        status = parts[i].size > 1 ? evaluate_sampled(t, &parts[i], metrics, ms, err)
                                   : evaluate_greedy(t, &parts[i], metrics, ms, &place, err);
        if (status == ASSAY_ENOTFOUND) // a source without such tasks
            status = ASSAY_OK;
    }
    assay_metrics_put(metrics, "sample_ms", (double)ms[0]);
    assay_metrics_put(metrics, "grade_ms", (double)ms[1]);
    return status;
}
