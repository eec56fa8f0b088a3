// SPDX-License-Identifier: MIT
#include "sandbox/groups.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/procfile.h"

#define PIDS_MAX 2
// The kernel charges a group ahead of its use, so many pages a processor at a time.
#define PAGES_AHEAD 64

void assay_groups_open(struct assay_groups *out, const struct assay_cgroups *cgroups)
{
    *out = (struct assay_groups){.cgroups = cgroups,
            .ahead_bytes = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN) * PAGES_AHEAD *
                    (uint64_t)sysconf(_SC_PAGESIZE)};
}

// --- as new? -------------------------------------------------------------------------------------

static bool had_few_pids(int dir_fd)
{
    char text[256];
    uint64_t peak = 0;

    return assay_procfile_read_u64(dir_fd, "pids.peak", &peak) && peak <= PIDS_MAX &&
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
        if ((tree->roles & ASSAY_CGROUP_PIDS) && !had_few_pids(group->dirs[i]))
            return false;
    }
    return true;
}

static bool is_as_new(const struct assay_groups *groups, const struct assay_cgroup *group)
{
    const struct assay_cgroups *host = groups->cgroups;
    uint64_t value = 0;

    for (size_t i = 0; i < host->tree_count; i++) {
        const unsigned roles = host->trees[i].roles;
        const int dir_fd = group->dirs[i];

        if ((roles & ASSAY_CGROUP_PIDS) &&
                (!assay_procfile_read_u64(dir_fd, "pids.current", &value) || value != 0))
            return false;
        if ((roles & ASSAY_CGROUP_MEMORY) &&
                (!assay_procfile_read_u64(dir_fd, "memory.usage_in_bytes", &value) ||
                        value > groups->ahead_bytes ||
                        !assay_procfile_write(dir_fd, "memory.max_usage_in_bytes", "0")))
            return false;
    }
    return true;
}

// False where it cannot be told: the last box used some.
static bool note_past(const struct assay_groups *groups, struct assay_cgroup *group)
{
    struct assay_cgroup_usage usage = {0};

    group->past = (struct assay_cgroup_past){0};
    assay_cgroup_read_cpu(group, groups->cgroups, &usage);
    group->past.cpu_user_us = usage.cpu_user_us;
    group->past.cpu_system_us = usage.cpu_system_us;
    return !(groups->cgroups->roles & ASSAY_CGROUP_CPU) ||
            usage.cpu_user_us + usage.cpu_system_us > 0;
}

// --- removing ------------------------------------------------------------------------------------

static void note_busy(struct assay_groups *groups, uint64_t number)
{
    if (groups->busy_count == groups->busy_cap) {
        const size_t cap = groups->busy_cap * 2 + 16;
        uint64_t *grown = realloc(groups->busy, cap * sizeof(*grown));

        if (grown == NULL)
            return; // the next start sweeps it up
        groups->busy = grown;
        groups->busy_cap = cap;
    }
    groups->busy[groups->busy_count++] = number;
}

void assay_groups_remove(struct assay_groups *groups, uint64_t number)
{
    if (!assay_cgroup_remove(groups->cgroups, number))
        note_busy(groups, number);
}

void assay_groups_retry(struct assay_groups *groups)
{
    size_t kept = 0;

    for (size_t i = 0; i < groups->busy_count; i++)
        if (!assay_cgroup_remove(groups->cgroups, groups->busy[i]))
            groups->busy[kept++] = groups->busy[i];
    groups->busy_count = kept;
}

static void discard(struct assay_groups *groups, struct assay_group *group)
{
    assay_cgroup_close(&group->dirs);
    if (groups->remove != NULL)
        groups->remove(groups->user, group->number);
    else
        assay_groups_remove(groups, group->number);
}

void assay_groups_close(struct assay_groups *groups)
{
    while (groups->idle_count > 0)
        discard(groups, &groups->idle[--groups->idle_count]);
}

// --- using again ---------------------------------------------------------------------------------

static struct assay_group take_oldest(struct assay_groups *groups)
{
    const struct assay_group oldest = groups->idle[0];

    groups->idle_count--;
    memmove(&groups->idle[0], &groups->idle[1], groups->idle_count * sizeof(groups->idle[0]));
    return oldest;
}

bool assay_groups_take(struct assay_groups *groups, struct assay_group *out)
{
    while (groups->idle_count > 0) {
        struct assay_group group = take_oldest(groups);

        if (is_as_new(groups, &group.dirs) && note_past(groups, &group.dirs)) {
            *out = group;
            return true;
        }
        discard(groups, &group);
    }
    return false;
}

void assay_groups_return(struct assay_groups *groups, struct assay_group *group)
{
    if (groups->idle_count == ASSAY_GROUPS_IDLE_MAX || !can_be_as_new(groups, &group->dirs)) {
        discard(groups, group);
        return;
    }
    groups->idle[groups->idle_count++] = *group;
}
