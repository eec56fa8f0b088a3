// SPDX-License-Identifier: MIT
#include "sandbox/memory_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define PREFIX "/memfd:"

uint64_t assay_memory_files_host_bytes(void)
{
    struct sysinfo info;

    return sysinfo(&info) < 0 ? 0 : (uint64_t)info.sharedram * info.mem_unit;
}

// False when it was there already, or there is no more room.
static bool note(struct assay_memory_files *files, uint64_t inode)
{
    size_t at = inode * 0x9e3779b97f4a7c15 % ASSAY_MEMORY_FILES_MAX;

    if (files->file_count >= ASSAY_MEMORY_FILES_MAX / 2)
        return false;
    while (files->seen[at] != 0) {
        if (files->seen[at] == inode)
            return false;
        at = (at + 1) % ASSAY_MEMORY_FILES_MAX;
    }
    files->seen[at] = inode;
    files->file_count++;
    return true;
}

void assay_memory_files_add(struct assay_memory_files *files, int proc_fd, const char *pid)
{
    char path[48];
    DIR *dir = NULL;
    const struct dirent *entry = NULL;
    int fd = -1;

    (void)snprintf(path, sizeof(path), "%.20s/fd", pid);
    fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): assay-box has one thread
    while ((entry = readdir(dir)) != NULL && files->fd_count < ASSAY_MEMORY_FILES_FDS_MAX) {
        char target[sizeof(PREFIX)] = "";
        struct stat stat;

        files->fd_count++;
        if (readlinkat(fd, entry->d_name, target, sizeof(target) - 1) <= 0 ||
                strcmp(target, PREFIX) != 0 || fstatat(fd, entry->d_name, &stat, 0) < 0)
            continue;
        if (note(files, stat.st_ino))
            files->bytes += (uint64_t)stat.st_blocks * 512;
    }
    closedir(dir);
}
