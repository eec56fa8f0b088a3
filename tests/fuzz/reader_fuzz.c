// SPDX-License-Identifier: MIT
// reader_fuzz.c - what a hostile run can leave behind, against the reader of FRAMEWORK and the
// judge.
//
// Input: one byte of exit status, the report (for junit: the file), a NUL, the
// log. Whatever it is, reading succeeds, and a test that nobody ran never passes.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rewards/judge.h"

#define ARENA_BYTES ((size_t)256 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "broken: %s\n", what);
    abort();
}

static void check_sorted(const struct assay_outcome *outcome)
{
    for (size_t i = 1; i < outcome->count; i++)
        check(strcmp(outcome->results[i - 1].id, outcome->results[i].id) < 0, "results in order");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // A line end is in no test's id that a line could carry.
    static const char *const impossible[] = {"\n"};
    const struct assay_instance instance = {.instance_id = "fuzz-1",
            .framework = FRAMEWORK,
            .rules = ASSAY_RULES_SWEBENCH,
            .fail_to_pass = {impossible, 1}};
    const char *text = (const char *)data + 1;
    const char *zero = size > 1 ? memchr(text, '\0', size - 1) : NULL;
    struct assay_bytes report, log;
    struct assay_out_file file = {.name = FILE_NAME};
    struct assay_evidence evidence = {0};
    struct assay_verdict verdict = {0};
    struct assay_judgement judgement;
    struct assay_arena *arena;
    struct assay_error err = {0};

    if (zero == NULL || assay_arena_create(&arena, ARENA_BYTES, NULL) != ASSAY_OK)
        return 0;
    report = (struct assay_bytes){text, (size_t)(zero - text)};
    log = (struct assay_bytes){zero + 1, size - 2 - report.len};
    // Exactly sized copies: bytes of evidence are followed by a NUL, no more.
    report.data = assay_arena_memdup(arena, report.data, report.len);
    log.data = assay_arena_memdup(arena, log.data, log.len);
    file.content = report;
    evidence = (struct assay_evidence){
            .box_cause = data[0] == 0 ? ASSAY_CAUSE_OK : ASSAY_CAUSE_TESTS_FAILED,
            .exit_code = data[0],
            .log = log,
            .report = report,
            .files = &file,
            .file_count = 1};
    check(assay_judge(&verdict, &judgement, &instance, assay_framework_find(FRAMEWORK), &evidence,
                  arena, &err) == ASSAY_OK,
            err.message);
    check(!verdict.resolved, "nothing is resolved by nothing");
    // A reward file may say what it likes, as long as it is a number; none is no reward.
    if (strcmp(FRAMEWORK, "reward-file") == 0)
        check(isfinite(verdict.reward), "a reward is a number");
    else
        check(verdict.scored && verdict.reward <= 0.0, "no reward for nothing");
    check(verdict.reason != NULL, "a reason");
    check_sorted(&judgement.outcome);
    assay_arena_destroy(arena);
    return 0;
}
