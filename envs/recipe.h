// SPDX-License-Identifier: MIT
// recipe.h - environment layers: a recipe's set-up commands, run once in a box, kept for all.
#ifndef ASSAY_ENVS_RECIPE_H
#define ASSAY_ENVS_RECIPE_H

#include <limits.h>
#include <stdbool.h>

#include "envs/depot.h"
#include "sandbox/box.h"
#include "tasks/instance.h"

// A ready environment: what a box of this recipe has as its root.
struct assay_environment {
    char key[65];          // hash of recipe, host digest, parents; part of every verdict's key
    bool host_usr;         // base "host"
    char layer[PATH_MAX];  // root overlay left by the set-up commands; "" when there were none
    char image[PATH_MAX];  // base "dir:" or "oci:": an unpacked root; "" for host
    bool network_used;     // set-up shared the host's network
};

// Digest of the host's package list (dpkg-query -W, else os-release and the
// mtimes of /usr): part of the key of "host" recipes. Computed once a process.
ASSAY_MUST_USE enum assay_status assay_host_digest(char hex[65], struct assay_error *err);

// Build the layer if it is missing: one box per set-up command list, network
// shared with the host, package manager configuration (pip's index, proxies and
// certificates) taken from the host's own at run time. Concurrent callers, also
// in other processes, wait for one builder. A failing command is ASSAY_EIO with
// the command, its status and where its log lies; nothing half built is kept.
ASSAY_MUST_USE enum assay_status assay_recipe_prepare(struct assay_depot *depot,
        struct assay_sandbox *sandbox, const struct assay_recipe *recipe,
        struct assay_environment *out, struct assay_error *err);

#endif
