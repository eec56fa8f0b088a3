// SPDX-License-Identifier: MIT
#include "orchestrator/report_diff.h"

#include <stdbool.h>
#include <string.h>

#include "orchestrator/html.h"

enum line_kind {
    LINE_CONTEXT, // and whatever is nothing else
    LINE_FILE,    // "diff --git a/x b/x"
    LINE_HEADER,  // "index", "---", "+++", modes, renames
    LINE_HUNK,    // "@@ -1,2 +1,3 @@"
    LINE_ADDED,
    LINE_DELETED,
    LINE_NOTE, // "\ No newline at end of file"
};

static const struct {
    const char *open, *close;
} tags[] = {
        [LINE_CONTEXT] = {"<span>", "</span>"},
        [LINE_FILE] = {"<span class=\"df\">", "</span>"},
        [LINE_HEADER] = {"<span class=\"dm\">", "</span>"},
        [LINE_HUNK] = {"<span class=\"dh\">", "</span>"},
        [LINE_ADDED] = {"<ins>", "</ins>"},
        [LINE_DELETED] = {"<del>", "</del>"},
        [LINE_NOTE] = {"<span class=\"dm\">", "</span>"},
};
// One kind's end and the next one's beginning.
#define TAG_BYTES_MAX ((size_t)32)

// Lines that the hunk's header promised and that are still to come. Inside them
// "--- x" is a deleted "-- x"; outside it names a file.
struct scan {
    size_t old_left, new_left;
};

static bool starts_with(const char *line, size_t len, const char *prefix)
{
    const size_t prefix_len = strlen(prefix);

    return len >= prefix_len && memcmp(line, prefix, prefix_len) == 0;
}

// "12,3" -> 3, "12" -> 1; *i stops behind it. A number without sense is only a colour gone wrong.
static size_t range_count(const char *line, size_t len, size_t *i)
{
    size_t numbers[2] = {0, 1};

    for (size_t n = 0; n < 2; n++) {
        if (n == 1) {
            if (*i >= len || line[*i] != ',')
                break;
            numbers[1] = 0;
            ++*i;
        }
        for (; *i < len && line[*i] >= '0' && line[*i] <= '9'; ++*i) {
            if (numbers[n] < 1000000000)
                numbers[n] = numbers[n] * 10 + (size_t)(line[*i] - '0');
        }
    }
    return numbers[1];
}

static void begin_hunk(struct scan *scan, const char *line, size_t len)
{
    size_t i = strlen("@@ -");

    *scan = (struct scan){0, 0};
    if (!starts_with(line, len, "@@ -"))
        return;
    scan->old_left = range_count(line, len, &i);
    if (i + 1 < len && line[i] == ' ' && line[i + 1] == '+') {
        i += 2;
        scan->new_left = range_count(line, len, &i);
    }
}

static void take(size_t *left)
{
    if (*left > 0)
        --*left;
}

// The kind of a line that stands inside a hunk; false: the hunk's header lied, it has ended.
static bool classify_in_hunk(struct scan *scan, enum line_kind *kind, char first)
{
    switch (first) {
    case '+':
        take(&scan->new_left);
        *kind = LINE_ADDED;
        return true;
    case '-':
        take(&scan->old_left);
        *kind = LINE_DELETED;
        return true;
    case ' ':
    case '\n':
    case '\r':
        take(&scan->old_left);
        take(&scan->new_left);
        *kind = LINE_CONTEXT;
        return true;
    case '\\':
        *kind = LINE_NOTE;
        return true;
    default:
        *scan = (struct scan){0, 0};
        return false;
    }
}

static enum line_kind classify(struct scan *scan, const char *line, size_t len)
{
    static const struct {
        const char *prefix;
        enum line_kind kind;
    } rows[] = {{"diff ", LINE_FILE}, {"@@", LINE_HUNK}, {"--- ", LINE_HEADER},
            {"+++ ", LINE_HEADER}, {"+", LINE_ADDED}, {"-", LINE_DELETED}, {"\\", LINE_NOTE},
            {" ", LINE_CONTEXT}, {"\n", LINE_CONTEXT}};
    enum line_kind kind = LINE_HEADER;

    if ((scan->old_left > 0 || scan->new_left > 0) && classify_in_hunk(scan, &kind, line[0]))
        return kind;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        if (starts_with(line, len, rows[r].prefix)) {
            kind = rows[r].kind;
            break;
        }
    }
    if (kind == LINE_HUNK)
        begin_hunk(scan, line, len);
    return kind;
}

// With its newline, which the last line may lack.
static size_t line_length(const char *text, size_t left)
{
    const char *newline = memchr(text, '\n', left);

    return newline ? (size_t)(newline - text) + 1 : left;
}

struct assay_report_diff_counts assay_report_diff_count(const char *patch, size_t len)
{
    struct assay_report_diff_counts counts = {0};
    struct scan scan = {0};
    size_t named = 0; // files that only "+++" names: no git header stands before them

    for (size_t at = 0, line_len = 0; at < len; at += line_len) {
        enum line_kind kind = LINE_CONTEXT;

        line_len = line_length(patch + at, len - at);
        kind = classify(&scan, patch + at, line_len);
        counts.files += kind == LINE_FILE;
        named += kind == LINE_HEADER && starts_with(patch + at, line_len, "+++ ");
        counts.added += kind == LINE_ADDED;
        counts.deleted += kind == LINE_DELETED;
    }
    if (named > counts.files)
        counts.files = named;
    return counts;
}

size_t assay_report_diff_write(
        struct assay_buf *out, const char *patch, size_t len, size_t html_bytes_max)
{
    const size_t start = out->len;
    struct scan scan = {0};
    enum line_kind kind = LINE_CONTEXT;
    bool cut = false;
    size_t at = 0;

    while (at < len && !cut && !out->failed) {
        const size_t line_len = line_length(patch + at, len - at);
        const size_t used = out->len - start + 2 * TAG_BYTES_MAX;
        const size_t room = used < html_bytes_max ? (html_bytes_max - used) / ASSAY_HTML_GROWTH : 0;
        const size_t shown = assay_html_cut(patch + at, line_len, room);
        const enum line_kind next = classify(&scan, patch + at, line_len);

        cut = shown < line_len;
        if (shown == 0)
            break;
        if (at > 0 && next != kind)
            assay_buf_adds(out, tags[kind].close);
        if (at == 0 || next != kind)
            assay_buf_adds(out, tags[next].open);
        kind = next;
        assay_html_bytes(out, patch + at, shown, ASSAY_HTML_BLOCK);
        at += shown;
    }
    if (at > 0)
        assay_buf_adds(out, tags[kind].close);
    return at;
}
