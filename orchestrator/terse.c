// SPDX-License-Identifier: MIT
#include "orchestrator/terse.h"

#include <string.h>

#include "base/json.h"

#define ARGUMENTS_BYTES_MAX ((size_t)1 << 20)

// --- messages ------------------------------------------------------------------------------------

struct line {
    const char *at;
    size_t len;
};

// The line at *at, without its line feed; *at goes behind it. False: there is none.
static bool next_line(struct line *out, const char **at, const char *end)
{
    const char *feed;

    if (*at >= end)
        return false;
    feed = memchr(*at, '\n', (size_t)(end - *at));
    out->at = *at;
    out->len = (size_t)((feed ? feed : end) - *at);
    *at = feed ? feed + 1 : end;
    return true;
}

// The lines that begin with `mark`, without it, joined by line feeds.
static void join(struct assay_buf *out, struct assay_bytes body, char mark)
{
    const char *at = body.data, *const end = body.data + body.len;
    struct line line;
    bool any = false;

    while (next_line(&line, &at, end)) {
        if (line.len == 0 || line.at[0] != mark)
            continue;
        if (any)
            assay_buf_addc(out, '\n');
        assay_buf_add(out, line.at + 1, line.len - 1);
        any = true;
    }
}

static void put_edit(struct assay_json_writer *w, struct assay_bytes path, struct assay_bytes body)
{
    struct assay_buf old, new;

    assay_buf_init(&old, ARGUMENTS_BYTES_MAX);
    assay_buf_init(&new, ARGUMENTS_BYTES_MAX);
    join(&old, body, '-');
    join(&new, body, '+');
    assay_json_put_text(w, "command", "str_replace");
    assay_json_put_bytes(w, "path", path.data, path.len);
    assay_json_put_bytes(w, "old_str", old.data, old.len);
    assay_json_put_bytes(w, "new_str", new.data, new.len);
    assay_buf_free(&old);
    assay_buf_free(&new);
}

static bool is_word(const struct line *line, const char *word)
{
    const size_t len = strlen(word);

    return line->len >= len && memcmp(line->at, word, len) == 0 &&
            (line->len == len || line->at[len] == ' ');
}

enum assay_status assay_terse_read(struct assay_action *out, struct assay_bytes message,
        struct assay_arena *arena, struct assay_error *err)
{
    static const char *const words[][2] = {
            {"view", "view"}, {"edit", "edit"}, {"test", "run_tests"}, {"submit", "submit"}};
    const char *at = message.data, *const end = message.data + message.len;
    struct line first = {message.data, 0};
    struct assay_json_writer w;
    struct assay_buf text;

    *out = (struct assay_action){.tool = NULL};
    (void)next_line(&first, &at, end);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && !out->tool; i++)
        if (is_word(&first, words[i][0]))
            out->tool = words[i][1];
    if (!out->tool)
        return ASSAY_OK;
    assay_buf_init(&text, ARGUMENTS_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    if (first.len > 5 && (is_word(&first, "view") || is_word(&first, "edit"))) {
        const struct assay_bytes path = {first.at + 5, first.len - 5};

        if (is_word(&first, "edit"))
            put_edit(&w, path, (struct assay_bytes){at, (size_t)(end - at)});
        else
            assay_json_put_bytes(&w, "path", path.data, path.len);
    }
    assay_json_end_object(&w);
    out->arguments = text.failed ? NULL : assay_arena_strdup(arena, text.data);
    assay_buf_free(&text);
    return out->arguments ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "message: out of memory");
}

// --- observations --------------------------------------------------------------------------------

// "     7\ttext" as "7|text"; anything else as it is.
static void show_file(struct assay_buf *out, const char *at, const char *end)
{
    struct line line;

    while (next_line(&line, &at, end)) {
        const char *tab = memchr(line.at, '\t', line.len);
        size_t skip = 0;

        while (skip < line.len && line.at[skip] == ' ')
            skip++;
        if (tab && skip > 0 &&
                strspn(line.at + skip, "0123456789") == (size_t)(tab - line.at) - skip) {
            assay_buf_add(out, line.at + skip, (size_t)(tab - line.at) - skip);
            assay_buf_addc(out, '|');
            assay_buf_add(out, tab + 1, line.len - (size_t)(tab + 1 - line.at));
        } else {
            assay_buf_add(out, line.at, line.len);
        }
        assay_buf_addc(out, '\n');
    }
}

static bool begins(const struct line *line, const char *text)
{
    return line->len >= strlen(text) && memcmp(line->at, text, strlen(text)) == 0;
}

// What Python says of an exception stands at a line's start, and names it first.
static bool is_exception(const struct line *line)
{
    const char *colon = memchr(line->at, ':', line->len);
    const size_t len = colon ? (size_t)(colon - line->at) : line->len;

    return len > 5 && memchr(line->at, ' ', len) == NULL &&
            memcmp(line->at + len - 5, "Error", 5) == 0;
}

static void show_tests(struct assay_buf *out, const char *at, const char *end)
{
    struct line line, exception = {NULL, 0}, last = {NULL, 0};

    while (next_line(&line, &at, end)) {
        if (!exception.at && is_exception(&line))
            exception = line;
        if ((line.len == 2 && begins(&line, "OK")) || begins(&line, "FAILED (") ||
                begins(&line, "[killed"))
            last = line;
    }
    if (exception.at) {
        assay_buf_add(out, exception.at, exception.len);
        assay_buf_addc(out, '\n');
    }
    assay_buf_adds(out, last.at ? "" : "no result");
    assay_buf_add(out, last.at ? last.at : "", last.len);
    assay_buf_addc(out, '\n');
}

void assay_terse_show(struct assay_buf *out, const char *tool,
        const struct assay_observation *observation, size_t bytes_max)
{
    const struct assay_buf *text = &observation->text;
    const char *end = text->data + text->len;
    const size_t before = out->len;

    if (tool && !observation->failed && strcmp(tool, "view") == 0)
        show_file(out, text->data, end);
    else if (tool && !observation->failed && strcmp(tool, "run_tests") == 0)
        show_tests(out, text->data, end);
    else if (tool && !observation->failed)
        assay_buf_adds(out, "ok\n");
    else
        assay_buf_add(out, text->data, text->len);
    if (out->len - before > bytes_max)
        assay_buf_truncate(out, before + bytes_max);
    if (out->len > before && out->data[out->len - 1] != '\n')
        assay_buf_addc(out, '\n');
}

// --- edits ---------------------------------------------------------------------------------------

static size_t count_of(struct assay_bytes file, const char *text, size_t len)
{
    const char *at = file.data, *const end = file.data + file.len;
    size_t count = 0;

    while (at < end && (at = memmem(at, (size_t)(end - at), text, len))) {
        count++;
        at += len;
    }
    return count;
}

static void put_lines(struct assay_buf *out, char mark, const char *at, const char *end)
{
    struct line line;

    while (next_line(&line, &at, end)) {
        assay_buf_addc(out, mark);
        assay_buf_add(out, line.at, line.len);
        assay_buf_addc(out, '\n');
    }
}

void assay_terse_edit(struct assay_buf *out, const char *path, struct assay_bytes file, size_t line,
        const char *text)
{
    const char *const end = file.data + file.len;
    const char *at = file.data, *from, *to, *first;
    struct line it = {file.data, 0};

    for (size_t i = 0; i < line && next_line(&it, &at, end); i++)
        ;
    from = first = it.at;
    to = it.at + it.len;
    while (from > file.data && count_of(file, from, (size_t)(to - from)) > 1) {
        from--; // the line before, from its own start
        while (from > file.data && from[-1] != '\n')
            from--;
    }
    assay_buf_addf(out, "edit %s\n", path);
    put_lines(out, '-', from, to);
    put_lines(out, '+', from, first);
    assay_buf_addf(out, "+%s\n", text);
}
