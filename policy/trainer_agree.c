// SPDX-License-Identifier: MIT
// trainer_agree.c - how far the sampler's record is from what the trainer computes.
#include <math.h>
#include <stdlib.h>

#include "policy/trainer_parts.h"

struct moments {
    double n, x, y, xx, yy, xy;
};

static double correlation(const struct moments *m)
{
    const double vx = m->xx - m->x * m->x / m->n, vy = m->yy - m->y * m->y / m->n;

    if (m->n < 2 || vx <= 0 || vy <= 0)
        return 1;
    return (m->xy - m->x * m->y / m->n) / sqrt(vx * vy);
}

struct compared {
    struct assay_agreement found; // gap_mean: the sum
    struct moments moments;
};

static void compare(struct compared *c, double logp, double logp_old)
{
    const double gap = fabs(logp - logp_old), x = exp(logp), y = exp(logp_old);
    struct assay_agreement *out = &c->found;
    struct moments *m = &c->moments;

    out->token_count++;
    out->differing_count += logp != logp_old;
    out->gap_mean += gap;
    if (!(gap <= out->gap_max))
        out->gap_max = gap;
    m->n += 1;
    m->x += x;
    m->y += y;
    m->xx += x * x;
    m->yy += y * y;
    m->xy += x * y;
}

static void add_compared(struct compared *to, const struct compared *from)
{
    to->found.token_count += from->found.token_count;
    to->found.differing_count += from->found.differing_count;
    to->found.gap_mean += from->found.gap_mean;
    if (!(from->found.gap_max <= to->found.gap_max))
        to->found.gap_max = from->found.gap_max;
    to->moments.n += from->moments.n;
    to->moments.x += from->moments.x;
    to->moments.y += from->moments.y;
    to->moments.xx += from->moments.xx;
    to->moments.yy += from->moments.yy;
    to->moments.xy += from->moments.xy;
}

// What one shard's trajectories say.
static enum assay_status agree_on(struct assay_trainer *t, struct compared *out,
        const struct assay_trajectory *trajectories, size_t count, struct assay_error *err)
{
    double **rows = NULL, *values = NULL;
    size_t total = 0, at = 0;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < count; i++)
        total += trajectories[i].count;
    rows = calloc(count + 1, sizeof(*rows));
    values = calloc(total + 1, sizeof(*values));
    if (!rows || !values) {
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        rows[i] = values + at;
        at += trajectories[i].count;
    }
    status = assay_trainer_score(t, trajectories, count, rows, err);
    if (status != ASSAY_OK)
        goto out;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 1; k < trajectories[i].count; k++)
            if (trajectories[i].mask[k] != 0)
                compare(out, rows[i][k], trajectories[i].logp_old[k]);

out:
    free(values);
    free(rows);
    return status;
}

// A group's ranks score a shard each, and all know what all have found.
enum assay_status assay_trainer_agree(struct assay_agreement *out, struct assay_trainer *trainer,
        const struct assay_trajectory *trajectories, size_t count, struct assay_error *err)
{
    struct assay_trainer *t = trainer;
    const uint32_t world = t->shares.ranks.world;
    struct compared mine[ASSAY_RANKS_MAX] = {0}, all[ASSAY_RANKS_MAX], sum = {0};
    struct assay_agreement agreement;
    enum assay_status status = ASSAY_OK;

    for (uint32_t i = t->shares.ranks.rank; i < t->shares.count && status == ASSAY_OK; i += world) {
        const size_t from = assay_shares_begin(&t->shares, i, count);
        const size_t end = assay_shares_begin(&t->shares, i + 1, count);

        status = agree_on(t, &mine[i / world], trajectories + from, end - from, err);
    }
    if (status == ASSAY_OK)
        status = assay_shares_join(&t->shares, all, mine, sizeof(*mine), err);
    if (status != ASSAY_OK)
        return status;
    for (uint32_t i = 0; i < t->shares.count; i++)
        add_compared(&sum, &all[i]);
    agreement = sum.found;
    if (agreement.token_count > 0)
        agreement.gap_mean /= (double)agreement.token_count;
    // Equal pairs are perfectly correlated whatever their rounding.
    agreement.correlation = agreement.differing_count == 0 ? 1 : correlation(&sum.moments);
    *out = agreement;
    return ASSAY_OK;
}
