// SPDX-License-Identifier: MIT
// cmd_box.c - `assay box run`: one command in a box, its streams passed through.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "orchestrator/box_options.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"

#define ARENA_BYTES ((size_t)64 << 20)
#define JSON_BYTES_MAX ((size_t)1 << 20)

// As env(1), timeout(1) and shells have it.
enum { EXIT_OURS = 125, EXIT_SIGNAL = 128 };

// What the command's own end says, as in a shell; what a limit killed died of SIGKILL.
static int exit_status(const struct assay_box_result *result)
{
    switch (result->cause) {
    case ASSAY_BOX_SETUP_FAILED:
    case ASSAY_BOX_INFRA_ERROR:
        return EXIT_OURS;
    case ASSAY_BOX_CANCELLED:
        return ASSAY_EXIT_INTERRUPTED;
    case ASSAY_BOX_EXITED:
        if (result->exit_code == 0 && result->stream_errno != 0 && result->stream_errno != EPIPE)
            return EXIT_OURS; // it could not see that its output was lost
        return result->exit_code;
    case ASSAY_BOX_SIGNALLED:
    case ASSAY_BOX_SYSCALL_DENIED:
    case ASSAY_BOX_CPU_LIMIT:
    case ASSAY_BOX_WALL_LIMIT:
    case ASSAY_BOX_IDLE_LIMIT:
    case ASSAY_BOX_MEMORY_LIMIT:
    case ASSAY_BOX_PIDS_LIMIT:
    case ASSAY_BOX_DISK_LIMIT:
    case ASSAY_BOX_OUTPUT_LIMIT:
        break;
    }
    if (result->signal != 0)
        return EXIT_SIGNAL + result->signal;
    return result->exit_code != 0 ? result->exit_code : EXIT_SIGNAL + SIGKILL;
}

// --- telling -------------------------------------------------------------------------------------

static void put_usage(struct assay_json_writer *w, const struct assay_box_usage *usage)
{
    assay_json_begin_object(w, "usage");
    assay_json_put_u64(w, "wall_ms", usage->wall_ms);
    assay_json_put_u64(w, "cpu_ms", (usage->cpu_user_us + usage->cpu_system_us) / 1000);
    assay_json_put_u64(w, "cpu_user_us", usage->cpu_user_us);
    assay_json_put_u64(w, "cpu_system_us", usage->cpu_system_us);
    assay_json_put_u64(w, "memory_bytes_peak", usage->memory_bytes_peak);
    assay_json_put_u64(w, "pids_peak", usage->pids_peak);
    assay_json_put_u64(w, "output_bytes", usage->output_bytes);
    assay_json_put_u64(w, "setup_us", usage->setup_us);
    assay_json_put_u64(w, "teardown_us", usage->teardown_us);
    assay_json_end_object(w);
}

static void put_denials(struct assay_json_writer *w, const struct assay_box_result *result)
{
    assay_json_begin_array(w, "denied");
    for (size_t i = 0; i < result->denial_count; i++) {
        const struct assay_denial *row = &result->denials[i];

        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "call", row->call);
        assay_json_put_i64(w, "errno", row->sys_errno);
        assay_json_put_text(w, "process", row->process);
        assay_json_put_text(w, "file", row->file);
        assay_json_put_u64(w, "offset",
                row->offset < ASSAY_JSON_INTEGER_MAX ? row->offset : ASSAY_JSON_INTEGER_MAX);
        assay_json_put_u64(w, "count", row->count);
        assay_json_begin_array(w, "arguments");
        for (size_t k = 0; k < 6; k++) {
            char text[24]; // a number in JSON holds 53 bits

            (void)snprintf(text, sizeof(text), "%#" PRIx64, row->arguments[k]);
            assay_json_put_text(w, NULL, text);
        }
        assay_json_end_array(w);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    assay_json_put_u64(w, "denied_lost", result->denials_lost);
}

static void put_lines(struct assay_json_writer *w, const char *key, const struct assay_buf *lines)
{
    assay_json_begin_array(w, key);
    for (const char *at = lines->data; *at != '\0';) {
        const size_t len = strcspn(at, "\n");

        assay_json_put_bytes(w, NULL, at, len);
        at += len + (at[len] == '\n');
    }
    assay_json_end_array(w);
}

static enum assay_status write_json(struct assay_buf *line, const struct assay_box_job *job,
        const struct assay_box_result *result, struct assay_error *err)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, line, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "cause", assay_box_cause_name(result->cause));
    assay_json_put_i64(&w, "status", exit_status(result));
    if (result->cause == ASSAY_BOX_EXITED)
        assay_json_put_i64(&w, "exit_code", result->exit_code);
    else
        assay_json_put_null(&w, "exit_code");
    assay_json_put_i64(&w, "signal", result->signal);
    assay_json_put_text(&w, "step", result->step);
    assay_json_put_i64(&w, "errno", result->sys_errno);
    assay_json_put_text(&w, "tier", assay_tier_name(result->tier));
    assay_json_put_text(
            &w, "profile", job->plan.profile == ASSAY_PROFILE_STRICT ? "strict" : "compat");
    assay_json_put_text(&w, "network", assay_network_name(job->plan.network));
    if (job->plan.network == ASSAY_NETWORK_ALLOWLIST)
        put_lines(&w, "network_refused", &job->refused);
    put_usage(&w, &result->usage);
    if (job->plan.learn)
        put_denials(&w, result);
    assay_json_end_object(&w);
    (void)assay_buf_addc(line, '\n');
    return assay_buf_check(line, "the status", err);
}

static enum assay_status tell_json(const struct assay_box_job *job,
        const struct assay_box_result *result, struct assay_error *err)
{
    struct assay_buf line;
    int fd = STDERR_FILENO;
    enum assay_status status = ASSAY_OK;

    if (job->status != NULL)
        fd = open(job->status, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0)
        return assay_fail_errno(err, errno, "--json-file %s", job->status);
    assay_buf_init(&line, JSON_BYTES_MAX);
    status = write_json(&line, job, result, err);
    if (status == ASSAY_OK)
        status = assay_fs_write_all(fd, line.data, line.len, err);
    assay_buf_free(&line);
    if (fd != STDERR_FILENO && close(fd) < 0 && status == ASSAY_OK)
        status = assay_fail_errno(err, errno, "--json-file %s", job->status);
    return status;
}

// A line for people when the command did not end by itself; a shell is as quiet else.
static void tell_denials(const struct assay_box_result *result)
{
    for (size_t i = 0; i < result->denial_count; i++) {
        const struct assay_denial *row = &result->denials[i];

        fprintf(stderr, "assay: refused: %s (%s), %" PRIu64 " time%s, by ", row->call,
                row->sys_errno != 0 ? strerrorname_np(row->sys_errno) : "killed", row->count,
                row->count == 1 ? "" : "s");
        assay_cli_put(stderr, row->process);
        fputs(" in ", stderr);
        assay_cli_put(stderr, row->file[0] != '\0' ? row->file : "?");
        fprintf(stderr, "+%#" PRIx64 "\n", row->offset);
    }
    if (result->denials_lost > 0)
        fprintf(stderr, "assay: refused: %" PRIu64 " more\n", result->denials_lost);
}

static void tell_text(const struct assay_box_job *job, const struct assay_box_result *result)
{
    const char *cause = assay_box_cause_name(result->cause);

    if (result->stream_errno != 0 && result->stream_errno != EPIPE)
        fprintf(stderr, "assay: output was lost: %s\n", strerrordesc_np(result->stream_errno));
    if (result->cause == ASSAY_BOX_SETUP_FAILED || result->cause == ASSAY_BOX_INFRA_ERROR)
        fprintf(stderr, "assay: %s: %s: %s\n", cause, result->step,
                strerrordesc_np(result->sys_errno));
    else if (result->cause != ASSAY_BOX_EXITED && result->cause != ASSAY_BOX_SIGNALLED)
        fprintf(stderr, "assay: %s after %llu ms wall, %llu ms cpu\n", cause,
                (unsigned long long)result->usage.wall_ms,
                (unsigned long long)(result->usage.cpu_user_us + result->usage.cpu_system_us) /
                        1000);
    tell_denials(result);
    for (const char *at = job->refused.data; *at != '\0';) {
        const size_t len = strcspn(at, "\n");

        fprintf(stderr, "assay: network: %.*s\n", (int)len, at);
        at += len + (at[len] == '\n');
    }
}

// --- running -------------------------------------------------------------------------------------

// The user's terminal hands every key on while the box has a terminal of its own.
static bool make_raw(struct termios *before)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, before) < 0)
        return false; // not a terminal: nothing to do
    raw = *before;
    cfmakeraw(&raw);
    return tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static enum assay_status run_box(struct assay_box_job *job, struct assay_box_result *result,
        struct assay_sandbox *sandbox, struct assay_error *err)
{
    struct termios before;
    const bool raw = job->plan.terminal && make_raw(&before);
    const enum assay_status status = assay_box_run(sandbox, &job->plan, result, err);

    assay_box_job_close(job);
    if (raw)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    return status;
}

static enum assay_status run(struct assay_invocation *invocation, struct assay_arena *arena,
        int *code, struct assay_error *err)
{
    struct assay_sandbox_options options = {0};
    struct assay_sandbox *sandbox = NULL;
    struct assay_box_job job;
    struct assay_box_result result;
    enum assay_status status = assay_box_job_make(&job, invocation, arena, err);

    job.plan.stdin_fd = STDIN_FILENO;
    job.plan.stdout_fd = STDOUT_FILENO;
    job.plan.stderr_fd = STDERR_FILENO;
    job.plan.cancel = invocation->interrupted;
    if (status == ASSAY_OK)
        status = assay_context_sandbox_options(&options, invocation, err);
    options.ready_count = -1; // one box, and no other after it
    if (status == ASSAY_OK)
        status = assay_sandbox_start(&sandbox, &options, err);
    if (status == ASSAY_OK)
        status = run_box(&job, &result, sandbox, err);
    if (status == ASSAY_OK) {
        *code = exit_status(&result);
        tell_text(&job, &result);
        if (assay_cli_flag(invocation, "json") || job.status != NULL)
            status = tell_json(&job, &result, err);
        assay_box_result_release(&result);
    }
    assay_sandbox_stop(sandbox);
    assay_box_job_close(&job);
    assay_box_job_release(&job);
    return status;
}

enum assay_exit assay_cmd_box_run(struct assay_invocation *invocation)
{
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};
    int code = EXIT_OURS;
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = run(invocation, arena, &code, &err);
    if (status != ASSAY_OK) {
        (void)assay_cli_fail(&err);
        code = err.status == ASSAY_EUSAGE      ? (int)ASSAY_EXIT_USAGE
                : err.status == ASSAY_EREFUSED ? (int)ASSAY_EXIT_FAILED
                                               : EXIT_OURS;
    }
    assay_arena_destroy(arena);
    return (enum assay_exit)code;
}
