// SPDX-License-Identifier: MIT
#include "tasks/quilt.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BLANKS " \t\r\f\v"

// --- series -------------------------------------------------------------------------------------

static bool name_valid(const char *name)
{
    const char *part = name;

    if (name[0] == '/' || name[0] == '-')
        return false;
    while (part != NULL) {
        const size_t len = strcspn(part, "/");

        if (len == 0 || (len == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part = part[len] == '/' ? part + len + 1 : NULL;
    }
    return true;
}

// "-p1", "-pab" (which is how quilt says -p1); *rest is behind it.
static bool read_option(unsigned *strip, char **rest, const char *word)
{
    const char *value = word + 2;

    if (strncmp(word, "-p", 2) != 0)
        return false;
    if (value[0] == '\0') // "-p 1"
        value = strtok_r(NULL, BLANKS, rest);
    if (value == NULL)
        return false;
    if (strcmp(value, "ab") == 0) {
        *strip = 1;
        return true;
    }
    *strip = (unsigned)(value[0] - '0');
    return isdigit((unsigned char)value[0]) && value[1] == '\0';
}

static enum assay_status read_line(struct assay_quilt_patch *out, char *line, size_t number,
        struct assay_arena *arena, struct assay_error *err)
{
    char *rest = NULL;
    const char *name = NULL;

    out->strip = 1;
    name = strtok_r(line, BLANKS, &rest);
    if (name == NULL)
        return ASSAY_OK; // nothing there
    if (!name_valid(name))
        return assay_fail(err, ASSAY_EINVAL, "series:%zu: \"%.60s\" is no name", number, name);
    for (char *word = strtok_r(NULL, BLANKS, &rest); word != NULL;
            word = strtok_r(NULL, BLANKS, &rest))
        if (!read_option(&out->strip, &rest, word))
            return assay_fail(
                    err, ASSAY_EINVAL, "series:%zu: option \"%.20s\" is unknown", number, word);
    out->name = assay_arena_strdup(arena, name);
    return out->name != NULL ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "series: out of memory");
}

enum assay_status assay_quilt_series(struct assay_quilt_patch **out, size_t *count,
        struct assay_bytes series, struct assay_arena *arena, struct assay_error *err)
{
    char *line = assay_arena_memdup(arena, series.data, series.len);
    size_t lines = 1, used = 0;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; line != NULL && i < series.len; i++)
        lines += line[i] == '\n';
    *out = assay_arena_array(arena, lines, sizeof(**out));
    *count = 0;
    if (line == NULL || *out == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "series: out of memory");
    for (size_t number = 1; number <= lines && status == ASSAY_OK; number++) {
        char *end = line + strcspn(line, "\n");
        const bool last = *end == '\0'; // a NUL ends the text as well

        *end = '\0';
        line[strcspn(line, "#")] = '\0';
        (*out)[used].name = NULL;
        status = read_line(&(*out)[used], line, number, arena, err);
        used += status == ASSAY_OK && (*out)[used].name != NULL;
        if (used > ASSAY_QUILT_PATCHES_MAX)
            status = assay_fail(
                    err, ASSAY_EINVAL, "series: more than %d patches", ASSAY_QUILT_PATCHES_MAX);
        line = end + 1;
        if (last)
            break;
    }
    *count = used;
    return status;
}

// --- header -------------------------------------------------------------------------------------

static bool begins(const char *line, size_t len, const char *with)
{
    return len >= strlen(with) && strncasecmp(line, with, strlen(with)) == 0;
}

static bool begins_any(const char *line, size_t len, const char *const *with, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (begins(line, len, with[i]))
            return true;
    return false;
}

// Where a diff, or the list of changed files that git puts before it, begins.
static bool header_ends(const char *line, size_t len)
{
    static const char *const marks[] = {"--- ", "diff ", "Index: ", "====", "@@ "};

    return (len == 3 && memcmp(line, "---", 3) == 0) ||
            begins_any(line, len, marks, COUNT(marks)) || begins(line, len, "*** ");
}

// "Name: text", as in a mail or by DEP-3.
static size_t field_name_len(const char *line, size_t len)
{
    size_t at = 0;

    while (at < len && (isalnum((unsigned char)line[at]) || line[at] == '-' || line[at] == '_'))
        at++;
    return at > 0 && at < len && line[at] == ':' && (at + 1 == len || line[at + 1] == ' ') ? at : 0;
}

static bool is_trailer(const char *line, size_t len)
{
    static const char *const trailers[] = {"Signed-off-by:", "Co-authored-by:", "Reviewed-by:",
            "Acked-by:", "Tested-by:", "Reported-by:", "Change-Id:", "(cherry picked from",
            "(backported from", "Cc:", "Closes:", "Fixes:", "See:", "Gbp-"};

    return begins_any(line, len, trailers, COUNT(trailers));
}

static void add_line(struct assay_buf *out, size_t start, const char *line, size_t len)
{
    len = strnlen(line, len);
    while (len > 0 && strchr(BLANKS, line[len - 1]) != NULL)
        len--;
    if (len == 1 && line[0] == '.') // DEP-3's empty line
        len = 0;
    // One empty line parts two paragraphs, and none comes first.
    if (len == 0 &&
            (out->len == start || (out->len - start >= 2 && out->data[out->len - 2] == '\n')))
        return;
    assay_buf_addf(out, "%.*s\n", (int)len, line);
}

// A subject without git's "[PATCH 1/3]".
static void add_subject(struct assay_buf *out, size_t start, const char *text, size_t len)
{
    const char *end = text + len;

    while (text < end && (*text == ' ' || *text == '\t'))
        text++;
    if (text < end && *text == '[') {
        const char *close = memchr(text, ']', (size_t)(end - text));

        text = close == NULL ? text : close + 1;
        while (text < end && *text == ' ')
            text++;
    }
    add_line(out, start, text, (size_t)(end - text));
}

// Fields that DEP-3 lets stand below a mail's empty line.
static bool field_known(const char *line, size_t len)
{
    static const char *const known[] = {"Author:", "From:", "Date:", "Origin:", "Bug:", "Bug-",
            "Forwarded:", "Applied-Upstream:", "Last-Update:", "Reviewed-By:", "Description:",
            "Subject:"};

    return begins_any(line, len, known, COUNT(known));
}

struct header {
    struct assay_buf *out;
    size_t start;                              // of what this header says, in out
    enum { PROSE, TAKEN, PASSED_OVER } within; // where the line before was: in prose or a field
    bool fields; // so far there were fields alone, and any name may be one
};

static void take_line(struct header *h, const char *line, size_t len)
{
    const size_t name_len = h->fields || field_known(line, len) ? field_name_len(line, len) : 0;

    if (name_len > 0) {
        const bool taken = begins(line, len, "Subject:") || begins(line, len, "Description:");

        h->within = taken ? TAKEN : PASSED_OVER;
        if (taken)
            add_subject(h->out, h->start, line + name_len + 1, len - name_len - 1);
    } else if (h->within != PROSE && len > 0 && (line[0] == ' ' || line[0] == '\t')) { // goes on
        if (h->within == TAKEN)
            add_line(h->out, h->start, line + 1, len - 1);
    } else if (!begins(line, len, "From ")) { // git's first line
        h->within = PROSE;
        h->fields = false;
        if (!is_trailer(line, len))
            add_line(h->out, h->start, line, len);
    }
}

void assay_quilt_problem(struct assay_buf *out, struct assay_bytes patch)
{
    struct header header = {.out = out, .start = out->len, .within = PROSE, .fields = true};
    const char *const end = patch.data + patch.len;

    for (const char *line = patch.data, *next = NULL; line < end; line = next) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const size_t len = (size_t)((newline == NULL ? end : newline) - line);

        next = newline == NULL ? end : newline + 1;
        if (header_ends(line, len))
            break;
        take_line(&header, line, len);
    }
    while (out->len > header.start + 1 && out->data[out->len - 2] == '\n')
        assay_buf_truncate(out, out->len - 1);
}

// --- names --------------------------------------------------------------------------------------

// "--- name\ttime" with the names' first `strip` folders taken off and "a/" before the rest.
static void add_name(struct assay_buf *out, const char *line, size_t len, unsigned strip)
{
    const char *name = line + 4, *const end = line + len;

    if (begins(name, (size_t)(end - name), "/dev/null")) {
        assay_buf_add(out, line, len);
        return;
    }
    for (; strip > 0; strip--) {
        const char *slash = memchr(name, '/', (size_t)(end - name));

        name = slash == NULL ? name : slash + 1;
    }
    assay_buf_addf(out, "%.4s%c/%.*s", line, line[0] == '-' ? 'a' : 'b', (int)(end - name), name);
}

// How many lines of the old and of the new file "@@ -1,2 +3,4 @@" promises. A NUL follows the text.
static bool read_hunk(const char *line, unsigned long counts[2])
{
    static const char signs[] = "-+";

    line += 2;
    for (size_t side = 0; side < 2; side++) {
        char *at = NULL;

        if (line[0] != ' ' || line[1] != signs[side] || !isdigit((unsigned char)line[2]))
            return false;
        (void)strtoul(line + 2, &at, 10);
        counts[side] = 1;
        if (at[0] == ',' && isdigit((unsigned char)at[1]))
            counts[side] = strtoul(at + 1, &at, 10);
        line = at;
    }
    return true;
}

void assay_quilt_diff(struct assay_buf *out, struct assay_bytes patch, unsigned strip)
{
    const char *const end = patch.data + patch.len;
    unsigned long left[2] = {0, 0}; // of the hunk

    if (strip == 1) {
        assay_buf_add(out, patch.data, patch.len);
        return;
    }
    for (const char *line = patch.data, *next = NULL; line < end; line = next) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const size_t len = (size_t)((newline == NULL ? end : newline) - line);

        next = newline == NULL ? end : newline + 1;
        if (left[0] + left[1] > 0) {
            left[0] -= left[0] > 0 && line[0] != '+' && line[0] != '\\';
            left[1] -= left[1] > 0 && line[0] != '-' && line[0] != '\\';
        } else if (begins(line, len, "diff ") || begins(line, len, "Index: ")) {
            continue;
        } else if (begins(line, len, "--- ") || begins(line, len, "+++ ")) {
            add_name(out, line, len, strip);
            assay_buf_addc(out, '\n');
            continue;
        } else if (begins(line, len, "@@ ") && !read_hunk(line, left)) {
            left[0] = left[1] = 0;
        }
        assay_buf_add(out, line, (size_t)(next - line));
    }
}
