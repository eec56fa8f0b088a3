// SPDX-License-Identifier: MIT
#include "orchestrator/writing.h"

#include <stdlib.h>
#include <string.h>

#include "rewards/framework.h"

#define RAW_BYTES_MAX ((size_t)512 << 20)

void assay_writing_init(struct assay_writing *out, const struct assay_instance *instance,
        const struct assay_framework *framework, struct assay_arena *arena)
{
    memset(out, 0, sizeof(*out));
    out->bare = *instance;
    out->bare.fail_to_pass = out->bare.pass_to_pass = (struct assay_strings){NULL, 0};
    out->framework = framework;
    out->arena = arena;
}

// "mutant3" or "mutant3.reference".
static struct assay_writing_run *find_mutant(struct assay_writing *w, const char *role)
{
    char *end = NULL;
    unsigned long number = 0;

    if (strncmp(role, "mutant", 6) != 0 || role[6] < '1' || role[6] > '9')
        return NULL;
    number = strtoul(role + 6, &end, 10);
    if (number > ASSAY_WRITING_MUTANTS_MAX)
        return NULL;
    if (*end == '\0')
        return &w->mutants[number - 1].answer;
    return strcmp(end, ".reference") == 0 ? &w->mutants[number - 1].reference : NULL;
}

static struct assay_writing_run *find_run(struct assay_writing *w, const char *role)
{
    const struct {
        const char *role;
        struct assay_writing_run *run;
    } rows[] = {{"base", &w->base}, {"reference", &w->reference}, {"before.1", &w->before[0]},
            {"before.2", &w->before[1]}, {"after.1", &w->after[0]}, {"after.2", &w->after[1]}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].role, role) == 0)
            return rows[i].run;
    return find_mutant(w, role);
}

enum assay_status assay_writing_take(struct assay_writing *w,
        const struct assay_run_evidence *evidence, struct assay_writing_run **run,
        struct assay_error *err)
{
    struct assay_writing_run *slot = evidence->role ? find_run(w, evidence->role) : NULL;
    struct assay_outcome *outcome = assay_arena_alloc(w->arena, sizeof(*outcome));
    struct assay_verdict verdict = {.instance_id = w->bare.instance_id};
    enum assay_status status;

    if (!slot)
        return assay_fail(err, ASSAY_EINVAL, "no run of a task to write tests is called '%.40s'",
                evidence->role ? evidence->role : "");
    if (!outcome)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = assay_evidence_judge(
            &verdict, outcome, evidence, &w->bare, w->framework, ASSAY_COMPAT_NONE, w->arena, err);
    if (status != ASSAY_OK)
        return status;
    *run = slot;
    if (slot->seen.outcome && slot->verdict.scored)
        return ASSAY_OK; // whatever was tried after it
    slot->verdict = verdict;
    slot->seen = (struct assay_tests_run){.cause = verdict.cause,
            .reason = verdict.reason,
            .outcome = outcome,
            .log = slot == &w->before[0] ? evidence->judged.log : (struct assay_bytes){NULL, 0}};
    return ASSAY_OK;
}

enum assay_status assay_writing_take_frame(struct assay_writing *w, const struct assay_frame *frame,
        struct assay_writing_run **run, struct assay_error *err)
{
    struct assay_run_evidence evidence;
    struct assay_buf raw;
    const char *text = NULL;
    enum assay_status status;

    assay_buf_init(&raw, RAW_BYTES_MAX);
    status = assay_frame_unpack(
            &raw, (struct assay_bytes){frame->data, frame->len}, frame->raw_bytes, "evidence", err);
    // The outcome and the log point into it.
    if (status == ASSAY_OK && !(text = assay_arena_memdup(w->arena, raw.data, raw.len)))
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (status == ASSAY_OK)
        status = assay_evidence_read(&evidence, text, raw.len, w->arena, err);
    if (status == ASSAY_OK)
        status = assay_writing_take(w, &evidence, run, err);
    assay_buf_free(&raw);
    return status;
}

// --- what they say -------------------------------------------------------------------------------

static const char *spoiled_reason(const struct assay_writing_run *run)
{
    return run->seen.outcome && !run->verdict.scored ? run->verdict.reason : NULL;
}

const char *assay_writing_spoiled(const struct assay_writing *w)
{
    const struct assay_writing_run *const rounds[] = {
            &w->base, &w->after[0], &w->before[0], &w->after[1], &w->before[1], &w->reference};
    const char *reason = NULL;

    for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]) && !reason; i++)
        reason = spoiled_reason(rounds[i]);
    for (size_t i = 0; i < ASSAY_WRITING_MUTANTS_MAX && !reason; i++) {
        reason = spoiled_reason(&w->mutants[i].reference);
        if (!reason)
            reason = spoiled_reason(&w->mutants[i].answer);
    }
    return reason;
}

enum assay_status assay_writing_compare(const struct assay_writing *w,
        struct assay_write_tests_score *score, const char **fault, enum assay_cause *cause,
        struct assay_error *err)
{
    struct assay_write_tests_runs runs = {.base = w->base.seen};

    for (size_t i = 0; i < ASSAY_WRITE_TESTS_ROUNDS; i++) {
        runs.before[i] = w->before[i].seen;
        runs.after[i] = w->after[i].seen;
    }
    return assay_write_tests_compare(score, fault, cause, &runs, w->arena, err);
}

bool assay_writing_mutant_valid(const struct assay_writing *w, size_t index, bool *killed)
{
    *killed = false;
    return w->reference.seen.outcome && w->mutants[index].reference.seen.outcome &&
            assay_write_tests_mutant_valid(
                    &w->reference.seen, &w->mutants[index].reference.seen, killed);
}

static void count_mutants(const struct assay_writing *w, struct assay_write_tests_score *score)
{
    size_t killed_by_reference = 0;

    for (size_t i = 0; i < ASSAY_WRITING_MUTANTS_MAX; i++) {
        bool killed = false;

        score->mutants_made += w->mutants[i].reference.seen.outcome != NULL;
        if (!assay_writing_mutant_valid(w, i, &killed))
            continue;
        score->mutants_valid++;
        killed_by_reference += killed;
        score->mutants_killed += w->mutants[i].answer.seen.outcome &&
                assay_write_tests_kills(score, &w->mutants[i].answer.seen);
    }
    score->mutants_needed = assay_write_tests_needed(score->mutants_valid, killed_by_reference);
}

static const char *reason_of(const struct assay_writing *w,
        const struct assay_write_tests_score *score, const char *fault, bool resolved)
{
    if (fault)
        return fault;
    if (score->mutants_valid == 0)
        return "there is no mutant of the fix to try the tests on";
    return assay_arena_printf(w->arena,
            "%zu new tests tell the buggy tree from the fixed one, and kill %zu of %zu mutants%s",
            score->fails_before.count, score->mutants_killed, score->mutants_valid,
            resolved ? "" : ", which is too few");
}

enum assay_status assay_writing_decide(
        const struct assay_writing *w, struct assay_verdict *verdict, struct assay_error *err)
{
    struct assay_write_tests_score *score = assay_arena_alloc(w->arena, sizeof(*score));
    const struct assay_verdict *after = &w->after[0].verdict;
    const char *spoiled = assay_writing_spoiled(w), *fault = NULL, *reason;
    enum assay_cause cause = ASSAY_CAUSE_TESTS_FAILED;
    enum assay_status status;
    bool resolved;

    if (spoiled) {
        verdict->write_tests = NULL;
        assay_judge_unrun(verdict, &w->bare, ASSAY_CAUSE_INFRA_ERROR, spoiled);
        return ASSAY_OK;
    }
    if (!score)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    memset(score, 0, sizeof(*score));
    status = assay_writing_compare(w, score, &fault, &cause, err);
    if (status != ASSAY_OK)
        return status;
    if (!fault)
        count_mutants(w, score);
    resolved = !fault && score->mutants_killed >= score->mutants_needed;
    reason = reason_of(w, score, fault, resolved);
    if (!reason)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    verdict->scored = true;
    verdict->resolved = resolved;
    verdict->reward = resolved ? 1.0 : 0.0;
    verdict->cause = resolved ? ASSAY_CAUSE_OK : fault ? cause : ASSAY_CAUSE_TESTS_FAILED;
    verdict->resolution = resolved ? ASSAY_RESOLUTION_FULL
            : fault                ? ASSAY_RESOLUTION_NO
                                   : ASSAY_RESOLUTION_PARTIAL;
    verdict->evidence = after->evidence;
    verdict->tamper = after->tamper;
    verdict->denied = after->denied;
    verdict->write_tests = score;
    verdict->reason = reason;
    return ASSAY_OK;
}
