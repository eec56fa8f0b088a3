// SPDX-License-Identifier: MIT
// cgroup.c - one box's group: limits written before its first process, usage read after its last.
#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/procfile.h"

#define NAME_BYTES 112
#define FEW_PIDS 32

static bool limit_memory(int dir_fd, bool v2, uint64_t bytes, struct assay_fault *fault)
{
    const char *name = v2 ? "memory.max" : "memory.limit_in_bytes";

    // v1: where a lower limit was written before, the one with swap is in the way.
    if (!assay_procfile_write_u64(dir_fd, name, bytes) &&
            (v2 || errno != EINVAL ||
                    !assay_procfile_write_u64(dir_fd, "memory.memsw.limit_in_bytes", bytes) ||
                    !assay_procfile_write_u64(dir_fd, name, bytes)))
        return assay_fault_set(fault, "cgroup memory limit");
    if (v2) {
        // Both are missing on some kernels: no swap, or before 4.19.
        (void)assay_procfile_write(dir_fd, "memory.swap.max", "0");
        (void)assay_procfile_write(dir_fd, "memory.oom.group", "1");
    } else {
        (void)assay_procfile_write_u64(dir_fd, "memory.memsw.limit_in_bytes", bytes);
    }
    return true;
}

// v1 kills one process and lets the others go on; the eventfd lets the spawner
// do what v2's oom.group does. Without it the count at the end still tells.
static int watch_oom(int dir_fd)
{
    char text[32];
    const int control_fd = openat(dir_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
    int event_fd = -1;

    if (control_fd < 0)
        return -1;
    event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)snprintf(text, sizeof(text), "%d %d", event_fd, control_fd);
    if (event_fd >= 0 && !assay_procfile_write(dir_fd, "cgroup.event_control", text)) {
        close(event_fd);
        event_fd = -1;
    }
    close(control_fd);
    return event_fd;
}

void assay_cgroup_init(struct assay_cgroup *group)
{
    *group = (struct assay_cgroup){.oom_fd = -1};
    for (size_t i = 0; i < ASSAY_CGROUP_TREES_MAX; i++)
        group->dirs[i] = -1;
}

static void print_name(char name[NAME_BYTES], const struct assay_cgroups *groups, uint64_t number)
{
    (void)snprintf(name, NAME_BYTES, "%s-%" PRIu64, groups->prefix, number);
}

bool assay_cgroup_create(struct assay_cgroup *out, const struct assay_cgroups *groups,
        uint64_t number, struct assay_fault *fault)
{
    char name[NAME_BYTES];

    assay_cgroup_init(out);
    print_name(name, groups, number);
    for (size_t i = 0; i < groups->tree_count; i++) {
        const struct assay_cgroup_tree *tree = &groups->trees[i];

        if (mkdirat(tree->dir_fd, name, 0755) < 0 && errno != EEXIST)
            return assay_fault_set(fault, "cgroup mkdir");
        out->dirs[i] = openat(tree->dir_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (out->dirs[i] < 0)
            return assay_fault_set(fault, "cgroup open");
        if ((tree->roles & ASSAY_CGROUP_MEMORY) && !tree->v2)
            out->oom_fd = watch_oom(out->dirs[i]);
    }
    return true;
}

bool assay_cgroup_limit(const struct assay_cgroup *group, const struct assay_cgroups *groups,
        const struct assay_box_limits *limits, struct assay_fault *fault)
{
    for (size_t i = 0; i < groups->tree_count; i++) {
        const struct assay_cgroup_tree *tree = &groups->trees[i];

        if ((tree->roles & ASSAY_CGROUP_MEMORY) &&
                !limit_memory(group->dirs[i], tree->v2, limits->memory_bytes_max, fault))
            return false;
        // The box's init counts as one.
        if ((tree->roles & ASSAY_CGROUP_PIDS) &&
                !assay_procfile_write_u64(
                        group->dirs[i], "pids.max", (uint64_t)limits->process_count_max + 1))
            return assay_fault_set(fault, "cgroup pids limit");
    }
    return true;
}

int assay_cgroup_clone_fd(const struct assay_cgroup *group, const struct assay_cgroups *groups)
{
    for (size_t i = 0; i < groups->tree_count; i++)
        if (groups->trees[i].v2)
            return group->dirs[i];
    return -1;
}

bool assay_cgroup_add(const struct assay_cgroup *group, const struct assay_cgroups *groups,
        pid_t pid, bool cloned_into_v2, struct assay_fault *fault)
{
    for (size_t i = 0; i < groups->tree_count; i++) {
        if (groups->trees[i].v2 && cloned_into_v2)
            continue;
        if (!assay_procfile_write_u64(group->dirs[i], "cgroup.procs", (uint64_t)pid))
            return assay_fault_set(fault, "cgroup join");
    }
    return true;
}

void assay_cgroup_kill(const struct assay_cgroup *group, const struct assay_cgroups *groups)
{
    uint64_t pids = UINT64_MAX;

    for (size_t i = 0; i < groups->tree_count; i++)
        if (groups->trees[i].roles & ASSAY_CGROUP_PIDS)
            (void)assay_procfile_read_u64(group->dirs[i], "pids.current", &pids);
    if (pids <= FEW_PIDS)
        return;
    for (size_t i = 0; i < groups->tree_count; i++)
        if (groups->trees[i].roles & ASSAY_CGROUP_KILL)
            (void)assay_procfile_write(group->dirs[i], "cgroup.kill", "1");
}

static void read_cpu(int dir_fd, bool v2, struct assay_cgroup_usage *usage)
{
    char text[1024];

    if (!v2) {
        (void)assay_procfile_read_u64(dir_fd, "cpuacct.usage_user", &usage->cpu_user_us);
        (void)assay_procfile_read_u64(dir_fd, "cpuacct.usage_sys", &usage->cpu_system_us);
        usage->cpu_user_us /= 1000;
        usage->cpu_system_us /= 1000;
    } else if (assay_procfile_read(dir_fd, "cpu.stat", text, sizeof(text))) {
        usage->cpu_user_us = assay_procfile_key(text, "user_usec");
        usage->cpu_system_us = assay_procfile_key(text, "system_usec");
    }
}

static void subtract(uint64_t *from, uint64_t what)
{
    *from = *from > what ? *from - what : 0;
}

void assay_cgroup_read_cpu(const struct assay_cgroup *group, const struct assay_cgroups *groups,
        struct assay_cgroup_usage *usage)
{
    for (size_t i = 0; i < groups->tree_count; i++) {
        if (groups->trees[i].roles & ASSAY_CGROUP_CPU) {
            read_cpu(group->dirs[i], groups->trees[i].v2, usage);
            subtract(&usage->cpu_user_us, group->past.cpu_user_us);
            subtract(&usage->cpu_system_us, group->past.cpu_system_us);
            return;
        }
    }
}

size_t assay_cgroup_open_cpu(
        const struct assay_cgroup *group, const struct assay_cgroups *groups, int fds[2])
{
    for (size_t i = 0; i < groups->tree_count; i++) {
        const bool v2 = groups->trees[i].v2;

        if (!(groups->trees[i].roles & ASSAY_CGROUP_CPU))
            continue;
        fds[0] = openat(
                group->dirs[i], v2 ? "cpu.stat" : "cpuacct.usage_user", O_RDONLY | O_CLOEXEC);
        if (v2 || fds[0] < 0)
            return fds[0] >= 0;
        fds[1] = openat(group->dirs[i], "cpuacct.usage_sys", O_RDONLY | O_CLOEXEC);
        if (fds[1] >= 0)
            return 2;
        close(fds[0]);
        return 0;
    }
    return 0;
}

static void read_memory(int dir_fd, bool v2, struct assay_cgroup_usage *usage)
{
    char text[1024];

    (void)assay_procfile_read_u64(
            dir_fd, v2 ? "memory.peak" : "memory.max_usage_in_bytes", &usage->memory_bytes_peak);
    if (assay_procfile_read(
                dir_fd, v2 ? "memory.events" : "memory.oom_control", text, sizeof(text)))
        usage->oom = assay_procfile_key(text, "oom_kill") > 0;
}

static void read_pids(int dir_fd, struct assay_cgroup_usage *usage)
{
    char text[256];
    uint64_t peak = 0;

    if (assay_procfile_read(dir_fd, "pids.events", text, sizeof(text)))
        usage->pids_hit = assay_procfile_key(text, "max") > 0;
    if (assay_procfile_read_u64(dir_fd, "pids.peak", &peak) && peak > 0)
        usage->pids_peak = (uint32_t)peak - 1; // without the box's init
}

void assay_cgroup_read(const struct assay_cgroup *group, const struct assay_cgroups *groups,
        struct assay_cgroup_usage *usage)
{
    assay_cgroup_read_cpu(group, groups, usage);
    for (size_t i = 0; i < groups->tree_count; i++) {
        if (groups->trees[i].roles & ASSAY_CGROUP_MEMORY)
            read_memory(group->dirs[i], groups->trees[i].v2, usage);
        if (groups->trees[i].roles & ASSAY_CGROUP_PIDS)
            read_pids(group->dirs[i], usage);
    }
}

void assay_cgroup_close(struct assay_cgroup *group)
{
    if (group->oom_fd >= 0)
        close(group->oom_fd);
    for (size_t i = 0; i < ASSAY_CGROUP_TREES_MAX; i++)
        if (group->dirs[i] >= 0)
            close(group->dirs[i]);
    assay_cgroup_init(group);
}

bool assay_cgroup_remove(const struct assay_cgroups *groups, uint64_t number)
{
    char name[NAME_BYTES];
    bool gone = true;

    print_name(name, groups, number);
    for (size_t i = 0; i < groups->tree_count; i++)
        if (unlinkat(groups->trees[i].dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
            gone = false;
    return gone;
}
