// SPDX-License-Identifier: MIT
// zygote_setup.h - what a zygote must know of the spawner to make boxes, as one memory file.
#ifndef ASSAY_SANDBOX_ZYGOTE_SETUP_H
#define ASSAY_SANDBOX_ZYGOTE_SETUP_H

#include <stdbool.h>

#include "sandbox/fault.h"
#include "sandbox/profile.h"
#include "sandbox/skeleton.h"

struct assay_zygote_setup {
    struct assay_profiles profiles;
    struct assay_skeleton skeleton; // texts are never freed: a zygote ends by exit
};

// A sealed memory file, or -1 with errno.
int assay_zygote_setup_write(
        const struct assay_profiles *profiles, const struct assay_skeleton *skeleton);
bool assay_zygote_setup_read(struct assay_zygote_setup *out, int fd);

// The calling process's ids in a new user namespace: those that it has. By itself, which needs no
// right in the namespace above.
bool assay_zygote_map_ids(struct assay_fault *fault);

#endif
