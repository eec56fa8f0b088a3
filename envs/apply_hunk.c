// SPDX-License-Identifier: MIT
// apply_hunk.c - puts the hunks of one file into it.
//
// Every hunk is first placed as git places it. Where that fails, tolerant mode
// asks ever looser questions and takes the first that has an answer, but only if
// the answer is one place; two places refuse the hunk.
#include "envs/apply_hunk.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "envs/apply_lines.h"

enum { FUZZ_MAX = 2 };

// A hunk in its place: lines [begin, end) of the original give way to its new side.
struct placed {
    uint32_t begin, end;
    uint32_t order;      // two insertions at one place stay in the patch's order
    uint32_t head, tail; // context lines at its edges that were not looked at
    unsigned marks;
    const struct assay_patch_hunk *hunk;
};

struct work {
    const struct hunk_job *job;
    struct lines_image image;
    struct placed *placed; // [file->hunk_count]
    uint32_t placed_count;
    bool moved; // a hunk was not where its header said
    // One side of the hunk at hand.
    struct assay_bytes *lines;
    uint32_t *classes;
    struct lines_pattern pattern;
};

static enum assay_status refuse(const struct hunk_job *job, const struct assay_patch_hunk *hunk,
        const char *reason, struct assay_error *err)
{
    return assay_fail(
            err, ASSAY_EPATCH, "line %zu: %.100s: %s", hunk->patch_line, job->path, reason);
}

const char *hunk_marks_text(unsigned marks, struct assay_arena *arena)
{
    static const char *const names[] = {"offset", "recount", "bare", "zero", "edge", "newline",
            "crlf", "whitespace", "fuzz", "strip", "present", "rstrip", "trim", "unicode", "indent",
            "unwrapped", "gnu"};
    char *text = NULL;

    if (marks == 0)
        return "exact";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((marks & 1U << i) == 0)
            continue;
        text = assay_arena_printf(
                arena, "%s%s%s", text != NULL ? text : "", text != NULL ? "+" : "", names[i]);
        if (text == NULL)
            return NULL;
    }
    return text;
}

// The lines of one side, without `head` and `tail` lines at its edges.
static void take_side(struct work *work, const struct assay_patch_hunk *hunk,
        enum assay_patch_line_kind other, uint32_t head, uint32_t tail)
{
    uint32_t count = 0;

    for (size_t i = head; i < hunk->line_count - tail; i++) {
        if (hunk->lines[i].kind != other)
            work->lines[count++] = hunk->lines[i].text;
    }
    work->pattern =
            (struct lines_pattern){.lines = work->lines, .count = count, .classes = work->classes};
}

static void take_old_side(
        struct work *work, const struct assay_patch_hunk *hunk, uint32_t head, uint32_t tail)
{
    take_side(work, hunk, ASSAY_LINE_ADD, head, tail);
}

static int64_t position_told(const struct assay_patch_hunk *hunk)
{
    const size_t start = hunk->new_start > 0 ? hunk->new_start - 1 : 0;

    return start < UINT32_MAX ? (int64_t)start : (int64_t)UINT32_MAX;
}

static uint32_t count_lines(const struct assay_patch_hunk *hunk, enum assay_patch_line_kind kind)
{
    uint32_t count = 0;

    for (size_t i = 0; i < hunk->line_count; i++)
        count += hunk->lines[i].kind == kind;
    return count;
}

// git: a hunk that starts at line 1 must match at the beginning, one without
// context below its changes at the end; otherwise the nearest place is taken.
static enum assay_status place_as_git(struct work *work, const struct assay_patch_hunk *hunk,
        struct placed *placed, bool *found, struct assay_error *err)
{
    uint32_t line = LINES_NOWHERE;
    enum assay_status status = ASSAY_OK;

    take_old_side(work, hunk, 0, 0);
    status = lines_find_nearest(&work->image, &work->pattern, position_told(hunk),
            hunk->old_start <= 1, hunk->trailing == 0, &line, err);
    *found = status == ASSAY_OK && line != LINES_NOWHERE;
    if (*found) {
        placed->begin = line;
        placed->end = line + work->pattern.count;
    }
    return status;
}

// A hunk of diff -U0 has nothing but its line numbers. git takes one that only
// adds to the end of the file, wherever it belongs; here the numbers hold.
static bool place_by_number(
        struct work *work, const struct assay_patch_hunk *hunk, struct placed *placed)
{
    const size_t count = work->image.count;
    size_t begin = hunk->old_start;

    take_old_side(work, hunk, 0, 0);
    if (work->pattern.count > 0 && begin > 0)
        begin--; // the first old line; without old lines, the line before the new ones
    if (work->pattern.count == 0 && work->moved)
        return false;
    if (begin > count ||
            !lines_match_at(&work->image, &work->pattern, LINES_BYTES, (uint32_t)begin))
        return false;
    placed->begin = (uint32_t)begin;
    placed->end = placed->begin + work->pattern.count;
    placed->marks |= HUNK_ZERO;
    return true;
}

static enum assay_status refuse_ambiguous(const struct hunk_job *job,
        const struct assay_patch_hunk *hunk, const struct lines_found *found,
        struct assay_error *err)
{
    char places[80];

    (void)snprintf(places, sizeof(places), "%u and %u", found->at[0] + 1, found->at[1] + 1);
    if (found->count == 3)
        (void)snprintf(places, sizeof(places), "%u, %u and %u", found->at[0] + 1, found->at[1] + 1,
                found->at[2] + 1);
    else if (found->count > 3)
        (void)snprintf(places, sizeof(places), "%u, %u, %u and more", found->at[0] + 1,
                found->at[1] + 1, found->at[2] + 1);
    return assay_fail(err, ASSAY_EPATCH,
            "line %zu: %.100s: the hunk fits at lines %s, and nothing says which", hunk->patch_line,
            job->path, places);
}

// What told the pattern and the lines at `line` apart?
static unsigned difference(const struct work *work, uint32_t line)
{
    unsigned marks = 0;

    for (uint32_t i = 0; i < work->pattern.count; i++) {
        const struct assay_bytes ours = work->pattern.lines[i];
        const struct assay_bytes theirs = lines_at(&work->image, line + i);
        const size_t our_len = lines_length_without_end(ours);
        const size_t their_len = lines_length_without_end(theirs);
        const bool same_bytes = lines_same(LINES_BYTES, ours, theirs);

        if (same_bytes)
            continue;
        if (!lines_same(LINES_ENDS, ours, theirs))
            marks |= HUNK_WHITESPACE;
        if (ours.len - our_len != theirs.len - their_len) {
            const bool both_end = ours.len > our_len && theirs.len > their_len;

            marks |= both_end ? (unsigned)HUNK_CRLF : (unsigned)HUNK_NEWLINE;
        }
    }
    return marks;
}

// One question of the ladder. *found is true when exactly one place answers it.
static enum assay_status place_unique(struct work *work, const struct assay_patch_hunk *hunk,
        enum lines_level level, struct placed *placed, bool *found, struct assay_error *err)
{
    struct lines_found places = {0};
    enum assay_status status = ASSAY_OK;

    take_old_side(work, hunk, placed->head, placed->tail);
    status = lines_find_all(&work->image, &work->pattern, level, &places, err);
    if (status == ASSAY_OK && places.count > 1)
        status = refuse_ambiguous(work->job, hunk, &places, err);
    *found = status == ASSAY_OK && places.count == 1;
    if (*found) {
        placed->begin = places.at[0];
        placed->end = places.at[0] + work->pattern.count;
        placed->marks |= difference(work, places.at[0]);
    }
    return status;
}

// Is there anything in the pattern that a person could recognise a place by?
static bool has_substance(const struct lines_pattern *pattern)
{
    for (uint32_t i = 0; i < pattern->count; i++) {
        for (size_t k = 0; k < pattern->lines[i].len; k++) {
            if (isalnum((unsigned char)pattern->lines[i].data[k]))
                return true;
        }
    }
    return false;
}

// Without one or two context lines at the edges, the fewest first.
static enum assay_status place_with_fuzz(struct work *work, const struct assay_patch_hunk *hunk,
        struct placed *placed, bool *found, struct assay_error *err)
{
    static const struct {
        uint32_t head, tail;
    } cuts[] = {{1, 0}, {0, 1}, {1, 1}, {2, 0}, {0, 2}, {2, 1}, {1, 2}, {2, 2}};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]) && !*found; i++) {
        if (cuts[i].head > hunk->leading || cuts[i].tail > hunk->trailing)
            continue;
        placed->head = cuts[i].head;
        placed->tail = cuts[i].tail;
        take_old_side(work, hunk, placed->head, placed->tail);
        if (!has_substance(&work->pattern))
            continue;
        status = place_unique(work, hunk, LINES_SPACE, placed, found, err);
        if (status != ASSAY_OK)
            return status;
    }
    placed->marks |= HUNK_FUZZ;
    return ASSAY_OK;
}

static enum assay_status place_tolerantly(struct work *work, const struct assay_patch_hunk *hunk,
        struct placed *placed, bool *found, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    if (hunk->old_count == 0) {
        if (work->image.count > 0)
            return refuse(work->job, hunk, "nothing says where the new lines belong", err);
        placed->begin = placed->end = 0;
        *found = true;
        return ASSAY_OK;
    }
    for (enum lines_level level = LINES_BYTES; level < LINES_LEVELS && !*found; level++) {
        status = place_unique(work, hunk, level, placed, found, err);
        if (status != ASSAY_OK)
            return status;
        if (*found && level == LINES_BYTES && !hunk->bare)
            placed->marks |= HUNK_EDGE;
    }
    if (!*found && !hunk->bare)
        status = place_with_fuzz(work, hunk, placed, found, err);
    return status;
}

// The first line of the old side that is nowhere in the file, for the message.
static enum assay_status refuse_unmatched(
        struct work *work, const struct assay_patch_hunk *hunk, struct assay_error *err)
{
    struct lines_pattern line = {.count = 1, .classes = work->classes};
    struct lines_found found = {0};

    take_old_side(work, hunk, 0, 0);
    for (uint32_t i = 0; i < work->pattern.count; i++) {
        line.lines = &work->lines[i];
        if (lines_find_all(&work->image, &line, LINES_BYTES, &found, err) != ASSAY_OK)
            return ASSAY_EPATCH;
        if (found.count == 0)
            return assay_fail(err, ASSAY_EPATCH,
                    "line %zu: %.100s: the hunk does not match: its old line %u is not in the file",
                    hunk->patch_line, work->job->path, i + 1);
    }
    return refuse(
            work->job, hunk, "the hunk does not match: its old lines are not in this order", err);
}

static enum assay_status find_place(struct work *work, const struct assay_patch_hunk *hunk,
        struct placed *placed, struct assay_error *err)
{
    // Short of context, git would add new lines to the end of the file, wherever they belong.
    const bool zero = work->job->tolerant && !hunk->bare && hunk->old_start > 0 &&
            work->image.count > 0 && count_lines(hunk, ASSAY_LINE_CONTEXT) == 0;
    struct placed by_git = *placed;
    enum assay_status status = ASSAY_OK;
    bool found = zero && place_by_number(work, hunk, placed), agrees = false;

    if (found)
        status = place_as_git(work, hunk, &by_git, &agrees, err);
    if (agrees && by_git.begin == placed->begin)
        *placed = by_git;
    if (!found && !hunk->bare && (!zero || hunk->old_count > 0))
        status = place_as_git(work, hunk, placed, &found, err);
    if (status == ASSAY_OK && !found && work->job->tolerant)
        status = place_tolerantly(work, hunk, placed, &found, err);
    if (status == ASSAY_OK && !found)
        status = refuse_unmatched(work, hunk, err);
    return status;
}

static enum assay_status record(
        const struct work *work, struct placed *placed, struct assay_error *err)
{
    const struct assay_patch_hunk *hunk = placed->hunk;
    const size_t index = (size_t)(hunk - work->job->file->hunks);
    struct assay_hunk_record *out = &work->job->records[index];

    *out = (struct assay_hunk_record){.path = work->job->path, .hunk_index = index};
    // Without old lines the old start names the line before, and 0 0 an empty file.
    if (!hunk->bare && hunk->new_start > 0)
        out->offset = lines_position(&work->image, placed->begin) - (int64_t)placed->head -
                position_told(hunk);
    if (out->offset != 0)
        placed->marks |= HUNK_OFFSET;
    out->tolerance = hunk_marks_text(placed->marks, work->job->arena);
    if (out->tolerance == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a record");
    return ASSAY_OK;
}

static enum assay_status place(
        struct work *work, const struct assay_patch_hunk *hunk, struct assay_error *err)
{
    struct placed *placed = &work->placed[work->placed_count];
    enum assay_status status = ASSAY_OK;

    *placed = (struct placed){.hunk = hunk, .order = work->placed_count, .marks = work->job->marks};
    placed->marks |= (hunk->recounted ? HUNK_RECOUNT : 0U) | (hunk->bare ? HUNK_BARE : 0U);
    status = find_place(work, hunk, placed, err);
    if (status == ASSAY_OK)
        status = record(work, placed, err);
    if (status != ASSAY_OK)
        return status;
    lines_replace(&work->image, placed->begin, placed->end,
            placed->end - placed->begin + count_lines(hunk, ASSAY_LINE_ADD) -
                    count_lines(hunk, ASSAY_LINE_DELETE));
    work->moved |= (placed->marks & HUNK_OFFSET) != 0;
    work->placed_count++;
    return ASSAY_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) // an insertion comes before what replaces the line behind it
        return x->end < y->end ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

// The line end of the file around a hunk: that of its first old line there, or of the first line.
static const char *line_end_near(const struct lines_image *image, const struct placed *placed)
{
    uint32_t line = placed->begin < image->count ? placed->begin : 0;
    struct assay_bytes text = {0};

    if (image->count == 0)
        return "\n";
    text = lines_at(image, line);
    return text.len - lines_length_without_end(text) == 2 ? "\r\n" : "\n";
}

// A line that was added by a hunk whose old lines did not match byte for byte.
static void add_mended(
        struct assay_buf *out, struct assay_bytes text, const char *line_end, bool convert)
{
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        (void)assay_buf_adds(out, line_end); // the file's last line has lines below it now
    if (!convert || text.len == 0 || text.data[text.len - 1] != '\n') {
        (void)assay_buf_add(out, text.data, text.len);
        return;
    }
    (void)assay_buf_add(out, text.data, lines_length_without_end(text));
    (void)assay_buf_adds(out, line_end);
}

static bool is_loose(const struct placed *placed)
{
    return (placed->marks & (HUNK_NEWLINE | HUNK_CRLF | HUNK_WHITESPACE | HUNK_FUZZ | HUNK_ZERO)) !=
            0;
}

static void add_new_side(
        struct assay_buf *out, const struct work *work, const struct placed *placed)
{
    const struct assay_patch_hunk *hunk = placed->hunk;
    const char *line_end = line_end_near(&work->image, placed);
    const bool convert = (placed->marks & (HUNK_CRLF | HUNK_ZERO)) != 0;
    uint32_t old_line = placed->begin;

    for (size_t i = placed->head; i < hunk->line_count - placed->tail; i++) {
        const struct assay_patch_line *line = &hunk->lines[i];

        if (!is_loose(placed)) {
            if (line->kind != ASSAY_LINE_DELETE)
                (void)assay_buf_add(out, line->text.data, line->text.len);
            continue;
        }
        if (line->kind == ASSAY_LINE_ADD)
            add_mended(out, line->text, line_end, convert);
        else if (line->kind == ASSAY_LINE_CONTEXT) // as the file has it
            add_mended(out, lines_at(&work->image, old_line), line_end, false);
        old_line += line->kind != ASSAY_LINE_ADD;
    }
    if (is_loose(placed) && placed->end < work->image.count && out->len > 0 &&
            out->data[out->len - 1] != '\n')
        (void)assay_buf_adds(out, line_end);
}

static void add_lines(
        struct assay_buf *out, const struct lines_image *image, uint32_t begin, uint32_t end)
{
    if (begin < end)
        (void)assay_buf_add(out, image->text.data + image->starts[begin],
                image->starts[end] - image->starts[begin]);
}

static enum assay_status assemble(
        struct assay_bytes *out, struct work *work, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_buf buf;
    uint32_t line = 0;

    assay_buf_init(&buf, work->job->bytes_max);
    qsort(work->placed, work->placed_count, sizeof(*work->placed), by_place);
    for (uint32_t i = 0; i < work->placed_count; i++) {
        const struct placed *placed = &work->placed[i];

        add_lines(&buf, &work->image, line, placed->begin);
        add_new_side(&buf, work, placed);
        line = placed->end;
    }
    add_lines(&buf, &work->image, line, work->image.count);
    status = assay_buf_check(&buf, work->job->path, err);
    if (status == ASSAY_OK) {
        out->len = buf.len;
        out->data = assay_arena_memdup(work->job->arena, buf.data, buf.len);
        if (out->data == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "no memory for %zu bytes", buf.len);
    }
    assay_buf_free(&buf);
    return status;
}

static enum assay_status work_init(
        struct work *work, const struct hunk_job *job, struct assay_error *err)
{
    const size_t hunk_count = job->file->hunk_count;
    size_t line_count = 1;

    *work = (struct work){.job = job};
    for (size_t i = 0; i < hunk_count; i++) {
        if (job->file->hunks[i].line_count > line_count)
            line_count = job->file->hunks[i].line_count;
    }
    work->placed = assay_arena_array(job->arena, hunk_count, sizeof(*work->placed));
    work->lines = assay_arena_array(job->arena, line_count, sizeof(*work->lines));
    work->classes = assay_arena_array(job->arena, line_count, sizeof(*work->classes));
    if (work->placed == NULL || work->lines == NULL || work->classes == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for %zu hunks", hunk_count);
    return lines_image_init(&work->image, job->text, job->arena, job->steps_left, err);
}

enum assay_status hunks_apply(
        struct assay_bytes *out, const struct hunk_job *job, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct work work;

    if (job->file->hunk_count == 0) {
        *out = job->text;
        return ASSAY_OK;
    }
    status = work_init(&work, job, err);
    for (size_t i = 0; i < job->file->hunk_count && status == ASSAY_OK; i++)
        status = place(&work, &job->file->hunks[i], err);
    if (status == ASSAY_OK)
        status = assemble(out, &work, err);
    return status;
}

bool hunks_are_applied(const struct hunk_job *job)
{
    struct work work;

    if (work_init(&work, job, NULL) != ASSAY_OK)
        return false;
    for (size_t i = 0; i < job->file->hunk_count; i++) {
        struct lines_found found = {0};

        take_side(&work, &job->file->hunks[i], ASSAY_LINE_DELETE, 0, 0);
        // A blank line or two are in every file.
        if (work.pattern.count == 0 || !has_substance(&work.pattern) ||
                lines_find_all(&work.image, &work.pattern, LINES_BYTES, &found, NULL) != ASSAY_OK ||
                found.count == 0)
            return false;
    }
    return true;
}
