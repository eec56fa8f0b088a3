// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/collective.h"

// What launchers tell a process. A world that the launcher does not say is borrowed from one of
// `lenders`.
static const struct launcher {
    const char *rank, *world;
    bool may_borrow;   // the world
    bool may_be_outer; // of a node, when mpirun has started the process
    bool is_of_job;    // the world, and stands alone where the launcher has started nothing
} launchers[] = {{"ASSAY_RANK", "ASSAY_WORLD", false, false, false},
        {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", false, false, false},
        {"SLURM_PROCID", "SLURM_NTASKS", false, true, true},
        {"PMI_RANK", "PMI_SIZE", false, false, false},
        {"PMIX_RANK", "PMIX_SIZE", true, true, false},
        {"JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", true, false, false},
        {"RANK", "WORLD_SIZE", false, false, false}};
static const char *const lenders[] = {"ASSAY_WORLD", "SLURM_NTASKS", "WORLD_SIZE"};
enum { LAUNCHERS = sizeof(launchers) / sizeof(launchers[0]), OURS = 0, OPEN_MPI = 1 };

// A launcher's pair as it stands in the environment.
struct pair {
    const char *rank_name, *rank, *world_name, *world;
    struct assay_ranks ranks;
};

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

// Is the half that stands alone lent to another launcher's rank?
static bool is_lent(const char *name)
{
    for (size_t i = 0; i < sizeof(lenders) / sizeof(lenders[0]); i++)
        if (strcmp(name, lenders[i]) == 0)
            return true;
    return false;
}

static bool is_absent(const struct launcher *l, const struct pair *p, bool borrows)
{
    return !p->rank && (!p->world || l->is_of_job || (borrows && is_lent(p->world_name)));
}

static enum assay_status read_pair(struct pair *p, struct assay_error *err)
{
    if (!p->rank || !p->world)
        return assay_fail(err, ASSAY_EINVAL, "%s is set and %s is not",
                p->rank ? p->rank_name : p->world_name, p->rank ? p->world_name : p->rank_name);
    if (!read_number(&p->ranks.rank, p->rank) || !read_number(&p->ranks.world, p->world) ||
            p->ranks.rank >= p->ranks.world)
        return assay_fail(err, ASSAY_EINVAL,
                "%s=%.40s and %s=%.40s are no rank of a group of 1 to %d", p->rank_name, p->rank,
                p->world_name, p->world, ASSAY_RANKS_MAX);
    return ASSAY_OK;
}

// What there is of each launcher; worlds that are not said are borrowed.
static bool look_at_all(
        struct pair pairs[LAUNCHERS], const char *(*look)(void *user, const char *name), void *user)
{
    bool borrows = false;

    for (size_t i = 0; i < LAUNCHERS; i++) {
        const struct launcher *l = &launchers[i];

        pairs[i] = (struct pair){.rank_name = l->rank,
                .rank = look(user, l->rank),
                .world_name = l->world,
                .world = look(user, l->world)};
        for (size_t k = 0; k < sizeof(lenders) / sizeof(lenders[0]) && l->may_borrow &&
                pairs[i].rank && !pairs[i].world;
                k++) {
            pairs[i].world = look(user, lenders[k]);
            if (!pairs[i].world)
                continue;
            pairs[i].world_name = lenders[k];
            borrows = true;
        }
    }
    return borrows;
}

enum assay_status assay_ranks_find(struct assay_ranks *out,
        const char *(*look)(void *user, const char *name), void *user, struct assay_error *err)
{
    struct pair pairs[LAUNCHERS], *first = NULL;
    const bool borrows = look_at_all(pairs, look, user);
    const bool ours = pairs[OURS].rank != NULL;

    for (size_t i = 0; i < LAUNCHERS && !(ours && first); i++) {
        struct pair *p = &pairs[i];
        enum assay_status status;

        if (is_absent(&launchers[i], p, borrows) ||
                (launchers[i].may_be_outer && pairs[OPEN_MPI].rank))
            continue;
        status = read_pair(p, err);
        if (status != ASSAY_OK)
            return status;
        if (first && (p->ranks.rank != first->ranks.rank || p->ranks.world != first->ranks.world))
            return assay_fail(err, ASSAY_EINVAL,
                    "%s=%s of %s=%s and %s=%s of %s=%s disagree: ASSAY_RANK and ASSAY_WORLD would "
                    "settle it",
                    first->rank_name, first->rank, first->world_name, first->world, p->rank_name,
                    p->rank, p->world_name, p->world);
        first = first ? first : p;
    }
    *out = first ? first->ranks : (struct assay_ranks){.rank = 0, .world = 1};
    return ASSAY_OK;
}
