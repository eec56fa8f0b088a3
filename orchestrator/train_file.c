// SPDX-License-Identifier: MIT
// train_file.c - tasks from a file, whose answers are compared.
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "orchestrator/train_tasks.h"

#define FILE_BYTES_MAX ((size_t)256 << 20)
#define ROW_BYTES_MAX ((size_t)1 << 20)

struct task_file {
    struct assay_arena *arena;
    struct assay_train_task *tasks[ASSAY_TRAIN_SPLITS]; // [count]
    size_t count[ASSAY_TRAIN_SPLITS], capacity[ASSAY_TRAIN_SPLITS];
    struct assay_train_counts counts;
};

static const char *const split_names[] = {"sft", "rl", "variants", "seeds", "families"};

const char *assay_train_split_name(enum assay_train_split split)
{
    return split_names[split];
}

static enum assay_status read_split(
        size_t *out, const struct assay_json *row, struct assay_error *err)
{
    const char *text = NULL;
    enum assay_status status = assay_json_read_text(&text, row, "split", err);

    if (status != ASSAY_OK)
        return status;
    for (*out = 0; *out < ASSAY_TRAIN_SPLITS; ++*out)
        if (strcmp(split_names[*out], text) == 0)
            return ASSAY_OK;
    return assay_fail(err, ASSAY_EINVAL,
            "split \"%.40s\" is none of sft, rl, variants, seeds, families", text);
}

static bool copy_text(struct assay_bytes *out, const char *text, struct assay_arena *arena)
{
    const char *copy = assay_arena_strdup(arena, text);

    *out = (struct assay_bytes){copy, strlen(text)};
    return copy != NULL;
}

static enum assay_status add_row(
        struct task_file *f, const struct assay_json *row, size_t line, struct assay_error *err)
{
    static const char *const keys[] = {"split", "prompt", "answer", "id", "family", "mistake"};
    const char *prompt = NULL, *answer = NULL, *id = NULL, *family = "all", *mistake = "";
    struct assay_train_task *task;
    size_t split = 0;
    enum assay_status status = assay_json_only_keys(row, keys, 6, err);

    if (status == ASSAY_OK)
        status = read_split(&split, row, err);
    if (status == ASSAY_OK)
        status = assay_json_read_text(&prompt, row, "prompt", err);
    if (status == ASSAY_OK)
        status = assay_json_read_text(&answer, row, "answer", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&id, row, "id", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&family, row, "family", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&mistake, row, "mistake", err);
    if (status != ASSAY_OK)
        return status;
    if (f->count[split] == f->capacity[split]) {
        const size_t more = f->capacity[split] ? 2 * f->capacity[split] : 64;
        void *grown = realloc(f->tasks[split], more * sizeof(*task));

        if (!grown)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
        f->tasks[split] = grown;
        f->capacity[split] = more;
    }
    task = &f->tasks[split][f->count[split]];
    *task = (struct assay_train_task){.detail = NULL};
    task->id =
            id ? assay_arena_strdup(f->arena, id) : assay_arena_printf(f->arena, "line-%zu", line);
    task->family = assay_arena_strdup(f->arena, family);
    if (!task->id || !task->family || !copy_text(&task->prompt, prompt, f->arena) ||
            !copy_text(&task->answer, answer, f->arena) ||
            !copy_text(&task->mistake, mistake, f->arena))
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    f->count[split]++;
    return ASSAY_OK;
}

static enum assay_status read_rows(struct task_file *f, const char *path,
        const struct assay_buf *text, struct assay_error *err)
{
    const struct assay_json_limits limits = {ROW_BYTES_MAX, 4};
    enum assay_status status = ASSAY_OK;
    size_t line = 1;

    for (const char *at = text->data; *at && status == ASSAY_OK; line++) {
        const char *end = strchr(at, '\n');
        const size_t len = end ? (size_t)(end - at) : strlen(at);
        struct assay_json *row = NULL;

        if (len > 0) {
            status = assay_json_parse(&row, at, len, limits, path, line, err);
            if (status == ASSAY_OK) {
                status = add_row(f, row, line, err);
                if (status != ASSAY_OK && err)
                    (void)assay_wrap(err, "%s:%zu", path, line);
            }
            assay_json_free(row);
        }
        at += len + (end ? 1 : 0);
    }
    return status;
}

// --- the source ----------------------------------------------------------------------------------

static enum assay_status draw(void *user, struct assay_train_task *out,
        enum assay_train_split split, uint64_t index, struct assay_arena *arena,
        struct assay_error *err)
{
    const struct task_file *f = user;

    (void)arena;
    if (f->count[split] == 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "the file has no task of split %s",
                assay_train_split_name(split));
    *out = f->tasks[split][index % f->count[split]];
    return ASSAY_OK;
}

static size_t trimmed(struct assay_bytes text)
{
    size_t len = text.len;

    while (len > 0 && (text.data[len - 1] == '\n' || text.data[len - 1] == ' '))
        len--;
    return len;
}

static enum assay_status grade(void *user, struct assay_train_reward *rewards,
        const struct assay_train_answer *answers, size_t count, struct assay_error *err)
{
    struct task_file *f = user;

    (void)err;
    for (size_t i = 0; i < count; i++) {
        const struct assay_bytes is = answers[i].text, want = answers[i].task->answer;
        const size_t len = trimmed(is);
        const bool same = len == trimmed(want) && memcmp(is.data, want.data, len) == 0;

        rewards[i] = (struct assay_train_reward){.scored = true,
                .solved = same,
                .reward = same,
                .fault = same ? ASSAY_TRAIN_SOLVED : ASSAY_TRAIN_TEXT,
                .cause = same ? "ok" : "tests_failed"};
    }
    f->counts.answers += count;
    f->counts.executed += count;
    return ASSAY_OK;
}

static struct assay_train_counts counts(void *user)
{
    return ((const struct task_file *)user)->counts;
}

static void close_file(void *user)
{
    struct task_file *f = user;

    for (size_t i = 0; i < ASSAY_TRAIN_SPLITS; i++)
        free(f->tasks[i]);
    assay_arena_destroy(f->arena);
    free(f);
}

enum assay_status assay_task_file_open(
        struct assay_task_source *out, char hash[65], const char *path, struct assay_error *err)
{
    struct task_file *f = calloc(1, sizeof(*f));
    struct assay_buf text;
    enum assay_status status;

    if (!f)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_buf_init(&text, FILE_BYTES_MAX);
    status = assay_arena_create(&f->arena, 2 * FILE_BYTES_MAX, err);
    if (status == ASSAY_OK)
        status = assay_fs_read_file(&text, path, err);
    if (status == ASSAY_OK && strlen(text.data) != text.len)
        status = assay_fail(err, ASSAY_EINVAL, "%s: a NUL in the text", path);
    if (status == ASSAY_OK)
        status = assay_sha256_bytes(hash, text.data, text.len, err);
    if (status == ASSAY_OK)
        status = read_rows(f, path, &text, err);
    if (status == ASSAY_OK)
        *out = (struct assay_task_source){.name = "file",
                .user = f,
                .draw = draw,
                .grade = grade,
                .counts = counts,
                .close = close_file};
    else
        close_file(f);
    assay_buf_free(&text);
    return status;
}
