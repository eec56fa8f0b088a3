// SPDX-License-Identifier: MIT
// train_curriculum.h - which tasks of rl are worth drawing, by what was measured of their kind.
//
// A group whose answers are all right, or all wrong, teaches nothing. Of each kind of task
// (assay_train_task.kind) the share of solved answers is kept, newest half and half with what was
// known before. A drawn task of a kind with share p is taken with probability
//
//     f + (1 - f) * 4 p (1 - p)
//
// where f is rl.curriculum for p above 1/2, and ASSAY_CURRICULUM_FAILED (or that, if it is more)
// below: what fails each time must be tried more often than what is known, or it is never learned.
// A kind that nothing is known of is always taken. Numbers are whole, and what is drawn follows
// from seed, cursor and table: a run goes on from a checkpoint with the same bits.
#ifndef ASSAY_ORCHESTRATOR_TRAIN_CURRICULUM_H
#define ASSAY_ORCHESTRATOR_TRAIN_CURRICULUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

#define ASSAY_CURRICULUM_KINDS_MAX 4096 // what comes when it is full is always taken
#define ASSAY_CURRICULUM_ONE 65536      // a share of 1
#define ASSAY_CURRICULUM_FAILED 0.3

struct assay_curriculum {
    size_t count;
    struct assay_curriculum_kind {
        uint64_t kind;  // hash of its name
        uint32_t share; // of ASSAY_CURRICULUM_ONE
    } kinds[ASSAY_CURRICULUM_KINDS_MAX];
};

// `solved` of `answers` answers (1 at least) to a task of this kind were right.
void assay_curriculum_add(
        struct assay_curriculum *c, const char *kind, size_t solved, size_t answers);

// Whether the task at `cursor` of this seed is taken; floor in [0, 1].
bool assay_curriculum_takes(const struct assay_curriculum *c, const char *kind, double floor,
        uint64_t seed, uint64_t cursor);

// As a member "curriculum" of an object, and back; without the member: empty.
// Errors: ASSAY_EINVAL.
void assay_curriculum_write(const struct assay_curriculum *c, struct assay_json_writer *w);
ASSAY_MUST_USE enum assay_status assay_curriculum_read(
        struct assay_curriculum *c, const struct assay_json *json, struct assay_error *err);

#endif
