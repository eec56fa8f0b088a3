// SPDX-License-Identifier: MIT
// scaffold_single.c - one question with the files that the problem's words point at, one patch.
#include <stdlib.h>
#include <string.h>

#include "orchestrator/chat.h"
#include "orchestrator/scaffold_parts.h"
#include "orchestrator/sources.h"

#define ARENA_BYTES ((size_t)1 << 30)
#define SHOWN_BYTES_MAX ((size_t)96 << 10) // of files; some 30,000 tokens
#define SHOWN_FILES_MAX 12u
#define LISTED_BYTES_MAX ((size_t)16 << 10) // of paths

const char assay_patch_dialect_text[] =
        "You mend software. You are shown a problem and files of a repository, and answer with a "
        "patch: blocks of the form\n\n"
        "```\n### path/to/file\n<<<<<<< SEARCH\nlines as they stand in the file\n=======\n"
        "lines that take their place\n>>>>>>> REPLACE\n```\n\n"
        "The lines of SEARCH are whole lines, with their indentation, and stand in the file exactly "
        "once; there may be several blocks, and an empty SEARCH makes a new file. A unified diff is "
        "taken as well. Make the smallest change that mends the cause, and do not change tests.";

struct single {
    const struct assay_led *led;
    unsigned said;
};

static enum assay_status open_single(
        void **state, const struct assay_led *led, struct assay_error *err)
{
    struct single *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "single: out of memory");
    s->led = led;
    *state = s;
    return ASSAY_OK;
}

static void put_sources(struct assay_buf *out, const struct assay_sources *sources)
{
    const size_t begin = out->len;
    size_t shown = 0;

    assay_buf_adds(out, "\n\nFiles of the repository that may matter:\n\n");
    for (size_t i = 0; i < sources->count && shown < SHOWN_FILES_MAX; i++) {
        const struct assay_source *source = &sources->items[i];

        if (source->score <= 0 || source->text.data == NULL ||
                out->len - begin + source->text.len > SHOWN_BYTES_MAX)
            continue;
        assay_source_show(out, source, 1, SIZE_MAX);
        shown++;
    }
    assay_buf_adds(out, "All files, most likely ones first:\n\n");
    for (size_t i = 0, bytes = 0; i < sources->count && bytes < LISTED_BYTES_MAX; i++) {
        assay_buf_addf(out, "%s\n", sources->items[i].path);
        bytes += strlen(sources->items[i].path) + 1;
    }
}

static enum assay_status write_question(
        struct single *s, struct assay_buf *messages, struct assay_error *err)
{
    const struct assay_actor_task *task = s->led->task;
    const struct assay_bytes problem = task->instance->problem;
    const char *system = task->instance->task == ASSAY_TASK_LOCALIZE
            ? "You find where software must be changed. Answer with places alone, one a line, most "
              "likely first, as path:function or path:line."
            : assay_patch_dialect_text;
    struct assay_sources sources;
    struct assay_arena *arena = NULL;
    struct assay_buf text;
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&text, ASSAY_CHAT_BYTES_MAX);
    status = assay_sources_load(&sources, task->context, task->instance, arena, err);
    if (status == ASSAY_OK)
        status = assay_sources_rank(
                &sources, problem, task->instance->task == ASSAY_TASK_WRITE_TESTS, err);
    if (status == ASSAY_OK) {
        assay_chat_add(messages, "system", system, strlen(system));
        assay_buf_addf(&text, "The repository is %s. %s\n\n", task->instance->repo,
                task->instance->task == ASSAY_TASK_LOCALIZE
                        ? "Where must it be changed to resolve the following?"
                        : assay_chat_task(task->instance->task));
        assay_buf_add(&text, problem.data != NULL ? problem.data : "", problem.len);
        put_sources(&text, &sources);
        assay_chat_add(messages, "user", text.data, text.len);
        messages->failed |= text.failed;
    }
    assay_buf_free(&text);
    assay_arena_destroy(arena);
    return status;
}

static enum assay_status next(void *state, const struct assay_actor_seen *seen, size_t seen_count,
        struct assay_actor_message *out, struct assay_error *err)
{
    struct single *s = state;
    const bool localize = s->led->task->instance->task == ASSAY_TASK_LOCALIZE;
    struct assay_buf messages;
    const struct assay_actor_question question = {.messages = &messages};
    struct assay_bytes answer;
    enum assay_status status;

    (void)seen;
    (void)seen_count;
    if (s->said++ > 0)
        return assay_scaffold_call(out, "submit", NULL, (struct assay_bytes){NULL, 0})
                ? ASSAY_OK
                : assay_fail(err, ASSAY_ENOMEM, "submit: out of memory");
    assay_buf_init(&messages, ASSAY_CHAT_BYTES_MAX);
    status = write_question(s, &messages, err);
    if (status == ASSAY_OK)
        status = s->led->kind->ask(s->led->state, &question, out, err);
    assay_buf_free(&messages);
    if (status != ASSAY_OK)
        return status;
    out->call_count = 0; // nobody offered it tools
    answer = (struct assay_bytes){out->text, out->text != NULL ? strlen(out->text) : 0};
    if (answer.len == 0)
        return ASSAY_OK;
    return assay_scaffold_call(
                   out, localize ? "submit" : "apply_patch", localize ? "answer" : "patch", answer)
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOMEM, "answer: out of memory");
}

const struct assay_scaffold assay_scaffold_single = {.name = "single",
        .speaks = {[ASSAY_DIALECT_PATCH] = true},
        .open = open_single,
        .next = next,
        .close = free};
