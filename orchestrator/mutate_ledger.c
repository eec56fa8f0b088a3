// SPDX-License-Identifier: MIT
// mutate_ledger.c - a line for each mutant that was tried, so that the command typed again goes on.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "orchestrator/mutate_parts.h"

#define LEDGER ".mutated.jsonl"
#define LEDGER_BYTES_MAX ((size_t)256 << 20)
#define LINE_BYTES_MAX ((size_t)64 << 10)
#define ARENA_BYTES ((size_t)1 << 30)

static const char *const ends[MUTATE_ENDS] = {
        [MUTATE_KEPT] = "kept",
        [MUTATE_SURVIVED] = "survived",
        [MUTATE_SPOILED] = "spoiled",
        [MUTATE_GROSS] = "gross",
        [MUTATE_TWIN] = "twin",
        [MUTATE_UNSTEADY] = "unsteady",
        [MUTATE_WITHDRAWN] = "withdrawn",
};

struct mutate_ledger {
    struct assay_arena *arena;
    struct mutate_entry *entries; // as they were when it was opened
    size_t count;
    int fd;
    pthread_mutex_t lock; // around the file
};

static enum assay_status write_line(
        struct mutate_ledger *ledger, struct assay_buf *line, struct assay_error *err)
{
    enum assay_status status;

    assay_buf_addc(line, '\n');
    status = assay_buf_check(line, "ledger", err);
    pthread_mutex_lock(&ledger->lock);
    if (status == ASSAY_OK)
        status = assay_fs_write_all(ledger->fd, line->data, line->len, err);
    pthread_mutex_unlock(&ledger->lock);
    assay_buf_free(line);
    return status;
}

static enum assay_status write_identity(
        struct mutate_ledger *ledger, const char *identity, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf line;

    assay_buf_init(&line, LINE_BYTES_MAX);
    assay_json_writer_init(&w, &line, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "identity", identity);
    assay_json_end_object(&w);
    return write_line(ledger, &line, err);
}

// --- reading ------------------------------------------------------------------------------------

// 64-bit numbers do not fit into JSON's: hexadecimal text.
static bool read_hash(uint64_t *out, const struct assay_json *row, const char *key)
{
    const char *text = assay_json_text(assay_json_get(row, key));
    char *end = NULL;

    if (!text)
        return false;
    *out = strtoull(text, &end, 16);
    return *end == '\0' && end != text;
}

static bool read_entry(
        struct mutate_entry *out, const struct assay_json *row, struct assay_arena *arena)
{
    const char *id = assay_json_text(assay_json_get(row, "instance"));
    const char *end = assay_json_text(assay_json_get(row, "end"));
    const char *task = assay_json_text(assay_json_get(row, "task"));

    if (!id || !end || !task || !read_hash(&out->number, row, "mutant") ||
            !read_hash(&out->twin, row, "twin"))
        return false;
    out->end = MUTATE_KEPT;
    while (out->end < MUTATE_ENDS && strcmp(ends[out->end], end) != 0)
        out->end++;
    out->instance_id = assay_arena_strdup(arena, id);
    out->task_id = assay_arena_strdup(arena, task);
    return out->end < MUTATE_ENDS && out->instance_id && out->task_id;
}

static enum assay_status read_lines(struct mutate_ledger *ledger, const struct assay_buf *text,
        const char *identity, struct assay_error *err)
{
    const struct assay_json_limits limits = {.bytes_max = LINE_BYTES_MAX, .depth_max = 4};
    const char *at = text->data, *end;
    size_t lines = 0;
    bool same = false;

    for (const char *c = at; (c = strchr(c, '\n')) != NULL; c++)
        lines++;
    ledger->entries = assay_arena_array(ledger->arena, lines + 1, sizeof(*ledger->entries));
    if (!ledger->entries)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        struct assay_json *row = NULL;

        if (assay_json_parse(&row, at, (size_t)(end - at), limits, LEDGER, 1, NULL) == ASSAY_OK) {
            const char *of = assay_json_text(assay_json_get(row, "identity"));

            same = same || (of && strcmp(of, identity) == 0);
            if (read_entry(&ledger->entries[ledger->count], row, ledger->arena))
                ledger->count++;
        }
        assay_json_free(row);
    }
    return same ? ASSAY_OK
                : assay_fail(err, ASSAY_ECONFLICT,
                          "the folder was made with other settings: take another one");
}

static enum assay_status read_file(
        struct mutate_ledger *ledger, const char *identity, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, LEDGER_BYTES_MAX);
    status = assay_fs_read_fd(&text, ledger->fd, err);
    if (status == ASSAY_OK && text.len == 0)
        status = write_identity(ledger, identity, err);
    else if (status == ASSAY_OK)
        status = read_lines(ledger, &text, identity, err);
    if (status == ASSAY_OK && text.len > 0 && text.data[text.len - 1] != '\n')
        status = assay_fs_write_all(ledger->fd, "\n", 1, err);
    assay_buf_free(&text);
    return status;
}

enum assay_status mutate_ledger_open(
        struct mutate_ledger **out, const char *dir, const char *identity, struct assay_error *err)
{
    struct mutate_ledger *ledger = calloc(1, sizeof(*ledger));
    char path[PATH_MAX];
    enum assay_status status;

    if (!ledger)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    pthread_mutex_init(&ledger->lock, NULL);
    (void)snprintf(path, sizeof(path), "%.*s/" LEDGER, PATH_MAX - 32, dir);
    ledger->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    status = ledger->fd < 0 ? assay_fail_errno(err, errno, "open %.150s", path)
                            : assay_arena_create(&ledger->arena, ARENA_BYTES, err);
    if (status == ASSAY_OK)
        status = read_file(ledger, identity, err);
    if (status == ASSAY_OK)
        *out = ledger;
    else
        mutate_ledger_close(ledger);
    return status;
}

void mutate_ledger_close(struct mutate_ledger *ledger)
{
    if (!ledger)
        return;
    if (ledger->fd >= 0)
        close(ledger->fd);
    pthread_mutex_destroy(&ledger->lock);
    assay_arena_destroy(ledger->arena);
    free(ledger);
}

const struct mutate_entry *mutate_ledger_find(
        const struct mutate_ledger *ledger, const char *instance_id, uint64_t number)
{
    for (size_t i = 0; i < ledger->count; i++)
        if (ledger->entries[i].number == number &&
                strcmp(ledger->entries[i].instance_id, instance_id) == 0)
            return &ledger->entries[i];
    return NULL;
}

enum assay_status mutate_ledger_put(
        struct mutate_ledger *ledger, const struct mutate_entry *entry, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf line;
    char number[24], twin[24];

    (void)snprintf(number, sizeof(number), "%" PRIx64, entry->number);
    (void)snprintf(twin, sizeof(twin), "%" PRIx64, entry->twin);
    assay_buf_init(&line, LINE_BYTES_MAX);
    assay_json_writer_init(&w, &line, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "instance", entry->instance_id);
    assay_json_put_text(&w, "mutant", number);
    assay_json_put_text(&w, "end", ends[entry->end]);
    assay_json_put_text(&w, "twin", twin);
    assay_json_put_text(&w, "cause", entry->cause);
    assay_json_put_text(&w, "task", entry->task_id);
    assay_json_end_object(&w);
    return write_line(ledger, &line, err);
}
