// SPDX-License-Identifier: MIT
// suite_read.h - what the suite readers and the store share. Internal to tasks/.
#ifndef ASSAY_TASKS_SUITE_READ_H
#define ASSAY_TASKS_SUITE_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "tasks/fields.h"
#include "tasks/instance.h"
#include "tasks/suite.h"

#define ASSAY_SUITE_ARENA_BYTES_MAX ((size_t)8 << 30)
#define ASSAY_SUITE_JSON_BYTES_MAX ((size_t)64 << 20) // suite.json, instance.json, releases.json
#define ASSAY_SUITE_TEXT_BYTES_MAX ((size_t)64 << 20) // problem.md and the patches

// What is wrong with a thing that was read, before it is known where it stood.
struct assay_fault {
    char field[96];
    char reason[160];
};
bool assay_name_valid(const char *name); // [A-Za-z0-9_.-]{1,100}, not "." or ".."
bool assay_repo_valid(const char *repo); // "owner/name" or "name", each a valid name
bool assay_hex_valid(const char *hex, size_t len);
bool assay_commit_valid(
        const char *commit); // 40 or 64 lower-case hex digits; "^" behind: its parent
// True, and *out is set, when something is wrong.
bool assay_recipe_fault(struct assay_fault *out, const struct assay_recipe *recipe);
bool assay_instance_fault(struct assay_fault *out, const struct assay_instance *instance);

// True, and *line (0: none in particular) and reason are set, when the patch does not parse.
#define ASSAY_PATCH_REASON_BYTES 200
bool assay_patch_fault(size_t *line, char reason[ASSAY_PATCH_REASON_BYTES],
        const struct assay_bytes *patch, bool may_be_empty);

// The keys of instance.json into *instance; base.where stays as written. Unknown keys are refused.
ASSAY_MUST_USE enum assay_status assay_instance_fields(struct assay_instance *instance,
        const struct assay_fields *fields, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_limits_fields(struct assay_instance_limits *limits,
        const struct assay_fields *fields, struct assay_error *err);

// Append a copy of *instance.
ASSAY_MUST_USE enum assay_status assay_suite_append(
        struct assay_suite *suite, const struct assay_instance *instance, struct assay_error *err);

// A whole regular file below dir_fd into the arena; symbolic links are refused.
// `shown` is how messages name it.
ASSAY_MUST_USE enum assay_status assay_suite_file(struct assay_bytes *out, int dir_fd,
        const char *path, const char *shown, size_t bytes_max, struct assay_arena *arena,
        struct assay_error *err);

// A copy of `dir` without the slashes at its end, owned by the caller; NULL when memory ran out.
char *assay_dir_name(const char *dir);

// suite.json into a new suite without instances.
ASSAY_MUST_USE enum assay_status assay_suite_read_head(
        struct assay_suite **out, int dir_fd, const char *dir, struct assay_error *err);

#endif
