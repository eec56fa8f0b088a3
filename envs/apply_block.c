// SPDX-License-Identifier: MIT
// apply_block.c - SEARCH/REPLACE blocks and whole files.
#include "envs/apply_block.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

struct block_work {
    const struct hunk_job *job;
    enum assay_patch_format format;
    struct lines_image image; // of the content so far
    struct assay_bytes *lines;
    struct lines_pattern pattern;
    struct assay_buf out;
};

enum assay_status block_refuse(const struct hunk_job *job, const struct assay_patch_hunk *hunk,
        const char *reason, struct assay_error *err)
{
    return assay_fail(
            err, ASSAY_EPATCH, "line %zu: %.100s: %s", hunk->patch_line, job->path, reason);
}

enum assay_status block_record(const struct hunk_job *job, const struct assay_patch_hunk *hunk,
        unsigned marks, struct assay_error *err)
{
    const size_t index = (size_t)(hunk - job->file->hunks);

    job->records[index] = (struct assay_hunk_record){.path = job->path,
            .hunk_index = index,
            .tolerance = hunk_marks_text(marks | job->marks, job->arena)};
    if (job->records[index].tolerance == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a record");
    return ASSAY_OK;
}

static enum assay_status charge(
        const struct lines_image *image, uint64_t steps, struct assay_error *err)
{
    *image->steps_left -= *image->steps_left > steps ? steps : *image->steps_left;
    if (*image->steps_left > 0)
        return ASSAY_OK;
    return assay_fail(err, ASSAY_EPATCH, "too many places to search: the context repeats itself");
}

enum assay_status block_find(const struct lines_image *image, const struct lines_pattern *pattern,
        enum lines_level level, uint32_t from, uint32_t last, uint32_t *found,
        struct assay_error *err)
{
    uint64_t steps = 1;

    *found = LINES_NOWHERE;
    if (pattern->count == 0 || pattern->count > image->count)
        return ASSAY_OK;
    if (last > image->count - pattern->count)
        last = image->count - pattern->count;
    for (uint32_t line = from; line <= last && *found == LINES_NOWHERE; line++, steps++) {
        if (!lines_same(level, pattern->lines[0], lines_at(image, line)))
            continue;
        steps += pattern->count;
        if (lines_match_at(image, pattern, level, line))
            *found = line;
    }
    return charge(image, steps, err);
}

const char *block_line_end(const struct lines_image *image, uint32_t line)
{
    struct assay_bytes text = {0};

    if (image->count == 0)
        return "\n";
    text = lines_at(image, line < image->count ? line : image->count - 1);
    if (text.len == lines_length_without_end(text)) // the last line, which has none
        text = lines_at(image, 0);
    return text.len - lines_length_without_end(text) == 2 ? "\r\n" : "\n";
}

void block_add_line(struct assay_buf *out, struct assay_bytes line, const char *line_end)
{
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        (void)assay_buf_adds(out, line_end);
    (void)assay_buf_add(out, line.data, lines_length_without_end(line));
    (void)assay_buf_adds(out, line_end);
}

void block_add_range(
        struct assay_buf *out, const struct lines_image *image, uint32_t begin, uint32_t end)
{
    if (begin < end)
        (void)assay_buf_add(out, image->text.data + image->starts[begin],
                image->starts[end] - image->starts[begin]);
}

unsigned block_marks(const struct lines_image *image, const struct lines_pattern *pattern,
        enum lines_level level, uint32_t line)
{
    unsigned marks = level == LINES_TRAILING ? (unsigned)HUNK_RSTRIP
            : level == LINES_TRIMMED         ? (unsigned)HUNK_TRIM
            : level == LINES_UNICODE         ? (unsigned)HUNK_UNICODE
                                             : 0U;

    for (uint32_t i = 0; i < pattern->count; i++) {
        const struct assay_bytes ours = pattern->lines[i], theirs = lines_at(image, line + i);
        const size_t our_end = ours.len - lines_length_without_end(ours);
        const size_t their_end = theirs.len - lines_length_without_end(theirs);

        if (our_end != their_end)
            marks |= their_end == 0 ? (unsigned)HUNK_NEWLINE : (unsigned)HUNK_CRLF;
    }
    return marks;
}

// --- SEARCH/REPLACE ---

static void take_search(struct block_work *work, const struct assay_patch_hunk *hunk)
{
    uint32_t count = 0;

    for (size_t i = 0; i < hunk->line_count && hunk->lines[i].kind == ASSAY_LINE_DELETE; i++)
        work->lines[count++] = hunk->lines[i].text;
    work->pattern = (struct lines_pattern){.lines = work->lines, .count = count};
}

static size_t indent_length(struct assay_bytes line)
{
    size_t len = 0;

    while (len < line.len && (line.data[len] == ' ' || line.data[len] == '\t'))
        len++;
    return len;
}

static bool is_blank(struct assay_bytes line)
{
    const size_t indent = indent_length(line);

    return lines_length_without_end(line) <= indent;
}

// Is `theirs` the line `ours` behind `indent`, line ends and blanks before them aside?
static bool same_behind(
        struct assay_bytes indent, struct assay_bytes ours, struct assay_bytes theirs)
{
    if (is_blank(ours) || is_blank(theirs))
        return is_blank(ours) && is_blank(theirs);
    if (theirs.len < indent.len || memcmp(theirs.data, indent.data, indent.len) != 0)
        return false;
    theirs.data += indent.len;
    theirs.len -= indent.len;
    return lines_same(LINES_TRAILING, ours, theirs);
}

// At `line`, do all lines of the pattern stand, indented by the same *indent more?
static bool matches_indented(
        const struct block_work *work, uint32_t line, struct assay_bytes *indent)
{
    bool known = false;

    for (uint32_t i = 0; i < work->pattern.count; i++) {
        const struct assay_bytes ours = work->pattern.lines[i];
        const struct assay_bytes theirs = lines_at(&work->image, line + i);

        if (!known && !is_blank(ours)) {
            const size_t our_indent = indent_length(ours), their_indent = indent_length(theirs);

            if (their_indent <= our_indent)
                return false;
            *indent = (struct assay_bytes){.data = theirs.data, .len = their_indent - our_indent};
            known = true;
        }
        if (!same_behind(*indent, ours, theirs))
            return false;
    }
    return known;
}

// The places of the block; *count stops at 2 unless the format asks for all.
struct places {
    uint32_t *at; // [max]
    uint32_t count, max;
    enum lines_level level;
    struct assay_bytes indent;
    bool indented;
};

static enum assay_status find_indented(
        struct block_work *work, struct places *places, struct assay_error *err)
{
    const uint32_t size = work->pattern.count;
    struct assay_bytes indent = {0};

    for (uint32_t line = 0; size <= work->image.count && line <= work->image.count - size &&
            places->count < places->max;
            line++) {
        if (matches_indented(work, line, &indent)) {
            places->at[places->count++] = line;
            places->indent = indent;
            places->indented = true;
        }
    }
    return charge(&work->image, (uint64_t)work->image.count + size, err);
}

static enum assay_status find_at_level(
        struct block_work *work, struct places *places, struct assay_error *err)
{
    uint32_t from = 0, line = 0;
    enum assay_status status = ASSAY_OK;

    while (places->count < places->max && status == ASSAY_OK) {
        status = block_find(
                &work->image, &work->pattern, places->level, from, UINT32_MAX - 1, &line, err);
        if (status != ASSAY_OK || line == LINES_NOWHERE)
            break;
        places->at[places->count++] = line;
        from = line + work->pattern.count; // as str.replace() goes on
        if (work->format == ASSAY_FORMAT_SEARCH_REPLACE)
            from = line + 1; // but two that overlap are two
    }
    return status;
}

static enum assay_status find_places(struct block_work *work, const struct assay_patch_hunk *hunk,
        struct places *places, struct assay_error *err)
{
    static const enum lines_level levels[] = {LINES_BYTES, LINES_ENDS, LINES_TRAILING};
    const bool once = work->format == ASSAY_FORMAT_SEARCH_REPLACE;
    const size_t level_count = once ? 3 : 2;
    enum assay_status status = ASSAY_OK;
    char reason[96];

    places->max = once ? 2 : work->format == ASSAY_FORMAT_SEARCH_REPLACE_FIRST ? 1 : UINT32_MAX;
    if (places->max > work->image.count)
        places->max = work->image.count;
    places->at = assay_arena_array(work->job->arena, places->max, sizeof(*places->at));
    if (places->at == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a block");
    for (size_t i = 0; i < level_count && places->count == 0 && status == ASSAY_OK; i++) {
        places->level = levels[i];
        status = find_at_level(work, places, err);
    }
    if (status == ASSAY_OK && places->count == 0 && once)
        status = find_indented(work, places, err);
    if (status != ASSAY_OK)
        return status;
    if (places->count == 0)
        return block_refuse(work->job, hunk, "the SEARCH lines are not in the file", err);
    if (!once || places->count == 1)
        return ASSAY_OK;
    (void)snprintf(reason, sizeof(reason),
            "the SEARCH lines stand at lines %u and %u, and nothing says which is meant",
            places->at[0] + 1, places->at[1] + 1);
    return block_refuse(work->job, hunk, reason, err);
}

// The REPLACE lines in the place of the lines from `line` on.
static void put_replacement(struct block_work *work, const struct assay_patch_hunk *hunk,
        const struct places *places, uint32_t line)
{
    const bool exact = places->level == LINES_BYTES && !places->indented;
    const char *line_end = block_line_end(&work->image, line);
    const uint32_t end = line + work->pattern.count;
    const struct assay_bytes last = lines_at(&work->image, end - 1);
    const size_t before = work->out.len;

    for (size_t i = work->pattern.count; i < hunk->line_count; i++) {
        const struct assay_bytes text = hunk->lines[i].text;

        if (places->indented && !is_blank(text))
            (void)assay_buf_add(&work->out, places->indent.data, places->indent.len);
        (void)assay_buf_add(
                &work->out, text.data, exact ? text.len : lines_length_without_end(text));
        if (!exact)
            (void)assay_buf_adds(&work->out, line_end);
    }
    // A last line without a newline stays without.
    if (end == work->image.count && last.len == lines_length_without_end(last) &&
            work->out.len > before)
        assay_buf_truncate(&work->out, work->out.len - (exact ? 1 : strlen(line_end)));
}

static enum assay_status replace_places(struct block_work *work,
        const struct assay_patch_hunk *hunk, const struct places *places, struct assay_error *err)
{
    unsigned marks = 0;
    uint32_t line = 0;

    assay_buf_clear(&work->out);
    for (uint32_t i = 0; i < places->count; i++) {
        block_add_range(&work->out, &work->image, line, places->at[i]);
        put_replacement(work, hunk, places, places->at[i]);
        line = places->at[i] + work->pattern.count;
        marks |= places->level == LINES_BYTES && !places->indented
                ? 0U
                : block_marks(&work->image, &work->pattern, places->level, places->at[i]);
    }
    block_add_range(&work->out, &work->image, line, work->image.count);
    // Whether blanks at line ends differed too is not told of a block that was indented.
    if (places->indented)
        marks = (marks & ~(unsigned)HUNK_RSTRIP) | HUNK_INDENT;
    return block_record(work->job, hunk, marks, err);
}

// Without SEARCH lines a block makes the content of a file that has none.
static enum assay_status fill_empty(
        struct block_work *work, const struct assay_patch_hunk *hunk, struct assay_error *err)
{
    if (work->image.count > 0)
        return block_refuse(
                work->job, hunk, "SEARCH is empty, and the file is not: nothing says where", err);
    assay_buf_clear(&work->out);
    for (size_t i = 0; i < hunk->line_count; i++)
        (void)assay_buf_add(&work->out, hunk->lines[i].text.data, hunk->lines[i].text.len);
    return block_record(work->job, hunk, 0, err);
}

static enum assay_status apply_block(struct block_work *work, const struct assay_patch_hunk *hunk,
        struct assay_bytes *text, struct assay_error *err)
{
    struct places places = {0};
    enum assay_status status =
            lines_image_init(&work->image, *text, work->job->arena, work->job->steps_left, err);

    if (status == ASSAY_OK)
        status = charge(&work->image, work->image.count, err);
    if (status != ASSAY_OK)
        return status;
    take_search(work, hunk);
    if (work->pattern.count == 0) {
        status = fill_empty(work, hunk, err);
    } else {
        status = find_places(work, hunk, &places, err);
        if (status == ASSAY_OK)
            status = replace_places(work, hunk, &places, err);
    }
    if (status == ASSAY_OK)
        status = assay_buf_check(&work->out, work->job->path, err);
    if (status != ASSAY_OK)
        return status;
    text->len = work->out.len;
    text->data = assay_arena_memdup(work->job->arena, work->out.data, work->out.len);
    return text->data != NULL ? ASSAY_OK
                              : assay_fail(err, ASSAY_ENOMEM, "no memory for %zu bytes", text->len);
}

enum assay_status blocks_apply(struct assay_bytes *out, const struct hunk_job *job,
        enum assay_patch_format format, struct assay_error *err)
{
    struct block_work work = {.job = job, .format = format};
    struct assay_bytes text = job->text;
    size_t line_count = 1;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < job->file->hunk_count; i++) {
        if (job->file->hunks[i].line_count > line_count)
            line_count = job->file->hunks[i].line_count;
    }
    work.lines = assay_arena_array(job->arena, line_count, sizeof(*work.lines));
    if (work.lines == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a block");
    assay_buf_init(&work.out, job->bytes_max);
    for (size_t i = 0; i < job->file->hunk_count && status == ASSAY_OK; i++)
        status = apply_block(&work, &job->file->hunks[i], &text, err);
    assay_buf_free(&work.out);
    if (status == ASSAY_OK)
        *out = text;
    return status;
}

// --- whole files ---

// Has the text line ends, and are all of them CR LF?
static bool is_crlf(struct assay_bytes text)
{
    const char *p = text.data, *end = text.data + text.len;
    bool any = false;

    while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        if (p == text.data || p[-1] != '\r')
            return false;
        any = true;
        p++;
    }
    return any;
}

static bool is_lf(struct assay_bytes text)
{
    return memchr(text.data, '\n', text.len) != NULL && memchr(text.data, '\r', text.len) == NULL;
}

enum assay_status whole_apply(struct assay_bytes *out, const struct hunk_job *job, unsigned *marks,
        struct assay_error *err)
{
    const struct assay_bytes content = job->file->content;
    const bool to_crlf = is_crlf(job->text) && is_lf(content);
    enum assay_status status = ASSAY_OK;
    struct assay_buf buf;

    *out = content;
    if (!to_crlf && !(is_lf(job->text) && is_crlf(content)))
        return ASSAY_OK;
    *marks |= HUNK_CRLF;
    assay_buf_init(&buf, job->bytes_max);
    for (size_t i = 0; i < content.len; i++) {
        if (to_crlf && content.data[i] == '\n')
            (void)assay_buf_addc(&buf, '\r');
        if (to_crlf || content.data[i] != '\r')
            (void)assay_buf_addc(&buf, content.data[i]);
    }
    status = assay_buf_check(&buf, job->path, err);
    if (status == ASSAY_OK) {
        out->len = buf.len;
        out->data = assay_arena_memdup(job->arena, buf.data, buf.len);
        if (out->data == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "no memory for %zu bytes", buf.len);
    }
    assay_buf_free(&buf);
    return status;
}
