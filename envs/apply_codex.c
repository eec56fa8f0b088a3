// SPDX-License-Identifier: MIT
// apply_codex.c - the hunks of Codex's apply_patch: no numbers, but an order.
//
// All places are looked for in the file as it was, each below the last, and then
// the new lines are put in. Context stays as the file has it, whatever looseness
// found it, and a file whose last line has no newline keeps it that way unless
// that line changes; Codex itself writes the patch's context and a newline.
#include <string.h>

#include "base/buf.h"
#include "envs/apply_block.h"

struct codex_work {
    const struct hunk_job *job;
    struct lines_image image;
    struct assay_bytes *lines;
    struct assay_buf out;
    uint32_t cursor; // lines before it are done with
    uint32_t copied; // lines before it are in `out`, or replaced
};

static const enum lines_level levels[] = {
        LINES_BYTES, LINES_TRAILING, LINES_TRIMMED, LINES_UNICODE};

// At the first place from the cursor on, the strictest level first.
static enum assay_status seek(struct codex_work *work, const struct lines_pattern *pattern,
        bool at_end, uint32_t *line, enum lines_level *level, struct assay_error *err)
{
    uint32_t from = work->cursor;
    enum assay_status status = ASSAY_OK;

    *line = LINES_NOWHERE;
    if (at_end && pattern->count <= work->image.count && work->image.count - pattern->count > from)
        from = work->image.count - pattern->count;
    for (size_t i = 0;
            i < sizeof(levels) / sizeof(levels[0]) && *line == LINES_NOWHERE && status == ASSAY_OK;
            i++) {
        *level = levels[i];
        status = block_find(&work->image, pattern, *level, from, UINT32_MAX - 1, line, err);
    }
    return status;
}

static enum assay_status follow_anchors(struct codex_work *work,
        const struct assay_patch_hunk *hunk, unsigned *marks, struct assay_error *err)
{
    for (size_t i = 0; i < hunk->anchor_count; i++) {
        const struct lines_pattern pattern = {.lines = &hunk->anchors[i], .count = 1};
        enum lines_level level = LINES_BYTES;
        uint32_t line = 0;
        enum assay_status status = seek(work, &pattern, false, &line, &level, err);

        if (status != ASSAY_OK)
            return status;
        if (line == LINES_NOWHERE)
            return assay_fail(err, ASSAY_EPATCH,
                    "line %zu: %.100s: its \"@@\" line is not in the file below the hunk before it",
                    hunk->patch_line + i, work->job->path);
        if (level > LINES_TRIMMED)
            *marks |= HUNK_UNICODE;
        work->cursor = line + 1;
    }
    return ASSAY_OK;
}

static struct lines_pattern old_side(struct codex_work *work, const struct assay_patch_hunk *hunk)
{
    uint32_t count = 0;

    for (size_t i = 0; i < hunk->line_count; i++) {
        if (hunk->lines[i].kind != ASSAY_LINE_ADD)
            work->lines[count++] = hunk->lines[i].text;
    }
    return (struct lines_pattern){.lines = work->lines, .count = count};
}

static void put_hunk(struct codex_work *work, const struct assay_patch_hunk *hunk, uint32_t line)
{
    const char *line_end = block_line_end(&work->image, line);
    uint32_t old_line = line;

    block_add_range(&work->out, &work->image, work->copied, line);
    for (size_t i = 0; i < hunk->line_count; i++) {
        if (hunk->lines[i].kind == ASSAY_LINE_ADD)
            block_add_line(&work->out, hunk->lines[i].text, line_end);
        if (hunk->lines[i].kind == ASSAY_LINE_CONTEXT)
            block_add_range(&work->out, &work->image, old_line, old_line + 1);
        old_line += hunk->lines[i].kind != ASSAY_LINE_ADD;
    }
    work->copied = old_line;
    work->cursor = old_line;
}

static enum assay_status apply_hunk(
        struct codex_work *work, const struct assay_patch_hunk *hunk, struct assay_error *err)
{
    const struct lines_pattern pattern = old_side(work, hunk);
    enum lines_level level = LINES_BYTES;
    unsigned marks = 0;
    uint32_t line = 0;
    enum assay_status status = follow_anchors(work, hunk, &marks, err);

    if (status != ASSAY_OK)
        return status;
    if (pattern.count == 0) {
        // Nothing but new lines: below the anchor, or at the end.
        put_hunk(work, hunk,
                hunk->anchor_count > 0 && !hunk->at_end ? work->cursor : work->image.count);
        return block_record(work->job, hunk, marks, err);
    }
    status = seek(work, &pattern, hunk->at_end, &line, &level, err);
    if (status != ASSAY_OK)
        return status;
    if (line == LINES_NOWHERE)
        return block_refuse(work->job, hunk,
                hunk->at_end ? "its old lines are not the last of the file"
                             : "its old lines are not in the file below the hunk before it",
                err);
    if (level != LINES_BYTES)
        marks |= block_marks(&work->image, &pattern, level, line);
    // Blanks at line ends that are only a carriage return, or no newline, are told as that.
    if (level == LINES_TRAILING && lines_match_at(&work->image, &pattern, LINES_ENDS, line))
        marks &= ~(unsigned)HUNK_RSTRIP;
    put_hunk(work, hunk, line);
    return block_record(work->job, hunk, marks, err);
}

enum assay_status codex_apply(
        struct assay_bytes *out, const struct hunk_job *job, struct assay_error *err)
{
    struct codex_work work = {.job = job};
    size_t line_count = 1;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < job->file->hunk_count; i++) {
        if (job->file->hunks[i].line_count > line_count)
            line_count = job->file->hunks[i].line_count;
    }
    work.lines = assay_arena_array(job->arena, line_count, sizeof(*work.lines));
    if (work.lines == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a hunk");
    status = lines_image_init(&work.image, job->text, job->arena, job->steps_left, err);
    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&work.out, job->bytes_max);
    for (size_t i = 0; i < job->file->hunk_count && status == ASSAY_OK; i++)
        status = apply_hunk(&work, &job->file->hunks[i], err);
    block_add_range(&work.out, &work.image, work.copied, work.image.count);
    if (status == ASSAY_OK)
        status = assay_buf_check(&work.out, job->path, err);
    if (status == ASSAY_OK) {
        out->len = work.out.len;
        out->data = assay_arena_memdup(job->arena, work.out.data, work.out.len);
        if (out->data == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "no memory for %zu bytes", work.out.len);
    }
    assay_buf_free(&work.out);
    return status;
}
