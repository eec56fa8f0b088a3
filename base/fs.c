// SPDX-License-Identifier: MIT
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rng.h"

enum { READ_BYTES = 64 * 1024 };

// Opening below a directory.

// Next component of *path into name; false when none is left. Empty and "."
// components mean nothing and are passed over.
static bool next_component(const char **path, char name[NAME_MAX + 1], int *error)
{
    for (;;) {
        const char *slash = NULL;
        size_t len = 0;

        while (**path == '/')
            (*path)++;
        if (**path == '\0')
            return false;
        slash = strchrnul(*path, '/');
        len = (size_t)(slash - *path);
        if (len > NAME_MAX) {
            *error = ENAMETOOLONG;
            return false;
        }
        memcpy(name, *path, len);
        name[len] = '\0';
        *path = slash;
        if (strcmp(name, ".") != 0)
            return true;
    }
}

static bool has_parent_component(const char *path)
{
    while (*path != '\0') {
        const size_t len = (size_t)(strchrnul(path, '/') - path);

        if (len == 2 && memcmp(path, "..", 2) == 0)
            return true;
        path += len;
        while (*path == '/')
            path++;
    }
    return false;
}

// Closes fd unless it is the caller's. Returns the directory `name` in it, or -1 with errno.
static int step_into(int fd, const char *name, bool is_callers)
{
    struct stat st;
    const int next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int error = next < 0 ? errno : 0;

    // openat2 says ELOOP of a link on the way; ENOTDIR would hide that it was one.
    if (error == ENOTDIR && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
        error = ELOOP;
    if (!is_callers)
        close(fd);
    errno = error;
    return next;
}

// open_beneath without openat2: each component is opened with O_NOFOLLOW below
// the one before, so no step can lead through a link or upwards.
static int open_by_component(int dir_fd, const char *path, int flags, mode_t mode)
{
    char name[NAME_MAX + 1];
    char ahead[NAME_MAX + 1];
    int error = 0;
    int fd = dir_fd;
    int last = -1;

    if (path[strlen(path) - 1] == '/')
        flags |= O_DIRECTORY;
    if (!next_component(&path, name, &error))
        memcpy(name, ".", 2); // "." or "./": the directory itself
    while (error == 0 && next_component(&path, ahead, &error)) {
        fd = step_into(fd, name, fd == dir_fd);
        if (fd < 0)
            return -1;
        memcpy(name, ahead, sizeof(name));
    }
    if (error == 0) {
        last = openat(fd, name, flags, mode);
        error = last < 0 ? errno : 0;
    }
    if (fd != dir_fd)
        close(fd);
    errno = error;
    return last;
}

int assay_fs_open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
    const struct open_how how = {
            .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
            .mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? mode & 07777U : 0,
            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -1;

    if (path[0] == '\0') {
        errno = ENOENT;
        return -1;
    }
    // The kernel would allow a ".." that stays inside. Nobody here needs one, and
    // without it both ways of opening mean the same.
    if (path[0] == '/' || has_parent_component(path)) {
        errno = EXDEV;
        return -1;
    }
    do {
        fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
    } while (fd < 0 && (errno == EAGAIN || errno == EINTR)); // a rename ran beside us
    // Container profiles that do not know the call answer EPERM; a real EPERM comes again.
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return open_by_component(dir_fd, path, (int)how.flags, mode);
    return (int)fd;
}

bool assay_fs_path_is_plain(const char *path)
{
    if (*path == '\0')
        return false;
    for (const char *p = path; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    }
    for (;;) {
        const size_t len = (size_t)(strchrnul(path, '/') - path);

        if (len == 0 || (len == 1 && path[0] == '.') ||
                (len == 2 && path[0] == '.' && path[1] == '.'))
            return false;
        if (path[len] == '\0')
            return true;
        path += len + 1;
    }
}

enum assay_status assay_fs_mkdirs(
        int dir_fd, const char *path, mode_t mode, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const char *rest = path;
    char name[NAME_MAX + 1];
    int error = 0;
    int fd = dir_fd;

    if (!assay_fs_path_is_plain(path))
        return assay_fail(err, ASSAY_EINVAL, "not a plain relative path: %s", path);
    while (status == ASSAY_OK && next_component(&rest, name, &error)) {
        int next = -1;

        if (mkdirat(fd, name, mode) == 0 || errno == EEXIST)
            next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            status = assay_fail_errno(err, errno, "make directory %s", path);
        if (fd != dir_fd)
            close(fd);
        fd = next;
    }
    if (status == ASSAY_OK && error != 0)
        status = assay_fail_errno(err, error, "make directory %s", path);
    if (fd >= 0 && fd != dir_fd)
        close(fd);
    return status;
}

// Whole files.

enum assay_status assay_fs_read_fd(struct assay_buf *buf, int fd, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const size_t len_before = buf->len;
    const bool failed_before = buf->failed;
    struct stat st;
    size_t want = READ_BYTES;
    ssize_t got = 0;

    if (failed_before)
        return assay_buf_check(buf, "file", err);
    // One byte more than the file is said to have: the read that finds the end needs no growth.
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        want = (size_t)st.st_size + 1;
    do {
        char beyond = 0; // when the buffer is full, tells "ends here" from "goes on"
        const size_t left = buf->max - buf->len;
        const size_t room = want < left ? want : left;

        if (room > 0 && !assay_buf_reserve(buf, room))
            break;
        got = room > 0 ? read(fd, buf->data + buf->len, room) : read(fd, &beyond, 1);
        if (got > 0 && room == 0) {
            buf->failed = true;
        } else if (got > 0) {
            buf->len += (size_t)got;
            buf->data[buf->len] = '\0';
            want = READ_BYTES;
        }
    } while (!buf->failed && (got > 0 || (got < 0 && errno == EINTR)));
    if (got < 0)
        status = assay_fail_errno(err, errno, "read");
    else
        status = assay_buf_check(buf, "file", err);
    if (status != ASSAY_OK) {
        assay_buf_truncate(buf, len_before);
        buf->failed = failed_before;
    }
    return status;
}

enum assay_status assay_fs_read_file(
        struct assay_buf *buf, const char *path, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 && errno == ENOENT)
        return assay_fail(err, ASSAY_ENOTFOUND, "%s does not exist", path);
    if (fd < 0)
        return assay_fail_errno(err, errno, "open %s", path);
    status = assay_fs_read_fd(buf, fd, err);
    close(fd);
    if (status != ASSAY_OK)
        (void)assay_wrap(err, "%s", path);
    return status;
}

enum assay_status assay_fs_write_all(
        int fd, const void *bytes, size_t size, struct assay_error *err)
{
    const char *rest = bytes;

    while (size > 0) {
        const ssize_t put = write(fd, rest, size);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return assay_fail_errno(err, errno, "write");
        rest += put;
        size -= (size_t)put;
    }
    return ASSAY_OK;
}

static enum assay_status write_beside(int dir_fd, const char *temporary, const void *bytes,
        size_t size, mode_t mode, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return assay_fail_errno(err, errno, "create a file");
    status = assay_fs_write_all(fd, bytes, size, err);
    if (status == ASSAY_OK && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
        status = assay_fail_errno(err, errno, "write");
    // Some file systems report a full disk only here.
    if (close(fd) != 0 && status == ASSAY_OK)
        status = assay_fail_errno(err, errno, "close");
    if (status != ASSAY_OK)
        (void)unlinkat(dir_fd, temporary, 0);
    return status;
}

enum assay_status assay_fs_replace_file(
        const char *path, const void *bytes, size_t size, mode_t mode, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    char folder[PATH_MAX] = ".";
    char temporary[40];
    uint64_t nonce = 0;
    int dir_fd = -1;

    if (slash != NULL) {
        const size_t len = slash == path ? 1 : (size_t)(slash - path);

        if (len >= sizeof(folder)) {
            status = assay_fail_errno(err, ENAMETOOLONG, "open folder");
            goto out;
        }
        memcpy(folder, path, len);
        folder[len] = '\0';
    }
    dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        status = assay_fail_errno(err, errno, "open folder");
        goto out;
    }
    status = assay_rng_bytes(&nonce, sizeof(nonce), err);
    if (status != ASSAY_OK)
        goto out;
    (void)snprintf(temporary, sizeof(temporary), ".assay-%016" PRIx64 ".tmp", nonce);
    status = write_beside(dir_fd, temporary, bytes, size, mode, err);
    if (status != ASSAY_OK)
        goto out;
    if (renameat(dir_fd, temporary, dir_fd, name) != 0) {
        status = assay_fail_errno(err, errno, "rename");
        (void)unlinkat(dir_fd, temporary, 0);
        goto out;
    }
    if (fsync(dir_fd) != 0) // or the name may still be the old one after a crash
        status = assay_fail_errno(err, errno, "sync folder");

out:
    if (dir_fd >= 0)
        close(dir_fd);
    if (status != ASSAY_OK)
        (void)assay_wrap(err, "replace %s", path);
    return status;
}

enum assay_status assay_fs_lock(int *fd_out, const char *path, bool wait, struct assay_error *err)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    struct flock mark = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fd < 0)
        return assay_fail_errno(err, errno, "open lock %s", path);
    while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) != 0) {
        const int error = errno;

        if (error == EINTR)
            continue;
        close(fd);
        if (error == EWOULDBLOCK)
            return assay_fail(err, ASSAY_ECONFLICT, "%s is locked by another process", path);
        return assay_fail_errno(err, error, "lock %s", path);
    }
    // Unlike flock(), it can be asked for without taking it. Not an open file's mark (F_OFD_SETLK),
    // which every box would see in /proc/locks.
    (void)fcntl(fd, F_SETLK, &mark);
    *fd_out = fd;
    return ASSAY_OK;
}

enum assay_lock_state assay_fs_lock_state(const char *path)
{
    struct flock mark = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    enum assay_lock_state state = ASSAY_LOCK_HELD;

    if (fd < 0)
        return errno == ENOENT ? ASSAY_LOCK_NONE : ASSAY_LOCK_HELD;
    if (fcntl(fd, F_GETLK, &mark) == 0 && mark.l_type == F_UNLCK)
        state = ASSAY_LOCK_FREE;
    close(fd);
    return state;
}
