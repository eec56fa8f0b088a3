// SPDX-License-Identifier: MIT
// suite_native.c - the native suite folder: suite.json and one folder per instance.
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "tasks/suite_read.h"

#define ROW_DEPTH_MAX 64
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define INSTANCES_MAX ((size_t)1 << 20)

// The folder being read.
struct native_reader {
    struct assay_suite *suite;
    const char *dir; // as the user wrote it, for messages
    char *dir_real;  // owned
    int dir_fd;
};

enum assay_status assay_suite_file(struct assay_bytes *out, int dir_fd, const char *path,
        const char *shown, size_t bytes_max, struct assay_arena *arena, struct assay_error *err)
{
    char file[ASSAY_PATH_SHORT_BYTES];
    enum assay_status status = ASSAY_OK;
    struct assay_buf buf;
    struct stat stat_file;
    const char *copy;
    // Not blocking: a FIFO in the folder must not hang the reader.
    const int fd = assay_fs_open_beneath(dir_fd, path, O_RDONLY | O_NONBLOCK, 0);

    assay_path_short(file, shown);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return assay_fail(err, ASSAY_ENOTFOUND, "%s: missing", file);
    if (fd < 0 && (errno == ELOOP || errno == EXDEV))
        return assay_fail(err, ASSAY_EREFUSED, "%s: symbolic links are not followed here", file);
    if (fd < 0)
        return assay_fail_errno(err, errno, "%s", file);
    assay_buf_init(&buf, bytes_max);
    if (fstat(fd, &stat_file) != 0 || !S_ISREG(stat_file.st_mode)) {
        status = assay_fail(err, ASSAY_EINVAL, "%s: not a regular file", file);
        goto out;
    }
    status = assay_fs_read_fd(&buf, fd, err);
    if (status == ASSAY_OK)
        status = assay_buf_check(&buf, file, err);
    if (status != ASSAY_OK)
        goto out;
    copy = assay_arena_memdup(arena, buf.data, buf.len);
    if (copy == NULL) {
        status = assay_fail(
                err, ASSAY_ENOMEM, "%s: the suite is larger than the memory bound", file);
        goto out;
    }
    *out = (struct assay_bytes){copy, buf.len};

out:
    assay_buf_free(&buf);
    close(fd);
    return status;
}

char *assay_dir_name(const char *dir)
{
    char *name = strdup(dir);

    for (size_t len = name == NULL ? 0 : strlen(name); len > 1 && name[len - 1] == '/'; len--)
        name[len - 1] = '\0';
    return name;
}

// --- suite.json ----------------------------------------------------------------------------------

// {"NAME": "value"} or ["NAME=value"].
static enum assay_status env_field(
        struct assay_strings *out, const struct assay_fields *recipe, struct assay_error *err)
{
    const struct assay_json *member = assay_json_get(recipe->object, "env");
    struct assay_arena *arena = recipe->source->arena;
    struct assay_fields env;
    const char **items;
    size_t count = 0;
    enum assay_status status;

    if (member == NULL || assay_json_type(member) != ASSAY_JSON_OBJECT)
        return assay_fields_strings_or(out, recipe, "env", err);
    status = assay_fields_object(&env, recipe, "env", err);
    if (status != ASSAY_OK)
        return status;
    items = assay_arena_array(arena, assay_json_count(member), sizeof(items[0]));
    member = assay_json_first(member);
    for (; items != NULL && member != NULL; member = assay_json_next(member)) {
        const char *key = assay_json_key(member);

        if (assay_json_text(member) == NULL)
            return assay_fields_fail(&env, key, err, "expected a string");
        items[count] = assay_arena_printf(arena, "%s=%s", key, assay_json_text(member));
        if (items[count++] == NULL)
            items = NULL;
    }
    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", recipe->source->file);
    *out = (struct assay_strings){items, count};
    return ASSAY_OK;
}

// "oci:PATH" and "dir:PATH" with PATH absolute: relative to the suite folder.
static enum assay_status recipe_base(struct assay_recipe *recipe, const struct assay_fields *fields,
        const char *dir_real, struct assay_error *err)
{
    const char *path;

    if (strncmp(recipe->base, "oci:", 4) != 0 && strncmp(recipe->base, "dir:", 4) != 0)
        return ASSAY_OK;
    path = recipe->base + 4;
    if (path[0] == '/' || path[0] == '\0')
        return ASSAY_OK;
    recipe->base =
            assay_arena_printf(fields->source->arena, "%.4s%s/%s", recipe->base, dir_real, path);
    if (recipe->base == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    return ASSAY_OK;
}

static enum assay_status recipe_fields(struct assay_recipe *recipe,
        const struct assay_fields *fields, const char *dir_real, struct assay_error *err)
{
    static const char *const keys[] = {"base", "setup", "env", "workdir", "hosts"};
    struct assay_fault fault = {.field = ""};
    enum assay_status status;

    recipe->workdir = "/testbed";
    status = assay_fields_only(fields, keys, COUNT(keys), err);
    if (status == ASSAY_OK)
        status = assay_fields_text(&recipe->base, fields, "base", err);
    if (status == ASSAY_OK)
        status = assay_fields_strings_or(&recipe->setup, fields, "setup", err);
    if (status == ASSAY_OK)
        status = env_field(&recipe->env, fields, err);
    if (status == ASSAY_OK)
        status = assay_fields_text_or(&recipe->workdir, fields, "workdir", err);
    if (status == ASSAY_OK)
        status = assay_fields_strings_or(&recipe->hosts, fields, "hosts", err);
    if (status == ASSAY_OK)
        status = recipe_base(recipe, fields, dir_real, err);
    if (status == ASSAY_OK && assay_recipe_fault(&fault, recipe))
        status = assay_fields_fail(fields, fault.field, err, "%s", fault.reason);
    return status;
}

static enum assay_status recipes_field(struct assay_suite *suite, const struct assay_fields *head,
        const char *dir_real, struct assay_error *err)
{
    struct assay_fields recipes;
    const struct assay_json *member;
    enum assay_status status = assay_fields_object(&recipes, head, "recipes", err);

    if (status != ASSAY_OK)
        return status;
    suite->recipes = assay_arena_array(
            suite->arena, assay_json_count(recipes.object), sizeof(suite->recipes[0]));
    if (suite->recipes == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", head->source->file);
    for (member = assay_json_first(recipes.object); member != NULL && status == ASSAY_OK;
            member = assay_json_next(member)) {
        struct assay_recipe *recipe = &suite->recipes[suite->recipe_count++];
        struct assay_fields fields;

        recipe->name = assay_arena_strdup(suite->arena, assay_json_key(member));
        if (recipe->name == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", head->source->file);
        status = assay_fields_element(&fields, &recipes, member, recipe->name, err);
        if (status == ASSAY_OK)
            status = recipe_fields(recipe, &fields, dir_real, err);
    }
    return status;
}

// `source->arena` is a throw-away one: the suite's own arena needs its name first.
static enum assay_status head_fields(struct assay_suite **out, struct assay_source *source,
        const struct assay_json *object, const char *dir, struct assay_error *err)
{
    static const char *const keys[] = {"schema", "name", "version", "recipes"};
    const struct assay_fields fields = {source, object, ""};
    struct assay_suite *suite = NULL;
    const char *name = NULL;
    char *dir_real = NULL;
    enum assay_status status;

    status = assay_fields_only(&fields, keys, COUNT(keys), err);
    if (status == ASSAY_OK)
        status = assay_fields_schema(&fields, err);
    if (status == ASSAY_OK)
        status = assay_fields_text(&name, &fields, "name", err);
    if (status != ASSAY_OK)
        goto out;
    if (!assay_name_valid(name)) {
        status = assay_fields_fail(&fields, "name", err, "must be 1 to 100 of [A-Za-z0-9_.-]");
        goto out;
    }
    status = assay_suite_create(&suite, name, err);
    if (status != ASSAY_OK)
        goto out;
    source->arena = suite->arena;
    status = assay_fields_text(&suite->version, &fields, "version", err);
    if (status != ASSAY_OK)
        goto out;
    dir_real = realpath(dir, NULL);
    suite->source = dir_real == NULL ? NULL : assay_arena_strdup(suite->arena, dir_real);
    if (suite->source == NULL) {
        status = assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", source->file);
        goto out;
    }
    status = recipes_field(suite, &fields, dir_real, err);
    if (status == ASSAY_OK) {
        *out = suite;
        suite = NULL;
    }

out:
    free(dir_real);
    assay_suite_free(suite);
    return status;
}

enum assay_status assay_suite_read_head(
        struct assay_suite **out, int dir_fd, const char *dir, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_json *document = NULL;
    struct assay_source source = {.first_line = 1};
    struct assay_fields fields;
    struct assay_bytes text = {0};
    enum assay_status status;

    status = assay_arena_create(&arena, 2 * ASSAY_SUITE_JSON_BYTES_MAX, err);
    if (status != ASSAY_OK)
        return status;
    source.arena = arena;
    source.file = assay_arena_printf(arena, "%s/suite.json", dir);
    if (source.file == NULL) {
        status = assay_fail(err, ASSAY_ENOMEM, "suite.json: out of memory");
        goto out;
    }
    status = assay_suite_file(
            &text, dir_fd, "suite.json", source.file, ASSAY_SUITE_JSON_BYTES_MAX, arena, err);
    if (status != ASSAY_OK)
        goto out;
    source.text = text.data;
    source.len = text.len;
    status = assay_fields_parse(&document, &fields, &source, err);
    if (status == ASSAY_OK)
        status = head_fields(out, &source, document, dir, err);

out:
    assay_json_free(document);
    assay_arena_destroy(arena);
    return status;
}

// --- one instance --------------------------------------------------------------------------------

static bool is_url(const char *where)
{
    const char *at = strchr(where, '@');
    const char *slash = strchr(where, '/');
    const char *colon = strchr(where, ':');

    if (strstr(where, "://") != NULL)
        return true;
    // user@host:path, as git takes it
    return at != NULL && colon != NULL && at < colon && (slash == NULL || colon < slash);
}

// Make base.where absolute. A folder must lie in the suite, so that a suite
// cannot carry off what lies beside it.
static enum assay_status resolve_base(const struct native_reader *reader,
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    static const char *const keys[] = {
            [ASSAY_BASE_GIT] = "base.git",
            [ASSAY_BASE_ARCHIVE] = "base.archive",
            [ASSAY_BASE_DIR] = "base.dir",
    };
    struct assay_base *base = &instance->base;
    const char *key = base->kind == ASSAY_BASE_EMPTY ? "" : keys[base->kind];
    const size_t dir_len = strlen(reader->dir_real);
    enum assay_status status = ASSAY_OK;
    struct stat stat_path;
    const char *path;
    char *real;

    if (base->kind == ASSAY_BASE_EMPTY || (base->kind != ASSAY_BASE_DIR && is_url(base->where)))
        return ASSAY_OK;
    if (base->kind == ASSAY_BASE_DIR && base->where[0] == '/')
        return assay_fields_fail(fields, key, err, "must be relative to the instance folder");
    path = base->where[0] == '/' ? base->where
                                 : assay_arena_printf(reader->suite->arena, "%s/%s/%s",
                                           reader->dir_real, instance->instance_id, base->where);
    if (path == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    real = realpath(path, NULL);
    if (real == NULL)
        return assay_fields_fail(
                fields, key, err, "%.80s: %s", base->where, strerrordesc_np(errno));
    if (base->kind == ASSAY_BASE_DIR) {
        if (strncmp(real, reader->dir_real, dir_len) != 0 || real[dir_len] != '/')
            status = assay_fields_fail(
                    fields, key, err, "%.80s lies outside the suite folder", base->where);
        else if (stat(real, &stat_path) != 0 || !S_ISDIR(stat_path.st_mode))
            status = assay_fields_fail(fields, key, err, "%.80s is not a folder", base->where);
    }
    if (status == ASSAY_OK) {
        base->where = assay_arena_strdup(reader->suite->arena, real);
        if (base->where == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    }
    free(real);
    return status;
}

static enum assay_status check_patch(const struct assay_bytes *patch, const char *shown,
        bool may_be_empty, struct assay_error *err)
{
    char reason[ASSAY_PATCH_REASON_BYTES];
    char file[ASSAY_PATH_SHORT_BYTES];
    size_t line = 0;

    if (!assay_patch_fault(&line, reason, patch, may_be_empty))
        return ASSAY_OK;
    assay_path_short(file, shown);
    if (line > 0)
        return assay_fail(err, ASSAY_EINVAL, "%s:%zu: %s", file, line, reason);
    return assay_fail(err, ASSAY_EINVAL, "%s: %s", file, reason);
}

static enum assay_status read_texts(const struct native_reader *reader,
        struct assay_instance *instance, const char *id, struct assay_error *err)
{
    const struct {
        const char *name;
        struct assay_bytes *out;
        bool is_patch, may_be_empty;
    } files[] = {{"problem.md", &instance->problem, false, true},
            {"gold.patch", &instance->gold_patch, true, false},
            {"test.patch", &instance->test_patch, true, true},
            {ASSAY_BASE_PATCH_FILE, &instance->base.patch, true, false}};
    const size_t count = COUNT(files) - (instance->base.patch.data == NULL);
    struct assay_arena *arena = reader->suite->arena;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        const char *path = assay_arena_printf(arena, "%s/%s", id, files[i].name);
        const char *shown = assay_arena_printf(arena, "%s/%s/%s", reader->dir, id, files[i].name);

        if (path == NULL || shown == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", id);
        status = assay_suite_file(
                files[i].out, reader->dir_fd, path, shown, ASSAY_SUITE_TEXT_BYTES_MAX, arena, err);
        if (status == ASSAY_OK && files[i].is_patch)
            status = check_patch(files[i].out, shown, files[i].may_be_empty, err);
    }
    return status;
}

// row.json: what the instance was read from before it was exported, if it was.
static enum assay_status read_row(const struct native_reader *reader,
        struct assay_instance *instance, const char *id, struct assay_error *err)
{
    struct assay_arena *arena = reader->suite->arena;
    const char *path = assay_arena_printf(arena, "%s/row.json", id);
    const char *shown = assay_arena_printf(arena, "%s/%s/row.json", reader->dir, id);
    const struct assay_json_limits limits = {
            .bytes_max = ASSAY_SUITE_TEXT_BYTES_MAX, .depth_max = ROW_DEPTH_MAX};
    char file[ASSAY_PATH_SHORT_BYTES];
    struct assay_json *row = NULL;
    enum assay_status status;

    if (path == NULL || shown == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", id);
    if (faccessat(reader->dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return ASSAY_OK;
    status = assay_suite_file(
            &instance->row, reader->dir_fd, path, shown, ASSAY_SUITE_TEXT_BYTES_MAX, arena, err);
    if (status == ASSAY_OK)
        status = assay_json_parse(&row, instance->row.data, instance->row.len, limits,
                assay_path_short(file, shown), 1, err);
    assay_json_free(row);
    return status;
}

static enum assay_status framework_at(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    char file[ASSAY_PATH_SHORT_BYTES];

    instance->framework_at = assay_arena_printf(fields->source->arena, "%s:%zu",
            assay_path_short(file, fields->source->file), assay_fields_line(fields, "framework"));
    if (instance->framework_at == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", file);
    return ASSAY_OK;
}

static enum assay_status check_instance(const struct native_reader *reader,
        struct assay_instance *instance, const char *id, const struct assay_fields *fields,
        struct assay_error *err)
{
    struct assay_fault fault = {.field = ""};

    if (strcmp(instance->instance_id, id) != 0)
        return assay_fields_fail(fields, "instance_id", err,
                "\"%.60s\" stands in the folder \"%.60s\"", instance->instance_id, id);
    if (assay_instance_fault(&fault, instance))
        return assay_fields_fail(fields, fault.field, err, "%s", fault.reason);
    if (assay_suite_recipe(reader->suite, instance->recipe) == NULL)
        return assay_fields_fail(
                fields, "recipe", err, "unknown recipe \"%.60s\"", instance->recipe);
    return resolve_base(reader, instance, fields, err);
}

static enum assay_status read_instance(
        const struct native_reader *reader, const char *id, struct assay_error *err)
{
    struct assay_arena *arena = reader->suite->arena;
    struct assay_source source = {.first_line = 1, .arena = arena};
    struct assay_instance instance = {0};
    struct assay_json *document = NULL;
    struct assay_fields fields;
    struct assay_bytes text = {0};
    const char *path = assay_arena_printf(arena, "%s/instance.json", id);
    enum assay_status status;

    source.file = assay_arena_printf(arena, "%s/%s/instance.json", reader->dir, id);
    if (path == NULL || source.file == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", id);
    status = assay_suite_file(
            &text, reader->dir_fd, path, source.file, ASSAY_SUITE_JSON_BYTES_MAX, arena, err);
    if (status != ASSAY_OK)
        return status;
    source.text = text.data;
    source.len = text.len;
    status = assay_fields_parse(&document, &fields, &source, err);
    if (status != ASSAY_OK)
        return status;
    status = assay_instance_fields(&instance, &fields, err);
    if (status == ASSAY_OK)
        status = check_instance(reader, &instance, id, &fields, err);
    if (status == ASSAY_OK)
        status = framework_at(&instance, &fields, err);
    if (status == ASSAY_OK)
        status = read_texts(reader, &instance, id, err);
    if (status == ASSAY_OK)
        status = read_row(reader, &instance, id, err);
    if (status == ASSAY_OK)
        status = assay_suite_append(reader->suite, &instance, err);
    assay_json_free(document);
    return status;
}

// --- the folder ----------------------------------------------------------------------------------

static int name_compare(const void *left, const void *right)
{
    const char *const *a = left;
    const char *const *b = right;

    return strcmp(*a, *b);
}

// Names of the sub-folders, and of symbolic links, which read_instance() refuses by name.
static enum assay_status list_folders(const struct native_reader *reader, DIR *dir,
        const char **names, size_t *count, struct assay_error *err)
{
    for (;;) {
        const struct dirent *entry;
        struct stat stat_entry;

        errno = 0;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own
        entry = readdir(dir);
        if (entry == NULL && errno != 0)
            return assay_fail_errno(err, errno, "%s", reader->dir);
        if (entry == NULL)
            return ASSAY_OK;
        if (entry->d_name[0] == '.' || entry->d_name[0] == '_')
            continue;
        if (fstatat(reader->dir_fd, entry->d_name, &stat_entry, AT_SYMLINK_NOFOLLOW) != 0)
            return assay_fail_errno(err, errno, "%s/%s", reader->dir, entry->d_name);
        if (!S_ISDIR(stat_entry.st_mode) && !S_ISLNK(stat_entry.st_mode))
            continue;
        if (*count == INSTANCES_MAX)
            return assay_fail(
                    err, ASSAY_EINVAL, "%s: more than %zu instances", reader->dir, INSTANCES_MAX);
        names[*count] = assay_arena_strdup(reader->suite->arena, entry->d_name);
        if (names[(*count)++] == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", reader->dir);
    }
}

static enum assay_status read_folders(const struct native_reader *reader, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const char **names = NULL;
    size_t count = 0;
    DIR *dir = NULL;
    int list_fd = -1;

    assert(reader->suite != NULL);
    // A descriptor of its own: fdopendir() takes it over, and it has an offset.
    list_fd = openat(reader->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list_fd >= 0)
        dir = fdopendir(list_fd);
    if (dir == NULL) {
        status = assay_fail_errno(err, errno, "%s", reader->dir);
        if (list_fd >= 0)
            close(list_fd);
        return status;
    }
    names = malloc(INSTANCES_MAX * sizeof(names[0]));
    if (names == NULL)
        status = assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", reader->dir);
    if (status == ASSAY_OK)
        status = list_folders(reader, dir, names, &count, err);
    if (status == ASSAY_OK && count == 0)
        status = assay_fail(err, ASSAY_EINVAL, "%s: no instance folder", reader->dir);
    if (status == ASSAY_OK)
        qsort(names, count, sizeof(names[0]), name_compare);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        status = read_instance(reader, names[i], err);
    free(names);
    closedir(dir);
    return status;
}

enum assay_status assay_suite_read_native(
        struct assay_suite **out, const char *dir, struct assay_error *err)
{
    struct native_reader reader = {.dir_fd = -1};
    char shown[ASSAY_PATH_SHORT_BYTES];
    char *name = assay_dir_name(dir);
    enum assay_status status = ASSAY_OK;

    if (name == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "suite: out of memory");
    reader.dir = assay_path_short(shown, name);
    reader.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (reader.dir_fd < 0) {
        status = assay_fail(err, ASSAY_ENOTFOUND, "%s: %s", shown, strerrordesc_np(errno));
        goto out;
    }
    reader.dir_real = realpath(dir, NULL);
    if (reader.dir_real == NULL)
        status = assay_fail_errno(err, errno, "%s", shown);
    if (status == ASSAY_OK)
        status = assay_suite_read_head(&reader.suite, reader.dir_fd, name, err);
    if (status == ASSAY_OK)
        status = read_folders(&reader, err);
    if (status == ASSAY_OK)
        status = assay_suite_check(reader.suite, NULL, err);
    if (status == ASSAY_OK) {
        *out = reader.suite;
        reader.suite = NULL;
    }

out:
    assay_suite_free(reader.suite);
    free(reader.dir_real);
    free(name);
    if (reader.dir_fd >= 0)
        close(reader.dir_fd);
    return status;
}
