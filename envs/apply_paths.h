// SPDX-License-Identifier: MIT
// apply_paths.h - what is known of each path while a patch is being applied. For envs/apply*.c.
#ifndef ASSAY_ENVS_APPLY_PATHS_H
#define ASSAY_ENVS_APPLY_PATHS_H

#include "envs/apply.h"

// git reads a renamed or copied file from the tree, any other one as the file
// patches before it left it. Life of a path's state:
//
//   UNTOUCHED -> GOING     [a later file patch deletes or renames it]
//   any       -> PATCHED   [a file patch wrote it: `now` is its content]
//   any       -> GONE      [a file patch deleted it or renamed it away]
enum path_state { PATH_UNTOUCHED, PATH_GOING, PATH_PATCHED, PATH_GONE };

struct path_entry {
    const char *path;
    enum path_state state;
    bool made;         // some file patch writes it
    size_t patch_line; // of the last file patch that is about it, for messages
    bool probed;
    struct assay_file tree; // what the tree has there, once probed
    struct assay_file now;  // in state PATCHED
    // The outcome. All removals come before all writes, whatever the patch's order.
    bool removed, written;
    bool keeps_folder;       // when removed, its directory stays, even empty
    bool skipped;            // a file patch for it was left out
    bool holds_written;      // a directory that something is written below
    bool made_folder;        // the same, while GNU patch's rules are followed file by file
    struct assay_file final; // when written
};

struct paths; // a table of entries by path; its pointers stay valid

ASSAY_MUST_USE enum assay_status paths_create(struct paths **out, assay_file_read read,
        void *read_user, const struct assay_apply_options *options, struct assay_arena *arena,
        struct assay_error *err);

// The entry of `path`, made if need be.
ASSAY_MUST_USE enum assay_status paths_get(
        struct path_entry **out, struct paths *paths, const char *path, struct assay_error *err);

// The same, with .tree filled in. What lies below a file or link that the patch
// takes away counts as missing. ASSAY_EREFUSED below a symbolic link.
ASSAY_MUST_USE enum assay_status paths_probe(
        struct path_entry **out, struct paths *paths, const char *path, struct assay_error *err);

// The outcome as edits, sorted. Directories that lose their last file go, too.
// ASSAY_EPATCH with "line N: path: reason" when something written would not have a real
// directory to stand in, or a directory in its way.
ASSAY_MUST_USE enum assay_status paths_edits(
        struct assay_edits *out, struct paths *paths, struct assay_error *err);

#endif
