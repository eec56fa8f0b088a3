// SPDX-License-Identifier: MIT
// apply_ladder.c - the modes: which rules are tried on a patch, and in which order.
//
// SWE-bench tries `git apply`, `git apply --3way`, `git apply --reject` and
// `patch --batch --forward --fuzz=5 -p1`, each on a clean tree, and then asks
// whether `git apply --reverse --check` finds the patch applied. The second needs
// blobs of a history that the tree does not have, and the third accepts what the
// first does, since it fails when any hunk is rejected; neither is emulated.
#include "envs/apply_ladder.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum assay_apply_mode mode;
} modes[] = {{"tolerant", ASSAY_APPLY_TOLERANT}, {"strict-swebench", ASSAY_APPLY_SWEBENCH}};

bool assay_apply_mode_find(enum assay_apply_mode *out, const char *name)
{
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(modes[i].name, name) == 0) {
            *out = modes[i].mode;
            return true;
        }
    }
    return false;
}

// What one try is given.
struct ladder {
    const struct assay_patch *patch;
    assay_file_read read;
    void *read_user;
    const struct assay_apply_options *options;
    struct assay_arena *arena;
};

static enum assay_status try_git(
        struct assay_edits **out, const struct ladder *ladder, struct assay_error *err)
{
    if (ladder->patch->exact == NULL)
        return assay_fail(err, ASSAY_EPATCH, "%s", ladder->patch->exact_refusal);
    return apply_once(out, ladder->patch->exact, false, ladder->read, ladder->read_user,
            ladder->options, ladder->arena, err);
}

static enum assay_status try_gnu(
        struct assay_edits **out, const struct ladder *ladder, struct assay_error *err)
{
    struct assay_gnu_patch *patch = NULL;
    enum assay_status status =
            assay_patch_read_gnu(&patch, ladder->patch->text, ladder->arena, err);

    if (status == ASSAY_OK)
        status = gnu_apply(
                out, patch, ladder->read, ladder->read_user, ladder->options, ladder->arena, err);
    return status;
}

static bool reverse_hunk(struct assay_patch_hunk *out, const struct assay_patch_hunk *hunk,
        struct assay_arena *arena)
{
    *out = *hunk;
    out->old_start = hunk->new_start;
    out->old_count = hunk->new_count;
    out->new_start = hunk->old_start;
    out->new_count = hunk->old_count;
    out->lines = assay_arena_array(arena, hunk->line_count, sizeof(*out->lines));
    for (size_t i = 0; out->lines != NULL && i < hunk->line_count; i++) {
        out->lines[i] = hunk->lines[i];
        if (hunk->lines[i].kind != ASSAY_LINE_CONTEXT)
            out->lines[i].kind =
                    hunk->lines[i].kind == ASSAY_LINE_ADD ? ASSAY_LINE_DELETE : ASSAY_LINE_ADD;
    }
    return out->lines != NULL;
}

static bool reverse_file(struct assay_patch_file *out, const struct assay_patch_file *file,
        struct assay_arena *arena)
{
    *out = *file;
    out->old_path = file->new_path;
    out->new_path = file->old_path;
    out->old_raw = file->new_raw;
    out->new_raw = file->old_raw;
    out->old_mode = file->new_mode;
    out->new_mode = file->old_mode;
    out->may_create = false;
    if (file->op == ASSAY_PATCH_ADD || file->op == ASSAY_PATCH_DELETE)
        out->op = file->op == ASSAY_PATCH_ADD ? ASSAY_PATCH_DELETE : ASSAY_PATCH_ADD;
    // The mode of the index line stands for both sides.
    if (file->new_mode == 0)
        out->old_mode = file->old_mode;
    out->hunks = assay_arena_array(arena, file->hunk_count, sizeof(*out->hunks));
    for (size_t i = 0; i < file->hunk_count; i++) {
        if (out->hunks == NULL || !reverse_hunk(&out->hunks[i], &file->hunks[i], arena))
            return false;
    }
    return out->hunks != NULL;
}

// The other half of a binary change is not kept, and a copy cannot be taken back.
static bool is_reversible(const struct assay_patch *patch)
{
    for (size_t i = 0; i < patch->file_count; i++) {
        if (patch->files[i].binary || patch->files[i].op == ASSAY_PATCH_COPY)
            return false;
    }
    return true;
}

// Would the patch, turned round, apply to the tree? Then there is nothing to do.
static bool is_applied(const struct ladder *ladder)
{
    const struct assay_patch *patch = ladder->patch->exact;
    const struct assay_apply_options options = {
            .mode = ASSAY_APPLY_EXACT, .list = ladder->options->list};
    struct assay_patch back = {0};
    struct assay_edits *edits = NULL;

    if (patch == NULL || !is_reversible(patch))
        return false;
    back = *patch;
    back.files = assay_arena_array(ladder->arena, patch->file_count, sizeof(*back.files));
    for (size_t i = 0; i < patch->file_count; i++) {
        // git turns the list round, too.
        if (back.files == NULL ||
                !reverse_file(
                        &back.files[i], &patch->files[patch->file_count - 1 - i], ladder->arena))
            return false;
    }
    return apply_once(&edits, &back, false, ladder->read, ladder->read_user, &options,
                   ladder->arena, NULL) == ASSAY_OK;
}

static enum assay_status no_edits(
        struct assay_edits **out, const struct ladder *ladder, struct assay_error *err)
{
    const struct assay_patch *patch = ladder->patch->exact;
    struct assay_edits *edits = assay_arena_alloc(ladder->arena, sizeof(*edits));

    if (edits != NULL)
        edits->hunks = assay_arena_array(
                ladder->arena, patch->file_count, sizeof(struct assay_hunk_record));
    if (edits == NULL || edits->hunks == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for edits");
    for (size_t i = 0; i < patch->file_count; i++)
        edits->hunks[edits->hunk_count++] = (struct assay_hunk_record){
                .path = patch->files[i].new_path != NULL ? patch->files[i].new_path
                                                         : patch->files[i].old_path,
                .tolerance = "present"};
    *out = edits;
    return ASSAY_OK;
}

static enum assay_status climb(
        struct assay_edits **out, const struct ladder *ladder, struct assay_error *err)
{
    struct assay_error gits = {0}, gnus = {0};
    enum assay_status status = ASSAY_OK;

    if (ladder->patch->format != ASSAY_FORMAT_DIFF)
        return assay_fail(err, ASSAY_EPATCH, "strict-swebench takes unified diffs alone, not %s",
                assay_patch_format_name(ladder->patch->format));
    status = try_git(out, ladder, &gits);
    if (status == ASSAY_EPATCH && ladder->patch->exact_refused_by_us)
        return assay_fail(err, ASSAY_EPATCH, "%s", gits.message);
    if (status == ASSAY_EPATCH)
        status = try_gnu(out, ladder, &gnus);
    if (status == ASSAY_EPATCH && is_applied(ladder))
        return no_edits(out, ladder, err);
    if (status == ASSAY_EPATCH)
        return assay_fail(
                err, ASSAY_EPATCH, "%.110s; and then: %.110s", gits.message, gnus.message);
    if (status != ASSAY_OK && err != NULL)
        *err = gnus.status != ASSAY_OK ? gnus : gits;
    return status;
}

enum assay_status assay_patch_apply(struct assay_edits **out, const struct assay_patch *patch,
        assay_file_read read, void *read_user, const struct assay_apply_options *options,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct ladder ladder = {.patch = patch,
            .read = read,
            .read_user = read_user,
            .options = options,
            .arena = arena};

    switch (options->mode) {
    case ASSAY_APPLY_EXACT:
        return try_git(out, &ladder, err);
    case ASSAY_APPLY_SWEBENCH:
        return climb(out, &ladder, err);
    case ASSAY_APPLY_TOLERANT:
        break;
    }
    if (patch->combined_line > 0)
        return assay_fail(err, ASSAY_EPATCH,
                "line %zu: the combined diff of a merge cannot be applied", patch->combined_line);
    return apply_once(out, patch, true, read, read_user, options, arena, err);
}
