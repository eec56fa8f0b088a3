// SPDX-License-Identifier: MIT
// serve_grade.h - what POST /v1/grade is asked: one answer, or many. Internal to serve_grade*.c.
#ifndef ASSAY_ORCHESTRATOR_SERVE_GRADE_H
#define ASSAY_ORCHESTRATOR_SERVE_GRADE_H

#include "base/arena.h"
#include "base/json.h"
#include "orchestrator/grader.h"
#include "orchestrator/serve_suites.h"

struct assay_grade_ask {
    struct assay_submission *submissions; // [count], in the arena; their texts are the body's
    size_t count;
    bool many;       // asked as a list, and answered as one
    uint64_t wait_s; // that the client waits
};

// `streams`: the answer is told as it comes, so that there is no hurry. The body is borrowed.
// ASSAY_EINVAL names the field; of many also the item.
ASSAY_MUST_USE enum assay_status assay_grade_read(struct assay_grade_ask *out,
        struct assay_served_suites *suites, const struct assay_json *body, bool streams,
        struct assay_arena *arena, struct assay_error *err);

#endif
