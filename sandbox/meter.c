// SPDX-License-Identifier: MIT
#include "sandbox/meter.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sandbox/procfile.h"

static uint64_t time_us(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

// User and system ticks of a process and of the children it waited for.
static void read_ticks(int proc_fd, const char *pid, uint64_t *user, uint64_t *system)
{
    char path[48];
    char text[1024];
    const char *at = NULL;
    uint64_t ticks[4] = {0};

    (void)snprintf(path, sizeof(path), "%.20s/stat", pid);
    if (!assay_procfile_read(proc_fd, path, text, sizeof(text)))
        return;
    at = strrchr(text, ')'); // the name before it may hold anything
    for (int field = 2; field < 14 && at != NULL; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL)
        return;
    // NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers
    if (sscanf(at, " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &ticks[0], &ticks[1], &ticks[2],
                &ticks[3]) != 4)
        return;
    *user += ticks[0] + ticks[2];
    *system += ticks[1] + ticks[3];
}

static uint64_t read_private_pages(int proc_fd, const char *pid)
{
    char path[48];
    char text[128];
    uint64_t resident = 0;
    uint64_t shared = 0;

    (void)snprintf(path, sizeof(path), "%.20s/statm", pid);
    if (!assay_procfile_read(proc_fd, path, text, sizeof(text)))
        return 0;
    // NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers
    if (sscanf(text, "%*s %" SCNu64 " %" SCNu64, &resident, &shared) != 2 || shared > resident)
        return 0;
    return resident - shared;
}

static uint64_t read_tmpfs(const struct assay_mounts *mounts)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < mounts->tmpfs_count; i++) {
        struct statvfs stat;

        if (fstatvfs(mounts->tmpfs_fds[i], &stat) == 0)
            bytes += (stat.f_blocks - stat.f_bfree) * stat.f_frsize;
    }
    return bytes;
}

void assay_meter_process(int proc_fd, pid_t pid, uint64_t *user_us, uint64_t *system_us)
{
    const uint64_t tick_us = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
    char name[24];
    uint64_t user = 0;
    uint64_t system = 0;

    (void)snprintf(name, sizeof(name), "%d", (int)pid);
    read_ticks(proc_fd, name, &user, &system);
    *user_us += user * tick_us;
    *system_us += system * tick_us;
}

void assay_meter_read(struct assay_meter *meter, const struct assay_mounts *mounts)
{
    const uint64_t tick_us = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
    const int fd = openat(mounts->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    struct rusage reaped = {0};
    uint64_t user = 0;
    uint64_t system = 0;
    uint64_t pages = 0;

    if (dir == NULL)
        return;
    meter->pids = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): assay-box has one thread
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || strcmp(entry->d_name, "1") == 0)
            continue;
        read_ticks(mounts->proc_fd, entry->d_name, &user, &system);
        pages += read_private_pages(mounts->proc_fd, entry->d_name);
        meter->pids++;
    }
    closedir(dir);
    (void)getrusage(RUSAGE_CHILDREN, &reaped);
    user = user * tick_us + time_us(&reaped.ru_utime);
    system = system * tick_us + time_us(&reaped.ru_stime);
    if (user > meter->cpu_user_us)
        meter->cpu_user_us = user;
    if (system > meter->cpu_system_us)
        meter->cpu_system_us = system;
    meter->memory_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE) + read_tmpfs(mounts);
}
