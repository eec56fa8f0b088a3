// SPDX-License-Identifier: MIT
// setup.h - one set-up command in a box with the host's network, whose writes are kept.
#ifndef ASSAY_ENVS_SETUP_H
#define ASSAY_ENVS_SETUP_H

#include <stdbool.h>

#include "base/error.h"
#include "envs/depot.h"
#include "sandbox/box.h"
#include "tasks/instance.h"

struct assay_setup {
    const char *name;                // of the box
    const char *const *argv;         // NULL-terminated
    const struct assay_strings *env; // over the host's; may be NULL
    const char *image;               // an unpacked root, or NULL: the host's /usr
    const char *root; // existing directory that keeps what is written below /, or NULL
    const char *out;  // likewise, below ASSAY_FETCH_DIR
    int log_fd;       // gets the output as it comes; -1: none
};

// Limits are fixed: 30 minutes, 4 GiB. A command that does not exit 0 is
// ASSAY_EIO with how it ended and its last line.
ASSAY_MUST_USE enum assay_status assay_setup_run(struct assay_depot *depot,
        struct assay_sandbox *sandbox, const struct assay_setup *setup, struct assay_error *err);

#endif
