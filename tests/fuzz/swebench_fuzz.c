// SPDX-License-Identifier: MIT
// swebench_fuzz.c - what is taken for a suite passes the check that every suite must pass.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tasks/suite.h"
#include "tests/fuzz/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct assay_swebench_options options = {.name = "fuzz",
            .repos = "https://example.org/{repo}",
            .test_cmd = "make check",
            .framework = "tap"};
    struct assay_suite *suite = NULL;
    struct assay_error err = {0};
    char path[32];
    const int fd = memory_file(path, data, size);

    if (fd < 0)
        return 0;
    if (assay_suite_read_swebench(&suite, path, &options, &err) != ASSAY_OK) {
        if (strncmp(err.message, path, strlen(path)) != 0)
            abort(); // an error names the file
    } else if (suite->instance_count == 0 || assay_suite_check(suite, NULL, NULL) != ASSAY_OK) {
        abort();
    }
    assay_suite_free(suite);
    close(fd);
    return 0;
}
