// SPDX-License-Identifier: MIT
// zygote_nets.h - networks of a zygote's runs: made once, used by one run after another.
//
// They belong to a user namespace that is the zygote's own, below that of its box, and in which it
// has the capabilities to make them and to enter them. Those reach nothing else: not its box, and
// nothing that code in it could not get by a clone. Each run gets a user namespace below and so
// has no capability over its network. When one is used again, nets.h says.
//
// Opened once nothing but our own code runs in the zygote.
#ifndef ASSAY_SANDBOX_ZYGOTE_NETS_H
#define ASSAY_SANDBOX_ZYGOTE_NETS_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/nets.h"

#define ASSAY_ZYGOTE_NETS_MAX 64 // runs that have one; others get a network that ends with them

struct assay_zygote_nets {
    struct assay_nets nets; // home_fd -1: there are none
    struct {
        int pid_fd; // of the init; owned
        struct assay_net net;
    } lent[ASSAY_ZYGOTE_NETS_MAX];
    size_t lent_count;
    struct assay_net entered; // ns_fd -1: none
};

// `fresh`: no network is used again, so there are none. Where one cannot be made, neither.
void assay_zygote_nets_open(struct assay_zygote_nets *out, bool fresh);
// Be in a network that is as new, with its loopback up. False: clone with a new one.
bool assay_zygote_nets_enter(struct assay_zygote_nets *nets);
// Be out of it again. It is the run's whose init pid_fd is, which is copied; -1: nobody's.
void assay_zygote_nets_leave(struct assay_zygote_nets *nets, int pid_fd);

#endif
