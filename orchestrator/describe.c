// SPDX-License-Identifier: MIT
#include "orchestrator/describe.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "orchestrator/chat.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"

#define ARENA_BYTES ((size_t)256 << 20)
#define PROBLEM_BYTES_MAX ((size_t)64 << 20)
#define CHAT_BYTES_MAX ((size_t)1 << 20)
#define SHOWN_BYTES_MAX ((size_t)64 << 10) // of each patch
#define REPORT_BYTES_MIN 40
#define REPORT_BYTES_MAX 8000
#define TESTS_SHOWN 20
#define TRIES 3
#define LEAK_BYTES_MIN 12
#define PATIENCE_MS (UINT64_C(3600) * 1000) // of one instance, waits for a busy server included

static const char system_text[] =
        "You write reports of defects as users of a project do: a title in the first line, then what "
        "was done, what was expected and what happened instead, with a small example where that says "
        "more than words. 50 to 300 words. You do not know the cause: name no line to change, show no "
        "patch, and do not speak of tests. Answer with the report alone.";

struct describing {
    struct assay_context *context;
    const struct assay_describe_options *options;
    const struct assay_suite *suite;
    struct assay_progress *progress;
    pthread_mutex_t lock; // around the result
    struct assay_describe_result *result;
};

// --- what a report may be ------------------------------------------------------------------------

static struct assay_bytes trimmed(struct assay_bytes text)
{
    while (text.len > 0 && isspace((unsigned char)text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && isspace((unsigned char)text.data[text.len - 1]))
        text.len--;
    return text;
}

bool assay_describe_leaks(struct assay_bytes report, struct assay_bytes patch)
{
    const char *at = patch.data, *end = patch.data + patch.len;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline : end;

        if (at[0] == '+' && !(stop - at >= 4 && strncmp(at, "+++ ", 4) == 0)) {
            const struct assay_bytes line =
                    trimmed((struct assay_bytes){at + 1, (size_t)(stop - at) - 1});

            if (line.len >= LEAK_BYTES_MIN &&
                    memmem(report.data, report.len, line.data, line.len) != NULL)
                return true;
        }
        at = newline != NULL ? newline + 1 : end;
    }
    return false;
}

// Without what a model thought aloud before it.
static struct assay_bytes report_of(const char *answer)
{
    static const char thought[] = "</think>";
    const char *begin = strstr(answer, thought);

    begin = begin != NULL ? begin + strlen(thought) : answer;
    return trimmed((struct assay_bytes){begin, strlen(begin)});
}

// --- the question --------------------------------------------------------------------------------

static void add_patch(struct assay_buf *text, const char *words, struct assay_bytes patch)
{
    if (patch.len == 0)
        return;
    assay_buf_addf(text, "%s\n\n", words);
    assay_buf_add(text, patch.data, patch.len < SHOWN_BYTES_MAX ? patch.len : SHOWN_BYTES_MAX);
    assay_buf_adds(text, "\n\n");
}

static void write_question(struct assay_buf *messages, const struct assay_instance *instance)
{
    struct assay_buf text;

    assay_buf_init(&text, CHAT_BYTES_MAX);
    assay_buf_addf(&text, "The project is %s. Of its tests these fail:\n\n", instance->repo);
    for (size_t i = 0; i < instance->fail_to_pass.count && i < TESTS_SHOWN; i++)
        assay_buf_addf(&text, "%.300s\n", instance->fail_to_pass.items[i]);
    assay_buf_addc(&text, '\n');
    add_patch(&text, "They came, or were changed, with this:", instance->test_patch);
    add_patch(&text, "This change mends them. Its author has your report alone: do not show it.",
            instance->gold_patch);
    assay_buf_adds(&text, "Write the report.");
    assay_chat_add(messages, "system", system_text, strlen(system_text));
    assay_chat_add(messages, "user", text.data, text.len);
    messages->failed |= text.failed;
    assay_buf_free(&text);
}

// Ask until a report shows nothing of the change. *report is in the arena.
static enum assay_status ask(enum assay_described *out, struct assay_bytes *report,
        const struct describing *d, const struct assay_instance *instance,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_actor *model = d->options->model;
    const struct assay_actor_task task = {.context = d->context,
            .suite = d->suite,
            .instance = instance,
            .seed = d->options->seed,
            .deadline_ms = assay_clock_ms() + PATIENCE_MS,
            .cancel = assay_context_interrupted(d->context)};
    struct assay_buf messages;
    void *state = NULL;
    enum assay_status status = model->kind->open(&state, model->config, &task, err);

    assay_buf_init(&messages, CHAT_BYTES_MAX);
    write_question(&messages, instance);
    *out = ASSAY_DESCRIBED_NOT;
    for (uint64_t draw = 0; status == ASSAY_OK && draw < TRIES && *out != ASSAY_DESCRIBED; draw++) {
        const struct assay_actor_question question = {.messages = &messages, .draw = draw};
        struct assay_actor_message message = {.arena = arena};

        status = model->kind->ask(state, &question, &message, err);
        if (status != ASSAY_OK || message.text == NULL)
            continue;
        *report = report_of(message.text);
        if (report->len >= REPORT_BYTES_MIN && report->len <= REPORT_BYTES_MAX)
            *out = assay_describe_leaks(*report, instance->gold_patch) ? ASSAY_DESCRIBED_LEAKING
                                                                       : ASSAY_DESCRIBED;
    }
    if (status == ASSAY_OK && *out == ASSAY_DESCRIBED_NOT)
        status = assay_fail(err, ASSAY_EINVAL, "the model wrote no report of %d to %d bytes",
                REPORT_BYTES_MIN, REPORT_BYTES_MAX);
    assay_buf_free(&messages);
    if (state != NULL)
        model->kind->close(state);
    return status;
}

// --- the files -----------------------------------------------------------------------------------

// Was it described? Its template stands beside it, and it says something else by now.
static enum assay_status is_described(bool *out, const char *template_path,
        const struct assay_instance *instance, struct assay_error *err)
{
    struct assay_error missing = {0};
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, PROBLEM_BYTES_MAX);
    status = assay_fs_read_file(&text, template_path, &missing);
    *out = status == ASSAY_OK &&
            (text.len != instance->problem.len ||
                    memcmp(text.data, instance->problem.data, text.len) != 0);
    assay_buf_free(&text);
    return status == ASSAY_OK || status == ASSAY_ENOTFOUND
            ? ASSAY_OK
            : assay_fail(err, status, "%s", missing.message);
}

static enum assay_status write_report(const char *problem_path, const char *template_path,
        const struct assay_instance *instance, struct assay_bytes report, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, REPORT_BYTES_MAX + 2);
    assay_buf_add(&text, report.data, report.len);
    assay_buf_addc(&text, '\n');
    status = assay_buf_check(&text, "the report", err);
    if (status == ASSAY_OK)
        status = assay_fs_replace_file(
                template_path, instance->problem.data, instance->problem.len, 0644, err);
    if (status == ASSAY_OK)
        status = assay_fs_replace_file(problem_path, text.data, text.len, 0644, err);
    assay_buf_free(&text);
    return status;
}

// *outcome says what came of it; trouble has the model's words with ASSAY_DESCRIBED_NOT.
static enum assay_status describe(enum assay_described *outcome, struct assay_error *trouble,
        const struct describing *d, const struct assay_instance *instance,
        struct assay_arena *arena, struct assay_error *err)
{
    const char *dir = d->options->dir;
    const char *problem = assay_arena_printf(arena, "%s/%s/problem.md", dir, instance->instance_id);
    const char *template =
            assay_arena_printf(arena, "%s/%s/problem.template.md", dir, instance->instance_id);
    struct assay_bytes report = {NULL, 0};
    bool known = false;
    enum assay_status status = ASSAY_OK;

    if (problem == NULL || template == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = is_described(&known, template, instance, err);
    *outcome = ASSAY_DESCRIBED_BEFORE;
    if (status != ASSAY_OK || known)
        return status;
    status = ask(outcome, &report, d, instance, arena, trouble);
    if (status == ASSAY_EINTERRUPTED)
        return assay_fail(err, status, "%s", trouble->message);
    if (status == ASSAY_OK && *outcome == ASSAY_DESCRIBED)
        return write_report(problem, template, instance, report, err);
    if (status != ASSAY_OK)
        *outcome = ASSAY_DESCRIBED_NOT;
    return ASSAY_OK;
}

static void count(
        struct describing *d, enum assay_described outcome, const struct assay_error *trouble)
{
    struct assay_describe_result *r = d->result;

    pthread_mutex_lock(&d->lock);
    r->counts[outcome]++;
    if (outcome == ASSAY_DESCRIBED_NOT && r->trouble[0] == '\0')
        (void)snprintf(r->trouble, sizeof(r->trouble), "%.250s", trouble->message);
    pthread_mutex_unlock(&d->lock);
}

static enum assay_status work(void *user, size_t index, struct assay_error *err)
{
    struct describing *d = user;
    struct assay_error trouble = {0};
    struct assay_arena *arena = NULL;
    enum assay_described outcome = ASSAY_DESCRIBED_NOT;
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, err);

    assay_progress_begin(d->progress);
    if (status == ASSAY_OK)
        status = describe(&outcome, &trouble, d, &d->suite->instances[index], arena, err);
    assay_arena_destroy(arena);
    if (status != ASSAY_OK) {
        assay_progress_drop(d->progress);
        return status;
    }
    count(d, outcome, &trouble);
    assay_progress_end(d->progress, outcome == ASSAY_DESCRIBED, true);
    return ASSAY_OK;
}

enum assay_status assay_describe(struct assay_describe_result *out, struct assay_context *context,
        const struct assay_describe_options *options, struct assay_error *err)
{
    struct assay_suite *suite = NULL;
    struct describing d = {.context = context, .options = options, .result = out};
    enum assay_status status = assay_suite_read_native(&suite, options->dir, err);

    *out = (struct assay_describe_result){.trouble = ""};
    if (status != ASSAY_OK)
        return status;
    d.suite = suite;
    pthread_mutex_init(&d.lock, NULL);
    status = assay_progress_start(
            &d.progress, "describe", "described", suite->instance_count, 0, 0, err);
    if (status == ASSAY_OK) {
        assay_context_log_around(context, assay_progress_around, d.progress);
        status = assay_jobs_run(options->threads, suite->instance_count, work, &d,
                assay_context_interrupted(context), err);
        assay_context_log_around(context, NULL, NULL);
        assay_progress_stop(d.progress);
    }
    pthread_mutex_destroy(&d.lock);
    assay_suite_free(suite);
    return status;
}
