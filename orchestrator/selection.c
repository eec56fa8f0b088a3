// SPDX-License-Identifier: MIT
#include "orchestrator/selection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

enum assay_status assay_selection_read(struct assay_strings *ids, const struct assay_invocation *in,
        const struct assay_suite *suite, struct assay_arena *arena, struct assay_error *err)
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
    if (status != ASSAY_OK ||
            (select.ids.count == 0 && select.filters.count == 0 && !select.shuffle &&
                    !select.split_only && !select.sliced))
        return status;
    return assay_select(ids, suite, &select, arena, err);
}
