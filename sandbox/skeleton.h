// SPDX-License-Identifier: MIT
// skeleton.h - what of the host's /usr and /etc a box gets, and the synthetic rest of its /etc.
//
// Looked up once, when the spawner starts; every box's init then makes it from
// memory. The list is short on purpose: nothing that names the host, its users
// or its services.
#ifndef ASSAY_SANDBOX_SKELETON_H
#define ASSAY_SANDBOX_SKELETON_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/fault.h"

#define ASSAY_SKELETON_ENTRIES_MAX 96

enum assay_skeleton_kind {
    ASSAY_SKELETON_LINK, // symbolic link; text is where it points
    ASSAY_SKELETON_FILE, // text is the content
    ASSAY_SKELETON_BIND, // read-only from the same path of the host
};

struct assay_skeleton_entry {
    enum assay_skeleton_kind kind;
    char path[128]; // relative to the root
    char *text;     // owned
    size_t text_len;
    bool from_host;    // only for boxes that see the host's /usr
    bool is_directory; // BIND
    bool replace;      // FILE: written even where an image has one
};

struct assay_skeleton {
    struct assay_skeleton_entry entries[ASSAY_SKELETON_ENTRIES_MAX];
    size_t count;
    bool has_usr_local;
};

// `uid` (and gid) is the user "box" of /etc/passwd.
bool assay_skeleton_find(struct assay_skeleton *out, unsigned uid, struct assay_fault *fault);
void assay_skeleton_free(struct assay_skeleton *skeleton);

#endif
