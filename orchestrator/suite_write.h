// SPDX-License-Identifier: MIT
// suite_write.h - a native suite folder (tasks/README.md), written instance by instance.
//
//   open (suite.json) -> add for each instance, from many threads -> close
//
// What was added stays when a later one fails; an instance's folder appears by rename, complete.
#ifndef ASSAY_ORCHESTRATOR_SUITE_WRITE_H
#define ASSAY_ORCHESTRATOR_SUITE_WRITE_H

#include <sys/types.h>

#include "base/error.h"
#include "envs/apply.h"
#include "tasks/suite.h"

// One file below a folder that is there; what was there is replaced.
ASSAY_MUST_USE enum assay_status assay_suite_write_file(int dir_fd, const char *path,
        struct assay_bytes content, mode_t mode, struct assay_error *err);

struct assay_suite_writer {
    int dir_fd; // of the folder; owned
};

// The folder is made if missing, and must be empty: ASSAY_EINVAL. suite.json gets the suite's name,
// version and recipes.
ASSAY_MUST_USE enum assay_status assay_suite_writer_open(struct assay_suite_writer *out,
        const char *dir, const struct assay_suite *suite, struct assay_error *err);

// A folder that assay_suite_writer_open() made before; suite.json stays as it is. ASSAY_ENOTFOUND.
ASSAY_MUST_USE enum assay_status assay_suite_writer_reopen(
        struct assay_suite_writer *out, const char *dir, struct assay_error *err);

// The instance with its texts. Its base becomes the folder "base" beside them: a copy of the
// directory tree_fd (-1: nothing), with the edits. instance->base is not looked at.
ASSAY_MUST_USE enum assay_status assay_suite_writer_add(struct assay_suite_writer *writer,
        const struct assay_instance *instance, int tree_fd, const struct assay_edits *edits,
        struct assay_error *err);

// The instance with its texts. Its base is a folder that lies in the suite's already
// (instance->base.where, from the instance's own folder), with base.patch.
ASSAY_MUST_USE enum assay_status assay_suite_writer_add_patched(struct assay_suite_writer *writer,
        const struct assay_instance *instance, struct assay_error *err);

void assay_suite_writer_close(struct assay_suite_writer *writer);

#endif
