// SPDX-License-Identifier: MIT
#include "policy/batch.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

// --- the checker ---------------------------------------------------------------------------------

static enum assay_status check_token(
        const struct assay_trajectory *r, size_t i, uint32_t vocab_size, struct assay_error *err)
{
    if (r->ids[i] < 0 || (uint32_t)r->ids[i] >= vocab_size)
        return assay_fail(err, ASSAY_EINVAL, "token %zu: id %d is not in the vocabulary of %u", i,
                r->ids[i], vocab_size);
    if (r->mask[i] > 1)
        return assay_fail(err, ASSAY_EINVAL, "token %zu: mask is %u", i, r->mask[i]);
    if (r->mask[i] == 0)
        return ASSAY_OK;
    if (i == 0)
        return assay_fail(
                err, ASSAY_EINVAL, "token 0 is marked as sampled: nothing came before it");
    if (r->logp_old && !(r->logp_old[i] <= ASSAY_LOGP_SLACK && isfinite(r->logp_old[i])))
        return assay_fail(err, ASSAY_EINVAL, "token %zu: logp_old %g is no log-probability", i,
                r->logp_old[i]);
    if (r->logp_ref && !isfinite(r->logp_ref[i]))
        return assay_fail(err, ASSAY_EINVAL, "token %zu: logp_ref is %g", i, r->logp_ref[i]);
    return ASSAY_OK;
}

enum assay_status assay_trajectory_check(
        const struct assay_trajectory *trajectory, uint32_t vocab_size, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    size_t sampled = 0;

    if (trajectory->count < 2)
        return assay_fail(err, ASSAY_EINVAL, "a trajectory of %zu tokens", trajectory->count);
    for (size_t i = 0; i < trajectory->count && status == ASSAY_OK; i++) {
        status = check_token(trajectory, i, vocab_size, err);
        sampled += trajectory->mask[i];
    }
    if (status == ASSAY_OK && sampled == 0)
        status = assay_fail(err, ASSAY_EINVAL, "no token of the trajectory was sampled");
    if (status == ASSAY_OK && !isfinite(trajectory->advantage))
        status = assay_fail(err, ASSAY_EINVAL, "the advantage is %g", trajectory->advantage);
    return status;
}

uint64_t assay_trajectory_answer(const struct assay_trajectory *trajectory)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < trajectory->count; i++) {
        const uint64_t pair[2] = {hash, (uint64_t)(uint32_t)trajectory->ids[i]};

        if (trajectory->mask[i] != 0)
            hash = assay_hash64(pair, sizeof(pair));
    }
    return hash;
}

// --- what N is made of ---------------------------------------------------------------------------

struct group_sum {
    uint32_t group;
    double tokens;
};

static int by_group(const void *a, const void *b)
{
    const uint32_t x = ((const struct group_sum *)a)->group;
    const uint32_t y = ((const struct group_sum *)b)->group;

    return (x > y) - (x < y);
}

static double sampled_tokens(const struct assay_trajectory *trajectory)
{
    double count = 0;

    for (size_t i = 0; i < trajectory->count; i++)
        count += trajectory->mask[i];
    return count;
}

// Sorted, one an group; returns how many.
static size_t sum_groups(
        struct group_sum *sums, const struct assay_trajectory *trajectories, size_t count)
{
    size_t groups = 0;

    for (size_t i = 0; i < count; i++)
        sums[i] = (struct group_sum){trajectories[i].group, sampled_tokens(&trajectories[i])};
    qsort(sums, count, sizeof(*sums), by_group);
    for (size_t i = 0; i < count; i++) {
        if (groups > 0 && sums[groups - 1].group == sums[i].group)
            sums[groups - 1].tokens += sums[i].tokens;
        else
            sums[groups++] = sums[i];
    }
    return groups;
}

enum assay_status assay_batch_total(struct assay_batch_totals *out, double *norms,
        const struct assay_trajectory *trajectories, size_t count,
        const struct assay_objective *objective, struct assay_error *err)
{
    struct group_sum *sums = malloc((count + 1) * sizeof(*sums));
    size_t groups;

    if (!sums)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    groups = sum_groups(sums, trajectories, count);
    *out = (struct assay_batch_totals){.sequence_count = (double)count,
            .norm_constant = objective->norm_constant * (double)count};
    for (size_t g = 0; g < groups; g++)
        out->token_count += sums[g].tokens;
    for (size_t i = 0; i < count; i++) {
        const struct group_sum key = {.group = trajectories[i].group};
        const struct group_sum *sum = bsearch(&key, sums, groups, sizeof(*sums), by_group);

        norms[i] = objective->norm == ASSAY_NORM_PROMPT && sum ? sum->tokens * (double)groups : 0;
    }
    free(sums);
    return ASSAY_OK;
}

// --- packing -------------------------------------------------------------------------------------

enum assay_status assay_batch_create(
        struct assay_batch **out, size_t rows_max, size_t sequences_max, struct assay_error *err)
{
    struct assay_batch *b = calloc(1, sizeof(*b));

    assert(rows_max > 0 && sequences_max > 0);
    if (!b)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    b->rows_max = rows_max;
    b->sequences_max = sequences_max;
    b->ids = calloc(rows_max, sizeof(*b->ids));
    b->targets = calloc(rows_max, sizeof(*b->targets));
    b->mask = calloc(rows_max, sizeof(*b->mask));
    b->logp_old = calloc(rows_max, sizeof(*b->logp_old));
    b->logp_ref = calloc(rows_max, sizeof(*b->logp_ref));
    b->spans = calloc(sequences_max, sizeof(*b->spans));
    b->advantage = calloc(sequences_max, sizeof(*b->advantage));
    b->norm = calloc(sequences_max, sizeof(*b->norm));
    if (!b->ids || !b->targets || !b->mask || !b->logp_old || !b->logp_ref || !b->spans ||
            !b->advantage || !b->norm) {
        assay_batch_destroy(b);
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    *out = b;
    return ASSAY_OK;
}

void assay_batch_destroy(struct assay_batch *batch)
{
    if (!batch)
        return;
    free(batch->ids);
    free(batch->targets);
    free(batch->mask);
    free(batch->logp_old);
    free(batch->logp_ref);
    free(batch->spans);
    free(batch->advantage);
    free(batch->norm);
    free(batch);
}

static void add(struct assay_batch *b, const struct assay_trajectory *r)
{
    for (size_t i = 0; i + 1 < r->count; i++) {
        const size_t row = b->T + i;
        const bool sampled = r->mask[i + 1] != 0;

        b->ids[row] = r->ids[i];
        b->mask[row] = sampled;
        b->targets[row] = sampled ? r->ids[i + 1] : -1;
        b->logp_old[row] = sampled && r->logp_old ? r->logp_old[i + 1] : 0;
        b->logp_ref[row] = sampled && r->logp_ref ? r->logp_ref[i + 1] : 0;
    }
    b->spans[b->B] = (struct assay_span){
            .row = (uint32_t)b->T, .row_count = (uint32_t)(r->count - 1), .slot = (uint32_t)b->B};
    b->advantage[b->B] = r->advantage;
    b->T += r->count - 1;
    b->B++;
}

size_t assay_batch_fill(struct assay_batch *batch, const struct assay_trajectory *trajectories,
        const double *norms, size_t count)
{
    batch->T = 0;
    batch->B = 0;
    for (size_t i = 0; i < count && batch->B < batch->sequences_max; i++) {
        assert(trajectories[i].count >= 2);
        if (trajectories[i].count - 1 > batch->rows_max - batch->T)
            break;
        batch->norm[batch->B] = norms ? norms[i] : 0;
        add(batch, &trajectories[i]);
    }
    return batch->B;
}
