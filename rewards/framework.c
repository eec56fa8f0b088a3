// SPDX-License-Identifier: MIT
// framework.c - the table: one row a framework, one reader file a row.
#include "rewards/framework.h"

#include <string.h>

#include "rewards/canary_plant.h"
#include "rewards/reader.h"

static const char *const no_names[] = {NULL};

static const char *const pytest_env[] = {
        "PYTHONPATH=" ASSAY_TRUSTED_DIR "/python", "PYTEST_PLUGINS=assay_pytest", NULL};
static const char *const python_env[] = {"PYTHONPATH=" ASSAY_TRUSTED_DIR "/python", NULL};

static const char *const wrapper_env[] = {"PATH=" ASSAY_TRUSTED_DIR "/bin", NULL};
static const char *const junit_files[] = {"*.xml", NULL};

static const struct assay_framework table[] = {
        {.name = "pytest",
                .about = "pytest 6 to 8; a plugin reports each phase of each test",
                .evidence = ASSAY_EVIDENCE_STRONG,
                .channel_required = true,
                .env = pytest_env,
                .out_files = no_names,
                .command = assay_command_pytest,
                .warm = assay_command_warm_python,
                .reorder = assay_reorder_pytest,
                .emits = assay_emits_pytest,
                .plant = assay_canary_plant_pytest,
                .canaries_needed = true,
                .read = assay_read_pytest},
        {.name = "unittest",
                .about =
                        "python -m unittest, through a runner of ours; other commands by their log",
                .evidence = ASSAY_EVIDENCE_STRONG,
                .channel_required = true,
                .env = python_env,
                .out_files = no_names,
                .command = assay_command_unittest,
                .warm = assay_command_warm_python,
                .channel_applies = assay_command_is_unittest,
                .reorder = assay_reorder_unittest,
                .emits = assay_emits_unittest,
                .plant = assay_canary_plant_unittest,
                .canaries_needed = true,
                .read = assay_read_unittest},
        {.name = "tap",
                .about =
                        "TAP whose helpers report inside the tests; a silent channel earns nothing",
                .evidence = ASSAY_EVIDENCE_STRONG,
                .channel_required = true,
                .env = no_names,
                .out_files = no_names,
                .reorder = assay_reorder_prove,
                .read = assay_read_tap},
        {.name = "tap-log",
                .about = "TAP as it stands in the log of prove -v, or of one script",
                .evidence = ASSAY_EVIDENCE_WEAK,
                .env = no_names,
                .out_files = no_names,
                .reorder = assay_reorder_prove,
                .read = assay_read_tap},
        {.name = "ctest",
                .about = "ctest 3.21 or later; the JUnit file that ctest itself writes",
                .evidence = ASSAY_EVIDENCE_STRONG,
                .channel_required = true,
                .env = wrapper_env,
                .out_files = no_names,
                .reorder = assay_reorder_wrapped,
                .read = assay_read_ctest,
                .plant = assay_canary_plant_ctest},
        {.name = "gotest",
                .about = "go test, by its -json events; plain logs of -v otherwise",
                .evidence = ASSAY_EVIDENCE_WEAK,
                .env = wrapper_env,
                .out_files = no_names,
                .reorder = assay_reorder_wrapped,
                .emits = assay_emits_gotest,
                .clock_blind = true,
                .read = assay_read_gotest,
                .plant = assay_canary_plant_gotest},
        {.name = "cargo",
                .about = "cargo test, by the lines and counts of each test binary",
                .evidence = ASSAY_EVIDENCE_WEAK,
                .env = wrapper_env,
                .out_files = no_names,
                .read = assay_read_cargo,
                .plant = assay_canary_plant_cargo},
        {.name = "junit",
                .about = "JUnit XML that the test command writes to $ASSAY_OUT_DIR/*.xml",
                .evidence = ASSAY_EVIDENCE_WEAK,
                .channel_required = true,
                .env = no_names,
                .out_files = junit_files,
                .read = assay_read_junit},
        {.name = "exit",
                .about = "plain exit status, as the one test exit_status",
                .evidence = ASSAY_EVIDENCE_WEAK,
                .env = no_names,
                .out_files = no_names,
                .emits = assay_emits_exit,
                .read = assay_read_exit},
};

const struct assay_framework *assay_framework_table(size_t *count)
{
    *count = sizeof(table) / sizeof(table[0]);
    return table;
}

const struct assay_framework *assay_framework_find(const char *name)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

bool assay_framework_known(const char *name)
{
    return assay_framework_find(name) != NULL;
}
