// SPDX-License-Identifier: MIT
#include "sandbox/procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool assay_procfile_read(int dir_fd, const char *path, char *text, size_t size)
{
    const int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got = 0;

    text[0] = '\0';
    if (fd < 0)
        return false;
    while (len < size - 1) {
        got = read(fd, text + len, size - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    text[len] = '\0';
    close(fd);
    return got >= 0;
}

bool assay_procfile_write(int dir_fd, const char *path, const char *text)
{
    const int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
    const size_t len = strlen(text);
    ssize_t put = 0;
    int problem = 0;

    if (fd < 0)
        return false;
    put = write(fd, text, len);
    problem = put == (ssize_t)len ? 0 : put < 0 ? errno : EIO;
    close(fd);
    errno = problem;
    return problem == 0;
}

bool assay_procfile_write_u64(int dir_fd, const char *path, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    return assay_procfile_write(dir_fd, path, text);
}

bool assay_procfile_read_u64(int dir_fd, const char *path, uint64_t *value)
{
    char text[64];
    char *end = NULL;

    *value = 0;
    if (!assay_procfile_read(dir_fd, path, text, sizeof(text)))
        return false;
    *value = strtoull(text, &end, 10);
    return end != text;
}

uint64_t assay_procfile_key(const char *text, const char *key)
{
    const size_t len = strlen(key);

    for (const char *at = text; at != NULL && *at != '\0';) {
        if (strncmp(at, key, len) == 0 && at[len] == ' ')
            return strtoull(at + len + 1, NULL, 10);
        at = strchr(at, '\n');
        if (at != NULL)
            at++;
    }
    return 0;
}

bool assay_procfile_start_time(pid_t pid, uint64_t *ticks)
{
    char path[48];
    char text[1024];
    const char *at = NULL;
    char state = 0;

    *ticks = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (!assay_procfile_read(-1, path, text, sizeof(text)))
        return false;
    at = strrchr(text, ')'); // the name before it may hold anything
    if (at == NULL || at[1] == '\0')
        return false;
    state = at[2];
    for (int field = 2; field < 22 && at != NULL; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL || state == 'Z' || state == 'X')
        return false;
    *ticks = strtoull(at, NULL, 10);
    return true;
}

void assay_procfile_read_cpu(const int *fds, size_t count, uint64_t *user_us, uint64_t *system_us)
{
    char text[2][1024] = {"", ""};

    *user_us = *system_us = 0;
    for (size_t i = 0; i < count; i++) {
        const ssize_t got = pread(fds[i], text[i], sizeof(text[i]) - 1, 0);

        text[i][got > 0 ? got : 0] = '\0';
    }
    if (count == 2) {
        *user_us = strtoull(text[0], NULL, 10) / 1000;
        *system_us = strtoull(text[1], NULL, 10) / 1000;
    } else {
        *user_us = assay_procfile_key(text[0], "user_usec");
        *system_us = assay_procfile_key(text[0], "system_usec");
    }
}
