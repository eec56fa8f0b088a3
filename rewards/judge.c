// SPDX-License-Identifier: MIT
#include "rewards/judge.h"

#include <stdio.h>
#include <string.h>

#include "rewards/canary_judge.h"
#include "rewards/match.h"
#include "rewards/reader.h"
#include "rewards/rules.h"

#define TAMPER_MAX (ASSAY_PROBLEMS_MAX + 8)
#define CONTRADICTIONS_MAX 5

struct judge {
    const struct assay_instance *instance;
    const struct assay_framework *framework;
    const struct assay_evidence *evidence;
    struct assay_arena *arena;
    struct assay_reading reading;
    bool channel_due;                    // this command must report on the channel
    const struct assay_outcome *outcome; // the one that decides
    struct assay_outcome named;          // the same, as the rules name tests
    const char *broken; // what the rules ask for beside the lists and is not so; "": nothing
    const char **tamper;
    size_t tamper_count;
    size_t canary_faults; // so many of them are about canaries, and come first
    const char *missed;   // an expected test that did not pass; NULL: all did
    enum assay_test_status missed_status;
    bool no_memory;
};

// --- the lists ----------------------------------------------------------------------------------

enum assay_resolution assay_judge_lists(const struct assay_instance *instance,
        const enum assay_test_status *fail_to_pass, const enum assay_test_status *pass_to_pass)
{
    const size_t f2p_count = instance->fail_to_pass.count;
    size_t passed = 0;

    for (size_t i = 0; i < f2p_count; i++)
        passed += assay_rules_success(instance, true, fail_to_pass[i]);
    for (size_t i = 0; i < instance->pass_to_pass.count; i++)
        if (!assay_rules_success(instance, false, pass_to_pass[i]))
            return ASSAY_RESOLUTION_NO;
    // The whole map says itself what a fix must have changed.
    if (instance->rules == ASSAY_RULES_WHOLE_MAP && f2p_count == 0)
        return ASSAY_RESOLUTION_FULL;
    if (passed == 0)
        return ASSAY_RESOLUTION_NO;
    return passed == f2p_count ? ASSAY_RESOLUTION_FULL : ASSAY_RESOLUTION_PARTIAL;
}

// Look up every id of one list and divide it.
static enum assay_test_status *divide(
        struct judge *judge, bool f2p, struct assay_strings *passed, struct assay_strings *rest)
{
    const struct assay_instance *instance = judge->instance;
    const struct assay_strings *ids = f2p ? &instance->fail_to_pass : &instance->pass_to_pass;
    // Renamed already where the rules know tests by other names.
    const enum assay_rules rules =
            instance->rules == ASSAY_RULES_WHOLE_MAP ? ASSAY_RULES_NATIVE : instance->rules;
    enum assay_test_status *statuses =
            assay_arena_array(judge->arena, ids->count, sizeof(*statuses));
    const char **yes = assay_arena_array(judge->arena, ids->count, sizeof(*yes));
    const char **no = assay_arena_array(judge->arena, ids->count, sizeof(*no));

    if (statuses == NULL || yes == NULL || no == NULL) {
        judge->no_memory = true;
        return NULL;
    }
    *passed = (struct assay_strings){yes, 0};
    *rest = (struct assay_strings){no, 0};
    for (size_t i = 0; i < ids->count; i++) {
        statuses[i] = assay_match_id(&judge->named, ids->items[i], rules);
        if (assay_rules_success(instance, f2p, statuses[i])) {
            yes[passed->count++] = ids->items[i];
            continue;
        }
        no[rest->count++] = ids->items[i];
        if (judge->missed == NULL) {
            judge->missed = ids->items[i];
            judge->missed_status = statuses[i];
        }
    }
    return statuses;
}

static void judge_tests(struct judge *judge, struct assay_verdict *verdict)
{
    const struct assay_instance *instance = judge->instance;
    const enum assay_test_status *f2p;
    const enum assay_test_status *p2p;

    if (assay_rules_outcome(&judge->named, judge->outcome, instance->rules, judge->arena, NULL) !=
            ASSAY_OK) {
        judge->no_memory = true;
        return;
    }
    f2p = divide(judge, true, &verdict->f2p_success, &verdict->f2p_failure);
    p2p = divide(judge, false, &verdict->p2p_success, &verdict->p2p_failure);
    judge->broken = assay_rules_broken(instance, &judge->named, judge->arena);
    judge->no_memory = judge->no_memory || judge->broken == NULL;
    if (judge->no_memory)
        return;
    verdict->resolution =
            *judge->broken != '\0' ? ASSAY_RESOLUTION_NO : assay_judge_lists(instance, f2p, p2p);
}

// --- evidence that disagrees --------------------------------------------------------------------

static void tamper(struct judge *judge, const char *sentence)
{
    if (sentence == NULL)
        judge->no_memory = true;
    else if (judge->tamper_count < TAMPER_MAX)
        judge->tamper[judge->tamper_count++] = sentence;
}

// In front of what else did not agree: it weighs more.
static void add_canary_fault(struct judge *judge, const char *sentence)
{
    if (sentence == NULL || *sentence == '\0') {
        judge->no_memory = true;
        return;
    }
    if (judge->tamper_count == TAMPER_MAX)
        judge->tamper_count--;
    memmove(judge->tamper + judge->canary_faults + 1, judge->tamper + judge->canary_faults,
            (judge->tamper_count - judge->canary_faults) * sizeof(*judge->tamper));
    judge->tamper[judge->canary_faults++] = sentence;
    judge->tamper_count++;
}

static bool exited(const struct judge *judge)
{
    return judge->evidence->box_cause == ASSAY_CAUSE_OK ||
            judge->evidence->box_cause == ASSAY_CAUSE_TESTS_FAILED;
}

static bool anything_failed(const struct judge *judge)
{
    return judge->reading.failed || judge->reading.failed_outside;
}

// The wait status, which nobody in the box can write, against what the run says of itself.
static void compare_exit(struct judge *judge)
{
    const struct assay_reading *reading = &judge->reading;
    const int status = judge->evidence->exit_code;

    // Which checks had failed by then hangs on where they were drawn: it is not told beside this.
    if (reading->begun && !reading->ended && status == 0) {
        tamper(judge, "the private channel was begun and never ended, and yet the run exited 0");
        return;
    }
    if (reading->ended && reading->exit_expected >= 0 && reading->exit_expected != status)
        tamper(judge,
                assay_arena_printf(judge->arena,
                        "the test runner ended with status %d, the process exited with %d",
                        reading->exit_expected, status));
    if (anything_failed(judge) && status == 0 && !reading->exit_blind)
        tamper(judge, "tests failed, and yet the run exited 0");
    // An early end, a failed build and an empty run explain a non-zero exit by themselves.
    if (!anything_failed(judge) && status != 0 && judge->outcome->count > 0 &&
            !reading->interrupted && !reading->none_collected && !reading->build_failed &&
            (!reading->begun || reading->ended))
        tamper(judge,
                assay_arena_printf(
                        judge->arena, "no test failed, and yet the run exited with %d", status));
}

// A test's line in the log against its record on the channel.
static void compare_log(struct judge *judge)
{
    const struct assay_outcome *log = &judge->reading.log;
    size_t shown = 0;

    for (size_t i = 0; i < log->count && shown < CONTRADICTIONS_MAX; i++) {
        const struct assay_test_result *said = &log->results[i];
        const enum assay_test_status status = assay_outcome_find(&judge->reading.channel, said->id);
        const bool log_failed =
                said->status == ASSAY_TEST_FAILED || said->status == ASSAY_TEST_ERROR;
        // A log whose middle is missing may have lost the line that says "failed".
        const bool log_passed =
                said->status == ASSAY_TEST_PASSED && !judge->evidence->log_truncated;

        if (!(status == ASSAY_TEST_PASSED && log_failed) &&
                !(status == ASSAY_TEST_FAILED && log_passed))
            continue;
        shown++;
        tamper(judge,
                assay_arena_printf(judge->arena, "%s %s on the private channel and %s in the log",
                        assay_show(judge->arena, said->id, strlen(said->id)),
                        assay_test_status_name(status), assay_test_status_name(said->status)));
    }
}

static bool log_shows_a_pass(const struct assay_outcome *log)
{
    for (size_t i = 0; i < log->count; i++)
        if (log->results[i].status == ASSAY_TEST_PASSED)
            return true;
    return false;
}

static void compare(struct judge *judge)
{
    const struct assay_reading *reading = &judge->reading;

    for (size_t i = 0; i < reading->problems.count; i++)
        tamper(judge, reading->problems.items[i]);
    if (judge->channel_due && !reading->has_channel && log_shows_a_pass(&reading->log))
        tamper(judge, "log shows results but the private channel is silent");
    if (reading->has_channel)
        compare_log(judge);
    if (exited(judge))
        compare_exit(judge);
}

// --- canaries -----------------------------------------------------------------------------------

// Out of both outcomes before anything is counted. The one that decides speaks for them.
static void take_canaries(struct judge *judge, struct assay_canary_results *results)
{
    const struct assay_canary_plan *plan = judge->evidence->canaries;
    struct assay_canary_results other;

    if (plan == NULL)
        return;
    if (judge->outcome == &judge->reading.channel) {
        assay_canary_take(&other, &judge->reading.log, plan);
        assay_canary_take(results, &judge->reading.channel, plan);
    } else {
        assay_canary_take(&other, &judge->reading.channel, plan);
        assay_canary_take(results, &judge->reading.log, plan);
    }
}

// A run that was killed has no result of much; canaries tell of one that ended.
static void compare_canaries(
        struct judge *judge, const struct assay_canary_results *results, bool full)
{
    const struct assay_canary_plan *plan = judge->evidence->canaries;
    const bool resolved = full && !judge->reading.interrupted && exited(judge);
    bool must_fail = false;

    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->count; i++) {
        const char *fault =
                assay_canary_fault(plan, i, results, judge->outcome, resolved, judge->arena);

        must_fail =
                must_fail || (assay_canary_must_fail(plan->items[i].kind) && !plan->items[i].deaf);
        if (fault != NULL)
            add_canary_fault(judge, fault);
    }
    for (size_t i = 0; i < plan->unmoved.count && i < CONTRADICTIONS_MAX; i++)
        add_canary_fault(judge,
                assay_arena_printf(judge->arena,
                        "%s passes with another expected value too, where the gold patch fails",
                        assay_show(judge->arena, plan->unmoved.items[i],
                                strlen(plan->unmoved.items[i]))));
    if (plan->counter_fault != NULL)
        add_canary_fault(judge,
                assay_arena_printf(judge->arena, "with other expected values: %s",
                        assay_show(
                                judge->arena, plan->counter_fault, strlen(plan->counter_fault))));
    if (must_fail && resolved && judge->evidence->exit_code == 0 && !judge->reading.exit_blind)
        add_canary_fault(judge, "canaries that must fail were planted, and yet the run exited 0");
}

// --- cause and reason ---------------------------------------------------------------------------

// A passing verdict says how much it rests on; a failing one, what to look at first.
static const char *tests_reason(struct judge *judge, const struct assay_verdict *verdict)
{
    const struct assay_instance *instance = judge->instance;
    const size_t wanted = instance->fail_to_pass.count + instance->pass_to_pass.count;
    const size_t passed = verdict->f2p_success.count + verdict->p2p_success.count;

    if (verdict->cause == ASSAY_CAUSE_OK)
        return assay_arena_printf(judge->arena, "all %zu expected tests passed", wanted);
    if (judge->missed == NULL && *judge->broken != '\0')
        return assay_arena_printf(
                judge->arena, "all %zu listed tests passed, but %s", wanted, judge->broken);
    if (instance->fail_to_pass.count == 0 && instance->rules != ASSAY_RULES_WHOLE_MAP)
        return "the instance has no FAIL_TO_PASS test, so nothing can resolve it";
    if (judge->missed == NULL)
        return assay_arena_printf(judge->arena,
                "all %zu expected tests passed, but the test run was interrupted", wanted);
    return assay_arena_printf(judge->arena,
            "%zu of %zu expected tests passed%s; first other: %s (%s)", passed, wanted,
            judge->reading.begun && !judge->reading.ended ? " before the test run died"
                    : judge->reading.interrupted          ? " before the test run was interrupted"
                                                          : "",
            assay_show(judge->arena, judge->missed, strlen(judge->missed)),
            assay_test_status_name(judge->missed_status));
}

static const char *limit_reason(struct judge *judge)
{
    switch (judge->evidence->box_cause) {
    case ASSAY_CAUSE_CPU_LIMIT:
        return "the tests used up their processor time";
    case ASSAY_CAUSE_WALL_LIMIT:
        return "the tests did not end in time";
    case ASSAY_CAUSE_IDLE_LIMIT:
        return "the tests stood still for too long";
    case ASSAY_CAUSE_MEMORY_LIMIT:
        return "the tests used more memory than their limit";
    case ASSAY_CAUSE_PIDS_LIMIT:
        return "the tests started more processes than their limit";
    case ASSAY_CAUSE_DISK_LIMIT:
        return "the tests wrote more to disk than their limit";
    case ASSAY_CAUSE_OUTPUT_LIMIT:
        return "the tests printed more than their limit";
    case ASSAY_CAUSE_SIGNALLED:
        return "the test command was killed by a signal";
    case ASSAY_CAUSE_SYSCALL_DENIED:
        return "the test command died by SIGSYS: a system call of another architecture (32-bit, "
               "x32), or a filter of its own";
    case ASSAY_CAUSE_OK:
    case ASSAY_CAUSE_TESTS_FAILED:
    case ASSAY_CAUSE_PATCH_REJECTED:
    case ASSAY_CAUSE_EMPTY_PATCH:
    case ASSAY_CAUSE_BUILD_FAILED:
    case ASSAY_CAUSE_NONE_COLLECTED:
    case ASSAY_CAUSE_TAMPERED:
    case ASSAY_CAUSE_INCONSISTENT:
    case ASSAY_CAUSE_SETUP_FAILED:
    case ASSAY_CAUSE_INFRA_ERROR:
        break;
    }
    return assay_arena_printf(judge->arena, "the box ended with the cause %s",
            assay_cause_name(judge->evidence->box_cause));
}

// No test came to an end.
static const char *none_reason(struct judge *judge)
{
    if (judge->channel_due && !judge->reading.has_channel)
        return assay_arena_printf(judge->arena,
                "%s did not start, or could not load its reporter (exit status %d)",
                judge->framework->name, judge->evidence->exit_code);
    return assay_arena_printf(
            judge->arena, "no test ran to its end (exit status %d)", judge->evidence->exit_code);
}

static void judge_cause(struct judge *judge, struct assay_verdict *verdict)
{
    const struct assay_reading *reading = &judge->reading;
    const bool full = verdict->resolution == ASSAY_RESOLUTION_FULL;
    const bool died = reading->begun && !reading->ended;

    if (!exited(judge)) {
        verdict->cause = judge->evidence->box_cause;
        verdict->reason = limit_reason(judge);
    } else if (reading->gives_score && !reading->has_score) {
        verdict->cause = ASSAY_CAUSE_INFRA_ERROR;
        verdict->reason = "the tests left no reward file: that is no reward, and not a reward of 0";
    } else if (judge->canary_faults > 0) {
        verdict->cause = ASSAY_CAUSE_TAMPERED;
        verdict->reason =
                assay_arena_printf(judge->arena, "results were forged: %s", judge->tamper[0]);
    } else if (judge->tamper_count > 0) {
        verdict->cause = ASSAY_CAUSE_INCONSISTENT;
        verdict->reason =
                assay_arena_printf(judge->arena, "the evidence disagrees: %s", judge->tamper[0]);
    } else if (reading->build_failed && judge->outcome->count == 0) {
        verdict->cause = ASSAY_CAUSE_BUILD_FAILED;
        verdict->reason = "the build failed, so the tests did not run";
    } else if (reading->none_collected || judge->outcome->count == 0) {
        verdict->cause = ASSAY_CAUSE_NONE_COLLECTED;
        verdict->reason = none_reason(judge);
    } else {
        verdict->cause =
                full && !reading->interrupted && !died ? ASSAY_CAUSE_OK : ASSAY_CAUSE_TESTS_FAILED;
        verdict->reason = tests_reason(judge, verdict);
    }
    verdict->resolved = verdict->cause == ASSAY_CAUSE_OK;
    verdict->reward = verdict->resolved ? 1.0 : 0.0;
    if (reading->gives_score && verdict->cause == ASSAY_CAUSE_TESTS_FAILED)
        verdict->reward = reading->score;
    // Tests that "passed" in a run that is not believed are no part of a solution.
    if (!verdict->resolved && full)
        verdict->resolution = ASSAY_RESOLUTION_NO;
}

static enum assay_status judge_begin(struct judge *judge, struct assay_error *err)
{
    enum assay_status status = assay_framework_read(
            judge->framework, judge->instance, judge->evidence, &judge->reading, judge->arena, err);

    if (status != ASSAY_OK)
        return assay_wrap(err, "read the results of %s", judge->framework->name);
    judge->channel_due = judge->framework->channel_required &&
            (judge->framework->channel_applies == NULL ||
                    judge->framework->channel_applies(&judge->instance->test_cmd));
    judge->outcome = judge->channel_due || judge->reading.has_channel ? &judge->reading.channel
                                                                      : &judge->reading.log;
    judge->tamper = assay_arena_array(judge->arena, TAMPER_MAX, sizeof(*judge->tamper));
    if (judge->tamper == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory to judge");
    return ASSAY_OK;
}

// Where canaries could be and are none, nothing speaks against one who writes the channel himself.
static enum assay_evidence_kind evidence_kind(const struct judge *judge)
{
    const struct assay_canary_plan *plan = judge->evidence->canaries;
    const bool bare = plan != NULL &&
            ((judge->framework->canaries_needed && plan->count == 0) || plan->counter_silent ||
                    judge->instance->no_canaries); // then there was no counter-run

    return judge->framework->evidence == ASSAY_EVIDENCE_STRONG && judge->reading.has_channel &&
                    !bare
            ? ASSAY_EVIDENCE_STRONG
            : ASSAY_EVIDENCE_WEAK;
}

enum assay_status assay_judge(struct assay_verdict *verdict, struct assay_judgement *judgement,
        const struct assay_instance *instance, const struct assay_framework *framework,
        const struct assay_evidence *evidence, struct assay_arena *arena, struct assay_error *err)
{
    struct judge judge = {
            .instance = instance, .framework = framework, .evidence = evidence, .arena = arena};
    struct assay_verdict made = *verdict;
    struct assay_canary_results canaries;
    enum assay_status status;

    if (assay_cause_is_infra(evidence->box_cause)) {
        assay_judge_unrun(verdict, instance, evidence->box_cause,
                "the box could not be made or watched; this says nothing about the patch");
        assay_outcome_init(&judgement->outcome, arena);
        return ASSAY_OK;
    }
    status = judge_begin(&judge, err);
    if (status != ASSAY_OK)
        return status;
    compare(&judge);
    take_canaries(&judge, &canaries);
    judge_tests(&judge, &made);
    compare_canaries(&judge, &canaries, made.resolution == ASSAY_RESOLUTION_FULL);
    if (!judge.no_memory)
        judge_cause(&judge, &made);
    if (judge.no_memory || made.reason == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory to judge");
    made.scored = !assay_cause_is_infra(made.cause);
    made.tamper = (struct assay_strings){judge.tamper, judge.tamper_count};
    made.evidence = evidence_kind(&judge);
    *verdict = made;
    judgement->outcome = *judge.outcome;
    return ASSAY_OK;
}

enum assay_status assay_judge_copies(struct assay_copies *out,
        const struct assay_instance *instance, const struct assay_framework *framework,
        const struct assay_evidence *evidence, struct assay_arena *arena, struct assay_error *err)
{
    struct judge judge = {
            .instance = instance, .framework = framework, .evidence = evidence, .arena = arena};
    struct assay_canary_results results;
    enum assay_status status;

    *out = (struct assay_copies){0, 0};
    if (evidence->canaries == NULL || assay_cause_is_infra(evidence->box_cause))
        return ASSAY_OK;
    status = judge_begin(&judge, err);
    if (status != ASSAY_OK)
        return status;
    take_canaries(&judge, &results);
    assay_canary_copies(out, evidence->canaries, &results, judge.outcome);
    return ASSAY_OK;
}

void assay_judge_unrun(struct assay_verdict *verdict, const struct assay_instance *instance,
        enum assay_cause cause, const char *reason)
{
    const struct assay_strings none = {NULL, 0};

    verdict->scored = !assay_cause_is_infra(cause);
    verdict->resolved = false;
    verdict->reward = 0.0;
    verdict->reason = reason;
    verdict->cause = cause;
    verdict->resolution = ASSAY_RESOLUTION_NO;
    verdict->f2p_success = verdict->p2p_success = verdict->tamper = none;
    verdict->f2p_failure = verdict->scored ? instance->fail_to_pass : none;
    verdict->p2p_failure = verdict->scored ? instance->pass_to_pass : none;
    verdict->evidence = ASSAY_EVIDENCE_STRONG;
}
