// SPDX-License-Identifier: MIT
// quilt_fuzz.c - a series names files below its folder and nothing else; a header becomes
// paragraphs without empty ends; a diff that loses no folder stays as it is.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/quilt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_series(struct assay_bytes text)
{
    struct assay_arena *arena = NULL;
    struct assay_quilt_patch *patches = NULL;
    struct assay_error err = {0};
    size_t count = 0;

    if (assay_arena_create(&arena, (size_t)256 << 20, NULL) != ASSAY_OK)
        return;
    if (assay_quilt_series(&patches, &count, text, arena, &err) != ASSAY_OK) {
        if (strncmp(err.message, "series:", 7) != 0)
            abort();
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = patches[i].name;

        if (name[0] == '\0' || name[0] == '/' || strcmp(name, "..") == 0 ||
                strncmp(name, "../", 3) == 0 || strstr(name, "/../") != NULL ||
                patches[i].strip > ASSAY_QUILT_STRIP_MAX)
            abort();
    }
    assay_arena_destroy(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = size <= 65536 ? malloc(size + 1) : NULL; // to its last byte: a NUL follows
    struct assay_bytes text = {copy, size};
    struct assay_buf out;

    if (copy == NULL)
        return 0;
    memcpy(copy, data, size);
    copy[size] = '\0';
    check_series(text);
    assay_buf_init(&out, (size_t)1 << 20);
    assay_quilt_problem(&out, text);
    if (out.len > size + 1 ||
            (out.len > 0 && (out.data[0] == '\n' || out.data[out.len - 1] != '\n')))
        abort();
    for (unsigned strip = 0; strip < 3; strip++) {
        assay_buf_clear(&out);
        assay_quilt_diff(&out, text, strip);
        if (strip == 1 && (out.len != size || memcmp(out.data, copy, size) != 0))
            abort();
    }
    assay_buf_free(&out);
    free(copy);
    return 0;
}
