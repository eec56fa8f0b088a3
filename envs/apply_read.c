// SPDX-License-Identifier: MIT
// apply_read.c - the tree to be patched as a directory. Nothing here follows a symbolic link.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "envs/apply.h"

enum { FILE_BYTES_MAX = 64 << 20 };

static enum assay_status read_link(int fd, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err)
{
    char target[PATH_MAX];
    const ssize_t len = readlinkat(fd, "", target, sizeof(target));

    if (len < 0 || (size_t)len >= sizeof(target))
        return assay_fail_errno(err, len < 0 ? errno : ENAMETOOLONG, "read link %.150s", path);
    out->kind = ASSAY_FILE_LINK;
    out->content.len = (size_t)len;
    out->content.data = assay_arena_memdup(arena, target, (size_t)len);
    if (out->content.data == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a link");
    return ASSAY_OK;
}

static enum assay_status read_regular(int dir_fd, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err)
{
    // Not blocking: should the file have become a FIFO since it was looked at.
    const int fd = assay_fs_open_beneath(dir_fd, path, O_RDONLY | O_NONBLOCK, 0);
    enum assay_status status = ASSAY_OK;
    struct assay_buf buf;

    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", path);
    assay_buf_init(&buf, FILE_BYTES_MAX);
    status = assay_fs_read_fd(&buf, fd, err);
    if (status == ASSAY_OK) {
        out->content.len = buf.len;
        out->content.data = assay_arena_memdup(arena, buf.data, buf.len);
        if (out->content.data == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "no memory for %zu bytes", buf.len);
    }
    assay_buf_free(&buf);
    close(fd);
    return status;
}

enum assay_status assay_file_read_dir(void *user, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err)
{
    const int dir_fd = *(const int *)user;
    const int fd = assay_fs_open_beneath(dir_fd, path, O_PATH, 0);
    enum assay_status status = ASSAY_OK;
    struct stat st = {0};

    *out = (struct assay_file){.kind = ASSAY_FILE_NONE};
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return ASSAY_OK;
        if (errno == ELOOP)
            return assay_fail(err, ASSAY_EREFUSED, "%.150s is below a symbolic link", path);
        return assay_fail_errno(err, errno, "open %.150s", path);
    }
    if (fstat(fd, &st) != 0) {
        status = assay_fail_errno(err, errno, "stat %.150s", path);
    } else if (S_ISLNK(st.st_mode)) {
        status = read_link(fd, path, arena, out, err);
    } else if (S_ISDIR(st.st_mode)) {
        out->kind = ASSAY_FILE_DIR;
    } else if (S_ISREG(st.st_mode)) {
        out->kind = ASSAY_FILE_REGULAR;
        out->executable = (st.st_mode & S_IXUSR) != 0;
        status = read_regular(dir_fd, path, arena, out, err);
    } else {
        out->kind = ASSAY_FILE_OTHER;
    }
    close(fd);
    return status;
}

static enum assay_status add_name(const char ***names, size_t *count, size_t *capacity,
        const char *name, struct assay_arena *arena)
{
    if (*count == *capacity) {
        const char **grown = NULL;

        *capacity = *capacity > 0 ? *capacity * 2 : 16;
        grown = assay_arena_array(arena, *capacity, sizeof(*grown));
        if (grown == NULL)
            return ASSAY_ENOMEM;
        if (*count > 0)
            memcpy(grown, *names, *count * sizeof(*grown));
        *names = grown;
    }
    (*names)[*count] = assay_arena_strdup(arena, name);
    return (*names)[(*count)++] != NULL ? ASSAY_OK : ASSAY_ENOMEM;
}

enum assay_status assay_dir_list_dir(void *user, const char *path, struct assay_arena *arena,
        struct assay_strings *out, struct assay_error *err)
{
    const int dir_fd = *(const int *)user;
    enum assay_status status = ASSAY_OK;
    const struct dirent *entry = NULL;
    const char **names = NULL;
    size_t count = 0, capacity = 0;
    DIR *dir = NULL;
    int fd = -1;

    fd = assay_fs_open_beneath(dir_fd, path[0] != '\0' ? path : ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd >= 0)
        dir = fdopendir(fd);
    if (dir == NULL) {
        status = assay_fail_errno(err, errno, "list %.150s", path);
        if (fd >= 0)
            close(fd);
        return status;
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread reads the stream that it opened
    while (status == ASSAY_OK && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = add_name(&names, &count, &capacity, entry->d_name, arena);
    }
    closedir(dir);
    if (status != ASSAY_OK)
        return assay_fail(err, ASSAY_ENOMEM, "no memory to list %.150s", path);
    *out = (struct assay_strings){.items = names, .count = count};
    return ASSAY_OK;
}
