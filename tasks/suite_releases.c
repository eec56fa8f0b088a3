// SPDX-License-Identifier: MIT
// suite_releases.c - releases.json: pairs of releases from which instances are measured.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tasks/names.h"
#include "tasks/outcome.h"
#include "tasks/suite_read.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// It becomes a part of a URL.
static bool path_valid(const char *path, const char *file)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._+~-/";
    const char *slash = strrchr(path, '/');

    return slash != NULL && strcmp(slash + 1, file) == 0 && path[0] != '/' &&
            strstr(path, "..") == NULL && path[strspn(path, letters)] == '\0';
}

// `patch` NULL: it is no series of patches.
static enum assay_status release_fields(struct assay_release_file *release, const char **patch,
        const struct assay_fields *pair, const char *key, struct assay_error *err)
{
    static const char *const keys[] = {"version", "file", "sha256", "path", "patch"};
    struct assay_fields fields;
    enum assay_status status = assay_fields_object(&fields, pair, key, err);

    if (status == ASSAY_OK)
        status = assay_fields_only(&fields, keys, COUNT(keys) - (patch == NULL), err);
    if (status == ASSAY_OK && patch != NULL)
        status = assay_fields_text(patch, &fields, "patch", err);
    if (status == ASSAY_OK)
        status = assay_fields_text(&release->version, &fields, "version", err);
    if (status == ASSAY_OK)
        status = assay_fields_text(&release->file, &fields, "file", err);
    if (status == ASSAY_OK)
        status = assay_fields_text(&release->sha256, &fields, "sha256", err);
    if (status == ASSAY_OK)
        status = assay_fields_text_or(&release->path, &fields, "path", err);
    if (status != ASSAY_OK)
        return status;
    // It becomes a path below a folder of downloads.
    if (release->file[0] == '\0' || release->file[0] == '.' || strchr(release->file, '/') != NULL)
        return assay_fields_fail(&fields, "file", err, "expected a file name without a folder");
    if (!assay_hex_valid(release->sha256, 64))
        return assay_fields_fail(&fields, "sha256", err, "expected 64 lower-case hex digits");
    if (release->path != NULL && !path_valid(release->path, release->file))
        return assay_fields_fail(&fields, "path", err, "expected a relative path to the file");
    return ASSAY_OK;
}

// What the pair's new side is: a release, or the old one with a patch of its series.
static enum assay_status new_fields(
        struct assay_release_pair *pair, const struct assay_fields *fields, struct assay_error *err)
{
    if (assay_json_get(fields->object, "series") == NULL)
        return release_fields(&pair->new_release, NULL, fields, "new", err);
    if (assay_json_get(fields->object, "new") != NULL)
        return assay_fields_fail(fields, "series", err, "there is \"new\" already");
    pair->new_release = pair->old_release;
    return release_fields(&pair->series, &pair->patch, fields, "series", err);
}

static enum assay_status measured_fields(
        struct assay_release_pair *pair, const struct assay_fields *fields, struct assay_error *err)
{
    static const char *const keys[] = {"FAIL_TO_PASS", "PASS_TO_PASS"};
    struct assay_fields measured;
    uint64_t counts[COUNT(keys)] = {0};
    enum assay_status status;

    if (assay_json_get(fields->object, "measured") == NULL)
        return ASSAY_OK;
    status = assay_fields_object(&measured, fields, "measured", err);
    if (status == ASSAY_OK)
        status = assay_fields_only(&measured, keys, COUNT(keys), err);
    for (size_t i = 0; i < COUNT(keys) && status == ASSAY_OK; i++)
        status = assay_fields_u64_or(
                &counts[i], &measured, keys[i], 0, ASSAY_OUTCOME_TESTS_MAX, err);
    pair->fail_to_pass_expected = counts[0];
    pair->pass_to_pass_expected = counts[1];
    return status;
}

static enum assay_status pair_texts(
        struct assay_release_pair *pair, const struct assay_fields *fields, struct assay_error *err)
{
    const struct {
        const char *key;
        const char **out;
    } texts[] = {{"instance_id", &pair->instance_id}, {"package", &pair->package},
            {"repo", &pair->repo}, {"recipe", &pair->recipe}, {"framework", &pair->framework}};
    enum assay_status status = ASSAY_OK;

    pair->problem = "";
    for (size_t i = 0; i < COUNT(texts) && status == ASSAY_OK; i++)
        status = assay_fields_text(texts[i].out, fields, texts[i].key, err);
    if (status == ASSAY_OK)
        status = assay_fields_text_or(&pair->problem, fields, "problem", err);
    if (status == ASSAY_OK)
        status = assay_fields_strings(&pair->tests, fields, "tests", err);
    if (status == ASSAY_OK)
        status = assay_fields_strings(&pair->test_cmd, fields, "test_cmd", err);
    return status;
}

static enum assay_status pair_fields(
        struct assay_release_pair *pair, const struct assay_fields *fields, struct assay_error *err)
{
    static const char *const keys[] = {"instance_id", "package", "repo", "old", "new", "series",
            "tests", "recipe", "framework", "test_cmd", "limits", "problem", "measured"};
    enum assay_status status = assay_fields_only(fields, keys, COUNT(keys), err);

    pair->limits = (struct assay_instance_limits){.wall_ms = ASSAY_INSTANCE_WALL_MS,
            .cpu_ms = ASSAY_INSTANCE_WALL_MS,
            .memory_bytes = ASSAY_INSTANCE_MEMORY_BYTES};
    if (status == ASSAY_OK)
        status = pair_texts(pair, fields, err);
    if (status == ASSAY_OK)
        status = release_fields(&pair->old_release, NULL, fields, "old", err);
    if (status == ASSAY_OK)
        status = new_fields(pair, fields, err);
    if (status == ASSAY_OK)
        status = assay_limits_fields(&pair->limits, fields, err);
    if (status == ASSAY_OK)
        status = measured_fields(pair, fields, err);
    return status;
}

static enum assay_status pair_check(const struct assay_release_pair *pair,
        const struct assay_suite *suite, const struct assay_fields *fields, struct assay_names *ids,
        struct assay_error *err)
{
    size_t known = 0;

    if (!assay_instance_id_valid(pair->instance_id))
        return assay_fields_fail(fields, "instance_id", err, "must be 1 to 200 of [A-Za-z0-9_.-]");
    if (!assay_repo_valid(pair->repo))
        return assay_fields_fail(fields, "repo", err, "expected \"owner/name\"");
    if (!assay_name_valid(pair->package))
        return assay_fields_fail(fields, "package", err, "must be 1 to 100 of [A-Za-z0-9_.-]");
    if (assay_suite_recipe(suite, pair->recipe) == NULL)
        return assay_fields_fail(fields, "recipe", err, "unknown recipe \"%.60s\"", pair->recipe);
    if (pair->tests.count == 0)
        return assay_fields_fail(fields, "tests", err, "must not be empty");
    if (pair->test_cmd.count == 0)
        return assay_fields_fail(fields, "test_cmd", err, "must not be empty");
    switch (assay_names_put(ids, pair->instance_id, 0, &known)) {
    case ASSAY_NAMES_NEW:
        break;
    case ASSAY_NAMES_KNOWN:
        return assay_fields_fail(
                fields, "instance_id", err, "\"%.80s\" has a pair already", pair->instance_id);
    case ASSAY_NAMES_NO_MEMORY:
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    }
    return ASSAY_OK;
}

static enum assay_status read_pairs(
        struct assay_release_plan *plan, const struct assay_fields *fields, struct assay_error *err)
{
    struct assay_arena *arena = plan->suite->arena;
    const struct assay_json *list = NULL;
    struct assay_names ids;
    enum assay_status status = assay_fields_array(&list, fields, "pairs", err);

    if (status != ASSAY_OK)
        return status;
    plan->pairs = assay_arena_array(arena, assay_json_count(list), sizeof(plan->pairs[0]));
    if (plan->pairs == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    assay_names_init(&ids);
    for (const struct assay_json *element = assay_json_first(list);
            element != NULL && status == ASSAY_OK; element = assay_json_next(element)) {
        struct assay_release_pair *pair = &plan->pairs[plan->pair_count];
        struct assay_fields member;
        char path[32];

        snprintf(path, sizeof(path), "pairs[%zu]", plan->pair_count++);
        status = assay_fields_element(&member, fields, element, path, err);
        if (status == ASSAY_OK)
            status = pair_fields(pair, &member, err);
        if (status == ASSAY_OK)
            status = pair_check(pair, plan->suite, &member, &ids, err);
    }
    assay_names_free(&ids);
    return status;
}

// For people: why a release is no pair. Only its form is looked at.
static enum assay_status check_left_out(const struct assay_fields *fields, struct assay_error *err)
{
    static const char *const keys[] = {"package", "old", "new", "reason"};
    const struct assay_json *list = NULL;
    size_t count = 0;
    enum assay_status status;

    if (assay_json_get(fields->object, "left_out") == NULL)
        return ASSAY_OK;
    status = assay_fields_array(&list, fields, "left_out", err);
    if (status != ASSAY_OK)
        return status;
    for (const struct assay_json *element = assay_json_first(list);
            element != NULL && status == ASSAY_OK; element = assay_json_next(element)) {
        struct assay_fields member;
        const char *text = NULL;
        char path[32];

        snprintf(path, sizeof(path), "left_out[%zu]", count++);
        status = assay_fields_element(&member, fields, element, path, err);
        if (status == ASSAY_OK)
            status = assay_fields_only(&member, keys, COUNT(keys), err);
        for (size_t i = 0; i < COUNT(keys) && status == ASSAY_OK; i++)
            status = assay_fields_text(&text, &member, keys[i], err);
    }
    return status;
}

static enum assay_status read_releases(
        struct assay_release_plan *plan, int dir_fd, const char *dir, struct assay_error *err)
{
    static const char *const keys[] = {"schema", "ignore", "pairs", "left_out"};
    struct assay_source source = {.first_line = 1, .arena = plan->suite->arena};
    struct assay_json *document = NULL;
    struct assay_fields fields;
    struct assay_bytes text = {0};
    enum assay_status status;

    source.file = assay_arena_printf(source.arena, "%s/releases.json", dir);
    if (source.file == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "releases.json: out of memory");
    status = assay_suite_file(&text, dir_fd, "releases.json", source.file,
            ASSAY_SUITE_JSON_BYTES_MAX, source.arena, err);
    if (status != ASSAY_OK)
        return status;
    source.text = text.data;
    source.len = text.len;
    status = assay_fields_parse(&document, &fields, &source, err);
    if (status == ASSAY_OK)
        status = assay_fields_only(&fields, keys, COUNT(keys), err);
    if (status == ASSAY_OK)
        status = assay_fields_schema(&fields, err);
    if (status == ASSAY_OK)
        status = assay_fields_strings_or(&plan->ignore, &fields, "ignore", err);
    if (status == ASSAY_OK)
        status = read_pairs(plan, &fields, err);
    if (status == ASSAY_OK)
        status = check_left_out(&fields, err);
    assay_json_free(document);
    return status;
}

enum assay_status assay_release_plan_read(
        struct assay_release_plan **out, const char *dir, struct assay_error *err)
{
    char shown[ASSAY_PATH_SHORT_BYTES];
    struct assay_release_plan *plan = NULL;
    struct assay_suite *suite = NULL;
    char *name = assay_dir_name(dir);
    enum assay_status status;
    int dir_fd = -1;

    if (name == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "suite: out of memory");
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        status = assay_fail(err, ASSAY_ENOTFOUND, "%s: %s", assay_path_short(shown, name),
                strerrordesc_np(errno));
        goto out;
    }
    status = assay_suite_read_head(&suite, dir_fd, name, err);
    if (status != ASSAY_OK)
        goto out;
    plan = assay_arena_alloc(suite->arena, sizeof(*plan));
    if (plan == NULL) {
        status = assay_fail(err, ASSAY_ENOMEM, "suite %s: out of memory", suite->name);
        goto out;
    }
    plan->suite = suite;
    status = read_releases(plan, dir_fd, name, err);
    if (status == ASSAY_OK) {
        *out = plan;
        suite = NULL;
    }

out:
    assay_suite_free(suite);
    free(name);
    if (dir_fd >= 0)
        close(dir_fd);
    return status;
}

void assay_release_plan_free(struct assay_release_plan *plan)
{
    if (plan != NULL)
        assay_suite_free(plan->suite); // the plan lives in its arena
}
