// SPDX-License-Identifier: MIT
// depot_dir.c - a directory of the host, as an import.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/depot_tree.h"

struct walk {
    struct assay_tree_builder *builder;
    const struct assay_strings *ignore;
    char cut[PATH_MAX]; // what lies below it is left out
};

static enum assay_status read_fd(
        void *user, void *bytes, size_t size, size_t *got, struct assay_error *err)
{
    const int *fd = user;
    ssize_t n = 0;

    do
        n = read(*fd, bytes, size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return assay_fail_errno(err, errno, "read");
    *got = (size_t)n;
    return ASSAY_OK;
}

static enum assay_status add_regular(struct assay_tree_builder *builder,
        const struct assay_fs_entry *entry, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct stat st;
    int fd = openat(
            entry->dir_fd, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0)
        return assay_fail_errno(err, errno, "open");
    // Looked at again: it may have become something else since the walk saw it.
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        status = assay_fail(err, ASSAY_EINVAL, "changed while it was read");
    else
        status = assay_tree_add_file(
                builder, entry->path, (st.st_mode & S_IXUSR) != 0, read_fd, &fd, err);
    close(fd);
    return status;
}

static enum assay_status add_symlink(struct assay_tree_builder *builder,
        const struct assay_fs_entry *entry, struct assay_error *err)
{
    char target[PATH_MAX];
    const ssize_t n = readlinkat(entry->dir_fd, entry->name, target, sizeof(target));

    if (n < 0)
        return assay_fail_errno(err, errno, "readlink");
    if (n >= PATH_MAX)
        return assay_fail(err, ASSAY_EINVAL, "link target too long");
    target[n] = '\0';
    return assay_tree_add_link(builder, entry->path, target, err);
}

static enum assay_status visit(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct walk *walk = user;

    if (assay_tree_below(entry->path, walk->cut))
        return ASSAY_OK;
    if (strcmp(entry->name, ".git") == 0 || assay_tree_ignored(entry->path, walk->ignore)) {
        snprintf(walk->cut, sizeof(walk->cut), "%s", entry->path);
        return ASSAY_OK;
    }
    if (S_ISDIR(entry->stat.st_mode))
        return assay_tree_add_dir(walk->builder, entry->path, err);
    if (S_ISREG(entry->stat.st_mode))
        return add_regular(walk->builder, entry, err);
    if (S_ISLNK(entry->stat.st_mode))
        return add_symlink(walk->builder, entry, err);
    return assay_fail(err, ASSAY_EINVAL, "neither file, directory nor link");
}

enum assay_status assay_tree_add_all(struct assay_tree_builder *builder, int dir_fd,
        const struct assay_strings *ignore, struct assay_error *err)
{
    struct walk walk = {.builder = builder, .ignore = ignore};

    return assay_fs_walk(dir_fd, 1024, visit, &walk, err);
}

enum assay_status assay_depot_add_dir(struct assay_depot *depot, const char *dir,
        const struct assay_strings *ignore, char hash[65], struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_tree_builder builder = {0};
    const int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir_fd < 0)
        return errno == ENOENT ? assay_fail(err, ASSAY_ENOTFOUND, "no directory %.200s", dir)
                               : assay_fail_errno(err, errno, "open %.150s", dir);
    status = assay_tree_begin(&builder, depot, err);
    if (status == ASSAY_OK)
        status = assay_tree_add_all(&builder, dir_fd, ignore, err);
    if (status == ASSAY_OK)
        status = assay_tree_commit(&builder, hash, err);
    assay_tree_end(&builder);
    close(dir_fd);
    return status;
}

enum assay_status assay_depot_add_files(struct assay_depot *depot,
        const struct assay_depot_file *files, size_t count, char hash[65], struct assay_error *err)
{
    struct assay_tree_builder builder = {0};
    enum assay_status status = assay_tree_begin(&builder, depot, err);

    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        status = assay_tree_add_bytes(&builder, files[i].path, files[i].executable,
                files[i].content.data, files[i].content.len, err);
    if (status == ASSAY_OK)
        status = assay_tree_commit(&builder, hash, err);
    assay_tree_end(&builder);
    return status;
}
