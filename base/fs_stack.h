// SPDX-License-Identifier: MIT
// fs_stack.h - where a walk through a file tree stands; for base/fs_*.c alone.
//
// A tree is walked without recursion and without long paths. One descriptor
// stands on the current directory; down is openat(name), up is openat(".."),
// and each step up is checked against the device and inode noted on the way
// down, so a tree that is moved meanwhile ends the walk and never leads out.
// What is still to do lies in one stack of names:
//
//     names:   a \0 b \0 c \0 | x \0 y \0 | p \0
//     frames:  root            c           y       (each knows where its names start)
//
// The last name of a frame is the next to be visited.
#ifndef ASSAY_BASE_FS_STACK_H
#define ASSAY_BASE_FS_STACK_H

#include <dirent.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

struct assay_fs_frame {
    dev_t dev;
    ino_t ino;
    size_t names_start; // in names.data
};

struct assay_fs_stack {
    struct assay_buf names;
    struct assay_fs_frame *frames; // owned
    size_t frame_count;
    size_t frame_cap;
    int fd; // owned: the directory of the last frame; -1 before the first
};

void assay_fs_stack_init(struct assay_fs_stack *stack);
void assay_fs_stack_free(struct assay_fs_stack *stack);

// Next name of the last frame: borrowed until the stack changes; NULL when nothing is left.
const char *assay_fs_stack_name(const struct assay_fs_stack *stack);
void assay_fs_stack_drop_name(struct assay_fs_stack *stack);
ASSAY_MUST_USE enum assay_status assay_fs_stack_add_name(
        struct assay_fs_stack *stack, const char *name, struct assay_error *err);

// Stand on `fd`, which is handed over, below the directory stood on so far.
ASSAY_MUST_USE enum assay_status assay_fs_stack_push(
        struct assay_fs_stack *stack, int fd, struct assay_error *err);

// Back to the directory above. ASSAY_ECONFLICT when it is not the one we came from.
ASSAY_MUST_USE enum assay_status assay_fs_stack_pop(
        struct assay_fs_stack *stack, struct assay_error *err);

// A child directory on the same mount, or -1 with errno (EXDEV: another mount).
int assay_fs_open_child(int fd, const char *name);

// A stream over the directory `fd`, which stays open and keeps its own place; NULL with errno.
DIR *assay_fs_open_stream(int fd);

// Next entry that is neither "." nor ".."; NULL at the end (errno 0) or on failure (errno).
const struct dirent *assay_fs_next_entry(DIR *dir);

#endif
