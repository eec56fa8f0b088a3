// SPDX-License-Identifier: MIT
#include "tasks/repair_prompt.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

#define CONTEXT 3
#define NO_NEWLINE "\\ No newline at end of file\n"
#define PATCH_BYTES_MAX ((size_t)1 << 20)

static const char *const fault_names[ASSAY_ANSWER_FAULTS] = {"fine", "empty", "too_long",
        "not_text", "no_number", "no_mark", "no_such_line", "twice", "too_many", "no_change"};

const char *assay_answer_fault_name(enum assay_answer_fault fault)
{
    return fault_names[fault];
}

// Lines of a file without their line feeds.
struct file_lines {
    struct assay_bytes *items;
    size_t count;
    bool unfinished; // the last one has no line feed
};

static bool next_line(struct assay_bytes *rest, struct assay_bytes *line)
{
    const char *feed;

    if (rest->len == 0)
        return false;
    feed = memchr(rest->data, '\n', rest->len);
    *line = (struct assay_bytes){rest->data, feed ? (size_t)(feed - rest->data) : rest->len};
    rest->data += line->len + (feed != NULL);
    rest->len -= line->len + (feed != NULL);
    return true;
}

static bool cut(struct file_lines *out, struct assay_bytes file, struct assay_arena *arena)
{
    struct assay_bytes rest = file, line;

    out->unfinished = file.len > 0 && file.data[file.len - 1] != '\n';
    for (out->count = 0; next_line(&rest, &line); out->count++)
        ;
    out->items = assay_arena_array(arena, out->count + 1, sizeof(*out->items));
    if (!out->items)
        return false;
    rest = file;
    for (size_t i = 0; i < out->count; i++)
        (void)next_line(&rest, &out->items[i]);
    return true;
}

// --- the prompt ---------------------------------------------------------------------------------

static void show_file(struct assay_buf *out, const char *path, struct assay_bytes file)
{
    struct assay_bytes rest = file, line;

    assay_buf_addf(out, "%s\n", path);
    for (size_t number = 1; next_line(&rest, &line); number++) {
        assay_buf_addf(out, "%zu|", number);
        assay_buf_add(out, line.data, line.len);
        assay_buf_addc(out, '\n');
    }
}

void assay_repair_prompt(struct assay_buf *out, const char *path, struct assay_bytes file,
        const char *failing, const char *failure)
{
    show_file(out, path, file);
    assay_buf_addf(out, "FAIL\n%s%s\nFIX\n", failing, failure);
}

void assay_repair_reading_of(struct assay_buf *out, const struct assay_repair_task *task)
{
    show_file(out, task->path, task->gold);
}

void assay_repair_slip_of(
        struct assay_buf *prompt, struct assay_buf *answer, const struct assay_repair_task *task)
{
    if (task->slip_line == 0)
        return;
    show_file(prompt, task->path, task->slipped);
    assay_buf_adds(prompt, "FIX\n");
    assay_buf_addf(answer, "%zu|%s\n", task->slip_line, task->slip_gold);
}

void assay_repair_prompt_of(struct assay_buf *out, const struct assay_repair_task *task)
{
    assay_repair_prompt(out, task->path, task->broken, task->failing, task->failure);
}

void assay_repair_answer_of(struct assay_buf *out, const struct assay_repair_task *task)
{
    if (task->gold_edits)
        assay_buf_adds(out, task->gold_edits);
    else
        assay_buf_addf(out, "%zu|%s\n", task->line, task->gold_line);
}

void assay_repair_symptom_of(struct assay_buf *out, const struct assay_repair_task *task)
{
    struct assay_bytes rest = task->broken, line = {NULL, 0};
    size_t count = 0, blanks = 0;

    while (next_line(&rest, &line))
        count++;
    while (blanks < line.len && line.data[blanks] == ' ')
        blanks++;
    assay_buf_addf(out, "%zu|%*sreturn %s\n", count, (int)blanks, "", task->expected);
}

// --- the answer ---------------------------------------------------------------------------------

struct line_edit {
    size_t number;
    char mark; // '|', '+', '-'
    struct assay_bytes text;
};

struct reading {
    struct file_lines lines;
    struct line_edit edits[ASSAY_ANSWER_EDITS_MAX];
    size_t edit_count;
};

static bool is_text(struct assay_bytes answer)
{
    for (size_t i = 0; i < answer.len; i++) {
        const unsigned char c = (unsigned char)answer.data[i];

        if (c == 0x7f || (c < 0x20 && c != '\n' && c != '\t' && c != '\r'))
            return false;
    }
    for (size_t i = 0; i < answer.len;) {
        const size_t len = assay_utf8_length(answer.data + i, answer.len - i);

        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

static struct assay_bytes without_end_blanks(struct assay_bytes text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]))
        text.len--;
    return text;
}

// The edit in one line. Numbers of more digits than any file has lines stop growing.
static enum assay_answer_fault read_edit(
        struct line_edit *out, struct assay_bytes line, size_t line_count)
{
    size_t at = 0;

    line = without_end_blanks(line);
    for (out->number = 0; at < line.len && line.data[at] >= '0' && line.data[at] <= '9'; at++)
        out->number = out->number < SIZE_MAX / 20 ? out->number * 10 + (size_t)(line.data[at] - '0')
                                                  : out->number;
    if (at == 0)
        return ASSAY_ANSWER_NO_NUMBER;
    if (at == line.len || !strchr("|+-", line.data[at]))
        return ASSAY_ANSWER_NO_MARK;
    out->mark = line.data[at++];
    out->text = (struct assay_bytes){line.data + at, line.len - at};
    if (out->mark == '-' && out->text.len > 0)
        return ASSAY_ANSWER_NO_MARK;
    if (out->number > line_count || (out->number == 0 && out->mark != '+'))
        return ASSAY_ANSWER_NO_SUCH_LINE;
    return ASSAY_ANSWER_FINE;
}

// A line that is put behind another one is no edit of that.
static bool is_same_line(const struct line_edit *a, const struct line_edit *b)
{
    return a->number == b->number && (a->mark == '+') == (b->mark == '+');
}

static enum assay_answer_fault read_edits(
        struct reading *r, struct assay_bytes answer, size_t *line_number)
{
    struct assay_bytes rest = answer, line;

    for (*line_number = 1; next_line(&rest, &line); (*line_number)++) {
        struct line_edit edit = {0};
        const enum assay_answer_fault fault = read_edit(&edit, line, r->lines.count);

        if (fault != ASSAY_ANSWER_FINE)
            return fault;
        for (size_t i = 0; i < r->edit_count; i++)
            if (is_same_line(&r->edits[i], &edit))
                return ASSAY_ANSWER_TWICE;
        if (r->edit_count == ASSAY_ANSWER_EDITS_MAX)
            return ASSAY_ANSWER_TOO_MANY;
        r->edits[r->edit_count++] = edit;
    }
    return ASSAY_ANSWER_FINE;
}

// --- the patch ----------------------------------------------------------------------------------

struct hunk {
    struct assay_buf body, old_text, new_text; // owned; the lines of both sides, too
    const struct reading *r;
    size_t old_count, new_count;
};

static const struct line_edit *edit_of(const struct reading *r, size_t number, bool behind)
{
    for (size_t i = 0; i < r->edit_count; i++)
        if (r->edits[i].number == number && (r->edits[i].mark == '+') == behind)
            return &r->edits[i];
    return NULL;
}

static void put(struct hunk *hunk, char sign, struct assay_bytes text, bool unfinished)
{
    assay_buf_addc(&hunk->body, sign);
    assay_buf_add(&hunk->body, text.data, text.len);
    assay_buf_adds(&hunk->body, unfinished ? "\n" NO_NEWLINE : "\n");
    if (sign != '+') {
        hunk->old_count++;
        assay_buf_add(&hunk->old_text, text.data, text.len);
        assay_buf_adds(&hunk->old_text, unfinished ? "" : "\n");
    }
    if (sign != '-') {
        hunk->new_count++;
        assay_buf_add(&hunk->new_text, text.data, text.len);
        assay_buf_adds(&hunk->new_text, unfinished ? "" : "\n");
    }
}

// Line `number`, 0: what comes before the first.
static void put_line(struct hunk *hunk, size_t number)
{
    const struct file_lines *lines = &hunk->r->lines;
    const struct line_edit *edit = number > 0 ? edit_of(hunk->r, number, false) : NULL;
    const struct line_edit *behind = edit_of(hunk->r, number, true);
    const bool unfinished = number == lines->count && lines->unfinished;

    if (number > 0 && !edit && !(behind && unfinished)) {
        put(hunk, ' ', lines->items[number - 1], unfinished);
    } else if (number > 0) {
        put(hunk, '-', lines->items[number - 1], unfinished);
        if (!edit)
            put(hunk, '+', lines->items[number - 1], false);
        else if (edit->mark == '|')
            put(hunk, '+', edit->text, unfinished && !behind);
    }
    if (behind)
        put(hunk, '+', behind->text, unfinished);
}

// One hunk over all edits, with up to CONTEXT lines around them.
static void write_patch(struct assay_buf *out, struct hunk *hunk, const char *path)
{
    const struct reading *r = hunk->r;
    size_t first = SIZE_MAX, last = 0;

    for (size_t i = 0; i < r->edit_count; i++) {
        const size_t number = r->edits[i].number;

        first = number < first ? number : first;
        last = number > last ? number : last;
    }
    first = first > CONTEXT ? first - CONTEXT : 0;
    last = last + CONTEXT < r->lines.count ? last + CONTEXT : r->lines.count;
    for (size_t number = first; number <= last; number++)
        put_line(hunk, number);
    first += first == 0 && hunk->old_count > 0;
    assay_buf_addf(out, "--- a/%s\n+++ b/%s\n@@ -%zu,%zu +%zu,%zu @@\n", path, path, first,
            hunk->old_count, hunk->new_count > 0 ? first + (hunk->old_count == 0) : 0,
            hunk->new_count);
    assay_buf_add(out, hunk->body.data, hunk->body.len);
}

static bool changes_nothing(const struct hunk *hunk)
{
    return hunk->old_text.len == hunk->new_text.len &&
            memcmp(hunk->old_text.data, hunk->new_text.data, hunk->old_text.len) == 0;
}

// Sets the patch, or the fault of one that changes nothing: a line that goes and comes again.
static enum assay_status make_patch(struct assay_answer *out, const struct reading *r,
        const char *path, struct assay_arena *arena, struct assay_error *err)
{
    struct hunk hunk = {.r = r};
    struct assay_buf *const texts[] = {&hunk.body, &hunk.old_text, &hunk.new_text};
    struct assay_buf patch;
    enum assay_status status;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assay_buf_init(texts[i], PATCH_BYTES_MAX);
    assay_buf_init(&patch, 2 * PATCH_BYTES_MAX);
    write_patch(&patch, &hunk, path);
    status = assay_buf_check(&patch, "patch of an answer", err);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && status == ASSAY_OK; i++)
        status = assay_buf_check(texts[i], "patch of an answer", err);
    if (status == ASSAY_OK && changes_nothing(&hunk)) {
        out->fault = ASSAY_ANSWER_NO_CHANGE;
    } else if (status == ASSAY_OK) {
        out->patch =
                (struct assay_bytes){assay_arena_memdup(arena, patch.data, patch.len), patch.len};
        if (!out->patch.data)
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assay_buf_free(texts[i]);
    assay_buf_free(&patch);
    return status;
}

static const char *explain(enum assay_answer_fault fault, size_t line_number, size_t line_count,
        struct assay_arena *arena)
{
    switch (fault) {
    case ASSAY_ANSWER_EMPTY:
        return "the answer is empty";
    case ASSAY_ANSWER_TOO_LONG:
        return assay_arena_printf(
                arena, "the answer is longer than %d bytes", ASSAY_ANSWER_BYTES_MAX);
    case ASSAY_ANSWER_NOT_TEXT:
        return "the answer is no text";
    case ASSAY_ANSWER_NO_NUMBER:
        return assay_arena_printf(
                arena, "answer, line %zu: does not begin with a number", line_number);
    case ASSAY_ANSWER_NO_MARK:
        return assay_arena_printf(
                arena, "answer, line %zu: no |, + or - behind the number", line_number);
    case ASSAY_ANSWER_NO_SUCH_LINE:
        return assay_arena_printf(
                arena, "answer, line %zu: the file has %zu lines", line_number, line_count);
    case ASSAY_ANSWER_TWICE:
        return assay_arena_printf(
                arena, "answer, line %zu: that line has an edit already", line_number);
    case ASSAY_ANSWER_TOO_MANY:
        return assay_arena_printf(arena, "more than %d edits", ASSAY_ANSWER_EDITS_MAX);
    case ASSAY_ANSWER_NO_CHANGE:
        return "the answer leaves the file as it is";
    case ASSAY_ANSWER_FINE:
    case ASSAY_ANSWER_FAULTS:
        break;
    }
    return NULL;
}

enum assay_status assay_answer_read(struct assay_answer *out, const char *path,
        struct assay_bytes file, struct assay_bytes answer, struct assay_arena *arena,
        struct assay_error *err)
{
    struct reading r = {.edit_count = 0};
    size_t line_number = 0;
    enum assay_status status = ASSAY_OK;

    *out = (struct assay_answer){.fault = ASSAY_ANSWER_FINE};
    if (!cut(&r.lines, file, arena))
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (answer.len > ASSAY_ANSWER_BYTES_MAX)
        out->fault = ASSAY_ANSWER_TOO_LONG;
    else if (!is_text(answer))
        out->fault = ASSAY_ANSWER_NOT_TEXT;
    answer = without_end_blanks(answer);
    if (out->fault == ASSAY_ANSWER_FINE && answer.len == 0)
        out->fault = ASSAY_ANSWER_EMPTY;
    if (out->fault == ASSAY_ANSWER_FINE)
        out->fault = read_edits(&r, answer, &line_number);
    if (out->fault == ASSAY_ANSWER_FINE)
        status = make_patch(out, &r, path, arena, err);
    if (status != ASSAY_OK || out->fault == ASSAY_ANSWER_FINE)
        return status;
    out->reason = explain(out->fault, line_number, r.lines.count, arena);
    return out->reason ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

bool assay_answer_edits_line(struct assay_bytes answer, size_t number)
{
    struct assay_bytes rest = answer, line;

    while (next_line(&rest, &line)) {
        struct line_edit edit = {0};

        if (read_edit(&edit, line, SIZE_MAX) == ASSAY_ANSWER_FINE && edit.mark != '+' &&
                edit.number == number)
            return true;
    }
    return false;
}
