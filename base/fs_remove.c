// SPDX-License-Identifier: MIT
// fs_remove.c - remove file trees of any depth with a handful of descriptors.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/fs_stack.h"

enum { RESCANS_MAX = 1000 }; // of directories that were not empty after they were emptied

// Give the owner all rights on a directory that could not be opened.
static void make_readable(int fd, const char *name)
{
    char link[40];
    const int path_fd = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (path_fd < 0)
        return;
    // fchmod() refuses an O_PATH descriptor; its link in /proc does the same.
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
    (void)chmod(link, S_IRWXU); // the open that follows reports what went wrong
    close(path_fd);
}

// Remove one entry of `fd`. *is_full says that it is a directory with something in it.
static enum assay_status remove_entry(
        int fd, const char *name, bool *is_full, struct assay_error *err)
{
    *is_full = false;
    if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
        return ASSAY_OK;
    if (errno == EISDIR && (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT))
        return ASSAY_OK;
    if (errno == ENOTEMPTY || errno == EEXIST) {
        *is_full = true;
        return ASSAY_OK;
    }
    return assay_fail_errno(err, errno, "remove entry %s", name);
}

// Empty the directory stood on as far as one level goes; what stays is added to the names.
static enum assay_status sweep(struct assay_fs_stack *stack, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const struct dirent *entry = NULL;
    DIR *dir = assay_fs_open_stream(stack->fd);

    if (dir == NULL)
        return assay_fail_errno(err, errno, "read directory");
    while (status == ASSAY_OK && (entry = assay_fs_next_entry(dir)) != NULL) {
        bool is_full = false;

        status = remove_entry(stack->fd, entry->d_name, &is_full, err);
        if (status == ASSAY_OK && is_full)
            status = assay_fs_stack_add_name(stack, entry->d_name, err);
    }
    if (status == ASSAY_OK && errno != 0)
        status = assay_fail_errno(err, errno, "read directory");
    (void)closedir(dir);
    return status;
}

static enum assay_status descend(
        struct assay_fs_stack *stack, const char *name, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct stat st;
    int fd = assay_fs_open_child(stack->fd, name);

    if (fd < 0 && errno == EACCES) {
        make_readable(stack->fd, name);
        fd = assay_fs_open_child(stack->fd, name);
    }
    if (fd < 0)
        return assay_fail_errno(err, errno, "open directory %s", name);
    if (fstat(fd, &st) == 0 && (st.st_mode & S_IRWXU) != S_IRWXU)
        (void)fchmod(fd, S_IRWXU); // where it is not ours to change, the sweep says so
    status = assay_fs_stack_push(stack, fd, err);
    if (status == ASSAY_OK)
        status = sweep(stack, err);
    return status;
}

// The directory stood on has been worked through: go up and remove it. One that is still not
// empty (readdir may pass over entries while others are removed) stays the next name.
static enum assay_status ascend(
        struct assay_fs_stack *stack, unsigned *rescans, struct assay_error *err)
{
    bool is_full = false;
    enum assay_status status = assay_fs_stack_pop(stack, err);

    if (status != ASSAY_OK || stack->frame_count == 0)
        return status;
    status = remove_entry(stack->fd, assay_fs_stack_name(stack), &is_full, err);
    if (status != ASSAY_OK)
        return status;
    if (!is_full)
        assay_fs_stack_drop_name(stack);
    else if (++*rescans > RESCANS_MAX)
        return assay_fail(
                err, ASSAY_ECONFLICT, "directory %s keeps filling", assay_fs_stack_name(stack));
    return ASSAY_OK;
}

// Remove `name`, a directory that is not empty, below parent_fd, which is handed over.
static enum assay_status remove_full(int parent_fd, const char *name, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_fs_stack stack;
    unsigned rescans = 0;

    assay_fs_stack_init(&stack);
    status = assay_fs_stack_push(&stack, parent_fd, err);
    if (status == ASSAY_OK)
        status = assay_fs_stack_add_name(&stack, name, err);
    while (status == ASSAY_OK && stack.frame_count > 0) {
        const char *next = assay_fs_stack_name(&stack);

        status = next != NULL ? descend(&stack, next, err) : ascend(&stack, &rescans, err);
    }
    assay_fs_stack_free(&stack);
    return status;
}

enum assay_status assay_fs_remove_tree(int dir_fd, const char *path, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    bool is_full = false;
    char *parent = NULL;
    int fd = -1;

    if (!assay_fs_path_is_plain(path))
        return assay_fail(err, ASSAY_EINVAL, "remove %s: not a plain relative path", path);
    parent = slash != NULL ? strndup(path, (size_t)(slash - path)) : strdup(".");
    if (parent == NULL) {
        status = assay_fail(err, ASSAY_ENOMEM, "no memory for a path");
        goto out;
    }
    fd = assay_fs_open_beneath(dir_fd, parent, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        if (errno != ENOENT)
            status = assay_fail_errno(err, errno, "open the directory above");
        goto out;
    }
    status = remove_entry(fd, name, &is_full, err);
    if (status == ASSAY_OK && is_full) {
        status = remove_full(fd, name, err);
        fd = -1;
    }

out:
    if (fd >= 0)
        close(fd);
    free(parent);
    if (status != ASSAY_OK)
        (void)assay_wrap(err, "remove %s", path);
    return status;
}
