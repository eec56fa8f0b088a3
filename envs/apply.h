// SPDX-License-Identifier: MIT
// apply.h - the patch engine: patch bytes and a way to read files in, edits out. Pure.
//
// libgit2 never applies a patch for us: it writes through symbolic links (and
// refuses much that git accepts). The engine reads the files that a patch names
// through a callback, works out their new content in memory, and hands back the
// complete list of edits, all or nothing. Writing them is assay_edits_write_layer().
#ifndef ASSAY_ENVS_APPLY_H
#define ASSAY_ENVS_APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/patch.h"
#include "tasks/verdict.h"

enum assay_file_kind {
    ASSAY_FILE_NONE, // does not exist
    ASSAY_FILE_REGULAR,
    ASSAY_FILE_LINK, // content is the target
    ASSAY_FILE_DIR,
    ASSAY_FILE_OTHER,
};

struct assay_file {
    enum assay_file_kind kind;
    bool executable;
    struct assay_bytes content; // in the arena that was handed to the callback
};

// Read `path` (plain, relative) of the tree being patched. A path below a
// symbolic link must give ASSAY_EREFUSED. ASSAY_FILE_NONE is not an error, nor
// is a path below a regular file.
typedef enum assay_status (*assay_file_read)(void *user, const char *path,
        struct assay_arena *arena, struct assay_file *out, struct assay_error *err);

// The names in the directory `path` ("" is the root), in any order, in the arena.
typedef enum assay_status (*assay_dir_list)(void *user, const char *path, struct assay_arena *arena,
        struct assay_strings *out, struct assay_error *err);

struct assay_edit {
    const char *path;
    enum assay_file_kind kind; // NONE: the file, or the directory it was the last in, is removed
    bool executable;
    struct assay_bytes content;
};

struct assay_edits {
    // Sorted by path, one per path. Nothing below a removed directory; below a removed file or
    // link something may be written, which makes a directory of it.
    struct assay_edit *items;
    size_t count;
    struct assay_strings dropped; // paths whose changes were left out because `skip` said so
    struct assay_hunk_record *hunks;
    size_t hunk_count;
};

enum assay_apply_mode {
    // What git accepts, and then: wrong counts, bare "@@", line ends, final newlines, white
    // space, a wrong path prefix, hunks without context, up to two wrong lines at a hunk's
    // edges. Each only where exactly one place matches.
    ASSAY_APPLY_TOLERANT,
    ASSAY_APPLY_EXACT, // what `git apply` accepts: offsets, nothing else
    // SWE-bench's ladder: what git accepts, else what `patch --batch --forward --fuzz=5 -p1` does,
    // else no edits at all if git finds the patch applied. Unified diffs alone.
    ASSAY_APPLY_SWEBENCH,
};
// "tolerant" and "strict-swebench"; false when there is no such mode to choose.
#define ASSAY_APPLY_MODES "tolerant, strict-swebench"
bool assay_apply_mode_find(enum assay_apply_mode *out, const char *name);

struct assay_apply_options {
    enum assay_apply_mode mode;
    // Leave out changes to paths for which this returns true (protected files); may be NULL.
    // A file patch whose every path is left out need not even apply.
    bool (*skip)(void *user, const char *path);
    void *user;
    // Lists a directory, with read_user; may be NULL: then a file cannot take the place of a
    // directory, and a directory that loses its last file stays, empty (git removes it).
    assay_dir_list list;
    size_t file_bytes_max;  // a file larger than this is refused; 0: 64 MiB
    size_t total_bytes_max; // sum of contents read and made on the way; 0: 256 MiB
};

// ASSAY_EPATCH with "line N: path: reason" when any part does not apply, or
// "the patch is already applied" when every part of it is (SWEBENCH takes that for
// success, with no edits); nothing is half done.
// All memory is the arena's. Searching is bounded: a patch that asks for more
// (repeated context without end) is refused too.
ASSAY_MUST_USE enum assay_status assay_patch_apply(struct assay_edits **out,
        const struct assay_patch *patch, assay_file_read read, void *read_user,
        const struct assay_apply_options *options, struct assay_arena *arena,
        struct assay_error *err);

// May a patch make a link at `path`? One may lead up to directories that it lies in, then down;
// so no link can lead out of the tree, whatever other links are on the way.
bool assay_apply_link_allowed(const char *path, struct assay_bytes target);

// A reader over a directory: openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS). user: &dir_fd (int).
// A file larger than 64 MiB is ASSAY_ENOMEM.
enum assay_status assay_file_read_dir(void *user, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err);
enum assay_status assay_dir_list_dir(void *user, const char *path, struct assay_arena *arena,
        struct assay_strings *out, struct assay_error *err);

// Modification time of everything in a layer, in seconds: a minute after that of
// every base tree, so that make, cargo and Python's .pyc check see that a patched
// source is newer than what the tree carries. Never in the future: make warns of
// clock skew then, and ninja regenerates without end.
#define ASSAY_LAYER_MTIME INT64_C(1000000060)

// Write the edits into the empty directory layer_fd in overlay form: new
// contents as files (0644, 0755) and links, removals as whiteouts (character
// device 0:0). Directories are 0755. Everything is owned by uid:gid.
ASSAY_MUST_USE enum assay_status assay_edits_write_layer(const struct assay_edits *edits,
        int layer_fd, uid_t uid, gid_t gid, struct assay_error *err);

#endif
