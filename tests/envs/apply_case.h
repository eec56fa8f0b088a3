// SPDX-License-Identifier: MIT
// apply_case.h - patches with random damage and the trees that they meet, for the oracle tests;
// and the other programs that are asked about them.
#ifndef ASSAY_TESTS_ENVS_APPLY_CASE_H
#define ASSAY_TESTS_ENVS_APPLY_CASE_H

#include <stdint.h>

#include "base/buf.h"
#include "envs/apply_tree.h"

struct apply_case {
    struct assay_arena *arena; // owned
    struct tree before;
    struct assay_buf patch;
};

// A random tree, random changes to it, and their diff, often damaged.
struct apply_case *apply_case_random(uint64_t seed, uint64_t number);

// One of `count` real diffs in `dir` (tests/support/real_diffs.sh), damaged, its tree drifted.
struct apply_case *apply_case_real(const char *dir, uint64_t count, uint64_t seed, uint64_t number);
uint64_t apply_case_reals(const char *dir);
void apply_case_free(struct apply_case *c);

// Run a program where the tree lies, with the patch at ../patch. The tree that it left in *after
// when its exit status, which is returned, is 0. Its output is in `base`/out.
int apply_case_run(struct apply_case *c, const char *base, char *const argv[], struct tree *after);

void apply_case_show(const char *name, const struct tree *tree);
// A number from the environment.
uint64_t apply_case_number(const char *name, uint64_t otherwise);

#endif
