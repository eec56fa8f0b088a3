// SPDX-License-Identifier: MIT
#include "sandbox/hold.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "sandbox/sys.h"

// Any directory does: what is mounted on it is seen in that namespace alone.
#define PLACE "/dev"

static bool leave_home(const struct assay_holds *holds, struct assay_fault *fault)
{
    return setns(holds->away_fd, CLONE_NEWNS) == 0 || assay_fault_set(fault, "snapshots: enter");
}

// A spawner that cannot come back would make wrong boxes: it ends, and all boxes with it.
static void come_back(const struct assay_holds *holds)
{
    for (int i = 0; i < 3; i++)
        if (setns(holds->home_fd, CLONE_NEWNS) == 0)
            return;
    abort();
}

static bool make_place(struct assay_holds *holds, struct assay_fault *fault)
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("assay-snapshots", PLACE, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                    "mode=0700") < 0)
        return assay_fault_set(fault, "snapshots: mount");
    holds->away_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    holds->dir_fd = open(PLACE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return (holds->away_fd >= 0 && holds->dir_fd >= 0) || assay_fault_set(fault, "snapshots: open");
}

bool assay_holds_open(struct assay_holds *holds, struct assay_fault *fault)
{
    bool made = false;

    memset(holds, 0, sizeof(*holds));
    holds->away_fd = holds->dir_fd = -1;
    holds->next_id = assay_clock_us() << 8;
    holds->home_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (holds->home_fd < 0)
        return assay_fault_set(fault, "snapshots: open");
    if (unshare(CLONE_NEWNS) < 0)
        return assay_fault_set(fault, "snapshots: mount namespace");
    made = make_place(holds, fault);
    come_back(holds);
    if (!made)
        assay_holds_close(holds);
    return made;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void assay_holds_close(struct assay_holds *holds)
{
    for (uint32_t slot = 0; slot < ASSAY_HOLDS_MAX; slot++)
        if (holds->items[slot].id != 0)
            close_fd(&holds->items[slot].lease_fd);
    close_fd(&holds->home_fd);
    close_fd(&holds->away_fd);
    close_fd(&holds->dir_fd);
}

static void name_slot(char name[16], uint32_t slot)
{
    (void)snprintf(name, 16, "%u", slot);
}

// Runs in the parts' namespace.
static bool attach(
        struct assay_holds *holds, uint32_t slot, int mount_fd, struct assay_fault *fault)
{
    char name[16];
    int fd = -1;
    bool attached = false;

    name_slot(name, slot);
    if (mkdirat(holds->dir_fd, name, 0700) < 0 && errno != EEXIST)
        return assay_fault_set(fault, "snapshots: attach");
    fd = openat(holds->dir_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    attached = (fd >= 0 && sys_attach(mount_fd, fd) == 0) ||
            assay_fault_set(fault, "snapshots: attach");
    if (fd >= 0)
        close(fd);
    return attached;
}

static uint32_t find_free(const struct assay_holds *holds)
{
    uint32_t slot = 0;

    while (slot < ASSAY_HOLDS_MAX && holds->items[slot].id != 0)
        slot++;
    return slot;
}

bool assay_holds_add(struct assay_holds *holds, int mount_fd, struct assay_part_ticket *ticket,
        uint32_t *slot, struct assay_fault *fault)
{
    const uint32_t free_slot = find_free(holds);
    int ends[2];
    bool attached = false;

    if (holds->away_fd < 0)
        return assay_fault_errno(fault, "snapshots", ENOTSUP);
    if (free_slot == ASSAY_HOLDS_MAX)
        return assay_fault_errno(fault, "too many snapshots", EAGAIN);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return assay_fault_set(fault, "snapshots: lease");
    ticket->dir_fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ticket->dir_fd < 0)
        (void)assay_fault_set(fault, "snapshots: open");
    else if (leave_home(holds, fault)) {
        attached = attach(holds, free_slot, mount_fd, fault);
        come_back(holds);
    }
    if (!attached) {
        if (ticket->dir_fd >= 0)
            close(ticket->dir_fd);
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    // A part's slot is in its id.
    ticket->id = holds->next_id++ * ASSAY_HOLDS_MAX + free_slot;
    holds->items[free_slot] = (struct assay_hold){.id = ticket->id, .lease_fd = ends[0]};
    ticket->lease_fd = ends[1];
    *slot = free_slot;
    return true;
}

void assay_holds_drop(struct assay_holds *holds, uint32_t slot)
{
    struct assay_fault fault = {{0}, 0};
    char path[sizeof(PLACE) + 16];

    if (slot >= ASSAY_HOLDS_MAX || holds->items[slot].id == 0)
        return;
    close(holds->items[slot].lease_fd);
    holds->items[slot] = (struct assay_hold){.id = 0, .lease_fd = -1};
    if (!leave_home(holds, &fault))
        return;
    (void)snprintf(path, sizeof(path), PLACE "/%u", slot);
    (void)umount2(path, MNT_DETACH);
    come_back(holds);
}

// Runs in the parts' namespace.
static int clone_one(const struct assay_holds *holds, uint64_t id, struct assay_fault *fault)
{
    const uint32_t slot = (uint32_t)(id % ASSAY_HOLDS_MAX);
    char name[16];
    int fd = -1;

    if (id == 0 || holds->items[slot].id != id) { // of a spawner that is gone
        (void)assay_fault_errno(fault, "no such snapshot", ESTALE);
        return -1;
    }
    name_slot(name, slot);
    fd = sys_open_tree(holds->dir_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (fd < 0)
        (void)assay_fault_set(fault, "snapshots: clone");
    return fd;
}

bool assay_holds_clone(struct assay_holds *holds, const uint64_t *ids, size_t count, int *fds,
        struct assay_fault *fault)
{
    size_t cloned = 0;

    if (holds->away_fd < 0)
        return assay_fault_errno(fault, "snapshots", ENOTSUP);
    if (!leave_home(holds, fault))
        return false;
    while (cloned < count && (fds[cloned] = clone_one(holds, ids[cloned], fault)) >= 0)
        cloned++;
    come_back(holds);
    if (cloned == count)
        return true;
    while (cloned > 0)
        close(fds[--cloned]);
    return false;
}
