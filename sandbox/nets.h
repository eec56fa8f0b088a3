// SPDX-License-Identifier: MIT
// nets.h - network namespaces: made once, used by one box after another.
//
// Making one costs more than all other namespaces together, and so does its end. So a
// namespace is used again when a box of its is wholly dead and nothing in it tells that
// the box ever touched it: no socket of any family is left (in flight, lingering or
// waiting), no flow label is held, no fragment is queued, and every counter of packets,
// of the loopback device and of the protocols, is what it was in a new namespace. A box
// that sent one packet to itself has used its namespace up. Two living boxes never share.
//
// A box has no capability over its network namespace, which belongs to the forge's user
// namespace: it cannot have changed an address, a route or a setting.
//
// The calling process moves between namespaces: for the forge and for zygotes (zygote_nets.h).
#ifndef ASSAY_SANDBOX_NETS_H
#define ASSAY_SANDBOX_NETS_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/fault.h"

#define ASSAY_NET_FILES 6
#define ASSAY_NETS_IDLE_MAX 64

struct assay_net {
    int ns_fd;                  // -1: none
    int files[ASSAY_NET_FILES]; // what tells of its use, in /proc/net; -1: not watched
    unsigned checks;            // how often it was found unclean
};

struct assay_nets {
    bool fresh;  // never use one again
    int home_fd; // a namespace without any box, where the forge's own sockets are
    struct assay_net idle[ASSAY_NETS_IDLE_MAX]; // oldest first; not yet checked
    size_t idle_count;
    char *unused[ASSAY_NET_FILES]; // owned; what the files say in a new namespace
};

// Moves the calling process into its home namespace.
bool assay_nets_open(struct assay_nets *out, bool fresh, struct assay_fault *fault);
void assay_nets_close(struct assay_nets *nets);

// Be in a namespace that is as new, with its loopback up; *out is the caller's to return.
bool assay_nets_enter(struct assay_nets *nets, struct assay_net *out, struct assay_fault *fault);
bool assay_nets_leave(struct assay_nets *nets, struct assay_fault *fault);
// The box that had it is dead.
void assay_nets_return(struct assay_nets *nets, struct assay_net *net);
// Nobody knows when its box will be dead: it is not used again.
void assay_nets_drop(const struct assay_net *net);

#endif
