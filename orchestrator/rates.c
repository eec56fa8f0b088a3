// SPDX-License-Identifier: MIT
#include "orchestrator/rates.h"

#include <assert.h>
#include <stdlib.h>

#include "base/rng.h"

#define DRAWS 4000

double assay_pass_at_k(size_t n, size_t c, size_t k)
{
    double none = 1.0; // C(n - c, k) / C(n, k), as a product of k / i that cannot overflow

    assert(k >= 1 && k <= n && c <= n);
    if (n - c < k)
        return 1.0;
    for (size_t i = n - c + 1; i <= n; i++)
        none *= 1.0 - (double)k / (double)i;
    return 1.0 - none;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

enum assay_status assay_cluster_bootstrap(double *low, double *high, const double *values,
        size_t count, uint64_t seed, struct assay_error *err)
{
    struct assay_rng rng;
    double *means = NULL;

    if (count == 0) {
        *low = 0;
        *high = 1;
        return ASSAY_OK;
    }
    means = calloc(DRAWS, sizeof(*means));
    if (means == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "bootstrap: out of memory");
    assay_rng_seed(&rng, seed, 0);
    for (size_t d = 0; d < DRAWS; d++) {
        double sum = 0;

        for (size_t i = 0; i < count; i++)
            sum += values[assay_rng_below(&rng, count)];
        means[d] = sum / (double)count;
    }
    qsort(means, DRAWS, sizeof(*means), compare);
    *low = means[DRAWS * 25 / 1000];
    *high = means[DRAWS * 975 / 1000 - 1];
    free(means);
    return ASSAY_OK;
}
