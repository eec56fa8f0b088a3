// SPDX-License-Identifier: MIT
// suite_patch.c - a suite whose own patches do not parse is refused when it is read.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/patch.h"
#include "tasks/suite_read.h"

#define PARSED_BYTES_MAX ((size_t)2 << 30)

bool assay_patch_fault(size_t *line, char reason[ASSAY_PATCH_REASON_BYTES],
        const struct assay_bytes *patch, bool may_be_empty)
{
    static const char prefix[] = "line ";
    struct assay_error err = {.message = "out of memory"};
    struct assay_arena *arena = NULL;
    struct assay_patch *parsed = NULL;
    const char *message = err.message;
    enum assay_status status;

    *line = 0;
    if (strspn(patch->data, " \t\r\n") == patch->len) {
        snprintf(reason, ASSAY_PATCH_REASON_BYTES, "must not be empty");
        return !may_be_empty;
    }
    status = assay_arena_create(&arena, PARSED_BYTES_MAX, &err);
    if (status == ASSAY_OK)
        status = assay_patch_parse(&parsed, patch->data, patch->len, arena, &err);
    assay_arena_destroy(arena);
    if (status == ASSAY_OK)
        return false;
    if (strncmp(message, prefix, strlen(prefix)) == 0) {
        char *end;
        const unsigned long long number = strtoull(message + strlen(prefix), &end, 10);

        if (end[0] == ':' && end[1] == ' ') {
            *line = (size_t)number;
            message = end + 2;
        }
    }
    snprintf(reason, ASSAY_PATCH_REASON_BYTES, "%s", message);
    return true;
}
