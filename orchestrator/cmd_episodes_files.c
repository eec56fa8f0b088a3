// SPDX-License-Identifier: MIT
// cmd_episodes_files.c - episodes export and import: trajectories as others write and read them.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/rollouts.h"
#include "orchestrator/run_summary.h"
#include "orchestrator/trajectory_formats.h"

const struct assay_option assay_episodes_export_options[] = {
        {"format", 'f', "FORMAT",
                "messages (default), swe-agent, mini-swe-agent, atif; predictions, of a run",
                false},
        {"sample", 0, "K", "predictions: of this sample of each instance (1)", false},
        {NULL, 0, NULL, NULL, false},
};
const struct assay_option assay_episodes_import_options[] = {
        {"suite", 0, "SUITE", "where its instance is", false},
        {"instance", 'i', "ID", "of which it is (the file's name up to .traj)", false},
        {"grade", 0, NULL, "also grade what it submitted", false},
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {"json", 0, NULL, "one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

#define ARENA_BYTES ((size_t)8 << 30)
#define OUTPUT_BYTES_MAX ((size_t)2 << 30)

struct files {
    struct assay_invocation *invocation;
    struct assay_context *context;
    struct assay_arena *arena;
    struct assay_suite *suite;
    struct assay_buf text; // read or to be printed; owned
};

// --- export --------------------------------------------------------------------------------------

// One episode on one line. A suite that is gone leaves out the problem alone.
static enum assay_status add_episode(struct files *f, enum assay_trajectory_format format,
        const struct assay_episode_row *row, struct assay_error *err)
{
    struct assay_store *store = assay_context_store(f->context);
    const struct assay_instance *instance = NULL;
    const struct assay_recipe *recipe = NULL;
    struct assay_turn *turns = NULL;
    size_t count = 0;
    enum assay_status status =
            assay_store_get_turns(store, row->number, f->arena, &turns, &count, err);

    if (status != ASSAY_OK)
        return status;
    if (f->suite == NULL && assay_store_load_suite(store, row->suite, &f->suite, NULL) != ASSAY_OK)
        f->suite = NULL;
    if (f->suite != NULL)
        instance = assay_suite_find(f->suite, row->instance_id);
    if (instance != NULL)
        recipe = assay_suite_recipe(f->suite, instance->recipe);
    assay_trajectory_write(&f->text, format, row, turns, count, instance,
            recipe != NULL ? recipe->workdir : "/testbed");
    assay_buf_addc(&f->text, '\n');
    return ASSAY_OK;
}

static enum assay_status export_predictions(
        struct files *f, const char *run_id, struct assay_error *err)
{
    struct assay_run_summary summary;
    uint64_t sample = 1;
    enum assay_status status =
            assay_cli_number(&sample, f->invocation, "sample", 1, ASSAY_SAMPLES_MAX, err);

    if (status == ASSAY_OK)
        status = assay_run_summary_load(
                &summary, assay_context_store(f->context), run_id, f->arena, err);
    if (status == ASSAY_OK)
        assay_run_summary_write_predictions(&f->text, &summary, (unsigned)sample);
    return status;
}

// A number is an episode, anything else a run.
static enum assay_status write_out(struct files *f, struct assay_error *err)
{
    const char *what = f->invocation->arguments[0];
    const char *name = assay_cli_value(f->invocation, "format");
    struct assay_store *store = assay_context_store(f->context);
    enum assay_trajectory_format format = ASSAY_TRAJECTORY_MESSAGES;
    struct assay_episode_row *rows = NULL;
    size_t count = 0;
    enum assay_status status = ASSAY_OK;

    if (name != NULL && strcmp(name, "predictions") == 0)
        return export_predictions(f, what, err);
    if (name != NULL && !assay_trajectory_format_find(&format, name))
        return assay_fail(err, ASSAY_EUSAGE,
                "--format: '%.60s' is not " ASSAY_TRAJECTORY_FORMAT_NAMES ", predictions", name);
    if (what[strspn(what, "0123456789")] == '\0') {
        rows = assay_arena_alloc(f->arena, sizeof(*rows));
        count = 1;
        status = rows == NULL
                ? assay_fail(err, ASSAY_ENOMEM, "out of memory")
                : assay_store_get_episode(store, strtoull(what, NULL, 10), f->arena, rows, err);
    } else {
        status = assay_store_list_episodes(store, what, f->arena, &rows, &count, err);
        if (status == ASSAY_OK && count == 0)
            status = assay_fail(err, ASSAY_ENOTFOUND, "run %.100s has no episodes", what);
    }
    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        status = add_episode(f, format, &rows[i], err);
    return status;
}

// --- import --------------------------------------------------------------------------------------

static const char *instance_of_file(struct files *f, const char *file)
{
    const char *slash = strrchr(file, '/');
    char *name = assay_arena_strdup(f->arena, slash != NULL ? slash + 1 : file);
    char *end = name != NULL ? strstr(name, ".traj") : NULL;

    if (end != NULL)
        *end = '\0';
    return name;
}

static enum assay_status find_instance(
        struct files *f, const struct assay_instance **out, struct assay_error *err)
{
    const char *suite = assay_cli_value(f->invocation, "suite");
    const char *id = assay_cli_value(f->invocation, "instance");
    enum assay_status status;

    if (suite == NULL)
        return assay_fail(err, ASSAY_EUSAGE, "of which suite is it? --suite SUITE");
    if (id == NULL)
        id = instance_of_file(f, f->invocation->arguments[0]);
    status = assay_store_load_suite(assay_context_store(f->context), suite, &f->suite, err);
    if (status != ASSAY_OK)
        return status;
    *out = id != NULL ? assay_suite_find(f->suite, id) : NULL;
    return *out != NULL
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOTFOUND, "suite %s has no instance '%s': --instance ID",
                      suite, id != NULL ? id : "");
}

static enum assay_status record(struct files *f, const struct assay_trajectory *t,
        const struct assay_episode_begin *begin, struct assay_episode_handle *handle,
        struct assay_error *err)
{
    struct assay_store *store = assay_context_store(f->context);
    bool finished = false;
    enum assay_status status = assay_store_begin_episode(store, begin, handle, &finished, err);

    if (status != ASSAY_OK || finished) // the same file again
        return status;
    for (size_t i = 0; i < t->count && status == ASSAY_OK; i++)
        status = assay_store_post_turn(store, handle, &t->turns[i], err);
    if (status == ASSAY_OK)
        status = assay_store_end_episode(
                store, handle, t->cause, t->exit_status, (uint32_t)t->count, t->submission, err);
    return status;
}

// An imported file is a run of its own; the same file for the same instance is the same run.
static enum assay_status open_run(struct files *f, const struct assay_instance *instance,
        const char *actor, const char **run_id, struct assay_error *err)
{
    char identity[65];
    const char *const ids[] = {instance->instance_id};
    struct assay_run wanted = {.suite = f->suite->name,
            .identity = identity,
            .model = actor,
            .command = f->invocation->command_line};
    struct assay_sha256 *sha = NULL;
    struct assay_run run;
    bool resumed = false;
    enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay import");
    assay_sha256_field_text(sha, f->suite->name);
    assay_sha256_field_text(sha, instance->instance_id);
    assay_sha256_field(sha, f->text.data, f->text.len);
    assay_sha256_hex(sha, identity);
    assay_sha256_destroy(sha);
    status = assay_store_open_run(
            assay_context_store(f->context), &wanted, ids, 1, false, f->arena, &run, &resumed, err);
    if (status == ASSAY_OK)
        *run_id = run.run_id;
    return status;
}

static enum assay_status tell_import(
        struct files *f, const struct assay_episode_row *row, struct assay_error *err)
{
    struct assay_json_writer w;

    assay_buf_clear(&f->text);
    if (!assay_cli_flag(f->invocation, "json")) {
        assay_buf_addf(&f->text, "episode %" PRIu64 ": %u turns, %s%s\n", row->number,
                row->turn_count, assay_episode_cause_name(row->cause),
                !row->has_verdict       ? ""
                        : row->resolved ? ", resolved"
                                        : ", not resolved");
        return assay_buf_check(&f->text, "output", err);
    }
    assay_json_writer_init(&w, &f->text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_u64(&w, "episode", row->number);
    assay_json_put_text(&w, "run_id", row->run_id);
    assay_json_put_text(&w, "format", row->source_format);
    assay_json_put_u64(&w, "turns", row->turn_count);
    assay_json_put_text(&w, "cause", assay_episode_cause_name(row->cause));
    if (row->has_verdict && row->scored)
        assay_json_put_bool(&w, "resolved", row->resolved);
    else
        assay_json_put_null(&w, "resolved");
    assay_json_end_object(&w);
    assay_buf_addc(&f->text, '\n');
    return assay_buf_check(&f->text, "output", err);
}

static enum assay_status read_in(struct files *f, struct assay_error *err)
{
    struct assay_store *store = assay_context_store(f->context);
    const char *file = f->invocation->arguments[0];
    const struct assay_instance *instance = NULL;
    struct assay_trajectory trajectory;
    struct assay_episode_handle handle;
    struct assay_episode_row row;
    struct assay_verdict verdict;
    struct assay_episode_begin begin = {.sample = 1, .seed = "0"};
    enum assay_status status = find_instance(f, &instance, err);

    if (status == ASSAY_OK)
        status = assay_fs_read_file(&f->text, file, err);
    if (status == ASSAY_OK)
        status = assay_trajectory_read(&trajectory, f->text.data, f->text.len, file, f->arena, err);
    if (status != ASSAY_OK)
        return status;
    begin.actor = trajectory.model[0] != '\0' ? trajectory.model
                                              : assay_trajectory_format_name(trajectory.format);
    begin.instance_id = instance->instance_id;
    begin.source = f->text.data;
    begin.source_format = assay_trajectory_format_name(trajectory.format);
    status = open_run(f, instance, begin.actor, &begin.run_id, err);
    begin.graded_in = begin.run_id;
    if (status == ASSAY_OK)
        status = record(f, &trajectory, &begin, &handle, err);
    if (status == ASSAY_OK)
        status = assay_store_get_episode(store, handle.number, f->arena, &row, err);
    if (status == ASSAY_OK && assay_cli_flag(f->invocation, "grade") && !row.has_verdict) {
        status = assay_rollout_grade(&verdict, f->context, f->suite, instance, begin.run_id, &row,
                false, false, f->arena, err);
        if (status == ASSAY_OK)
            status = assay_store_finish_run(store, begin.run_id, err);
        if (status == ASSAY_OK)
            status = assay_store_get_episode(store, handle.number, f->arena, &row, err);
    }
    return status == ASSAY_OK ? tell_import(f, &row, err) : status;
}

// --- the commands --------------------------------------------------------------------------------

static enum assay_exit command(struct assay_invocation *invocation, bool with_sandbox,
        enum assay_status (*work)(struct files *f, struct assay_error *err))
{
    struct files f = {.invocation = invocation};
    struct assay_error err = {0};
    enum assay_exit code = ASSAY_EXIT_OK;
    enum assay_status status = assay_arena_create(&f.arena, ARENA_BYTES, &err);

    assay_buf_init(&f.text, OUTPUT_BYTES_MAX);
    if (status == ASSAY_OK)
        status = assay_context_open(&f.context, invocation, with_sandbox, &err);
    if (status == ASSAY_OK)
        status = work(&f, &err);
    if (status == ASSAY_OK)
        status = assay_buf_check(&f.text, "output", &err);
    if (status == ASSAY_OK && (fputs(f.text.data, stdout) < 0 || fflush(stdout) != 0))
        status = assay_fail_errno(&err, errno, "write to stdout");
    if (status != ASSAY_OK)
        code = assay_cli_fail(&err);
    assay_context_close(f.context);
    assay_suite_free(f.suite);
    assay_buf_free(&f.text);
    assay_arena_destroy(f.arena);
    return code;
}

enum assay_exit assay_cmd_episodes_export(struct assay_invocation *invocation)
{
    return command(invocation, false, write_out);
}

enum assay_exit assay_cmd_episodes_import(struct assay_invocation *invocation)
{
    return command(invocation, assay_cli_flag(invocation, "grade"), read_in);
}
