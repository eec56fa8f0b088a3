// SPDX-License-Identifier: MIT
// world.h - a store in a test's own folder, and an arena for what it tells.
#ifndef ASSAY_TESTS_TASKS_WORLD_H
#define ASSAY_TESTS_TASKS_WORLD_H

#include "base/arena.h"
#include "tasks/store.h"

struct world {
    struct assay_store *store;
    struct assay_arena *arena;
};

// *state is a struct assay_temp; fails the test when there is none.
void world_open(struct world *world, void **state);
void world_close(struct world *world);

#endif
