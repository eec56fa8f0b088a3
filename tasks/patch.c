// SPDX-License-Identifier: MIT
// patch.c - reads the text of a patch, as git would, and again with tolerance where that helps.
#include "tasks/patch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tasks/patch_read.h"

static const char byte_order_mark[] = "\xef\xbb\xbf";

enum { MODE_TYPE = 0170000, MODE_REGULAR = 0100000, MODE_LINK = 0120000 };

enum assay_status patch_fail(const struct patch_reader *reader, size_t index, const char *fmt, ...)
{
    char reason[200];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    return assay_fail(
            reader->err, ASSAY_EPATCH, "line %zu: %s", patch_line_number(reader, index), reason);
}

size_t patch_line_number(const struct patch_reader *reader, size_t index)
{
    return reader->numbers != NULL && index < reader->line_count ? reader->numbers[index]
                                                                 : index + 1;
}

bool patch_bytes_start(struct assay_bytes text, const char *prefix)
{
    const size_t len = strlen(prefix);

    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

bool patch_line_starts(const struct patch_reader *reader, size_t index, const char *prefix)
{
    return index < reader->line_count && patch_bytes_start(reader->lines[index], prefix);
}

bool patch_line_is_blank(const struct patch_reader *reader, size_t index)
{
    const struct assay_bytes line = reader->lines[index];

    return line.data[0] == '\n' || (reader->tolerant && line.len == 2 && line.data[0] == '\r');
}

size_t patch_bytes_left(const struct patch_reader *reader, size_t index)
{
    const struct assay_bytes last = reader->lines[reader->line_count - 1];

    return (size_t)(last.data + last.len - reader->lines[index].data);
}

enum assay_status patch_cut_lines(struct patch_reader *reader, struct assay_bytes text)
{
    struct assay_bytes *lines = NULL;
    const char *end = text.data + text.len, *start = text.data;
    size_t count = 0;

    for (const char *p = start; p < end; count++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));

        p = newline != NULL ? newline + 1 : end;
    }
    if (count > ASSAY_PATCH_LINES_MAX)
        return assay_fail(reader->err, ASSAY_EPATCH, "the patch has more than %zu lines",
                ASSAY_PATCH_LINES_MAX);
    lines = assay_arena_array(reader->arena, count, sizeof(*lines));
    if (lines == NULL)
        return assay_fail(reader->err, ASSAY_ENOMEM, "no memory for %zu lines of a patch", count);
    for (size_t i = 0; i < count; i++) {
        const char *newline = memchr(start, '\n', (size_t)(end - start));
        const char *next = newline != NULL ? newline + 1 : end;

        lines[i] = (struct assay_bytes){.data = start, .len = (size_t)(next - start)};
        start = next;
    }
    reader->lines = lines;
    reader->line_count = count;
    return ASSAY_OK;
}

static enum assay_status check_path(
        struct patch_reader *reader, const struct patch_head *head, const char *path)
{
    if (path == NULL || assay_patch_path_allowed(path))
        return ASSAY_OK;
    reader->ours = true;
    return patch_fail(reader, head->line, "%.120s: a patch may not name this path", path);
}

static enum assay_status check_modes(
        const struct patch_reader *reader, const struct patch_head *head)
{
    const uint32_t type = head->old_mode & MODE_TYPE;

    if (head->new_mode != 0 && head->new_mode != 0100644 && head->new_mode != 0100755 &&
            head->new_mode != MODE_LINK)
        return patch_fail(reader, head->line, "%.120s: mode %06o is not 100644, 100755 or 120000",
                head->new_name != NULL ? head->new_name : head->old_name, head->new_mode);
    if (head->old_mode != 0 && type != MODE_REGULAR && type != MODE_LINK)
        return patch_fail(reader, head->line, "%.120s: mode %06o is no file and no symbolic link",
                head->old_name != NULL ? head->old_name : head->new_name, head->old_mode);
    return ASSAY_OK;
}

// git's rule: old lines rule out a creation, new lines a deletion, two hunks both.
static enum assay_status conclude(const struct patch_reader *reader, struct patch_head *head,
        const struct assay_patch_file *file)
{
    size_t old_lines = 0, new_lines = 0;

    for (size_t i = 0; i < file->hunk_count; i++) {
        old_lines += file->hunks[i].old_count;
        new_lines += file->hunks[i].new_count;
    }
    if (head->is_new < 0 && (old_lines > 0 || file->hunk_count > 1))
        head->is_new = 0;
    if (head->is_delete < 0 && (new_lines > 0 || file->hunk_count > 1))
        head->is_delete = 0;
    if (head->is_new > 0 && old_lines > 0)
        return patch_fail(
                reader, head->line, "%.120s: a new file cannot have old lines", head->new_name);
    if (head->is_delete > 0 && new_lines > 0)
        return patch_fail(
                reader, head->line, "%.120s: a deleted file cannot have new lines", head->old_name);
    return ASSAY_OK;
}

static enum assay_patch_op operation(const struct patch_head *head)
{
    if (head->is_new > 0)
        return ASSAY_PATCH_ADD;
    if (head->is_delete > 0)
        return ASSAY_PATCH_DELETE;
    if (head->is_copy)
        return ASSAY_PATCH_COPY;
    return head->is_rename || strcmp(head->old_name, head->new_name) != 0 ? ASSAY_PATCH_RENAME
                                                                          : ASSAY_PATCH_MODIFY;
}

static bool says_something(const struct patch_reader *reader, const struct patch_head *head,
        const struct assay_patch_file *file)
{
    // git takes "---" and "+++" without any hunk for a change of nothing.
    if (head->is_delete < 0 && !reader->tolerant)
        return true;
    return file->hunk_count > 0 || file->binary ||
            (file->op != ASSAY_PATCH_MODIFY && !file->implied) ||
            (head->old_mode != 0 && head->new_mode != 0 && head->old_mode != head->new_mode);
}

static bool line_ends(struct assay_bytes line, const char *end)
{
    const size_t len = strlen(end);

    return line.len >= len && memcmp(line.data + line.len - len, end, len) == 0;
}

// What may stand in place of hunks.
static enum assay_status read_binary(struct patch_reader *reader, struct assay_patch_file *file)
{
    struct assay_bytes line = {0};

    if (file->hunk_count > 0 || reader->at >= reader->line_count)
        return ASSAY_OK;
    line = reader->lines[reader->at];
    if (patch_line_starts(reader, reader->at, "GIT binary patch\n") ||
            (reader->tolerant && patch_line_starts(reader, reader->at, "GIT binary patch\r\n"))) {
        reader->at++;
        return patch_binary_read(reader, file);
    }
    if ((patch_bytes_start(line, "Binary files ") || patch_bytes_start(line, "Files ")) &&
            (line_ends(line, " differ\n") ||
                    (reader->tolerant && line_ends(line, " differ\r\n")))) {
        file->binary = true;
        reader->at++;
    }
    return ASSAY_OK;
}

// The file behind one header; what the header says is settled by the hunks.
static enum assay_status read_file(
        struct patch_reader *reader, struct patch_head *head, struct assay_patch_file *file)
{
    enum assay_status status = patch_hunks_read(reader, file);

    if (status == ASSAY_OK)
        status = read_binary(reader, file);
    if (status == ASSAY_OK)
        status = conclude(reader, head, file);
    if (status != ASSAY_OK)
        return status;
    if ((head->is_new > 0 && head->old_name != NULL) ||
            (head->is_new <= 0 && head->old_name == NULL))
        return patch_fail(reader, head->line, "the header contradicts itself");
    file->op = operation(head);
    file->old_path = head->old_name;
    file->new_path = file->op == ASSAY_PATCH_DELETE ? NULL : head->new_name;
    file->old_raw = head->old_raw;
    file->new_raw = head->new_raw;
    file->old_mode = head->old_mode;
    file->new_mode = head->new_mode;
    file->implied = file->op == ASSAY_PATCH_RENAME && !head->is_rename;
    file->may_create = head->is_new < 0;
    memcpy(file->old_blob, head->old_blob, sizeof(file->old_blob));
    memcpy(file->new_blob, head->new_blob, sizeof(file->new_blob));
    file->patch_line = patch_line_number(reader, head->line);
    if (!says_something(reader, head, file))
        return patch_fail(reader, head->line, "a file header without any change below it");
    status = check_path(reader, head, file->old_path);
    if (status == ASSAY_OK)
        status = check_path(reader, head, file->new_path);
    if (status == ASSAY_OK) {
        status = check_modes(reader, head);
        reader->ours = status != ASSAY_OK;
    }
    return status;
}

// Is there anything but blank lines from `from` up to `to`?
static bool has_prose(const struct patch_reader *reader, size_t from, size_t to)
{
    for (size_t at = from; at < to; at++) {
        if (!patch_line_is_blank(reader, at))
            return true;
    }
    return false;
}

enum assay_status patch_add_file(struct patch_reader *reader, struct assay_patch *patch,
        size_t *capacity, const struct assay_patch_file *file)
{
    if (patch->file_count >= ASSAY_PATCH_FILES_MAX)
        return patch_fail(reader, reader->at - 1, "more than %zu files", ASSAY_PATCH_FILES_MAX);
    if (patch->file_count == *capacity) {
        struct assay_patch_file *files = NULL;

        *capacity = *capacity > 0 ? *capacity * 2 : 4;
        files = assay_arena_array(reader->arena, *capacity, sizeof(*files));
        if (files == NULL)
            return assay_fail(reader->err, ASSAY_ENOMEM, "no memory for %zu files", *capacity);
        if (patch->file_count > 0)
            memcpy(files, patch->files, patch->file_count * sizeof(*files));
        patch->files = files;
    }
    patch->files[patch->file_count++] = *file;
    return ASSAY_OK;
}

static enum assay_status read_all(struct patch_reader *reader, struct assay_patch *patch)
{
    size_t capacity = 0;

    while (reader->at < reader->line_count) {
        enum assay_status status = ASSAY_OK;
        struct patch_head head = PATCH_HEAD_INIT;
        struct assay_patch_file file = {0};
        const size_t from = reader->at;
        const enum patch_found found = patch_header_find(reader, &head);

        if (found == PATCH_BROKEN)
            return ASSAY_EPATCH;
        if (found == PATCH_NOT_FOUND) {
            patch->fenced |= has_prose(reader, from, reader->line_count);
            break;
        }
        patch->fenced |= has_prose(reader, from, head.line);
        status = read_file(reader, &head, &file);
        if (status == ASSAY_OK)
            status = patch_add_file(reader, patch, &capacity, &file);
        if (status != ASSAY_OK)
            return status;
    }
    if (patch->file_count == 0)
        return assay_fail(reader->err, ASSAY_EPATCH, "no diff found");
    patch->crlf = reader->crlf_seen && !reader->lf_seen;
    return ASSAY_OK;
}

// One reading of the text.
static enum assay_status read_once(
        struct assay_patch **out, struct patch_reader *reader, struct assay_bytes text)
{
    struct assay_patch *patch = assay_arena_alloc(reader->arena, sizeof(*patch));
    enum assay_status status = ASSAY_OK;

    if (patch == NULL)
        return assay_fail(reader->err, ASSAY_ENOMEM, "no memory for a patch");
    status = patch_cut_lines(reader, text);
    if (status == ASSAY_OK)
        status = read_all(reader, patch);
    if (status != ASSAY_OK)
        return status;
    patch->format = ASSAY_FORMAT_DIFF;
    *out = patch;
    return ASSAY_OK;
}

enum assay_status patch_mend(
        struct assay_bytes *text, struct assay_arena *arena, struct assay_error *err)
{
    const size_t skip = patch_bytes_start(*text, byte_order_mark) ? strlen(byte_order_mark) : 0;
    char *copy = NULL;

    text->data += skip;
    text->len -= skip;
    if (text->len == 0 || text->data[text->len - 1] == '\n')
        return ASSAY_OK;
    copy = assay_arena_alloc(arena, text->len + 1);
    if (copy == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a patch of %zu bytes", text->len);
    memcpy(copy, text->data, text->len);
    copy[text->len++] = '\n';
    text->data = copy;
    return ASSAY_OK;
}

// git's reading of the text. *out has no files where git refuses it; *doubtful: where git takes
// it for something else than was meant.
static enum assay_status read_exactly(struct assay_patch **out, struct assay_bytes text,
        bool *doubtful, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_error refusal = {0};
    struct patch_reader reader = {.strip = 1, .arena = arena, .err = &refusal};
    struct assay_patch *patch = NULL;
    enum assay_status status = read_once(&patch, &reader, text);

    if (status != ASSAY_OK && status != ASSAY_EPATCH) {
        if (err != NULL)
            *err = refusal;
        return status;
    }
    if (patch == NULL) {
        patch = assay_arena_alloc(arena, sizeof(*patch));
        if (patch == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "no memory for a patch");
        patch->format = ASSAY_FORMAT_DIFF;
        patch->exact_refusal = assay_arena_strdup(arena, refusal.message);
        patch->exact_refused_by_us = reader.ours;
    } else {
        patch->exact = patch;
    }
    patch->text = text;
    patch->bytes = text.len;
    patch->combined_line = reader.combined_line;
    *doubtful = reader.doubtful;
    *out = patch;
    return ASSAY_OK;
}

enum assay_status patch_read_diff(struct assay_patch **out, struct assay_bytes outer,
        const struct patch_text *inner, struct assay_arena *arena, struct assay_error *err)
{
    struct patch_reader reader = {
            .tolerant = true, .strip = 1, .arena = arena, .err = err, .numbers = inner->numbers};
    struct assay_bytes mended = inner->text;
    struct assay_patch *exact = NULL, *patch = NULL;
    bool doubtful = false;
    enum assay_status status = read_exactly(&exact, outer, &doubtful, arena, err);

    if (status != ASSAY_OK)
        return status;
    if (exact->exact == NULL || doubtful || inner->numbers != NULL) {
        status = patch_mend(&mended, arena, err);
        if (status == ASSAY_OK)
            status = read_once(&patch, &reader, mended);
    }
    if (patch == NULL && exact->exact == NULL)
        return status;
    if (patch == NULL)
        patch = exact;
    patch->exact = exact->exact;
    patch->exact_refusal = exact->exact_refusal;
    patch->exact_refused_by_us = exact->exact_refused_by_us;
    patch->bytes = outer.len;
    patch->text = outer;
    *out = patch;
    return ASSAY_OK;
}

enum assay_status assay_patch_read_exact(struct assay_patch **out, const char *text, size_t len,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_bytes bytes = {.data = text, .len = len};
    bool doubtful = false;

    if (len > ASSAY_PATCH_BYTES_MAX)
        return assay_fail(
                err, ASSAY_EPATCH, "the patch is larger than %zu bytes", ASSAY_PATCH_BYTES_MAX);
    return read_exactly(out, bytes, &doubtful, arena, err);
}

enum assay_status assay_patch_parse(struct assay_patch **out, const char *text, size_t len,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct patch_text inner = {.text = {.data = text, .len = len}};

    if (len > ASSAY_PATCH_BYTES_MAX)
        return assay_fail(
                err, ASSAY_EPATCH, "the patch is larger than %zu bytes", ASSAY_PATCH_BYTES_MAX);
    return patch_read_diff(out, inner.text, &inner, arena, err);
}
