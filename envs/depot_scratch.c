// SPDX-License-Identifier: MIT
// depot_scratch.c - scratch directories that are used again: on a file system that tells its disk
// of each block that is freed, a folder's end takes longer than all that is written into it.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/depot_tree.h"

enum assay_status assay_depot_take_scratch(
        struct assay_depot *depot, char path[PATH_MAX], struct assay_error *err)
{
    char name[32];
    bool found = false;

    pthread_mutex_lock(&depot->scratch.lock);
    found = depot->scratch.count > 0;
    if (found)
        (void)snprintf(name, sizeof(name), "%llu",
                (unsigned long long)depot->scratch.names[--depot->scratch.count]);
    pthread_mutex_unlock(&depot->scratch.lock);
    return found ? assay_depot_path(path, depot->tmp, name, err)
                 : assay_depot_tmp(depot, path, err);
}

// Whatever is in the directory, or, at the second level, in the folders of the directory.
static bool empty(int parent_fd, const char *name, bool keeps_folders)
{
    const int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    bool emptied = dir != NULL;

    if (dir == NULL && fd >= 0)
        close(fd);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): this stream is this thread's alone
    while (emptied && (entry = readdir(dir)) != NULL) {
        const char *inside = entry->d_name;

        if (strcmp(inside, ".") == 0 || strcmp(inside, "..") == 0)
            continue;
        if (keeps_folders)
            emptied = empty(fd, inside, false);
        else if (unlinkat(fd, inside, 0) != 0)
            emptied = assay_fs_remove_tree(fd, inside, NULL) == ASSAY_OK;
    }
    if (dir != NULL)
        closedir(dir);
    return emptied;
}

void assay_depot_give_scratch(struct assay_depot *depot, const char *path)
{
    const size_t prefix = strlen(depot->tmp) + 1;
    bool kept = false;

    if (strncmp(path, depot->tmp, prefix - 1) == 0 && strlen(path) > prefix &&
            empty(depot->tmp_fd, path + prefix, true)) {
        pthread_mutex_lock(&depot->scratch.lock);
        kept = depot->scratch.count < ASSAY_SCRATCH_MAX;
        if (kept)
            depot->scratch.names[depot->scratch.count++] = strtoull(path + prefix, NULL, 10);
        pthread_mutex_unlock(&depot->scratch.lock);
    }
    if (!kept)
        assay_depot_drop_tmp(depot, path);
}
