// SPDX-License-Identifier: MIT
// patch_header.c - what stands before the hunks of one file.
//
// Two kinds: "diff --git" with its extended lines, which say outright what is
// created, deleted, renamed or copied; and the bare "---" and "+++" of diff -u,
// where that has to be concluded.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/patch_read.h"

static struct assay_bytes rest_of(const struct patch_reader *reader, size_t index, size_t skip)
{
    const struct assay_bytes line = reader->lines[index];

    return (struct assay_bytes){.data = line.data + skip, .len = line.len - skip};
}

// "--- " and "+++ " must agree with what the lines before them said.
static enum assay_status check_name(struct patch_reader *reader, struct assay_bytes text,
        int is_null, const char **name, const char **raw)
{
    const char *found = NULL;

    if (is_null > 0 || (reader->tolerant && *name == NULL && patch_name_is_dev_null(text))) {
        if (*name != NULL || !patch_name_is_dev_null(text))
            return patch_fail(reader, reader->at, "expected /dev/null");
        return ASSAY_OK;
    }
    // git reads a file "dev/null", and would rename it.
    reader->doubtful |= patch_name_is_dev_null(text);
    found = patch_name_read(reader, text, reader->strip, PATCH_NAME_TO_TAB, NULL);
    if (*name != NULL && (found == NULL || strcmp(found, *name) != 0))
        return patch_fail(reader, reader->at, "the name is not the one given before: %s", *name);
    *name = found;
    *raw = patch_name_read(reader, text, 0, PATCH_NAME_TO_TAB, NULL);
    return ASSAY_OK;
}

static enum assay_status take_old_name(
        struct patch_reader *reader, struct patch_head *head, struct assay_bytes text)
{
    // Models forget "new file mode": /dev/null says it too.
    if (reader->tolerant && head->is_delete <= 0 && head->old_name == NULL &&
            patch_name_is_dev_null(text))
        head->is_new = 1;
    return check_name(reader, text, head->is_new, &head->old_name, &head->old_raw);
}

static enum assay_status take_new_name(
        struct patch_reader *reader, struct patch_head *head, struct assay_bytes text)
{
    if (reader->tolerant && head->is_new <= 0 && head->new_name == NULL &&
            patch_name_is_dev_null(text))
        head->is_delete = 1;
    return check_name(reader, text, head->is_delete, &head->new_name, &head->new_raw);
}

static enum assay_status take_mode(
        const struct patch_reader *reader, uint32_t *mode, struct assay_bytes text)
{
    uint32_t value = 0;
    size_t at = 0;

    while (at < text.len && at < 10 && text.data[at] >= '0' && text.data[at] <= '7')
        value = value * 8 + (uint32_t)(text.data[at++] - '0');
    if (at == 0 || at == text.len || !isspace((unsigned char)text.data[at]))
        return patch_fail(reader, reader->at, "no mode of six octal digits");
    *mode = value;
    return ASSAY_OK;
}

static enum assay_status take_old_mode(
        struct patch_reader *reader, struct patch_head *head, struct assay_bytes text)
{
    return take_mode(reader, &head->old_mode, text);
}

static enum assay_status take_new_mode(
        struct patch_reader *reader, struct patch_head *head, struct assay_bytes text)
{
    return take_mode(reader, &head->new_mode, text);
}

static enum assay_status take_deleted(
        struct patch_reader *reader, struct patch_head *head, struct assay_bytes text)
{
    head->is_delete = 1;
    head->old_name = head->default_name;
    return take_mode(reader, &head->old_mode, text);
}

static enum assay_status take_new_file(
        struct patch_reader *reader, struct patch_head *head, struct assay_bytes text)
{
    head->is_new = 1;
    head->new_name = head->default_name;
    return take_mode(reader, &head->new_mode, text);
}

// Names of renames and copies have no "a/" and "b/".
static const char *moved_name(struct patch_reader *reader, struct assay_bytes text)
{
    const unsigned strip = reader->strip > 0 ? reader->strip - 1 : 0;

    return patch_name_read(reader, text, strip, PATCH_NAME_TO_LINE_END, NULL);
}

static enum assay_status take_copy_from(
        struct patch_reader *reader, struct patch_head *head, struct assay_bytes text)
{
    head->is_copy = true;
    head->old_name = moved_name(reader, text);
    return ASSAY_OK;
}

static enum assay_status take_copy_to(
        struct patch_reader *reader, struct patch_head *head, struct assay_bytes text)
{
    head->is_copy = true;
    head->new_name = moved_name(reader, text);
    return ASSAY_OK;
}

static enum assay_status take_rename_from(
        struct patch_reader *reader, struct patch_head *head, struct assay_bytes text)
{
    head->is_rename = true;
    head->old_name = moved_name(reader, text);
    return ASSAY_OK;
}

static enum assay_status take_rename_to(
        struct patch_reader *reader, struct patch_head *head, struct assay_bytes text)
{
    head->is_rename = true;
    head->new_name = moved_name(reader, text);
    return ASSAY_OK;
}

static enum assay_status take_nothing(
        struct patch_reader *reader, struct patch_head *head, struct assay_bytes text)
{
    (void)reader;
    (void)head;
    (void)text;
    return ASSAY_OK;
}

// "index <hex>..<hex>[ <mode>]"; anything else after "index " says nothing.
static enum assay_status take_index(
        struct patch_reader *reader, struct patch_head *head, struct assay_bytes text)
{
    const char *dots = memmem(text.data, text.len, "..", 2);
    const size_t old_len = dots != NULL ? (size_t)(dots - text.data) : 0;
    const size_t rest = dots != NULL ? old_len + 2 : 0;
    size_t new_len = 0;

    if (dots == NULL || old_len >= sizeof(head->old_blob))
        return ASSAY_OK;
    memset(head->old_blob, 0, sizeof(head->old_blob));
    memcpy(head->old_blob, text.data, old_len);
    while (rest + new_len < text.len && text.data[rest + new_len] != ' ' &&
            text.data[rest + new_len] != '\n')
        new_len++;
    if (new_len >= sizeof(head->new_blob))
        return ASSAY_OK;
    memset(head->new_blob, 0, sizeof(head->new_blob));
    memcpy(head->new_blob, text.data + rest, new_len);
    if (reader->tolerant && new_len > 0 && head->new_blob[new_len - 1] == '\r')
        head->new_blob[new_len - 1] = '\0';
    if (rest + new_len < text.len && text.data[rest + new_len] == ' ')
        return take_mode(reader, &head->old_mode,
                (struct assay_bytes){.data = text.data + rest + new_len + 1,
                        .len = text.len - rest - new_len - 1});
    return ASSAY_OK;
}

static const struct {
    const char *prefix;
    enum assay_status (*take)(
            struct patch_reader *reader, struct patch_head *head, struct assay_bytes text);
} extended[] = {
        {"--- ", take_old_name},
        {"+++ ", take_new_name},
        {"old mode ", take_old_mode},
        {"new mode ", take_new_mode},
        {"deleted file mode ", take_deleted},
        {"new file mode ", take_new_file},
        {"copy from ", take_copy_from},
        {"copy to ", take_copy_to},
        {"rename old ", take_rename_from},
        {"rename new ", take_rename_to},
        {"rename from ", take_rename_from},
        {"rename to ", take_rename_to},
        {"similarity index ", take_nothing},
        {"dissimilarity index ", take_nothing},
        {"index ", take_index},
};

// One line of a git header. *known is false when it is none.
static enum assay_status take_extended(
        struct patch_reader *reader, struct patch_head *head, bool *known)
{
    enum assay_status status = ASSAY_OK;

    *known = false;
    for (size_t i = 0; i < sizeof(extended) / sizeof(extended[0]) && !*known; i++) {
        if (!patch_line_starts(reader, reader->at, extended[i].prefix))
            continue;
        *known = true;
        status = extended[i].take(
                reader, head, rest_of(reader, reader->at, strlen(extended[i].prefix)));
    }
    if (status == ASSAY_OK &&
            (head->is_delete == 1) + (head->is_new == 1) + head->is_rename + head->is_copy > 1)
        status = patch_fail(reader, reader->at, "the header says two things about one file");
    return status;
}

static enum assay_status complete_git_header(struct patch_reader *reader, struct patch_head *head)
{
    if (head->old_name == NULL && head->new_name == NULL) {
        if (head->default_name == NULL)
            return patch_fail(reader, head->line, "no file name in the diff header");
        head->old_name = head->default_name;
        head->new_name = head->default_name;
    }
    if ((head->new_name == NULL && head->is_delete != 1) ||
            (head->old_name == NULL && head->is_new != 1))
        return patch_fail(reader, head->line, "only one file name in the diff header");
    return ASSAY_OK;
}

static enum patch_found read_git_header(struct patch_reader *reader, struct patch_head *head)
{
    const char *raw = NULL;
    bool known = true;

    head->line = reader->at;
    head->is_new = 0;
    head->is_delete = 0;
    head->default_name =
            patch_name_read_pair(reader, rest_of(reader, reader->at, strlen("diff --git ")), &raw);
    reader->at++;
    while (known && reader->at < reader->line_count) {
        const struct assay_bytes line = reader->lines[reader->at];

        if (line.data[line.len - 1] != '\n')
            break;
        if (take_extended(reader, head, &known) != ASSAY_OK)
            return PATCH_BROKEN;
        if (known)
            reader->at++;
    }
    if (complete_git_header(reader, head) != ASSAY_OK)
        return PATCH_BROKEN;
    if (head->old_raw == NULL && head->old_name == head->default_name)
        head->old_raw = raw;
    if (head->new_raw == NULL && head->new_name == head->default_name)
        head->new_raw = raw;
    if (reader->at > head->line + 1)
        return PATCH_FOUND;
    // Nothing but the line itself: git takes it for prose and looks on.
    if (reader->tolerant && patch_line_starts(reader, reader->at, "@@"))
        return PATCH_FOUND;
    return PATCH_NOT_FOUND;
}

// Names without any "/" have no prefix to strip.
static int guess_strip(struct patch_reader *reader, struct assay_bytes text)
{
    const char *name = NULL;

    if (patch_name_is_dev_null(text))
        return -1;
    name = patch_name_read_stamped(reader, text, 0, NULL);
    return name != NULL && strchr(name, '/') == NULL ? 0 : -1;
}

static void settle_strip(
        struct patch_reader *reader, struct assay_bytes first, struct assay_bytes second)
{
    int old_strip = guess_strip(reader, first);
    const int new_strip = guess_strip(reader, second);

    if (reader->strip_known)
        return;
    if (old_strip < 0)
        old_strip = new_strip;
    if (old_strip >= 0 && old_strip == new_strip) {
        reader->strip = (unsigned)old_strip;
        reader->strip_known = true;
    }
}

static enum patch_found read_plain_header(struct patch_reader *reader, struct patch_head *head)
{
    const struct assay_bytes first = rest_of(reader, reader->at, 4);
    const struct assay_bytes second = rest_of(reader, reader->at + 1, 4);
    const bool from_nothing = patch_name_is_dev_null(first);
    const bool to_nothing = !from_nothing && patch_name_is_dev_null(second);
    const char *name = NULL, *raw = NULL;

    head->line = reader->at;
    settle_strip(reader, first, second);
    if (!from_nothing)
        name = patch_name_read_stamped(reader, first, reader->strip, NULL);
    if (!to_nothing)
        name = patch_name_read_stamped(reader, second, reader->strip, name);
    raw = patch_name_read_stamped(reader, to_nothing ? first : second, 0, NULL);
    if (name == NULL && reader->tolerant)
        name = raw; // no "/" in it, though an earlier header had some
    if (name == NULL) {
        (void)patch_fail(reader, reader->at, "no file name in the diff header");
        return PATCH_BROKEN;
    }
    if (from_nothing || (!to_nothing && patch_name_has_epoch(first))) {
        head->is_new = 1;
        head->is_delete = 0;
    } else if (to_nothing || patch_name_has_epoch(second)) {
        head->is_new = 0;
        head->is_delete = 1;
    }
    // A "diff --git" that was taken for prose leaves its names behind, and git stumbles over them.
    if (head->is_new != 1 || reader->tolerant)
        head->old_name = head->is_new == 1 ? NULL : name;
    if (head->is_delete != 1 || reader->tolerant)
        head->new_name = head->is_delete == 1 ? NULL : name;
    head->old_raw = raw;
    head->new_raw = raw;
    reader->at += 2;
    return PATCH_FOUND;
}

static bool plain_header_at(const struct patch_reader *reader, size_t index)
{
    if (index + 2 >= reader->line_count || !patch_line_starts(reader, index, "--- ") ||
            !patch_line_starts(reader, index + 1, "+++ "))
        return false;
    return patch_line_starts(reader, index + 2, reader->tolerant ? "@@" : "@@ -");
}

// The diff of a merge, "diff --cc": git passes over it without a word.
static bool combined_at(const struct patch_reader *reader, size_t index)
{
    return patch_line_starts(reader, index, "diff --cc ") ||
            patch_line_starts(reader, index, "diff --combined ") ||
            patch_line_starts(reader, index, "@@@ -");
}

enum patch_found patch_header_find(struct patch_reader *reader, struct patch_head *head)
{
    for (; reader->at < reader->line_count; reader->at++) {
        const struct assay_bytes line = reader->lines[reader->at];
        struct assay_patch_hunk hunk = {0};

        if (combined_at(reader, reader->at)) {
            reader->doubtful = true;
            if (reader->combined_line == 0)
                reader->combined_line = patch_line_number(reader, reader->at);
            (void)patch_fail(reader, reader->at, "the combined diff of a merge cannot be applied");
            if (reader->tolerant)
                return PATCH_BROKEN;
        }
        if (line.len < 6 && !reader->tolerant)
            continue;
        if (patch_hunk_header(reader, reader->at, &hunk) &&
                (!hunk.bare || !patch_hunk_ends_at(reader, reader->at + 1))) {
            (void)patch_fail(reader, reader->at, "a hunk without a file header");
            return PATCH_BROKEN;
        }
        // git does not look at what could not be a header any more.
        if (patch_bytes_left(reader, reader->at) < line.len + 6 && !reader->tolerant)
            break;
        if (patch_line_starts(reader, reader->at, "diff --git ")) {
            const enum patch_found found = read_git_header(reader, head);

            if (found != PATCH_NOT_FOUND)
                return found;
            reader->at--; // the loop steps to the line that ended the header
        } else if (plain_header_at(reader, reader->at)) {
            return read_plain_header(reader, head);
        }
    }
    return PATCH_NOT_FOUND;
}
