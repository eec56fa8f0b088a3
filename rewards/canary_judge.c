// SPDX-License-Identifier: MIT
#include "rewards/canary_judge.h"

#include <string.h>

#include "rewards/reader.h"

#define BIT(status) (1u << (status))
#define PASSED (BIT(ASSAY_TEST_PASSED) | BIT(ASSAY_TEST_XPASS) | BIT(ASSAY_TEST_XFAIL))
#define FAILED (BIT(ASSAY_TEST_FAILED) | BIT(ASSAY_TEST_ERROR))
#define SKIPPED BIT(ASSAY_TEST_SKIPPED)

// Is this a result of canary `id`: "id", "id[...]", or "package::id" where ids have no packages?
static bool is_of(const char *result, const char *id)
{
    const size_t len = strlen(id);
    const char *tail = strstr(id, "::") == NULL ? strrchr(result, ':') : NULL;

    if (strncmp(result, id, len) == 0 && (result[len] == '\0' || result[len] == '['))
        return true;
    return tail != NULL && strcmp(tail + 1, id) == 0;
}

void assay_canary_take(struct assay_canary_results *out, struct assay_outcome *outcome,
        const struct assay_canary_plan *plan)
{
    size_t kept = 0;

    memset(out, 0, sizeof(*out));
    for (size_t at = 0; at < outcome->count; at++) {
        const struct assay_test_result one = outcome->results[at];
        size_t i = 0;

        while (i < plan->count && !is_of(one.id, plan->items[i].id))
            i++;
        if (i < plan->count)
            out->seen[i] |= BIT(one.status);
        else
            outcome->results[kept++] = one;
    }
    outcome->count = kept;
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
        if (canary->deaf || !original_passed(canary, outcome))
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

void assay_canary_copies(struct assay_copies *out, const struct assay_canary_plan *plan,
        const struct assay_canary_results *results, const struct assay_outcome *outcome)
{
    *out = (struct assay_copies){0, 0};
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->items[i].kind != ASSAY_CANARY_COPY || !original_passed(&plan->items[i], outcome))
            continue;
        if ((results->seen[i] & PASSED) != 0)
            out->passed |= ASSAY_CANARY_BIT(i);
        else if ((results->seen[i] & FAILED) != 0)
            out->failed |= ASSAY_CANARY_BIT(i);
    }
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
