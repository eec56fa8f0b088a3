// SPDX-License-Identifier: MIT
#include "orchestrator/serve_rate.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define CLIENTS 4096

struct allowance {
    uint64_t at_ms; // of `left`
    double left;    // requests
};

struct assay_rates {
    double per_second;
    struct allowance allowances[CLIENTS];
};

enum assay_status assay_rates_create(
        struct assay_rates **out, uint64_t per_second, struct assay_error *err)
{
    struct assay_rates *rates = calloc(1, sizeof(*rates));

    if (rates == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    rates->per_second = (double)per_second;
    *out = rates;
    return ASSAY_OK;
}

void assay_rates_destroy(struct assay_rates *rates)
{
    free(rates);
}

bool assay_rates_take(struct assay_rates *rates, const char *client, uint64_t now_ms)
{
    struct allowance *a = &rates->allowances[assay_hash64(client, strlen(client)) % CLIENTS];

    a->left += (double)(now_ms - a->at_ms) * rates->per_second / 1000;
    a->at_ms = now_ms;
    if (a->left > rates->per_second)
        a->left = rates->per_second;
    if (a->left < 1)
        return false;
    a->left -= 1;
    return true;
}
