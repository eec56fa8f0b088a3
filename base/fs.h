// SPDX-License-Identifier: MIT
// fs.h - file trees through descriptors: nothing here follows a symbolic link below its root.
#ifndef ASSAY_BASE_FS_H
#define ASSAY_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

// openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS) with
// O_CLOEXEC | O_NOFOLLOW added; where the kernel has no openat2, one component
// at a time with the same meaning. An absolute path or a ".." component is
// EXDEV, a link on the way ELOOP. Returns a descriptor, or -1 with errno.
int assay_fs_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);

// Make `path`, a plain path, and its missing parents below dir_fd; existing
// directories are fine. Errors: ASSAY_EINVAL, ASSAY_EIO (ENOTDIR where a link
// or a file is in the way).
ASSAY_MUST_USE enum assay_status assay_fs_mkdirs(
        int dir_fd, const char *path, mode_t mode, struct assay_error *err);

// What is left of an open file, or a whole file, into buf (appended; buf->max
// bounds it). On failure buf is as before. Errors: ASSAY_ENOTFOUND,
// ASSAY_ENOMEM (larger than the bound), ASSAY_EIO.
ASSAY_MUST_USE enum assay_status assay_fs_read_fd(
        struct assay_buf *buf, int fd, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_fs_read_file(
        struct assay_buf *buf, const char *path, struct assay_error *err);

// All bytes, over short writes and EINTR.
ASSAY_MUST_USE enum assay_status assay_fs_write_all(
        int fd, const void *bytes, size_t size, struct assay_error *err);

// Write a new file beside `path`, fsync, rename over it, fsync the directory.
// `mode` is set as it is, whatever the umask. On failure the old file stands,
// unless the very last fsync failed.
ASSAY_MUST_USE enum assay_status assay_fs_replace_file(
        const char *path, const void *bytes, size_t size, mode_t mode, struct assay_error *err);

// One entry of a walk. `path` is relative to the root, without a leading "./".
struct assay_fs_entry {
    const char *path;
    const char *name; // last component
    int dir_fd;       // of the directory that holds it; borrowed
    struct stat stat; // lstat
};

typedef enum assay_status (*assay_fs_visit)(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err);

// Every entry below dir_fd, parents first, names in byte order whatever
// readdir gives. A mount point is visited but not entered, links are not
// followed. More than depth_max directories inside each other are ASSAY_EINVAL
// (1: only what stands in dir_fd itself). A failing visit ends the walk; its
// error is wrapped with the path. Descriptors used do not grow with depth.
ASSAY_MUST_USE enum assay_status assay_fs_walk(
        int dir_fd, unsigned depth_max, assay_fs_visit visit, void *user, struct assay_error *err);

// Remove `path`, a plain path below dir_fd, with all under it, making
// directories writable on the way; a missing path is fine. Any depth, and names
// that are longer than PATH_MAX together. Never enters another mount (a mount
// left over in the tree is ASSAY_EIO).
ASSAY_MUST_USE enum assay_status assay_fs_remove_tree(
        int dir_fd, const char *path, struct assay_error *err);

// Copy a regular tree (files, directories, links; other kinds are ASSAY_EINVAL)
// from src_fd into the existing directory dst_fd, which may hold directories
// already, but none of the files. Permission bits are kept, set-id and sticky
// bits are not. Reflinks where the file system can. Paths up to PATH_MAX.
ASSAY_MUST_USE enum assay_status assay_fs_copy_tree(
        int src_fd, int dst_fd, struct assay_error *err);

// Is `path` a plain relative path: not empty, no leading '/', no empty, "." or ".." component,
// no NUL or control byte?
bool assay_fs_path_is_plain(const char *path);

// Is the file there, and another process's by assay_fs_lock()? Asking takes nothing; a file that
// cannot be asked counts as locked. Not for a process that holds it: who closes the file any
// descriptor of which it has open takes its own mark away (fcntl(2)).
enum assay_lock_state { ASSAY_LOCK_NONE, ASSAY_LOCK_FREE, ASSAY_LOCK_HELD };
enum assay_lock_state assay_fs_lock_state(const char *path);

// Exclusive lock on a file (created 0600). Blocks until it is had, or returns
// ASSAY_ECONFLICT at once if `wait` is false. *fd_out is owned; closing releases it.
ASSAY_MUST_USE enum assay_status assay_fs_lock(
        int *fd_out, const char *path, bool wait, struct assay_error *err);

#endif
