// SPDX-License-Identifier: MIT
#include "rewards/test_files.h"

static const char *const globs[] = {"**/test/**", "**/tests/**", "**/t/**", "**/spec/**",
        "**/specs/**", "**/__tests__/**", "**/testdata/**", "**/test_*", "**/tests.py",
        "**/*_test.*", "**/*_tests.*", "**/*_spec.*", "**/*.test.*", "**/*.spec.*", "**/*Test.*",
        "**/*Tests.*", "**/t_*.c", "**/*.t"};

const struct assay_strings assay_test_file_globs = {globs, sizeof(globs) / sizeof(globs[0])};

bool assay_is_test_file(const char *path)
{
    for (size_t i = 0; i < assay_test_file_globs.count; i++) {
        if (assay_glob_match(globs[i], path))
            return true;
    }
    return false;
}
