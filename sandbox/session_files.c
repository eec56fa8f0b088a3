// SPDX-License-Identifier: MIT
// session_files.c - files of a session's box: what the caller does with what the init opened.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/handoff.h"
#include "sandbox/session_inner.h"

// --- asking the init -----------------------------------------------------------------------------

// The answer: 0 or an errno. Answers to commands that nobody watches any more go by.
static int await_done(struct assay_session *session, struct assay_order_done *done, int *fd_out)
{
    const uint64_t deadline_ms = assay_clock_ms() + ASSAY_SESSION_KILL_MS_MAX;

    while (!session->over) {
        struct pollfd watched[] = {{.fd = session->serve_fd, .events = POLLIN},
                {.fd = session->private_fd, .events = POLLIN}};
        union {
            struct assay_order_done done;
            struct assay_order_reply reply;
        } record;
        int fds[ASSAY_WIRE_FDS_MAX];
        size_t fd_count = 0;
        long got = 0;
        const int ready = poll(watched, 2, (int)assay_clock_left_ms(deadline_ms));

        if (ready == 0)
            assay_session_break(session, "file takes too long", ETIMEDOUT);
        if (ready <= 0)
            continue;
        if (watched[1].revents != 0)
            assay_session_hear_spawner(session);
        if (watched[0].revents == 0)
            continue;
        got = assay_wire_receive(
                session->serve_fd, &record, sizeof(record), fds, &fd_count, MSG_DONTWAIT);
        if (got == (long)sizeof(record.done) && record.done.kind == ASSAY_ORDER_DONE) {
            *done = record.done;
            *fd_out = fds[0];
            return done->sys_errno;
        }
        if (got == (long)sizeof(record.reply))
            assay_session_note_reply(session, &record.reply);
        else if (got == 0 || (got < 0 && errno != EAGAIN))
            assay_session_await_end(session);
    }
    return EPIPE;
}

int assay_session_ask(struct assay_session *session, const struct assay_order_file *order,
        int content_fd, struct assay_order_done *done, int *fd_out)
{
    int fd = -1;
    int problem = EPIPE;

    if (assay_session_send(session, order, sizeof(*order), &content_fd, content_fd >= 0 ? 1 : 0))
        problem = await_done(session, done, &fd);
    if (fd_out != NULL)
        *fd_out = fd;
    else if (fd >= 0)
        close(fd);
    return problem;
}

const char *assay_session_shell_path(struct assay_session *session)
{
    const struct assay_order_file order = {
            .kind = ASSAY_ORDER_STAT, .flags = ASSAY_ORDER_FOLLOW, .path = "/bin/bash"};
    struct assay_order_done done;

    if (!session->shell_looked_for)
        session->has_bash = assay_session_ask(session, &order, -1, &done, NULL) == 0;
    session->shell_looked_for = true;
    return session->has_bash ? "/bin/bash" : "/bin/sh";
}

// --- paths ---------------------------------------------------------------------------------------

static enum assay_status set_path(struct assay_order_file *order,
        const struct assay_session *session, const char *path, struct assay_error *err)
{
    const int len = path[0] == '/'
            ? snprintf(order->path, sizeof(order->path), "%s", path)
            : snprintf(order->path, sizeof(order->path), "%s/%s", session->state.cwd, path);

    if (path[0] == '\0')
        return assay_fail(err, ASSAY_EINVAL, "the path is empty");
    if (len < 0 || (size_t)len >= sizeof(order->path))
        return assay_fail(err, ASSAY_EINVAL, "the path is too long");
    return ASSAY_OK;
}

static enum assay_status fail_path(
        struct assay_error *err, int problem, const char *what, const char *path)
{
    if (problem == ENOENT || problem == ENOTDIR) {
        const enum assay_status status = assay_fail(
                err, ASSAY_ENOTFOUND, "%s %.100s: %s", what, path, strerrordesc_np(problem));

        if (err != NULL)
            err->sys_errno = problem;
        return status;
    }
    (void)assay_fail_errno(err, problem, "%s %.100s", what, path);
    if (err != NULL)
        err->status = ASSAY_EIO;
    return ASSAY_EIO;
}

static struct assay_file_info info_of(const struct assay_order_done *done)
{
    return (struct assay_file_info){
            .mode = done->mode, .links = done->links, .size = done->size, .mtime_s = done->mtime_s};
}

// --- calls ---------------------------------------------------------------------------------------

enum assay_status assay_session_stat(struct assay_session *session, const char *path, bool follow,
        struct assay_file_info *info, struct assay_error *err)
{
    struct assay_order_file order = {
            .kind = ASSAY_ORDER_STAT, .flags = follow ? ASSAY_ORDER_FOLLOW : 0};
    struct assay_order_done done;
    const enum assay_status status = set_path(&order, session, path, err);
    int problem = 0;

    if (status != ASSAY_OK)
        return status;
    problem = assay_session_ask(session, &order, -1, &done, NULL);
    if (problem != 0)
        return fail_path(err, problem, "stat", path);
    *info = info_of(&done);
    return ASSAY_OK;
}

// Up to bytes_max bytes from `offset`; a file that grows meanwhile gains nothing. 0 or an errno.
static int read_piece(struct assay_buf *buf, int fd, uint64_t offset, size_t bytes_max)
{
    const size_t before = buf->len;

    while (buf->len - before < bytes_max) {
        const size_t left = bytes_max - (buf->len - before);
        const size_t piece = left < ASSAY_SESSION_DRAIN_BYTES ? left : ASSAY_SESSION_DRAIN_BYTES;
        ssize_t got = 0;

        if (!assay_buf_reserve(buf, piece))
            return EFBIG;
        got = pread(fd, buf->data + buf->len, piece, (off_t)(offset + (buf->len - before)));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        buf->len += (size_t)got;
        buf->data[buf->len] = '\0';
        if (got == 0)
            break;
    }
    return 0;
}

enum assay_status assay_session_read(struct assay_session *session, const char *path,
        uint64_t offset, size_t bytes_max, struct assay_buf *buf, struct assay_file_info *info,
        struct assay_error *err)
{
    struct assay_order_file order = {.kind = ASSAY_ORDER_OPEN, .flags = ASSAY_ORDER_FOLLOW};
    struct assay_order_done done;
    enum assay_status status = set_path(&order, session, path, err);
    int fd = -1;
    int problem = 0;

    if (status == ASSAY_OK && offset > INT64_MAX - bytes_max)
        status = assay_fail(err, ASSAY_EINVAL, "the offset is too large");
    if (status != ASSAY_OK)
        return status;
    problem = assay_session_ask(session, &order, -1, &done, &fd);
    if (problem == 0)
        problem = read_piece(buf, fd, offset, bytes_max);
    if (fd >= 0)
        close(fd);
    if (problem != 0)
        return fail_path(err, problem, "read", path);
    if (info != NULL)
        *info = info_of(&done);
    return ASSAY_OK;
}

enum assay_status assay_session_write(struct assay_session *session, const char *path,
        const void *bytes, size_t len, const struct assay_write_options *options,
        struct assay_error *err)
{
    static const struct assay_write_options none = {0};
    const struct assay_write_options *how = options != NULL ? options : &none;
    struct assay_order_file order = {.kind = ASSAY_ORDER_WRITE,
            .flags = (how->parents ? ASSAY_ORDER_PARENTS : 0) |
                    (how->exclusive ? ASSAY_ORDER_NEW : 0) | (how->follow ? ASSAY_ORDER_FOLLOW : 0),
            .mode = how->mode != 0 ? how->mode : 0644};
    struct assay_order_done done;
    const enum assay_status status = set_path(&order, session, path, err);
    int content_fd = -1;
    int problem = 0;

    if (status != ASSAY_OK)
        return status;
    if (len > ASSAY_SESSION_WRITE_BYTES_MAX)
        return assay_fail(err, ASSAY_EINVAL, "write %.100s: more than %zu bytes", path,
                ASSAY_SESSION_WRITE_BYTES_MAX);
    content_fd = assay_handoff_memory_file("assay-content", bytes, len);
    if (content_fd < 0)
        return assay_fail_errno(err, errno, "memory file for content");
    problem = assay_session_ask(session, &order, content_fd, &done, NULL);
    close(content_fd);
    return problem == 0 ? ASSAY_OK : fail_path(err, problem, "write", path);
}

// --- lists ---------------------------------------------------------------------------------------

static int compare_entries(const void *a, const void *b)
{
    const struct assay_file_entry *left = a;
    const struct assay_file_entry *right = b;

    return strcmp(left->name, right->name);
}

// 0 or an errno. An entry that goes while we look is left out.
static int add_entry(
        struct assay_file_list *list, int dir_fd, const char *name, struct assay_arena *arena)
{
    struct assay_file_entry *entry = &list->entries[list->count];
    struct stat stat;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    if (fstatat(dir_fd, name, &stat, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
        return errno == ENOENT ? 0 : errno;
    entry->name = assay_arena_strdup(arena, name);
    if (entry->name == NULL)
        return ENOMEM;
    entry->info = (struct assay_file_info){.mode = stat.st_mode,
            .links = (uint32_t)stat.st_nlink,
            .size = (uint64_t)stat.st_size,
            .mtime_s = stat.st_mtim.tv_sec};
    list->count++;
    return 0;
}

static int fill_list(
        struct assay_file_list *list, DIR *dir, size_t count_max, struct assay_arena *arena)
{
    const struct dirent *entry = NULL;
    size_t room = 0;
    int problem = 0;

    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread reads the stream that it opened
    while (problem == 0 && !list->more && (errno = 0, entry = readdir(dir)) != NULL) {
        if (list->count == room && room < count_max) {
            struct assay_file_entry *grown = NULL;

            room = room * 2 + 16 < count_max ? room * 2 + 16 : count_max;
            grown = assay_arena_array(arena, room, sizeof(*grown));
            if (grown == NULL)
                return ENOMEM;
            if (list->count > 0)
                memcpy(grown, list->entries, list->count * sizeof(*grown));
            list->entries = grown;
        }
        list->more = list->count == count_max && strcmp(entry->d_name, ".") != 0 &&
                strcmp(entry->d_name, "..") != 0;
        if (list->count < count_max)
            problem = add_entry(list, dirfd(dir), entry->d_name, arena);
    }
    return problem != 0 || entry != NULL ? problem : errno;
}

enum assay_status assay_session_list(struct assay_session *session, const char *path,
        size_t count_max, struct assay_arena *arena, struct assay_file_list *list,
        struct assay_error *err)
{
    struct assay_order_file order = {
            .kind = ASSAY_ORDER_OPEN, .flags = ASSAY_ORDER_FOLLOW | ASSAY_ORDER_DIRECTORY};
    struct assay_file_list made = {0};
    struct assay_order_done done;
    const enum assay_status status = set_path(&order, session, path, err);
    DIR *dir = NULL;
    int fd = -1;
    int problem = 0;

    if (status != ASSAY_OK)
        return status;
    problem = assay_session_ask(session, &order, -1, &done, &fd);
    if (problem == 0) {
        dir = fdopendir(fd);
        problem = dir == NULL ? errno : fill_list(&made, dir, count_max, arena);
    }
    if (dir != NULL)
        (void)closedir(dir);
    else if (fd >= 0)
        close(fd);
    if (problem != 0)
        return fail_path(err, problem, "list", path);
    if (made.count > 0)
        qsort(made.entries, made.count, sizeof(*made.entries), compare_entries);
    *list = made;
    return ASSAY_OK;
}
