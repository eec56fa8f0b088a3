// SPDX-License-Identifier: MIT
// patch_hunk.c - hunks: by their counts as git reads them, or by their looks when the counts lie.
#include <ctype.h>
#include <string.h>

#include "tasks/patch_read.h"

enum { NO_NEWLINE_BYTES = 12 }; // git's test: any translation of "\ No newline" is longer

// Where a hunk's lines end, and what they are.
struct extent {
    size_t end; // index behind the last line
    size_t old_count, new_count;
};

static bool read_number(const char **p, const char *end, size_t *value)
{
    const char *start = *p;
    size_t number = 0;

    for (; *p < end && isdigit((unsigned char)**p); (*p)++) {
        const size_t digit = (size_t)(**p - '0');

        number = number > (SIZE_MAX / 2 - digit) / 10 ? SIZE_MAX / 2 : number * 10 + digit;
    }
    *value = number;
    return *p > start;
}

static bool read_range(
        const char **p, const char *end, const char *after, size_t *start, size_t *count)
{
    const size_t after_len = strlen(after);

    if (!read_number(p, end, start))
        return false;
    *count = 1;
    if (*p < end && **p == ',') {
        (*p)++;
        if (!read_number(p, end, count))
            return false;
    }
    if ((size_t)(end - *p) < after_len || memcmp(*p, after, after_len) != 0)
        return false;
    *p += after_len;
    return true;
}

bool patch_hunk_header(
        const struct patch_reader *reader, size_t index, struct assay_patch_hunk *hunk)
{
    const struct assay_bytes line = reader->lines[index];
    const char *p = line.data + strlen("@@ -");
    const char *end = line.data + line.len;

    if (patch_line_starts(reader, index, "@@ -") && end[-1] == '\n' &&
            read_range(&p, end, " +", &hunk->old_start, &hunk->old_count) &&
            read_range(&p, end, " @@", &hunk->new_start, &hunk->new_count))
        return true;
    if (!reader->tolerant || !patch_line_starts(reader, index, "@@"))
        return false;
    *hunk = (struct assay_patch_hunk){.bare = true};
    return true;
}

// "-- ", which may have lost its blank, with at most one line below it.
static bool is_mail_signature(const struct patch_reader *reader, size_t index)
{
    size_t below = 0;

    if (patch_line_starts(reader, index, "-- \n") || patch_line_starts(reader, index, "-- \r\n"))
        return true;
    if (!patch_line_starts(reader, index, "--\n") && !patch_line_starts(reader, index, "--\r\n"))
        return false;
    for (size_t at = index + 1; at < reader->line_count && below < 2; at++)
        below += !patch_line_is_blank(reader, at);
    return below < 2;
}

static bool dashes_end_hunk(const struct patch_reader *reader, size_t index)
{
    if (is_mail_signature(reader, index))
        return true;
    return patch_line_starts(reader, index, "--- ") && index + 2 < reader->line_count &&
            patch_line_starts(reader, index + 1, "+++ ") &&
            patch_line_starts(reader, index + 2, "@@");
}

bool patch_hunk_ends_at(const struct patch_reader *reader, size_t index)
{
    if (index >= reader->line_count)
        return true;
    if (patch_line_is_blank(reader, index))
        return false;
    switch (reader->lines[index].data[0]) {
    case ' ':
    case '+':
    case '\\':
        return false;
    case '-':
        return dashes_end_hunk(reader, index);
    default:
        return true;
    }
}

// What line `index` is in a hunk; 0 when it is no part of one.
static char kind_in_hunk(const struct patch_reader *reader, size_t index)
{
    const struct assay_bytes line = reader->lines[index];

    if (line.data[line.len - 1] != '\n')
        return 0;
    if (patch_line_is_blank(reader, index))
        return ' ';
    if (line.data[0] == '\\' && (line.len < NO_NEWLINE_BYTES || line.data[1] != ' '))
        return 0;
    if (strchr(" +-\\", line.data[0]) == NULL)
        return 0;
    return line.data[0];
}

// The lines from `start` on that the header's counts ask for. False when the text does not have
// them.
static bool extent_by_counts(const struct patch_reader *reader, size_t start,
        const struct assay_patch_hunk *hunk, struct extent *extent)
{
    size_t old_left = hunk->old_count, new_left = hunk->new_count, changes = 0, at = start;

    for (; at < reader->line_count && (old_left > 0 || new_left > 0); at++) {
        const char kind = kind_in_hunk(reader, at);
        const size_t is_old = kind == ' ' || kind == '-', is_new = kind == ' ' || kind == '+';

        if (kind == 0 || is_old > old_left || is_new > new_left)
            return false;
        old_left -= is_old;
        new_left -= is_new;
        changes += is_old != is_new;
    }
    if (old_left > 0 || new_left > 0 || changes == 0)
        return false;
    if (at < reader->line_count && patch_line_starts(reader, at, "\\ ") &&
            patch_bytes_left(reader, at) > NO_NEWLINE_BYTES)
        at++;
    *extent =
            (struct extent){.end = at, .old_count = hunk->old_count, .new_count = hunk->new_count};
    return true;
}

// The lines that look like parts of a hunk, without the blank ones behind them.
static struct extent extent_by_looks(const struct patch_reader *reader, size_t start)
{
    struct extent extent = {.end = start};
    size_t blank = 0; // since the last line that is not

    for (size_t at = start; !patch_hunk_ends_at(reader, at); at++) {
        const char first = reader->lines[at].data[0];

        if (patch_line_is_blank(reader, at)) {
            blank++;
            continue;
        }
        extent.old_count += blank + (first == ' ' || first == '-');
        extent.new_count += blank + (first == ' ' || first == '+');
        extent.end = at + 1;
        blank = 0;
    }
    return extent;
}

// Does line `index`, right behind a hunk, look like more of it?
static bool looks_like_more(const struct patch_reader *reader, size_t index)
{
    return !patch_hunk_ends_at(reader, index) && !patch_line_is_blank(reader, index);
}

static void note_line_end(struct patch_reader *reader, struct assay_bytes line)
{
    if (line.len >= 2 && line.data[line.len - 2] == '\r')
        reader->crlf_seen = true;
    else
        reader->lf_seen = true;
}

// The text of line `index` without its first byte, and without its "\n" when a
// "\ No newline" line follows. False when nothing of it is left.
static bool fill_line(
        struct patch_reader *reader, size_t index, size_t end, struct assay_patch_line *line)
{
    struct assay_bytes text = reader->lines[index];
    const bool blank = patch_line_is_blank(reader, index);

    note_line_end(reader, text);
    line->kind = blank ? ASSAY_LINE_CONTEXT : (enum assay_patch_line_kind)text.data[0];
    if (!blank) {
        text.data++;
        text.len--;
    }
    line->no_newline = index + 1 < end && reader->lines[index + 1].data[0] == '\\';
    if (line->no_newline) {
        if (blank)
            return false; // git: a cut blank line without a line end is nothing
        text.len--;
        if (reader->tolerant && text.len > 0 && text.data[text.len - 1] == '\r' && !reader->lf_seen)
            text.len--; // the CR came with the patch, not with the file
    }
    line->text = text;
    return true;
}

static enum assay_status fill_lines(struct patch_reader *reader, size_t start,
        const struct extent *extent, struct assay_patch_hunk *hunk)
{
    bool changed = false;

    hunk->lines =
            assay_arena_array(reader->arena, extent->end - start, sizeof(struct assay_patch_line));
    if (hunk->lines == NULL)
        return assay_fail(reader->err, ASSAY_ENOMEM, "no memory for a hunk");
    for (size_t at = start; at < extent->end; at++) {
        struct assay_patch_line *line = &hunk->lines[hunk->line_count];

        if (reader->lines[at].data[0] == '\\' || !fill_line(reader, at, extent->end, line))
            continue;
        hunk->line_count++;
        if (line->kind != ASSAY_LINE_CONTEXT) {
            changed = true;
            hunk->trailing = 0;
        } else {
            hunk->trailing++;
            hunk->leading += !changed;
        }
    }
    if (!changed)
        return patch_fail(reader, start - 1, "the hunk changes nothing");
    hunk->old_count = extent->old_count;
    hunk->new_count = extent->new_count;
    return ASSAY_OK;
}

static enum assay_status read_hunk(struct patch_reader *reader, struct assay_patch_hunk *hunk)
{
    const size_t start = reader->at + 1;
    struct extent extent = {0};
    bool counted = false;

    hunk->patch_line = patch_line_number(reader, reader->at);
    if (++reader->hunk_count > ASSAY_PATCH_HUNKS_MAX)
        return patch_fail(reader, reader->at, "more than %zu hunks", ASSAY_PATCH_HUNKS_MAX);
    counted = !hunk->bare && extent_by_counts(reader, start, hunk, &extent);
    if (!reader->tolerant) {
        if (!counted)
            return patch_fail(reader, reader->at, "the hunk is not as long as its header says");
        if (looks_like_more(reader, extent.end))
            reader->doubtful = true;
    } else if (!counted || looks_like_more(reader, extent.end)) {
        extent = extent_by_looks(reader, start);
        hunk->recounted = !hunk->bare;
    }
    reader->at = extent.end;
    return fill_lines(reader, start, &extent, hunk);
}

// The arena keeps the outgrown arrays, at most as much again.
enum assay_status patch_add_hunk(struct patch_reader *reader, struct assay_patch_file *file,
        size_t *capacity, const struct assay_patch_hunk *hunk)
{
    struct assay_patch_hunk *hunks = NULL;

    if (file->hunk_count == *capacity) {
        *capacity = *capacity > 0 ? *capacity * 2 : 4;
        hunks = assay_arena_array(reader->arena, *capacity, sizeof(*hunks));
        if (hunks == NULL)
            return assay_fail(reader->err, ASSAY_ENOMEM, "no memory for %zu hunks", *capacity);
        if (file->hunk_count > 0)
            memcpy(hunks, file->hunks, file->hunk_count * sizeof(*hunks));
        file->hunks = hunks;
    }
    file->hunks[file->hunk_count++] = *hunk;
    return ASSAY_OK;
}

// git goes on to the next hunk when "@@ -" stands there, and only then.
static bool hunk_follows(const struct patch_reader *reader)
{
    if (reader->at >= reader->line_count)
        return false;
    return patch_line_starts(reader, reader->at, reader->tolerant ? "@@" : "@@ -") &&
            patch_bytes_left(reader, reader->at) > 4;
}

static void skip_blank_before_hunk(struct patch_reader *reader)
{
    size_t at = reader->at;

    while (reader->tolerant && at < reader->line_count && patch_line_is_blank(reader, at))
        at++;
    if (at < reader->line_count && patch_line_starts(reader, at, "@@"))
        reader->at = at;
}

enum assay_status patch_hunks_read(struct patch_reader *reader, struct assay_patch_file *file)
{
    enum assay_status status = ASSAY_OK;
    size_t capacity = 0;

    skip_blank_before_hunk(reader);
    while (status == ASSAY_OK && hunk_follows(reader)) {
        struct assay_patch_hunk hunk = {0};

        if (!patch_hunk_header(reader, reader->at, &hunk))
            return patch_fail(reader, reader->at, "not a hunk header");
        status = read_hunk(reader, &hunk);
        if (status == ASSAY_OK)
            status = patch_add_hunk(reader, file, &capacity, &hunk);
        if (status == ASSAY_OK)
            skip_blank_before_hunk(reader);
    }
    return status;
}
