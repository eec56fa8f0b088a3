// SPDX-License-Identifier: MIT
// suite_swebench.c - SWE-bench rows as a suite.
#include <stdio.h>
#include <string.h>

#include "tasks/family.h"
#include "tasks/suite_read.h"
#include "tasks/suite_rows.h"
#include "tasks/swebench.h"

#define ROW_BYTES_MAX ((size_t)64 << 20)
#define VERSION_DIGITS 12

enum assay_status assay_swebench_bytes(struct assay_bytes *out, const struct assay_fields *fields,
        const char *key, struct assay_error *err)
{
    const char *text = "";
    const enum assay_status status = assay_fields_text(&text, fields, key, err);

    if (status == ASSAY_OK)
        *out = (struct assay_bytes){text, strlen(text)};
    return status;
}

enum assay_status assay_swebench_patch(struct assay_bytes *out, const struct assay_fields *fields,
        const char *key, bool may_be_empty, struct assay_error *err)
{
    char reason[ASSAY_PATCH_REASON_BYTES];
    size_t line = 0;
    const enum assay_status status = assay_swebench_bytes(out, fields, key, err);

    if (status != ASSAY_OK || !assay_patch_fault(&line, reason, out, may_be_empty))
        return status;
    if (line > 0)
        return assay_fields_fail(fields, key, err, "line %zu: %s", line, reason);
    return assay_fields_fail(fields, key, err, "%s", reason);
}

static enum assay_status check_row(struct assay_suite_rows *rows, struct assay_instance *instance,
        const struct assay_fields *fields, struct assay_error *err)
{
    char file[ASSAY_PATH_SHORT_BYTES];
    const size_t row_line = fields->source->first_line;
    struct assay_fault fault = {.field = ""};
    size_t line = 0;

    if (assay_instance_fault(&fault, instance))
        return assay_fields_fail(fields, fault.field, err, "%s", fault.reason);
    switch (assay_names_put(&rows->ids, instance->instance_id, row_line, &line)) {
    case ASSAY_NAMES_NEW:
        break;
    case ASSAY_NAMES_KNOWN:
        return assay_fields_fail(fields, "instance_id", err,
                "\"%.80s\" has a row already, in line %zu", instance->instance_id, line);
    case ASSAY_NAMES_NO_MEMORY:
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    }
    instance->framework_at = assay_arena_printf(
            rows->suite->arena, "%s:%zu", assay_path_short(file, fields->source->file), row_line);
    if (instance->framework_at == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", file);
    return ASSAY_OK;
}

enum assay_status assay_suite_rows_read(struct assay_suite_rows *rows, const char *file,
        const struct assay_row *row, struct assay_instance *out, struct assay_error *err)
{
    const struct assay_source source = {.file = file,
            .text = row->text,
            .len = row->len,
            .first_line = row->line,
            .row = true,
            .arena = rows->suite->arena};
    struct assay_instance instance = {0};
    struct assay_json *document = NULL;
    struct assay_fields fields;
    enum assay_status status = assay_fields_parse(&document, &fields, &source, err);

    if (status != ASSAY_OK)
        return status;
    status = assay_family_read(&instance, &fields, rows->options, err);
    if (status == ASSAY_OK && row->key != NULL && strcmp(row->key, instance.instance_id) != 0)
        status = assay_fields_fail(&fields, "instance_id", err,
                "\"%.60s\" stands under the key \"%.60s\"", instance.instance_id, row->key);
    if (status == ASSAY_OK)
        status = check_row(rows, &instance, &fields, err);
    if (status == ASSAY_OK) {
        instance.row.data = assay_arena_memdup(rows->suite->arena, row->text, row->len);
        instance.row.len = row->len;
        if (instance.row.data == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", file);
    }
    if (status == ASSAY_OK)
        *out = instance;
    assay_json_free(document);
    return status;
}

static enum assay_status read_rows(struct assay_suite_rows *made, const char *path,
        struct assay_rows *rows, struct assay_error *err)
{
    char file[ASSAY_PATH_SHORT_BYTES];
    struct assay_instance instance;
    struct assay_row row;
    bool more = true;
    enum assay_status status = ASSAY_OK;

    assay_path_short(file, path);
    while (status == ASSAY_OK && more) {
        status = assay_rows_next(&more, &row, rows, err);
        if (status != ASSAY_OK || !more)
            break;
        if (row.too_long)
            status = assay_fail(err, ASSAY_EINVAL, "%s:%zu: the row is larger than %zu bytes", file,
                    row.line, ROW_BYTES_MAX);
        else
            status = assay_suite_rows_read(made, path, &row, &instance, err);
        if (status == ASSAY_OK)
            status = assay_suite_append(made->suite, &instance, err);
    }
    if (status == ASSAY_OK && made->suite->instance_count == 0)
        status = assay_fail(err, ASSAY_EINVAL, "%s: no rows", file);
    return status;
}

// --- the suite around the rows -------------------------------------------------------------------

// The file's name without folders and ending.
static const char *base_name(char *out, size_t size, const char *file)
{
    const char *slash = strrchr(file, '/');
    char *dot;

    snprintf(out, size, "%s", slash == NULL ? file : slash + 1);
    dot = strrchr(out, '.');
    if (dot != NULL && dot != out && (strcmp(dot, ".gz") == 0 || strcmp(dot, ".zst") == 0)) {
        *dot = '\0';
        dot = strrchr(out, '.');
    }
    if (dot != NULL && dot != out)
        *dot = '\0';
    return out;
}

enum assay_status assay_suite_rows_begin(struct assay_suite_rows *rows, const char *file,
        const struct assay_swebench_options *options, struct assay_error *err)
{
    char name[256];
    const char *wanted = options->name;
    struct assay_suite *suite = NULL;
    enum assay_status status;

    *rows = (struct assay_suite_rows){.options = options};
    assay_names_init(&rows->ids);
    if (wanted == NULL)
        wanted = base_name(name, sizeof(name), file);
    if (!assay_name_valid(wanted)) {
        char shown[ASSAY_PATH_SHORT_BYTES];

        return assay_fail(err, ASSAY_EINVAL,
                "%s: a suite cannot be called \"%.80s\": --name must be 1 to 100 of [A-Za-z0-9_.-]",
                assay_path_short(shown, file), wanted);
    }
    status = assay_suite_create(&suite, wanted, err);
    if (status != ASSAY_OK)
        return status;
    suite->source = assay_arena_strdup(suite->arena, file);
    suite->recipes = assay_arena_array(suite->arena, 1, sizeof(suite->recipes[0]));
    if (suite->source == NULL || suite->recipes == NULL) {
        assay_suite_free(suite);
        return assay_fail(err, ASSAY_ENOMEM, "suite %s: out of memory", wanted);
    }
    suite->recipes[0] =
            (struct assay_recipe){.name = "host", .base = "host", .workdir = "/testbed"};
    suite->recipe_count = 1;
    rows->suite = suite;
    return ASSAY_OK;
}

void assay_suite_rows_end(struct assay_suite_rows *rows)
{
    assay_suite_free(rows->suite);
    assay_names_free(&rows->ids);
}

// Rows carry no version of the whole: the file's hash says which one it was.
static enum assay_status set_version(
        struct assay_suite *suite, struct assay_rows *rows, struct assay_error *err)
{
    char hex[65];
    const enum assay_status status = assay_rows_sha256(hex, rows, err);

    if (status != ASSAY_OK)
        return status;
    suite->version = assay_arena_printf(suite->arena, "sha256:%.*s", VERSION_DIGITS, hex);
    if (suite->version == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "suite %s: out of memory", suite->name);
    return ASSAY_OK;
}

enum assay_status assay_suite_read_swebench(struct assay_suite **out, const char *file,
        const struct assay_swebench_options *options, struct assay_error *err)
{
    struct assay_suite_rows made;
    struct assay_rows *rows = NULL;
    enum assay_status status = assay_suite_rows_begin(&made, file, options, err);

    if (status == ASSAY_OK)
        status = assay_rows_open(&rows, file, ROW_BYTES_MAX, err);
    if (status == ASSAY_OK)
        status = read_rows(&made, file, rows, err);
    if (status == ASSAY_OK)
        status = set_version(made.suite, rows, err);
    if (status == ASSAY_OK)
        status = assay_suite_check(made.suite, NULL, err);
    if (status == ASSAY_OK) {
        *out = made.suite;
        made.suite = NULL;
    }
    assay_rows_close(rows);
    assay_suite_rows_end(&made);
    return status;
}
