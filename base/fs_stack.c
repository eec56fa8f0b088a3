// SPDX-License-Identifier: MIT
#include "base/fs_stack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAMES_BYTES_MAX = 1 << 30 }; // about ten million names waiting at once

void assay_fs_stack_init(struct assay_fs_stack *stack)
{
    *stack = (struct assay_fs_stack){.fd = -1};
    assay_buf_init(&stack->names, NAMES_BYTES_MAX);
}

void assay_fs_stack_free(struct assay_fs_stack *stack)
{
    assay_buf_free(&stack->names);
    free(stack->frames);
    if (stack->fd >= 0)
        close(stack->fd);
}

const char *assay_fs_stack_name(const struct assay_fs_stack *stack)
{
    const char *first = stack->names.data + stack->frames[stack->frame_count - 1].names_start;
    const char *name = stack->names.data + stack->names.len;

    if (name == first)
        return NULL;
    name--; // the NUL of the last name
    while (name > first && name[-1] != '\0')
        name--;
    return name;
}

void assay_fs_stack_drop_name(struct assay_fs_stack *stack)
{
    const char *name = assay_fs_stack_name(stack);

    assay_buf_truncate(&stack->names, (size_t)(name - stack->names.data));
}

enum assay_status assay_fs_stack_add_name(
        struct assay_fs_stack *stack, const char *name, struct assay_error *err)
{
    (void)assay_buf_add(&stack->names, name, strlen(name) + 1);
    return assay_buf_check(&stack->names, "list of names", err);
}

enum assay_status assay_fs_stack_push(struct assay_fs_stack *stack, int fd, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct stat st;

    if (fstat(fd, &st) != 0) {
        status = assay_fail_errno(err, errno, "stat directory");
        goto out;
    }
    if (stack->frame_count == stack->frame_cap) {
        const size_t cap = stack->frame_cap == 0 ? 16 : 2 * stack->frame_cap;
        struct assay_fs_frame *frames = realloc(stack->frames, cap * sizeof(*frames));

        if (frames == NULL) {
            status = assay_fail(err, ASSAY_ENOMEM, "no memory for a directory stack");
            goto out;
        }
        stack->frames = frames;
        stack->frame_cap = cap;
    }
    if (stack->fd >= 0)
        close(stack->fd);
    stack->fd = fd;
    stack->frames[stack->frame_count++] = (struct assay_fs_frame){
            .dev = st.st_dev,
            .ino = st.st_ino,
            .names_start = stack->names.len,
    };
    fd = -1;

out:
    if (fd >= 0)
        close(fd);
    return status;
}

enum assay_status assay_fs_stack_pop(struct assay_fs_stack *stack, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const struct assay_fs_frame *up = NULL;
    struct stat st;
    int fd = -1;

    if (--stack->frame_count == 0)
        return ASSAY_OK;
    up = &stack->frames[stack->frame_count - 1];
    fd = openat(stack->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        status = assay_fail_errno(err, errno, "open the directory above");
        goto out;
    }
    if (st.st_dev != up->dev || st.st_ino != up->ino) {
        status = assay_fail(err, ASSAY_ECONFLICT, "a directory was moved while it was walked");
        goto out;
    }
    close(stack->fd);
    stack->fd = fd;
    fd = -1;

out:
    if (fd >= 0)
        close(fd);
    return status;
}

int assay_fs_open_child(int fd, const char *name)
{
    const struct open_how how = {
            .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
    };
    struct stat here;
    struct stat there;
    int child = -1;

    do {
        child = (int)syscall(SYS_openat2, fd, name, &how, sizeof(how));
    } while (child < 0 && (errno == EAGAIN || errno == EINTR));
    if (child >= 0 || (errno != ENOSYS && errno != EPERM))
        return child;
    // Without openat2 a bind mount of the same file system goes unseen.
    child = openat(fd, name, (int)how.flags);
    if (child >= 0 && fstat(fd, &here) == 0 && fstat(child, &there) == 0 &&
            here.st_dev != there.st_dev) {
        close(child);
        child = -1;
        errno = EXDEV;
    }
    return child;
}

DIR *assay_fs_open_stream(int fd)
{
    DIR *dir = NULL;
    const int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (own < 0)
        return NULL;
    dir = fdopendir(own);
    if (dir == NULL)
        close(own);
    return dir;
}

const struct dirent *assay_fs_next_entry(DIR *dir)
{
    const struct dirent *entry = NULL;

    do {
        errno = 0;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread reads the stream that it opened
        entry = readdir(dir);
    } while (
            entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry;
}
