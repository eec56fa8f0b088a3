// SPDX-License-Identifier: MIT
// setup.h - one set-up command in a box that may reach package registries, whose writes are kept.
#ifndef ASSAY_ENVS_SETUP_H
#define ASSAY_ENVS_SETUP_H

#include <stdbool.h>

#include "base/error.h"
#include "envs/access.h"
#include "envs/depot.h"
#include "sandbox/box.h"
#include "tasks/instance.h"

struct assay_setup {
    const char *name;                // of the box
    const char *const *argv;         // NULL-terminated
    const struct assay_strings *env; // over the host's; may be NULL
    const char *image;               // an unpacked root, or NULL: the host's /usr
    const char *root;         // existing directory that keeps what is written below /, or NULL
    const char *out;          // likewise, below ASSAY_FETCH_DIR
    int log_fd;               // gets the output as it comes, and what was refused; -1: none
    struct assay_buf *output; // gets it too, once it is over; may be NULL
    // What it may reach; NULL: nothing. With ALLOWLIST: `hosts`, the user's, and nothing else.
    const struct assay_access *access;
    struct assay_strings hosts;
    bool alone; // it holds every CPU while it runs: builds use all there are
};

// Limits are fixed: 30 minutes, 4 GiB. A command that does not exit 0 is
// ASSAY_EIO with how it ended and its last line.
ASSAY_MUST_USE enum assay_status assay_setup_run(struct assay_depot *depot,
        struct assay_sandbox *sandbox, const struct assay_setup *setup, struct assay_error *err);

#endif
