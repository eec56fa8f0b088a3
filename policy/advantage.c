// SPDX-License-Identifier: MIT
#include "policy/advantage.h"

#include <assert.h>
#include <math.h>

const char *assay_group_state_name(enum assay_group_state state)
{
    static const char *const names[] = {"live", "cliff", "collapse"};

    return names[state];
}

static bool all_equal(const double *rewards, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (rewards[i] != rewards[0])
            return false;
    return true;
}

enum assay_group_state assay_group_judge(
        const double *rewards, const uint64_t *answers, size_t count)
{
    assert(count > 0);
    if (!all_equal(rewards, count))
        return ASSAY_GROUP_LIVE;
    for (size_t i = 1; i < count; i++)
        if (answers[i] != answers[0])
            return ASSAY_GROUP_CLIFF;
    return ASSAY_GROUP_COLLAPSE;
}

double assay_group_dead_chance(double p, size_t count)
{
    return pow(p, (double)count) + pow(1 - p, (double)count);
}

static double mean_of(const double *values, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

// Around the mean, n - lost in the denominator; 0 where nothing is left of it.
static double deviation(const double *values, size_t count, size_t lost)
{
    const double mean = mean_of(values, count);
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return count > lost ? sqrt(sum / (double)(count - lost)) : 0;
}

static void of_group(double *out, const double *rewards, size_t count,
        const struct assay_objective *objective, double divisor)
{
    const double mean = mean_of(rewards, count);
    const double stretch = objective->baseline == ASSAY_BASELINE_LEAVE_ONE_OUT && count > 1
            ? (double)count / (double)(count - 1)
            : 1;

    if (objective->adv_std == ASSAY_ADV_STD_POPULATION)
        divisor = deviation(rewards, count, 0) + ASSAY_ADVANTAGE_EPS;
    else if (objective->adv_std == ASSAY_ADV_STD_SAMPLE)
        divisor = deviation(rewards, count, 1) + ASSAY_ADVANTAGE_EPS;
    // R - mean of the others = n / (n - 1) (R - mean). Equal rewards give exactly 0, which a mean
    // that was rounded would not.
    for (size_t i = 0; i < count; i++)
        out[i] = all_equal(rewards, count) ? 0 : stretch * (rewards[i] - mean) / divisor;
}

void assay_advantages(double *out, const double *rewards, const size_t *counts, size_t group_count,
        const struct assay_objective *objective)
{
    double divisor = 1;
    size_t total = 0, at = 0;

    for (size_t g = 0; g < group_count; g++)
        total += counts[g];
    if (objective->adv_std == ASSAY_ADV_STD_BATCH && total > 0)
        divisor = deviation(rewards, total, 0) + ASSAY_ADVANTAGE_EPS;
    for (size_t g = 0; g < group_count; g++) {
        assert(counts[g] > 0);
        of_group(out + at, rewards + at, counts[g], objective, divisor);
        at += counts[g];
    }
}

double assay_overlong_penalty(size_t length, size_t length_max, size_t margin)
{
    assert(margin <= length_max);
    if (margin == 0 || length <= length_max - margin)
        return 0;
    if (length > length_max)
        return -1;
    return ((double)(length_max - margin) - (double)length) / (double)margin;
}
