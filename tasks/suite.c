// SPDX-License-Identifier: MIT
// suite.c - a suite in memory: making, checking, searching, hashing one.
#include "tasks/suite.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "tasks/suite_read.h"

enum assay_status assay_suite_create(
        struct assay_suite **out, const char *name, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_suite *suite;
    enum assay_status status;

    if (!assay_name_valid(name))
        return assay_fail(err, ASSAY_EINVAL,
                "suite name \"%.110s\": must be 1 to 100 of [A-Za-z0-9_.-]", name);
    status = assay_arena_create(&arena, ASSAY_SUITE_ARENA_BYTES_MAX, err);
    if (status != ASSAY_OK)
        return status;
    suite = assay_arena_alloc(arena, sizeof(*suite));
    if (suite != NULL) {
        suite->name = assay_arena_strdup(arena, name);
        suite->version = "";
        suite->source = "";
        suite->arena = arena;
    }
    if (suite == NULL || suite->name == NULL) {
        assay_arena_destroy(arena);
        return assay_fail(err, ASSAY_ENOMEM, "suite %s: out of memory", name);
    }
    *out = suite;
    return ASSAY_OK;
}

void assay_suite_free(struct assay_suite *suite)
{
    if (suite != NULL)
        assay_arena_destroy(suite->arena); // the suite itself lives in it
}

enum assay_status assay_suite_append(
        struct assay_suite *suite, const struct assay_instance *instance, struct assay_error *err)
{
    const size_t count = suite->instance_count;

    // Full at every power of two: the array doubles, the old one stays in the arena.
    if ((count & (count - 1)) == 0) {
        const size_t capacity = count == 0 ? 1 : count * 2;
        struct assay_instance *instances =
                assay_arena_array(suite->arena, capacity, sizeof(instances[0]));

        if (instances == NULL)
            return assay_fail(
                    err, ASSAY_ENOMEM, "suite %s: larger than the memory bound", suite->name);
        if (count > 0)
            memcpy(instances, suite->instances, count * sizeof(instances[0]));
        suite->instances = instances;
    }
    suite->instances[suite->instance_count++] = *instance;
    return ASSAY_OK;
}

static int instance_compare(const void *left, const void *right)
{
    const struct assay_instance *a = left;
    const struct assay_instance *b = right;

    return strcmp(a->instance_id, b->instance_id);
}

static enum assay_status recipes_check(const struct assay_suite *suite, struct assay_error *err)
{
    struct assay_fault fault = {.field = ""};

    for (size_t i = 0; i < suite->recipe_count; i++) {
        if (assay_recipe_fault(&fault, &suite->recipes[i]))
            return assay_fail(err, ASSAY_EINVAL, "suite %s: recipe \"%.40s\": %s%s%s", suite->name,
                    suite->recipes[i].name, fault.field, fault.field[0] == '\0' ? "" : ": ",
                    fault.reason);
    }
    return ASSAY_OK;
}

static enum assay_status framework_fail(const struct assay_suite *suite,
        const struct assay_instance *instance, struct assay_error *err)
{
    if (instance->framework_at != NULL)
        return assay_fail(err, ASSAY_EINVAL, "%s: framework: unknown framework \"%.40s\"",
                instance->framework_at, instance->framework);
    return assay_fail(err, ASSAY_EINVAL, "suite %s: %s: framework: unknown framework \"%.40s\"",
            suite->name, instance->instance_id, instance->framework);
}

enum assay_status assay_suite_check(struct assay_suite *suite,
        bool (*framework_known)(const char *name), struct assay_error *err)
{
    struct assay_fault fault = {.field = ""};
    enum assay_status status = recipes_check(suite, err);

    if (status != ASSAY_OK)
        return status;
    if (suite->instance_count > 0)
        qsort(suite->instances, suite->instance_count, sizeof(suite->instances[0]),
                instance_compare);
    for (size_t i = 0; i < suite->instance_count; i++) {
        const struct assay_instance *instance = &suite->instances[i];

        if (assay_instance_fault(&fault, instance))
            return assay_fail(err, ASSAY_EINVAL, "suite %s: %.60s: %s: %s", suite->name,
                    instance->instance_id, fault.field, fault.reason);
        if (i > 0 && instance_compare(&instance[-1], instance) == 0)
            return assay_fail(err, ASSAY_EINVAL, "suite %s: %s: instance_id: there are two of it",
                    suite->name, instance->instance_id);
        if (assay_suite_recipe(suite, instance->recipe) == NULL)
            return assay_fail(err, ASSAY_EINVAL, "suite %s: %s: recipe: unknown recipe \"%.40s\"",
                    suite->name, instance->instance_id, instance->recipe);
        if (framework_known != NULL && !framework_known(instance->framework))
            return framework_fail(suite, instance, err);
    }
    return ASSAY_OK;
}

const struct assay_instance *assay_suite_find(
        const struct assay_suite *suite, const char *instance_id)
{
    const struct assay_instance wanted = {.instance_id = instance_id};

    if (suite->instance_count == 0)
        return NULL;
    return bsearch(&wanted, suite->instances, suite->instance_count, sizeof(suite->instances[0]),
            instance_compare);
}

const struct assay_recipe *assay_suite_recipe(const struct assay_suite *suite, const char *name)
{
    for (size_t i = 0; i < suite->recipe_count; i++) {
        if (strcmp(suite->recipes[i].name, name) == 0)
            return &suite->recipes[i];
    }
    return NULL;
}

// Is <dir>/<name> there?
static bool has_file(const char *dir, const char *name)
{
    struct assay_buf path;
    struct stat st;
    bool has;

    assay_buf_init(&path, ASSAY_SUITE_TEXT_BYTES_MAX);
    assay_buf_addf(&path, "%s/%s", dir, name);
    has = !path.failed && stat(path.data, &st) == 0;
    assay_buf_free(&path);
    return has;
}

// Does a folder in it have a task.toml?
static bool has_tasks(const char *dir)
{
    DIR *stream = opendir(dir);
    bool found = false;

    while (stream != NULL && !found) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's alone
        const struct dirent *entry = readdir(stream);
        char name[300];

        if (entry == NULL)
            break;
        (void)snprintf(name, sizeof(name), "%s/task.toml", entry->d_name);
        found = entry->d_name[0] != '.' && has_file(dir, name);
    }
    if (stream != NULL)
        closedir(stream);
    return found;
}

enum assay_status assay_suite_detect(
        enum assay_suite_format *out, const char *path, struct assay_error *err)
{
    char file[ASSAY_PATH_SHORT_BYTES];
    struct stat stat_path;

    assay_path_short(file, path);
    if (stat(path, &stat_path) != 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "%s: no such file or folder", file);
    if (!S_ISDIR(stat_path.st_mode))
        *out = ASSAY_SUITE_SWEBENCH;
    else if (has_file(path, "suite.json"))
        *out = has_file(path, "releases.json") ? ASSAY_SUITE_RELEASES : ASSAY_SUITE_NATIVE;
    else if (has_file(path, "sweb.yaml"))
        *out = ASSAY_SUITE_SWEB;
    else if (has_file(path, "task.toml") || has_tasks(path))
        *out = ASSAY_SUITE_HARBOR;
    else
        return assay_fail(err, ASSAY_ENOTFOUND,
                "%s: no suite.json, sweb.yaml or task.toml in this folder", file);
    return ASSAY_OK;
}

// --- content hash --------------------------------------------------------------------------------

static void hash_number(struct assay_sha256 *sha, uint64_t number)
{
    unsigned char bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
    assay_sha256_field(sha, bytes, sizeof(bytes));
}

static void hash_strings(struct assay_sha256 *sha, const struct assay_strings *strings)
{
    hash_number(sha, strings->count);
    for (size_t i = 0; i < strings->count; i++)
        assay_sha256_field_text(sha, strings->items[i]);
}

static void hash_recipe(struct assay_sha256 *sha, const struct assay_recipe *recipe)
{
    assay_sha256_field_text(sha, recipe->base);
    hash_strings(sha, &recipe->setup);
    hash_strings(sha, &recipe->env);
    assay_sha256_field_text(sha, recipe->workdir);
}

// Only where there are any, so that what was hashed before there were lists keeps its hash.
static void hash_list_if_any(
        struct assay_sha256 *sha, const char *what, const struct assay_strings *list)
{
    if (list->count == 0)
        return;
    assay_sha256_field_text(sha, what);
    hash_strings(sha, list);
}

// Only where it is said, for the same reason.
static void hash_if_any(struct assay_sha256 *sha, const char *what, const char *text)
{
    if (text == NULL)
        return;
    assay_sha256_field_text(sha, what);
    assay_sha256_field_text(sha, text);
}

// Not in it, because no verdict depends on them: repo, problem and tags, where
// the base was read from (the tree says what it held), and the recipe's name.
enum assay_status assay_instance_hash(char hex[65], const struct assay_suite *suite,
        const struct assay_instance *instance, struct assay_error *err)
{
    const struct assay_recipe *recipe = assay_suite_recipe(suite, instance->recipe);
    struct assay_sha256 *sha = NULL;
    enum assay_status status;

    if (recipe == NULL || instance->tree[0] == '\0')
        return assay_fail(err, ASSAY_EINVAL, "suite %s: %s: %s", suite->name, instance->instance_id,
                recipe == NULL ? "unknown recipe" : "has no tree yet");
    status = assay_sha256_create(&sha, err);
    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay instance 1");
    assay_sha256_field_text(sha, instance->instance_id);
    assay_sha256_field_text(sha, instance->tree);
    hash_recipe(sha, recipe);
    hash_strings(sha, &instance->test_cmd);
    assay_sha256_field_text(sha, instance->framework);
    hash_number(sha, instance->rules);
    hash_number(sha, instance->fail_only);
    hash_number(sha, instance->no_canaries);
    hash_strings(sha, &instance->fail_to_pass);
    hash_strings(sha, &instance->pass_to_pass);
    hash_number(sha, instance->task);
    hash_strings(sha, &instance->protected_allowed);
    hash_number(sha, instance->limits.wall_ms);
    hash_number(sha, instance->limits.cpu_ms);
    hash_number(sha, instance->limits.memory_bytes);
    assay_sha256_field(sha, instance->gold_patch.data, instance->gold_patch.len);
    assay_sha256_field(sha, instance->test_patch.data, instance->test_patch.len);
    hash_list_if_any(sha, "set-up reaches", &recipe->hosts);
    hash_list_if_any(sha, "tests reach", &instance->hosts);
    hash_list_if_any(sha, "fail to fail", &instance->fail_to_fail);
    hash_list_if_any(sha, "error to error", &instance->error_to_error);
    hash_list_if_any(sha, "not fail", &instance->not_fail);
    hash_if_any(sha, "tests at", instance->tests_at);
    hash_if_any(sha, "log parser", instance->log_parser);
    hash_if_any(sha, "version", instance->version);
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

enum assay_status assay_suite_hash(
        char hex[65], const struct assay_suite *suite, struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay suite 1");
    assay_sha256_field_text(sha, suite->name);
    assay_sha256_field_text(sha, suite->version);
    hash_number(sha, suite->recipe_count);
    for (size_t i = 0; i < suite->recipe_count; i++) {
        assay_sha256_field_text(sha, suite->recipes[i].name);
        hash_recipe(sha, &suite->recipes[i]);
        hash_list_if_any(sha, "set-up reaches", &suite->recipes[i].hosts);
    }
    hash_number(sha, suite->instance_count);
    for (size_t i = 0; i < suite->instance_count && status == ASSAY_OK; i++) {
        const struct assay_instance *instance = &suite->instances[i];
        char instance_hex[65];

        status = assay_instance_hash(instance_hex, suite, instance, err);
        if (status != ASSAY_OK)
            break;
        assay_sha256_field_text(sha, instance_hex);
        assay_sha256_field_text(sha, instance->repo);
        assay_sha256_field_text(sha, instance->recipe);
        assay_sha256_field(sha, instance->problem.data, instance->problem.len);
        hash_strings(sha, &instance->tags);
    }
    if (status == ASSAY_OK)
        assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
    return status;
}
