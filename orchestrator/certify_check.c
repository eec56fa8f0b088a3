// SPDX-License-Identifier: MIT
// certify_check.c - the checks: how often each is run, and how its runs differ from a grading's.
#include <stdio.h>
#include <string.h>

#include "orchestrator/certify_parts.h"
#include "rewards/framework.h"

#define BUSY_PER_CPU 3 // beside the tests: four in all
#define CLOCK_SECONDS (2 * 365 * 86400u)
#define CONTROL_SECONDS 1u // the same library, and next to no other date

static const char *const names[ASSAY_CHECKS] = {
        [ASSAY_CHECK_LISTS] = "lists",
        [ASSAY_CHECK_GOLD] = "gold",
        [ASSAY_CHECK_EMPTY] = "empty",
        [ASSAY_CHECK_NULL] = "null",
        [ASSAY_CHECK_JUNK] = "junk",
        [ASSAY_CHECK_ORDER] = "order",
        [ASSAY_CHECK_CPU] = "cpu",
        [ASSAY_CHECK_CLOCK] = "clock",
        [ASSAY_CHECK_HASH] = "hash",
        [ASSAY_CHECK_NETWORK] = "network",
};

const char *assay_check_name(enum assay_check check)
{
    return names[check];
}

enum assay_status assay_checks_parse(unsigned *out, const char *text, struct assay_error *err)
{
    unsigned bits = 0;

    for (const char *at = text; *at;) {
        const size_t len = strcspn(at, ",");
        unsigned found = 0;

        for (unsigned i = 0; i < ASSAY_CHECKS; i++)
            if (strlen(names[i]) == len && strncmp(names[i], at, len) == 0)
                found = 1u << i;
        if (!found)
            return assay_fail(err, ASSAY_EUSAGE, "--checks: '%.*s' is no check", (int)len, at);
        bits |= found;
        at += len + (at[len] == ',');
    }
    if (!bits)
        return assay_fail(err, ASSAY_EUSAGE, "--checks: names no check");
    *out = bits;
    return ASSAY_OK;
}

// `share` of every five runs, and one at least.
static unsigned share_of(unsigned runs, unsigned share)
{
    const unsigned count = (runs * share + 4) / 5;

    return count ? count : 1;
}

// Does the recipe itself fix the seed that the check would change?
static bool pins_hashes(const struct assay_recipe *recipe)
{
    for (size_t i = 0; i < recipe->env.count; i++)
        if (strncmp(recipe->env.items[i], "PYTHONHASHSEED=", 15) == 0 ||
                strncmp(recipe->env.items[i], "PERL_HASH_SEED=", 15) == 0)
            return true;
    return false;
}

static enum assay_status can_reorder(bool *out, const struct assay_instance *instance,
        const struct assay_framework *framework, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_strings argv;

    *out = false;
    if (!framework->reorder)
        return ASSAY_OK;
    return framework->reorder(&instance->test_cmd, "reverse", &argv, out, arena, err);
}

// Do the check's runs differ from a grading's, and not only in their patch?
static bool is_varied(enum assay_check check)
{
    return check >= ASSAY_CHECK_ORDER;
}

enum assay_status assay_check_plan(struct assay_certified *item, enum assay_check check,
        const struct assay_suite *suite, unsigned runs, struct assay_arena *arena,
        struct assay_error *err)
{
    const struct assay_instance *instance = item->instance;
    const struct assay_framework *framework = assay_framework_find(instance->framework);
    const struct assay_recipe *recipe = assay_suite_recipe(suite, instance->recipe);
    bool possible = true;
    unsigned count = 0;
    enum assay_status status = ASSAY_OK;

    if (instance->task != ASSAY_TASK_REPAIR && is_varied(check)) {
        item->checks[check].note = "the instance's own tests are not what is graded";
        return ASSAY_OK;
    }
    if (!framework || !recipe)
        return assay_fail(err, ASSAY_EINVAL, "%s: framework '%s' or recipe '%s' is unknown",
                instance->instance_id, instance->framework, instance->recipe);
    switch (check) {
    case ASSAY_CHECK_GOLD:
    case ASSAY_CHECK_EMPTY:
        count = runs;
        break;
    case ASSAY_CHECK_NULL:
    case ASSAY_CHECK_JUNK:
        count = 1;
        break;
    case ASSAY_CHECK_ORDER:
        status = can_reorder(&possible, instance, framework, arena, err);
        count = possible ? share_of(runs, 3) : 0;
        item->checks[check].note = possible ? NULL : "not shuffled";
        break;
    case ASSAY_CHECK_CPU:
        count = share_of(runs, 2);
        break;
    case ASSAY_CHECK_CLOCK:
        count = framework->clock_blind ? 0 : 2;
        item->checks[check].note = framework->clock_blind ? "not shifted" : NULL;
        break;
    case ASSAY_CHECK_HASH:
        count = pins_hashes(recipe) ? 0 : share_of(runs, 3);
        item->checks[check].note = count ? NULL : "pinned by the recipe";
        break;
    case ASSAY_CHECK_NETWORK:
        count = instance->network;
        item->checks[check].note = count ? NULL : "no run has a network";
        break;
    case ASSAY_CHECK_LISTS:
    case ASSAY_CHECKS:
        break;
    }
    if (status != ASSAY_OK)
        return status;
    item->checks[check].runs = count;
    item->checks[check].cells = assay_arena_array(arena, count, sizeof(struct assay_cell));
    if (!item->checks[check].cells)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    item->left += count;
    return ASSAY_OK;
}

void assay_check_request(struct assay_grade_request *request,
        struct assay_grade_variation *variation, char room[16], enum assay_check check,
        unsigned run)
{
    static const char junk[] = "--- /dev/null\n+++ b/assay-junk.txt\n@@ -0,0 +1 @@\n+junk\n";

    *variation = (struct assay_grade_variation){0};
    request->candidate = ASSAY_CANDIDATE_GOLD;
    switch (check) {
    case ASSAY_CHECK_EMPTY:
        request->candidate = ASSAY_CANDIDATE_NONE;
        break;
    case ASSAY_CHECK_NULL:
        request->candidate = ASSAY_CANDIDATE_EMPTY;
        break;
    case ASSAY_CHECK_JUNK:
        request->candidate = ASSAY_CANDIDATE_PATCH;
        request->patch = (struct assay_bytes){junk, sizeof(junk) - 1};
        break;
    case ASSAY_CHECK_ORDER:
        // Reversed first: it turns every pair of tests around, which a shuffle may miss.
        snprintf(room, 16, "%u", run);
        variation->order = run ? room : "reverse";
        break;
    case ASSAY_CHECK_CPU:
        variation->busy_per_cpu = BUSY_PER_CPU;
        break;
    case ASSAY_CHECK_CLOCK:
        variation->clock_seconds = run ? CLOCK_SECONDS : CONTROL_SECONDS;
        break;
    case ASSAY_CHECK_HASH:
        variation->hash_seed = run + 1;
        break;
    case ASSAY_CHECK_NETWORK:
        variation->no_network = true;
        break;
    case ASSAY_CHECK_LISTS:
    case ASSAY_CHECK_GOLD:
    case ASSAY_CHECKS:
        break;
    }
    if (is_varied(check))
        request->variation = variation;
}

bool assay_check_wants_resolved(enum assay_check check)
{
    return check != ASSAY_CHECK_EMPTY && check != ASSAY_CHECK_NULL && check != ASSAY_CHECK_JUNK;
}
