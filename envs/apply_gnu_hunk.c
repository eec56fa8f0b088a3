// SPDX-License-Identifier: MIT
// apply_gnu_hunk.c - where GNU patch places a hunk, and what it writes then.
//
// A place is looked for at the line that the header names, moved by what the
// hunks before it were moved by, and then at ever larger distances, first below
// and then above. If there is none, one line of context more is given up at each
// try, from the longer edge first. Lines count from 1 here, as they do there.
#include <string.h>

#include "base/buf.h"
#include "envs/apply_hunk.h"
#include "envs/apply_ladder.h"
#include "envs/apply_lines.h"

enum { GNU_FUZZ_MAX = 5 };

struct gnu_work {
    const struct gnu_job *job;
    struct lines_image image;
    struct assay_buf out;
    int64_t offset; // by which the last hunk was moved
    int64_t frozen; // lines that are written or dropped
    struct assay_bytes *lines;
};

// One side of a hunk, to be found.
struct gnu_side {
    const struct assay_bytes *lines;
    int64_t count, first;
};

static enum assay_status refuse(const struct gnu_work *work, const struct assay_patch_hunk *hunk,
        const char *reason, struct assay_error *err)
{
    return assay_fail(err, ASSAY_EPATCH, "line %zu: %.100s: GNU patch: %s", hunk->patch_line,
            work->job->path, reason);
}

static struct gnu_side side_of(struct gnu_work *work, const struct assay_patch_hunk *hunk,
        enum assay_patch_line_kind other, size_t first)
{
    int64_t count = 0;

    for (size_t i = 0; i < hunk->line_count; i++) {
        if (hunk->lines[i].kind != other)
            work->lines[count++] = hunk->lines[i].text;
    }
    return (struct gnu_side){.lines = work->lines,
            .count = count,
            .first = first < UINT32_MAX ? (int64_t)first : (int64_t)UINT32_MAX};
}

// Does the side stand at line `where`, but for its fuzzy edges?
static bool matches(struct gnu_work *work, const struct gnu_side *side, int64_t where, int64_t head,
        int64_t tail)
{
    for (int64_t i = head; i < side->count - tail; i++) {
        const int64_t line = where + i;

        *work->job->steps_left -= *work->job->steps_left > 0;
        if (line < 1 || line > (int64_t)work->image.count ||
                !lines_same(
                        LINES_BYTES, side->lines[i], lines_at(&work->image, (uint32_t)line - 1)))
            return false;
    }
    return true;
}

// The range that a search may take.
struct gnu_range {
    int64_t guess, up, down; // the farthest below and above the guess
};

static int64_t search(struct gnu_work *work, const struct gnu_side *side,
        const struct gnu_range *range, int64_t head, int64_t tail)
{
    const int64_t farthest = range->up > range->down ? range->up : range->down;
    int64_t distance = 0;

    if (range->up < 0)
        distance = -range->up;
    else if (range->down < 0)
        distance = range->down; // so the program also looks among lines that it has written
    for (; distance <= farthest && *work->job->steps_left > 0; distance++) {
        if (distance <= range->up && matches(work, side, range->guess + distance, head, tail)) {
            work->offset += distance;
            return range->guess + distance;
        }
        if (distance <= range->down && matches(work, side, range->guess - distance, head, tail)) {
            work->offset -= distance;
            return range->guess - distance;
        }
    }
    return 0;
}

// Line where the side stands with this much fuzz; 0: nowhere. `leading` and
// `trailing` are the context at the hunk's edges; short context at one edge means
// the file's begin or end, until fuzz has made both alike.
static int64_t locate(struct gnu_work *work, const struct gnu_side *side, int64_t leading,
        int64_t trailing, int64_t fuzz)
{
    const int64_t longer = leading > trailing ? leading : trailing;
    const int64_t lines = (int64_t)work->image.count;
    int64_t head = fuzz + leading - longer, tail = fuzz + trailing - longer;
    struct gnu_range range = {.guess = side->first + work->offset};

    range.up = lines - (side->count - tail) + 1 - range.guess;
    range.down = range.guess - (work->frozen + 1);
    if (side->count == 0)
        return range.guess; // nothing fits anywhere
    if (range.down >= range.guess)
        range.down = range.guess - 1;
    if (head < 0 && side->first <= 1) {
        // At the begin of the file alone; with the same at the end, it is the whole file.
        if (tail < 0 && (side->count != lines || leading < work->frozen))
            return 0;
        if (work->frozen > leading || 1 - range.guess > range.up ||
                !matches(work, side, 1, 0, tail < 0 ? 0 : tail))
            return 0;
        work->offset += 1 - range.guess;
        return 1;
    }
    if (head < 0)
        head = 0;
    if (tail < 0) {
        const int64_t last = lines - side->count + 1;

        if (range.guess - last > range.down || !matches(work, side, last, head, 0))
            return 0;
        work->offset += last - range.guess;
        return last;
    }
    return search(work, side, &range, head, tail);
}

// Where the hunk goes. The first hunk is also tried the other way round: where
// that fits, the patch is taken for one that is applied already, and skipped.
static enum assay_status find(struct gnu_work *work, const struct assay_patch_hunk *hunk,
        bool is_first, int64_t *where, int64_t *fuzz, struct assay_error *err)
{
    const int64_t leading = (int64_t)hunk->leading, trailing = (int64_t)hunk->trailing;
    const int64_t longer = leading > trailing ? leading : trailing;
    const int64_t fuzz_max = longer < GNU_FUZZ_MAX ? longer : GNU_FUZZ_MAX;

    *where = 0;
    for (*fuzz = 0; *fuzz <= fuzz_max; ++*fuzz) {
        struct gnu_side side = side_of(work, hunk, ASSAY_LINE_ADD, hunk->old_start);

        *where = locate(work, &side, leading, trailing, *fuzz);
        if (*where != 0)
            return ASSAY_OK;
        side = side_of(work, hunk, ASSAY_LINE_DELETE, hunk->new_start);
        if (is_first && locate(work, &side, leading, trailing, *fuzz) != 0)
            return refuse(work, hunk, "the hunk looks reversed or already applied", err);
        if (*work->job->steps_left == 0)
            return refuse(work, hunk, "too many places to search: the context repeats itself", err);
    }
    return refuse(work, hunk, "the hunk does not match", err);
}

static void put(struct gnu_work *work, struct assay_bytes text)
{
    if (text.len == 0)
        return;
    if (work->out.len > 0 && work->out.data[work->out.len - 1] != '\n')
        (void)assay_buf_addc(&work->out, '\n');
    (void)assay_buf_add(&work->out, text.data, text.len);
}

// Copy the file up to line `last`; false when that is copied, or dropped, already.
static bool copy_till(struct gnu_work *work, int64_t last)
{
    if (work->frozen > last)
        return false;
    for (; work->frozen < last; work->frozen++) {
        if (work->frozen < (int64_t)work->image.count)
            put(work, lines_at(&work->image, (uint32_t)work->frozen));
    }
    return true;
}

// The program takes a line of no bytes for one that it could not write.
static bool has_empty_line(const struct assay_patch_hunk *hunk)
{
    for (size_t i = 0; i < hunk->line_count; i++) {
        if (hunk->lines[i].kind == ASSAY_LINE_ADD && hunk->lines[i].text.len == 0)
            return true;
    }
    return false;
}

static bool write_hunk(struct gnu_work *work, const struct assay_patch_hunk *hunk, int64_t where)
{
    int64_t old = where - 1; // lines of the file before the one at hand
    size_t context_end = 0;  // behind the last line of context

    for (size_t i = 0; i < hunk->line_count; i++) {
        if (hunk->lines[i].kind == ASSAY_LINE_CONTEXT)
            context_end = i + 1;
    }
    for (size_t i = 0; i < hunk->line_count; i++) {
        const struct assay_patch_line *line = &hunk->lines[i];

        if (line->kind != ASSAY_LINE_CONTEXT && !copy_till(work, old))
            return false;
        // Above context a new line does not end an unfinished one before it; there can be one
        // only where fuzz took the context for what it is not.
        if (line->kind == ASSAY_LINE_ADD && i < context_end)
            (void)assay_buf_add(&work->out, line->text.data, line->text.len);
        else if (line->kind == ASSAY_LINE_ADD)
            put(work, line->text);
        else
            old++;
        work->frozen += line->kind == ASSAY_LINE_DELETE;
    }
    return true;
}

static enum assay_status apply_hunk(
        struct gnu_work *work, const struct assay_patch_hunk *hunk, struct assay_error *err)
{
    const size_t index = (size_t)(hunk - work->job->file->hunks);
    struct assay_hunk_record *record = &work->job->records[index];
    int64_t where = 0, fuzz = 0;
    unsigned marks = HUNK_GNU;
    enum assay_status status = find(work, hunk, index == 0, &where, &fuzz, err);

    if (status != ASSAY_OK)
        return status;
    if (where == 1 && work->job->file->missing[ASSAY_GNU_OLD] == 2 && work->job->text.len > 0)
        return refuse(work, hunk, "the hunk creates the file, which exists", err);
    if (has_empty_line(hunk))
        return refuse(work, hunk, "an empty last line without a newline: a write error", err);
    if (!write_hunk(work, hunk, where))
        return refuse(work, hunk, "misordered hunks", err);
    marks |= (fuzz > 0 ? (unsigned)HUNK_FUZZ : 0U) |
            (work->offset != 0 ? (unsigned)HUNK_OFFSET : 0U);
    *record = (struct assay_hunk_record){.path = work->job->path,
            .hunk_index = index,
            .offset = work->offset,
            .tolerance = hunk_marks_text(marks, work->job->arena)};
    if (record->tolerance == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a record");
    return assay_buf_check(&work->out, work->job->path, err);
}

enum assay_status gnu_hunks_apply(
        struct assay_bytes *out, const struct gnu_job *job, struct assay_error *err)
{
    struct gnu_work work = {.job = job};
    size_t line_count = 1;
    enum assay_status status =
            lines_image_init(&work.image, job->text, job->arena, job->steps_left, err);

    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < job->file->hunk_count; i++) {
        if (job->file->hunks[i].line_count > line_count)
            line_count = job->file->hunks[i].line_count;
    }
    work.lines = assay_arena_array(job->arena, line_count, sizeof(*work.lines));
    if (work.lines == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a hunk");
    assay_buf_init(&work.out, job->bytes_max);
    for (size_t i = 0; i < job->file->hunk_count && status == ASSAY_OK; i++)
        status = apply_hunk(&work, &job->file->hunks[i], err);
    if (status == ASSAY_OK) {
        (void)copy_till(&work, (int64_t)work.image.count);
        status = assay_buf_check(&work.out, job->path, err);
    }
    if (status == ASSAY_OK) {
        out->len = work.out.len;
        out->data = assay_arena_memdup(job->arena, work.out.data, work.out.len);
        if (out->data == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "no memory for %zu bytes", work.out.len);
    }
    assay_buf_free(&work.out);
    return status;
}
