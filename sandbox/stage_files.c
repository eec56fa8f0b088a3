// SPDX-License-Identifier: MIT
// stage_files.c - what the stage has of its own instead of the host's mounts: each mount of the
// stage is made, and taken down, once for every box.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fs.h"
#include "sandbox/stage.h"

#define ENTRIES_MAX 4000
#define BYTES_MAX ((uint64_t)8 << 20)
#define DEPTH_MAX 16
#define BLOCK_BYTES 16384

// --- folders of /etc -----------------------------------------------------------------------------

struct copy {
    int dir_fd; // where to
    size_t entries;
    uint64_t bytes;
};

static bool copy_bytes(int from_fd, int to_fd)
{
    char block[BLOCK_BYTES];
    ssize_t got = 0;

    while ((got = read(from_fd, block, sizeof(block))) > 0)
        if (write(to_fd, block, (size_t)got) != got)
            return false;
    return got == 0;
}

// What not everybody may read is not for a box either, whoever we are.
static bool copy_file(const struct copy *copy, const struct assay_fs_entry *entry)
{
    const mode_t mode = entry->stat.st_mode & 0777;
    int from_fd = -1;
    int to_fd = -1;
    bool copied = false;

    if (!(mode & S_IROTH))
        return true;
    from_fd = openat(entry->dir_fd, entry->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from_fd >= 0)
        to_fd = openat(copy->dir_fd, entry->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    copied = to_fd >= 0 && copy_bytes(from_fd, to_fd);
    if (from_fd >= 0)
        close(from_fd);
    if (to_fd >= 0)
        close(to_fd);
    return copied;
}

static bool copy_link(const struct copy *copy, const struct assay_fs_entry *entry)
{
    char target[PATH_MAX];
    const ssize_t len = readlinkat(entry->dir_fd, entry->name, target, sizeof(target) - 1);

    if (len < 0)
        return false;
    target[len] = '\0';
    return symlinkat(target, copy->dir_fd, entry->path) == 0;
}

static enum assay_status copy_entry(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct copy *copy = user;
    bool copied = false;

    copy->bytes += S_ISREG(entry->stat.st_mode) ? (uint64_t)entry->stat.st_size : 0;
    if (++copy->entries > ENTRIES_MAX || copy->bytes > BYTES_MAX)
        return assay_fail(err, ASSAY_EREFUSED, "too much");
    if (S_ISDIR(entry->stat.st_mode))
        copied = mkdirat(copy->dir_fd, entry->path, entry->stat.st_mode & 0777) == 0;
    else if (S_ISREG(entry->stat.st_mode))
        copied = copy_file(copy, entry);
    else
        copied = S_ISLNK(entry->stat.st_mode) && copy_link(copy, entry);
    return copied ? ASSAY_OK : assay_fail_errno(err, errno, "copy");
}

bool assay_stage_copy(int root_fd, const char *path, bool is_directory)
{
    const int from_fd = openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct copy copy = {.dir_fd = -1};
    struct stat stat;
    bool copied = false;

    if (from_fd < 0 || fstat(from_fd, &stat) < 0)
        goto out;
    if (!is_directory) {
        copy.dir_fd = openat(root_fd, path + 1, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        copied = copy.dir_fd >= 0 && (uint64_t)stat.st_size <= BYTES_MAX &&
                copy_bytes(from_fd, copy.dir_fd);
        goto out;
    }
    if (mkdirat(root_fd, path + 1, stat.st_mode & 0777) < 0)
        goto out;
    copy.dir_fd = openat(root_fd, path + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    copied = copy.dir_fd >= 0 &&
            assay_fs_walk(from_fd, DEPTH_MAX, copy_entry, &copy, NULL) == ASSAY_OK;

out:
    if (from_fd >= 0)
        close(from_fd);
    if (copy.dir_fd >= 0)
        close(copy.dir_fd);
    return copied;
}

// --- /dev ----------------------------------------------------------------------------------------

bool assay_stage_make_nodes(int dev_fd)
{
    static const struct {
        const char *name;
        unsigned major, minor;
    } nodes[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8},
            {"urandom", 1, 9}, {"tty", 5, 0}};
    int null_fd = -1;

    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
        if (mknodat(dev_fd, nodes[i].name, S_IFCHR | 0666,
                    makedev(nodes[i].major, nodes[i].minor)) < 0)
            return false;
    // Where devices are kept from us by a group, or by the file system, they can be made and not
    // opened.
    null_fd = openat(dev_fd, "null", O_RDWR | O_CLOEXEC);
    if (null_fd >= 0)
        close(null_fd);
    return null_fd >= 0;
}
