// SPDX-License-Identifier: MIT
#include "sandbox/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/procfile.h"

// A look that finds nothing may have missed what was born behind it: so there are two in a row.
// And where they are born faster than they are found, all stand still meanwhile.
#define LOOKS 2
#define ROUNDS_BEFORE_STOP 8

int assay_sweep_tag(int proc_fd, uint64_t *tag)
{
    struct stat stat;
    const int fd = openat(proc_fd, "self/ns/uts", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    if (fstat(fd, &stat) < 0) {
        close(fd);
        return -1;
    }
    *tag = stat.st_ino;
    return fd;
}

bool assay_sweep_enter(int proc_fd, int *tag_fd, uint64_t *tag)
{
    if (unshare(CLONE_NEWUTS) < 0)
        return false;
    *tag_fd = assay_sweep_tag(proc_fd, tag);
    return *tag_fd >= 0;
}

bool assay_sweep_return(int old_fd)
{
    return setns(old_fd, CLONE_NEWUTS) == 0;
}

void assay_sweep_begin(struct assay_sweep *sweep, pid_t spare)
{
    sweep->spare = spare;
    sweep->round = sweep->found = sweep->last = 0;
}

// The tag of a process; 0 when it is dead.
static uint64_t tag_of(int proc_fd, const char *pid)
{
    struct stat stat;
    char path[48];

    (void)snprintf(path, sizeof(path), "%.20s/ns/uts", pid);
    return fstatat(proc_fd, path, &stat, 0) == 0 ? stat.st_ino : 0;
}

// A process without a tag is dead, or nearly: will it be reaped without its parent's doing?
static bool is_dying(int proc_fd, const char *pid)
{
    char path[48];
    char text[512];
    const char *at = NULL;

    (void)snprintf(path, sizeof(path), "%.20s/stat", pid);
    if (!assay_procfile_read(proc_fd, path, text, sizeof(text)))
        return false;
    at = strrchr(text, ')'); // the name before it may hold anything
    // The init reaps its own; a zombie of another parent may stay.
    return at != NULL && (strncmp(at, ") Z ", 4) != 0 || strncmp(at, ") Z 1 ", 6) == 0);
}

// Look at every process of the box: signals for those of the tag and for the others, 0 for
// none. Returns how many have the tag; *dying (may be NULL) counts those not wholly gone.
static uint32_t look(
        const struct assay_sweep *sweep, int proc_fd, int to_tagged, int to_others, uint32_t *dying)
{
    const int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    uint32_t found = 0;

    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return UINT32_MAX; // not known: the caller will look again
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): assay-box has one thread
    while ((entry = readdir(dir)) != NULL) {
        const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        const uint64_t tag = pid > 1 ? tag_of(proc_fd, entry->d_name) : 0;
        const bool hit = tag == sweep->tag && pid != sweep->spare;

        if (tag == 0) {
            if (dying != NULL && pid > 1)
                *dying += is_dying(proc_fd, entry->d_name);
            continue;
        }
        found += hit;
        if (hit && to_tagged != 0)
            (void)kill(pid, to_tagged);
        else if (!hit && to_others != 0)
            (void)kill(pid, to_others);
    }
    closedir(dir);
    return found;
}

uint32_t assay_sweep_count(const struct assay_sweep *sweep, int proc_fd)
{
    const uint32_t found = look(sweep, proc_fd, 0, 0, NULL);

    return found == UINT32_MAX ? 0 : found;
}

bool assay_sweep_round(struct assay_sweep *sweep, int proc_fd)
{
    const bool stop = sweep->round >= ROUNDS_BEFORE_STOP && sweep->last > 0;
    uint32_t found = 0;
    uint32_t dying = 0;

    // Nothing can be born where everything stands still.
    if (stop)
        (void)kill(-1, SIGSTOP);
    for (unsigned i = 0; i < LOOKS && found == 0; i++) {
        dying = 0;
        found = look(sweep, proc_fd, SIGKILL, 0, &dying);
        if (sweep->round == 0 && i == 0 && found != UINT32_MAX)
            sweep->found = found;
    }
    sweep->round++;
    sweep->last = found;
    if (found > 0)
        return false;
    if (stop)
        (void)look(sweep, proc_fd, 0, SIGCONT, NULL);
    return dying == 0;
}

bool assay_sweep_all(struct assay_sweep *sweep, int proc_fd)
{
    if (sweep->round++ == 0 && kill(-1, 0) == 0)
        sweep->found = assay_sweep_count(sweep, proc_fd);
    // The kernel holds all of them while it goes through them: a fork under way dies too.
    return kill(-1, SIGKILL) < 0 && errno == ESRCH;
}
