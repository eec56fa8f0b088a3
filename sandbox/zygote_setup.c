// SPDX-License-Identifier: MIT
#include "sandbox/zygote_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/ids.h"
#include "sandbox/procfile.h"

#define TEXT_BYTES_MAX ((size_t)1 << 20)

static bool put(int fd, const void *bytes, size_t len)
{
    return write(fd, bytes, len) == (ssize_t)len;
}

static bool take(int fd, void *bytes, size_t len)
{
    return read(fd, bytes, len) == (ssize_t)len;
}

int assay_zygote_setup_write(
        const struct assay_profiles *profiles, const struct assay_skeleton *skeleton)
{
    const int fd = memfd_create("assay-zygote", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool written =
            fd >= 0 && put(fd, profiles, sizeof(*profiles)) && put(fd, skeleton, sizeof(*skeleton));

    for (size_t i = 0; written && i < skeleton->count; i++)
        written = skeleton->entries[i].text == NULL ||
                put(fd, skeleton->entries[i].text, skeleton->entries[i].text_len);
    written = written && lseek(fd, 0, SEEK_SET) == 0 &&
            fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
    if (written || fd < 0)
        return fd;
    close(fd);
    errno = EIO;
    return -1;
}

static bool take_text(int fd, struct assay_skeleton_entry *entry)
{
    if (entry->text == NULL)
        return true;
    if (entry->text_len > TEXT_BYTES_MAX)
        return false;
    entry->text = malloc(entry->text_len + 1);
    if (entry->text == NULL || !take(fd, entry->text, entry->text_len))
        return false;
    entry->text[entry->text_len] = '\0';
    return true;
}

bool assay_zygote_setup_read(struct assay_zygote_setup *out, int fd)
{
    if (!take(fd, &out->profiles, sizeof(out->profiles)) ||
            !take(fd, &out->skeleton, sizeof(out->skeleton)) ||
            out->skeleton.count > ASSAY_SKELETON_ENTRIES_MAX)
        return false;
    for (size_t i = 0; i < out->skeleton.count; i++)
        if (!take_text(fd, &out->skeleton.entries[i]))
            return false;
    return true;
}

bool assay_zygote_map_ids(struct assay_fault *fault)
{
    char map[48];

    (void)snprintf(map, sizeof(map), "%u %u 1", ASSAY_BOX_UID, ASSAY_BOX_UID);
    return (assay_procfile_write(-1, "/proc/self/setgroups", "deny") &&
                   assay_procfile_write(-1, "/proc/self/uid_map", map) &&
                   assay_procfile_write(-1, "/proc/self/gid_map", map)) ||
            assay_fault_set(fault, "uid map");
}
