// SPDX-License-Identifier: MIT
// patch_block.c - SEARCH/REPLACE blocks, as Agentless, SWE-RL and Aider have them.
//
//     ### path/to/file.py
//     <<<<<<< SEARCH
//     old lines
//     =======
//     new lines
//     >>>>>>> REPLACE
//
// The name stands in one of the three lines above that are not blank, with or
// without a heading, quotes or a fence between; a block without one is for the
// file of the block before. Each block becomes a hunk of old and new lines.
#include <string.h>

#include "tasks/patch_read.h"

enum { NAME_LINES = 3 }; // how far above a block its file's name may be

static bool line_is(const struct patch_reader *reader, size_t index, const char *text)
{
    struct assay_bytes line = reader->lines[index];
    const size_t len = strlen(text);

    while (line.len > 0 && strchr(" \t\r\n", line.data[line.len - 1]) != NULL)
        line.len--;
    return line.len == len && memcmp(line.data, text, len) == 0;
}

bool patch_block_at(const struct patch_reader *reader, size_t index)
{
    return patch_line_starts(reader, index, "<<<<<<< SEARCH") &&
            (line_is(reader, index, "<<<<<<< SEARCH") || line_is(reader, index, "<<<<<<< SEARCH>"));
}

static bool is_end(const struct patch_reader *reader, size_t index)
{
    return line_is(reader, index, ">>>>>>> REPLACE");
}

// NULL when no line above the block names a file.
static const char *find_name(struct patch_reader *reader, size_t index)
{
    const char *name = NULL;

    for (size_t left = NAME_LINES; left > 0 && index > 0 && name == NULL; index--) {
        const struct assay_bytes line = reader->lines[index - 1];

        if (is_end(reader, index - 1))
            break;
        if (patch_line_is_blank(reader, index - 1) || patch_bytes_start(line, "```"))
            continue;
        name = patch_block_name(reader, line);
        left--;
    }
    return name;
}

static enum assay_status add_lines(struct patch_reader *reader, size_t from, size_t to,
        enum assay_patch_line_kind kind, struct assay_patch_hunk *hunk)
{
    for (size_t i = from; i < to; i++)
        hunk->lines[hunk->line_count++] =
                (struct assay_patch_line){.kind = kind, .text = reader->lines[i]};
    if (kind == ASSAY_LINE_DELETE)
        hunk->old_count = to - from;
    else
        hunk->new_count = to - from;
    return ASSAY_OK;
}

static bool same_lines(const struct patch_reader *reader, size_t a, size_t b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct assay_bytes x = reader->lines[a + i], y = reader->lines[b + i];

        if (x.len != y.len || memcmp(x.data, y.data, x.len) != 0)
            return false;
    }
    return true;
}

// The block whose first mark stands at reader->at; steps behind its last.
static enum assay_status read_block(struct patch_reader *reader, struct assay_patch_hunk *hunk)
{
    const size_t start = reader->at;
    size_t middle = 0, end = start + 1;

    if (++reader->hunk_count > ASSAY_PATCH_HUNKS_MAX)
        return patch_fail(reader, start, "more than %zu blocks", ASSAY_PATCH_HUNKS_MAX);
    for (; end < reader->line_count && !is_end(reader, end); end++) {
        if (patch_block_at(reader, end))
            return patch_fail(reader, end, "a block begins inside another");
        if (!line_is(reader, end, "======="))
            continue;
        if (middle != 0)
            return patch_fail(reader, end, "a second \"=======\": nothing says which one divides");
        middle = end;
    }
    if (middle == 0)
        return patch_fail(reader, start, "no \"=======\" follows \"<<<<<<< SEARCH\"");
    if (end == reader->line_count)
        return patch_fail(reader, middle, "no \">>>>>>> REPLACE\" follows \"=======\"");
    if (middle - start == end - middle &&
            same_lines(reader, start + 1, middle + 1, end - middle - 1))
        return patch_fail(reader, start, "the block changes nothing");
    hunk->patch_line = patch_line_number(reader, start);
    hunk->lines = assay_arena_array(reader->arena, end - start, sizeof(struct assay_patch_line));
    if (hunk->lines == NULL)
        return assay_fail(reader->err, ASSAY_ENOMEM, "no memory for a block");
    reader->at = end + 1;
    (void)add_lines(reader, start + 1, middle, ASSAY_LINE_DELETE, hunk);
    return add_lines(reader, middle + 1, end, ASSAY_LINE_ADD, hunk);
}

static enum assay_status next_block(
        struct patch_reader *reader, const char **name, struct assay_patch_file *file, bool *fresh)
{
    const char *found = find_name(reader, reader->at);

    if (found == NULL && *name == NULL)
        return patch_fail(reader, reader->at, "no file name stands above the block");
    *fresh = *name == NULL || (found != NULL && strcmp(found, *name) != 0);
    if (!*fresh)
        return ASSAY_OK;
    *name = found;
    *file = (struct assay_patch_file){0};
    return patch_block_file(reader, reader->at, found, file);
}

enum assay_status patch_block_read(struct patch_reader *reader, struct assay_patch *patch)
{
    struct assay_patch_file file = {0};
    const char *name = NULL;
    size_t file_capacity = 0, hunk_capacity = 0;
    enum assay_status status = ASSAY_OK;

    while (reader->at < reader->line_count && status == ASSAY_OK) {
        struct assay_patch_hunk hunk = {0};
        bool fresh = false;

        if (!patch_block_at(reader, reader->at)) {
            patch->fenced |= !patch_line_is_blank(reader, reader->at);
            reader->at++;
            continue;
        }
        status = next_block(reader, &name, &file, &fresh);
        if (status == ASSAY_OK && fresh) {
            hunk_capacity = 0;
            status = patch_add_file(reader, patch, &file_capacity, &file);
        }
        if (status == ASSAY_OK)
            status = read_block(reader, &hunk);
        if (status != ASSAY_OK)
            break;
        // An empty SEARCH makes a file, which then has a content to search.
        patch->files[patch->file_count - 1].may_create |=
                patch->files[patch->file_count - 1].hunk_count == 0 && hunk.old_count == 0;
        status =
                patch_add_hunk(reader, &patch->files[patch->file_count - 1], &hunk_capacity, &hunk);
    }
    if (status == ASSAY_OK && patch->file_count == 0)
        status = assay_fail(reader->err, ASSAY_EPATCH, "no SEARCH/REPLACE block found");
    return status;
}
