// SPDX-License-Identifier: MIT
#include "tasks/patch_make.h"

#include <stdlib.h>
#include <string.h>

#define NO_NEWLINE "\\ No newline at end of file\n"

void assay_patch_add_file(
        struct assay_buf *out, const char *path, bool executable, struct assay_bytes text)
{
    const char *end = text.data + text.len;
    size_t lines = 0;

    assay_buf_addf(out, "diff --git a/%s b/%s\nnew file mode %s\n", path, path,
            executable ? "100755" : "100644");
    if (text.len == 0) {
        assay_buf_adds(out, "index 0000000..e69de29\n"); // git's name of nothing
        return;
    }
    for (const char *at = text.data; at < end; at++)
        lines += *at == '\n';
    lines += end[-1] != '\n';
    assay_buf_addf(out, "--- /dev/null\n+++ b/%s\n@@ -0,0 +1,%zu @@\n", path, lines);
    for (const char *at = text.data; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const size_t len = stop == NULL ? (size_t)(end - at) : (size_t)(stop - at) + 1;

        assay_buf_addc(out, '+');
        assay_buf_add(out, at, len);
        at += len;
    }
    if (end[-1] != '\n')
        assay_buf_adds(out, "\n" NO_NEWLINE);
}

// --- the reverse ---------------------------------------------------------------------------------

struct line {
    const char *text; // with its end
    size_t len;
};

struct reversing {
    struct assay_buf *out;
    const char *at, *end;
    struct assay_buf added; // lines that the reverse adds, held back behind those it removes
    struct line old_name;   // "--- ..."; empty: none yet
};

static bool next_line(struct reversing *r, struct line *line)
{
    const char *stop;

    if (r->at == r->end)
        return false;
    stop = memchr(r->at, '\n', (size_t)(r->end - r->at));
    *line = (struct line){
            r->at, stop == NULL ? (size_t)(r->end - r->at) : (size_t)(stop - r->at) + 1};
    r->at += line->len;
    return true;
}

static bool starts(const struct line *line, const char *word)
{
    const size_t len = strlen(word);

    return line->len >= len && memcmp(line->text, word, len) == 0;
}

// "-3,4" or "-3": a start and a count. False: neither.
static bool read_range(const char **at, char sign, size_t range[2])
{
    char *end;

    if (**at != sign || (*at)[1] < '0' || (*at)[1] > '9')
        return false;
    range[0] = strtoul(*at + 1, &end, 10);
    range[1] = 1;
    if (*end == ',') {
        if (end[1] < '0' || end[1] > '9')
            return false;
        range[1] = strtoul(end + 1, &end, 10);
    }
    *at = end;
    return true;
}

static void flush(struct reversing *r)
{
    assay_buf_add(r->out, r->added.data, r->added.len);
    assay_buf_clear(&r->added);
}

// The lines of a hunk of so many on each side. Removed before added, as diffs have them.
static bool reverse_lines(struct reversing *r, size_t old_left, size_t new_left)
{
    struct line line = {NULL, 0};
    struct assay_buf *last = r->out; // where a "\ No newline" belongs

    while (old_left + new_left > 0 || (r->at < r->end && *r->at == '\\')) {
        if (!next_line(r, &line))
            return false;
        if (line.text[0] == '\\') {
            assay_buf_add(last, line.text, line.len);
            continue;
        }
        if (line.text[0] == '-' && old_left > 0) {
            old_left--;
            last = &r->added;
            assay_buf_addc(last, '+');
        } else if (line.text[0] == '+' && new_left > 0) {
            new_left--;
            last = r->out;
            assay_buf_addc(last, '-');
        } else if ((line.text[0] == ' ' || line.text[0] == '\n') && old_left > 0 && new_left > 0) {
            old_left--;
            new_left--;
            flush(r);
            last = r->out;
            assay_buf_add(last, line.text, line.len);
            continue;
        } else {
            return false;
        }
        assay_buf_add(last, line.text + 1, line.len - 1);
    }
    flush(r);
    return true;
}

static bool reverse_hunk(struct reversing *r, const struct line *head)
{
    char text[96];
    const char *at = text + strlen("@@ ");
    const char *stop = memmem(head->text + 2, head->len - 2, " @@", 3);
    size_t ranges[2][2];

    // The ranges stand in front; what follows the second "@@" may be long.
    if (stop == NULL || (size_t)(stop - head->text) >= sizeof(text) || head->len < 4)
        return false;
    memcpy(text, head->text, (size_t)(stop - head->text));
    text[stop - head->text] = '\0';
    if (!read_range(&at, '-', ranges[0]) || *at++ != ' ' || !read_range(&at, '+', ranges[1]) ||
            *at != '\0')
        return false;
    assay_buf_addf(
            r->out, "@@ -%zu,%zu +%zu,%zu", ranges[1][0], ranges[1][1], ranges[0][0], ranges[0][1]);
    assay_buf_add(r->out, stop, head->len - (size_t)(stop - head->text));
    return reverse_lines(r, ranges[0][1], ranges[1][1]);
}

// "--- a/x" as "+++ b/x" and the reverse.
static void add_name(struct assay_buf *out, const char *mark, char side, const struct line *name)
{
    const char *text = name->text + 4;
    const size_t len = name->len - 4;

    assay_buf_adds(out, mark);
    if (len > 2 && (text[0] == 'a' || text[0] == 'b') && text[1] == '/') {
        assay_buf_addc(out, side);
        assay_buf_add(out, text + 1, len - 1);
    } else {
        assay_buf_add(out, text, len);
    }
}

// "<word>A\n" and then "B\n" behind what it was; index A..B[ mode].
static bool reverse_index(struct assay_buf *out, const struct line *line)
{
    const char *names = line->text + strlen("index ");
    const size_t len = line->len - strlen("index ");
    const char *dots = memmem(names, len, "..", 2);
    size_t second;

    if (dots == NULL)
        return false;
    for (second = 0; dots + 2 + second < names + len; second++)
        if (strchr(" \r\n", dots[2 + second]) != NULL)
            break;
    assay_buf_adds(out, "index ");
    assay_buf_add(out, dots + 2, second);
    assay_buf_adds(out, "..");
    assay_buf_add(out, names, (size_t)(dots - names));
    assay_buf_add(out, dots + 2 + second, len - (size_t)(dots - names) - 2 - second);
    return true;
}

static const char *reverse_header(struct reversing *r, const struct line *line)
{
    static const char *const swaps[][2] = {{"new file mode ", "deleted file mode "},
            {"deleted file mode ", "new file mode "}, {"old mode ", "new mode "},
            {"new mode ", "old mode "}};

    if (starts(line, "rename ") || starts(line, "copy ") || starts(line, "similarity "))
        return "it renames or copies a file, which cannot be turned round";
    if (starts(line, "GIT binary patch") || starts(line, "Binary files "))
        return "it changes a binary file, which cannot be turned round";
    for (size_t i = 0; i < sizeof(swaps) / sizeof(swaps[0]); i++) {
        if (!starts(line, swaps[i][0]))
            continue;
        assay_buf_adds(r->out, swaps[i][1]);
        assay_buf_add(r->out, line->text + strlen(swaps[i][0]), line->len - strlen(swaps[i][0]));
        return NULL;
    }
    if (starts(line, "index "))
        return reverse_index(r->out, line) ? NULL : "its index line is broken";
    assay_buf_add(r->out, line->text, line->len);
    return NULL;
}

static const char *reverse_line(struct reversing *r, const struct line *line)
{
    if (starts(line, "@@ "))
        return reverse_hunk(r, line) ? NULL : "a hunk of it is broken";
    if (starts(line, "--- ")) {
        r->old_name = *line;
        return NULL;
    }
    if (starts(line, "+++ ") && r->old_name.len > 0) {
        add_name(r->out, "--- ", 'a', line);
        add_name(r->out, "+++ ", 'b', &r->old_name);
        r->old_name.len = 0;
        return NULL;
    }
    return reverse_header(r, line);
}

const char *assay_patch_reverse(struct assay_buf *out, struct assay_bytes patch)
{
    struct reversing r = {.out = out};
    const char *wrong = NULL;
    struct assay_buf whole;
    struct line line;

    // Lines change places: each of them must end.
    assay_buf_init(&whole, patch.len + 2);
    assay_buf_add(&whole, patch.data, patch.len);
    if (patch.len > 0 && patch.data[patch.len - 1] != '\n')
        assay_buf_addc(&whole, '\n');
    r.at = whole.data;
    r.end = whole.data + whole.len;
    if (whole.failed || whole.len == 0)
        wrong = "it is empty, or there is no memory for it";
    assay_buf_init(&r.added, whole.len + 1);
    while (wrong == NULL && next_line(&r, &line))
        wrong = reverse_line(&r, &line);
    assay_buf_free(&r.added);
    assay_buf_free(&whole);
    return wrong;
}
