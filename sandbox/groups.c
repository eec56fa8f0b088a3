// SPDX-License-Identifier: MIT
#include "sandbox/groups.h"

#include <string.h>
#include <unistd.h>

#include "sandbox/procfile.h"

#define PIDS_PEAK_MAX 2
#define CHECKS_MAX 3
// The kernel charges a group ahead of its use, 64 pages a processor at a time.
#define PAGES_AHEAD 64

// --- as new? -------------------------------------------------------------------------------------

static bool pids_are_as_new(int dir_fd)
{
    char text[256];
    uint64_t peak = 0;

    return assay_procfile_read_u64(dir_fd, "pids.peak", &peak) && peak <= PIDS_PEAK_MAX &&
            assay_procfile_read(dir_fd, "pids.events", text, sizeof(text)) &&
            assay_procfile_key(text, "max") == 0;
}

static bool nothing_was_killed(int dir_fd)
{
    char text[256];

    return assay_procfile_read(dir_fd, "memory.oom_control", text, sizeof(text)) &&
            assay_procfile_key(text, "oom_kill") == 0;
}

// What no waiting mends.
static bool can_be_as_new(const struct assay_groups *groups, const struct assay_cgroup *group)
{
    const struct assay_cgroups *host = groups->cgroups;

    if (!(host->roles & ASSAY_CGROUP_PIDS))
        return false; // nothing would tell that it is empty
    for (size_t i = 0; i < host->tree_count; i++) {
        const struct assay_cgroup_tree *tree = &host->trees[i];

        if ((tree->roles & ASSAY_CGROUP_MEMORY) &&
                (tree->v2 || !nothing_was_killed(group->dirs[i])))
            return false;
        if ((tree->roles & ASSAY_CGROUP_PIDS) && !pids_are_as_new(group->dirs[i]))
            return false;
    }
    return true;
}

static bool is_as_new(const struct assay_groups *groups, const struct assay_cgroup *group)
{
    const struct assay_cgroups *host = groups->cgroups;
    const uint64_t ahead_max =
            (uint64_t)sysconf(_SC_NPROCESSORS_ONLN) * PAGES_AHEAD * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t value = 0;

    for (size_t i = 0; i < host->tree_count; i++) {
        const unsigned roles = host->trees[i].roles;
        const int dir_fd = group->dirs[i];

        if ((roles & ASSAY_CGROUP_PIDS) &&
                (!assay_procfile_read_u64(dir_fd, "pids.current", &value) || value != 0))
            return false;
        if ((roles & ASSAY_CGROUP_MEMORY) &&
                (!assay_procfile_read_u64(dir_fd, "memory.usage_in_bytes", &value) ||
                        value > ahead_max ||
                        !assay_procfile_write(dir_fd, "memory.max_usage_in_bytes", "0")))
            return false;
    }
    return true;
}

// --- all of them ---------------------------------------------------------------------------------

static struct assay_idle_group take_oldest(struct assay_groups *groups)
{
    const struct assay_idle_group oldest = groups->idle[0];

    groups->idle_count--;
    memmove(&groups->idle[0], &groups->idle[1], groups->idle_count * sizeof(groups->idle[0]));
    return oldest;
}

static void discard(const struct assay_groups *groups, struct assay_idle_group *idle)
{
    assay_cgroup_close(&idle->group);
    (void)assay_cgroup_remove(groups->cgroups, idle->number);
}

bool assay_groups_take(struct assay_groups *groups, struct assay_cgroup *out, uint64_t *number)
{
    for (size_t left = groups->idle_count; left > 0; left--) {
        struct assay_idle_group idle = take_oldest(groups);

        if (is_as_new(groups, &idle.group)) {
            struct assay_cgroup_usage usage = {0};

            idle.group.cpu_user_us_before = idle.group.cpu_system_us_before = 0;
            assay_cgroup_read_cpu(&idle.group, groups->cgroups, &usage);
            idle.group.cpu_user_us_before = usage.cpu_user_us;
            idle.group.cpu_system_us_before = usage.cpu_system_us;
            *out = idle.group;
            *number = idle.number;
            return true;
        }
        if (++idle.checks < CHECKS_MAX)
            groups->idle[groups->idle_count++] = idle;
        else
            discard(groups, &idle);
    }
    return false;
}

bool assay_groups_return(struct assay_groups *groups, struct assay_cgroup *group, uint64_t number)
{
    if (groups->idle_count < ASSAY_GROUPS_IDLE_MAX && can_be_as_new(groups, group)) {
        groups->idle[groups->idle_count++] =
                (struct assay_idle_group){.group = *group, .number = number};
        assay_cgroup_init(group);
        return true;
    }
    assay_cgroup_close(group);
    return false;
}

void assay_groups_close(struct assay_groups *groups)
{
    while (groups->idle_count > 0)
        discard(groups, &groups->idle[--groups->idle_count]);
}
