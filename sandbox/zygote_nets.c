// SPDX-License-Identifier: MIT
#include "sandbox/zygote_nets.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sandbox/caps.h"
#include "sandbox/zygote_setup.h"

// Whether there is a user namespace of our own. Other credentials make the memory nobody's, and
// with it the files of /proc/self.
static bool own_namespace(void)
{
    const int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    struct assay_fault fault;

    if (dumpable < 0 || unshare(CLONE_NEWUSER) < 0)
        return false;
    if (prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0) < 0 || !assay_zygote_map_ids(&fault) ||
            !assay_caps_keep_networks(&fault))
        _exit(1); // nobody: no run can come of it
    return true;
}

void assay_zygote_nets_open(struct assay_zygote_nets *out, bool fresh)
{
    struct assay_fault fault;

    *out = (struct assay_zygote_nets){.nets = {.home_fd = -1}, .entered = {.ns_fd = -1}};
    if (!fresh && own_namespace())
        (void)assay_nets_open(&out->nets, false, &fault);
}

// A process whose init is dead has none left: the kernel ends a pid namespace from within.
static void take_back(struct assay_zygote_nets *nets)
{
    struct pollfd inits[ASSAY_ZYGOTE_NETS_MAX];
    size_t kept = 0;

    for (size_t i = 0; i < nets->lent_count; i++)
        inits[i] = (struct pollfd){.fd = nets->lent[i].pid_fd, .events = POLLIN};
    if (poll(inits, nets->lent_count, 0) <= 0)
        return;
    for (size_t i = 0; i < nets->lent_count; i++) {
        if (inits[i].revents == 0) {
            nets->lent[kept++] = nets->lent[i];
            continue;
        }
        close(nets->lent[i].pid_fd);
        assay_nets_return(&nets->nets, &nets->lent[i].net);
    }
    nets->lent_count = kept;
}

bool assay_zygote_nets_enter(struct assay_zygote_nets *nets)
{
    struct assay_fault fault;

    if (nets->nets.home_fd < 0)
        return false;
    take_back(nets);
    if (nets->lent_count == ASSAY_ZYGOTE_NETS_MAX)
        return false;
    if (assay_nets_enter(&nets->nets, &nets->entered, &fault))
        return true;
    // It may be in one that it could make and not use.
    if (!assay_nets_leave(&nets->nets, &fault))
        _exit(1);
    return false;
}

void assay_zygote_nets_leave(struct assay_zygote_nets *nets, int pid_fd)
{
    const int copy = pid_fd < 0 ? -1 : fcntl(pid_fd, F_DUPFD_CLOEXEC, 0);
    struct assay_fault fault;

    if (nets->entered.ns_fd < 0)
        return;
    if (!assay_nets_leave(&nets->nets, &fault))
        _exit(1); // the next zygote begins anew
    if (copy >= 0) {
        nets->lent[nets->lent_count].pid_fd = copy;
        nets->lent[nets->lent_count++].net = nets->entered;
    } else if (pid_fd < 0) {
        assay_nets_return(&nets->nets, &nets->entered);
    } else {
        assay_nets_drop(&nets->entered);
    }
    nets->entered.ns_fd = -1;
}
