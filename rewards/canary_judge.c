// SPDX-License-Identifier: MIT
#include "rewards/canary_judge.h"

#include <string.h>

#include "rewards/reader.h"

#define BIT(status) (1u << (status))
#define PASSED (BIT(ASSAY_TEST_PASSED) | BIT(ASSAY_TEST_XPASS) | BIT(ASSAY_TEST_XFAIL))
#define FAILED (BIT(ASSAY_TEST_FAILED) | BIT(ASSAY_TEST_ERROR))
#define SKIPPED BIT(ASSAY_TEST_SKIPPED)

static bool is_of(const char *result, const char *id)
{
    const size_t len = strlen(id);

    return strncmp(result, id, len) == 0 && (result[len] == '\0' || result[len] == '[');
}

// Index of the first result whose id is not before `id`.
static size_t lower_bound(const struct assay_outcome *outcome, const char *id)
{
    size_t low = 0, high = outcome->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (strcmp(outcome->results[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void assay_canary_take(struct assay_canary_results *out, struct assay_outcome *outcome,
        const struct assay_canary_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const char *id = plan->items[i].id;
        const size_t first = lower_bound(outcome, id);
        size_t last = first;

        out->seen[i] = 0;
        // Between "id" and "id[" others may stand: "id (", "id::sub".
        for (size_t at = first; at < outcome->count; at++) {
            const struct assay_test_result one = outcome->results[at];

            if (is_of(one.id, id))
                out->seen[i] |= BIT(one.status);
            else
                outcome->results[last++] = one;
        }
        outcome->count = last;
    }
}

static const char *name_of(unsigned seen)
{
    if (seen == 0)
        return "has no result";
    if ((seen & ~PASSED) == 0)
        return "passed";
    if ((seen & ~FAILED) == 0)
        return "failed";
    return (seen & ~SKIPPED) == 0 ? "was skipped" : "has several results";
}

static bool original_passed(const struct assay_canary *canary, const struct assay_outcome *outcome)
{
    const enum assay_test_status status = assay_outcome_find(outcome, canary->of);

    return status == ASSAY_TEST_PASSED || status == ASSAY_TEST_XPASS;
}

// *proof: no honest run comes out so, whatever the patch is worth.
static bool is_wrong(const struct assay_canary *canary, unsigned seen,
        const struct assay_outcome *outcome, bool *proof)
{
    unsigned wanted = FAILED;

    *proof = false;
    switch (canary->kind) {
    case ASSAY_CANARY_ASSERT:
    case ASSAY_CANARY_UNEQUAL:
    case ASSAY_CANARY_RAISE:
        *proof = (seen & PASSED) != 0;
        break;
    case ASSAY_CANARY_COPY:
        // Wrong code may by chance give the value that the copy expects.
        *proof = (seen & PASSED) != 0 && original_passed(canary, outcome);
        if (!original_passed(canary, outcome))
            return false;
        break;
    case ASSAY_CANARY_SKIP:
        wanted = SKIPPED;
        *proof = (seen & PASSED) != 0;
        break;
    case ASSAY_CANARY_PASS:
    case ASSAY_CANARY_LAST:
        wanted = BIT(ASSAY_TEST_PASSED);
        break;
    }
    return seen == 0 || (seen & ~wanted) != 0;
}

static const char *duty_of(enum assay_canary_kind kind)
{
    if (assay_canary_must_fail(kind))
        return "must fail";
    return kind == ASSAY_CANARY_SKIP ? "must be skipped" : "must pass";
}

const char *assay_canary_fault(const struct assay_canary_plan *plan, size_t index,
        const struct assay_canary_results *results, const struct assay_outcome *outcome,
        bool resolved, struct assay_arena *arena)
{
    const struct assay_canary *canary = &plan->items[index];
    const char *text = NULL;
    bool proof = false;

    if (!is_wrong(canary, results->seen[index], outcome, &proof) || (!proof && !resolved))
        return NULL;
    text = assay_arena_printf(arena, "canary %s (%s) %s and %s",
            assay_show(arena, canary->id, strlen(canary->id)), assay_canary_kind_name(canary->kind),
            duty_of(canary->kind), name_of(results->seen[index]));
    return text != NULL ? text : "";
}
