// SPDX-License-Identifier: MIT
#include "tests/tasks/world.h"

#include <stdio.h>

#include "support/harness.h"
#include "support/temp.h"

void world_open(struct world *world, void **state)
{
    const struct assay_temp *temp = *state;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/assay.db", temp->path);
    assert_int_equal(assay_store_open(&world->store, path, NULL), ASSAY_OK);
    assert_int_equal(assay_arena_create(&world->arena, (size_t)64 << 20, NULL), ASSAY_OK);
}

void world_close(struct world *world)
{
    assay_store_close(world->store);
    assay_arena_destroy(world->arena);
}
