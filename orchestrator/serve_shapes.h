// SPDX-License-Identifier: MIT
// serve_shapes.h - rewards as trainers ask for them: what each sends and is told
// (serve_shapes_table.c), and the call around that (serve_shapes.c). Internal to serve_shapes*.c.
//
// A shape reads which answers are meant, and writes what they are worth.
#ifndef ASSAY_ORCHESTRATOR_SERVE_SHAPES_H
#define ASSAY_ORCHESTRATOR_SERVE_SHAPES_H

#include "base/arena.h"
#include "base/json.h"
#include "orchestrator/serve_gather.h"
#include "orchestrator/serve_suites.h"

enum assay_shape_name {
    ASSAY_SHAPE_SLIME,
    ASSAY_SHAPE_OPENRLHF,
    ASSAY_SHAPE_VERL,
    ASSAY_SHAPE_TRL,
    ASSAY_SHAPE_NEMO,
    ASSAY_SHAPE_COUNT,
};

// What a trainer asks. All but what read() sets is given, and borrowed.
struct assay_shape_ask {
    struct assay_served_suites *suites;
    const struct assay_json *body;
    struct assay_arena *arena;
    bool details;                         // slime: an object, not a bare number
    struct assay_submission *submissions; // [count], read; in the arena, their texts the body's
    size_t count;
};

struct assay_shape {
    unsigned patience_s; // below what its client has
    bool knows_null;
    // ASSAY_EINVAL, ASSAY_ENOTFOUND: what is wrong with it.
    enum assay_status (*read)(struct assay_shape_ask *ask, struct assay_error *err);
    // One JSON value; `items` are as many as were read.
    void (*write)(struct assay_json_writer *w, const struct assay_shape_ask *ask,
            const struct assay_gathered *items);
};

const struct assay_shape *assay_shape_at(enum assay_shape_name name);

// NeMo Gym's {"verify_responses"}: the mean of what is no mask, appended. ASSAY_EINVAL.
ASSAY_MUST_USE enum assay_status assay_shape_write_metrics(
        struct assay_buf *out, const struct assay_json *body, struct assay_error *err);

#endif
