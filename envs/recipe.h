// SPDX-License-Identifier: MIT
// recipe.h - environment layers: a recipe's set-up commands, run once in a box, kept for all.
#ifndef ASSAY_ENVS_RECIPE_H
#define ASSAY_ENVS_RECIPE_H

#include <limits.h>
#include <stdbool.h>

#include "envs/access.h"
#include "envs/depot.h"
#include "sandbox/box.h"
#include "tasks/instance.h"

// A ready environment: what a box of this recipe has as its root.
struct assay_environment {
    char key[65];  // hash of recipe, host digest, variables, workdir; part of every verdict's key
    bool host_usr; // base "host"
    char layer[PATH_MAX]; // root overlay left by the set-up commands; "" when there were none
    char image[PATH_MAX]; // base "dir:" or "oci:": an unpacked root; "" for host
    // What its set-up commands had, as the layer records it; NONE when there were none.
    enum assay_network network;
};

// Build the layer if it is missing: a fresh box for each set-up command, over
// what the ones before it left (/tmp, too), as `sh -ec`, cwd /, all CPUs, package
// manager configuration (pip's index and certificates) taken from the host's own at run
// time. What they reach is `access` (NULL: nothing), with the hosts that the recipe lists.
// A layer that is there is taken whatever network it had. Concurrent callers, also
// in other processes, wait for one builder. A failing command is ASSAY_EIO with
// the command, its status and where its log lies; nothing half built is kept.
ASSAY_MUST_USE enum assay_status assay_recipe_prepare(struct assay_depot *depot,
        struct assay_sandbox *sandbox, const struct assay_recipe *recipe,
        const struct assay_access *access, struct assay_environment *out, struct assay_error *err);

// Remove the recipe's layer, so that the next preparing makes it anew; none is fine. Boxes that
// have it keep it until they end. ASSAY_EINVAL, ASSAY_ENOTFOUND: as its base is wrong.
ASSAY_MUST_USE enum assay_status assay_recipe_forget(
        struct assay_depot *depot, const struct assay_recipe *recipe, struct assay_error *err);

// Where the layer is, or would be, and where the log of its last building lies: of one that failed
// as long as there is no layer. Paths below the home; `log` is "" when there is none.
struct assay_recipe_state {
    char key[65]; // of the layer; "" when the recipe has no set-up
    bool ready;
    char log[128];
};
ASSAY_MUST_USE enum assay_status assay_recipe_look(struct assay_recipe_state *out,
        struct assay_depot *depot, const struct assay_recipe *recipe, struct assay_error *err);

#endif
