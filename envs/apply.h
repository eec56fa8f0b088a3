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
// symbolic link must give ASSAY_EREFUSED. ASSAY_FILE_NONE is not an error.
typedef enum assay_status (*assay_file_read)(void *user, const char *path,
        struct assay_arena *arena, struct assay_file *out, struct assay_error *err);

struct assay_edit {
    const char *path;
    enum assay_file_kind kind; // NONE: the file is removed
    bool executable;
    struct assay_bytes content;
};

struct assay_edits {
    struct assay_edit *items; // sorted by path, one per path
    size_t count;
    struct assay_strings dropped; // paths whose changes were left out because `skip` said so
    struct assay_hunk_record *hunks;
    size_t hunk_count;
};

enum assay_apply_mode {
    ASSAY_APPLY_EXACT,    // what `git apply` accepts: offsets, nothing else
    ASSAY_APPLY_TOLERANT, // + recount, bare @@ with one match, prefix strip, whitespace, line ends, final newline
};

struct assay_apply_options {
    enum assay_apply_mode mode;
    // Leave out changes to paths for which this returns true (protected files); may be NULL.
    bool (*skip)(void *user, const char *path);
    void *user;
    size_t file_bytes_max;  // a file larger than this is refused; 0: 64 MiB
    size_t total_bytes_max; // sum of new contents; 0: 256 MiB
};

// ASSAY_EPATCH with "line N: path: reason" when any part does not apply;
// nothing is half done. All memory is the arena's.
ASSAY_MUST_USE enum assay_status assay_patch_apply(struct assay_edits **out,
        const struct assay_patch *patch, assay_file_read read, void *read_user,
        const struct assay_apply_options *options, struct assay_arena *arena,
        struct assay_error *err);

// A reader over a directory: openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS). user: &dir_fd (int).
enum assay_status assay_file_read_dir(void *user, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err);

// Write the edits into the empty directory layer_fd in overlay form: new
// contents as files, removals as whiteouts (character device 0:0) where the
// path exists in the lower tree. Everything is owned by uid:gid, times are fixed.
ASSAY_MUST_USE enum assay_status assay_edits_write_layer(const struct assay_edits *edits,
        int layer_fd, uid_t uid, gid_t gid, struct assay_error *err);

#endif
