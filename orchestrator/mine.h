// SPDX-License-Identifier: MIT
// mine.h - tasks from a repository's history: commits that change source and tests, and whose tests
// fail before and pass after.
//
// The commit's parent is the base tree, what it does to tests the test patch, the rest gold, its
// message the problem. Every commit that was looked at has a line in DIR/.mined.jsonl, with why it
// was not kept: the same command typed again goes on where it was.
#ifndef ASSAY_ORCHESTRATOR_MINE_H
#define ASSAY_ORCHESTRATOR_MINE_H

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/context.h"
#include "tasks/suite.h"

struct assay_mine_options {
    const char *repository, *dir; // a git repository of this host; the suite's folder
    const char *from;             // where the walk begins; NULL: HEAD
    const char *name, *repo;      // of the suite; "owner/name" of its instances
    const char *framework;
    struct assay_strings test_cmd;
    struct assay_recipe recipe;
    struct assay_instance_limits limits;
    size_t commits_max, keep_max; // looked at; kept (no commit is begun once there are so many)
    unsigned runs;                // before and after, each
    size_t threads;
};

struct assay_mine_result {
    size_t seen, resumed, kept, kept_now; // commits; of them done before; tasks in the folder
    // Why commits were not kept, most frequent first.
    struct assay_mine_reason {
        const char *reason;
        size_t count;
    } * reasons;
    size_t reason_count;
    uint64_t wall_ms;
};

// In the arena. ASSAY_ECONFLICT: the folder was mined with another command, framework or recipe.
ASSAY_MUST_USE enum assay_status assay_mine(struct assay_mine_result *out,
        struct assay_context *context, const struct assay_mine_options *options,
        struct assay_arena *arena, struct assay_error *err);

#endif
