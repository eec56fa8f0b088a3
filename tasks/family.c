// SPDX-License-Identifier: MIT
#include "tasks/family.h"

#include <string.h>

#include "tasks/suite_read.h"
#include "tasks/swebench.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *name;
    enum assay_rules rules;
} families[] = {
        [ASSAY_FAMILY_AUTO] = {"auto", ASSAY_RULES_SWEBENCH},
        [ASSAY_FAMILY_SWEBENCH] = {"swebench", ASSAY_RULES_SWEBENCH},
        [ASSAY_FAMILY_LIVE] = {"swebench-live", ASSAY_RULES_SWEBENCH},
        [ASSAY_FAMILY_GYM] = {"swe-gym", ASSAY_RULES_SWEBENCH},
        [ASSAY_FAMILY_SMITH] = {"swe-smith", ASSAY_RULES_SWEBENCH},
        [ASSAY_FAMILY_R2E] = {"r2e-gym", ASSAY_RULES_WHOLE_MAP},
        [ASSAY_FAMILY_REBENCH] = {"swe-rebench", ASSAY_RULES_ALL_PASSED},
        [ASSAY_FAMILY_MULTI] = {"multi-swe-bench", ASSAY_RULES_THREE_STAGE},
        [ASSAY_FAMILY_PRO] = {"swe-bench-pro", ASSAY_RULES_ALL_PASSED},
};

const char *assay_family_name(enum assay_family family)
{
    return families[family].name;
}

bool assay_family_from_name(enum assay_family *out, const char *name)
{
    for (size_t i = 0; i < COUNT(families); i++) {
        if (strcmp(families[i].name, name) == 0) {
            *out = (enum assay_family)i;
            return true;
        }
    }
    return false;
}

static bool has(const struct assay_json *row, const char *key)
{
    return assay_json_get(row, key) != NULL;
}

enum assay_family assay_family_of_row(const struct assay_json *row)
{
    const char *repo = assay_json_text(assay_json_get(row, "repo"));

    if (has(row, "fix_patch"))
        return ASSAY_FAMILY_MULTI;
    if (has(row, "expected_output_json"))
        return ASSAY_FAMILY_R2E;
    if (repo != NULL && strncmp(repo, "swesmith/", strlen("swesmith/")) == 0)
        return ASSAY_FAMILY_SMITH;
    if (has(row, "selected_test_files_to_run") || has(row, "before_repo_set_cmd"))
        return ASSAY_FAMILY_PRO;
    if (assay_json_type(assay_json_get(row, "install_config")) == ASSAY_JSON_OBJECT)
        return ASSAY_FAMILY_REBENCH;
    if (has(row, "test_cmds"))
        return ASSAY_FAMILY_LIVE;
    if (has(row, "test_script") || has(row, "regression_script"))
        return ASSAY_FAMILY_GYM;
    return ASSAY_FAMILY_SWEBENCH;
}

enum assay_status assay_family_command(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        const char *command, const char *framework, struct assay_error *err)
{
    struct assay_swebench_options filled = *options;

    if (filled.test_cmd == NULL)
        filled.test_cmd = command;
    if (filled.framework == NULL)
        filled.framework = framework;
    return assay_swebench_command(instance, fields, &filled, err);
}

static enum assay_status read_plain(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err)
{
    enum assay_status status = assay_swebench_base(instance, fields, options, err);

    if (status == ASSAY_OK)
        status = assay_swebench_bytes(&instance->problem, fields, "problem_statement", err);
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
    if (status == ASSAY_OK)
        status = assay_swebench_command(instance, fields, options, err);
    return status;
}

enum assay_status assay_family_read(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err)
{
    enum assay_family family = options->family;
    enum assay_status status;

    if (family == ASSAY_FAMILY_AUTO)
        family = assay_family_of_row(fields->object);
    instance->recipe = "host";
    instance->rules = families[family].rules;
    instance->limits = (struct assay_instance_limits){.wall_ms = ASSAY_INSTANCE_WALL_MS,
            .cpu_ms = ASSAY_INSTANCE_WALL_MS,
            .memory_bytes = ASSAY_INSTANCE_MEMORY_BYTES};
    if (family == ASSAY_FAMILY_MULTI)
        return assay_family_multi(instance, fields, options, err);
    if (family == ASSAY_FAMILY_R2E)
        return assay_family_r2e(instance, fields, options, err);
    status = assay_fields_text(&instance->instance_id, fields, "instance_id", err);
    if (status != ASSAY_OK)
        return status;
    if (family == ASSAY_FAMILY_SMITH)
        return assay_family_smith(instance, fields, options, err);
    if (family == ASSAY_FAMILY_PRO)
        return assay_family_pro(instance, fields, options, err);
    return read_plain(instance, fields, options, err);
}
