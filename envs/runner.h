// SPDX-License-Identifier: MIT
// runner.h - run a command of an instance in a fresh box over a workspace.
#ifndef ASSAY_ENVS_RUNNER_H
#define ASSAY_ENVS_RUNNER_H

#include "envs/access.h"
#include "envs/recipe.h"
#include "envs/warm.h"
#include "envs/workspace.h"
#include "sandbox/box.h"
#include "tasks/instance.h"

// A file to lay below /assay in every box: the caller's table (rewards/framework.h has it).
struct assay_runner_file {
    const char *path;
    const char *content;
    bool executable;
};

// Lay the files once below trusted/<hash> of the depot; path of that directory.
ASSAY_MUST_USE enum assay_status assay_runner_lay_files(struct assay_depot *depot,
        const struct assay_runner_file *files, size_t count, char path[PATH_MAX],
        struct assay_error *err);

struct assay_runner_job {
    const struct assay_instance *instance; // limits, id
    const struct assay_recipe *recipe;     // env, workdir
    const struct assay_environment *environment;
    const struct assay_workspace *workspace;
    const char *trusted_dir; // mounted read-only at /assay
    struct assay_strings argv;
    const char *const *env; // "NAME=value", NULL-terminated, over the recipe's
    int report_fd;          // 0: none
    const char *out_dir;    // "/run/assay"
    const char *log_path;   // the log is written here as it comes, bounded; may be NULL
    // What it may reach when the instance asks for a list; NULL: nothing.
    const struct assay_access *access;
    struct assay_buf *refused; // gets what was refused, a line each; may be NULL
    const volatile bool *cancel;
    // Where a zygote may stand for a cold start: the zygotes, and the command of one. NULL, or no
    // words: always cold. What comes out is the same but for the time it takes.
    struct assay_warm *warm;
    struct assay_strings warm_argv;
    uint64_t *warm_number; // out: for assay_warm_distrust(); may be NULL
};

// Environment of the box, in this order: HOME, PATH=/assay/bin:/usr/bin:/bin,
// TZ=UTC, LC_ALL=C.UTF-8, PYTHONHASHSEED=0, PYTHONDONTWRITEBYTECODE=1, CI
// unset, then the recipe's, then the job's, then how many CPUs there are where nothing has said
// so (GOMAXPROCS, OMP_NUM_THREADS, PYTHON_CPU_COUNT), then the way to the proxy if there is one;
// PATH and PYTHONPATH of the job are put before. argv, result: as assay_box_run().
ASSAY_MUST_USE enum assay_status assay_runner_run(struct assay_sandbox *sandbox,
        const struct assay_runner_job *job, struct assay_box_result *result,
        struct assay_error *err);

// Names that stand in out_dir itself and match `glob`, sorted. ASSAY_ENOMEM when they are more than
// count_max.
ASSAY_MUST_USE enum assay_status assay_runner_list_out(int out_dir_fd, const char *glob,
        size_t count_max, struct assay_arena *arena, struct assay_strings *out,
        struct assay_error *err);

// Read a regular file of at most bytes_max from an out_dir after death: no
// links, no FIFOs, one link only. ASSAY_ENOTFOUND when it is not there.
ASSAY_MUST_USE enum assay_status assay_runner_read_out(int out_dir_fd, const char *name,
        size_t bytes_max, struct assay_arena *arena, struct assay_bytes *out,
        struct assay_error *err);

#endif
