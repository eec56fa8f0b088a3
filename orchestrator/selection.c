// SPDX-License-Identifier: MIT
#include "orchestrator/selection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/rated.h"
#include "tasks/select.h"

// Digits alone, up to `stop`.
static bool read_number(size_t *out, const char *text, const char **stop)
{
    char *end = NULL;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *out = (size_t)strtoull(text, &end, 10);
    *stop = end;
    return errno == 0;
}

// "A:B", "A:", ":B".
static enum assay_status read_slice(
        struct assay_select *select, const char *text, struct assay_error *err)
{
    const char *at = text;

    select->sliced = true;
    select->end = SIZE_MAX;
    if ((text[0] == ':' || read_number(&select->begin, text, &at)) && at[0] == ':' &&
            (at[1] == '\0' || read_number(&select->end, at + 1, &at)) &&
            (at[0] == '\0' || at[1] == '\0') && select->begin < select->end)
        return ASSAY_OK;
    return assay_fail(err, ASSAY_EUSAGE, "--slice: '%.40s' is not A:B with A below B", text);
}

static bool read_share(double *out, const char *text, const char **stop)
{
    char *end = NULL;

    if ((text[0] < '0' || text[0] > '9') && text[0] != '.')
        return false;
    *out = strtod(text, &end);
    *stop = end;
    return *out >= 0 && *out <= 1;
}

// "0.2:0.8": both ends are in it.
static enum assay_status read_shares(
        double *low, double *high, const char *text, struct assay_error *err)
{
    const char *at = text;

    if (read_share(low, text, &at) && at[0] == ':' && read_share(high, at + 1, &at) &&
            at[0] == '\0' && *low <= *high)
        return ASSAY_OK;
    return assay_fail(err, ASSAY_EUSAGE,
            "--pass-rate: '%.40s' is not A:B, two shares from 0 to 1 with A at most B", text);
}

// The tasks of a run that its answers solved so often.
static enum assay_status read_rated(struct assay_select *select, const struct assay_invocation *in,
        struct assay_store *store, struct assay_arena *arena, struct assay_error *err)
{
    const char *shares = assay_cli_value(in, "pass-rate");
    const char *run_id = assay_cli_value(in, "rated-by");
    struct assay_rated *rates = NULL;
    const char **ids = NULL;
    double low = 0, high = 1;
    size_t count = 0, kept = 0;
    enum assay_status status = ASSAY_OK;

    if (shares != NULL && run_id == NULL)
        return assay_fail(
                err, ASSAY_EUSAGE, "--pass-rate wants the run that it counts: --rated-by");
    if (run_id == NULL)
        return ASSAY_OK;
    if (shares != NULL)
        status = read_shares(&low, &high, shares, err);
    if (status == ASSAY_OK)
        status = assay_rated_read(&rates, &count, store, run_id, arena, err);
    if (status != ASSAY_OK)
        return status;
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    ids = assay_arena_array(arena, count + 1, sizeof(*ids));
    if (ids == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const double share = (double)rates[i].resolved / (double)rates[i].scored;

        if (share >= low && share <= high)
            ids[kept++] = rates[i].instance_id;
    }
    select->rated_only = true;
    select->rated = (struct assay_strings){ids, kept};
    return ASSAY_OK;
}

enum assay_status assay_selection_read(struct assay_strings *ids, const struct assay_invocation *in,
        const struct assay_suite *suite, struct assay_store *store, struct assay_arena *arena,
        struct assay_error *err)
{
    const char *split = assay_cli_value(in, "split");
    const char *slice = assay_cli_value(in, "slice");
    struct assay_select select = {
            .shuffle = assay_cli_value(in, "shuffle") != NULL, .split_only = split != NULL};
    enum assay_status status = assay_cli_values(&select.ids, in, "instance", arena, err);

    *ids = (struct assay_strings){NULL, 0};
    if (status == ASSAY_OK)
        status = assay_cli_values(&select.filters, in, "filter", arena, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&select.seed, in, "shuffle", 0, UINT64_MAX, err);
    if (status == ASSAY_OK && split != NULL && !assay_split_find(&select.split, split))
        status = assay_fail(
                err, ASSAY_EUSAGE, "--split: '%.40s' is not train, validation or held-out", split);
    if (status == ASSAY_OK && slice != NULL)
        status = read_slice(&select, slice, err);
    if (status == ASSAY_OK)
        status = read_rated(&select, in, store, arena, err);
    if (status != ASSAY_OK ||
            (select.ids.count == 0 && select.filters.count == 0 && !select.shuffle &&
                    !select.split_only && !select.rated_only && !select.sliced))
        return status;
    return assay_select(ids, suite, &select, arena, err);
}

enum assay_status assay_selection_warn(const struct assay_suite *suite,
        struct assay_context *context, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_suite_row *rows = NULL;
    size_t count = 0;
    char text[64];
    enum assay_status status =
            assay_store_list_suites(assay_context_store(context), arena, &rows, &count, err);

    for (size_t i = 0; status == ASSAY_OK && i < count; i++) {
        if (strcmp(rows[i].name, suite->name) != 0 ||
                rows[i].certified_count == rows[i].instance_count)
            continue;
        (void)snprintf(
                text, sizeof(text), "%zu of %zu", rows[i].certified_count, rows[i].instance_count);
        assay_log(assay_context_log(context), ASSAY_LOG_WARN, "orchestrator",
                "suite is not fully certified", "suite", rows[i].name, "certified", text, NULL);
    }
    return status;
}
