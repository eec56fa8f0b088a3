// SPDX-License-Identifier: MIT
#include "envs/edits_text.h"

#include "envs/patch_text.h"

#define SIDE_BYTES_MAX ((size_t)64 << 20)

static void fill(struct assay_patch_side *side, enum assay_file_kind kind, bool executable,
        struct assay_bytes content)
{
    assay_buf_init(&side->content, SIDE_BYTES_MAX);
    side->mode = kind == ASSAY_FILE_REGULAR ? executable ? 0100755 : 0100644
            : kind == ASSAY_FILE_LINK       ? 0120000
                                            : 0;
    if (side->mode != 0)
        assay_buf_add(&side->content, content.data, content.len);
}

static enum assay_status add_edit(struct assay_buf *out, const struct assay_edit *edit,
        const struct assay_file *before, struct assay_error *err)
{
    struct assay_patch_side sides[2];
    enum assay_status status = ASSAY_OK;

    if (before->kind == ASSAY_FILE_DIR || before->kind == ASSAY_FILE_OTHER)
        return assay_fail(
                err, ASSAY_EINVAL, "%.150s: no patch can say what is done to it", edit->path);
    fill(&sides[0], before->kind, before->executable, before->content);
    fill(&sides[1], edit->kind, edit->executable, edit->content);
    for (size_t i = 0; i < 2 && status == ASSAY_OK; i++)
        status = assay_buf_check(&sides[i].content, edit->path, err);
    if (status == ASSAY_OK && (sides[0].mode != 0 || sides[1].mode != 0))
        status = assay_patch_text_add(out, edit->path, &sides[0], &sides[1], err);
    assay_buf_free(&sides[0].content);
    assay_buf_free(&sides[1].content);
    return status;
}

enum assay_status assay_edits_text(struct assay_buf *out, const struct assay_edits *edits,
        assay_file_read read, void *read_user, struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < edits->count && status == ASSAY_OK; i++) {
        struct assay_file before = {.kind = ASSAY_FILE_NONE};

        status = read(read_user, edits->items[i].path, arena, &before, err);
        if (status == ASSAY_OK)
            status = add_edit(out, &edits->items[i], &before, err);
    }
    return status;
}
