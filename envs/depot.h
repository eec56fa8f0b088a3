// SPDX-License-Identifier: MIT
// depot.h - content-addressed source trees and environment layers under ASSAY_HOME.
//
//   blobs/ab/<sha256>[x]   file contents; "x" for the executable ones
//   trees/<hash>/          read-only lower directories, hard-linked from blobs
//   layers/<hash>/         what a recipe's set-up commands left (root/, log, meta.json)
//   trusted/<hash>/        assay's own files for the box
//   repos/<hash>/          clones and unpacked tarballs of repositories, bare
//   index/<key>            which tree a commit or an archive became: a shortcut, may be deleted
//   runs/<run id>/         logs and artefacts
//   tmp/<pid>-<id>/        scratch of one handle, locked while that lives; what nobody holds is
//                          removed at open
//   assay.db               the store
//
// Files belong to the store's uid (sandbox/box.h), the directories above trees to
// the caller. All times are the same (2001-09-09). Several processes may share a
// depot; thread-safe. A tree appears by rename when it is complete, so a crash
// leaves scratch, never half a tree. Trees are never written to: their files are
// shared with other trees.
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
// From now on what takes long (set-up commands, fetching, waiting for another process) ends with
// ASSAY_EINTERRUPTED once *cancel is true. Before any thread uses the depot.
void assay_depot_set_cancel(struct assay_depot *depot, const volatile bool *cancel);
// Who owns its files: what assay_depot_open() was given.
void assay_depot_ids(const struct assay_depot *depot, uid_t *uid, gid_t *gid);

// Import a tree. hash: over sorted (path, kind, executable, content). What a glob
// in `ignore` (may be empty) matches is left out with all below it, and so is
// ".git". Sockets, devices, FIFOs, absolute or escaping links are ASSAY_EINVAL
// with the path; a link that dangles inside the tree is kept.
ASSAY_MUST_USE enum assay_status assay_depot_add_dir(struct assay_depot *depot, const char *dir,
        const struct assay_strings *ignore, char hash[65], struct assay_error *err);
// A tree of these files; their folders are made.
struct assay_depot_file {
    const char *path; // plain, relative
    struct assay_bytes content;
    bool executable;
};
ASSAY_MUST_USE enum assay_status assay_depot_add_files(struct assay_depot *depot,
        const struct assay_depot_file *files, size_t count, char hash[65], struct assay_error *err);
// A commit (or tag, or branch; NULL: HEAD) of a git repository, without history
// and without filters. `where`: a bare or normal repository, a tarball of one, a
// tarball of the plain tree at that commit, or a URL, which is cloned once and
// fetched again for a commit that the clone lacks. Submodules are empty
// directories. ASSAY_ENOTFOUND: no such repository or commit.
ASSAY_MUST_USE enum assay_status assay_depot_add_git(struct assay_depot *depot, const char *where,
        const char *commit, char hash[65], struct assay_error *err);
// tar (gzip, bzip2, xz, lzma, zstd, lz4, compress) or zip, bounded (1,000,000
// entries, 16 GiB), top folder stripped if it is the only one. Nothing is
// unpacked on the way: contents go straight to blobs. sha256 may be NULL: not
// checked. A URL is ASSAY_EINVAL: who calls downloads first.
ASSAY_MUST_USE enum assay_status assay_depot_add_archive(struct assay_depot *depot,
        const char *file, const char *sha256, const struct assay_strings *ignore, char hash[65],
        struct assay_error *err);
// The tree `hash` with a patch, which applies as git would, as another tree. patched may be hash.
// ASSAY_EPATCH when it does not apply.
ASSAY_MUST_USE enum assay_status assay_depot_patch_tree(struct assay_depot *depot, const char *hash,
        struct assay_bytes patch, char patched[65], struct assay_error *err);
// Whatever `base` says, its patch applied.
ASSAY_MUST_USE enum assay_status assay_depot_add_base(struct assay_depot *depot,
        const struct assay_base *base, char hash[65], struct assay_error *err);

// Absolute path of a tree that is there; ASSAY_ENOTFOUND otherwise.
ASSAY_MUST_USE enum assay_status assay_depot_tree(
        struct assay_depot *depot, const char *hash, char path[PATH_MAX], struct assay_error *err);

// Is the tree as it was imported? Every entry is looked at, no content is read. A damaged one
// (ASSAY_EIO) is taken out of the depot, so that adding its suite again makes it anew; one that
// is not there is ASSAY_ENOTFOUND.
ASSAY_MUST_USE enum assay_status assay_depot_check_tree(
        struct assay_depot *depot, const char *hash, struct assay_error *err);

// Remove what nobody refers to: trees that are not in `trees` (sorted) and are as old, layers and
// downloads that were last used as long ago (both can be made again), images as old that have no
// name any more and are not in `images` (sorted), and file contents that no tree and no image names
// any more. Besides, logs of runs that were last written log_age_s ago. Nothing is removed while
// another handle, of any process, has the depot open: `others` says how many there were.
struct assay_depot_garbage {
    struct assay_strings trees;  // to be kept
    struct assay_strings images; // ids, to be kept
    uint64_t age_s, log_age_s;
};
struct assay_depot_collected {
    size_t others, trees, blobs, layers, downloads, images, logs;
    uint64_t bytes; // of the disk that were freed
};
ASSAY_MUST_USE enum assay_status assay_depot_collect(struct assay_depot_collected *out,
        struct assay_depot *depot, const struct assay_depot_garbage *garbage,
        struct assay_error *err);

// May something new be begun here? ASSAY_EREFUSED once less than a twentieth of the file system, or
// 1 GiB if that is less, or a hundredth of its inodes is left: so that what runs already can write
// what it has found out.
ASSAY_MUST_USE enum assay_status assay_depot_room(
        const struct assay_depot *depot, struct assay_error *err);

// A fresh empty directory below tmp/, owned by the store's uid; removed by assay_depot_drop_tmp().
ASSAY_MUST_USE enum assay_status assay_depot_tmp(
        struct assay_depot *depot, char path[PATH_MAX], struct assay_error *err);
void assay_depot_drop_tmp(struct assay_depot *depot, const char *path);

// Difference of two trees as a git patch, appended to `out`: modes, links, binary
// hunks, full blob hashes. A rename is a removal and an addition. `only` selects
// paths: NULL, or a function that says yes. Empty directories do not show.
ASSAY_MUST_USE enum assay_status assay_depot_diff(struct assay_depot *depot, const char *old_hash,
        const char *new_hash, bool (*only)(void *user, const char *path), void *user,
        struct assay_buf *out, struct assay_error *err);

#endif
