// SPDX-License-Identifier: MIT
// family_smith.c - SWE-smith rows: `patch` is the diff that makes the bug.
//
// The base tree is the repository at base_commit with that diff, gold is the diff turned round. The
// tests stand in the tree. A listed test that does not show up has not passed, whatever SWE-smith's
// own grader makes of it (--compat swesmith says what it does).
#include <string.h>

#include "tasks/family.h"
#include "tasks/patch_make.h"
#include "tasks/suite_read.h"
#include "tasks/swebench.h"

// What SWE-smith runs where a repository's profile says nothing else.
#define COMMAND "python -m pytest --disable-warnings --color=no --tb=no --verbose"

static enum assay_status reverse(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    struct assay_buf text;
    const char *wrong;
    enum assay_status status;

    assay_buf_init(&text, ASSAY_SUITE_TEXT_BYTES_MAX);
    wrong = assay_patch_reverse(&text, instance->base.patch);
    status = wrong != NULL ? assay_fields_fail(fields, "patch", err, "%s", wrong) : ASSAY_OK;
    if (status == ASSAY_OK)
        status =
                assay_bytes_keep(&instance->gold_patch, &text, "patch", fields->source->arena, err);
    assay_buf_free(&text);
    return status;
}

enum assay_status assay_family_smith(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err)
{
    enum assay_status status = assay_swebench_base(instance, fields, options, err);

    instance->test_patch = (struct assay_bytes){"", 0};
    if (status == ASSAY_OK)
        status = assay_swebench_bytes(&instance->problem, fields, "problem_statement", err);
    if (status == ASSAY_OK)
        status = assay_swebench_patch(&instance->base.patch, fields, "patch", false, err);
    if (status == ASSAY_OK)
        status = reverse(instance, fields, err);
    if (status == ASSAY_OK)
        status = assay_swebench_tests(
                &instance->fail_to_pass, fields, "FAIL_TO_PASS", "fail_to_pass", err);
    if (status == ASSAY_OK)
        status = assay_swebench_tests(
                &instance->pass_to_pass, fields, "PASS_TO_PASS", "pass_to_pass", err);
    if (status == ASSAY_OK)
        status = assay_family_command(instance, fields, options, COMMAND, "pytest", err);
    return status;
}
