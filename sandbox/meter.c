// SPDX-License-Identifier: MIT
#include "sandbox/meter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/memory_files.h"
#include "sandbox/procfile.h"

#define PAUSE_MS_MIN 2
#define PAUSE_MS_MAX 50
#define TOUCH_BYTES_PER_MS ((uint64_t)4 << 20) // no faster than this does a box's memory grow

static uint64_t time_us(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

static uint64_t clock_us(clockid_t clock)
{
    struct timespec time = {0};

    if (clock_gettime(clock, &time) < 0)
        return 0;
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

// --- CPU time ------------------------------------------------------------------------------------

void assay_meter_start(struct assay_meter *meter)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
            .size = sizeof(attr),
            .config = PERF_COUNT_SW_TASK_CLOCK,
            .inherit = 1,
            .exclude_kernel = 1, // of samples, which there are none of: time is all counted
            .exclude_hv = 1};

    memset(meter, 0, sizeof(*meter));
    meter->counter_fd = (int)syscall(
            SYS_perf_event_open, &attr, 0, -1, -1, (unsigned long)PERF_FLAG_FD_CLOEXEC);
    meter->host_start_bytes = assay_memory_files_host_bytes();
    meter->counter_start_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

// Everything that ever descended from the init; 0 without a counter.
static uint64_t read_counter(const struct assay_meter *meter)
{
    const uint64_t own_us = clock_us(CLOCK_PROCESS_CPUTIME_ID) - meter->counter_start_us;
    uint64_t ns = 0;

    if (meter->counter_fd < 0 || read(meter->counter_fd, &ns, sizeof(ns)) != (ssize_t)sizeof(ns))
        return 0;
    return ns / 1000 > own_us ? ns / 1000 - own_us : 0;
}

// What one reading of /proc adds up to.
struct sums {
    uint64_t cpu_us, system_ticks;
    uint64_t anon_bytes, shared_bytes;
    uint32_t pids;
    bool foreign; // the numbers in /proc are those of the namespace around the box
};

// A living process's own clock has no grain; what it waited for is in clock ticks.
static void add_times(struct sums *sums, int proc_fd, const char *pid, uint64_t tick_us)
{
    char path[48];
    char text[1024];
    const char *at = NULL;
    uint64_t ticks[4] = {0};
    clockid_t clock = 0;

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
    if (sums->foreign)
        sums->cpu_us += (ticks[0] + ticks[1]) * tick_us;
    else if (clock_getcpuclockid((pid_t)strtol(pid, NULL, 10), &clock) == 0)
        sums->cpu_us += clock_us(clock);
    sums->cpu_us += (ticks[2] + ticks[3]) * tick_us;
    sums->system_ticks += ticks[1] + ticks[3];
}

// The sums never go down: a child that nobody waited for takes its time with it.
static void note_cpu(struct assay_meter *meter, uint64_t living_us, uint64_t living_system_us)
{
    struct rusage reaped = {0};
    const uint64_t counted_us = read_counter(meter);
    uint64_t cpu_us = living_us;
    uint64_t system_us = living_system_us;

    (void)getrusage(RUSAGE_CHILDREN, &reaped);
    cpu_us += time_us(&reaped.ru_utime) + time_us(&reaped.ru_stime);
    system_us += time_us(&reaped.ru_stime);
    cpu_us = counted_us > cpu_us ? counted_us : cpu_us;
    meter->cpu_us = cpu_us > meter->cpu_us ? cpu_us : meter->cpu_us;
    meter->cpu_system_us = system_us > meter->cpu_system_us ? system_us : meter->cpu_system_us;
    if (meter->cpu_system_us > meter->cpu_us)
        meter->cpu_system_us = meter->cpu_us;
    meter->rss_bytes_max = (uint64_t)reaped.ru_maxrss * 1024;
}

// --- memory --------------------------------------------------------------------------------------

// The number after `key` ("\nRssAnon:"), which the kernel gives in KiB. With the
// line's beginning: a process may call itself "RssAnon:", and its name comes first.
static uint64_t find_bytes(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 10) * 1024;
}

static void add_pages(struct sums *sums, int proc_fd, const char *pid, bool exact)
{
    char path[48];
    char text[4096];

    (void)snprintf(path, sizeof(path), "%.20s/smaps_rollup", pid);
    if (exact && assay_procfile_read(proc_fd, path, text, sizeof(text)) && text[0] != '\0') {
        sums->anon_bytes += find_bytes(text, "\nPss_Anon:");
        sums->shared_bytes += find_bytes(text, "\nPss_Shmem:");
        return;
    }
    (void)snprintf(path, sizeof(path), "%.20s/status", pid);
    if (!assay_procfile_read(proc_fd, path, text, sizeof(text)))
        return;
    sums->anon_bytes += find_bytes(text, "\nRssAnon:");
    sums->shared_bytes += find_bytes(text, "\nRssShmem:");
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

void assay_meter_process(int proc_fd, pid_t pid, uint64_t *cpu_us, uint64_t *system_us)
{
    const uint64_t tick_us = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
    struct sums sums = {0};
    char name[24];

    (void)snprintf(name, sizeof(name), "%d", (int)pid);
    add_times(&sums, proc_fd, name, tick_us);
    *cpu_us += sums.cpu_us;
    *system_us += sums.system_ticks * tick_us;
}

// System V segments live on without a process; their 15th column is what is resident.
static uint64_t read_segments(int proc_fd)
{
    const int fd = openat(proc_fd, "sysvipc/shm", O_RDONLY | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    uint64_t bytes = 0;
    char line[512];

    if (file == NULL) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        uint64_t resident = 0;

        // NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers
        if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
                    &resident) == 1)
            bytes += resident;
    }
    (void)fclose(file);
    return bytes;
}

// --- readings ------------------------------------------------------------------------------------

// In tier B /proc shows more than the box: the box's have its init's pid namespace.
static bool is_ours(const struct assay_mounts *mounts, const char *pid, const char *own_pid,
        const char *own_namespace)
{
    char path[48];
    char text[64] = "";

    if (strcmp(pid, own_pid) == 0)
        return false;
    if (!mounts->outer_proc)
        return true;
    (void)snprintf(path, sizeof(path), "%.20s/ns/pid", pid);
    return readlinkat(mounts->proc_fd, path, text, sizeof(text) - 1) > 0 &&
            strcmp(text, own_namespace) == 0;
}

static bool walk(struct sums *sums, const struct assay_mounts *mounts, uint64_t tick_us, bool exact,
        struct assay_memory_files *files)
{
    const int fd = openat(mounts->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;

    char own_pid[24] = "1";
    char own_namespace[64] = "";

    *sums = (struct sums){.foreign = mounts->outer_proc};
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (mounts->outer_proc &&
            (readlinkat(mounts->proc_fd, "self", own_pid, sizeof(own_pid) - 1) < 0 ||
                    readlinkat(mounts->proc_fd, "self/ns/pid", own_namespace,
                            sizeof(own_namespace) - 1) < 0)) {
        closedir(dir);
        return false;
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): assay-box has one thread
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
                !is_ours(mounts, entry->d_name, own_pid, own_namespace))
            continue;
        add_times(sums, mounts->proc_fd, entry->d_name, tick_us);
        add_pages(sums, mounts->proc_fd, entry->d_name, exact);
        if (files != NULL)
            assay_memory_files_add(files, mounts->proc_fd, entry->d_name);
        sums->pids++;
    }
    closedir(dir);
    // What is both open and mapped is in both numbers: the larger holds the other.
    if (files != NULL && files->bytes > sums->shared_bytes)
        sums->shared_bytes = files->bytes;
    return true;
}

// Memory files are worth a look once the host's shared memory has grown by what matters.
static struct assay_memory_files *files_to_count(const struct assay_meter *meter,
        const struct assay_box_limits *limits, struct assay_memory_files *files)
{
    if (assay_memory_files_host_bytes() < meter->host_start_bytes + limits->memory_bytes_max / 4)
        return NULL;
    memset(files, 0, sizeof(*files));
    return files;
}

void assay_meter_read(struct assay_meter *meter, const struct assay_mounts *mounts,
        const struct assay_box_limits *limits)
{
    const uint64_t tick_us = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
    const uint64_t files = read_tmpfs(mounts) + read_segments(mounts->proc_fd);
    static struct assay_memory_files seen; // the init has one thread
    struct assay_memory_files *const counted = files_to_count(meter, limits, &seen);
    struct sums sums;

    if (!walk(&sums, mounts, tick_us, false, counted))
        return;
    note_cpu(meter, sums.cpu_us, sums.system_ticks * tick_us);
    meter->pids = sums.pids;
    meter->memory_bytes = sums.anon_bytes + sums.shared_bytes + files;
    if (meter->memory_bytes <= limits->memory_bytes_max ||
            !walk(&sums, mounts, tick_us, true, files_to_count(meter, limits, &seen)))
        return;
    // Mapped files of the tmpfs are in both numbers: the larger holds the other.
    meter->memory_bytes = sums.anon_bytes + (sums.shared_bytes > files ? sums.shared_bytes : files);
}

void assay_meter_end(struct assay_meter *meter)
{
    (void)kill(-1, SIGKILL); // a fork under way fails: it has a signal pending
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
        // Orphans come to us as their parents die.
    }
    note_cpu(meter, 0, 0);
}

uint64_t assay_meter_pause_ms(
        const struct assay_meter *meter, const struct assay_box_limits *limits)
{
    const uint64_t cpu_us_max = limits->cpu_ms_max * 1000;
    const uint64_t cpu_us = meter->cpu_us < cpu_us_max ? cpu_us_max - meter->cpu_us : 0;
    const uint64_t bytes = meter->memory_bytes < limits->memory_bytes_max
            ? limits->memory_bytes_max - meter->memory_bytes
            : 0;
    uint64_t pause_ms = cpu_us / 1000 / (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);

    if (pause_ms > bytes / TOUCH_BYTES_PER_MS)
        pause_ms = bytes / TOUCH_BYTES_PER_MS;
    if (pause_ms < PAUSE_MS_MIN)
        return PAUSE_MS_MIN;
    return pause_ms < PAUSE_MS_MAX ? pause_ms : PAUSE_MS_MAX;
}
