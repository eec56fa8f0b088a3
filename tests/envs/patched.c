// SPDX-License-Identifier: MIT
#include "envs/patched.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/apply.h"
#include "support/harness.h"

#define PATCH_BYTES_MAX ((size_t)64 << 20)
#define ARENA_BYTES_MAX ((size_t)256 << 20)

void patched_by_git(struct fixture *f, const char *tree, int round)
{
    // GIT_CEILING_DIRECTORIES: no repository, so that only the files count.
    if (fixture_try(f,
                "cd %s; if [ -s ../patch ]; then GIT_CEILING_DIRECTORIES=/ git apply "
                "--whitespace=nowarn ../patch; fi; find . -mindepth 1 -type d -empty -delete",
                tree) != 0)
        fail_msg("round %d: git does not apply the patch", round);
}

// What assay_edits_write_layer() left, on top of the tree.
static void merge_layer(const struct fixture *f, const char *tree)
{
    fixture_shell(f,
            "t=../%s; cd layer; find . -type c -printf \"$t/%%P\\0\" | xargs -0r rm -rf --; find . "
            "-type c -delete; find . | while IFS= read -r p; do o=\"$t/$p\"; if [ -d "
            "\"$p\" ] && [ ! -L \"$p\" ]; then [ -d \"$o\" ] && [ ! -L \"$o\" ] || rm -f \"$o\"; "
            "elif [ -d \"$o\" ] && [ ! -L \"$o\" ]; then rm -r \"$o\"; fi; done; "
            "cp -a --remove-destination . $t; find $t -mindepth 1 -type d -empty -delete",
            tree);
}

void patched_by_engine(struct fixture *f, const char *tree, int round)
{
    const struct assay_apply_options options = {
            .mode = ASSAY_APPLY_EXACT, .list = assay_dir_list_dir};
    struct assay_arena *arena = NULL;
    struct assay_patch *patch = NULL;
    struct assay_edits *edits = NULL;
    struct assay_buf text;
    int tree_fd = open(fixture_path(f, tree), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int layer_fd = -1;

    fixture_shell(f, "rm -rf layer; mkdir layer");
    layer_fd = open(fixture_path(f, "layer"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(assay_arena_create(&arena, ARENA_BYTES_MAX, NULL), ASSAY_OK);
    assay_buf_init(&text, PATCH_BYTES_MAX);
    assert_int_equal(assay_fs_read_file(&text, fixture_path(f, "patch"), NULL), ASSAY_OK);
    if (text.len > 0) {
        if (assay_patch_parse(&patch, text.data, text.len, arena, &f->err) != ASSAY_OK)
            fail_msg("round %d: parse: %s", round, f->err.message);
        if (assay_patch_apply(&edits, patch, assay_file_read_dir, &tree_fd, &options, arena,
                    &f->err) != ASSAY_OK)
            fail_msg("round %d: apply: %s", round, f->err.message);
        assert_int_equal(
                assay_edits_write_layer(edits, layer_fd, getuid(), getgid(), &f->err), ASSAY_OK);
        merge_layer(f, tree);
    }
    assay_buf_free(&text);
    assay_arena_destroy(arena);
    close(layer_fd);
    close(tree_fd);
}
