// SPDX-License-Identifier: MIT
// family.h - the families of SWE-bench's relatives: which one a row is of, and how each is read.
// Internal to tasks/. docs/suites.md says what their rules are.
#ifndef ASSAY_TASKS_FAMILY_H
#define ASSAY_TASKS_FAMILY_H

#include "base/error.h"
#include "tasks/fields.h"
#include "tasks/suite.h"

// By the keys that only rows of that family have; what has none of them is SWE-bench's.
enum assay_family assay_family_of_row(const struct assay_json *row);

// One row into *instance but for its framework_at and row: recipe, limits and `rules` are set.
// Unknown keys are ignored.
ASSAY_MUST_USE enum assay_status assay_family_read(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err);

// The readers of those that differ; the rest of *instance is set already.
ASSAY_MUST_USE enum assay_status assay_family_smith(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_family_r2e(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_family_multi(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_family_pro(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err);

// Command and framework of rows that may bring none: what the row or the options say, else these.
ASSAY_MUST_USE enum assay_status assay_family_command(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        const char *command, const char *framework, struct assay_error *err);

#endif
