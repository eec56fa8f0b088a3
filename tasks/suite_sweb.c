// SPDX-License-Identifier: MIT
// suite_sweb.c - a task repository of SWE-bench 5: sweb.yaml and tasks/<id>/.
//
// Each task is put together as the row that SWE-bench's own reader makes of it, and read as one.
// Only tasks of a published split are, as there.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "tasks/patch_folder.h"
#include "tasks/suite_read.h"
#include "tasks/suite_rows.h"
#include "tasks/yaml_json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TASKS_MAX 100000
#define JSON_DEPTH_MAX 16
#define ROW_BYTES_MAX ((size_t)512 << 20)

struct sweb {
    struct assay_suite_rows rows;
    const char *dir;
    int dir_fd;
    struct assay_arena *arena; // of the suite
    struct assay_json *config; // owned: sweb.yaml
};

static enum assay_status no_memory(const struct sweb *s, struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "%.150s: out of memory", s->dir);
}

static enum assay_status read_file(
        const struct sweb *s, struct assay_bytes *out, const char *path, struct assay_error *err)
{
    const char *shown = assay_arena_printf(s->arena, "%s/%s", s->dir, path);

    if (shown == NULL)
        return no_memory(s, err);
    return assay_suite_file(out, s->dir_fd, path, shown, ASSAY_SUITE_TEXT_BYTES_MAX, s->arena, err);
}

// sweb.yaml: it must name a data set.
static enum assay_status read_config(struct sweb *s, struct assay_error *err)
{
    const char *shown = assay_arena_printf(s->arena, "%s/sweb.yaml", s->dir);
    char file[ASSAY_PATH_SHORT_BYTES];
    struct assay_bytes text = {NULL, 0};
    struct assay_json_writer w;
    struct assay_buf json;
    enum assay_status status;

    if (shown == NULL)
        return no_memory(s, err);
    status = read_file(s, &text, "sweb.yaml", err);
    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&json, ASSAY_SUITE_JSON_BYTES_MAX);
    assay_json_writer_init(&w, &json, 0);
    status = assay_yaml_write_json(&w, NULL, false, text, shown, err);
    if (status == ASSAY_OK)
        status = assay_json_parse(&s->config, json.data, json.len,
                (struct assay_json_limits){ASSAY_SUITE_JSON_BYTES_MAX, JSON_DEPTH_MAX}, shown, 1,
                err);
    assay_buf_free(&json);
    if (status == ASSAY_OK && assay_json_count(assay_json_get(s->config, "datasets")) == 0)
        status = assay_fail(
                err, ASSAY_EINVAL, "%s:1: datasets: names none", assay_path_short(file, shown));
    return status;
}

// Is the row's split one of the published? "test" is, unless sweb.yaml says which are.
static bool is_published(const struct sweb *s, const struct assay_json *row)
{
    const struct assay_json *splits = assay_json_get(s->config, "splits");
    const char *split = assay_json_text(assay_json_get(row, "split"));

    if (split == NULL)
        return true; // a task that says nothing is not kept back
    if (splits == NULL || assay_json_type(splits) == ASSAY_JSON_NULL)
        return strcmp(split, "test") == 0;
    for (const struct assay_json *one = assay_json_first(splits); one != NULL;
            one = assay_json_next(one))
        if (assay_json_text(one) != NULL && strcmp(assay_json_text(one), split) == 0)
            return true;
    return false;
}

// --- the row of a task ---------------------------------------------------------------------------

static enum assay_status put_tests(const struct sweb *s, struct assay_json_writer *w,
        const char *task, struct assay_error *err)
{
    const char *path = assay_arena_printf(s->arena, "tasks/%s/tests.json", task);
    const char *shown = assay_arena_printf(s->arena, "%s/tasks/%s/tests.json", s->dir, task);
    char file[ASSAY_PATH_SHORT_BYTES];
    struct assay_bytes text = {NULL, 0};
    struct assay_json *tests = NULL;
    enum assay_status status;

    if (path == NULL || shown == NULL)
        return no_memory(s, err);
    status = read_file(s, &text, path, err);
    if (status == ASSAY_OK)
        status = assay_json_parse(&tests, text.data, text.len,
                (struct assay_json_limits){ASSAY_SUITE_TEXT_BYTES_MAX, JSON_DEPTH_MAX},
                assay_path_short(file, shown), 1, err);
    for (const struct assay_json *one = status == ASSAY_OK ? assay_json_first(tests) : NULL;
            one != NULL; one = assay_json_next(one))
        assay_json_put_copy(w, assay_json_key(one), one);
    assay_json_free(tests);
    return status;
}

static enum assay_status put_files(const struct sweb *s, struct assay_json_writer *w,
        const char *task, struct assay_error *err)
{
    static const struct {
        const char *column, *name;
        bool optional;
    } files[] = {{"patch", "gold.patch", false}, {"test_patch", "test.patch", false},
            {"eval_script", "eval.sh", false}, {"problem_statement", "problem_statement.md", false},
            {"hints_text", "hints.md", true}};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < COUNT(files) && status == ASSAY_OK; i++) {
        const char *path = assay_arena_printf(s->arena, "tasks/%s/%s", task, files[i].name);
        struct assay_bytes text = {"", 0};

        if (path == NULL)
            return no_memory(s, err);
        status = read_file(s, &text, path, err);
        if (status == ASSAY_ENOTFOUND && files[i].optional)
            status = ASSAY_OK;
        if (status == ASSAY_OK)
            assay_json_put_bytes(w, files[i].column, text.data, text.len);
    }
    return status;
}

static enum assay_status make_row(
        const struct sweb *s, struct assay_buf *out, const char *task, struct assay_error *err)
{
    const char *path = assay_arena_printf(s->arena, "tasks/%s/task.yaml", task);
    const char *shown = assay_arena_printf(s->arena, "%s/tasks/%s/task.yaml", s->dir, task);
    struct assay_bytes text = {NULL, 0};
    struct assay_json_writer w;
    enum assay_status status;

    if (path == NULL || shown == NULL)
        return no_memory(s, err);
    status = read_file(s, &text, path, err);
    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    if (status == ASSAY_OK)
        status = assay_yaml_write_json(&w, NULL, true, text, shown, err);
    if (status == ASSAY_OK)
        status = put_files(s, &w, task, err);
    if (status == ASSAY_OK)
        status = put_tests(s, &w, task, err);
    assay_json_end_object(&w);
    return status == ASSAY_OK ? assay_buf_check(out, task, err) : status;
}

// Binary files that a text patch cannot carry, staged where tests look for them.
static enum assay_status add_assets(const struct sweb *s, struct assay_instance *instance,
        const char *task, struct assay_error *err)
{
    const char *path = assay_arena_printf(s->arena, "tasks/%s/test_assets", task);
    const char *shown = assay_arena_printf(s->arena, "%s/tasks/%s/test_assets", s->dir, task);
    struct assay_buf patch;
    enum assay_status status;

    if (path == NULL || shown == NULL)
        return no_memory(s, err);
    if (faccessat(s->dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return ASSAY_OK;
    assay_buf_init(&patch, ASSAY_SUITE_TEXT_BYTES_MAX);
    assay_buf_add(&patch, instance->test_patch.data, instance->test_patch.len);
    status = assay_patch_add_folder(&patch, s->dir_fd, path, "", NULL, shown, err);
    if (status == ASSAY_OK)
        status = assay_bytes_keep(&instance->test_patch, &patch, "test_assets", s->arena, err);
    assay_buf_free(&patch);
    return status;
}

static enum assay_status read_task(struct sweb *s, const char *task, struct assay_error *err)
{
    const char *shown = assay_arena_printf(s->arena, "%s/tasks/%s", s->dir, task);
    struct assay_json *document = NULL;
    struct assay_instance instance = {0};
    struct assay_buf row;
    enum assay_status status;

    if (shown == NULL)
        return no_memory(s, err);
    assay_buf_init(&row, ROW_BYTES_MAX);
    status = make_row(s, &row, task, err);
    if (status == ASSAY_OK)
        status = assay_json_parse(&document, row.data, row.len,
                (struct assay_json_limits){ROW_BYTES_MAX, JSON_DEPTH_MAX}, shown, 1, err);
    if (status == ASSAY_OK && is_published(s, document)) {
        const struct assay_row one = {.line = 1, .key = task, .text = row.data, .len = row.len};

        status = assay_suite_rows_read(&s->rows, shown, &one, &instance, err);
        if (status == ASSAY_OK)
            status = add_assets(s, &instance, task, err);
        if (status == ASSAY_OK)
            status = assay_suite_append(s->rows.suite, &instance, err);
    }
    assay_json_free(document);
    assay_buf_free(&row);
    return status;
}

// --- the folder ----------------------------------------------------------------------------------

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static enum assay_status list_tasks(
        const struct sweb *s, const char ***out, size_t *count, struct assay_error *err)
{
    const char **names = assay_arena_array(s->arena, TASKS_MAX, sizeof(names[0]));
    const int fd = openat(s->dir_fd, "tasks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    enum assay_status status = ASSAY_OK;

    *count = 0;
    if (names == NULL || stream == NULL) {
        status = stream == NULL ? assay_fail_errno(err, errno, "%.150s/tasks", s->dir)
                                : no_memory(s, err);
        if (stream != NULL)
            closedir(stream);
        return status;
    }
    while (status == ASSAY_OK) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's alone
        const struct dirent *entry = readdir(stream);
        char path[512];

        if (entry == NULL)
            break;
        (void)snprintf(path, sizeof(path), "tasks/%s/task.yaml", entry->d_name);
        if (entry->d_name[0] == '.' || faccessat(s->dir_fd, path, F_OK, 0) != 0)
            continue;
        if (*count == TASKS_MAX)
            status = assay_fail(err, ASSAY_EINVAL, "%.100s: too many tasks", s->dir);
        else if ((names[(*count)++] = assay_arena_strdup(s->arena, entry->d_name)) == NULL)
            status = no_memory(s, err);
    }
    closedir(stream);
    qsort(names, *count, sizeof(names[0]), compare_names);
    *out = names;
    return status;
}

enum assay_status assay_suite_read_sweb(struct assay_suite **out, const char *dir,
        const struct assay_swebench_options *options, struct assay_error *err)
{
    struct sweb s = {.dir = dir, .dir_fd = -1};
    const char **names = NULL;
    size_t count = 0;
    enum assay_status status = assay_suite_rows_begin(&s.rows, dir, options, err);

    if (status != ASSAY_OK) {
        assay_suite_rows_end(&s.rows);
        return status;
    }
    s.arena = s.rows.suite->arena;
    s.rows.suite->version = "1";
    s.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s.dir_fd < 0)
        status = assay_fail_errno(err, errno, "%.150s", dir);
    if (status == ASSAY_OK)
        status = read_config(&s, err);
    if (status == ASSAY_OK)
        status = list_tasks(&s, &names, &count, err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        status = read_task(&s, names[i], err);
    if (status == ASSAY_OK && s.rows.suite->instance_count == 0)
        status = assay_fail(err, ASSAY_EINVAL, "%.150s: no task of a published split", dir);
    if (status == ASSAY_OK)
        status = assay_suite_check(s.rows.suite, NULL, err);
    if (status == ASSAY_OK) {
        *out = s.rows.suite;
        s.rows.suite = NULL;
    }
    if (s.dir_fd >= 0)
        close(s.dir_fd);
    assay_json_free(s.config);
    assay_suite_rows_end(&s.rows);
    return status;
}
