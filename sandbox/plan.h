// SPDX-License-Identifier: MIT
// plan.h - a box's plan as one flat record: how it travels from the library to the spawner.
//
// The record carries everything of struct assay_box_plan that concerns the box;
// what concerns the caller alone (stdin's bytes, how output is kept, callbacks)
// stays behind. Reading trusts nothing: every length is checked, and the plan
// that comes out has passed assay_plan_check().
#ifndef ASSAY_SANDBOX_PLAN_H
#define ASSAY_SANDBOX_PLAN_H

#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "sandbox/box.h"

#define ASSAY_PLAN_BYTES_MAX ((size_t)4 << 20)
#define ASSAY_PLAN_MOUNTS_MAX 64
#define ASSAY_PLAN_WORDS_MAX 65536 // argv, and env
#define ASSAY_PLAN_REPORT_FD_MAX 255

// ASSAY_EINVAL, naming the field, when the plan breaks the contract of box.h.
ASSAY_MUST_USE enum assay_status assay_plan_check(
        const struct assay_box_plan *plan, struct assay_error *err);

// Append the record to buf. ASSAY_EINVAL as above; ASSAY_ENOMEM when it does not fit.
ASSAY_MUST_USE enum assay_status assay_plan_pack(
        struct assay_buf *buf, const struct assay_box_plan *plan, struct assay_error *err);

// The plan's texts point into `bytes`, its arrays into `arena`.
ASSAY_MUST_USE enum assay_status assay_plan_unpack(struct assay_box_plan *out,
        struct assay_arena *arena, const void *bytes, size_t size, struct assay_error *err);

#endif
