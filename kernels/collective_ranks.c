// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "kernels/collective.h"

// What launchers tell a process, ours first.
static const char *const pairs[][2] = {{"ASSAY_RANK", "ASSAY_WORLD"},
        {"SLURM_PROCID", "SLURM_NTASKS"}, {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
        {"PMIX_RANK", "PMIX_SIZE"}, {"PMI_RANK", "PMI_SIZE"},
        {"JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"}, {"RANK", "WORLD_SIZE"}};

static bool read_number(uint32_t *out, const char *text)
{
    char *end = NULL;
    unsigned long value;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || value > ASSAY_RANKS_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

enum assay_status assay_ranks_find(struct assay_ranks *out,
        const char *(*look)(void *user, const char *name), void *user, struct assay_error *err)
{
    struct assay_ranks ranks = {.rank = 0, .world = 1};

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const char *rank = look(user, pairs[i][0]), *world = look(user, pairs[i][1]);

        if (!rank && !world)
            continue;
        if (!rank || !world)
            return assay_fail(err, ASSAY_EINVAL, "%s is set and %s is not", pairs[i][rank ? 0 : 1],
                    pairs[i][rank ? 1 : 0]);
        if (!read_number(&ranks.rank, rank) || !read_number(&ranks.world, world) ||
                ranks.rank >= ranks.world)
            return assay_fail(err, ASSAY_EINVAL,
                    "%s=%.40s and %s=%.40s are no rank of a group of 1 to %d", pairs[i][0], rank,
                    pairs[i][1], world, ASSAY_RANKS_MAX);
        break;
    }
    *out = ranks;
    return ASSAY_OK;
}
