// SPDX-License-Identifier: MIT
// box_parts.h - what every box over an instance's workspace is made of: mounts, limits, variables.
#ifndef ASSAY_ENVS_BOX_PARTS_H
#define ASSAY_ENVS_BOX_PARTS_H

#include "envs/environ.h"
#include "envs/recipe.h"
#include "envs/workspace.h"
#include "sandbox/box.h"
#include "tasks/instance.h"

#define ASSAY_BOX_TRUSTED_TARGET "/assay"
#define ASSAY_BOX_TRUSTED_BIN "/assay/bin"
// Where instances whose tests lie elsewhere (instance->tests_at) may write what they tell.
#define ASSAY_BOX_LOGS_TARGET "/logs"

// What a box is laid out from, and the room that its plan points into: it lives as long as the
// plan. Zero-initialise it, then fill in the first block; all of it is borrowed.
struct assay_box_parts {
    const struct assay_recipe *recipe;
    const struct assay_environment *environment;
    const struct assay_workspace *workspace;
    const char *trusted_dir; // mounted read-only at ASSAY_BOX_TRUSTED_TARGET; NULL: not

    char name[48];
    const char *root_lowers[2];
    const char *trusted_lowers[1];
    const char *tests_lowers[1];
    struct assay_mount mounts[4];
};

// Name, root, mounts, working directory and limits of a plan that assay_box_plan_default() made.
void assay_box_parts_lay(struct assay_box_plan *plan, struct assay_box_parts *parts,
        const struct assay_instance *instance);

// The recipe's variables, then `env` ("NAME=value", NULL-terminated; may be NULL): PATH and
// PYTHONPATH of the latter are put before. `trusted`: our own programs come first in PATH.
ASSAY_MUST_USE enum assay_status assay_box_parts_environ(struct assay_environ *vars,
        const struct assay_recipe *recipe, const char *const *env, bool trusted,
        struct assay_error *err);
// How many CPUs there are, where nothing has said so: for programs that count the host's.
ASSAY_MUST_USE enum assay_status assay_box_parts_cpus(
        struct assay_environ *vars, uint32_t cpu_count, struct assay_error *err);

#endif
