// SPDX-License-Identifier: MIT
// patch_fuzz.c - any bytes as a patch in the format FORMAT, over a small tree, in all modes.
//
// What must hold: no edit names a path that a patch may not write, edits are
// sorted and unique, and a failure leaves no edits behind.
#include <stdlib.h>
#include <string.h>

#include "envs/apply.h"

static const struct {
    const char *path;
    enum assay_file_kind kind;
    const char *content;
} tree[] = {
        {"f.txt", ASSAY_FILE_REGULAR, "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"},
        {"d", ASSAY_FILE_DIR, ""},
        {"d/crlf.txt", ASSAY_FILE_REGULAR, "one\r\ntwo\r\nthree\r\n"},
        {"d/open", ASSAY_FILE_REGULAR, "a\na\nb\na\na\nb"},
        {"link", ASSAY_FILE_LINK, "d"},
        {"empty", ASSAY_FILE_REGULAR, ""},
};

static void must(int fine)
{
    if (!fine)
        abort();
}

static enum assay_status read_tree(void *user, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err)
{
    (void)user;
    (void)arena;
    *out = (struct assay_file){.kind = ASSAY_FILE_NONE};
    must(assay_patch_path_allowed(path));
    if (strncmp(path, "link/", 5) == 0)
        return assay_fail(err, ASSAY_EREFUSED, "below a link");
    for (size_t i = 0; i < sizeof(tree) / sizeof(tree[0]); i++) {
        if (strcmp(tree[i].path, path) == 0)
            *out = (struct assay_file){.kind = tree[i].kind,
                    .content = {.data = tree[i].content, .len = strlen(tree[i].content)}};
    }
    return ASSAY_OK;
}

static void check_edits(const struct assay_edits *edits)
{
    for (size_t i = 0; i < edits->count; i++) {
        const struct assay_edit *edit = &edits->items[i];

        must(assay_patch_path_allowed(edit->path));
        must(strncmp(edit->path, "link/", 5) != 0);
        must(i == 0 || strcmp(edits->items[i - 1].path, edit->path) < 0);
        if (edit->kind == ASSAY_FILE_LINK)
            must(edit->content.len > 0 && edit->content.data[0] != '/');
        else
            must(edit->kind == ASSAY_FILE_NONE || edit->kind == ASSAY_FILE_REGULAR);
    }
    for (size_t i = 0; i < edits->hunk_count; i++)
        must(edits->hunks[i].path != NULL && edits->hunks[i].tolerance != NULL);
}

static void apply(
        const struct assay_patch *patch, enum assay_apply_mode mode, struct assay_arena *arena)
{
    const struct assay_apply_options options = {.mode = mode};
    struct assay_error err = {0};
    struct assay_edits *edits = NULL;
    const enum assay_status status =
            assay_patch_apply(&edits, patch, read_tree, NULL, &options, arena, &err);

    must((status == ASSAY_OK) == (edits != NULL));
    must(status == ASSAY_OK || err.message[0] != '\0');
    if (status == ASSAY_OK)
        check_edits(edits);
}

// strict-swebench reads the text by itself, and goes on to GNU patch's rules where git's refuse.
static void apply_strictly(const char *text, size_t len, struct assay_arena *arena)
{
    struct assay_patch *patch = NULL;

    must(assay_patch_read_exact(&patch, text, len, arena, NULL) == ASSAY_OK);
    must((patch->exact == NULL) == (patch->exact_refusal != NULL));
    apply(patch, ASSAY_APPLY_SWEBENCH, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_arena *arena = NULL;
    struct assay_patch *patch = NULL;
    struct assay_error err = {0};
    enum assay_patch_format format = ASSAY_FORMAT_AUTO;

    must(assay_patch_format_find(&format, FORMAT));
    must(assay_arena_create(&arena, (size_t)256 << 20, NULL) == ASSAY_OK);
    if (assay_patch_read(&patch, (const char *)data, size, format, arena, &err) == ASSAY_OK) {
        must(patch->file_count > 0 && patch->format != ASSAY_FORMAT_AUTO);
        must((patch->exact == NULL) == (patch->exact_refusal != NULL));
        apply(patch, ASSAY_APPLY_EXACT, arena);
        apply(patch, ASSAY_APPLY_TOLERANT, arena);
    } else {
        must(patch == NULL && err.message[0] != '\0');
    }
    if (format == ASSAY_FORMAT_DIFF)
        apply_strictly((const char *)data, size, arena);
    assay_arena_destroy(arena);
    return 0;
}
