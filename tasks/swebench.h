// SPDX-License-Identifier: MIT
// swebench.h - the parts of the SWE-bench reader. Internal to tasks/.
//
// Each fills its share of *instance from one row; unknown keys are ignored.
#ifndef ASSAY_TASKS_SWEBENCH_H
#define ASSAY_TASKS_SWEBENCH_H

#include "base/error.h"
#include "tasks/fields.h"
#include "tasks/suite.h"

// FAIL_TO_PASS or PASS_TO_PASS: a list, or a text that holds a JSON or a Python
// list; under `key` or, when that is missing, under `key_lower`.
ASSAY_MUST_USE enum assay_status assay_swebench_tests(struct assay_strings *out,
        const struct assay_fields *fields, const char *key, const char *key_lower,
        struct assay_error *err);

// test_cmd, framework, fail_only.
ASSAY_MUST_USE enum assay_status assay_swebench_command(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err);

// A text, and how it may be empty.
ASSAY_MUST_USE enum assay_status assay_swebench_bytes(struct assay_bytes *out,
        const struct assay_fields *fields, const char *key, struct assay_error *err);
// A patch that parses.
ASSAY_MUST_USE enum assay_status assay_swebench_patch(struct assay_bytes *out,
        const struct assay_fields *fields, const char *key, bool may_be_empty,
        struct assay_error *err);

// instance->base for instance->repo and instance->base.commit, which the row has under these keys.
ASSAY_MUST_USE enum assay_status assay_swebench_find(struct assay_instance *instance,
        const struct assay_fields *fields, const char *repo_key, const char *commit_key,
        const struct assay_swebench_options *options, struct assay_error *err);
// bash -c TEXT.
ASSAY_MUST_USE enum assay_status assay_swebench_shell(struct assay_instance *instance,
        const struct assay_fields *fields, const char *text, struct assay_error *err);

// repo, base: the repository found by options->repos.
ASSAY_MUST_USE enum assay_status assay_swebench_base(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err);

#endif
