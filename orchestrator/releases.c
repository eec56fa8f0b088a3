// SPDX-License-Identifier: MIT
#include "orchestrator/releases.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "orchestrator/measure.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"
#include "orchestrator/registries.h"
#include "orchestrator/releases_ledger.h"
#include "orchestrator/releases_series.h"

#define DIFF_BYTES_MAX ((size_t)64 << 20)
#define PROBLEM_BYTES_MAX ((size_t)1 << 20)
#define FETCHES 8 // at once

struct pair_work {
    const struct assay_release_pair *pair;
    struct assay_instance instance; // what came of it
    bool built;
    const char *loss; // why not
    char key[ASSAY_SHA256_HEX_BYTES];
};

struct build {
    struct assay_context *context;
    const struct assay_release_plan *plan;
    struct assay_release_ledger *ledger;        // owned
    const struct assay_release_file **archives; // to be fetched; each once
    const char **packages;                      // of them
    size_t archive_count;
    struct pair_work *work;
    struct assay_suite *suite; // lends name and recipes while measuring
    struct assay_progress *progress;
    pthread_mutex_t lock; // around the suite's arena
};

static enum assay_status import(struct build *b, const struct assay_release_pair *pair,
        const struct assay_release_file *release, char tree[65], struct assay_error *err)
{
    char path[PATH_MAX];
    enum assay_status status = assay_registry_fetch(path, b->context, pair->package, release, err);

    if (status != ASSAY_OK)
        return status;
    return assay_depot_add_archive(
            assay_context_depot(b->context), path, release->sha256, &b->plan->ignore, tree, err);
}

struct part {
    const struct assay_strings *globs;
    bool tests; // the paths that match, or all the others
};

static bool path_in_part(void *user, const char *path)
{
    const struct part *part = user;

    for (size_t i = 0; i < part->globs->count; i++) {
        if (assay_glob_match(part->globs->items[i], path))
            return part->tests;
    }
    return !part->tests;
}

// The suite's arena is shared by the threads that build its instances.
static enum assay_status keep(struct build *b, struct assay_bytes *out,
        const struct assay_buf *text, struct assay_error *err)
{
    pthread_mutex_lock(&b->lock);
    out->data = assay_arena_memdup(b->suite->arena, text->data, text->len);
    pthread_mutex_unlock(&b->lock);
    out->len = text->len;
    return out->data ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

static enum assay_status diff_part(struct build *b, const struct assay_release_pair *pair,
        const char *old_tree, const char *new_tree, bool tests, struct assay_bytes *out,
        struct assay_error *err)
{
    struct part part = {&pair->tests, tests};
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, DIFF_BYTES_MAX);
    status = assay_depot_diff(
            assay_context_depot(b->context), old_tree, new_tree, path_in_part, &part, &text, err);
    if (status == ASSAY_OK)
        status = keep(b, out, &text, err);
    assay_buf_free(&text);
    return status;
}

// Both sides of a patch of a series, from upstream's tree in instance->tree; the problem is the
// plan's, or what the patch's header says.
static enum assay_status import_patched(struct build *b, const struct assay_release_pair *pair,
        struct assay_instance *instance, char new_tree[65], struct assay_error *err)
{
    struct assay_buf problem;
    char upstream[65];
    enum assay_status status;

    assay_buf_init(&problem, PROBLEM_BYTES_MAX);
    memcpy(upstream, instance->tree, sizeof(upstream));
    status = assay_release_series(
            instance->tree, new_tree, &problem, b->context, pair, upstream, err);
    if (status == ASSAY_OK && problem.len == 0)
        assay_buf_addf(&problem, "Make this %s %s do what Debian's %s makes it do.\n",
                pair->package, pair->old_release.version, pair->patch);
    if (status == ASSAY_OK)
        status = assay_buf_check(&problem, pair->patch, err);
    if (status == ASSAY_OK && pair->problem[0] == '\0')
        status = keep(b, &instance->problem, &problem, err);
    assay_buf_free(&problem);
    return status;
}

static enum assay_status make_instance(
        struct build *b, struct pair_work *work, struct assay_error *err)
{
    const struct assay_release_pair *pair = work->pair;
    struct assay_instance *instance = &work->instance;
    char new_tree[65];
    enum assay_status status;

    *instance = (struct assay_instance){.instance_id = pair->instance_id,
            .repo = pair->repo,
            .base = {ASSAY_BASE_ARCHIVE, pair->old_release.file, NULL, pair->old_release.sha256},
            .recipe = pair->recipe,
            .test_cmd = pair->test_cmd,
            .framework = pair->framework,
            .limits = pair->limits,
            .problem = {pair->problem, strlen(pair->problem)}};
    status = assay_depot_room(assay_context_depot(b->context), err);
    if (status == ASSAY_OK)
        status = import(b, pair, &pair->old_release, instance->tree, err);
    if (status == ASSAY_OK)
        status = pair->patch != NULL ? import_patched(b, pair, instance, new_tree, err)
                                     : import(b, pair, &pair->new_release, new_tree, err);
    if (status == ASSAY_OK)
        status = diff_part(b, pair, instance->tree, new_tree, false, &instance->gold_patch, err);
    if (status == ASSAY_OK)
        status = diff_part(b, pair, instance->tree, new_tree, true, &instance->test_patch, err);
    return status;
}

// Its lists: as they were measured before, or by running. Once is enough here, since what is
// certified next is run again and again.
static enum assay_status find_lists(
        struct build *b, struct pair_work *work, struct assay_error *err)
{
    const struct assay_measuring measuring = {.context = b->context,
            .suite = b->suite,
            .runs = 1,
            .arena = b->suite->arena,
            .lock = &b->lock};
    const char *unfit = work->instance.test_patch.len == 0 ? "changes no tests"
            : work->instance.gold_patch.len == 0           ? "changes no source"
                                                           : "";
    const char *reason = "";
    struct assay_error why = {0};
    enum assay_status status;

    if (assay_release_ledger_find(b->ledger, work->key, &reason, &work->instance))
        return reason[0] == '\0' ? ASSAY_OK : assay_fail(err, ASSAY_EINVAL, "%s", reason);
    status = unfit[0] != '\0' ? assay_fail(&why, ASSAY_EINVAL, "%s", unfit)
                              : assay_measure(&work->instance, &measuring, &why);
    // Trouble of ours says nothing about the pair: it is measured again next time.
    if (status == ASSAY_OK || status == ASSAY_EINVAL) {
        const enum assay_status kept = assay_release_ledger_put(
                b->ledger, work->key, status == ASSAY_OK ? "" : why.message, &work->instance, err);

        if (kept != ASSAY_OK)
            return kept;
    }
    if (status != ASSAY_OK && err != NULL)
        *err = why;
    return status;
}

// A pair that was left out before is not even unpacked.
static bool left_out_before(struct build *b, struct pair_work *work, struct assay_error *why)
{
    struct assay_instance lists = {0};
    const char *reason = "";

    assay_release_pair_key(work->key, b->plan, work->pair);
    if (!assay_release_ledger_find(b->ledger, work->key, &reason, &lists) || reason[0] == '\0')
        return false;
    (void)assay_fail(why, ASSAY_EINVAL, "%s", reason);
    return true;
}

static enum assay_status build_one(void *user, size_t index, struct assay_error *err)
{
    struct build *b = user;
    struct pair_work *work = &b->work[index];
    struct assay_error why = {0};
    enum assay_status status;

    assay_progress_begin(b->progress);
    status = left_out_before(b, work, &why) ? ASSAY_EINVAL : make_instance(b, work, &why);
    if (status == ASSAY_OK)
        status = find_lists(b, work, &why);
    work->built = status == ASSAY_OK;
    if (status != ASSAY_OK && *assay_context_interrupted(b->context)) {
        assay_progress_drop(b->progress);
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    }
    assay_progress_end(b->progress, work->built, true);
    if (status != ASSAY_OK) {
        pthread_mutex_lock(&b->lock);
        work->loss = assay_arena_strdup(b->suite->arena, why.message);
        pthread_mutex_unlock(&b->lock);
        assay_log(assay_context_log(b->context), ASSAY_LOG_WARN, "orchestrator", "pair left out",
                "instance", work->pair->instance_id, "reason", why.message, NULL);
    }
    return ASSAY_OK;
}

// A suite of its own with copies of name, version and recipes: strings are the
// plan's, which outlives the build, but for the instances, which get copies.
static enum assay_status copy_text(struct assay_suite *suite, const char **text)
{
    *text = *text ? assay_arena_strdup(suite->arena, *text) : NULL;
    return *text ? ASSAY_OK : ASSAY_ENOMEM;
}

static enum assay_status copy_strings(struct assay_suite *suite, struct assay_strings *strings)
{
    const char **items = assay_arena_array(suite->arena, strings->count, sizeof(*items));

    if (!items)
        return ASSAY_ENOMEM;
    for (size_t i = 0; i < strings->count; i++) {
        items[i] = assay_arena_strdup(suite->arena, strings->items[i]);
        if (!items[i])
            return ASSAY_ENOMEM;
    }
    strings->items = items;
    return ASSAY_OK;
}

static enum assay_status make_suite(
        struct assay_suite **out, const struct assay_release_plan *plan, struct assay_error *err)
{
    struct assay_suite *suite = NULL;
    enum assay_status status = assay_suite_create(&suite, plan->suite->name, err);

    if (status != ASSAY_OK)
        return status;
    suite->version = plan->suite->version;
    suite->source = plan->suite->source;
    status = copy_text(suite, &suite->version) | copy_text(suite, &suite->source);
    suite->recipe_count = plan->suite->recipe_count;
    suite->recipes = assay_arena_array(suite->arena, suite->recipe_count, sizeof(*suite->recipes));
    suite->instances = assay_arena_array(suite->arena, plan->pair_count, sizeof(*suite->instances));
    if (!suite->recipes || !suite->instances)
        status = ASSAY_ENOMEM;
    for (size_t i = 0; status == ASSAY_OK && i < suite->recipe_count; i++) {
        struct assay_recipe *r = &suite->recipes[i];

        *r = plan->suite->recipes[i];
        if (copy_text(suite, &r->name) || copy_text(suite, &r->base) ||
                copy_text(suite, &r->workdir) || copy_strings(suite, &r->setup) ||
                copy_strings(suite, &r->env) || copy_strings(suite, &r->hosts))
            status = ASSAY_ENOMEM;
    }
    if (status != ASSAY_OK) {
        assay_suite_free(suite);
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    *out = suite;
    return ASSAY_OK;
}

static enum assay_status add_instance(
        struct assay_suite *suite, const struct pair_work *work, struct assay_error *err)
{
    struct assay_instance *instance = &suite->instances[suite->instance_count];

    *instance = work->instance;
    if (copy_text(suite, &instance->instance_id) || copy_text(suite, &instance->repo) ||
            copy_text(suite, &instance->base.where) || copy_text(suite, &instance->base.sha256) ||
            copy_text(suite, &instance->recipe) || copy_text(suite, &instance->framework) ||
            copy_text(suite, &instance->problem.data) || copy_strings(suite, &instance->test_cmd) ||
            copy_strings(suite, &instance->fail_to_pass) ||
            copy_strings(suite, &instance->pass_to_pass))
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    suite->instance_count++;
    return ASSAY_OK;
}

static enum assay_status collect(struct build *b, struct assay_release_result *out,
        struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    out->losses = assay_arena_array(arena, b->plan->pair_count, sizeof(*out->losses));
    if (!out->losses)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < b->plan->pair_count && status == ASSAY_OK; i++) {
        if (b->work[i].built)
            status = add_instance(b->suite, &b->work[i], err);
        else
            out->losses[out->loss_count++] = (struct assay_release_loss){
                    assay_arena_strdup(arena, b->work[i].pair->instance_id),
                    assay_arena_strdup(arena, b->work[i].loss ? b->work[i].loss : "")};
    }
    return status;
}

// --- archives -----------------------------------------------------------------------------------

static void want_archive(struct build *b, size_t pair, const struct assay_release_file *release)
{
    for (size_t i = 0; i < b->archive_count; i++)
        if (strcmp(b->archives[i]->sha256, release->sha256) == 0)
            return;
    b->archives[b->archive_count] = release;
    b->packages[b->archive_count++] = b->plan->pairs[pair].package;
}

// One that cannot be had is told when its pair's turn comes.
static enum assay_status fetch_one(void *user, size_t index, struct assay_error *err)
{
    struct build *b = user;
    char path[PATH_MAX];

    assay_progress_begin(b->progress);
    assay_progress_end(b->progress,
            assay_registry_fetch(path, b->context, b->packages[index], b->archives[index], NULL) ==
                    ASSAY_OK,
            true);
    return *assay_context_interrupted(b->context)
            ? assay_fail(err, ASSAY_EINTERRUPTED, "interrupted")
            : ASSAY_OK;
}

static enum assay_status run_all(struct build *b, const char *verb, const char *done,
        size_t threads, size_t count, assay_jobs_work work, struct assay_error *err)
{
    char label[128];
    enum assay_status status = ASSAY_OK;

    (void)snprintf(label, sizeof(label), "%s %.100s", verb, b->plan->suite->name);
    status = assay_progress_start(&b->progress, label, done, count, 0, 0, err);
    if (status != ASSAY_OK)
        return status;
    assay_context_log_around(b->context, assay_progress_around, b->progress);
    status = assay_jobs_run(threads, count, work, b, assay_context_interrupted(b->context), err);
    assay_context_log_around(b->context, NULL, NULL);
    assay_progress_stop(b->progress);
    return status;
}

// All of them first and many at once: it is the registries that take the time, and boxes that
// measure shall not wait for them.
static enum assay_status fetch_all(struct build *b, size_t threads, struct assay_error *err)
{
    struct assay_arena *arena = b->suite->arena;
    const size_t room = 3 * b->plan->pair_count + 1;

    // NOLINTBEGIN(bugprone-sizeof-expression): arrays of pointers
    b->archives = assay_arena_array(arena, room, sizeof(*b->archives));
    b->packages = assay_arena_array(arena, room, sizeof(*b->packages));
    // NOLINTEND(bugprone-sizeof-expression)
    if (b->archives == NULL || b->packages == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < b->plan->pair_count; i++) {
        struct assay_error why;

        if (left_out_before(b, &b->work[i], &why))
            continue;
        want_archive(b, i, &b->plan->pairs[i].old_release);
        want_archive(b, i, &b->plan->pairs[i].new_release);
        if (b->plan->pairs[i].patch != NULL)
            want_archive(b, i, &b->plan->pairs[i].series);
    }
    return run_all(b, "fetch", "archives", threads < FETCHES ? FETCHES : threads, b->archive_count,
            fetch_one, err);
}

enum assay_status assay_releases_build(struct assay_release_result *out,
        struct assay_context *context, const struct assay_release_plan *plan, size_t threads,
        struct assay_arena *arena, struct assay_error *err)
{
    struct build b = {.context = context, .plan = plan};
    enum assay_status status = make_suite(&b.suite, plan, err);

    if (status != ASSAY_OK)
        return status;
    memset(out, 0, sizeof(*out));
    pthread_mutex_init(&b.lock, NULL);
    b.work = assay_arena_array(arena, plan->pair_count, sizeof(*b.work));
    if (!b.work) {
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < plan->pair_count; i++)
        b.work[i].pair = &plan->pairs[i];
    status = assay_release_ledger_open(
            &b.ledger, assay_depot_home(assay_context_depot(context)), plan, err);
    if (status == ASSAY_OK)
        status = fetch_all(&b, threads, err);
    if (status == ASSAY_OK)
        status = run_all(&b, "add", "measured", threads, plan->pair_count, build_one, err);
    if (status == ASSAY_OK)
        status = collect(&b, out, arena, err);

out:
    assay_release_ledger_close(b.ledger);
    pthread_mutex_destroy(&b.lock);
    if (status == ASSAY_OK)
        out->suite = b.suite;
    else
        assay_suite_free(b.suite);
    return status;
}
