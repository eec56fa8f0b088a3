// SPDX-License-Identifier: MIT
// suite_harbor_parts.h - a Harbor task being read, part by part. Internal to tasks/suite_harbor*.c.
#ifndef ASSAY_TASKS_SUITE_HARBOR_PARTS_H
#define ASSAY_TASKS_SUITE_HARBOR_PARTS_H

#include "tasks/dockerfile.h"
#include "tasks/suite_read.h"
#include "tasks/toml.h"

struct harbor {
    struct assay_suite *suite;
    const char *dir; // as given
    int dir_fd;
    // Of the task being read.
    const char *folder; // its name in dir; "." when dir is the task
    int task_fd;
    struct assay_toml_entry *entries;
    size_t entry_count;
    struct assay_dockerfile docker;
    struct assay_recipe recipe;
    struct assay_instance instance;
};

enum assay_status harbor_no_memory(const struct harbor *h, struct assay_error *err);
// The path of a file of the task, for people.
const char *harbor_shown(const struct harbor *h, const char *file);

// suite_harbor_toml.c: task.toml: names, limits, hosts.
ASSAY_MUST_USE enum assay_status harbor_read_toml(struct harbor *h, struct assay_error *err);
// A text of it; *out stays where there is none.
ASSAY_MUST_USE enum assay_status harbor_text_or(
        const struct harbor *h, const char *key, const char **out, struct assay_error *err);
// "NAME=value" of a table of texts. Values that the harness fills in ("${NAME}") are secrets of
// somebody's: none of them reaches a box.
ASSAY_MUST_USE enum assay_status harbor_read_env(
        struct harbor *h, const char *table, struct assay_strings *out, struct assay_error *err);

// suite_harbor_environment.c: environment/Dockerfile as recipe and base tree.
ASSAY_MUST_USE enum assay_status harbor_read_environment(struct harbor *h, struct assay_error *err);

#endif
