// SPDX-License-Identifier: MIT
// patch_whole.c - whole files in fences, each with its path.
//
//     path/to/file.py            or   ```python path/to/file.py
//     ```python                       the new content
//     the new content                 ```
//     ```
//
// Fences without a path are prose. A closing fence has no text behind it and is at
// least as long as the opening one.
#include <ctype.h>
#include <string.h>

#include "tasks/patch_read.h"

// How many backticks (or tildes) open a fence here; 0: none do.
static size_t fence_length(struct assay_bytes line)
{
    size_t len = 0;

    if (line.len < 3 || (line.data[0] != '`' && line.data[0] != '~'))
        return 0;
    while (len < line.len && line.data[len] == line.data[0])
        len++;
    return len >= 3 ? len : 0;
}

static struct assay_bytes info_of(struct assay_bytes line)
{
    const size_t len = fence_length(line);

    return patch_bytes_trim((struct assay_bytes){.data = line.data + len, .len = line.len - len});
}

// "python path", "python:path", "path", "python title="path"", "python filename=path".
static const char *name_in_info(struct patch_reader *reader, struct assay_bytes info)
{
    static const char *const keys[] = {"title=", "filename=", "file=", "path="};
    const char *blank = memchr(info.data, ' ', info.len);
    const char *colon = memchr(info.data, ':', info.len);
    const char *end = info.data + info.len, *start = blank != NULL ? blank + 1 : info.data;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *key = memmem(info.data, info.len, keys[i], strlen(keys[i]));

        if (key != NULL)
            return patch_block_name(reader,
                    (struct assay_bytes){.data = key + strlen(keys[i]),
                            .len = (size_t)(end - key) - strlen(keys[i])});
    }
    if (blank == NULL && colon != NULL)
        start = colon + 1;
    if (blank == NULL && colon == NULL && memchr(info.data, '.', info.len) == NULL)
        return NULL; // a language
    return patch_block_name(
            reader, (struct assay_bytes){.data = start, .len = (size_t)(end - start)});
}

// The file that the fence opening at `index` is for, or NULL.
static const char *fence_name(struct patch_reader *reader, size_t index)
{
    const struct assay_bytes info = info_of(reader->lines[index]);
    const char *name = info.len > 0 ? name_in_info(reader, info) : NULL;

    for (size_t above = index; name == NULL && above > 0; above--) {
        if (patch_line_is_blank(reader, above - 1))
            continue;
        if (fence_length(reader->lines[above - 1]) == 0)
            name = patch_block_name(reader, reader->lines[above - 1]);
        break;
    }
    return name;
}

// Index of the closing fence, or line_count.
static size_t find_close(const struct patch_reader *reader, size_t open)
{
    const struct assay_bytes line = reader->lines[open];
    const size_t len = fence_length(line);

    for (size_t i = open + 1; i < reader->line_count; i++) {
        if (reader->lines[i].data[0] == line.data[0] && fence_length(reader->lines[i]) >= len &&
                info_of(reader->lines[i]).len == 0)
            return i;
    }
    return reader->line_count;
}

bool patch_whole_any(struct patch_reader *reader)
{
    for (size_t i = 0; i < reader->line_count; i++) {
        if (fence_length(reader->lines[i]) == 0)
            continue;
        if (fence_name(reader, i) != NULL)
            return true;
        i = find_close(reader, i);
    }
    return false;
}

// "# ... rest of the code unchanged ...": the text stands for more than it is.
static bool leaves_out(struct assay_bytes line)
{
    static const char *const words[] = {"rest of", "existing code", "unchanged", "remaining",
            "same as before", "previous code"};
    const struct assay_bytes text = patch_bytes_trim(line);

    if (text.len < 6 || text.len > 120 || memmem(text.data, text.len, "...", 3) == NULL ||
            strchr("#/<*-.;", text.data[0]) == NULL)
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (memmem(text.data, text.len, words[i], strlen(words[i])) != NULL)
            return true;
    }
    return false;
}

static enum assay_status check_content(
        const struct patch_reader *reader, size_t open, size_t close, const char *name)
{
    const size_t len = fence_length(reader->lines[open]);

    if (close == reader->line_count)
        return patch_fail(reader, open, "%.120s: the fence is never closed", name);
    for (size_t i = open + 1; i < close; i++) {
        if (reader->lines[i].data[0] == reader->lines[open].data[0] &&
                fence_length(reader->lines[i]) >= len)
            return patch_fail(reader, i,
                    "%.120s: a fence opens inside of a fence, and nothing says which one closes",
                    name);
        if (leaves_out(reader->lines[i]))
            return patch_fail(reader, i, "%.120s: the text leaves out a part of the file", name);
    }
    return ASSAY_OK;
}

static enum assay_status read_fence(
        struct patch_reader *reader, struct assay_patch *patch, size_t *capacity, const char *name)
{
    const size_t open = reader->at, close = find_close(reader, open);
    struct assay_patch_file file = {.whole = true, .may_create = true, .content = {.data = ""}};
    enum assay_status status = check_content(reader, open, close, name);

    if (status == ASSAY_OK)
        status = patch_block_file(reader, open, name, &file);
    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < patch->file_count; i++) {
        if (strcmp(patch->files[i].new_path, file.new_path) == 0)
            return patch_fail(reader, open, "%.120s: a second content for this file", name);
    }
    if (close > open + 1)
        file.content = (struct assay_bytes){.data = reader->lines[open + 1].data,
                .len = (size_t)(reader->lines[close].data - reader->lines[open + 1].data)};
    reader->at = close + 1;
    return patch_add_file(reader, patch, capacity, &file);
}

enum assay_status patch_whole_read(struct patch_reader *reader, struct assay_patch *patch)
{
    size_t capacity = 0;
    enum assay_status status = ASSAY_OK;

    while (reader->at < reader->line_count && status == ASSAY_OK) {
        const char *name = NULL;

        if (fence_length(reader->lines[reader->at]) == 0) {
            patch->fenced |= !patch_line_is_blank(reader, reader->at);
            reader->at++;
            continue;
        }
        name = fence_name(reader, reader->at);
        if (name != NULL) {
            status = read_fence(reader, patch, &capacity, name);
            continue;
        }
        reader->at = find_close(reader, reader->at);
        if (reader->at < reader->line_count)
            reader->at++;
    }
    if (status == ASSAY_OK && patch->file_count == 0)
        status = assay_fail(reader->err, ASSAY_EPATCH, "no fence with a file name found");
    return status;
}
