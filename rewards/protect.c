// SPDX-License-Identifier: MIT
#include "rewards/protect.h"

#include <string.h>

// pytest reads its options from the first of these that it finds, loads every
// conftest.py on the way to a test, and Python itself loads the rest at start.
static const char *const pytest_globs[] = {"**/conftest.py", "**/pytest.ini", "**/.pytest.ini",
        "**/tox.ini", "**/setup.cfg", "**/pyproject.toml", "**/sitecustomize.py",
        "**/usercustomize.py", "**/*.pth"};
static const char *const unittest_globs[] = {
        "**/sitecustomize.py", "**/usercustomize.py", "**/*.pth"};
static const char *const tap_globs[] = {"**/.proverc"};
static const char *const ctest_globs[] = {
        "**/CTestCustom.cmake", "**/CTestConfig.cmake", "**/DartConfiguration.tcl"};

static const struct {
    const char *framework;
    const char *const *globs;
    size_t count;
} rows[] = {
        {"pytest", pytest_globs, sizeof(pytest_globs) / sizeof(pytest_globs[0])},
        {"unittest", unittest_globs, sizeof(unittest_globs) / sizeof(unittest_globs[0])},
        {"tap", tap_globs, sizeof(tap_globs) / sizeof(tap_globs[0])},
        {"ctest", ctest_globs, sizeof(ctest_globs) / sizeof(ctest_globs[0])},
};

struct assay_strings assay_protected_globs(const char *framework)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].framework, framework) == 0)
            return (struct assay_strings){rows[i].globs, rows[i].count};
    }
    return (struct assay_strings){NULL, 0};
}
