// SPDX-License-Identifier: MIT
// serve_ors_parts.h - what handlers of the Open Reward Standard share. Internal to serve_ors*.c.
//
// An environment is a suite, a split one of assay's own (tasks/select.h; "test" is what is held
// out), a task {"suite", "instance_id"} with whatever else POST /v1/episodes takes, and a session
// an episode, whose id the client is told before it is opened.
#ifndef ASSAY_ORCHESTRATOR_SERVE_ORS_PARTS_H
#define ASSAY_ORCHESTRATOR_SERVE_ORS_PARTS_H

#include "orchestrator/serve_parts.h"

// The suite that a request is about: `name` (NULL: that of its X-Deployment, else the first one).
// NULL: none of that name is served.
const struct assay_suite *assay_service_ors_suite(
        struct assay_service_call *call, const char *name);
// The index-th task of a split; ASSAY_EINVAL: no such split or index.
ASSAY_MUST_USE enum assay_status assay_service_ors_find(const struct assay_served **out,
        struct assay_service *serve, const struct assay_suite *suite, const char *split,
        uint64_t index, struct assay_error *err);

#endif
