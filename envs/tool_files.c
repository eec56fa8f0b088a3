// SPDX-License-Identifier: MIT
// tool_files.c - reading files of an episode's box: what view, search, edit and apply_patch share;
// and view itself.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "envs/episode_inner.h"

#define BINARY_LOOK_BYTES 8192
#define LINE_BYTES_MAX 2000 // of a line that is shown
#define LIST_COUNT_MAX 1000 // entries of a directory that are shown
#define LIST_ARENA_BYTES ((size_t)64 << 20)
#define LIST_DEPTH 2

// --- shared --------------------------------------------------------------------------------------

enum assay_status assay_tool_refuse_path(struct assay_episode *e, struct assay_observation *out,
        const char *path, struct assay_error *err)
{
    const int number = err->sys_errno;

    if (number == EPIPE) {
        assay_episode_end(e, ASSAY_EPISODE_BOX_OVER);
        return assay_observation_refuse(out, "the box is over");
    }
    if (err->status == ASSAY_ENOTFOUND)
        return assay_observation_refuse(out, "%.300s: no such file or directory", path);
    if (number == EFBIG || err->status == ASSAY_ENOMEM)
        return assay_observation_refuse(out, "%.300s is too large", path);
    if (number == ELOOP)
        return assay_observation_refuse(out, "%.300s: a link that is not followed", path);
    if (number == EINVAL)
        return assay_observation_refuse(out, "%.300s is not a regular file", path);
    if (err->status == ASSAY_EIO && number != 0) {
        char words[128] = "";

        return assay_observation_refuse(
                out, "%.300s: %s", path, strerror_r(number, words, sizeof(words)));
    }
    return err->status;
}

bool assay_tool_is_binary(const char *bytes, size_t len)
{
    return memchr(bytes, '\0', len < BINARY_LOOK_BYTES ? len : BINARY_LOOK_BYTES) != NULL;
}

enum assay_status assay_tool_read(struct assay_episode *e, const char *path,
        struct assay_buf *bytes, bool *refused, struct assay_observation *out,
        struct assay_error *err)
{
    struct assay_file_info info = {0};
    struct assay_error trouble = {0};
    enum assay_status status = assay_session_stat(e->session, path, true, &info, &trouble);

    *refused = true;
    if (status == ASSAY_OK && S_ISDIR(info.mode))
        return assay_observation_refuse(out, "%.300s is a directory", path);
    if (status == ASSAY_OK && info.size > ASSAY_TOOL_FILE_BYTES_MAX)
        return assay_observation_refuse(out,
                "%.300s has %" PRIu64 " bytes, more than is read at once: look at a part of it "
                "with bash (head, sed -n)",
                path, info.size);
    if (status == ASSAY_OK)
        status = assay_session_read(
                e->session, path, 0, ASSAY_TOOL_FILE_BYTES_MAX, bytes, &info, &trouble);
    if (status != ASSAY_OK) {
        status = assay_tool_refuse_path(e, out, path, &trouble);
        return status == ASSAY_OK ? ASSAY_OK : assay_fail(err, status, "%s", trouble.message);
    }
    if (assay_tool_is_binary(bytes->data, bytes->len))
        return assay_observation_refuse(
                out, "%.300s is no text: it has %zu bytes", path, bytes->len);
    *refused = false;
    return ASSAY_OK;
}

size_t assay_tool_count_lines(const char *text, size_t len)
{
    size_t count = 0;

    for (const char *at = text; at < text + len; count++) {
        const char *end = memchr(at, '\n', (size_t)(text + len - at));

        at = end != NULL ? end + 1 : text + len;
    }
    return count;
}

void assay_tool_number_lines(
        struct assay_buf *out, const char *text, size_t len, size_t first, size_t last)
{
    const char *at = text;

    for (size_t line = 1; at < text + len && line <= last; line++) {
        const char *end = memchr(at, '\n', (size_t)(text + len - at));
        const char *next = end != NULL ? end + 1 : text + len;
        size_t shown = end != NULL ? (size_t)(end - at) : (size_t)(text + len - at);

        if (line >= first) {
            const size_t whole = shown;

            if (shown > 0 && at[shown - 1] == '\r')
                shown--;
            if (shown > LINE_BYTES_MAX)
                shown = LINE_BYTES_MAX;
            assay_buf_addf(out, "%6zu\t", line);
            assay_buf_add(out, at, shown);
            if (whole > LINE_BYTES_MAX)
                assay_buf_addf(out, " [%zu more bytes]", whole - shown);
            assay_buf_addc(out, '\n');
        }
        at = next;
    }
}

char *assay_tool_absolute(struct assay_episode *e, const char *path)
{
    while (path[0] == '.' && path[1] == '/')
        path += 2;
    if (path[0] == '/')
        return assay_arena_strdup(e->arena, path);
    return assay_arena_printf(e->arena, "%s/%s", assay_session_cwd(e->session), path);
}

// --- view ----------------------------------------------------------------------------------------

struct listing {
    struct assay_episode *e;
    struct assay_arena *arena;
    struct assay_buf *out;
    size_t shown;
    bool more;
};

static const char *entry_mark(uint32_t mode)
{
    return S_ISDIR(mode) ? "/" : S_ISLNK(mode) ? "@" : S_ISREG(mode) ? "" : "?";
}

// One level; hidden names are left out. A directory that cannot be read below the first is passed
// over.
static enum assay_status list_level(
        struct listing *l, const char *path, const char *prefix, int depth, struct assay_error *err)
{
    struct assay_file_list list = {0};
    enum assay_status status =
            assay_session_list(l->e->session, path, LIST_COUNT_MAX, l->arena, &list, err);

    if (status != ASSAY_OK)
        return status;
    l->more |= list.more;
    for (size_t i = 0; i < list.count; i++) {
        const struct assay_file_entry *entry = &list.entries[i];

        if (entry->name[0] == '.')
            continue;
        if (l->shown++ >= LIST_COUNT_MAX) {
            l->more = true;
            return ASSAY_OK;
        }
        assay_buf_addf(l->out, "%s%s%s\n", prefix, entry->name, entry_mark(entry->info.mode));
        if (S_ISDIR(entry->info.mode) && depth > 1) {
            const char *below = assay_arena_printf(l->arena, "%s/%s", path, entry->name);
            const char *mark = assay_arena_printf(l->arena, "%s%s/", prefix, entry->name);

            if (below == NULL || mark == NULL)
                return assay_fail(err, ASSAY_ENOMEM, "view: out of memory");
            (void)list_level(l, below, mark, depth - 1, NULL);
        }
    }
    return ASSAY_OK;
}

static enum assay_status view_directory(struct assay_episode *e, const char *path,
        struct assay_observation *out, struct assay_error *err)
{
    struct listing listing = {.e = e, .out = &out->text};
    struct assay_error trouble = {0};
    enum assay_status status = assay_arena_create(&listing.arena, LIST_ARENA_BYTES, err);

    if (status != ASSAY_OK)
        return status;
    status = list_level(&listing, path, "", LIST_DEPTH, &trouble);
    if (status != ASSAY_OK) {
        status = assay_tool_refuse_path(e, out, path, &trouble);
        if (status != ASSAY_OK)
            status = assay_fail(err, status, "%s", trouble.message);
    } else if (listing.shown == 0) {
        assay_buf_adds(&out->text, "[empty, but for hidden files]\n");
    } else if (listing.more) {
        assay_buf_addf(&out->text, "[more than %d entries]\n", LIST_COUNT_MAX);
    }
    assay_arena_destroy(listing.arena);
    return status;
}

static enum assay_status view_lines(const char *path, const struct assay_buf *bytes,
        const struct assay_tool_value *start, const struct assay_tool_value *end,
        struct assay_observation *out)
{
    const size_t count = assay_tool_count_lines(bytes->data, bytes->len);
    const size_t first = start->given && start->number > 0 ? start->number : 1;
    const size_t last = end->given && end->number < count ? end->number : count;

    if (count == 0) {
        assay_buf_adds(&out->text, "[an empty file]\n");
        return ASSAY_OK;
    }
    if (first > count)
        return assay_observation_refuse(
                out, "%.300s has %zu lines: there is no line %zu", path, count, first);
    if (end->given && end->number < first)
        return assay_observation_refuse(
                out, "end_line %" PRIu64 " stands before start_line %zu", end->number, first);
    assay_tool_number_lines(&out->text, bytes->data, bytes->len, first, last);
    if (first > 1 || last < count)
        assay_buf_addf(&out->text, "[lines %zu to %zu of %zu]\n", first, last, count);
    return ASSAY_OK;
}

enum assay_status assay_tool_view(struct assay_episode *e, const struct assay_tool_value *values,
        struct assay_observation *out, struct assay_error *err)
{
    enum { PATH, START, END };
    const char *path = values[PATH].text;
    struct assay_file_info info = {0};
    struct assay_buf bytes;
    bool refused = false;
    enum assay_status status = assay_session_stat(e->session, path, true, &info, NULL);

    if (status == ASSAY_OK && S_ISDIR(info.mode))
        return view_directory(e, path, out, err);
    assay_buf_init(&bytes, ASSAY_TOOL_FILE_BYTES_MAX);
    status = assay_tool_read(e, path, &bytes, &refused, out, err);
    if (status == ASSAY_OK && !refused)
        status = view_lines(path, &bytes, &values[START], &values[END], out);
    assay_buf_free(&bytes);
    return status;
}
