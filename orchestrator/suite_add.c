// SPDX-License-Identifier: MIT
#include "orchestrator/suite_add.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "orchestrator/certify.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"
#include "orchestrator/suite_harbor.h"
#include "orchestrator/suite_parquet.h"
#include "rewards/framework.h"

struct import {
    struct assay_context *context;
    struct assay_suite *suite;
    struct assay_progress *progress;
};

static enum assay_status import_one(void *user, size_t index, struct assay_error *err)
{
    struct import *import = user;
    struct assay_instance *instance = &import->suite->instances[index];
    enum assay_status status;

    assay_progress_begin(import->progress);
    status = assay_depot_room(assay_context_depot(import->context), err);
    if (status == ASSAY_OK)
        status = assay_depot_add_base(
                assay_context_depot(import->context), &instance->base, instance->tree, err);
    if (status == ASSAY_OK) {
        assay_progress_end(import->progress, true, true);
        return ASSAY_OK;
    }
    assay_progress_drop(import->progress);
    (void)assay_wrap(err, "%s: base", instance->instance_id);
    return status;
}

enum assay_status assay_suite_import_trees(struct assay_context *context, struct assay_suite *suite,
        size_t threads, struct assay_error *err)
{
    struct import import = {context, suite, NULL};
    char label[128];
    enum assay_status status;

    snprintf(label, sizeof(label), "import %.100s", suite->name);
    status = assay_progress_start(
            &import.progress, label, "imported", suite->instance_count, 0, 0, err);
    if (status != ASSAY_OK)
        return status;
    assay_context_log_around(context, assay_progress_around, import.progress);
    status = assay_jobs_run(threads, suite->instance_count, import_one, &import,
            assay_context_interrupted(context), err);
    assay_context_log_around(context, NULL, NULL);
    assay_progress_stop(import.progress);
    return status;
}

static enum assay_status set_name(
        struct assay_suite *suite, const char *name, struct assay_error *err)
{
    if (!name)
        return ASSAY_OK;
    if (!assay_instance_id_valid(name) || strlen(name) > 100)
        return assay_fail(err, ASSAY_EUSAGE, "--name: '%s' is not [A-Za-z0-9_.-]{1,100}", name);
    suite->name = assay_arena_strdup(suite->arena, name);
    return suite->name ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

static enum assay_status add_read_suite(struct assay_suite_add_result *out,
        struct assay_context *context, const struct assay_suite_add_options *options,
        struct assay_suite *suite, bool harbor, struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status = set_name(suite, options->name, err);

    if (status == ASSAY_OK)
        status = assay_suite_check(suite, assay_framework_known, err);
    if (status == ASSAY_OK)
        status = assay_suite_import_trees(context, suite, options->threads, err);
    if (status == ASSAY_OK && harbor)
        status = assay_suite_harbor_complete(context, suite, options->threads, err);
    if (status == ASSAY_OK)
        status = assay_store_add_suite(assay_context_store(context), suite, options->replace, err);
    if (status != ASSAY_OK)
        return status;
    out->name = assay_arena_strdup(arena, suite->name);
    out->instance_count = suite->instance_count;
    return out->name ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// Instances whose certificate does not hold leave the suite and become losses.
static void drop_refused(struct assay_suite *suite, const struct assay_certificate *certificates,
        struct assay_release_result *built)
{
    size_t kept = 0;

    for (size_t i = 0; i < suite->instance_count; i++) {
        if (certificates[i].holds) {
            suite->instances[kept++] = suite->instances[i];
            continue;
        }
        built->losses[built->loss_count++] =
                (struct assay_release_loss){certificates[i].instance_id, certificates[i].reason};
    }
    suite->instance_count = kept;
}

static enum assay_status certify_built(struct assay_suite_add_result *out,
        struct assay_context *context, const struct assay_suite_add_options *options,
        struct assay_release_result *built, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_certify_options certify = {.suite = built->suite,
            .checks = 1u << ASSAY_CHECK_LISTS | 1u << ASSAY_CHECK_GOLD | 1u << ASSAY_CHECK_EMPTY,
            .runs = options->runs,
            .threads = options->threads};
    struct assay_certificate *certificates = NULL;
    size_t count = 0;
    enum assay_status status = assay_suite_check(built->suite, assay_framework_known, err);

    if (status == ASSAY_OK)
        status = assay_certify(&certificates, &count, context, &certify, true, arena, err);
    if (status != ASSAY_OK)
        return status;
    drop_refused(built->suite, certificates, built);
    if (built->suite->instance_count == 0)
        return assay_fail(err, ASSAY_EINVAL, "%s: no pair gave a certified instance (%s: %s)",
                options->path, built->losses[0].instance_id, built->losses[0].reason);
    status = assay_store_add_suite(
            assay_context_store(context), built->suite, options->replace, err);
    if (status != ASSAY_OK)
        return status;
    out->instance_count = out->certified_count = built->suite->instance_count;
    out->losses = built->losses;
    out->loss_count = built->loss_count;
    out->name = assay_arena_strdup(arena, built->suite->name);
    for (size_t i = 0; i < out->loss_count; i++) {
        out->losses[i].instance_id = assay_arena_strdup(arena, out->losses[i].instance_id);
        out->losses[i].reason = assay_arena_strdup(arena, out->losses[i].reason);
    }
    return ASSAY_OK;
}

static enum assay_status add_releases(struct assay_suite_add_result *out,
        struct assay_context *context, const struct assay_suite_add_options *options,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_release_plan *plan = NULL;
    struct assay_release_result built = {0};
    enum assay_status status = assay_release_plan_read(&plan, options->path, err);

    if (status == ASSAY_OK)
        status = set_name(plan->suite, options->name, err);
    if (status == ASSAY_OK)
        status = assay_releases_build(&built, context, plan, options->threads, arena, err);
    if (status == ASSAY_OK)
        status = certify_built(out, context, options, &built, arena, err);
    assay_suite_free(built.suite);
    assay_release_plan_free(plan);
    return status;
}

// What lies at the path, or what was said: a family's name means rows.
static enum assay_status find_format(enum assay_suite_format *out,
        const struct assay_suite_add_options *options, struct assay_error *err)
{
    static const struct {
        const char *name;
        enum assay_suite_format format;
    } formats[] = {{"native", ASSAY_SUITE_NATIVE}, {"releases", ASSAY_SUITE_RELEASES},
            {"sweb", ASSAY_SUITE_SWEB}, {"harbor", ASSAY_SUITE_HARBOR}};

    if (options->format == NULL)
        return assay_suite_detect(out, options->path, err);
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(formats[i].name, options->format) == 0) {
            *out = formats[i].format;
            return ASSAY_OK;
        }
    }
    // A task repository's rows may be of a family, too.
    return assay_suite_detect(out, options->path, err);
}

static enum assay_status read_rows(struct assay_suite **suite, struct assay_context *context,
        const struct assay_suite_add_options *options, struct assay_error *err)
{
    struct assay_swebench_options swebench = options->swebench;
    char file[PATH_MAX], name[128];
    bool parquet = false;
    enum assay_status status = assay_parquet_is(&parquet, options->path, err);

    if (status != ASSAY_OK)
        return status;
    if (!parquet)
        return assay_suite_read_swebench(suite, options->path, &swebench, err);
    if (swebench.name == NULL)
        swebench.name = assay_parquet_name(name, options->path);
    status = assay_parquet_to_rows(file, context, options->path, err);
    if (status != ASSAY_OK)
        return status;
    status = assay_suite_read_swebench(suite, file, &swebench, err);
    if (status == ASSAY_OK)
        (*suite)->source = assay_arena_strdup((*suite)->arena, options->path);
    assay_parquet_drop(context, file);
    if (status == ASSAY_OK && (*suite)->source == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return status;
}

enum assay_status assay_suite_add(struct assay_suite_add_result *out, struct assay_context *context,
        const struct assay_suite_add_options *options, struct assay_arena *arena,
        struct assay_error *err)
{
    enum assay_suite_format format;
    struct assay_suite *suite = NULL;
    enum assay_status status = find_format(&format, options, err);

    memset(out, 0, sizeof(*out));
    if (status != ASSAY_OK)
        return status;
    switch (format) {
    case ASSAY_SUITE_RELEASES:
        return add_releases(out, context, options, arena, err);
    case ASSAY_SUITE_NATIVE:
        status = assay_suite_read_native(&suite, options->path, err);
        break;
    case ASSAY_SUITE_SWEB:
        status = assay_suite_read_sweb(&suite, options->path, &options->swebench, err);
        break;
    case ASSAY_SUITE_HARBOR:
        status = assay_suite_read_harbor(&suite, options->path, err);
        break;
    case ASSAY_SUITE_SWEBENCH:
        status = read_rows(&suite, context, options, err);
        break;
    }
    if (status == ASSAY_OK)
        status = add_read_suite(
                out, context, options, suite, format == ASSAY_SUITE_HARBOR, arena, err);
    assay_suite_free(suite);
    return status;
}
