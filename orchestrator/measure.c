// SPDX-License-Identifier: MIT
#include "orchestrator/measure.h"

#include <stdio.h>

#include "orchestrator/grade.h"

#define NOTHING_FIXED "no test fails before and passes after"

// The statuses of one run. The lists are still empty, so only the outcome counts.
static enum assay_status measure_once(const struct assay_measuring *m,
        const struct assay_instance *instance, bool gold, unsigned run, struct assay_outcome *out,
        struct assay_arena *arena, struct assay_error *err)
{
    char attempt[32], run_id[128];
    const struct assay_grade_request request = {.suite = m->suite,
            .instance = instance,
            .candidate = gold ? ASSAY_CANDIDATE_GOLD : ASSAY_CANDIDATE_NONE,
            .run_id = run_id,
            .attempt = attempt,
            .no_cache = true};
    struct assay_grade grade;
    enum assay_status status;

    snprintf(attempt, sizeof(attempt), "measure.%s.%u", gold ? "after" : "before", run + 1);
    snprintf(run_id, sizeof(run_id), "add-%.100s", m->suite->name);
    status = assay_grade(&grade, m->context, &request, arena, err);
    if (status != ASSAY_OK)
        return status;
    if (!grade.verdict.scored)
        return assay_fail(err, ASSAY_EIO, "no verdict: %s", grade.verdict.reason);
    if (gold && grade.verdict.cause != ASSAY_CAUSE_OK &&
            grade.verdict.cause != ASSAY_CAUSE_TESTS_FAILED)
        return assay_fail(err, ASSAY_EINVAL, "the run after the change ended with %s: %s",
                assay_cause_name(grade.verdict.cause), grade.verdict.reason);
    *out = grade.outcome;
    return ASSAY_OK;
}

static bool counts_as_passed(enum assay_test_status status)
{
    return status == ASSAY_TEST_PASSED || status == ASSAY_TEST_XFAIL;
}

// Passed in all runs (1), in none (0), or sometimes (-1).
static int stable(const struct assay_outcome *outcomes, unsigned runs, const char *id)
{
    unsigned passed = 0;

    for (unsigned i = 0; i < runs; i++)
        passed += counts_as_passed(assay_outcome_find(&outcomes[i], id));
    return passed == runs ? 1 : passed == 0 ? 0 : -1;
}

static enum assay_status fill_lists(struct assay_instance *instance,
        const struct assay_measuring *m, const struct assay_outcome *before,
        const struct assay_outcome *after, struct assay_error *err)
{
    const char **f2p, **p2p;

    pthread_mutex_lock(m->lock);
    f2p = assay_arena_array(m->arena, after[0].count, sizeof(*f2p));
    p2p = assay_arena_array(m->arena, after[0].count, sizeof(*p2p));
    for (size_t i = 0; f2p && p2p && i < after[0].count; i++) {
        const char *id = after[0].results[i].id;
        const int was = stable(before, m->runs, id);

        if (stable(after, m->runs, id) != 1 || was < 0)
            continue;
        char *kept = assay_arena_strdup(m->arena, id);

        if (was == 0)
            f2p[instance->fail_to_pass.count++] = kept;
        else
            p2p[instance->pass_to_pass.count++] = kept;
    }
    pthread_mutex_unlock(m->lock);
    if (!f2p || !p2p)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    instance->fail_to_pass.items = f2p;
    instance->pass_to_pass.items = p2p;
    if (instance->fail_to_pass.count == 0)
        return assay_fail(err, ASSAY_EINVAL, NOTHING_FIXED);
    return ASSAY_OK;
}

// Is there a test that fails before and passes after, as far as the first run of each tells?
static bool tells_apart(const struct assay_outcome *before, const struct assay_outcome *after)
{
    for (size_t i = 0; i < after->count; i++)
        if (counts_as_passed(after->results[i].status) &&
                !counts_as_passed(assay_outcome_find(before, after->results[i].id)))
            return true;
    return false;
}

enum assay_status assay_measure(
        struct assay_instance *instance, const struct assay_measuring *m, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_outcome *before = NULL, *after = NULL;
    enum assay_status status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, err);

    if (status != ASSAY_OK)
        return status;
    before = assay_arena_array(arena, m->runs, sizeof(*before));
    after = assay_arena_array(arena, m->runs, sizeof(*after));
    if (!before || !after)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (unsigned run = 0; run < m->runs && status == ASSAY_OK; run++) {
        // After first: what does not work there is not worth a run before.
        status = measure_once(m, instance, true, run, &after[run], arena, err);
        if (status == ASSAY_OK)
            status = measure_once(m, instance, false, run, &before[run], arena, err);
        if (status == ASSAY_OK && run == 0 && !tells_apart(&before[0], &after[0]))
            status = assay_fail(err, ASSAY_EINVAL, NOTHING_FIXED);
    }
    if (status == ASSAY_OK)
        status = fill_lists(instance, m, before, after, err);
    assay_arena_destroy(arena);
    return status;
}
