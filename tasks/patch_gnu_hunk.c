// SPDX-License-Identifier: MIT
// patch_gnu_hunk.c - hunks as GNU patch reads them: by their counts, to the letter.
#include <ctype.h>
#include <string.h>

#include "tasks/patch_gnu_read.h"

enum { CHOPPED_MAX = 3 }; // blank lines that may be missing at the end of the text

// Without as many columns of indent as are there; blanks, tabs and "X" make them.
static struct assay_bytes unindent(struct assay_bytes line, size_t indent)
{
    size_t column = 0;

    while (column < indent && line.len > 1) {
        const char c = line.data[0];

        if (c != ' ' && c != 'X' && c != '\t')
            break;
        column = c == '\t' ? (column + 8) & ~(size_t)7 : column + 1;
        line.data++;
        line.len--;
    }
    return line;
}

static bool without_cr(struct gnu_reader *reader, struct assay_bytes *line)
{
    char *copy = NULL;

    if (!reader->strip_cr || line->len < 2 || line->data[line->len - 2] != '\r')
        return true;
    copy = assay_arena_memdup(reader->base.arena, line->data, line->len);
    if (copy == NULL)
        return false;
    copy[line->len - 2] = '\n';
    line->data = copy;
    line->len--;
    return true;
}

bool gnu_at_end(const struct gnu_reader *reader)
{
    const struct patch_reader *base = &reader->base;

    if (base->at >= base->line_count)
        return true;
    return base->lines[base->at].data[base->lines[base->at].len - 1] != '\n';
}

bool gnu_next_line(struct gnu_reader *reader, struct assay_bytes *line)
{
    while (!gnu_at_end(reader)) {
        *line = unindent(reader->base.lines[reader->base.at++], reader->indent);
        if (line->data[0] != '#')
            return without_cr(reader, line);
    }
    return false;
}

// Is the next line "\ No newline"? Steps over it.
static bool take_no_newline(struct gnu_reader *reader)
{
    if (!patch_line_starts(&reader->base, reader->base.at, "\\"))
        return false;
    reader->base.at++;
    return true;
}

static bool read_number(struct assay_bytes *text, size_t *value)
{
    size_t number = 0, digits = 0;

    for (; digits < text->len && isdigit((unsigned char)text->data[digits]); digits++) {
        if (number > SIZE_MAX / 32)
            return false;
        number = number * 10 + (size_t)(text->data[digits] - '0');
    }
    text->data += digits;
    text->len -= digits;
    *value = number;
    return digits > 0;
}

static bool take(struct assay_bytes *text, char c)
{
    if (text->len == 0 || text->data[0] != c)
        return false;
    text->data++;
    text->len--;
    return true;
}

static bool read_range(struct assay_bytes *text, size_t *start, size_t *count)
{
    *count = 1;
    return read_number(text, start) && (!take(text, ',') || read_number(text, count));
}

static bool read_header(struct assay_bytes line, struct assay_patch_hunk *hunk)
{
    line.data += 4; // "@@ -"
    line.len -= 4;
    if (!read_range(&line, &hunk->old_start, &hunk->old_count))
        return false;
    (void)take(&line, ' ');
    if (!take(&line, '+') || !read_range(&line, &hunk->new_start, &hunk->new_count))
        return false;
    (void)take(&line, ' ');
    return take(&line, '@');
}

// How far the two sides of a hunk are filled.
struct filling {
    size_t old_count, new_count;
    size_t context; // lines of context since the last change
    bool changed;
};

// One line of a hunk, or one that was cut off at the end. False: malformed.
static bool next_in_hunk(struct gnu_reader *reader, const struct assay_patch_hunk *hunk,
        const struct filling *filling, struct assay_bytes *line, char *kind)
{
    if (!gnu_next_line(reader, line)) {
        if (hunk->new_count > filling->new_count + CHOPPED_MAX)
            return false;
        *line = (struct assay_bytes){.data = "\n", .len = 1};
        *kind = ' ';
        return true;
    }
    if (line->data[0] == '\t' || line->data[0] == '\n') {
        *kind = ' '; // its blank was eaten
        return true;
    }
    *kind = line->data[0];
    if (*kind == '=')
        *kind = ' ';
    line->data++;
    line->len--;
    return *kind == ' ' || *kind == '+' || *kind == '-';
}

static bool take_line(struct gnu_reader *reader, struct assay_patch_hunk *hunk,
        struct filling *filling, struct assay_bytes text, char kind)
{
    struct assay_patch_line *line = &hunk->lines[hunk->line_count++];

    line->kind = (enum assay_patch_line_kind)kind;
    if (kind != '+') {
        if (filling->old_count++ == hunk->old_count)
            return false;
        if (filling->old_count == hunk->old_count && take_no_newline(reader))
            line->no_newline = true;
    }
    if (kind != '-') {
        if (filling->new_count++ == hunk->new_count)
            return false;
        // Of context the old side's text counts.
        if (filling->new_count == hunk->new_count && take_no_newline(reader) && kind == '+')
            line->no_newline = true;
    }
    line->text = text;
    line->text.len -= line->no_newline && text.len > 0;
    filling->context++;
    if (kind != ' ') {
        if (!filling->changed)
            hunk->leading = filling->context - 1;
        filling->changed = true;
        filling->context = 0;
    }
    return true;
}

static enum assay_status fill(struct gnu_reader *reader, struct assay_patch_hunk *hunk)
{
    struct filling filling = {0};
    // No more lines than the text has left, and those that may be cut off.
    const size_t left = reader->base.line_count - reader->base.at + CHOPPED_MAX + 2;
    const size_t wanted = hunk->old_count + hunk->new_count;

    hunk->lines = assay_arena_array(reader->base.arena, 1 + (wanted < left ? wanted : left),
            sizeof(struct assay_patch_line));
    if (hunk->lines == NULL)
        return assay_fail(reader->base.err, ASSAY_ENOMEM, "no memory for a hunk");
    while (filling.old_count < hunk->old_count || filling.new_count < hunk->new_count) {
        const size_t at = reader->base.at < reader->base.line_count ? reader->base.at
                                                                    : reader->base.line_count - 1;
        struct assay_bytes text = {0};
        char kind = 0;

        if (hunk->line_count >= left || !next_in_hunk(reader, hunk, &filling, &text, &kind) ||
                !take_line(reader, hunk, &filling, text, kind))
            return patch_fail(&reader->base, at, "GNU patch: malformed patch");
    }
    if (!filling.changed)
        return patch_fail(&reader->base, reader->base.at - 1, "GNU patch: malformed patch");
    hunk->trailing = filling.context;
    return ASSAY_OK;
}

enum assay_status gnu_hunk_read(
        struct gnu_reader *reader, struct assay_patch_hunk *hunk, bool *found)
{
    const size_t start = reader->base.at;
    struct assay_bytes line = {0};

    *found = gnu_next_line(reader, &line) && line.len > 4 && patch_bytes_start(line, "@@ -");
    if (!*found) {
        reader->base.at = start;
        return ASSAY_OK;
    }
    *hunk = (struct assay_patch_hunk){
            .patch_line = patch_line_number(&reader->base, reader->base.at - 1)};
    if (++reader->base.hunk_count > ASSAY_PATCH_HUNKS_MAX)
        return patch_fail(&reader->base, start, "more than %zu hunks", ASSAY_PATCH_HUNKS_MAX);
    if (!read_header(line, hunk))
        return patch_fail(&reader->base, reader->base.at - 1, "GNU patch: malformed patch");
    // New lines without old ones go behind the line that is named.
    hunk->old_start += hunk->old_count == 0;
    hunk->new_start += hunk->new_count == 0;
    return fill(reader, hunk);
}
