// SPDX-License-Identifier: MIT
// family_pro.c - SWE-bench Pro rows: each instance has a script that runs its tests, and a parser.
//
// Both lie in <scripts>/<instance_id>/. They travel in the test patch, as files of a folder that no
// tree has, so they are laid for grading and protected as tests are.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tasks/family.h"
#include "tasks/patch_make.h"
#include "tasks/suite_read.h"
#include "tasks/swebench.h"

#define FOLDER ".assay-pro"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// The statement, and behind it what the data set shows with it.
static enum assay_status read_problem(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    static const char *const more[][2] = {
            {"requirements", "Requirements"}, {"interface", "New interfaces introduced"}};
    const char *text = "";
    struct assay_buf problem;
    enum assay_status status = assay_fields_text(&text, fields, "problem_statement", err);

    assay_buf_init(&problem, ASSAY_SUITE_TEXT_BYTES_MAX);
    assay_buf_adds(&problem, text);
    for (size_t i = 0; i < COUNT(more) && status == ASSAY_OK; i++) {
        text = "";
        status = assay_fields_text_or(&text, fields, more[i][0], err);
        if (text[0] != '\0')
            assay_buf_addf(&problem, "\n\n%s:\n%s", more[i][1], text);
    }
    if (status == ASSAY_OK)
        status = assay_bytes_keep(
                &instance->problem, &problem, "problem_statement", fields->source->arena, err);
    assay_buf_free(&problem);
    return status;
}

static enum assay_status add_scripts(struct assay_instance *instance,
        const struct assay_fields *fields, const char *scripts, struct assay_error *err)
{
    static const char *const names[] = {"run_script.sh", "parser.py"};
    const int fd = open(scripts, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct assay_buf patch;
    enum assay_status status = ASSAY_OK;

    if (fd < 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "--scripts: no folder %.150s", scripts);
    assay_buf_init(&patch, ASSAY_SUITE_TEXT_BYTES_MAX);
    assay_buf_add(&patch, instance->test_patch.data, instance->test_patch.len);
    if (patch.len > 0 && patch.data[patch.len - 1] != '\n')
        assay_buf_addc(&patch, '\n');
    for (size_t i = 0; i < COUNT(names) && status == ASSAY_OK; i++) {
        char path[512], shown[1024];
        struct assay_bytes text = {NULL, 0};

        snprintf(path, sizeof(path), "%s/%s", instance->instance_id, names[i]);
        snprintf(shown, sizeof(shown), "%s/%s", scripts, path);
        status = assay_suite_file(
                &text, fd, path, shown, ASSAY_SUITE_JSON_BYTES_MAX, fields->source->arena, err);
        snprintf(path, sizeof(path), FOLDER "/%s", names[i]);
        if (status == ASSAY_OK)
            assay_patch_add_file(&patch, path, false, text);
    }
    close(fd);
    if (status == ASSAY_OK)
        status = assay_bytes_keep(
                &instance->test_patch, &patch, "test_patch", fields->source->arena, err);
    assay_buf_free(&patch);
    return status;
}

// assay-pro FOLDER FILE,FILE,...
static enum assay_status set_command(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    const char **argv = assay_arena_array(fields->source->arena, 3, sizeof(argv[0]));
    struct assay_strings files = {NULL, 0};
    struct assay_bytes list = {NULL, 0};
    struct assay_buf text;
    enum assay_status status = ASSAY_OK;

    if (assay_json_get(fields->object, "selected_test_files_to_run") != NULL)
        status = assay_swebench_tests(
                &files, fields, "selected_test_files_to_run", "selected_test_files_to_run", err);
    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&text, ASSAY_SUITE_TEXT_BYTES_MAX);
    for (size_t i = 0; i < files.count; i++)
        assay_buf_addf(&text, "%s%s", i == 0 ? "" : ",", files.items[i]);
    status = assay_bytes_keep(
            &list, &text, "selected_test_files_to_run", fields->source->arena, err);
    assay_buf_free(&text);
    if (status != ASSAY_OK)
        return status;
    if (argv == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    argv[0] = "assay-pro";
    argv[1] = FOLDER;
    argv[2] = list.data;
    instance->test_cmd = (struct assay_strings){argv, list.len > 0 ? 3 : 2};
    instance->framework = "results-json";
    return ASSAY_OK;
}

enum assay_status assay_family_pro(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err)
{
    enum assay_status status = assay_swebench_base(instance, fields, options, err);

    if (status == ASSAY_OK)
        status = read_problem(instance, fields, err);
    if (status == ASSAY_OK)
        status = assay_swebench_patch(&instance->gold_patch, fields, "patch", false, err);
    if (status == ASSAY_OK)
        status = assay_swebench_patch(&instance->test_patch, fields, "test_patch", true, err);
    if (status == ASSAY_OK)
        status = assay_swebench_tests(
                &instance->fail_to_pass, fields, "FAIL_TO_PASS", "fail_to_pass", err);
    if (status == ASSAY_OK)
        status = assay_swebench_tests(
                &instance->pass_to_pass, fields, "PASS_TO_PASS", "pass_to_pass", err);
    if (status != ASSAY_OK)
        return status;
    if (options->scripts == NULL)
        return assay_swebench_command(instance, fields, options, err);
    if (!assay_instance_id_valid(instance->instance_id)) // it becomes part of a path
        return assay_fields_fail(fields, "instance_id", err, "must be 1 to 200 of [A-Za-z0-9_.-]");
    status = add_scripts(instance, fields, options->scripts, err);
    return status == ASSAY_OK ? set_command(instance, fields, err) : status;
}
