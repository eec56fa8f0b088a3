// SPDX-License-Identifier: MIT
// wraps.c - the C library's functions that the set-up of a box calls, each with a place to fail.
//
// The linker's --wrap sends calls of `name` to __wrap_name, and __real_name is the true one. Not
// wrapped is what cannot fail (close, umask, getpid) and what waits (epoll_wait, poll, waitpid).
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/sandbox/faults/control.h"

static struct faults_control *control;
static char last_path[40]; // of the file opened last: what a read or a write is about
static pid_t spawner_pid, forge_pid;

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's own names
// NOLINTBEGIN(readability-identifier-naming)
long __real_syscall(long number, ...);
int __real_open(const char *path, int flags, ...);

__attribute__((constructor)) static void find_control(int argc, char **argv)
{
    char path[4096];
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    void *page = MAP_FAILED;
    int fd = -1;

    spawner_pid = (pid_t)__real_syscall(SYS_getpid);
    if (slash == NULL)
        return;
    (void)snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - argv[0]), argv[0], FAULTS_FILE);
    fd = __real_open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    page = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED)
        control = page;
}

static enum faults_role find_role(void)
{
    const pid_t pid = (pid_t)__real_syscall(SYS_getpid);

    if (pid == spawner_pid)
        return FAULTS_SPAWNER;
    if (pid == forge_pid)
        return FAULTS_FORGE;
    return pid == 1 ? FAULTS_INIT : FAULTS_PAYLOAD;
}

// Is this call the one that shall fail? Then errno is set.
static bool hit(const char *name, const char *detail)
{
    if (control == NULL || !control->armed || find_role() != control->role)
        return false;
    if (++control->count != control->target)
        return false;
    (void)snprintf(control->name, sizeof(control->name), "%s", name);
    (void)snprintf(control->detail, sizeof(control->detail), "%s",
            detail +
                    (strlen(detail) < sizeof(control->detail)
                                    ? 0
                                    : strlen(detail) - sizeof(control->detail) + 1));
    control->hit = 1;
    errno = control->sys_errno;
    return true;
}

static bool hit_number(const char *name, long number)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%ld", number);
    return hit(name, text);
}

// Memory runs out in one way only.
static bool hit_memory(const char *name)
{
    if (!hit(name, ""))
        return false;
    control->sys_errno = ENOMEM;
    errno = ENOMEM;
    return true;
}

#define WRAP(result, name, parameters, arguments, detail)                                          \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        return hit(#name, detail) ? (result)-1 : __real_##name arguments;                          \
    }

// --- files ---------------------------------------------------------------------------------------

WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), path)
WRAP(int, mkdirat, (int dir_fd, const char *path, mode_t mode), (dir_fd, path, mode), path)
WRAP(int, mknod, (const char *path, mode_t mode, dev_t dev), (path, mode, dev), path)
WRAP(int, symlink, (const char *to, const char *path), (to, path), path)
WRAP(int, symlinkat, (const char *to, int dir_fd, const char *path), (to, dir_fd, path), path)
WRAP(int, fstat, (int fd, struct stat *out), (fd, out), "")
WRAP(int, fstatat, (int dir_fd, const char *path, struct stat *out, int flags),
        (dir_fd, path, out, flags), path)
WRAP(int, fchmodat, (int dir_fd, const char *path, mode_t mode, int flags),
        (dir_fd, path, mode, flags), path)
WRAP(int, faccessat, (int dir_fd, const char *path, int mode, int flags),
        (dir_fd, path, mode, flags), path)
WRAP(ssize_t, read, (int fd, void *bytes, size_t size), (fd, bytes, size), last_path)
WRAP(ssize_t, pread, (int fd, void *bytes, size_t size, off_t at), (fd, bytes, size, at), "")
WRAP(ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size), last_path)
WRAP(int, dup2, (int from, int to), (from, to), "")
WRAP(int, pipe2, (int ends[2], int flags), (ends, flags), "")
WRAP(int, chdir, (const char *path), (path), path)
WRAP(int, fchdir, (int fd), (fd), "")

static void note_path(const char *path)
{
    const size_t len = strlen(path);

    (void)snprintf(last_path, sizeof(last_path), "%s",
            len < sizeof(last_path) ? path : path + len - sizeof(last_path) + 1);
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list rest;

    va_start(rest, flags);
    const mode_t mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0;

    va_end(rest);
    note_path(path);
    return hit("open", path) ? -1 : __real_open(path, flags, mode);
}

int __real_openat(int dir_fd, const char *path, int flags, ...);
int __wrap_openat(int dir_fd, const char *path, int flags, ...);
int __wrap_openat(int dir_fd, const char *path, int flags, ...)
{
    va_list rest;

    va_start(rest, flags);
    const mode_t mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0;

    va_end(rest);
    note_path(path);
    return hit("openat", path) ? -1 : __real_openat(dir_fd, path, flags, mode);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
    va_list rest;

    va_start(rest, command);
    const long argument = va_arg(rest, long);

    va_end(rest);
    return hit_number("fcntl", command) ? -1 : __real_fcntl(fd, command, argument);
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list rest;

    va_start(rest, request);
    void *argument = va_arg(rest, void *);

    va_end(rest);
    return hit("ioctl", "") ? -1 : __real_ioctl(fd, request, argument);
}

// --- mounts, namespaces, ids, limits -------------------------------------------------------------

WRAP(int, mount,
        (const char *from, const char *to, const char *type, unsigned long flags, const void *data),
        (from, to, type, flags, data), to)
WRAP(int, umount2, (const char *path, int flags), (path, flags), path)
WRAP(int, unshare, (int flags), (flags), "")
WRAP(int, setns, (int fd, int flags), (fd, flags), "")
WRAP(int, sethostname, (const char *name, size_t len), (name, len), "")
WRAP(int, setgroups, (size_t count, const gid_t *list), (count, list), "")
WRAP(int, setresuid, (uid_t a, uid_t b, uid_t c), (a, b, c), "")
WRAP(int, setresgid, (gid_t a, gid_t b, gid_t c), (a, b, c), "")
WRAP(int, getrlimit, (int resource, struct rlimit *out), (resource, out), "")
WRAP(int, setrlimit, (int resource, const struct rlimit *limit), (resource, limit), "")
WRAP(int, personality, (unsigned long persona), (persona), "")
WRAP(int, sched_setaffinity, (pid_t pid, size_t size, const cpu_set_t *set), (pid, size, set), "")

int __real_prctl(int option, ...);
int __wrap_prctl(int option, ...);
int __wrap_prctl(int option, ...)
{
    unsigned long words[4];
    va_list rest;

    va_start(rest, option);
    for (int i = 0; i < 4; i++)
        words[i] = va_arg(rest, unsigned long);
    va_end(rest);
    return hit_number("prctl", option)
            ? -1
            : __real_prctl(option, words[0], words[1], words[2], words[3]);
}

long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long words[6];
    va_list rest;

    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        words[i] = va_arg(rest, long);
    va_end(rest);
    return hit_number("syscall", number)
            ? -1
            : __real_syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

// --- processes, sockets, memory ------------------------------------------------------------------

WRAP(pid_t, setsid, (void), (), "")
WRAP(int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags), "")
WRAP(int, eventfd, (unsigned count, int flags), (count, flags), "")
WRAP(int, socket, (int family, int type, int protocol), (family, type, protocol), "")
WRAP(int, socketpair, (int family, int type, int protocol, int ends[2]),
        (family, type, protocol, ends), "")
WRAP(int, bind, (int fd, const struct sockaddr *to, socklen_t len), (fd, to, len), "")
WRAP(int, listen, (int fd, int backlog), (fd, backlog), "")
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), "")
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags), "")
WRAP(ssize_t, recv, (int fd, void *bytes, size_t size, int flags), (fd, bytes, size, flags), "")
WRAP(int, epoll_ctl, (int set, int what, int fd, struct epoll_event *event), (set, what, fd, event),
        what == EPOLL_CTL_ADD ? "add" : "other")

// Once there is a payload the init has set up all that is its to set up.
pid_t __real_fork(void);
pid_t __wrap_fork(void);
pid_t __wrap_fork(void)
{
    pid_t pid = -1;

    if (hit("fork", ""))
        return -1;
    pid = __real_fork();
    if (pid == 0 && forge_pid == 0) // the spawner forks nothing else
        forge_pid = (pid_t)__real_syscall(SYS_getpid);
    if (pid > 0 && control != NULL && control->role == FAULTS_INIT && find_role() == FAULTS_INIT)
        control->armed = 0;
    return pid;
}

// The last step of all: what comes after it is no set-up.
int __real_execve(const char *path, char *const argv[], char *const env[]);
int __wrap_execve(const char *path, char *const argv[], char *const env[]);
int __wrap_execve(const char *path, char *const argv[], char *const env[])
{
    if (hit("execve", path))
        return -1;
    if (control != NULL)
        control->armed = 0;
    return __real_execve(path, argv, env);
}

int __real_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    return hit("pthread_sigmask", "") ? errno : __real_pthread_sigmask(how, set, old);
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return hit_memory("malloc") ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return hit_memory("calloc") ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    return hit_memory("realloc") ? NULL : __real_realloc(old, size);
}
// NOLINTEND(readability-identifier-naming)
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
