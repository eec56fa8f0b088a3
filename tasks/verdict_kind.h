// SPDX-License-Identifier: MIT
// verdict_kind.h - the part of a verdict that depends on the kind of task, and its shaped reward,
// as JSON. For tasks/verdict.c.
#ifndef ASSAY_TASKS_VERDICT_KIND_H
#define ASSAY_TASKS_VERDICT_KIND_H

#include "base/json.h"
#include "tasks/fields.h"
#include "tasks/verdict.h"

// Members of the verdict's object: kind, localize, write_tests, reward_class, reward_components,
// reward_shaped; those that the verdict has.
void assay_verdict_kind_write(struct assay_json_writer *w, const struct assay_verdict *verdict);
// The reverse. A verdict without `kind` is a repair: so they were written once.
ASSAY_MUST_USE enum assay_status assay_verdict_kind_read(
        struct assay_verdict *verdict, const struct assay_fields *fields, struct assay_error *err);

#endif
