// SPDX-License-Identifier: MIT
// compat.c - which mode, which parser, and the verdict that comes of it.
#include "rewards/compat.h"

#include <string.h>

#define KILLED_EXIT_CODE 137 // as a shell reports a command that died of SIGKILL

static const char *const names[] = {
        [ASSAY_COMPAT_NONE] = "",
        [ASSAY_COMPAT_SWEBENCH] = "swebench",
        [ASSAY_COMPAT_SWESMITH] = "swesmith",
        [ASSAY_COMPAT_R2E] = "r2e",
        [ASSAY_COMPAT_PRO] = "pro",
        [ASSAY_COMPAT_REBENCH] = "rebench",
};

const char *assay_compat_name(enum assay_compat compat)
{
    return names[compat];
}

bool assay_compat_from_name(enum assay_compat *out, const char *name)
{
    for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum assay_compat)i;
            return true;
        }
    }
    return false;
}

static const struct assay_log_parser *parser_of(
        const struct assay_instance *instance, const struct assay_framework *framework)
{
    const char *name = instance->log_parser;

    if (name == NULL)
        name = assay_log_parser_of_repo(instance->repo);
    if (name == NULL)
        name = framework->log_parser;
    return name != NULL ? assay_log_parser_find(name) : NULL;
}

bool assay_compat_applies(enum assay_compat compat, const struct assay_instance *instance,
        const struct assay_framework *framework)
{
    if (compat == ASSAY_COMPAT_R2E) // knows no other
        return strcmp(framework->name, "pytest") == 0;
    return parser_of(instance, framework) != NULL;
}

// Those graders lose a run that does not end.
static bool timed_out(enum assay_cause box_cause)
{
    return box_cause == ASSAY_CAUSE_WALL_LIMIT || box_cause == ASSAY_CAUSE_IDLE_LIMIT ||
            box_cause == ASSAY_CAUSE_CPU_LIMIT;
}

static bool exited(enum assay_cause box_cause)
{
    return box_cause == ASSAY_CAUSE_OK || box_cause == ASSAY_CAUSE_TESTS_FAILED;
}

static const char *reason_of(const struct assay_swebench_report *report,
        const struct assay_verdict *verdict, enum assay_compat compat, struct assay_arena *arena)
{
    const char *mode = assay_compat_name(compat);
    const size_t passed = verdict->f2p_success.count + verdict->p2p_success.count;
    const size_t failed = verdict->f2p_failure.count + verdict->p2p_failure.count;

    if (report->raised != NULL)
        return assay_arena_printf(arena,
                "compat %s: its parser raises %s on this log, and it would write no report", mode,
                report->raised);
    if (report->costly)
        return assay_arena_printf(arena, "compat %s: the log would take too long to read", mode);
    if (!report->found && report->infra.reason != NULL)
        return assay_arena_printf(arena, "compat %s: it would not believe this log (%s%s)", mode,
                report->infra.reason, report->infra.environment ? "" : ", ambiguous");
    if (!report->found)
        return assay_arena_printf(arena, "compat %s: it would not believe this log", mode);
    return assay_arena_printf(
            arena, "compat %s: %zu expected tests passed, %zu failed", mode, passed, failed);
}

static void fill(struct assay_verdict *verdict, const struct assay_swebench_report *report,
        const struct assay_instance *instance, enum assay_cause box_cause)
{
    const struct assay_strings none = {NULL, 0};

    verdict->scored = true;
    verdict->resolution = report->resolution;
    verdict->resolved = report->resolution == ASSAY_RESOLUTION_FULL;
    verdict->reward = verdict->resolved ? 1.0 : 0.0;
    verdict->f2p_success = report->f2p_success;
    verdict->p2p_success = report->p2p_success;
    verdict->f2p_failure = report->found ? report->f2p_failure : instance->fail_to_pass;
    verdict->p2p_failure = report->found ? report->p2p_failure : instance->pass_to_pass;
    verdict->tamper = none;
    verdict->evidence = ASSAY_EVIDENCE_WEAK;
    if (verdict->resolved)
        verdict->cause = ASSAY_CAUSE_OK;
    else if (!exited(box_cause))
        verdict->cause = box_cause;
    else
        verdict->cause =
                report->map.count == 0 ? ASSAY_CAUSE_NONE_COLLECTED : ASSAY_CAUSE_TESTS_FAILED;
}

static enum assay_status fill_outcome(struct assay_judgement *judgement,
        const struct assay_log_map *map, struct assay_arena *arena, struct assay_error *err)
{
    assay_outcome_init(&judgement->outcome, arena);
    for (size_t i = 0; i < map->count; i++)
        if (map->entries[i].status != ASSAY_TEST_MISSING)
            assay_outcome_add(&judgement->outcome, map->entries[i].id, map->entries[i].id_len,
                    map->entries[i].status);
    return assay_outcome_finish(&judgement->outcome, err);
}

enum assay_status assay_judge_compat(struct assay_verdict *verdict,
        struct assay_judgement *judgement, const struct assay_instance *instance,
        const struct assay_framework *framework, const struct assay_evidence *evidence,
        enum assay_compat compat, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_swebench_report report = {.resolution = ASSAY_RESOLUTION_NO};
    struct assay_verdict made = *verdict;
    enum assay_status status = ASSAY_OK;

    if (assay_cause_is_infra(evidence->box_cause) || timed_out(evidence->box_cause)) {
        status = assay_judge(verdict, judgement, instance, framework, evidence, arena, err);
        verdict->evidence = ASSAY_EVIDENCE_WEAK;
        verdict->compat = assay_compat_name(compat);
        return status;
    }
    status = assay_compat_grade(&report, compat, instance, parser_of(instance, framework),
            evidence->log, exited(evidence->box_cause) ? evidence->exit_code : KILLED_EXIT_CODE,
            arena, err);
    if (status == ASSAY_OK)
        status = fill_outcome(judgement, &report.map, arena, err);
    if (status != ASSAY_OK)
        return status;
    fill(&made, &report, instance, evidence->box_cause);
    made.compat = assay_compat_name(compat);
    made.reason = reason_of(&report, &made, compat, arena);
    if (made.reason == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory to judge");
    *verdict = made;
    return ASSAY_OK;
}
