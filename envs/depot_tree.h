// SPDX-License-Identifier: MIT
// depot_tree.h - inside the depot: its handle, and the builder through which every import goes.
//
// Nothing outside envs/depot*.c, envs/workspace.c, envs/recipe.c and their tests includes this.
//
// A tree being built is a list of entries whose contents are already blobs:
//
//   begin -> add_dir | add_file | add_link (any order) -> commit -> end
//
// commit sorts the list, hashes it, and only if trees/<hash> is not there yet
// lays it out in scratch and renames it into place. An import never follows a
// link and never writes below one: paths exist only in the list until then.
#ifndef ASSAY_ENVS_DEPOT_TREE_H
#define ASSAY_ENVS_DEPOT_TREE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "envs/depot.h"

#define ASSAY_SCRATCH_MAX 16 // directories that wait to be used again

// What an import may hold. Tests lower them.
struct assay_depot_bounds {
    size_t entries_max;
    uint64_t bytes_max;
    nlink_t links_max; // names a blob may have before a new copy starts; 0: what the kernel says
                       // (EMLINK)
};

struct assay_depot {
    char home[PATH_MAX];
    char tmp[PATH_MAX]; // this handle's own scratch: tmp/<pid>-<id>
    int home_fd, blobs_fd, trees_fd, tmp_fd;
    int lock_fd; // held for life: a scratch directory without a holder is garbage
    uid_t uid;
    gid_t gid;
    atomic_uint_fast64_t tmp_next; // names inside the scratch
    struct {
        pthread_mutex_t lock;
        uint64_t names[ASSAY_SCRATCH_MAX]; // given back
        size_t count;
    } scratch;
    struct assay_depot_bounds bounds;
    const volatile bool *cancel; // NULL: never
};

bool assay_depot_cancelled(const struct assay_depot *depot);
// assay_fs_lock() that waits, unless cancelled: ASSAY_EINTERRUPTED.
ASSAY_MUST_USE enum assay_status assay_depot_lock(
        const struct assay_depot *depot, int *fd_out, const char *path, struct assay_error *err);

// Every file, link and directory of the depot has this time: equal for all, so
// make sees nothing as newer, and late enough for zip (1980).
#define ASSAY_DEPOT_TIME_S 1000000000

// Give an open file or directory the store's owner, a mode and the depot's time.
ASSAY_MUST_USE enum assay_status assay_depot_own(
        const struct assay_depot *depot, int fd, mode_t mode, struct assay_error *err);
// mkdir below dir_fd, owned by the store. An existing directory is ASSAY_ECONFLICT.
ASSAY_MUST_USE enum assay_status assay_depot_mkdir(
        const struct assay_depot *depot, int dir_fd, const char *path, struct assay_error *err);
// A directory as assay_depot_tmp() makes it, or one that was given back: with folders in it, which
// are empty. Given back it keeps its folders and nothing else; there must be folders alone in it.
ASSAY_MUST_USE enum assay_status assay_depot_take_scratch(
        struct assay_depot *depot, char path[PATH_MAX], struct assay_error *err);
void assay_depot_give_scratch(struct assay_depot *depot, const char *path);
// "<a>/<b>" into out; ASSAY_EINVAL when it is too long.
ASSAY_MUST_USE enum assay_status assay_depot_path(
        char out[PATH_MAX], const char *a, const char *b, struct assay_error *err);
// Move the directory `from` (absolute, in scratch) to home/<to>. false in *moved:
// somebody else was first, and `from` stays.
ASSAY_MUST_USE enum assay_status assay_depot_publish(const struct assay_depot *depot,
        const char *from, const char *to, bool *moved, struct assay_error *err);
// A key (path component) that maps to a tree already made from the same source.
// Not there, or the tree is gone: false.
bool assay_depot_recall(const struct assay_depot *depot, const char *key, char hash[65]);
// Best effort: a note that cannot be written costs time, nothing else.
void assay_depot_remember(const struct assay_depot *depot, const char *key, const char *hash);

enum assay_tree_kind {
    ASSAY_TREE_DIR = 'd',
    ASSAY_TREE_FILE = 'f',
    ASSAY_TREE_LINK = 'l',
    ASSAY_TREE_HARD_LINK = 'h', // a file once the tree is settled
};

struct assay_tree_entry {
    const char *path;
    const char *target; // LINK, HARD_LINK
    uint64_t size;      // FILE
    size_t order;       // later entries of one path win
    enum assay_tree_kind kind;
    bool executable;                   // FILE
    char blob[ASSAY_SHA256_HEX_BYTES]; // FILE: of its content
};

struct assay_tree_builder {
    struct assay_depot *depot; // borrowed
    struct assay_arena *arena; // owned: paths and targets
    struct assay_tree_entry *items;
    size_t count, cap;
    uint64_t bytes;
};

// Hands out the next bytes of a file; *got 0: its end.
typedef enum assay_status (*assay_tree_source)(
        void *user, void *bytes, size_t size, size_t *got, struct assay_error *err);

ASSAY_MUST_USE enum assay_status assay_tree_begin(
        struct assay_tree_builder *builder, struct assay_depot *depot, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_tree_add_dir(
        struct assay_tree_builder *builder, const char *path, struct assay_error *err);
// A target must be relative and stay inside the tree by its text (looked at by
// lay_out); it may dangle.
ASSAY_MUST_USE enum assay_status assay_tree_add_link(struct assay_tree_builder *builder,
        const char *path, const char *target, struct assay_error *err);
// A second name for a file of the same import, wherever that stands in it.
ASSAY_MUST_USE enum assay_status assay_tree_add_hard_link(struct assay_tree_builder *builder,
        const char *path, const char *target, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_tree_add_bytes(struct assay_tree_builder *builder,
        const char *path, bool executable, const void *bytes, size_t size, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_tree_add_file(struct assay_tree_builder *builder,
        const char *path, bool executable, assay_tree_source source, void *user,
        struct assay_error *err);
// depot_dir.c: everything below dir_fd but ".git". `ignore` may be NULL.
ASSAY_MUST_USE enum assay_status assay_tree_add_all(struct assay_tree_builder *builder, int dir_fd,
        const struct assay_strings *ignore, struct assay_error *err);
// Sort, drop what was replaced, add missing directories, resolve hard links, refuse
// what lies below a non-directory.
ASSAY_MUST_USE enum assay_status assay_tree_settle(
        struct assay_tree_builder *builder, struct assay_error *err);
// The entry of a path, or NULL. After settle.
const struct assay_tree_entry *assay_tree_find(
        const struct assay_tree_builder *builder, const char *path);
// If every entry lies below one top directory, take that directory away. After settle.
void assay_tree_strip_top(struct assay_tree_builder *builder);
// Does one of the globs match? NULL: no. Does path lie below dir ("" has nothing below it)?
bool assay_tree_ignored(const char *path, const struct assay_strings *ignore);
bool assay_tree_below(const char *path, const char *dir);
// Leave out ".git" and what matches, with all below it. After settle.
void assay_tree_ignore(struct assay_tree_builder *builder, const struct assay_strings *ignore);
// Lay a settled tree out in the empty directory dir_fd.
ASSAY_MUST_USE enum assay_status assay_tree_lay_out(
        const struct assay_tree_builder *builder, int dir_fd, struct assay_error *err);
// The hash of a settled tree.
ASSAY_MUST_USE enum assay_status assay_tree_hash(
        const struct assay_tree_builder *builder, char hash[65], struct assay_error *err);
// Settled or not: into trees/<hash>, unless it is there.
ASSAY_MUST_USE enum assay_status assay_tree_commit(
        struct assay_tree_builder *builder, char hash[65], struct assay_error *err);
void assay_tree_end(struct assay_tree_builder *builder);

// depot_blob.c: the contents.
ASSAY_MUST_USE enum assay_status assay_blob_store(struct assay_depot *depot, const char *hash,
        bool executable, const void *bytes, size_t size, struct assay_error *err);
// May `size` more bytes follow those that an import has? ASSAY_ENOMEM beyond the depot's bound.
ASSAY_MUST_USE enum assay_status assay_blob_bound(const struct assay_depot *depot,
        uint64_t bytes_before, uint64_t size, struct assay_error *err);
// Content from a source; its hash and size come out. An empty one is not stored.
ASSAY_MUST_USE enum assay_status assay_blob_spool(struct assay_depot *depot, bool executable,
        assay_tree_source source, void *user, uint64_t bytes_before, char hash[65], uint64_t *size,
        struct assay_error *err);
// One more name for a blob: path below dir_fd.
ASSAY_MUST_USE enum assay_status assay_blob_link(struct assay_depot *depot, const char *hash,
        bool executable, int dir_fd, const char *path, struct assay_error *err);

// depot_archive.c: all entries of a tar or zip, ".git" included.
ASSAY_MUST_USE enum assay_status assay_archive_read_into(
        struct assay_tree_builder *builder, int fd, struct assay_error *err);

#endif
