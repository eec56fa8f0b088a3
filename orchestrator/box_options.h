// SPDX-License-Identifier: MIT
// box_options.h - from the options of `assay box run` to a plan.
#ifndef ASSAY_ORCHESTRATOR_BOX_OPTIONS_H
#define ASSAY_ORCHESTRATOR_BOX_OPTIONS_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "envs/access.h"
#include "orchestrator/cli.h"
#include "orchestrator/gate.h"
#include "sandbox/box.h"

extern const struct assay_option assay_box_run_options[];

// Where --tree DIR is seen, and where the command then starts.
#define ASSAY_BOX_TREE "/work"

// What lives as long as the run: texts in `arena`, and what --keep opened.
struct assay_box_job {
    struct assay_arena *arena; // borrowed
    struct assay_box_plan plan;
    int keep_fd; // the folder of --keep, locked; -1: none
    struct assay_gate gate;
    struct assay_passage passage; // open with --allow-host
    struct assay_buf refused;     // after the run: lines of what the network refused
    const char *status;           // --json-file, or NULL
};

// ASSAY_EUSAGE names the option that is wrong. Close and release the job in any case; it may not
// be moved.
ASSAY_MUST_USE enum assay_status assay_box_job_make(struct assay_box_job *job,
        const struct assay_invocation *invocation, struct assay_arena *arena,
        struct assay_error *err);
// After the run: what was refused is in job->refused then.
void assay_box_job_close(struct assay_box_job *job);
void assay_box_job_release(struct assay_box_job *job);

// "NAME=VALUE" of --limit. ASSAY_EUSAGE lists the names there are, or the units.
ASSAY_MUST_USE enum assay_status assay_box_limit_set(
        struct assay_box_limits *limits, const char *text, struct assay_error *err);

#endif
