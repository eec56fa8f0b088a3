// SPDX-License-Identifier: MIT
#include "rewards/match.h"

#include <stdlib.h>
#include <string.h>

bool assay_status_passes(enum assay_test_status status)
{
    return status == ASSAY_TEST_PASSED || status == ASSAY_TEST_XFAIL;
}

// Index of the first result whose id is not before `prefix`.
static size_t lower_bound(const struct assay_outcome *outcome, const char *prefix)
{
    size_t low = 0, high = outcome->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (strcmp(outcome->results[middle].id, prefix) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// The one status of all results that begin with `prefix` (and, if `space`, go
// on with a space). Statuses agree when all pass or none does.
static enum assay_test_status agreed(
        const struct assay_outcome *outcome, const char *prefix, bool space, bool *found)
{
    const size_t len = strlen(prefix);
    enum assay_test_status status = ASSAY_TEST_MISSING;

    *found = false;
    for (size_t i = lower_bound(outcome, prefix);
            i < outcome->count && strncmp(outcome->results[i].id, prefix, len) == 0; i++) {
        const struct assay_test_result *one = &outcome->results[i];

        if (space && one->id[len] != ' ')
            continue;
        if (*found && assay_status_passes(one->status) != assay_status_passes(status))
            return ASSAY_TEST_MISSING;
        if (!*found)
            status = one->status;
        else if (one->status != status)
            status = assay_status_passes(status) ? ASSAY_TEST_PASSED : ASSAY_TEST_FAILED;
        *found = true;
    }
    return status;
}

static bool bracket_open(const char *id)
{
    size_t opened = 0, closed = 0;

    for (const char *c = id; *c != '\0'; c++) {
        opened += *c == '[';
        closed += *c == ']';
    }
    return opened > closed;
}

// "name (module.Class)" as "module.Class.name"; Python 3.11 writes the whole id
// in the brackets. NULL: not of that shape. The caller frees it.
static char *unittest_id(const char *id)
{
    const char *open = strstr(id, " (");
    const size_t len = strlen(id), name_len = open != NULL ? (size_t)(open - id) : 0;
    size_t where_len;
    char *full;

    if (open == NULL || name_len == 0 || id[len - 1] != ')')
        return NULL;
    where_len = len - name_len - 3;
    full = malloc(where_len + name_len + 2);
    if (full == NULL)
        return NULL;
    memcpy(full, open + 2, where_len);
    full[where_len] = '\0';
    if (where_len > name_len && full[where_len - name_len - 1] == '.' &&
            memcmp(full + where_len - name_len, id, name_len) == 0)
        return full;
    full[where_len] = '.';
    memcpy(full + where_len + 1, id, name_len);
    full[where_len + 1 + name_len] = '\0';
    return full;
}

const char *assay_match_unittest_id(struct assay_arena *arena, const char *id)
{
    char *full = unittest_id(id);
    const char *copy = full != NULL ? assay_arena_strdup(arena, full) : NULL;

    free(full);
    return copy;
}

// Is this the id that R2E-Gym writes as `name`: the parts behind the first "::", with dots between?
static bool is_mapped(const char *id, const char *name)
{
    const char *colons = strstr(id, "::");

    if (colons == NULL)
        return false;
    for (id = colons + 2; *id != '\0' && *name != '\0'; name++) {
        const bool joint = id[0] == ':' && id[1] == ':';

        if (*name != (joint ? '.' : *id))
            return false;
        id += joint ? 2 : 1;
    }
    return *id == '\0' && *name == '\0';
}

// The worst of what tests of that name in several files came to.
static enum assay_test_status mapped(const struct assay_outcome *outcome, const char *name)
{
    enum assay_test_status status = ASSAY_TEST_MISSING;

    for (size_t i = 0; i < outcome->count; i++) {
        const struct assay_test_result *one = &outcome->results[i];

        if (is_mapped(one->id, name) &&
                (status == ASSAY_TEST_MISSING || assay_status_passes(status)))
            status = one->status;
    }
    return status;
}

enum assay_test_status assay_match_id(
        const struct assay_outcome *outcome, const char *id, enum assay_rules rules)
{
    enum assay_test_status status = assay_outcome_find(outcome, id);
    bool found = false;
    char *full;

    if (status != ASSAY_TEST_MISSING || rules == ASSAY_RULES_NATIVE)
        return status;
    if (rules == ASSAY_RULES_WHOLE_MAP)
        return mapped(outcome, id);
    full = unittest_id(id);
    if (full != NULL)
        status = assay_outcome_find(outcome, full);
    free(full);
    if (status != ASSAY_TEST_MISSING)
        return status;
    if (strstr(id, "::") == NULL)
        return status; // only pytest's ids were ever cut
    status = agreed(outcome, id, true, &found);
    if (!found && bracket_open(id))
        status = agreed(outcome, id, false, &found);
    return status;
}
