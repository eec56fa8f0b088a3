// SPDX-License-Identifier: MIT
// tool_edit.c - view, create, str_replace, insert, undo_edit: changes of text files.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/episode_inner.h"

#define CONTEXT_LINES 4
#define PLACES_SHOWN 10

enum { COMMAND, PATH, FILE_TEXT, OLD_STR, NEW_STR, INSERT_LINE, START_LINE, END_LINE };

// --- undo ----------------------------------------------------------------------------------------

static void undo_free(struct assay_edit_undo *undo)
{
    free(undo->path);
    assay_buf_free(&undo->bytes);
}

void assay_edit_undos_free(struct assay_edit_undos *undos)
{
    for (size_t i = 0; i < undos->count; i++)
        undo_free(&undos->items[i]);
    undos->count = 0;
}

static bool undo_push(struct assay_edit_undos *undos, const char *path, bool existed,
        const char *bytes, size_t len)
{
    struct assay_edit_undo undo = {.path = strdup(path), .existed = existed};

    assay_buf_init(&undo.bytes, ASSAY_TOOL_FILE_BYTES_MAX);
    if (undo.path == NULL || !assay_buf_add(&undo.bytes, bytes, len)) {
        undo_free(&undo);
        return false;
    }
    if (undos->count == ASSAY_EDIT_UNDO_COUNT_MAX) { // the oldest is forgotten
        undo_free(&undos->items[0]);
        memmove(&undos->items[0], &undos->items[1], sizeof(undo) * --undos->count);
    }
    undos->items[undos->count++] = undo;
    return true;
}

bool assay_edit_undos_copy(struct assay_edit_undos *to, const struct assay_edit_undos *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct assay_edit_undo *undo = &from->items[i];

        if (!undo_push(to, undo->path, undo->existed, undo->bytes.data, undo->bytes.len))
            return false;
    }
    return true;
}

// --- writing -------------------------------------------------------------------------------------

// `before` NULL: there was no file.
static enum assay_status write_file(struct assay_episode *e, const char *path,
        const struct assay_buf *before, const struct assay_buf *after,
        struct assay_observation *out, struct assay_error *err)
{
    const struct assay_write_options options = {.parents = true, .follow = true};
    struct assay_error trouble = {0};
    const char *absolute = assay_tool_absolute(e, path);
    enum assay_status status = ASSAY_OK;

    if (after->failed)
        return assay_observation_refuse(out, "%.300s would be larger than 16 MiB", path);
    if (absolute == NULL ||
            !undo_push(&e->undos, absolute, before != NULL, before != NULL ? before->data : "",
                    before != NULL ? before->len : 0))
        return assay_fail(err, ASSAY_ENOMEM, "edit: out of memory");
    status = assay_session_write(e->session, path, after->data, after->len, &options, &trouble);
    if (status == ASSAY_OK)
        return ASSAY_OK;
    undo_free(&e->undos.items[--e->undos.count]);
    status = assay_tool_refuse_path(e, out, path, &trouble);
    return status == ASSAY_OK ? ASSAY_OK : assay_fail(err, status, "%s", trouble.message);
}

// The changed lines with what is around them. [at, at + len) of the text is what is new.
static void show_around(
        struct assay_observation *out, const struct assay_buf *text, size_t at, size_t len)
{
    const size_t before = assay_tool_count_lines(text->data, at);
    const size_t first = at > 0 && text->data[at - 1] != '\n' ? before : before + 1;
    const size_t changed = assay_tool_count_lines(text->data + at, len);

    assay_tool_number_lines(&out->text, text->data, text->len,
            first > CONTEXT_LINES ? first - CONTEXT_LINES : 1, first + changed + CONTEXT_LINES);
}

static enum assay_status create(struct assay_episode *e, const struct assay_tool_value *values,
        struct assay_observation *out, struct assay_error *err)
{
    const char *path = values[PATH].text;
    struct assay_file_info info = {0};
    struct assay_buf before, after;
    bool refused = false, there = false;
    enum assay_status status = ASSAY_OK;

    if (!values[FILE_TEXT].given)
        return assay_observation_refuse(out, "edit create needs the argument 'file_text'");
    assay_buf_init(&before, ASSAY_TOOL_FILE_BYTES_MAX);
    assay_buf_init(&after, ASSAY_TOOL_FILE_BYTES_MAX);
    there = assay_session_stat(e->session, path, true, &info, NULL) == ASSAY_OK;
    if (there)
        status = assay_tool_read(e, path, &before, &refused, out, err);
    assay_buf_adds(&after, values[FILE_TEXT].text);
    if (status == ASSAY_OK && !refused)
        status = write_file(e, path, there ? &before : NULL, &after, out, err);
    if (status == ASSAY_OK && !out->failed)
        assay_buf_addf(&out->text, "%s %s (%zu lines).\n", there ? "Replaced" : "Created", path,
                assay_tool_count_lines(after.data, after.len));
    assay_buf_free(&before);
    assay_buf_free(&after);
    return status;
}

// --- str_replace ---------------------------------------------------------------------------------

// Text of an actor as a file with CRLF would have it.
static void add_with_crlf(struct assay_buf *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\n' && (at == text || at[-1] != '\r'))
            assay_buf_addc(out, '\r');
        assay_buf_addc(out, *at);
    }
}

static void add_as_file(struct assay_buf *out, const char *text, bool crlf)
{
    if (crlf)
        add_with_crlf(out, text);
    else
        assay_buf_adds(out, text);
}

// The first line end decides.
static bool has_crlf(const struct assay_buf *bytes)
{
    const char *end = memchr(bytes->data, '\n', bytes->len);

    return end != NULL && end > bytes->data && end[-1] == '\r';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Does `old` stand at `text` if white space counts for nothing?
static bool matches_loosely(const char *text, const char *end, const char *old)
{
    for (;;) {
        while (is_blank(*old))
            old++;
        while (text < end && is_blank(*text))
            text++;
        if (*old == '\0')
            return true;
        if (text == end || *text != *old)
            return false;
        text++;
        old++;
    }
}

// Nothing matched: what might have been meant.
static enum assay_status refuse_missing(struct assay_observation *out, const char *path,
        const struct assay_buf *bytes, const char *old)
{
    const char *end = bytes->data + bytes->len;
    size_t line = 1;

    while (is_blank(*old))
        old++;
    for (const char *at = bytes->data; *old != '\0' && at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));

        if (!is_blank(at[strspn(at, " \t")]) && matches_loosely(at, end, old))
            return assay_observation_refuse(out,
                    "old_str does not stand in %.300s as it is written. What begins at line %zu "
                    "differs in white space alone: view it and copy it exactly",
                    path, line);
        at = newline != NULL ? newline + 1 : end;
    }
    return assay_observation_refuse(out,
            "old_str does not stand in %.300s. View the file, and copy the text to replace from "
            "it without the line numbers",
            path);
}

static enum assay_status refuse_several(struct assay_observation *out, const char *path,
        const struct assay_buf *bytes, const struct assay_buf *old, size_t count)
{
    char lines[256] = "";
    size_t len = 0, shown = 0;
    const char *at = bytes->data;

    while (shown < PLACES_SHOWN &&
            (at = memmem(at, (size_t)(bytes->data + bytes->len - at), old->data, old->len)) !=
                    NULL) {
        const size_t before = (size_t)(at - bytes->data);

        len += (size_t)snprintf(lines + len, sizeof(lines) - len, "%s%zu", shown > 0 ? ", " : "",
                assay_tool_count_lines(bytes->data, before) +
                        (before == 0 || bytes->data[before - 1] == '\n'));
        shown++;
        at += old->len;
    }
    return assay_observation_refuse(out,
            "old_str stands %zu times in %.300s (lines %s%s): add lines around it until it is "
            "the only one",
            count, path, lines, shown < count ? ", ..." : "");
}

static enum assay_status replace_in(struct assay_episode *e, const char *path,
        const struct assay_buf *bytes, const struct assay_buf *old, const struct assay_buf *new,
        struct assay_observation *out, struct assay_error *err)
{
    const char *first = memmem(bytes->data, bytes->len, old->data, old->len);
    struct assay_buf after;
    size_t count = 0, at = 0;
    enum assay_status status;

    for (const char *place = first; place != NULL; count++)
        place = memmem(place + old->len, (size_t)(bytes->data + bytes->len - place) - old->len,
                old->data, old->len);
    if (count == 0)
        return refuse_missing(out, path, bytes, old->data);
    if (count > 1)
        return refuse_several(out, path, bytes, old, count);
    at = (size_t)(first - bytes->data);
    assay_buf_init(&after, ASSAY_TOOL_FILE_BYTES_MAX);
    assay_buf_add(&after, bytes->data, at);
    assay_buf_add(&after, new->data, new->len);
    assay_buf_add(&after, first + old->len, bytes->len - at - old->len);
    status = write_file(e, path, bytes, &after, out, err);
    if (status == ASSAY_OK && !out->failed) {
        assay_buf_addf(&out->text, "Replaced in %s:\n", path);
        show_around(out, &after, at, new->len);
    }
    assay_buf_free(&after);
    return status;
}

static enum assay_status str_replace(struct assay_episode *e, const struct assay_tool_value *values,
        struct assay_observation *out, struct assay_error *err)
{
    const char *path = values[PATH].text;
    const char *new_text = values[NEW_STR].given ? values[NEW_STR].text : "";
    struct assay_buf bytes, old, new;
    bool refused = false;
    enum assay_status status = ASSAY_OK;

    if (!values[OLD_STR].given || values[OLD_STR].text[0] == '\0')
        return assay_observation_refuse(out,
                "edit str_replace needs 'old_str', which may not be empty; use insert or create "
                "to add text");
    if (strcmp(values[OLD_STR].text, new_text) == 0)
        return assay_observation_refuse(out, "old_str and new_str are the same");
    assay_buf_init(&bytes, ASSAY_TOOL_FILE_BYTES_MAX);
    assay_buf_init(&old, 2 * ASSAY_TOOL_FILE_BYTES_MAX);
    assay_buf_init(&new, 2 * ASSAY_TOOL_FILE_BYTES_MAX);
    status = assay_tool_read(e, path, &bytes, &refused, out, err);
    if (status == ASSAY_OK && !refused) {
        add_as_file(&old, values[OLD_STR].text, has_crlf(&bytes));
        add_as_file(&new, new_text, has_crlf(&bytes));
        status = old.failed || new.failed ? assay_fail(err, ASSAY_ENOMEM, "edit: out of memory")
                                          : replace_in(e, path, &bytes, &old, &new, out, err);
    }
    assay_buf_free(&bytes);
    assay_buf_free(&old);
    assay_buf_free(&new);
    return status;
}

// --- insert --------------------------------------------------------------------------------------

// Where line `line` ends, or the length.
static size_t offset_after(const struct assay_buf *bytes, size_t line)
{
    size_t at = 0;

    for (; line > 0 && at < bytes->len; line--) {
        const char *end = memchr(bytes->data + at, '\n', bytes->len - at);

        at = end != NULL ? (size_t)(end - bytes->data) + 1 : bytes->len;
    }
    return at;
}

static enum assay_status insert_in(struct assay_episode *e, const struct assay_tool_value *values,
        const struct assay_buf *bytes, struct assay_observation *out, struct assay_error *err)
{
    const char *path = values[PATH].text;
    const char *text = values[NEW_STR].text;
    const size_t count = assay_tool_count_lines(bytes->data, bytes->len);
    const bool crlf = has_crlf(bytes);
    struct assay_buf after;
    size_t at = 0, from = 0;
    enum assay_status status;

    if (values[INSERT_LINE].number > count)
        return assay_observation_refuse(out, "%.300s has %zu lines: insert_line is %" PRIu64, path,
                count, values[INSERT_LINE].number);
    at = offset_after(bytes, values[INSERT_LINE].number);
    assay_buf_init(&after, ASSAY_TOOL_FILE_BYTES_MAX);
    assay_buf_add(&after, bytes->data, at);
    if (at > 0 && bytes->data[at - 1] != '\n') // behind a last line without an end
        assay_buf_adds(&after, crlf ? "\r\n" : "\n");
    from = after.len;
    add_as_file(&after, text, crlf);
    if (text[0] != '\0' && text[strlen(text) - 1] != '\n')
        assay_buf_adds(&after, crlf ? "\r\n" : "\n");
    const size_t added = after.len - from;
    assay_buf_add(&after, bytes->data + at, bytes->len - at);
    status = write_file(e, path, bytes, &after, out, err);
    if (status == ASSAY_OK && !out->failed) {
        assay_buf_addf(&out->text, "Inserted into %s:\n", path);
        show_around(out, &after, from, added);
    }
    assay_buf_free(&after);
    return status;
}

static enum assay_status insert(struct assay_episode *e, const struct assay_tool_value *values,
        struct assay_observation *out, struct assay_error *err)
{
    struct assay_buf bytes;
    bool refused = false;
    enum assay_status status = ASSAY_OK;

    if (!values[INSERT_LINE].given || !values[NEW_STR].given)
        return assay_observation_refuse(
                out, "edit insert needs the arguments 'insert_line' and 'new_str'");
    assay_buf_init(&bytes, ASSAY_TOOL_FILE_BYTES_MAX);
    status = assay_tool_read(e, values[PATH].text, &bytes, &refused, out, err);
    if (status == ASSAY_OK && !refused)
        status = insert_in(e, values, &bytes, out, err);
    assay_buf_free(&bytes);
    return status;
}

// --- undo_edit -----------------------------------------------------------------------------------

static enum assay_status take_back(struct assay_episode *e, const struct assay_edit_undo *undo,
        const char *path, struct assay_observation *out, struct assay_error *err)
{
    const struct assay_write_options options = {.parents = true, .follow = true};
    struct assay_error trouble = {0};
    bool done = true;
    enum assay_status status = ASSAY_OK;

    if (!undo->existed) {
        const char *const argv[] = {"/bin/rm", "-f", "--", undo->path, NULL};

        status = assay_tool_effect(e, argv, &done, err);
        if (status == ASSAY_OK && !done)
            return assay_observation_refuse(out, "%.300s cannot be removed", path);
        if (status == ASSAY_OK)
            assay_buf_addf(&out->text, "Removed %s, which the last edit had created.\n", path);
        return status;
    }
    status = assay_session_write(
            e->session, undo->path, undo->bytes.data, undo->bytes.len, &options, &trouble);
    if (status != ASSAY_OK) {
        status = assay_tool_refuse_path(e, out, path, &trouble);
        return status == ASSAY_OK ? ASSAY_OK : assay_fail(err, status, "%s", trouble.message);
    }
    assay_buf_addf(&out->text, "%s is as it was before the last edit.\n", path);
    return ASSAY_OK;
}

static enum assay_status undo_edit(struct assay_episode *e, const struct assay_tool_value *values,
        struct assay_observation *out, struct assay_error *err)
{
    struct assay_edit_undos *undos = &e->undos;
    const char *absolute = assay_tool_absolute(e, values[PATH].text);
    size_t at = undos->count;
    enum assay_status status;

    if (absolute == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "edit: out of memory");
    while (at > 0 && strcmp(undos->items[at - 1].path, absolute) != 0)
        at--;
    if (at == 0)
        return assay_observation_refuse(
                out, "there is no edit of %.300s to take back", values[PATH].text);
    status = take_back(e, &undos->items[at - 1], values[PATH].text, out, err);
    if (status != ASSAY_OK || out->failed)
        return status;
    undo_free(&undos->items[at - 1]);
    memmove(&undos->items[at - 1], &undos->items[at],
            sizeof(undos->items[0]) * (undos->count-- - at));
    return ASSAY_OK;
}

enum assay_status assay_tool_edit(struct assay_episode *e, const struct assay_tool_value *values,
        struct assay_observation *out, struct assay_error *err)
{
    const char *command = values[COMMAND].text;

    if (strcmp(command, "create") == 0)
        return create(e, values, out, err);
    if (strcmp(command, "str_replace") == 0)
        return str_replace(e, values, out, err);
    if (strcmp(command, "insert") == 0)
        return insert(e, values, out, err);
    if (strcmp(command, "undo_edit") == 0)
        return undo_edit(e, values, out, err);
    {
        const struct assay_tool_value view[] = {values[PATH], values[START_LINE], values[END_LINE]};

        return assay_tool_view(e, view, out, err);
    }
}
