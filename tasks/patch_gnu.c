// SPDX-License-Identifier: MIT
// patch_gnu.c - the headers of a diff as GNU patch finds them.
#include "tasks/patch_gnu.h"

#include <ctype.h>
#include <string.h>

#include "tasks/patch_gnu_read.h"

enum { STAMP_NONE, STAMP_EPOCH, STAMP_OTHER };

// What the lines above a hunk said so far. The names of "+++" and "---" stand in
// each other's place until a hunk follows; so the program has it, and a header
// without hunks shows the difference.
struct gnu_scan {
    struct assay_gnu_file file;
    int stamps[2];
    bool need_header;         // neither a name nor "diff --git" was seen
    bool extended;            // a line that only git writes was seen: a file without hunks counts
    bool stars;               // the last line was "********"
    bool command, ed_command; // lines that look like those of a normal diff, or an ed script
};

// Behind the first run of slashes; NULL when nothing is left.
static const char *strip_one(const char *name)
{
    const char *slash = name != NULL ? strchr(name, '/') : NULL;

    if (slash == NULL)
        return NULL;
    slash += strspn(slash, "/");
    return *slash != '\0' ? slash : NULL;
}

static struct assay_bytes skip_blanks(struct assay_bytes text)
{
    while (text.len > 0 && isspace((unsigned char)text.data[0])) {
        text.data++;
        text.len--;
    }
    return text;
}

// Length of a name that is not quoted: to a blank, unless a tab comes later in the line.
static size_t name_length(struct assay_bytes text, bool may_have_stamp)
{
    for (size_t at = 0; at < text.len; at++) {
        size_t last = at;

        if (!isspace((unsigned char)text.data[at]))
            continue;
        while (text.data[last] != '\t' && last + 1 < text.len &&
                isspace((unsigned char)text.data[last + 1]))
            last++;
        if (text.data[last] == '\t' ||
                memchr(text.data + last + 1, may_have_stamp ? '\t' : '\n', text.len - last - 1) ==
                        NULL)
            return at;
    }
    return text.len;
}

static int stamp_in(struct assay_bytes text)
{
    // The local time of the epoch may be either day, wherever one is.
    static const char *const epochs[] = {"1970-01-01 ", "1969-12-31 "};

    for (size_t i = 0; i < sizeof(epochs) / sizeof(epochs[0]); i++) {
        if (memmem(text.data, text.len, epochs[i], strlen(epochs[i])) != NULL)
            return STAMP_EPOCH;
    }
    return STAMP_OTHER;
}

// The name behind "--- ", "+++ " or "Index:". Untouched when there is none.
static void take_name(
        struct gnu_reader *reader, struct assay_bytes text, const char **name, int *stamp)
{
    const char *found = NULL;
    size_t used = 0;

    text = skip_blanks(text);
    if (text.len > 0 && text.data[0] == '"')
        found = patch_name_unquote(&reader->base, text, &used);
    else {
        used = name_length(text, stamp != NULL);
        found = assay_arena_memdup(reader->base.arena, text.data, used);
    }
    if (found == NULL)
        return;
    if (strcmp(found, "/dev/null") == 0) {
        if (stamp != NULL)
            *stamp = STAMP_EPOCH;
        return;
    }
    found = strip_one(found);
    if (found == NULL)
        return;
    text.data += used;
    text.len -= used;
    if (stamp != NULL)
        *stamp = text.len == 0 || text.data[0] == '\n' ? STAMP_NONE : stamp_in(text);
    *name = found;
}

static const char *git_name(struct gnu_reader *reader, struct assay_bytes *text)
{
    const char *found = NULL;
    size_t used = 0;

    *text = skip_blanks(*text);
    if (text->len > 0 && text->data[0] == '"')
        found = patch_name_unquote(&reader->base, *text, &used);
    else {
        while (used < text->len && !isspace((unsigned char)text->data[used]))
            used++;
        found = assay_arena_memdup(reader->base.arena, text->data, used);
    }
    text->data += used;
    text->len -= used;
    return strip_one(found);
}

static void take_git_line(struct gnu_reader *reader, struct gnu_scan *scan, struct assay_bytes text)
{
    const char *old_name = git_name(reader, &text);
    const char *new_name = old_name != NULL ? git_name(reader, &text) : NULL;
    const bool fine = new_name != NULL && skip_blanks(text).len == 0;

    scan->file.names[ASSAY_GNU_OLD] = fine ? old_name : NULL;
    scan->file.names[ASSAY_GNU_NEW] = fine ? new_name : NULL;
    scan->file.git = true;
    scan->need_header = false;
}

static uint32_t mode_in(struct assay_bytes text)
{
    uint32_t mode = 0;

    text = skip_blanks(text);
    if (text.len < 7)
        return 0;
    for (size_t i = 0; i < 6; i++) {
        if (text.data[i] < '0' || text.data[i] > '7')
            return 0;
        mode = mode * 8 + (uint32_t)(text.data[i] - '0');
    }
    return text.data[6] == '\n' || text.data[6] == '\r' ? mode : 0;
}

static size_t hex_length(struct assay_bytes text)
{
    size_t len = 0;

    while (len < text.len &&
            (isdigit((unsigned char)text.data[len]) ||
                    (text.data[len] >= 'a' && text.data[len] <= 'f')))
        len++;
    return len;
}

// All zeros: missing; the blob of an empty file, maybe abbreviated: empty.
static unsigned blob_says(const char *blob, size_t len)
{
    static const char empty[] = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

    if (strspn(blob, "0") >= len)
        return 2;
    return len <= strlen(empty) && memcmp(blob, empty, len) == 0;
}

static void take_index(struct gnu_scan *scan, struct assay_bytes text)
{
    const size_t old_len = hex_length(text);
    struct assay_bytes rest = {.data = text.data + old_len, .len = text.len - old_len};
    size_t new_len = 0;

    if (old_len == 0 || !patch_bytes_start(rest, ".."))
        return;
    rest.data += 2;
    rest.len -= 2;
    new_len = hex_length(rest);
    if (new_len == 0 || new_len == rest.len || !isspace((unsigned char)rest.data[new_len]))
        return;
    scan->file.missing[ASSAY_GNU_OLD] = blob_says(text.data, old_len);
    scan->file.missing[ASSAY_GNU_NEW] = blob_says(rest.data, new_len);
    rest.data += new_len;
    rest.len -= new_len;
    if (skip_blanks(rest).len > 0)
        scan->file.modes[ASSAY_GNU_OLD] = scan->file.modes[ASSAY_GNU_NEW] = mode_in(rest);
    scan->extended = true;
}

// A line that only git writes; false when it is none.
static bool take_extended(struct gnu_scan *scan, struct assay_bytes line)
{
    static const char *const starts[] = {"index ", "old mode ", "new mode ", "deleted file mode ",
            "new file mode ", "rename from ", "rename to ", "copy from ", "copy to "};
    struct assay_gnu_file *file = &scan->file;
    size_t which = 0;

    while (which < sizeof(starts) / sizeof(starts[0]) && !patch_bytes_start(line, starts[which]))
        which++;
    if (!file->git || which == sizeof(starts) / sizeof(starts[0]))
        return false;
    line.data += strlen(starts[which]);
    line.len -= strlen(starts[which]);
    if (which == 0) {
        take_index(scan, line);
        return true;
    }
    scan->extended = true;
    if (which == 1 || which == 3)
        file->modes[ASSAY_GNU_OLD] = mode_in(line);
    if (which == 2 || which == 4)
        file->modes[ASSAY_GNU_NEW] = mode_in(line);
    if (which == 3)
        file->missing[ASSAY_GNU_NEW] = 2;
    if (which == 4)
        file->missing[ASSAY_GNU_OLD] = 2;
    if (which == 5 || which == 6)
        file->renames |= (unsigned)(which - 4);
    if (which >= 7)
        file->copies |= (unsigned)(which - 6);
    return true;
}

static bool starts_word(struct assay_bytes line, const char *word)
{
    const size_t len = strlen(word);

    return line.len > len && patch_bytes_start(line, word) &&
            (line.data[len] == ' ' || line.data[len] == '\t');
}

static struct assay_bytes behind(struct assay_bytes line, size_t len)
{
    return (struct assay_bytes){.data = line.data + len, .len = line.len - len};
}

// A line that names a file; the last one's line end is taken for that of the hunks.
static void take_header(struct gnu_reader *reader, struct gnu_scan *scan, struct assay_bytes line)
{
    const bool cr = line.len >= 2 && line.data[line.len - 2] == '\r';
    struct assay_gnu_file *file = &scan->file;

    if (starts_word(line, "+++")) {
        take_name(
                reader, behind(line, 4), &file->names[ASSAY_GNU_OLD], &scan->stamps[ASSAY_GNU_OLD]);
    } else if (patch_bytes_start(line, "Index:")) {
        take_name(reader, behind(line, 6), &file->names[ASSAY_GNU_INDEX], NULL);
    } else if (starts_word(line, "---")) {
        int stamp = STAMP_NONE;

        take_name(reader, behind(line, 4), &file->names[ASSAY_GNU_NEW], &stamp);
        if (stamp != STAMP_NONE)
            scan->stamps[ASSAY_GNU_NEW] = stamp;
    } else if (!scan->stars && starts_word(line, "***")) {
        take_name(
                reader, behind(line, 4), &file->names[ASSAY_GNU_OLD], &scan->stamps[ASSAY_GNU_OLD]);
        scan->need_header = false;
        return;
    } else {
        return;
    }
    scan->need_header = false;
    reader->strip_cr = cr;
}

// "3,5c", "7a" and the like.
static bool is_command(struct assay_bytes line, const char *letters)
{
    size_t at = 0;

    while (at < line.len && (isdigit((unsigned char)line.data[at]) || line.data[at] == ','))
        at++;
    if (at == line.len || strchr(letters, line.data[at]) == NULL)
        return false;
    at++;
    while (at < line.len &&
            (isdigit((unsigned char)line.data[at]) || strchr(", \t\r", line.data[at]) != NULL))
        at++;
    return at < line.len && line.data[at] == '\n';
}

static void swap_sides(struct gnu_scan *scan)
{
    const char *name = scan->file.names[ASSAY_GNU_OLD];
    const int stamp = scan->stamps[ASSAY_GNU_OLD];

    scan->file.names[ASSAY_GNU_OLD] = scan->file.names[ASSAY_GNU_NEW];
    scan->file.names[ASSAY_GNU_NEW] = name;
    scan->stamps[ASSAY_GNU_OLD] = scan->stamps[ASSAY_GNU_NEW];
    scan->stamps[ASSAY_GNU_NEW] = stamp;
}

// "@@ -0,0 +1 @@": a side of line 0 is empty; and missing, if its time is that of a missing file.
static void read_sides(struct gnu_scan *scan, struct assay_bytes line)
{
    swap_sides(scan);
    line = behind(line, 4);
    if (line.len > 1 && line.data[0] == '0' && !isdigit((unsigned char)line.data[1]))
        scan->file.missing[ASSAY_GNU_OLD] = 1 + (scan->stamps[ASSAY_GNU_OLD] == STAMP_EPOCH);
    while (line.len > 0 && line.data[0] != ' ' && line.data[0] != '\n')
        line = behind(line, 1);
    while (line.len > 0 && line.data[0] == ' ')
        line = behind(line, 1);
    if (line.len > 2 && line.data[0] == '+' && line.data[1] == '0' &&
            !isdigit((unsigned char)line.data[2]))
        scan->file.missing[ASSAY_GNU_NEW] = 1 + (scan->stamps[ASSAY_GNU_NEW] == STAMP_EPOCH);
}

enum gnu_line { LINE_GOES_ON, LINE_STARTS_HUNKS, LINE_ENDS_FILE, LINE_BROKEN };

static enum gnu_line refuse_kind(struct gnu_reader *reader, const char *kind)
{
    (void)patch_fail(&reader->base, reader->base.at, "GNU patch would read %s here", kind);
    return LINE_BROKEN;
}

// Line reader->base.at, of which `columns` are indent.
static enum gnu_line scan_line(
        struct gnu_reader *reader, struct gnu_scan *scan, struct assay_bytes line, size_t columns)
{
    const bool stars_before = scan->stars;

    if (!scan->need_header && is_command(line, "acdis"))
        scan->ed_command = true;
    scan->command |= isdigit((unsigned char)line.data[0]) && is_command(line, "acd");
    if (patch_bytes_start(line, "diff --git ")) {
        if (scan->extended)
            return LINE_ENDS_FILE;
        take_git_line(reader, scan, behind(line, strlen("diff --git ")));
    } else if (scan->file.git && patch_bytes_start(line, "GIT binary patch")) {
        scan->file.binary = true;
        reader->base.at++;
        return LINE_ENDS_FILE;
    } else if (!take_extended(scan, line)) {
        take_header(reader, scan, line);
    }
    if (scan->need_header)
        return LINE_GOES_ON;
    if (patch_bytes_start(line, "@@ -")) {
        read_sides(scan, line);
        reader->indent = columns;
        return LINE_STARTS_HUNKS;
    }
    scan->stars = patch_bytes_start(line, "********");
    if (stars_before && starts_word(line, "***"))
        return refuse_kind(reader, "a context diff");
    if (scan->command && (patch_bytes_start(line, "< ") || patch_bytes_start(line, "> ")))
        return refuse_kind(reader, "a normal diff");
    if (scan->ed_command && line.len == 2 && line.data[0] == '.')
        return refuse_kind(reader, "an ed script");
    return LINE_GOES_ON;
}

static struct assay_bytes without_indent(struct assay_bytes line, size_t *columns)
{
    *columns = 0;
    while (line.len > 1 && (line.data[0] == ' ' || line.data[0] == '\t' || line.data[0] == 'X')) {
        *columns = line.data[0] == '\t' ? (*columns + 8) & ~(size_t)7 : *columns + 1;
        line = behind(line, 1);
    }
    return line;
}

// The next file's header. *found: there is one.
static enum assay_status find_file(
        struct gnu_reader *reader, struct assay_gnu_file *file, bool *found)
{
    struct gnu_scan scan = {.need_header = true};
    enum gnu_line kind = LINE_GOES_ON;
    size_t first = 0;

    for (; !gnu_at_end(reader); reader->base.at++) {
        const struct assay_bytes whole = reader->base.lines[reader->base.at];
        size_t columns = 0;
        const struct assay_bytes line = without_indent(whole, &columns);
        const bool headless = scan.need_header;

        if (whole.data[0] == '#')
            continue; // a comment
        kind = scan_line(reader, &scan, line, columns);
        if (headless && !scan.need_header)
            first = reader->base.at;
        if (kind != LINE_GOES_ON)
            break;
    }
    if (kind == LINE_BROKEN)
        return ASSAY_EPATCH;
    if (kind == LINE_GOES_ON && scan.ed_command) {
        reader->base.at = reader->base.line_count - 1;
        (void)refuse_kind(reader, "an ed script");
        return ASSAY_EPATCH;
    }
    *found = kind != LINE_GOES_ON || scan.extended;
    *file = scan.file;
    file->patch_line = patch_line_number(&reader->base, first);
    return ASSAY_OK;
}

static enum assay_status read_hunks(struct gnu_reader *reader, struct assay_gnu_file *file)
{
    struct assay_patch_file hunks = {0};
    size_t capacity = 0;
    bool found = true;
    enum assay_status status = ASSAY_OK;

    while (status == ASSAY_OK && found && !file->binary) {
        struct assay_patch_hunk hunk = {0};

        status = gnu_hunk_read(reader, &hunk, &found);
        if (status == ASSAY_OK && found)
            status = patch_add_hunk(&reader->base, &hunks, &capacity, &hunk);
    }
    file->hunks = hunks.hunks;
    file->hunk_count = hunks.hunk_count;
    return status;
}

static enum assay_status add_file(struct gnu_reader *reader, struct assay_gnu_patch *patch,
        size_t *capacity, const struct assay_gnu_file *file)
{
    struct assay_gnu_file *files = NULL;

    if (patch->file_count >= ASSAY_PATCH_FILES_MAX)
        return patch_fail(
                &reader->base, reader->base.at - 1, "more than %zu files", ASSAY_PATCH_FILES_MAX);
    if (patch->file_count == *capacity) {
        *capacity = *capacity > 0 ? *capacity * 2 : 4;
        files = assay_arena_array(reader->base.arena, *capacity, sizeof(*files));
        if (files == NULL)
            return assay_fail(reader->base.err, ASSAY_ENOMEM, "no memory for %zu files", *capacity);
        if (patch->file_count > 0)
            memcpy(files, patch->files, patch->file_count * sizeof(*files));
        patch->files = files;
    }
    patch->files[patch->file_count++] = *file;
    return ASSAY_OK;
}

enum assay_status assay_patch_read_gnu(struct assay_gnu_patch **out, struct assay_bytes text,
        struct assay_arena *arena, struct assay_error *err)
{
    struct gnu_reader reader = {.base = {.arena = arena, .err = err}};
    struct assay_gnu_patch *patch = assay_arena_alloc(arena, sizeof(*patch));
    size_t capacity = 0;
    bool found = true;
    enum assay_status status = ASSAY_OK;

    if (patch == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a patch");
    status = patch_cut_lines(&reader.base, text);
    while (status == ASSAY_OK && found && !gnu_at_end(&reader)) {
        struct assay_gnu_file file = {0};

        status = find_file(&reader, &file, &found);
        if (status == ASSAY_OK && found)
            status = read_hunks(&reader, &file);
        if (status == ASSAY_OK && found)
            status = add_file(&reader, patch, &capacity, &file);
    }
    if (status == ASSAY_OK && patch->file_count == 0)
        status = assay_fail(err, ASSAY_EPATCH, "GNU patch: only garbage was found");
    if (status == ASSAY_OK)
        *out = patch;
    return status;
}
