// SPDX-License-Identifier: MIT
// What must hold: whatever a shell in a box prints as its exports, it is taken whole or not at all,
// and what is taken is an environment that exec would take.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/exports.h"
#include "sandbox/session.h"

#define ENTRY_BYTES_MAX 131072

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const env[] = {"PATH=/usr/bin:/bin", "a.b=kept", "SHLVL=1", NULL};
    struct assay_exports exports = {0};
    char *text = strndup((const char *)data, size);
    size_t bytes = 0;
    bool taken;

    if (text == NULL || assay_exports_set(&exports, "/testbed", env, NULL) != ASSAY_OK) {
        free(text);
        return 0;
    }
    taken = assay_exports_take(&exports, "/elsewhere", text);
    free(text);
    must(strcmp(exports.cwd, taken ? "/elsewhere" : "/testbed") == 0);
    must(taken || exports.count == 3);
    must(exports.count <= ASSAY_SESSION_ENV_COUNT_MAX && exports.env[exports.count] == NULL);
    for (size_t i = 0; i < exports.count; i++) {
        const size_t len = strlen(exports.env[i]) + 1;
        const char *equals = strchr(exports.env[i], '=');

        must(equals != NULL && equals != exports.env[i] && len <= ENTRY_BYTES_MAX);
        must(strncmp(exports.env[i], "_=", 2) != 0);
        bytes += len;
    }
    must(bytes <= ASSAY_SESSION_ENV_BYTES_MAX);
    assay_exports_free(&exports);
    return 0;
}
