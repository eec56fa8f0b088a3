// SPDX-License-Identifier: MIT
// host.h - what an environment takes from the host: a digest of its packages, and for set-up
// steps its network's configuration.
#ifndef ASSAY_ENVS_HOST_H
#define ASSAY_ENVS_HOST_H

#include <stddef.h>

#include "base/error.h"
#include "envs/depot.h"
#include "envs/environ.h"
#include "sandbox/box.h"

// Digest of the host's package list (dpkg's, else os-release and the times of
// /usr): part of the key of "host" recipes. Computed once a process; thread-safe.
ASSAY_MUST_USE enum assay_status assay_host_digest(char hex[65], struct assay_error *err);

// Digest of an unpacked image: names, modes, sizes and times. Reads no content.
ASSAY_MUST_USE enum assay_status assay_image_digest(
        char hex[65], int dir_fd, struct assay_error *err);

#define ASSAY_HOST_MOUNTS_MAX 32
// Where the box sees the files and folders that variables name.
#define ASSAY_HOST_CONFIG_DIR "/run/assay-host"
#define ASSAY_APT_SOURCES ASSAY_HOST_CONFIG_DIR "/apt.sources" // all of apt's lists of sources

// How the host reaches package registries: pip's variables and files, proxies
// and certificates. Read when it is wanted and never stored. The files are
// copied, since the box's user may not be able to read the originals.
struct assay_host_config {
    struct assay_mount mounts[ASSAY_HOST_MOUNTS_MAX];
    const char *lowers[ASSAY_HOST_MOUNTS_MAX]; // one a mount
    size_t mount_count;
};

// Copies go to scratch/host, which is made; variables into `vars`; all texts are its arena's.
ASSAY_MUST_USE enum assay_status assay_host_config_read(struct assay_host_config *out,
        struct assay_depot *depot, const char *scratch, struct assay_environ *vars,
        struct assay_error *err);

#endif
