// SPDX-License-Identifier: MIT
#include "orchestrator/evidence.h"

#include <inttypes.h>
#include <string.h>

#include "envs/runner.h"

#define NETWORK_DENIALS_MAX 128

// What a run left in ASSAY_OUT_DIR, in the arena.
struct out_files {
    struct assay_out_file *items;
    size_t count, bytes;
};

static enum assay_cause cause_of_box(const struct assay_box_result *result)
{
    switch (result->cause) {
    case ASSAY_BOX_EXITED:
        return result->exit_code == 0 ? ASSAY_CAUSE_OK : ASSAY_CAUSE_TESTS_FAILED;
    case ASSAY_BOX_SIGNALLED:
        return ASSAY_CAUSE_SIGNALLED;
    case ASSAY_BOX_SYSCALL_DENIED:
        return ASSAY_CAUSE_SYSCALL_DENIED;
    case ASSAY_BOX_CPU_LIMIT:
        return ASSAY_CAUSE_CPU_LIMIT;
    case ASSAY_BOX_WALL_LIMIT:
        return ASSAY_CAUSE_WALL_LIMIT;
    case ASSAY_BOX_IDLE_LIMIT:
        return ASSAY_CAUSE_IDLE_LIMIT;
    case ASSAY_BOX_MEMORY_LIMIT:
        return ASSAY_CAUSE_MEMORY_LIMIT;
    case ASSAY_BOX_PIDS_LIMIT:
        return ASSAY_CAUSE_PIDS_LIMIT;
    case ASSAY_BOX_DISK_LIMIT:
        return ASSAY_CAUSE_DISK_LIMIT;
    case ASSAY_BOX_OUTPUT_LIMIT:
        return ASSAY_CAUSE_OUTPUT_LIMIT;
    case ASSAY_BOX_SETUP_FAILED:
        return ASSAY_CAUSE_SETUP_FAILED;
    case ASSAY_BOX_CANCELLED:
    case ASSAY_BOX_INFRA_ERROR:
        break;
    }
    return ASSAY_CAUSE_INFRA_ERROR;
}

// One file that the run left. What cannot be read is no evidence, not an error.
static enum assay_status read_out_file(
        struct assay_arena *arena, int dir_fd, const char *name, struct out_files *files)
{
    struct assay_out_file *file = &files->items[files->count];
    const enum assay_status status = assay_runner_read_out(
            dir_fd, name, ASSAY_EVIDENCE_OUT_BYTES_MAX - files->bytes, arena, &file->content, NULL);

    if (status != ASSAY_OK)
        return status == ASSAY_ENOMEM ? status : ASSAY_OK;
    file->name = name;
    files->bytes += file->content.len;
    files->count++;
    return ASSAY_OK;
}

// The files that the framework's row asks for. ASSAY_ENOMEM: more than is read; that is the run's
// doing, as too much output is.
static enum assay_status read_out_files(const struct assay_framework *framework,
        const struct assay_box_result *result, struct out_files *files, struct assay_arena *arena)
{
    enum assay_status status = ASSAY_OK;

    files->items = assay_arena_array(arena, ASSAY_EVIDENCE_OUT_FILES_MAX, sizeof(*files->items));
    if (!files->items)
        return ASSAY_ENOMEM;
    for (const char *const *glob = framework->out_files;
            glob && *glob && result->out_dir_fd >= 0 && status == ASSAY_OK; glob++) {
        struct assay_strings names = {NULL, 0};

        status = assay_runner_list_out(result->out_dir_fd, *glob,
                ASSAY_EVIDENCE_OUT_FILES_MAX - files->count, arena, &names, NULL);
        for (size_t i = 0; i < names.count && status == ASSAY_OK; i++)
            status = read_out_file(arena, result->out_dir_fd, names.items[i], files);
    }
    return status == ASSAY_ENOMEM ? status : ASSAY_OK;
}

static struct assay_strings list_denials(struct assay_arena *arena,
        const struct assay_box_result *result, const struct assay_buf *refused)
{
    const size_t count_max = result->denial_count + NETWORK_DENIALS_MAX;
    const char **items = assay_arena_array(arena, count_max, sizeof(*items));
    size_t count = 0;

    for (size_t i = 0; items && i < result->denial_count; i++) {
        const struct assay_denial *row = &result->denials[i];
        const char *item = assay_arena_printf(arena, "%s (%s in %s+%#" PRIx64 ")", row->call,
                row->process, row->file, row->offset);

        if (item)
            items[count++] = item;
    }
    for (const char *at = refused->data; items && *at && count < count_max;) {
        const char *item = assay_arena_printf(arena, "network %.*s", (int)strcspn(at, ",\n"), at);

        if (item)
            items[count++] = item;
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    return (struct assay_strings){items, count};
}

// A box that could not be made or watched says so in one sentence.
static const char *describe_trouble(
        const struct assay_box_result *result, struct assay_arena *arena)
{
    return assay_arena_printf(arena, "%s: %s: %s", assay_box_cause_name(result->cause),
            result->step[0] ? result->step : "box", strerrordesc_np(result->sys_errno));
}

enum assay_status assay_evidence_take(struct assay_run_evidence *out,
        const struct assay_box_result *result, const struct assay_buf *refused,
        const struct assay_framework *framework, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_run_evidence taken = {.judged = {.box_cause = cause_of_box(result),
                                               .exit_code = result->exit_code,
                                               .log = {result->output.data, result->output.len},
                                               .log_truncated = result->output_truncated,
                                               .report = {result->report.data, result->report.len}},
            .tier = assay_tier_name(result->tier),
            .usage = {.wall_ms = result->usage.wall_ms,
                    .cpu_ms = (result->usage.cpu_user_us + result->usage.cpu_system_us) / 1000,
                    .memory_bytes_peak = result->usage.memory_bytes_peak,
                    .pids_peak = result->usage.pids_peak},
            .denied = list_denials(arena, result, refused),
            // Whoever had it run has filled these in.
            .command = out->command,
            .env = out->env};
    struct out_files files = {0};
    const enum assay_status read = read_out_files(framework, result, &files, arena);

    if (read != ASSAY_OK && !assay_cause_is_infra(taken.judged.box_cause))
        taken.judged.box_cause = ASSAY_CAUSE_OUTPUT_LIMIT;
    taken.judged.files = files.items;
    taken.judged.file_count = files.count;
    if (assay_cause_is_infra(taken.judged.box_cause)) {
        taken.trouble = describe_trouble(result, arena);
        if (!taken.trouble)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    *out = taken;
    return ASSAY_OK;
}

enum assay_status assay_evidence_judge(struct assay_verdict *verdict, struct assay_outcome *outcome,
        const struct assay_run_evidence *evidence, const struct assay_instance *instance,
        const struct assay_framework *framework, enum assay_compat compat,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_judgement judgement = {0};
    enum assay_status status;

    verdict->tier = evidence->tier;
    verdict->usage = evidence->usage;
    verdict->denied = evidence->denied;
    if (evidence->trouble) {
        assay_judge_unrun(verdict, instance, evidence->judged.box_cause, evidence->trouble);
        assay_outcome_init(outcome, arena);
        return ASSAY_OK;
    }
    if (compat == ASSAY_COMPAT_NONE)
        status = assay_judge(
                verdict, &judgement, instance, framework, &evidence->judged, arena, err);
    else
        status = assay_judge_compat(
                verdict, &judgement, instance, framework, &evidence->judged, compat, arena, err);
    if (status == ASSAY_OK)
        *outcome = judgement.outcome;
    return status;
}

enum assay_status assay_evidence_run_hash(char hex[65], const struct assay_suite *suite,
        const struct assay_instance *instance, struct assay_error *err)
{
    struct assay_instance bare = *instance;

    bare.fail_to_pass = bare.pass_to_pass = (struct assay_strings){NULL, 0};
    bare.rules = ASSAY_RULES_NATIVE;
    bare.fail_only = false;
    return assay_instance_hash(hex, suite, &bare, err);
}

// Index of the run that counts; *resolved, *scored: how many there are.
static size_t choose_run(
        const struct assay_verdict *runs, size_t count, size_t *scored, size_t *resolved)
{
    size_t chosen = count - 1;

    *scored = *resolved = 0;
    for (size_t i = count; i-- > 0;) {
        *scored += runs[i].scored;
        *resolved += runs[i].scored && runs[i].resolved;
        if (runs[i].scored && (!runs[chosen].scored || !runs[i].resolved))
            chosen = i;
    }
    return chosen;
}

enum assay_status assay_evidence_decide(struct assay_verdict *out, size_t *chosen,
        const struct assay_verdict *runs, size_t count, struct assay_arena *arena,
        struct assay_error *err)
{
    size_t scored = 0, resolved = 0;
    const size_t index = choose_run(runs, count, &scored, &resolved);
    struct assay_verdict verdict = runs[index];

    if (count > 1) {
        verdict.attempts = assay_arena_array(arena, count, sizeof(*verdict.attempts));
        if (!verdict.attempts)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
        verdict.attempt_count = count;
    }
    for (size_t i = 0; i < verdict.attempt_count; i++)
        verdict.attempts[i] = (struct assay_attempt){.scored = runs[i].scored,
                .resolved = runs[i].resolved,
                .cause = runs[i].cause,
                .reason = runs[i].reason,
                .wall_ms = runs[i].usage.wall_ms};
    if (resolved > 0 && resolved < scored) {
        verdict.reason =
                assay_arena_printf(arena, "%zu of %zu runs resolved, and the worse counts: %s",
                        resolved, scored, verdict.reason);
        if (!verdict.reason)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    *chosen = index;
    *out = verdict;
    return ASSAY_OK;
}
