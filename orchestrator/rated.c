// SPDX-License-Identifier: MIT
#include "orchestrator/rated.h"

#include <stdlib.h>
#include <string.h>

#include "tasks/store_view.h"

enum assay_status assay_rated_read(struct assay_rated **rates, size_t *count,
        struct assay_store *store, const char *run_id, struct assay_arena *arena,
        struct assay_error *err)
{
    struct assay_attempt_view *attempts = NULL;
    struct assay_run run;
    size_t attempt_count = 0;
    enum assay_status status = assay_store_get_run(store, run_id, arena, &run, err);

    *rates = NULL;
    *count = 0;
    if (status == ASSAY_OK)
        status = assay_store_view_attempts(
                store, run_id, 0, run.total, arena, &attempts, &attempt_count, err);
    if (status != ASSAY_OK)
        return status;
    *rates = assay_arena_array(arena, run.total + 1, sizeof(**rates));
    if (*rates == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < attempt_count; i++) {
        const struct assay_attempt_view *attempt = &attempts[i];

        if (!attempt->has_verdict || !attempt->scored)
            continue;
        if (*count == 0 || strcmp((*rates)[*count - 1].instance_id, attempt->instance_id) != 0)
            (*rates)[(*count)++] = (struct assay_rated){.instance_id = attempt->instance_id};
        (*rates)[*count - 1].scored++;
        (*rates)[*count - 1].resolved += attempt->resolved;
    }
    return ASSAY_OK;
}

static int compare_id(const void *id, const void *rate)
{
    return strcmp(id, ((const struct assay_rated *)rate)->instance_id);
}

const struct assay_rated *assay_rated_find(
        const struct assay_rated *rates, size_t count, const char *instance_id)
{
    return count == 0 ? NULL : bsearch(instance_id, rates, count, sizeof(*rates), compare_id);
}
