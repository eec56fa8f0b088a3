// SPDX-License-Identifier: MIT
// depot.h - content-addressed source trees and environment layers under ASSAY_HOME.
//
//   blobs/ab/<sha256>[x]   file contents; "x" for the executable ones
//   trees/<hash>/          read-only lower directories, hard-linked from blobs
//   layers/<hash>/         what a recipe's set-up commands left (root/, log, meta.json)
//   trusted/<hash>/        assay's own files for the box
//   runs/<run id>/         logs and artefacts
//   tmp/<pid>-<id>/        scratch; what a dead process left is removed at open
//   assay.db               the store
//
// Files belong to the store's uid (sandbox/box.h). Several processes may share a
// depot; thread-safe. A tree appears by rename when it is complete, so a crash
// leaves scratch, never half a tree.
#ifndef ASSAY_ENVS_DEPOT_H
#define ASSAY_ENVS_DEPOT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "tasks/instance.h"

struct assay_depot; // opaque; owned by whoever called assay_depot_open()

// `home` is made if missing (0755 below a private 0700 parent stays fine: boxes get descriptors).
ASSAY_MUST_USE enum assay_status assay_depot_open(
        struct assay_depot **out, const char *home, uid_t uid, gid_t gid, struct assay_error *err);
void assay_depot_close(struct assay_depot *depot);             // NULL is allowed
const char *assay_depot_home(const struct assay_depot *depot); // absolute, borrowed
// Who owns its files: what assay_depot_open() was given.
void assay_depot_ids(const struct assay_depot *depot, uid_t *uid, gid_t *gid);

// Import a tree. hash: over sorted (path, kind, executable, content). Globs in
// `ignore` (may be empty) are left out. Sockets, devices, FIFOs, absolute or
// escaping links are ASSAY_EINVAL with the path. ".git" is left out.
ASSAY_MUST_USE enum assay_status assay_depot_add_dir(struct assay_depot *depot, const char *dir,
        const struct assay_strings *ignore, char hash[65], struct assay_error *err);
// A commit of a git repository (libgit2; bare, normal, or a tarball of one), without
// history. Submodules are empty directories. `where` may be a URL: cloned once below repos/.
ASSAY_MUST_USE enum assay_status assay_depot_add_git(struct assay_depot *depot, const char *where,
        const char *commit, char hash[65], struct assay_error *err);
// tar (any compression) or zip, through libarchive's secure options, bounded
// (1,000,000 entries, 16 GiB), top folder stripped if it is the only one.
// sha256 may be NULL: not checked.
ASSAY_MUST_USE enum assay_status assay_depot_add_archive(struct assay_depot *depot,
        const char *file, const char *sha256, const struct assay_strings *ignore, char hash[65],
        struct assay_error *err);
// Whatever `base` says.
ASSAY_MUST_USE enum assay_status assay_depot_add_base(struct assay_depot *depot,
        const struct assay_base *base, char hash[65], struct assay_error *err);

// Absolute path of a tree that is there; ASSAY_ENOTFOUND otherwise.
ASSAY_MUST_USE enum assay_status assay_depot_tree(
        struct assay_depot *depot, const char *hash, char path[PATH_MAX], struct assay_error *err);

// A fresh empty directory below tmp/, owned by the store's uid; removed by assay_depot_drop_tmp().
ASSAY_MUST_USE enum assay_status assay_depot_tmp(
        struct assay_depot *depot, char path[PATH_MAX], struct assay_error *err);
void assay_depot_drop_tmp(struct assay_depot *depot, const char *path);

// Difference of two trees as a git patch (libgit2 for the text; binary hunks
// included). `only` selects paths: NULL, or a function that says yes.
ASSAY_MUST_USE enum assay_status assay_depot_diff(struct assay_depot *depot, const char *old_hash,
        const char *new_hash, bool (*only)(void *user, const char *path), void *user,
        struct assay_buf *out, struct assay_error *err);

#endif
