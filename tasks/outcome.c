// SPDX-License-Identifier: MIT
// outcome.c - a set of test results that is filled in any order and then sorted once.
#include "tasks/outcome.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const test_status_names[] = {
        [ASSAY_TEST_MISSING] = "missing",
        [ASSAY_TEST_PASSED] = "passed",
        [ASSAY_TEST_FAILED] = "failed",
        [ASSAY_TEST_ERROR] = "error",
        [ASSAY_TEST_SKIPPED] = "skipped",
        [ASSAY_TEST_XFAIL] = "xfail",
        [ASSAY_TEST_XPASS] = "xpass",
};
#define TEST_STATUS_COUNT (sizeof(test_status_names) / sizeof(test_status_names[0]))

// Higher wins when an id is reported twice: code under test may print a second
// "passed", but it cannot take back a failure.
static const unsigned test_status_ranks[TEST_STATUS_COUNT] = {
        [ASSAY_TEST_PASSED] = 0,
        [ASSAY_TEST_XPASS] = 1,
        [ASSAY_TEST_XFAIL] = 2,
        [ASSAY_TEST_SKIPPED] = 3,
        [ASSAY_TEST_MISSING] = 4,
        [ASSAY_TEST_ERROR] = 5,
        [ASSAY_TEST_FAILED] = 6,
};

static const char *const cause_names[] = {
        [ASSAY_CAUSE_OK] = "ok",
        [ASSAY_CAUSE_TESTS_FAILED] = "tests_failed",
        [ASSAY_CAUSE_PATCH_REJECTED] = "patch_rejected",
        [ASSAY_CAUSE_EMPTY_PATCH] = "empty_patch",
        [ASSAY_CAUSE_BUILD_FAILED] = "build_failed",
        [ASSAY_CAUSE_NONE_COLLECTED] = "none_collected",
        [ASSAY_CAUSE_CPU_LIMIT] = "cpu_limit",
        [ASSAY_CAUSE_WALL_LIMIT] = "wall_limit",
        [ASSAY_CAUSE_IDLE_LIMIT] = "idle_limit",
        [ASSAY_CAUSE_MEMORY_LIMIT] = "memory_limit",
        [ASSAY_CAUSE_PIDS_LIMIT] = "pids_limit",
        [ASSAY_CAUSE_DISK_LIMIT] = "disk_limit",
        [ASSAY_CAUSE_OUTPUT_LIMIT] = "output_limit",
        [ASSAY_CAUSE_SIGNALLED] = "signalled",
        [ASSAY_CAUSE_SYSCALL_DENIED] = "syscall_denied",
        [ASSAY_CAUSE_TAMPERED] = "tampered",
        [ASSAY_CAUSE_INCONSISTENT] = "inconsistent",
        [ASSAY_CAUSE_SETUP_FAILED] = "setup_failed",
        [ASSAY_CAUSE_INFRA_ERROR] = "infra_error",
};
#define CAUSE_COUNT (sizeof(cause_names) / sizeof(cause_names[0]))

const char *assay_test_status_name(enum assay_test_status status)
{
    assert((size_t)status < TEST_STATUS_COUNT);
    return test_status_names[status];
}

bool assay_test_status_from_name(enum assay_test_status *out, const char *name)
{
    for (size_t i = 0; i < TEST_STATUS_COUNT; i++) {
        if (strcmp(test_status_names[i], name) == 0) {
            *out = (enum assay_test_status)i;
            return true;
        }
    }
    return false;
}

const char *assay_cause_name(enum assay_cause cause)
{
    assert((size_t)cause < CAUSE_COUNT);
    return cause_names[cause];
}

bool assay_cause_from_name(enum assay_cause *out, const char *name)
{
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        if (strcmp(cause_names[i], name) == 0) {
            *out = (enum assay_cause)i;
            return true;
        }
    }
    return false;
}

bool assay_cause_is_infra(enum assay_cause cause)
{
    return cause == ASSAY_CAUSE_SETUP_FAILED || cause == ASSAY_CAUSE_INFRA_ERROR;
}

void assay_outcome_init(struct assay_outcome *outcome, struct assay_arena *arena)
{
    *outcome = (struct assay_outcome){.arena = arena};
}

static bool outcome_grow(struct assay_outcome *outcome)
{
    const size_t capacity = outcome->capacity == 0 ? 64 : outcome->capacity * 2;
    struct assay_test_result *results;

    if (outcome->count >= ASSAY_OUTCOME_TESTS_MAX)
        return false;
    results = assay_arena_array(outcome->arena, capacity, sizeof(results[0]));
    if (results == NULL)
        return false;
    if (outcome->count > 0)
        memcpy(results, outcome->results, outcome->count * sizeof(results[0]));
    outcome->results = results;
    outcome->capacity = capacity;
    return true;
}

void assay_outcome_add(
        struct assay_outcome *outcome, const char *id, size_t id_len, enum assay_test_status status)
{
    char *copy;

    assert((size_t)status < TEST_STATUS_COUNT);
    if (outcome->failed || id_len == 0)
        return;
    if (outcome->count == outcome->capacity && !outcome_grow(outcome)) {
        outcome->failed = true;
        return;
    }
    copy = assay_arena_memdup(outcome->arena, id, id_len);
    if (copy == NULL) {
        outcome->failed = true;
        return;
    }
    // A NUL would end the id early and make it equal to another test's.
    for (size_t i = 0; i < id_len; i++) {
        if (copy[i] == '\0')
            copy[i] = '?';
    }
    outcome->results[outcome->count++] = (struct assay_test_result){copy, status};
}

static int result_compare(const void *left, const void *right)
{
    const struct assay_test_result *a = left;
    const struct assay_test_result *b = right;

    return strcmp(a->id, b->id);
}

enum assay_status assay_outcome_finish(struct assay_outcome *outcome, struct assay_error *err)
{
    size_t kept = 0;

    if (outcome->failed)
        return assay_fail(err, ASSAY_ENOMEM, "more test results than memory or the bound of %zu",
                ASSAY_OUTCOME_TESTS_MAX);
    if (outcome->count == 0)
        return ASSAY_OK;
    qsort(outcome->results, outcome->count, sizeof(outcome->results[0]), result_compare);
    for (size_t i = 1; i < outcome->count; i++) {
        struct assay_test_result *last = &outcome->results[kept];
        const struct assay_test_result *next = &outcome->results[i];

        if (strcmp(last->id, next->id) != 0)
            outcome->results[++kept] = *next;
        else if (test_status_ranks[next->status] > test_status_ranks[last->status])
            last->status = next->status;
    }
    outcome->count = kept + 1;
    return ASSAY_OK;
}

enum assay_test_status assay_outcome_find(const struct assay_outcome *outcome, const char *id)
{
    const struct assay_test_result wanted = {.id = id};
    const struct assay_test_result *found;

    if (outcome->count == 0)
        return ASSAY_TEST_MISSING;
    found = bsearch(
            &wanted, outcome->results, outcome->count, sizeof(outcome->results[0]), result_compare);
    return found == NULL ? ASSAY_TEST_MISSING : found->status;
}
