// SPDX-License-Identifier: MIT
// serve_gather.h - many answers submitted at once, heard of together.
#ifndef ASSAY_ORCHESTRATOR_SERVE_GATHER_H
#define ASSAY_ORCHESTRATOR_SERVE_GATHER_H

#include "orchestrator/grader.h"

// What one came to: as struct assay_graded has it, kept.
struct assay_gathered {
    enum assay_graded_state state;
    char job_id[ASSAY_ID_BYTES];
    const struct assay_served *task;
    char *verdict; // owned by the gathering; NULL unless DONE
    bool scored, resolved;
    double reward;
    const char *cause; // static
    char reason[ASSAY_ERROR_MESSAGE_BYTES];
};

struct assay_gathering {
    // Called once when all have been told, perhaps inside assay_gather(); the items are borrowed.
    void (*done)(void *user, const struct assay_gathered *items, size_t count);
    // Called with each as it is told, one at a time; may be NULL.
    void (*each)(void *user, size_t index, const struct assay_gathered *item);
    void *user;
};

// As assay_grader_submit(): on an error nothing is called.
ASSAY_MUST_USE enum assay_status assay_gather(struct assay_grader *grader,
        const struct assay_submission *submissions, size_t count, uint64_t deadline_ms,
        const struct assay_gathering *gathering, struct assay_error *err);

#endif
