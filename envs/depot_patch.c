// SPDX-License-Identifier: MIT
// depot_patch.c - a tree that is another tree with a patch.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/depot_tree.h"
#include "envs/edits_tree.h"
#include "tasks/patch.h"

#define ARENA_BYTES_MAX ((size_t)1 << 30)

// The edits in a copy of the tree, and that as a tree again.
static enum assay_status write_patched(struct assay_depot *depot, int tree_fd,
        const struct assay_edits *edits, char patched[65], struct assay_error *err)
{
    static const struct assay_strings none = {NULL, 0};
    char scratch[PATH_MAX];
    int fd = -1;
    enum assay_status status = assay_depot_tmp(depot, scratch, err);

    if (status != ASSAY_OK)
        return status;
    fd = open(scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    status = fd < 0 ? assay_fail_errno(err, errno, "open %.150s", scratch)
                    : assay_fs_copy_tree(tree_fd, fd, err);
    if (status == ASSAY_OK)
        status = assay_edits_write_tree(edits, fd, err);
    if (status == ASSAY_OK)
        status = assay_depot_add_dir(depot, scratch, &none, patched, err);
    if (fd >= 0)
        close(fd);
    assay_depot_drop_tmp(depot, scratch);
    return status;
}

enum assay_status assay_depot_patch_tree(struct assay_depot *depot, const char *hash,
        struct assay_bytes patch, char patched[65], struct assay_error *err)
{
    const struct assay_apply_options options = {
            .mode = ASSAY_APPLY_EXACT, .list = assay_dir_list_dir};
    struct assay_arena *arena = NULL;
    struct assay_patch *parsed = NULL;
    struct assay_edits *edits = NULL;
    char tree[PATH_MAX];
    int fd = -1;
    enum assay_status status = assay_depot_tree(depot, hash, tree, err);

    if (status == ASSAY_OK)
        status = assay_arena_create(&arena, ARENA_BYTES_MAX, err);
    if (status != ASSAY_OK)
        return status;
    fd = open(tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        status = assay_fail_errno(err, errno, "open %.150s", tree);
    if (status == ASSAY_OK)
        status = assay_patch_parse(&parsed, patch.data, patch.len, arena, err);
    if (status == ASSAY_OK)
        status = assay_patch_apply(&edits, parsed, assay_file_read_dir, &fd, &options, arena, err);
    if (status == ASSAY_OK)
        status = write_patched(depot, fd, edits, patched, err);
    if (fd >= 0)
        close(fd);
    assay_arena_destroy(arena);
    return status;
}
