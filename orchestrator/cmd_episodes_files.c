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
                "messages (default), swe-agent, mini-swe-agent, atif, predictions", false},
        {"sample", 0, "K", "predictions of a run: of this sample of each instance (1)", false},
        {NULL, 0, NULL, NULL, false},
};
const struct assay_option assay_episodes_import_options[] = {
        {"suite", 0, "SUITE", "where its instance is", false},
        {"instance", 'i', "ID", "of which it is (as it says; else the file's name up to .traj)",
                false},
        {"grade", 0, NULL, "also grade what it submitted", false},
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {"json", 0, NULL, "one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

#define ARENA_BYTES ((size_t)8 << 30)
#define OUTPUT_BYTES_MAX ((size_t)2 << 30)
#define LINE_DEPTH_MAX 128

struct files {
    struct assay_invocation *invocation;
    struct assay_context *context;
    struct assay_arena *arena;
    struct assay_suite *suite;
    struct assay_buf text; // to be printed; owned
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

// Of one sample of each instance; of one episode, its own.
static enum assay_status export_predictions(struct files *f, struct assay_episode_row *rows,
        size_t count, bool one, struct assay_error *err)
{
    const struct assay_run_summary run = {.rows = rows, .count = count};
    uint64_t sample = 1;
    unsigned samples = 0;
    const enum assay_status status =
            assay_cli_number(&sample, f->invocation, "sample", 1, ASSAY_SAMPLES_MAX, err);

    if (status != ASSAY_OK)
        return status;
    if (one && assay_cli_value(f->invocation, "sample") == NULL)
        sample = rows[0].sample;
    for (size_t i = 0; i < count; i++)
        if (rows[i].sample > samples)
            samples = rows[i].sample;
    if (sample > samples || (one && sample != rows[0].sample))
        return assay_fail(err, ASSAY_ENOTFOUND, "--sample %u: %s %u", (unsigned)sample,
                one ? "the episode is sample" : "the run's samples are 1 to", samples);
    assay_run_summary_write_predictions(&f->text, &run, (unsigned)sample);
    return ASSAY_OK;
}

// A number is an episode, anything else a run.
static enum assay_status write_out(struct files *f, struct assay_error *err)
{
    const char *what = f->invocation->arguments[0];
    const char *name = assay_cli_value(f->invocation, "format");
    struct assay_store *store = assay_context_store(f->context);
    enum assay_trajectory_format format = ASSAY_TRAJECTORY_MESSAGES;
    struct assay_episode_row *rows = NULL;
    const bool predictions = name != NULL && strcmp(name, "predictions") == 0;
    const bool one = what[strspn(what, "0123456789")] == '\0';
    size_t count = 0;
    enum assay_status status = ASSAY_OK;

    if (name != NULL && !predictions && !assay_trajectory_format_find(&format, name))
        return assay_fail(err, ASSAY_EUSAGE,
                "--format: '%.60s' is not " ASSAY_TRAJECTORY_FORMAT_NAMES ", predictions", name);
    if (one) {
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
    if (status == ASSAY_OK && predictions)
        return export_predictions(f, rows, count, one, err);
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

// --instance, else the one that the document names, else the one that the file is named after.
static enum assay_status find_instance(struct files *f, const struct assay_trajectory *t,
        const struct assay_instance **out, struct assay_error *err)
{
    const char *id = assay_cli_value(f->invocation, "instance");

    if (id == NULL && t->instance_id[0] != '\0')
        *out = assay_suite_find(f->suite, id = t->instance_id);
    if (*out == NULL && (id == NULL || id == t->instance_id)) {
        const char *named = instance_of_file(f, f->invocation->arguments[0]);

        *out = named != NULL ? assay_suite_find(f->suite, named) : NULL;
        id = id != NULL ? id : named;
    } else if (*out == NULL) {
        *out = assay_suite_find(f->suite, id);
    }
    return *out != NULL
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOTFOUND, "suite %s has no instance '%s': --instance ID",
                      f->suite->name, id != NULL ? id : "");
}

// One document of the file.
struct document {
    const char *text; // borrowed
    struct assay_trajectory trajectory;
    const struct assay_instance *instance;
    unsigned sample; // which of that instance's it is
    struct assay_episode_handle handle;
};

struct import {
    struct files *files;
    struct assay_buf text; // of the file; owned
    struct document *documents;
    size_t count;
    unsigned *counts; // of each instance of the suite
    unsigned samples; // the most of one
    const char *const *run_ids;
};

static enum assay_status read_document(
        struct import *im, const char *text, size_t len, const char *name, struct assay_error *err)
{
    struct files *f = im->files;
    struct document *document = &im->documents[im->count];
    enum assay_status status =
            assay_trajectory_read(&document->trajectory, text, len, name, f->arena, err);

    if (status == ASSAY_OK)
        status = find_instance(f, &document->trajectory, &document->instance, err);
    if (status != ASSAY_OK)
        return status;
    document->text = assay_arena_memdup(f->arena, text, len);
    if (document->text == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    document->sample = ++im->counts[document->instance - f->suite->instances];
    if (document->sample > ASSAY_SAMPLES_MAX)
        return assay_fail(err, ASSAY_EINVAL, "more than %u episodes of %s", ASSAY_SAMPLES_MAX,
                document->instance->instance_id);
    if (document->sample > im->samples)
        im->samples = document->sample;
    im->count++;
    return ASSAY_OK;
}

// A file is one document, or one a line: then its first line is one by itself.
static bool is_lines(const struct assay_buf *text)
{
    const struct assay_json_limits limits = {text->max, LINE_DEPTH_MAX};
    const char *end = memchr(text->data, '\n', text->len);
    struct assay_json *json = NULL;
    bool whole;

    if (end == NULL || end[1 + strspn(end + 1, "\r\n\t ")] == '\0')
        return false;
    whole = assay_json_parse(&json, text->data, (size_t)(end - text->data), limits, "", 1, NULL) ==
            ASSAY_OK;
    assay_json_free(json);
    return whole;
}

static enum assay_status read_documents(struct import *im, struct assay_error *err)
{
    struct files *f = im->files;
    const char *file = f->invocation->arguments[0];
    const bool lines = is_lines(&im->text);
    size_t count = 1, number = 0;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < im->text.len && lines; i++)
        count += im->text.data[i] == '\n';
    im->documents = assay_arena_array(f->arena, count, sizeof(*im->documents));
    im->counts = assay_arena_array(f->arena, f->suite->instance_count, sizeof(*im->counts));
    if (im->documents == NULL || im->counts == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (!lines)
        return read_document(im, im->text.data, im->text.len, file, err);
    for (const char *at = im->text.data; *at != '\0' && status == ASSAY_OK;) {
        const size_t len = strcspn(at, "\n");
        char name[300];

        snprintf(name, sizeof(name), "%.200s, line %zu", file, ++number);
        if (strspn(at, " \t\r") < len)
            status = read_document(im, at, len, name, err);
        at += len + (at[len] == '\n');
    }
    return status;
}

static enum assay_status record(struct import *im, struct document *document,
        const struct assay_episode_begin *begin, struct assay_error *err)
{
    struct assay_store *store = assay_context_store(im->files->context);
    const struct assay_trajectory *t = &document->trajectory;
    bool finished = false;
    enum assay_status status =
            assay_store_begin_episode(store, begin, &document->handle, &finished, err);

    if (status != ASSAY_OK || finished) // the same file again
        return status;
    for (size_t i = 0; i < t->count && status == ASSAY_OK; i++)
        status = assay_store_post_turn(store, &document->handle, &t->turns[i], err);
    if (status == ASSAY_OK)
        status = assay_store_end_episode(store, &document->handle, t->cause, t->exit_status,
                (uint32_t)t->count, t->submission, err);
    return status;
}

static const char *actor_of(const struct assay_trajectory *t)
{
    return t->model[0] != '\0' ? t->model : assay_trajectory_format_name(t->format);
}

// The instances of the k-th samples, and the hash of all that makes their run.
static enum assay_status describe_run(struct import *im, unsigned sample, const char **ids,
        size_t *id_count, char identity[65], struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    const enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay import");
    assay_sha256_field_text(sha, im->files->suite->name);
    *id_count = 0;
    for (size_t i = 0; i < im->count; i++) {
        if (im->documents[i].sample != sample)
            continue;
        ids[(*id_count)++] = im->documents[i].instance->instance_id;
        assay_sha256_field_text(sha, im->documents[i].instance->instance_id);
    }
    assay_sha256_field(sha, im->text.data, im->text.len);
    if (sample > 1)
        assay_sha256_field(sha, &sample, sizeof(sample));
    assay_sha256_hex(sha, identity);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

// An imported file is a run of its own, its k-th samples are graded in <run id>.<k>, as those of a
// run are (rollouts.h); the same file for the same instances is the same run.
static enum assay_status open_runs(struct import *im, struct assay_error *err)
{
    struct files *f = im->files;
    const char **ids = assay_arena_array(f->arena, im->count, sizeof(*ids));
    const char **run_ids = assay_arena_array(f->arena, im->samples, sizeof(*run_ids));
    enum assay_status status = ASSAY_OK;

    if (ids == NULL || run_ids == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (unsigned k = 1; k <= im->samples && status == ASSAY_OK; k++) {
        char identity[65];
        struct assay_run wanted = {.suite = f->suite->name,
                .identity = identity,
                .model = actor_of(&im->documents[0].trajectory),
                .command = f->invocation->command_line};
        struct assay_run run;
        size_t count = 0;
        bool resumed = false;

        if (k > 1) {
            wanted.run_id = assay_arena_printf(f->arena, "%s.%u", run_ids[0], k);
            if (wanted.run_id == NULL)
                return assay_fail(err, ASSAY_ENOMEM, "out of memory");
        }
        status = describe_run(im, k, ids, &count, identity, err);
        if (status == ASSAY_OK)
            status = assay_store_open_run(assay_context_store(f->context), &wanted, ids, count,
                    false, f->arena, &run, &resumed, err);
        if (status == ASSAY_OK)
            run_ids[k - 1] = run.run_id;
    }
    im->run_ids = run_ids;
    return status;
}

static void tell_import(struct files *f, const struct assay_episode_row *row)
{
    struct assay_json_writer w;

    if (!assay_cli_flag(f->invocation, "json")) {
        assay_buf_addf(&f->text, "episode %" PRIu64 ": %u turns, %s%s\n", row->number,
                row->turn_count, assay_episode_cause_name(row->cause),
                !row->has_verdict       ? ""
                        : row->resolved ? ", resolved"
                                        : ", not resolved");
        return;
    }
    assay_json_writer_init(&w, &f->text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_u64(&w, "episode", row->number);
    assay_json_put_text(&w, "run_id", row->run_id);
    assay_json_put_text(&w, "instance_id", row->instance_id);
    assay_json_put_u64(&w, "sample", row->sample);
    assay_json_put_text(&w, "format", row->source_format);
    assay_json_put_u64(&w, "turns", row->turn_count);
    assay_json_put_text(&w, "cause", assay_episode_cause_name(row->cause));
    if (row->has_verdict && row->scored)
        assay_json_put_bool(&w, "resolved", row->resolved);
    else
        assay_json_put_null(&w, "resolved");
    assay_json_end_object(&w);
    assay_buf_addc(&f->text, '\n');
}

static enum assay_status import_one(
        struct import *im, struct document *document, struct assay_error *err)
{
    struct files *f = im->files;
    struct assay_store *store = assay_context_store(f->context);
    const struct assay_episode_begin begin = {.run_id = im->run_ids[0],
            .instance_id = document->instance->instance_id,
            .sample = document->sample,
            .graded_in = im->run_ids[document->sample - 1],
            .actor = actor_of(&document->trajectory),
            .seed = "0",
            .source = document->text,
            .source_format = assay_trajectory_format_name(document->trajectory.format)};
    struct assay_episode_row row;
    struct assay_verdict verdict;
    enum assay_status status = record(im, document, &begin, err);

    if (status == ASSAY_OK)
        status = assay_store_get_episode(store, document->handle.number, f->arena, &row, err);
    if (status == ASSAY_OK && assay_cli_flag(f->invocation, "grade") && !row.has_verdict) {
        status = assay_rollout_grade(&verdict, f->context, f->suite, document->instance,
                begin.graded_in, &row, false, false, f->arena, err);
        if (status == ASSAY_OK)
            status = assay_store_get_episode(store, row.number, f->arena, &row, err);
    }
    if (status == ASSAY_OK)
        tell_import(f, &row);
    return status;
}

static enum assay_status import_documents(struct import *im, struct assay_error *err)
{
    struct files *f = im->files;
    enum assay_status status = read_documents(im, err);

    if (status == ASSAY_OK)
        status = open_runs(im, err);
    for (size_t i = 0; i < im->count && status == ASSAY_OK; i++)
        status = import_one(im, &im->documents[i], err);
    for (unsigned k = 0; k < im->samples && status == ASSAY_OK; k++)
        if (assay_cli_flag(f->invocation, "grade"))
            status = assay_store_finish_run(assay_context_store(f->context), im->run_ids[k], err);
    return status;
}

static enum assay_status read_in(struct files *f, struct assay_error *err)
{
    const char *suite = assay_cli_value(f->invocation, "suite");
    struct import im = {.files = f};
    enum assay_status status = ASSAY_OK;

    if (suite == NULL)
        return assay_fail(err, ASSAY_EUSAGE, "of which suite is it? --suite SUITE");
    status = assay_store_load_suite(assay_context_store(f->context), suite, &f->suite, err);
    assay_buf_init(&im.text, OUTPUT_BYTES_MAX);
    if (status == ASSAY_OK)
        status = assay_fs_read_file(&im.text, f->invocation->arguments[0], err);
    if (status == ASSAY_OK)
        status = import_documents(&im, err);
    assay_buf_free(&im.text);
    return status;
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
