// SPDX-License-Identifier: MIT
// shape.h - what --reward-map and --shaping add to a verdict once it is made.
//
// Nothing here is part of a run's or a verdict's key: it is worked out anew for every verdict that
// is told, whether it was run now, came from the cache, or was recorded before.
#ifndef ASSAY_ORCHESTRATOR_SHAPE_H
#define ASSAY_ORCHESTRATOR_SHAPE_H

#include <stdbool.h>

#include "orchestrator/cli.h"
#include "orchestrator/grade.h"
#include "rewards/shaping.h"

#define ASSAY_SHAPE_OPTIONS                                                                        \
    {"reward-map", 0, "FILE|PRESET",                                                               \
            "also tell rewards by this map: default, m1-negative, swe-rl, or a JSON file", false}, \
    {                                                                                              \
        "shaping", 0, "FILE", "also tell shaped rewards: terms and weights as JSON", false         \
    }

struct assay_shaper {
    bool on;
    struct assay_reward_map map;
    struct assay_shaping shaping;
};

// From the options of `grade` and `eval`; off without either.
ASSAY_MUST_USE enum assay_status assay_shaper_read(
        struct assay_shaper *out, struct assay_invocation *invocation, struct assay_error *err);

// Set verdict->shaped, or take it away where the shaper is off. `request` is what was graded. A
// similarity that cannot be worked out makes the shaped reward null, not an error.
ASSAY_MUST_USE enum assay_status assay_shaper_apply(const struct assay_shaper *shaper,
        struct assay_context *context, const struct assay_grade_request *request,
        struct assay_verdict *verdict, struct assay_arena *arena, struct assay_error *err);

#endif
