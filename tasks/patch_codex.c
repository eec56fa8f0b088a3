// SPDX-License-Identifier: MIT
// patch_codex.c - the format of Codex's apply_patch.
//
//     *** Begin Patch
//     *** Update File: path        (then, if need be, "*** Move to: path")
//     @@ a line that comes before
//      context
//     -old
//     +new
//     *** End of File
//     *** Add File: path           (every line with a "+")
//     *** Delete File: path
//     *** End Patch
//
// The lines around the envelope are dropped; an envelope that is missing is not missed.
#include <ctype.h>
#include <string.h>

#include "tasks/patch_read.h"

static const char update_mark[] = "*** Update File:", add_mark[] = "*** Add File:",
                  delete_mark[] = "*** Delete File:", move_mark[] = "*** Move to:",
                  end_of_file_mark[] = "*** End of File";

bool patch_codex_at(const struct patch_reader *reader, size_t index)
{
    return patch_line_starts(reader, index, update_mark) ||
            patch_line_starts(reader, index, add_mark) ||
            patch_line_starts(reader, index, delete_mark);
}

// Does line `index` end a file's part?
static bool part_ends_at(const struct patch_reader *reader, size_t index)
{
    return index >= reader->line_count || patch_codex_at(reader, index) ||
            patch_line_starts(reader, index, "*** End Patch") ||
            patch_line_starts(reader, index, "*** Begin Patch");
}

// Are there only blank lines from `index` up to where the part ends, a fence or a heredoc's end?
static bool only_blank_left(const struct patch_reader *reader, size_t index)
{
    while (!part_ends_at(reader, index) && patch_line_is_blank(reader, index))
        index++;
    return part_ends_at(reader, index) || patch_line_starts(reader, index, "```");
}

static const char *name_after(struct patch_reader *reader, size_t index, const char *mark)
{
    struct assay_bytes text = reader->lines[index];

    text.data += strlen(mark);
    text.len -= strlen(mark);
    text = patch_bytes_trim(text);
    if (text.len > 2 && patch_bytes_start(text, "./")) {
        text.data += 2;
        text.len -= 2;
    }
    if (text.len == 0 || memchr(text.data, '\0', text.len) != NULL)
        return NULL;
    return assay_arena_memdup(reader->arena, text.data, text.len);
}

static enum assay_status start_file(
        struct patch_reader *reader, const char *mark, struct assay_patch_file *file)
{
    const char *name = name_after(reader, reader->at, mark);

    if (name == NULL)
        return patch_fail(reader, reader->at, "no file name behind \"%s\"", mark);
    return patch_block_file(reader, reader->at++, name, file);
}

static enum assay_status make_lines(
        struct patch_reader *reader, struct assay_patch_hunk *hunk, size_t count)
{
    if (++reader->hunk_count > ASSAY_PATCH_HUNKS_MAX)
        return patch_fail(reader, reader->at, "more than %zu hunks", ASSAY_PATCH_HUNKS_MAX);
    hunk->lines = assay_arena_array(reader->arena, count, sizeof(struct assay_patch_line));
    if (hunk->lines == NULL)
        return assay_fail(reader->err, ASSAY_ENOMEM, "no memory for a hunk");
    return ASSAY_OK;
}

static enum assay_status read_added(struct patch_reader *reader, struct assay_patch_file *file)
{
    const size_t start = reader->at;
    struct assay_patch_hunk hunk = {.patch_line = file->patch_line};
    size_t capacity = 0, end = start;
    enum assay_status status = ASSAY_OK;

    file->op = ASSAY_PATCH_ADD;
    file->old_path = NULL;
    file->old_raw = NULL;
    while (!part_ends_at(reader, end) && reader->lines[end].data[0] == '+')
        end++;
    reader->at = end;
    if (!only_blank_left(reader, end) && !patch_line_starts(reader, end, end_of_file_mark))
        return patch_fail(
                reader, end, "%.120s: a line of a new file starts with '+'", file->new_path);
    status = make_lines(reader, &hunk, end - start);
    if (status != ASSAY_OK || hunk.lines == NULL)
        return status;
    for (size_t i = start; i < end; i++) {
        struct assay_bytes text = reader->lines[i];

        text.data++;
        text.len--;
        hunk.lines[hunk.line_count++] =
                (struct assay_patch_line){.kind = ASSAY_LINE_ADD, .text = text};
    }
    hunk.new_count = hunk.line_count;
    if (hunk.line_count > 0)
        status = patch_add_hunk(reader, file, &capacity, &hunk);
    return status;
}

// "@@ -1,2 +3,4 @@ text", which some models take for an anchor: its numbers say nothing here.
static bool is_numbered(struct assay_bytes text)
{
    size_t at = 1;

    if (text.len < 2 || text.data[0] != '-' || !isdigit((unsigned char)text.data[1]))
        return false;
    while (at < text.len && (isdigit((unsigned char)text.data[at]) || text.data[at] == ','))
        at++;
    return at + 1 < text.len && text.data[at] == ' ' && text.data[at + 1] == '+';
}

// The lines "@@" and "@@ anchor" from reader->at on.
static enum assay_status read_anchors(struct patch_reader *reader, struct assay_patch_hunk *hunk)
{
    size_t end = reader->at;
    struct assay_bytes *anchors = NULL;

    while (patch_line_starts(reader, end, "@@"))
        end++;
    anchors = assay_arena_array(reader->arena, end - reader->at, sizeof(*anchors));
    if (anchors == NULL)
        return assay_fail(reader->err, ASSAY_ENOMEM, "no memory for a hunk");
    for (; reader->at < end; reader->at++) {
        struct assay_bytes text = reader->lines[reader->at];

        text.data += 2;
        text.len -= 2;
        text = patch_bytes_trim(text);
        if (text.len >= 2 && memcmp(text.data + text.len - 2, "@@", 2) == 0)
            text.len -= 2; // "@@ ... @@"
        if (text.len > 0 && !is_numbered(text) && !patch_bytes_start(text, "... "))
            anchors[hunk->anchor_count++] = text;
    }
    hunk->anchors = anchors;
    return ASSAY_OK;
}

// One line of a hunk; false when it is none.
static bool take_line(
        const struct patch_reader *reader, size_t index, struct assay_patch_hunk *hunk)
{
    struct assay_bytes text = reader->lines[index];
    char kind = text.data[0];

    if (patch_line_is_blank(reader, index))
        kind = ' '; // its blank was cut
    else if (kind != ' ' && kind != '+' && kind != '-')
        return false;
    else {
        text.data++;
        text.len--;
    }
    hunk->lines[hunk->line_count++] =
            (struct assay_patch_line){.kind = (enum assay_patch_line_kind)kind, .text = text};
    hunk->old_count += kind != '+';
    hunk->new_count += kind != '-';
    return true;
}

// Blank lines below a hunk's last line of substance are no context, but what is left over.
static void drop_blank_tail(struct patch_reader *reader, struct assay_patch_hunk *hunk)
{
    while (hunk->line_count > 0 && hunk->lines[hunk->line_count - 1].kind == ASSAY_LINE_CONTEXT &&
            hunk->lines[hunk->line_count - 1].text.data == reader->lines[reader->at - 1].data &&
            patch_line_is_blank(reader, reader->at - 1)) {
        hunk->line_count--;
        hunk->old_count--;
        hunk->new_count--;
        reader->at--;
    }
}

static enum assay_status read_hunk(struct patch_reader *reader, struct assay_patch_hunk *hunk)
{
    const size_t start = reader->at;
    size_t end = 0, after = 0;
    enum assay_status status = read_anchors(reader, hunk);

    hunk->patch_line = patch_line_number(reader, start);
    for (end = reader->at; !part_ends_at(reader, end) && !patch_line_starts(reader, end, "@@") &&
            !patch_line_starts(reader, end, "*** ");)
        end++;
    if (status == ASSAY_OK)
        status = make_lines(reader, hunk, end - reader->at);
    if (status != ASSAY_OK || hunk->lines == NULL)
        return status;
    while (reader->at < end && take_line(reader, reader->at, hunk))
        reader->at++;
    after = reader->at;
    drop_blank_tail(reader, hunk);
    if (after < end && !only_blank_left(reader, after))
        return patch_fail(reader, after, "a line of a hunk starts with ' ', '+' or '-'");
    reader->at = end;
    if (patch_line_starts(reader, end, end_of_file_mark)) {
        hunk->at_end = true;
        reader->at++;
    }
    return ASSAY_OK;
}

static bool has_change(const struct assay_patch_file *file)
{
    for (size_t i = 0; i < file->hunk_count; i++) {
        for (size_t k = 0; k < file->hunks[i].line_count; k++) {
            if (file->hunks[i].lines[k].kind != ASSAY_LINE_CONTEXT)
                return true;
        }
    }
    return false;
}

static enum assay_status read_updated(struct patch_reader *reader, struct assay_patch_file *file)
{
    const size_t start = reader->at - 1;
    size_t capacity = 0;
    enum assay_status status = ASSAY_OK;

    if (patch_line_starts(reader, reader->at, move_mark)) {
        struct assay_patch_file moved = {0};

        status = start_file(reader, move_mark, &moved);
        file->op = ASSAY_PATCH_RENAME;
        file->new_path = moved.new_path;
        file->new_raw = moved.new_raw;
    }
    while (status == ASSAY_OK && !part_ends_at(reader, reader->at) &&
            !only_blank_left(reader, reader->at)) {
        struct assay_patch_hunk hunk = {0};

        if (patch_line_starts(reader, reader->at, "*** "))
            return patch_fail(reader, reader->at, "this mark means nothing here");
        status = read_hunk(reader, &hunk);
        if (status == ASSAY_OK && hunk.line_count > 0)
            status = patch_add_hunk(reader, file, &capacity, &hunk);
    }
    if (status == ASSAY_OK && file->op == ASSAY_PATCH_MODIFY && !has_change(file))
        status = patch_fail(reader, start, "%.120s: the update changes nothing", file->old_path);
    return status;
}

static enum assay_status read_part(struct patch_reader *reader, struct assay_patch_file *file)
{
    enum assay_status status = ASSAY_OK;

    if (patch_line_starts(reader, reader->at, add_mark)) {
        status = start_file(reader, add_mark, file);
        return status == ASSAY_OK ? read_added(reader, file) : status;
    }
    if (patch_line_starts(reader, reader->at, update_mark)) {
        status = start_file(reader, update_mark, file);
        return status == ASSAY_OK ? read_updated(reader, file) : status;
    }
    status = start_file(reader, delete_mark, file);
    file->op = ASSAY_PATCH_DELETE;
    file->new_path = NULL;
    file->new_raw = NULL;
    return status;
}

enum assay_status patch_codex_read(struct patch_reader *reader, struct assay_patch *patch)
{
    size_t capacity = 0;
    enum assay_status status = ASSAY_OK;

    while (reader->at < reader->line_count && status == ASSAY_OK) {
        struct assay_patch_file file = {0};

        if (!patch_codex_at(reader, reader->at)) {
            patch->fenced |= !patch_line_is_blank(reader, reader->at) &&
                    !patch_line_starts(reader, reader->at, "*** ");
            reader->at++;
            continue;
        }
        status = read_part(reader, &file);
        if (status == ASSAY_OK)
            status = patch_add_file(reader, patch, &capacity, &file);
    }
    if (status == ASSAY_OK && patch->file_count == 0)
        status = assay_fail(reader->err, ASSAY_EPATCH,
                "no \"*** Update File:\", Add File or Delete File found");
    return status;
}
