// SPDX-License-Identifier: MIT
// access.h - what boxes may reach of the network, and who lets them.
//
// A box with an allow-list has a door and nothing else; what comes through the door
// is served by the caller (assay's own proxy: orchestrator/proxy.h), because this room
// opens no sockets. Entries of lists are as tasks/hosts.h has them.
#ifndef ASSAY_ENVS_ACCESS_H
#define ASSAY_ENVS_ACCESS_H

#include "base/buf.h"
#include "base/error.h"
#include "envs/environ.h"
#include "sandbox/box.h"
#include "tasks/instance.h"

struct assay_access {
    // Of set-up steps. ALLOWLIST: what the recipe lists, `hosts`, and the registries of the host's
    // own package managers. Of graded instances that ask for a list: NONE takes it away.
    enum assay_network network;
    struct assay_strings hosts; // the user's own, for every box that has a list

    // The caller's side of the door. All NULL: every door is closed.
    // A box is about to begin: *out is for the other two. ASSAY_EINVAL: an entry is wrong.
    enum assay_status (*begin)(
            void *user, void **out, const struct assay_strings *hosts, struct assay_error *err);
    void (*serve)(void *passage, int listen_fd); // handed over
    // Everything in the box is dead. `refused` gets a line "WHERE, COUNT times: WHY\n" each.
    void (*end)(void *passage, struct assay_buf *refused);
    void *user;
};

// One box's use of it.
struct assay_passage {
    const struct assay_access *access; // borrowed; NULL: not opened
    void *served;
};

#define ASSAY_REFUSED_BYTES_MAX ((size_t)1 << 16)

// Give `plan` a door for these hosts and the user's, and tell its programs of it: proxy variables
// in `vars`, in place of others. `plan` runs before the passage is closed; the passage is
// closed in any case.
ASSAY_MUST_USE enum assay_status assay_passage_open(struct assay_passage *out,
        const struct assay_access *access, const struct assay_strings *hosts,
        struct assay_box_plan *plan, struct assay_environ *vars, struct assay_error *err);
// What was refused is added to `refused` (may be NULL).
void assay_passage_close(struct assay_passage *passage, struct assay_buf *refused);

#endif
