// SPDX-License-Identifier: MIT
// patch_format.c - which format a text is in, and what its names look like.
#include <ctype.h>
#include <string.h>

#include "tasks/patch_read.h"

static const char *const names[] = {
        [ASSAY_FORMAT_AUTO] = "auto",
        [ASSAY_FORMAT_DIFF] = "diff",
        [ASSAY_FORMAT_SEARCH_REPLACE] = "search-replace",
        [ASSAY_FORMAT_SEARCH_REPLACE_FIRST] = "search-replace-first",
        [ASSAY_FORMAT_SEARCH_REPLACE_ALL] = "search-replace-all",
        [ASSAY_FORMAT_APPLY_PATCH] = "apply-patch",
        [ASSAY_FORMAT_WHOLE_FILE] = "whole-file",
};

bool assay_patch_format_find(enum assay_patch_format *out, const char *name)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum assay_patch_format)i;
            return true;
        }
    }
    return false;
}

const char *assay_patch_format_name(enum assay_patch_format format)
{
    return names[format];
}

struct assay_bytes patch_bytes_trim(struct assay_bytes text)
{
    while (text.len > 0 && isspace((unsigned char)text.data[text.len - 1]))
        text.len--;
    while (text.len > 0 && isspace((unsigned char)text.data[0])) {
        text.data++;
        text.len--;
    }
    return text;
}

static bool strip_front(struct assay_bytes *text, const char *what)
{
    const size_t len = strlen(what);

    if (!patch_bytes_start(*text, what))
        return false;
    text->data += len;
    text->len -= len;
    *text = patch_bytes_trim(*text);
    return true;
}

static bool strip_around(struct assay_bytes *text, char mark)
{
    if (text->len < 3 || text->data[0] != mark || text->data[text->len - 1] != mark)
        return false;
    text->data++;
    text->len -= 2;
    return true;
}

// "x.py", "a/b", ".env"; not "done.", "...", "see: this".
static bool looks_like_path(struct assay_bytes text)
{
    const char *dot = memrchr(text.data, '.', text.len);

    for (size_t i = 0; i < text.len; i++) {
        if (isspace((unsigned char)text.data[i]) || strchr("<>|*?`\"'();,", text.data[i]) != NULL)
            return false;
    }
    if (memmem(text.data, text.len, "://", 3) != NULL || text.data[text.len - 1] == '/')
        return false;
    if (dot != NULL && dot + 1 < text.data + text.len && isalnum((unsigned char)dot[1]))
        return true;
    return memchr(text.data, '/', text.len) != NULL && text.data[text.len - 1] != '.';
}

const char *patch_block_name(struct patch_reader *reader, struct assay_bytes line)
{
    static const char *const labels[] = {"File:", "file:", "Path:", "path:", "Filename:"};
    struct assay_bytes text = patch_bytes_trim(line);
    bool marked = false;

    while (strip_front(&text, "#"))
        marked = true;
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
        marked |= strip_front(&text, labels[i]);
    if (text.len > 1 && text.data[text.len - 1] == ':')
        text.len--;
    for (bool again = true; again;) {
        again = strip_around(&text, '`') || strip_around(&text, '*') || strip_around(&text, '"');
        marked |= again;
    }
    if (text.len > 1 && text.data[text.len - 1] == ':')
        text.len--;
    while (text.len > 2 && patch_bytes_start(text, "./"))
        (void)strip_front(&text, "./");
    if (text.len == 0 || text.len > ASSAY_PATH_BYTES_MAX ||
            memchr(text.data, '\0', text.len) != NULL)
        return NULL;
    // What a heading or quotes hold may have blanks in it, but is no sentence.
    if (!looks_like_path(text) && (!marked || memchr(text.data, ' ', text.len) != NULL))
        return NULL;
    return assay_arena_memdup(reader->arena, text.data, text.len);
}

enum assay_status patch_block_file(
        struct patch_reader *reader, size_t index, const char *name, struct assay_patch_file *file)
{
    // Behind the slash, as "-p1" has it: the tree that is patched may be told as "/testbed".
    const char *path = name[0] == '/' ? name + 1 : name;

    if (!assay_patch_path_allowed(path))
        return patch_fail(reader, index, "%.120s: a patch may not name this path", name);
    file->op = ASSAY_PATCH_MODIFY;
    file->old_path = file->new_path = path;
    file->old_raw = file->new_raw = name;
    file->patch_line = patch_line_number(reader, index);
    return ASSAY_OK;
}

// Does a diff stand in the lines, as far as its headers tell?
static bool diff_at(const struct patch_reader *reader, size_t index)
{
    return patch_line_starts(reader, index, "diff --git ") ||
            (patch_line_starts(reader, index, "--- ") &&
                    patch_line_starts(reader, index + 1, "+++ "));
}

static enum assay_patch_format detect(struct patch_reader *reader)
{
    bool diff = false;

    // The lines of a hunk start with ' ', '+' or '-', so these marks are none of a diff's.
    for (size_t i = 0; i < reader->line_count; i++) {
        if (patch_codex_at(reader, i))
            return ASSAY_FORMAT_APPLY_PATCH;
        if (patch_block_at(reader, i))
            return ASSAY_FORMAT_SEARCH_REPLACE;
        diff |= diff_at(reader, i);
    }
    return !diff && patch_whole_any(reader) ? ASSAY_FORMAT_WHOLE_FILE : ASSAY_FORMAT_DIFF;
}

static enum assay_status read_blocks(
        struct assay_patch **out, struct patch_reader *reader, enum assay_patch_format format)
{
    struct assay_patch *patch = assay_arena_alloc(reader->arena, sizeof(*patch));
    enum assay_status status = ASSAY_OK;

    if (patch == NULL)
        return assay_fail(reader->err, ASSAY_ENOMEM, "no memory for a patch");
    patch->format = format;
    if (format == ASSAY_FORMAT_APPLY_PATCH)
        status = patch_codex_read(reader, patch);
    else if (format == ASSAY_FORMAT_WHOLE_FILE)
        status = patch_whole_read(reader, patch);
    else
        status = patch_block_read(reader, patch);
    if (status == ASSAY_OK)
        *out = patch;
    return status;
}

enum assay_status assay_patch_read(struct assay_patch **out, const char *text, size_t len,
        enum assay_patch_format format, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_bytes outer = {.data = text, .len = len};
    struct patch_reader reader = {.tolerant = true, .arena = arena, .err = err};
    struct patch_text inner = {0};
    struct assay_bytes mended = {0};
    struct assay_patch *patch = NULL;
    enum assay_status status = ASSAY_OK;

    if (len > ASSAY_PATCH_BYTES_MAX)
        return assay_fail(
                err, ASSAY_EPATCH, "the patch is larger than %zu bytes", ASSAY_PATCH_BYTES_MAX);
    status = patch_unwrap(&inner, outer, arena, err);
    mended = inner.text;
    if (status == ASSAY_OK)
        status = patch_mend(&mended, arena, err);
    if (status == ASSAY_OK)
        status = patch_cut_lines(&reader, mended);
    if (status != ASSAY_OK)
        return status;
    reader.numbers = inner.numbers;
    if (format == ASSAY_FORMAT_AUTO)
        format = detect(&reader);
    if (format == ASSAY_FORMAT_DIFF)
        status = patch_read_diff(&patch, outer, &inner, arena, err);
    else
        status = read_blocks(&patch, &reader, format);
    if (status != ASSAY_OK)
        return status;
    if (format != ASSAY_FORMAT_DIFF) {
        patch->exact_refusal = "no unified diff";
        patch->text = outer;
        patch->bytes = len;
    }
    patch->unwrapped = inner.numbers != NULL;
    *out = patch;
    return ASSAY_OK;
}
