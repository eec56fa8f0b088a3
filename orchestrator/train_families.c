// SPDX-License-Identifier: MIT
// train_families.c - shares of solved answers by family.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/train_parts.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(
            ((const struct training_family *)a)->name, ((const struct training_family *)b)->name);
}

void training_put_families(struct assay_metrics *metrics, const char *prefix,
        struct training_family *families, size_t count, size_t shown)
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
    for (size_t i = 0; i < kinds && i < shown; i++) {
        char name[ASSAY_METRIC_NAME_BYTES];

        (void)snprintf(name, sizeof(name), "%s%s", prefix, families[i].name);
        if (!isnan(assay_metrics_get(metrics, name)))
            continue; // a family that two splits have is told by the first
        assay_metrics_put(metrics, name, (double)families[i].solved / (double)families[i].count);
    }
}
