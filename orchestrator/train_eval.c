// SPDX-License-Identifier: MIT
// train_eval.c - the held-out solve rate: one greedy answer a task, the same tasks each time.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/report.h"
#include "orchestrator/train_parts.h"

#define FAMILIES_SHOWN 96

struct family {
    const char *name;
    size_t solved, count;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct family *)a)->name, ((const struct family *)b)->name);
}

static void put_families(struct assay_metrics *m, struct family *families, size_t count)
{
    size_t kinds = 0;

    qsort(families, count, sizeof(*families), by_name);
    for (size_t i = 0; i < count; i++) {
        if (kinds > 0 && strcmp(families[kinds - 1].name, families[i].name) == 0) {
            families[kinds - 1].solved += families[i].solved;
            families[kinds - 1].count += families[i].count;
        } else {
            families[kinds++] = families[i];
        }
    }
    for (size_t i = 0; i < kinds && i < FAMILIES_SHOWN; i++) {
        char name[ASSAY_METRIC_NAME_BYTES];

        (void)snprintf(name, sizeof(name), "family/%s", families[i].name);
        assay_metrics_put(m, name, (double)families[i].solved / (double)families[i].count);
    }
}

static void put_rate(struct assay_metrics *m, const char *split, size_t solved, size_t count)
{
    const struct {
        const char *name;
        double value;
    } rows[] = {{"solved", (double)solved}, {"count", (double)count},
            {"rate", (double)solved / (double)count}};
    char name[ASSAY_METRIC_NAME_BYTES];
    double low, high;

    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), "%s_%s", split, rows[i].name);
        assay_metrics_put(m, name, rows[i].value);
    }
    assay_wilson(&low, &high, solved, count);
    (void)snprintf(name, sizeof(name), "%s_low", split);
    assay_metrics_put(m, name, low);
    (void)snprintf(name, sizeof(name), "%s_high", split);
    assay_metrics_put(m, name, high);
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

static enum assay_status evaluate_split(struct training *t, enum assay_train_split split,
        struct assay_metrics *metrics, uint64_t ms[2], uint32_t *place, struct assay_error *err)
{
    const size_t count = (size_t)t->config->eval_count;
    struct assay_arena *arena = NULL;
    struct assay_rng rng;
    uint64_t cursor = 0;
    const struct sample_request request = {.split = split,
            .cursor = &cursor,
            .group_count = count,
            .group_size = 1,
            .temperature = 0,
            .rng = &rng};
    struct group *groups = NULL;
    struct family *families = NULL;
    size_t solved = 0, scored = 0, truncated = 0;
    enum assay_status status = assay_arena_create(&arena, ASSAY_STEP_ARENA_BYTES, err);

    assay_rng_seed(&rng, t->config->seed, 0);
    if (status == ASSAY_OK)
        status = training_sample(t, &groups, &request, arena, &ms[0], &ms[1], err);
    if (status == ASSAY_OK) {
        families = assay_arena_array(arena, count, sizeof(*families));
        status = families ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    for (size_t g = 0; g < count && status == ASSAY_OK; g++) {
        const struct rollout *r = &groups[g].rollouts[0];

        truncated += r->truncated;
        if (!r->verdict.scored)
            continue; // trouble of ours: neither solved nor not
        families[scored++] = (struct family){groups[g].task.family, r->verdict.solved, 1};
        solved += r->verdict.solved;
    }
    if (status == ASSAY_OK && scored > 0) {
        char name[ASSAY_METRIC_NAME_BYTES];

        put_rate(metrics, assay_train_split_name(split), solved, scored);
        (void)snprintf(name, sizeof(name), "%s_truncated", assay_train_split_name(split));
        assay_metrics_put(metrics, name, (double)truncated / (double)count);
        put_families(metrics, families, scored);
    }
    if (status == ASSAY_OK)
        status = keep_some(t, groups, count, arena, place, err);
    assay_arena_destroy(arena);
    return status;
}

enum assay_status training_evaluate(
        struct training *t, struct assay_metrics *metrics, struct assay_error *err)
{
    uint64_t ms[2] = {0, 0};
    uint32_t place = 0;
    enum assay_status status = ASSAY_OK;

    for (int split = ASSAY_TRAIN_SEEDS; split <= ASSAY_TRAIN_FAMILIES && status == ASSAY_OK;
            split++) {
        status = evaluate_split(t, (enum assay_train_split)split, metrics, ms, &place, err);
        if (status == ASSAY_ENOTFOUND) // a source without such tasks
            status = ASSAY_OK;
    }
    assay_metrics_put(metrics, "sample_ms", (double)ms[0]);
    assay_metrics_put(metrics, "grade_ms", (double)ms[1]);
    return status;
}
