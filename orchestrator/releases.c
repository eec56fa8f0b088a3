// SPDX-License-Identifier: MIT
#include "orchestrator/releases.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envs/fetch.h"
#include "orchestrator/measure.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"

#define DIFF_BYTES_MAX ((size_t)64 << 20)

struct pair_work {
    const struct assay_release_pair *pair;
    struct assay_instance instance; // what came of it
    bool built;
    const char *loss; // why not
};

struct build {
    struct assay_context *context;
    const struct assay_release_plan *plan;
    unsigned runs;
    struct pair_work *work;
    struct assay_suite *suite; // lends name and recipes while measuring
    struct assay_progress *progress;
    pthread_mutex_t lock; // around the suite's arena
};

// downloads/<file> below the home, and whether it is there already.
static bool download_path(const struct build *b, const struct assay_release_file *release,
        char dir[PATH_MAX], char path[PATH_MAX])
{
    const char *home = assay_depot_home(assay_context_depot(b->context));

    if (snprintf(dir, PATH_MAX, "%s/downloads/%s", home, release->sha256) >= PATH_MAX ||
            snprintf(path, PATH_MAX, "%s/downloads/%s/%s", home, release->sha256, release->file) >=
                    PATH_MAX)
        return false;
    return access(path, R_OK) == 0;
}

// One sdist, by pip in a box. No build of the package itself is asked for, but
// pip runs the project's metadata hook: that is why this is not done outside.
static enum assay_status fetch(struct build *b, const struct assay_release_pair *pair,
        const struct assay_release_file *release, char path[PATH_MAX], struct assay_error *err)
{
    char requirement[256], dir[PATH_MAX];
    const char *const argv[] = {"/usr/bin/python3", "-m", "pip", "download", "--no-deps",
            "--no-binary", pair->package, "--no-cache-dir", "--disable-pip-version-check",
            "--progress-bar", "off", "--dest", ASSAY_FETCH_DIR, requirement, NULL};

    if (download_path(b, release, dir, path))
        return ASSAY_OK;
    snprintf(requirement, sizeof(requirement), "%s==%s", pair->package, release->version);
    return assay_fetch_run(assay_context_depot(b->context), assay_context_sandbox(b->context),
            assay_context_access(b->context), argv, release->file, dir, err);
}

static enum assay_status import(struct build *b, const struct assay_release_pair *pair,
        const struct assay_release_file *release, char tree[65], struct assay_error *err)
{
    char path[PATH_MAX];
    enum assay_status status = fetch(b, pair, release, path, err);

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
    status = import(b, pair, &pair->old_release, instance->tree, err);
    if (status == ASSAY_OK)
        status = import(b, pair, &pair->new_release, new_tree, err);
    if (status == ASSAY_OK)
        status = diff_part(b, pair, instance->tree, new_tree, false, &instance->gold_patch, err);
    if (status == ASSAY_OK)
        status = diff_part(b, pair, instance->tree, new_tree, true, &instance->test_patch, err);
    return status;
}

static enum assay_status build_one(void *user, size_t index, struct assay_error *err)
{
    struct build *b = user;
    struct pair_work *work = &b->work[index];
    const struct assay_measuring measuring = {.context = b->context,
            .suite = b->suite,
            .runs = b->runs,
            .arena = b->suite->arena,
            .lock = &b->lock};
    struct assay_error why = {0};
    enum assay_status status;

    assay_progress_begin(b->progress);
    status = make_instance(b, work, &why);
    if (status == ASSAY_OK)
        status = assay_measure(&work->instance, &measuring, &why);
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
            copy_text(suite, &instance->problem.data) || copy_strings(suite, &instance->test_cmd))
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

enum assay_status assay_releases_build(struct assay_release_result *out,
        struct assay_context *context, const struct assay_release_plan *plan, unsigned runs,
        size_t threads, struct assay_arena *arena, struct assay_error *err)
{
    struct build b = {.context = context, .plan = plan, .runs = runs};
    char label[128];
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
    snprintf(label, sizeof(label), "add %.100s", plan->suite->name);
    status = assay_progress_start(&b.progress, label, "measured", plan->pair_count, 0, 0, err);
    if (status != ASSAY_OK)
        goto out;
    assay_context_log_around(context, assay_progress_around, b.progress);
    status = assay_jobs_run(
            threads, plan->pair_count, build_one, &b, assay_context_interrupted(context), err);
    assay_context_log_around(context, NULL, NULL);
    assay_progress_stop(b.progress);
    if (status == ASSAY_OK)
        status = collect(&b, out, arena, err);

out:
    pthread_mutex_destroy(&b.lock);
    if (status == ASSAY_OK)
        out->suite = b.suite;
    else
        assay_suite_free(b.suite);
    return status;
}
