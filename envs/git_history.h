// SPDX-License-Identifier: MIT
// git_history.h - the commits of a repository, each with what it changes against its parent.
#ifndef ASSAY_ENVS_GIT_HISTORY_H
#define ASSAY_ENVS_GIT_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"

#define ASSAY_GIT_PATHS_MAX 500 // a commit that changes more has no list of them

struct assay_git_commit {
    char id[65], parent[65];    // hex
    const char *message;        // as it stands, "" when it is no text
    int64_t time;               // seconds since 1970
    struct assay_strings paths; // that it changes; empty when they are too many
    bool too_many;
};

// Newest first, along first parents from `from` (a branch, tag or commit; NULL: HEAD), at most
// `max` that have one parent: a merge brings what others did, and is passed over. `where` is a
// repository on this host, bare or not. In the arena. ASSAY_ENOTFOUND: no repository or commit.
ASSAY_MUST_USE enum assay_status assay_git_history(struct assay_git_commit **out, size_t *count,
        const char *where, const char *from, size_t max, struct assay_arena *arena,
        struct assay_error *err);

#endif
