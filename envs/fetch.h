// SPDX-License-Identifier: MIT
// fetch.h - get a file from outside with a command in a box: the box has the network, assay the
// file.
#ifndef ASSAY_ENVS_FETCH_H
#define ASSAY_ENVS_FETCH_H

#include "base/error.h"
#include "envs/access.h"
#include "envs/depot.h"
#include "sandbox/box.h"

#define ASSAY_FETCH_DIR "/out" // where the command leaves it

// Run argv (NULL-terminated) with the host's /usr and what `access` (NULL: nothing) lets set-up
// steps reach, which with a list is the registries of the host's package managers; and move the
// regular file `file` (a plain name) that it left in ASSAY_FETCH_DIR to dir/<file>, `dir` being
// made if it is missing. A command that fails is ASSAY_EIO with its last line; one that left no
// such file is ASSAY_ENOTFOUND. The file appears by rename, whole. Whether it is the right one is
// the caller's to check. Safe to call from many threads and processes.
// With file NULL and dir an empty folder of the caller's (assay_depot_tmp()), all that it left
// stays in dir, for assay_fetch_take().
ASSAY_MUST_USE enum assay_status assay_fetch_run(struct assay_depot *depot,
        struct assay_sandbox *sandbox, const struct assay_access *access, const char *const *argv,
        const char *file, const char *dir, struct assay_error *err);

// From such a folder, the regular file `file` to dir/<file>, as above.
ASSAY_MUST_USE enum assay_status assay_fetch_take(
        const char *from, const char *file, const char *dir, struct assay_error *err);

#endif
