// SPDX-License-Identifier: MIT
// patch_path.c - which paths a patch may name.
//
// ".git" must not be reachable under any spelling that some file system takes
// for it: HFS+ ignores case and zero-width characters, NTFS ignores case,
// trailing dots and spaces, and a ":stream", and gives it the short name "git~1".
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "base/fs.h"
#include "tasks/patch_read.h"

// Length of the zero-width character at p that HFS+ ignores, or 0.
static size_t ignorable_length(const unsigned char *p, const unsigned char *end)
{
    static const uint32_t ranges[][2] = {
            {0x200c, 0x200f}, // joiners and marks
            {0x202a, 0x202e}, // embeddings and overrides
            {0x206a, 0x206f}, // deprecated shaping controls
            {0xfeff, 0xfeff}, // zero-width no-break space
    };
    uint32_t c = 0;

    if (end - p < 3 || (p[0] & 0xf0) != 0xe0)
        return 0;
    c = (p[0] & 0x0fU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return 3;
    }
    return 0;
}

static bool component_is_git(const char *name, size_t len)
{
    const unsigned char *p = (const unsigned char *)name;
    const unsigned char *end = p + len;
    char plain[NAME_MAX + 1];
    size_t plain_len = 0;

    while (p < end && *p != ':') {
        const size_t skip = ignorable_length(p, end);

        if (skip == 0)
            plain[plain_len++] = (char)*p;
        p += skip > 0 ? skip : 1;
    }
    while (plain_len > 0 && (plain[plain_len - 1] == '.' || plain[plain_len - 1] == ' '))
        plain_len--;
    plain[plain_len] = '\0';
    return strcasecmp(plain, ".git") == 0 || strcasecmp(plain, "git~1") == 0;
}

bool assay_patch_path_allowed(const char *path)
{
    if (strlen(path) > ASSAY_PATH_BYTES_MAX || !assay_fs_path_is_plain(path))
        return false;
    for (const char *p = path; *p != '\0';) {
        const size_t len = strcspn(p, "/\\"); // NTFS takes both for a separator

        if (len > NAME_MAX || component_is_git(p, len))
            return false;
        p += len;
        if (*p != '\0')
            p++;
    }
    return true;
}
