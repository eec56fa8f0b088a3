// SPDX-License-Identifier: MIT
// dockerfile_fuzz.c - what is followed stays inside: copies come from below the folder, paths in
// the box are absolute; an error names the file.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "tasks/dockerfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_arena *arena = NULL;
    struct assay_dockerfile docker;
    struct assay_error err = {0};
    struct assay_bytes text = {NULL, size};

    if (size > 65536 || assay_arena_create(&arena, (size_t)256 << 20, NULL) != ASSAY_OK)
        return 0;
    text.data = assay_arena_memdup(arena, data, size);
    if (assay_dockerfile_read(&docker, text, "Dockerfile", arena, &err) != ASSAY_OK) {
        check(strncmp(err.message, "Dockerfile:", 11) == 0);
    } else {
        check(docker.from != NULL && docker.workdir[0] == '/');
        check(strstr(docker.workdir, "/..") == NULL);
        for (size_t i = 0; i < docker.env.count; i++)
            check(strchr(docker.env.items[i], '=') != NULL);
        for (size_t i = 0; i < docker.copy_count; i++)
            check(docker.copies[i].to[0] == '/' &&
                    (strcmp(docker.copies[i].from, ".") == 0 ||
                            assay_fs_path_is_plain(docker.copies[i].from)));
    }
    assay_arena_destroy(arena);
    return 0;
}
