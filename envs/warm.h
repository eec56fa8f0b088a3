// SPDX-License-Identifier: MIT
// warm.h - zygotes kept for environments: which one a run can be forked from, and for how long.
//
// A zygote is kept by what it is warm for: its command, and all that a cold start
// of it would depend on before the repository's own files (image and layers, files
// of assay's, variables, working folder). The first run of a kind is always cold:
// a zygote costs several runs to start. Whatever goes wrong here makes a run cold,
// never wrong. Thread-safe.
#ifndef ASSAY_ENVS_WARM_H
#define ASSAY_ENVS_WARM_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/zygote.h"
#include "tasks/instance.h"

struct assay_warm; // opaque; owned by whoever called assay_warm_create()

// `cold_uses`: how many runs of a kind go by before its zygote is started.
ASSAY_MUST_USE enum assay_status assay_warm_create(struct assay_warm **out,
        struct assay_sandbox *sandbox, unsigned cold_uses, struct assay_error *err);
// No run may be in flight. NULL is allowed.
void assay_warm_destroy(struct assay_warm *warm);
// Stop them all: their spawner is dead. No run may be in flight.
void assay_warm_drop(struct assay_warm *warm);

struct assay_warm_lease {
    struct assay_zygote *zygote; // borrowed until give
    uint64_t number;             // names it for distrust; 0: none
};
// A zygote for this plan's run, whose zygote's command is `command`; it is started
// here if it is time to. False: run cold.
bool assay_warm_take(struct assay_warm *warm, struct assay_warm_lease *out,
        const struct assay_box_plan *plan, const struct assay_strings *command);
// `spoiled`: the run did not end by plain exit. The zygote serves no further run then.
void assay_warm_give(struct assay_warm *warm, const struct assay_warm_lease *lease, bool spoiled);
// As spoiled, said later: the verdict tells of tampering. 0 is allowed.
void assay_warm_distrust(struct assay_warm *warm, uint64_t number);
// How many runs came from zygotes.
uint64_t assay_warm_run_count(struct assay_warm *warm);

#endif
