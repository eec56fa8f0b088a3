// SPDX-License-Identifier: MIT
// recipe_detect.h - what a source tree needs, read off the files that its ecosystem keeps there.
//
// A set-up step never sees the tree (a layer is shared by all trees of a recipe): what a package
// manager has to read (a lock file, a list of requirements) is written into the layer by the recipe
// itself, so that another lock file is another layer. Nothing is run and nothing is fetched here.
#ifndef ASSAY_ENVS_RECIPE_DETECT_H
#define ASSAY_ENVS_RECIPE_DETECT_H

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"

struct assay_detected {
    const char *ecosystem; // "python", "node", "go", "cargo", "maven", "meson", "cmake", "make"
    const char *file;      // of the tree: what decided
    const char *why;       // a sentence for people
    struct assay_recipe recipe;    // named after the ecosystem
    const char *framework;         // a row of rewards/framework.h
    struct assay_strings test_cmd; // argv
    struct assay_strings needs;    // programs of the host without which it cannot be used
};

// All that the tree at dir_fd shows, the most telling one first; none is count 0. In the arena.
// ASSAY_EINVAL: a file that decides is larger than 8 MiB.
ASSAY_MUST_USE enum assay_status assay_recipe_detect(struct assay_detected **out, size_t *count,
        int dir_fd, struct assay_arena *arena, struct assay_error *err);

#endif
