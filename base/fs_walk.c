// SPDX-License-Identifier: MIT
// fs_walk.c - visit file trees, and copy them, with a handful of descriptors.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/fs_stack.h"

enum { COPY_DEPTH_MAX = 2048 }; // a path that is deeper has no room for its names

struct walk {
    struct assay_fs_stack stack;
    struct assay_buf path; // of the entry being visited
    unsigned depth_max;
    assay_fs_visit visit;
    // Called (may be NULL) with a directory, open as fd, after all in it was visited.
    enum assay_status (*leave)(const char *path, int fd, void *user, struct assay_error *err);
    void *user;
};

// Visiting.

static int by_bytes_descending(const void *a, const void *b, void *text)
{
    const char *names = text;

    return strcmp(names + *(const size_t *)b, names + *(const size_t *)a);
}

// Put the names of the last frame into descending order: the first is then the next to be visited.
static enum assay_status sort_names(struct assay_fs_stack *stack, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const size_t start = stack->frames[stack->frame_count - 1].names_start;
    const size_t bytes = stack->names.len - start;
    char *const text = stack->names.data + start;
    size_t *offsets = NULL;
    char *sorted = NULL;
    char *put = NULL;
    size_t count = 0;

    if (bytes == 0)
        return ASSAY_OK;
    for (size_t i = 0; i < bytes; i++)
        count += text[i] == '\0';
    offsets = calloc(count, sizeof(*offsets));
    sorted = malloc(bytes);
    if (offsets == NULL || sorted == NULL) {
        status = assay_fail(err, ASSAY_ENOMEM, "no memory to sort a directory");
        goto out;
    }
    for (size_t i = 1; i < count; i++)
        offsets[i] = offsets[i - 1] + strlen(text + offsets[i - 1]) + 1;
    qsort_r(offsets, count, sizeof(*offsets), by_bytes_descending, text);
    put = sorted;
    for (size_t i = 0; i < count; i++)
        put = stpcpy(put, text + offsets[i]) + 1;
    memcpy(text, sorted, bytes);

out:
    free(sorted);
    free(offsets);
    return status;
}

// Stand on the directory `fd`, which is handed over, and list it.
static enum assay_status enter(struct walk *walk, int fd, struct assay_error *err)
{
    enum assay_status status = assay_fs_stack_push(&walk->stack, fd, err);
    const struct dirent *entry = NULL;
    DIR *dir = NULL;

    if (status != ASSAY_OK)
        return status;
    dir = assay_fs_open_stream(walk->stack.fd);
    if (dir == NULL)
        return assay_fail_errno(err, errno, "read directory");
    while (status == ASSAY_OK && (entry = assay_fs_next_entry(dir)) != NULL)
        status = assay_fs_stack_add_name(&walk->stack, entry->d_name, err);
    if (status == ASSAY_OK && errno != 0)
        status = assay_fail_errno(err, errno, "read directory");
    (void)closedir(dir);
    if (status == ASSAY_OK)
        status = sort_names(&walk->stack, err);
    return status;
}

static void cut_last_component(struct assay_buf *path)
{
    const char *slash = strrchr(path->data, '/');

    assay_buf_truncate(path, slash != NULL ? (size_t)(slash - path->data) : 0);
}

static enum assay_status descend(
        struct walk *walk, const struct assay_fs_entry *entry, struct assay_error *err)
{
    const int fd = assay_fs_open_child(entry->dir_fd, entry->name);

    if (fd < 0 && errno == EXDEV) { // a mount point: seen, not entered
        cut_last_component(&walk->path);
        return ASSAY_OK;
    }
    if (fd < 0)
        return assay_fail_errno(err, errno, "open directory");
    if (walk->stack.frame_count >= walk->depth_max) {
        close(fd);
        return assay_fail(err, ASSAY_EINVAL, "nested deeper than %u directories", walk->depth_max);
    }
    return enter(walk, fd, err);
}

// Nothing is left in the directory stood on.
static enum assay_status ascend(struct walk *walk, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    if (walk->leave != NULL && walk->path.len > 0)
        status = walk->leave(walk->path.data, walk->stack.fd, walk->user, err);
    if (status != ASSAY_OK)
        return status;
    cut_last_component(&walk->path);
    return assay_fs_stack_pop(&walk->stack, err);
}

static enum assay_status step(struct walk *walk, const char *name, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const size_t parent_len = walk->path.len;
    struct assay_fs_entry entry = {.dir_fd = walk->stack.fd};

    if (parent_len > 0)
        (void)assay_buf_addc(&walk->path, '/');
    (void)assay_buf_adds(&walk->path, name);
    status = assay_buf_check(&walk->path, "path", err);
    if (status != ASSAY_OK)
        return status;
    assay_fs_stack_drop_name(&walk->stack);

    entry.path = walk->path.data;
    entry.name = walk->path.data + (parent_len > 0 ? parent_len + 1 : 0);
    if (fstatat(entry.dir_fd, entry.name, &entry.stat, AT_SYMLINK_NOFOLLOW) != 0)
        return assay_fail_errno(err, errno, "stat");
    status = walk->visit(&entry, walk->user, err);
    if (status != ASSAY_OK)
        return status;
    if (S_ISDIR(entry.stat.st_mode))
        return descend(walk, &entry, err);
    cut_last_component(&walk->path);
    return ASSAY_OK;
}

static enum assay_status walk_tree(struct walk *walk, int dir_fd, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const int root = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assay_fs_stack_init(&walk->stack);
    assay_buf_init(&walk->path, ((size_t)walk->depth_max + 1) * (NAME_MAX + 1));
    if (root < 0)
        status = assay_fail_errno(err, errno, "open directory");
    else
        status = enter(walk, root, err);
    while (status == ASSAY_OK && walk->stack.frame_count > 0) {
        const char *name = assay_fs_stack_name(&walk->stack);

        status = name != NULL ? step(walk, name, err) : ascend(walk, err);
    }
    if (status != ASSAY_OK && walk->path.len > 0)
        (void)assay_wrap(err, "%s", walk->path.data);
    assay_buf_free(&walk->path);
    assay_fs_stack_free(&walk->stack);
    return status;
}

enum assay_status assay_fs_walk(
        int dir_fd, unsigned depth_max, assay_fs_visit visit, void *user, struct assay_error *err)
{
    struct walk walk = {.depth_max = depth_max, .visit = visit, .user = user};

    return walk_tree(&walk, dir_fd, err);
}

// Copying.

struct copy {
    int dst_fd;
    int parent_fd;                // of the entry last copied, in the new tree; -1 at first
    struct assay_buf parent_path; // its path
};

// All bytes: shared where the file system can, moved in the kernel where it
// can, through memory otherwise.
static enum assay_status copy_bytes(int src, int dst, struct assay_error *err)
{
    char bytes[32 * 1024];
    ssize_t got = 0;

    if (ioctl(dst, FICLONE, src) == 0)
        return ASSAY_OK;
    do {
        got = copy_file_range(src, NULL, dst, NULL, 1U << 30, 0);
    } while (got > 0 || (got < 0 && errno == EINTR));
    // Both offsets stand where that gave up. It also answers 0 for files that
    // have no size before they are read (/proc), so the end is always read.
    for (;;) {
        enum assay_status status = ASSAY_OK;

        got = read(src, bytes, sizeof(bytes));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return assay_fail_errno(err, errno, "read");
        if (got == 0)
            return ASSAY_OK;
        status = assay_fs_write_all(dst, bytes, (size_t)got, err);
        if (status != ASSAY_OK)
            return status;
    }
}

static enum assay_status copy_file(
        const struct copy *copy, const struct assay_fs_entry *entry, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct stat st;
    int dst = -1;
    // O_NONBLOCK: what was a file at the stat may be a FIFO by now.
    const int src = openat(
            entry->dir_fd, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (src < 0 || fstat(src, &st) != 0) {
        status = assay_fail_errno(err, errno, "open");
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        status = assay_fail(err, ASSAY_EINVAL, "not a regular file any more");
        goto out;
    }
    dst = openat(copy->parent_fd, entry->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (dst < 0) {
        status = assay_fail_errno(err, errno, "create");
        goto out;
    }
    status = copy_bytes(src, dst, err);
    if (status == ASSAY_OK && fchmod(dst, st.st_mode & 0777U) != 0)
        status = assay_fail_errno(err, errno, "set mode");

out:
    if (dst >= 0 && close(dst) != 0 && status == ASSAY_OK)
        status = assay_fail_errno(err, errno, "close");
    if (src >= 0)
        close(src);
    return status;
}

static enum assay_status copy_link(
        const struct copy *copy, const struct assay_fs_entry *entry, struct assay_error *err)
{
    char target[PATH_MAX];
    const ssize_t len = readlinkat(entry->dir_fd, entry->name, target, sizeof(target));

    if (len < 0 || (size_t)len >= sizeof(target))
        return assay_fail_errno(err, len < 0 ? errno : ENAMETOOLONG, "read link");
    target[len] = '\0';
    if (symlinkat(target, copy->parent_fd, entry->name) != 0)
        return assay_fail_errno(err, errno, "create link");
    return ASSAY_OK;
}

// Make copy->parent_fd the directory of the new tree that `entry` belongs into.
static enum assay_status find_parent(
        struct copy *copy, const struct assay_fs_entry *entry, struct assay_error *err)
{
    const size_t len = entry->name > entry->path ? (size_t)(entry->name - entry->path - 1) : 0;

    if (copy->parent_fd >= 0 && len == copy->parent_path.len &&
            memcmp(entry->path, copy->parent_path.data, len) == 0)
        return ASSAY_OK;
    assay_buf_clear(&copy->parent_path);
    if (!assay_buf_add(&copy->parent_path, entry->path, len))
        return assay_buf_check(&copy->parent_path, "path", err);
    if (copy->parent_fd >= 0)
        close(copy->parent_fd);
    copy->parent_fd = assay_fs_open_beneath(
            copy->dst_fd, len > 0 ? copy->parent_path.data : ".", O_PATH | O_DIRECTORY, 0);
    if (copy->parent_fd < 0)
        return assay_fail_errno(err, errno, "open the new directory");
    return ASSAY_OK;
}

static enum assay_status copy_entry(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct copy *copy = user;
    const enum assay_status status = find_parent(copy, entry, err);

    if (status != ASSAY_OK)
        return status;
    if (S_ISREG(entry->stat.st_mode))
        return copy_file(copy, entry, err);
    if (S_ISLNK(entry->stat.st_mode))
        return copy_link(copy, entry, err);
    if (!S_ISDIR(entry->stat.st_mode))
        return assay_fail(err, ASSAY_EINVAL, "neither file nor directory nor link");
    // Its own mode may forbid to write in it: that comes when all is in it.
    if (mkdirat(copy->parent_fd, entry->name, 0700) != 0 && errno != EEXIST)
        return assay_fail_errno(err, errno, "create directory");
    return ASSAY_OK;
}

static enum assay_status copy_leave(const char *path, int fd, void *user, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const struct copy *copy = user;
    const int dst = assay_fs_open_beneath(copy->dst_fd, path, O_RDONLY | O_DIRECTORY, 0);
    struct stat st;

    if (dst < 0 || fstat(fd, &st) != 0 || fchmod(dst, st.st_mode & 0777U) != 0)
        status = assay_fail_errno(err, errno, "set mode");
    if (dst >= 0)
        close(dst);
    return status;
}

enum assay_status assay_fs_copy_tree(int src_fd, int dst_fd, struct assay_error *err)
{
    struct copy copy = {.dst_fd = dst_fd, .parent_fd = -1};
    struct walk walk = {
            .depth_max = COPY_DEPTH_MAX,
            .visit = copy_entry,
            .leave = copy_leave,
            .user = &copy,
    };
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&copy.parent_path, PATH_MAX);
    status = walk_tree(&walk, src_fd, err);
    if (copy.parent_fd >= 0)
        close(copy.parent_fd);
    assay_buf_free(&copy.parent_path);
    return status;
}
