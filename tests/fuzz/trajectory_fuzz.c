// SPDX-License-Identifier: MIT
// What must hold: whatever another program wrote as a trajectory, it is read or refused; turns are
// numbered from 1, their messages grow, and what was read can be written in every format.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/trajectory_formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct assay_trajectory *t)
{
    const struct assay_episode_row row = {.run_id = "r",
            .suite = "s",
            .instance_id = "i",
            .actor = t->model,
            .cause = t->cause,
            .answer = t->submission};

    for (size_t i = 0; i < t->count; i++)
        if (t->turns[i].turn != i + 1 || t->turns[i].observation.data == NULL ||
                (i > 0 && t->turns[i].message < t->turns[i - 1].message))
            abort();
    for (int f = ASSAY_TRAJECTORY_MESSAGES; f <= ASSAY_TRAJECTORY_ATIF; f++) {
        struct assay_buf out;

        assay_buf_init(&out, (size_t)1 << 26);
        assay_trajectory_write(
                &out, (enum assay_trajectory_format)f, &row, t->turns, t->count, NULL, "/testbed");
        assay_buf_free(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_arena *arena = NULL;
    struct assay_trajectory trajectory;

    if (assay_arena_create(&arena, (size_t)1 << 26, NULL) != ASSAY_OK)
        return 0;
    if (assay_trajectory_read(&trajectory, (const char *)data, size, "fuzz", arena, NULL) ==
            ASSAY_OK)
        check(&trajectory);
    assay_arena_destroy(arena);
    return 0;
}
