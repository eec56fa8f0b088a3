// SPDX-License-Identifier: MIT
// family_r2e.c - R2E-Gym rows: a commit taken apart, tests of their own, and the whole status map.
//
//   base        the parent of commit_hash (parsed_commit_content.old_commit_hash)
//   gold        put together again from parsed_commit_content, of the .py files that are no tests
//   test patch  r2e_tests/<name> from execution_result_content, if the row has it; else the image
//               has them
//   lists       expected_output_json: what passes, fails or is in error, and nothing else may
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "tasks/family.h"
#include "tasks/patch_make.h"
#include "tasks/suite_read.h"
#include "tasks/swebench.h"

#define NESTED_BYTES_MAX ((size_t)256 << 20)
#define NESTED_DEPTH_MAX 32
#define COMMAND "bash run_tests.sh"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// JSON that stands in a text, or as itself. *document is owned (NULL: it stood as itself); *out is
// NULL where the row has no such key.
static enum assay_status nested(struct assay_json **document, const struct assay_json **out,
        const struct assay_fields *fields, const char *key, struct assay_error *err)
{
    const struct assay_json_limits limits = {
            .bytes_max = NESTED_BYTES_MAX, .depth_max = NESTED_DEPTH_MAX};
    const struct assay_json *member = assay_json_get(fields->object, key);
    const char *text = assay_json_text(member);
    struct assay_error inner = {0};

    *document = NULL;
    *out = member != NULL && assay_json_type(member) != ASSAY_JSON_NULL ? member : NULL;
    if (text != NULL) {
        if (assay_json_parse(document, text, strlen(text), limits, key, 1, &inner) != ASSAY_OK)
            return assay_fields_fail(fields, key, err, "no JSON: %.80s", inner.message);
        *out = *document;
    }
    if (*out == NULL || assay_json_type(*out) == ASSAY_JSON_OBJECT)
        return ASSAY_OK;
    assay_json_free(*document);
    *document = NULL;
    return assay_fields_fail(fields, key, err, "expected an object, or one as text");
}

// --- gold ----------------------------------------------------------------------------------------

static bool is_test_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const size_t len = strlen(name);

    return strncmp(name, "test_", 5) == 0 || strncmp(path, "tests/", 6) == 0 ||
            strstr(path, "/tests/") != NULL ||
            (len >= 8 && strcmp(name + len - 8, "_test.py") == 0);
}

static bool is_python(const char *path)
{
    const size_t len = strlen(path);

    return len > 3 && strcmp(path + len - 3, ".py") == 0;
}

static size_t number_of(const struct assay_json *object, const char *key)
{
    const double number = assay_json_number(assay_json_get(object, key));

    return isfinite(number) && number >= 0 && number < 1e9 ? (size_t)number : 0;
}

static bool add_hunk(struct assay_buf *out, const struct assay_json *hunk)
{
    static const struct {
        const char *type;
        char mark;
    } types[] = {{"context", ' '}, {"added", '+'}, {"deleted", '-'}};
    const struct assay_json *head = assay_json_get(hunk, "descriptor");
    const struct assay_json *old = assay_json_get(head, "old_range");
    const struct assay_json *new = assay_json_get(head, "new_range");
    const struct assay_json *lines =
            assay_json_get(assay_json_get(hunk, "line_group"), "all_lines");
    const char *section = assay_json_text(assay_json_get(head, "section"));

    if (old == NULL || new == NULL || lines == NULL)
        return false;
    assay_buf_addf(out, "@@ -%zu,%zu +%zu,%zu @@%s%s\n", number_of(old, "start"),
            number_of(old, "length"), number_of(new, "start"), number_of(new, "length"),
            section == NULL || section[0] == '\0' ? "" : " ", section == NULL ? "" : section);
    for (const struct assay_json *line = assay_json_first(lines); line != NULL;
            line = assay_json_next(line)) {
        const char *type = assay_json_text(assay_json_get(line, "type"));
        const char *content = assay_json_text(assay_json_get(line, "content"));
        size_t i = 0;

        if (type == NULL || content == NULL)
            return false;
        while (i < COUNT(types) && strcmp(types[i].type, type) != 0)
            i++;
        if (i < COUNT(types))
            assay_buf_addf(out, "%c%s\n", types[i].mark, content);
        else if (strcmp(type, "note") == 0)
            assay_buf_adds(out, "\\ No newline at end of file\n");
        else
            return false;
    }
    return true;
}

// The path of one side; NULL: the file is not there on it.
static const char *side_path(const struct assay_json *file, const char *key)
{
    const char *path = assay_json_text(assay_json_get(assay_json_get(file, key), "path"));

    if (path == NULL || strcmp(path, "/dev/null") == 0)
        return NULL;
    return strncmp(path, "a/", 2) == 0 || strncmp(path, "b/", 2) == 0 ? path + 2 : path;
}

// False: it is broken. A file that is no part of gold adds nothing.
static bool add_file(struct assay_buf *out, const struct assay_json *file)
{
    const struct assay_json *hunks = assay_json_get(file, "hunks");
    const char *old = side_path(file, "minus_file");
    const char *new = side_path(file, "plus_file");
    const char *path = new != NULL ? new : old;

    if (path == NULL) // only a mode changed, or a binary file
        return hunks == NULL || assay_json_count(hunks) == 0;
    if (!is_python(path) || is_test_file(path))
        return true;
    if (!assay_fs_path_is_plain(path) || strpbrk(path, "\"\n\t") != NULL)
        return false;
    assay_buf_addf(out, "diff --git a/%s b/%s\n", path, path);
    if (old == NULL)
        assay_buf_adds(out, "new file mode 100644\n");
    else if (new == NULL)
        assay_buf_adds(out, "deleted file mode 100644\n");
    assay_buf_addf(out, "--- %s%s\n", old == NULL ? "/dev/null" : "a/", old == NULL ? "" : old);
    assay_buf_addf(out, "+++ %s%s\n", new == NULL ? "/dev/null" : "b/", new == NULL ? "" : new);
    for (const struct assay_json *hunk = assay_json_first(hunks); hunk != NULL;
            hunk = assay_json_next(hunk))
        if (!add_hunk(out, hunk))
            return false;
    return true;
}

static enum assay_status keep_patch(struct assay_bytes *out, struct assay_buf *text,
        const struct assay_fields *fields, const char *key, bool may_be_empty,
        struct assay_error *err)
{
    char reason[ASSAY_PATCH_REASON_BYTES];
    size_t line = 0;
    const enum assay_status status = assay_bytes_keep(out, text, key, fields->source->arena, err);

    if (status == ASSAY_OK && assay_patch_fault(&line, reason, out, may_be_empty))
        return assay_fields_fail(fields, key, err, "its patch: line %zu: %s", line, reason);
    return status;
}

static enum assay_status read_commit(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    const char *key = "parsed_commit_content";
    struct assay_json *document = NULL;
    const struct assay_json *commit = NULL;
    const struct assay_json *files;
    struct assay_buf patch;
    enum assay_status status = nested(&document, &commit, fields, key, err);

    if (status != ASSAY_OK)
        return status;
    files = assay_json_get(commit, "file_diffs");
    if (files == NULL || assay_json_type(files) != ASSAY_JSON_ARRAY) {
        assay_json_free(document);
        return assay_fields_fail(fields, key, err, "has no list file_diffs");
    }
    assay_buf_init(&patch, ASSAY_SUITE_TEXT_BYTES_MAX);
    for (const struct assay_json *file = assay_json_first(files);
            file != NULL && status == ASSAY_OK; file = assay_json_next(file))
        if (!add_file(&patch, file))
            status = assay_fields_fail(fields, key, err, "one of its file_diffs is broken");
    if (status == ASSAY_OK)
        status = keep_patch(&instance->gold_patch, &patch, fields, key, false, err);
    assay_buf_free(&patch);
    assay_json_free(document);
    return status;
}

// --- tests ---------------------------------------------------------------------------------------

static bool add_tests(struct assay_buf *out, const struct assay_json *result)
{
    const struct assay_json *name = assay_json_first(assay_json_get(result, "test_file_names"));
    const struct assay_json *code = assay_json_first(assay_json_get(result, "test_file_codes"));

    for (; name != NULL && code != NULL;
            name = assay_json_next(name), code = assay_json_next(code)) {
        const char *file = assay_json_text(name);
        const char *text = assay_json_text(code);
        char path[256];

        if (file == NULL || text == NULL || !assay_name_valid(file))
            return false;
        snprintf(path, sizeof(path), "r2e_tests/%s", file);
        assay_patch_add_file(out, path, false, (struct assay_bytes){text, strlen(text)});
    }
    return name == NULL && code == NULL;
}

static enum assay_status read_tests(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    const char *key = "execution_result_content";
    struct assay_json *document = NULL;
    const struct assay_json *result = NULL;
    struct assay_buf patch;
    enum assay_status status = nested(&document, &result, fields, key, err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&patch, ASSAY_SUITE_TEXT_BYTES_MAX);
    if (result != NULL && !add_tests(&patch, result))
        status = assay_fields_fail(
                fields, key, err, "test_file_names and test_file_codes do not go together");
    if (status == ASSAY_OK)
        status = keep_patch(&instance->test_patch, &patch, fields, key, true, err);
    assay_buf_free(&patch);
    assay_json_free(document);
    return status;
}

static enum assay_status read_map(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    const struct {
        const char *word;
        struct assay_strings *list;
    } lists[] = {{"PASSED", &instance->pass_to_pass}, {"FAILED", &instance->fail_to_fail},
            {"ERROR", &instance->error_to_error}};
    struct assay_arena *arena = fields->source->arena;
    const char **items[COUNT(lists)] = {NULL};
    const char *key = "expected_output_json";
    struct assay_json *document = NULL;
    const struct assay_json *map = NULL;
    enum assay_status status = nested(&document, &map, fields, key, err);

    if (status == ASSAY_OK && map == NULL)
        status = assay_fields_fail(fields, key, err, "missing");
    for (size_t l = 0; l < COUNT(lists) && status == ASSAY_OK; l++) {
        items[l] = assay_arena_array(arena, assay_json_count(map) + 1, sizeof(char *));
        if (items[l] == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
        *lists[l].list = (struct assay_strings){items[l], 0};
    }
    for (const struct assay_json *test = status == ASSAY_OK ? assay_json_first(map) : NULL;
            test != NULL && status == ASSAY_OK; test = assay_json_next(test)) {
        const char *word = assay_json_text(test);
        const char *name = assay_arena_strdup(arena, assay_json_key(test));
        size_t l = 0;

        while (word != NULL && l < COUNT(lists) && strcmp(lists[l].word, word) != 0)
            l++;
        if (word == NULL || l == COUNT(lists))
            status = assay_fields_fail(fields, key, err,
                    "\"%.60s\" is neither PASSED nor FAILED nor ERROR", assay_json_key(test));
        else if (name == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
        else
            items[l][lists[l].list->count++] = name;
    }
    assay_json_free(document);
    return status;
}

// --- the row -------------------------------------------------------------------------------------

static enum assay_status read_base(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err)
{
    struct assay_arena *arena = fields->source->arena;
    const char *commit = "";
    enum assay_status status = assay_fields_text(&instance->repo, fields, "repo_name", err);

    if (status == ASSAY_OK)
        status = assay_fields_text(&commit, fields, "commit_hash", err);
    if (status != ASSAY_OK)
        return status;
    if (!assay_commit_valid(commit) || strchr(commit, '^') != NULL)
        return assay_fields_fail(
                fields, "commit_hash", err, "expected 40 or 64 lower-case hex digits");
    instance->base.commit = assay_arena_printf(arena, "%s^", commit);
    instance->instance_id = assay_arena_printf(arena, "%s__%.12s", instance->repo, commit);
    if (instance->base.commit == NULL || instance->instance_id == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    status = assay_fields_text_or(&instance->instance_id, fields, "instance_id", err);
    if (status == ASSAY_OK)
        status = assay_swebench_find(instance, fields, "repo_name", "commit_hash", options, err);
    return status;
}

enum assay_status assay_family_r2e(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err)
{
    enum assay_status status = read_base(instance, fields, options, err);

    if (status == ASSAY_OK)
        status = assay_swebench_bytes(&instance->problem, fields, "problem_statement", err);
    if (status == ASSAY_OK)
        status = read_commit(instance, fields, err);
    if (status == ASSAY_OK)
        status = read_tests(instance, fields, err);
    if (status == ASSAY_OK)
        status = read_map(instance, fields, err);
    if (status == ASSAY_OK)
        status = assay_family_command(instance, fields, options, COMMAND, "pytest", err);
    return status;
}
