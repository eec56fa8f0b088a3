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
        struct group_sum *sums, const struct assay_trajectory *const *trajectories, size_t count)
{
    size_t groups = 0;

    for (size_t i = 0; i < count; i++)
        sums[i] = (struct group_sum){trajectories[i]->group, sampled_tokens(trajectories[i])};
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
        const struct assay_trajectory *const *trajectories, size_t count,
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
        const struct group_sum key = {.group = trajectories[i]->group};
        const struct group_sum *sum = bsearch(&key, sums, groups, sizeof(*sums), by_group);

        norms[i] = objective->norm == ASSAY_NORM_PROMPT && sum ? sum->tokens * (double)groups : 0;
    }
    free(sums);
    return ASSAY_OK;
}

// --- order ---------------------------------------------------------------------------------------

static size_t common(const struct assay_trajectory *a, const struct assay_trajectory *b)
{
    const size_t count = a->count < b->count ? a->count : b->count;
    size_t i = 0;

    while (i < count && a->ids[i] == b->ids[i])
        i++;
    return i;
}

static int by_beginning(const void *a, const void *b)
{
    const struct assay_trajectory *x = *(const struct assay_trajectory *const *)a;
    const struct assay_trajectory *y = *(const struct assay_trajectory *const *)b;
    const size_t same = common(x, y);

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (same < x->count && same < y->count)
        return x->ids[same] < y->ids[same] ? -1 : 1;
    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return (x > y) - (x < y);
}

void assay_batch_order(const struct assay_trajectory **order,
        const struct assay_trajectory *trajectories, size_t count)
{
    for (size_t i = 0; i < count; i++)
        order[i] = &trajectories[i];
    qsort(order, count, sizeof(struct assay_trajectory *), by_beginning);
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
    b->spans = calloc(sequences_max, 2 * sizeof(*b->spans));
    b->token_rows = calloc(rows_max, sizeof(*b->token_rows));
    b->logp_old = calloc(rows_max, sizeof(*b->logp_old));
    b->logp_ref = calloc(rows_max, sizeof(*b->logp_ref));
    b->token_spans = calloc(sequences_max, sizeof(*b->token_spans));
    b->advantage = calloc(sequences_max, sizeof(*b->advantage));
    b->norm = calloc(sequences_max, sizeof(*b->norm));
    b->shared = calloc(sequences_max, sizeof(*b->shared));
    b->cuts = calloc(sequences_max, sizeof(*b->cuts));
    b->path = calloc(rows_max, sizeof(*b->path));
    if (!b->ids || !b->targets || !b->spans || !b->token_rows || !b->logp_old || !b->logp_ref ||
            !b->token_spans || !b->advantage || !b->norm || !b->shared || !b->cuts || !b->path) {
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
    free(batch->spans);
    free(batch->token_rows);
    free(batch->logp_old);
    free(batch->logp_ref);
    free(batch->token_spans);
    free(batch->advantage);
    free(batch->norm);
    free(batch->shared);
    free(batch->cuts);
    free(batch->path);
    free(batch);
}

// Rows are ids with their successor: of n ids in common, n - 1.
static size_t shared_rows(const struct assay_trajectory *a, const struct assay_trajectory *b)
{
    const size_t same = a->group == b->group ? common(a, b) : 0;

    return same > 0 ? same - 1 : 0;
}

// How many fit, and what each has in common with the one before it.
static size_t choose(
        struct assay_batch *b, const struct assay_trajectory *const *trajectories, size_t count)
{
    size_t rows = 0, tokens = 0, i = 0;

    for (; i < count && i < b->sequences_max; i++) {
        const size_t shared = i > 0 ? shared_rows(trajectories[i - 1], trajectories[i]) : 0;

        assert(trajectories[i]->count >= 2);
        rows += trajectories[i]->count - 1 - shared;
        tokens += (size_t)sampled_tokens(trajectories[i]);
        if (rows > b->rows_max || tokens > b->rows_max)
            break;
        b->shared[i] = shared;
    }
    return i;
}

// Rows [from, to) of a trajectory are a span: the child of the one that ends at `from`.
static void add_span(
        struct assay_batch *b, const struct assay_trajectory *r, size_t from, size_t to)
{
    struct assay_span *span = &b->spans[b->span_count];
    const struct assay_span *parent = span - 1;

    *span = (struct assay_span){.row = (uint32_t)b->row_count,
            .row_count = (uint32_t)(to - from),
            .position = (uint32_t)from,
            .slot = (uint32_t)b->span_count};
    if (from > 0) {
        while (parent->position + parent->row_count > from)
            parent -= parent->up;
        assert(parent->position + parent->row_count == from);
        span->up = (uint32_t)(span - parent);
    }
    for (size_t i = from; i < to; i++, b->row_count++) {
        b->ids[b->row_count] = r->ids[i];
        b->targets[b->row_count] = -1;
        b->path[i] = (int32_t)b->row_count;
    }
    b->span_count++;
}

// What trajectory k has alone, cut where later ones leave it.
static void add_rows(
        struct assay_batch *b, const struct assay_trajectory *r, size_t k, size_t count)
{
    const size_t end = r->count - 1;
    size_t cut_count = 0, from = b->shared[k], least = end;

    for (size_t j = k + 1; j < count && b->shared[j] > from; j++) {
        if (b->shared[j] >= least)
            continue;
        least = b->shared[j];
        b->cuts[cut_count++] = least;
    }
    for (; cut_count > 0; from = b->cuts[--cut_count])
        add_span(b, r, from, b->cuts[cut_count - 1]);
    if (from < end)
        add_span(b, r, from, end);
}

static void add_tokens(struct assay_batch *b, const struct assay_trajectory *r)
{
    const size_t first = b->token_count;

    for (size_t i = 1; i < r->count; i++) {
        const size_t t = b->token_count;

        if (r->mask[i] == 0)
            continue;
        b->token_rows[t] = b->path[i - 1];
        b->targets[b->path[i - 1]] = r->ids[i];
        b->logp_old[t] = r->logp_old ? r->logp_old[i] : 0;
        b->logp_ref[t] = r->logp_ref ? r->logp_ref[i] : 0;
        b->token_count++;
    }
    b->token_spans[b->sequence_count] = (struct assay_span){
            .row = (uint32_t)first, .row_count = (uint32_t)(b->token_count - first)};
}

size_t assay_batch_fill(struct assay_batch *batch,
        const struct assay_trajectory *const *trajectories, const double *norms, size_t count)
{
    struct assay_batch *b = batch;
    const size_t taken = choose(b, trajectories, count);

    b->row_count = b->span_count = b->token_count = b->sequence_count = 0;
    for (size_t i = 0; i < taken; i++, b->sequence_count++) {
        add_rows(b, trajectories[i], i, taken);
        add_tokens(b, trajectories[i]);
        b->advantage[i] = trajectories[i]->advantage;
        b->norm[i] = norms ? norms[i] : 0;
    }
    return taken;
}
