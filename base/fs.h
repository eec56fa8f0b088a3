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
// at a time with the same meaning. Returns a descriptor, or -1 with errno.
int assay_fs_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);

// Make `path` and its missing parents below dir_fd; existing directories are fine.
ASSAY_MUST_USE enum assay_status assay_fs_mkdirs(
        int dir_fd, const char *path, mode_t mode, struct assay_error *err);

// Whole file into buf (appended; buf->max bounds it).
ASSAY_MUST_USE enum assay_status assay_fs_read_fd(
        struct assay_buf *buf, int fd, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_fs_read_file(
        struct assay_buf *buf, const char *path, struct assay_error *err);

// All bytes, over short writes and EINTR.
ASSAY_MUST_USE enum assay_status assay_fs_write_all(
        int fd, const void *bytes, size_t size, struct assay_error *err);

// Write a new file beside `path`, fsync, rename over it, fsync the directory.
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
// readdir gives. Does not cross into other file systems, does not follow links.
// depth_max bounds recursion (1..4096 sensible). A failing visit ends the walk.
ASSAY_MUST_USE enum assay_status assay_fs_walk(
        int dir_fd, unsigned depth_max, assay_fs_visit visit, void *user, struct assay_error *err);

// Remove path below dir_fd with all under it, making directories writable on
// the way; a missing path is fine. Survives very deep trees.
ASSAY_MUST_USE enum assay_status assay_fs_remove_tree(
        int dir_fd, const char *path, struct assay_error *err);

// Copy a regular tree (files, directories, links; modes; other kinds are
// ASSAY_EINVAL) from src_fd into the existing directory dst_fd. Reflinks where
// the file system can.
ASSAY_MUST_USE enum assay_status assay_fs_copy_tree(
        int src_fd, int dst_fd, struct assay_error *err);

// Is `path` a plain relative path: not empty, no leading '/', no empty, "." or ".." component,
// no NUL or control byte?
bool assay_fs_path_is_plain(const char *path);

// Exclusive lock on a file (created 0600). Blocks until it is had, or returns
// ASSAY_ECONFLICT at once if `wait` is false. *fd_out is owned; closing releases it.
ASSAY_MUST_USE enum assay_status assay_fs_lock(
        int *fd_out, const char *path, bool wait, struct assay_error *err);

#endif
