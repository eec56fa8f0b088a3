// SPDX-License-Identifier: MIT
#include "sandbox/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sandbox/sys.h"

#define MAKE_TRIES 8 // a name that comes and goes under us
#define PIECE_BYTES ((size_t)1 << 20)

// --- opening -------------------------------------------------------------------------------------

// The init has capabilities in the box that its user has not. False with errno.
static bool set_effective(bool all)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];

    if (syscall(SYS_capget, &header, sets) < 0)
        return false;
    for (size_t i = 0; i < 2; i++)
        sets[i].effective = all ? sets[i].permitted : 0;
    return syscall(SYS_capset, &header, sets) == 0;
}

// A place in the tree, which opens nothing: a FIFO hears nothing of it. -1 with errno.
static int open_place(int root_fd, const struct assay_order_file *order)
{
    return sys_open_in_root(
            root_fd, order->path, O_PATH | (order->flags & ASSAY_ORDER_FOLLOW ? 0 : O_NOFOLLOW), 0);
}

// May the file at this place be opened? 0, or an errno.
static int check_place(int place_fd, bool directory, struct stat *stat)
{
    struct statfs system;

    if (fstat(place_fd, stat) < 0 || fstatfs(place_fd, &system) < 0)
        return errno;
    // Files of procfs are processes, the init among them.
    if (system.f_type == PROC_SUPER_MAGIC || system.f_type == SYSFS_MAGIC ||
            system.f_type == CGROUP_SUPER_MAGIC || system.f_type == CGROUP2_SUPER_MAGIC)
        return EPERM;
    if (S_ISLNK(stat->st_mode))
        return ELOOP;
    if (directory)
        return S_ISDIR(stat->st_mode) ? 0 : ENOTDIR;
    if (S_ISDIR(stat->st_mode))
        return EISDIR;
    return S_ISREG(stat->st_mode) ? 0 : EINVAL;
}

// The very file that place_fd stands for.
static int open_again(int proc_fd, int place_fd, int flags)
{
    char path[32];

    (void)snprintf(path, sizeof(path), "self/fd/%d", place_fd);
    return openat(proc_fd, path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int open_checked(const struct assay_order_file *order, int root_fd, int proc_fd, int flags,
        struct stat *stat)
{
    const int place_fd = open_place(root_fd, order);
    int fd = -1;
    int problem = place_fd < 0
            ? errno
            : check_place(place_fd, (order->flags & ASSAY_ORDER_DIRECTORY) != 0, stat);

    if (problem == 0) {
        fd = open_again(proc_fd, place_fd, flags);
        problem = fd < 0 ? errno : 0;
    }
    if (place_fd >= 0)
        close(place_fd);
    errno = problem;
    return fd;
}

// --- writing -------------------------------------------------------------------------------------

// The missing folders above `path`. False with errno.
static bool make_parents(int root_fd, const char *path)
{
    char partial[PATH_MAX];

    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        char *name = NULL;
        int fd = -1;

        (void)snprintf(partial, sizeof(partial), "%.*s", (int)(slash - path), path);
        fd = sys_open_in_root(root_fd, partial, O_PATH | O_DIRECTORY, 0);
        if (fd < 0 && errno == ENOENT) {
            name = strrchr(partial, '/');
            *name = '\0';
            fd = sys_open_in_root(
                    root_fd, partial[0] == '\0' ? "/" : partial, O_PATH | O_DIRECTORY, 0);
            if (fd >= 0 && mkdirat(fd, name + 1, 0755) < 0 && errno != EEXIST) {
                const int problem = errno;

                close(fd);
                errno = problem;
                fd = -1;
            }
        }
        if (fd < 0)
            return false;
        close(fd);
    }
    return true;
}

// An existing file, or a new one. -1 with errno.
static int open_to_write(const struct assay_order_file *order, int root_fd, int proc_fd)
{
    struct stat stat;

    for (int i = 0; i < MAKE_TRIES; i++) {
        // O_EXCL does not follow a link at the end, dangling or not.
        int fd = sys_open_in_root(root_fd, order->path,
                O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK | O_NOCTTY, order->mode & 0777);

        if (fd >= 0) {
            (void)fchmod(fd, order->mode & 0777); // whatever the umask
            return fd;
        }
        if (errno != EEXIST || (order->flags & ASSAY_ORDER_NEW))
            return -1;
        fd = open_checked(order, root_fd, proc_fd, O_WRONLY, &stat);
        if (fd >= 0 || errno != ENOENT)
            return fd;
    }
    errno = EAGAIN;
    return -1;
}

// 0, or an errno.
static int copy_content(int fd, int content_fd, struct stat *stat)
{
    off_t at = 0;
    struct stat content;

    if (fstat(content_fd, &content) < 0 || ftruncate(fd, 0) < 0)
        return errno;
    while (at < content.st_size) {
        const size_t left = (size_t)(content.st_size - at);
        const ssize_t sent = sendfile(fd, content_fd, &at, left < PIECE_BYTES ? left : PIECE_BYTES);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return sent < 0 ? errno : EIO;
    }
    return fstat(fd, stat) < 0 ? errno : 0;
}

static int write_file(const struct assay_order_file *order, int root_fd, int proc_fd,
        int content_fd, struct stat *stat)
{
    int fd = -1;
    int problem = 0;

    if (content_fd < 0)
        return EINVAL;
    if ((order->flags & ASSAY_ORDER_PARENTS) && !make_parents(root_fd, order->path))
        return errno;
    fd = open_to_write(order, root_fd, proc_fd);
    if (fd < 0)
        return errno;
    problem = copy_content(fd, content_fd, stat);
    if (close(fd) < 0 && problem == 0)
        problem = errno;
    return problem;
}

// --- orders --------------------------------------------------------------------------------------

static int stat_file(const struct assay_order_file *order, int root_fd, struct stat *stat)
{
    const int fd = open_place(root_fd, order);
    int problem = fd < 0 ? errno : 0;

    if (fd >= 0 && fstat(fd, stat) < 0)
        problem = errno;
    if (fd >= 0)
        close(fd);
    return problem;
}

void assay_reach_obey(struct assay_order_done *done, int *fd_out,
        const struct assay_order_file *order, int root_fd, int proc_fd, int content_fd)
{
    struct stat stat = {0};
    int problem = 0;

    *fd_out = -1;
    if (order->path[0] != '/' || memchr(order->path, '\0', sizeof(order->path)) == NULL) {
        problem = EINVAL;
    } else if (!set_effective(false)) {
        problem = errno;
    } else if (order->kind == ASSAY_ORDER_WRITE) {
        problem = write_file(order, root_fd, proc_fd, content_fd, &stat);
    } else if (order->kind == ASSAY_ORDER_STAT) {
        problem = stat_file(order, root_fd, &stat);
    } else {
        *fd_out = open_checked(order, root_fd, proc_fd,
                O_RDONLY | (order->flags & ASSAY_ORDER_DIRECTORY ? O_DIRECTORY : 0), &stat);
        problem = *fd_out < 0 ? errno : 0;
    }
    if (!set_effective(true))
        _exit(1); // an init without its capabilities could not make the next payload
    *done = (struct assay_order_done){.kind = ASSAY_ORDER_DONE,
            .sys_errno = problem,
            .mode = stat.st_mode,
            .links = (uint32_t)stat.st_nlink,
            .size = (uint64_t)stat.st_size,
            .mtime_s = stat.st_mtim.tv_sec};
}
