// SPDX-License-Identifier: MIT
// rates.h - what samples of many instances say of an actor: pass@k and how sure it is. Pure.
#ifndef ASSAY_ORCHESTRATOR_RATES_H
#define ASSAY_ORCHESTRATOR_RATES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

// The chance that one of k samples resolves an instance, from n samples of which c did:
// 1 - C(n - c, k) / C(n, k), which is unbiased (Chen et al., "Evaluating Large Language Models
// Trained on Code", 2021, equation 1). 1 <= k <= n, c <= n.
double assay_pass_at_k(size_t n, size_t c, size_t k);

// 95 % interval of the mean of values[0..count), one value an instance: whole instances are drawn
// with replacement, so samples of one instance are not taken for independent ones. The same seed
// gives the same interval. count 0 gives 0 and 1.
ASSAY_MUST_USE enum assay_status assay_cluster_bootstrap(double *low, double *high,
        const double *values, size_t count, uint64_t seed, struct assay_error *err);

#endif
