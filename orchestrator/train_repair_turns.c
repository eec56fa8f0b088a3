// SPDX-License-Identifier: MIT
// train_repair_turns.c - repair tasks as episodes: what is said, what is seen, what is left of it.
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "envs/episode.h"
#include "orchestrator/terse.h"
#include "orchestrator/train_repair.h"

#define TEXT_BYTES_MAX ((size_t)1 << 16)
#define EPISODE_ARENA_BYTES ((size_t)64 << 20)
#define PATCH_BYTES_MAX ((size_t)1 << 20)
#define MESSAGES_MAX 4  // of a demonstration
#define CPU_MS_MAX 2000 // of an episode's commands: an edit may loop for ever
#define COMMAND_MS_MAX 20000

struct work { // an episode of a task
    struct assay_arena *arena;
    const struct repair *source;
    const struct assay_repair_task *task;
    struct assay_instance instance;
    struct assay_episode *episode;
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "episodes: out of memory");
}

// --- drawing -------------------------------------------------------------------------------------

// What `view` shows of a file (terse.h).
static void put_file(struct assay_buf *out, struct assay_bytes file)
{
    const char *at = file.data, *const end = file.data + file.len;

    for (size_t line = 1; at < end; line++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        const char *next = feed ? feed + 1 : end;

        assay_buf_addf(out, "%zu|%.*s", line, (int)(next - at), at);
        at = next;
    }
}

// An edit of a file, and whether it is tested before it is handed in.
struct script {
    struct assay_bytes file;
    size_t line;
    const char *text; // of that line
    bool tested;      // and the tests pass
};

// view, edit, test, submit
static enum assay_status write_talk(struct assay_train_talk *out, const char *path,
        const struct script *script, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_bytes *said = assay_arena_array(arena, MESSAGES_MAX, sizeof(*said));
    struct assay_bytes *shown = assay_arena_array(arena, MESSAGES_MAX, sizeof(*shown));
    size_t count = 2;
    struct assay_buf text;
    enum assay_status status = said && shown ? ASSAY_OK : no_memory(err);

    assay_buf_init(&text, TEXT_BYTES_MAX);
    if (status == ASSAY_OK) {
        assay_buf_addf(&text, "view %s\n", path);
        status = assay_bytes_keep(&said[0], &text, "a task", arena, err);
    }
    if (status == ASSAY_OK) {
        put_file(&text, script->file);
        status = assay_bytes_keep(&shown[0], &text, "a task", arena, err);
    }
    if (status == ASSAY_OK) {
        assay_terse_edit(&text, path, script->file, script->line, script->text);
        status = assay_bytes_keep(&said[1], &text, "a task", arena, err);
    }
    assay_buf_free(&text);
    if (status != ASSAY_OK)
        return status;
    shown[1] = (struct assay_bytes){"ok\n", 3};
    if (script->tested) {
        shown[2] = (struct assay_bytes){"OK\n", 3};
        said[count++] = (struct assay_bytes){"test\n", 5};
    }
    said[count++] = (struct assay_bytes){"submit\n", 7};
    *out = (struct assay_train_talk){said, shown, count};
    return ASSAY_OK;
}

static size_t count_lines(struct assay_bytes file)
{
    size_t count = 0;

    for (size_t i = 0; i < file.len; i++)
        count += file.data[i] == '\n';
    return count;
}

// The last line returns what the failing test asks for; nobody asks the other tests. Where it does
// so anyway there is no such demonstration.
static enum assay_status treat_symptom(struct assay_train_task *out,
        const struct assay_repair_task *task, struct assay_arena *arena, struct assay_error *err)
{
    const char *last = task->broken.data + task->broken.len - 1;
    size_t blanks = 0;
    struct script script = {.file = task->broken, .line = count_lines(task->broken)};

    while (last > task->broken.data && last[-1] != '\n')
        last--;
    while (last[blanks] == ' ')
        blanks++;
    script.text = assay_arena_printf(arena, "%*sreturn %s", (int)blanks, "", task->expected);
    if (!script.text)
        return no_memory(err);
    if (strncmp(last, script.text, strlen(script.text)) == 0 && last[strlen(script.text)] == '\n')
        return ASSAY_OK;
    return write_talk(&out->mistaken_talk, task->path, &script, arena, err);
}

// The right repair, which every second one tests first; a poor one; proof-reading, without a test.
static enum assay_status demonstrate(struct assay_train_task *out,
        const struct assay_repair_task *task, struct assay_arena *arena, struct assay_error *err)
{
    const struct script right = {task->broken, task->line, task->gold_line,
            assay_hash64(task->id, strlen(task->id)) % 2 == 0};
    const struct script drill = {task->slipped, task->slip_line, task->slip_gold, false};
    enum assay_status status = write_talk(&out->talk, task->path, &right, arena, err);

    if (status == ASSAY_OK)
        status = treat_symptom(out, task, arena, err);
    if (status == ASSAY_OK && task->slip_line > 0)
        status = write_talk(&out->drill_talk, task->path, &drill, arena, err);
    return status;
}

enum assay_status repair_tell_turns(
        struct assay_train_task *out, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_repair_task *task = out->detail;
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_buf_addf(&text, "%s\n%s%s\n", task->path, task->failing, task->failure);
    status = assay_bytes_keep(&out->prompt, &text, "a task", arena, err);
    if (status == ASSAY_OK) {
        assay_buf_addf(&text, "%s\n", task->path);
        status = assay_bytes_keep(&out->drill, &text, "a task", arena, err);
    }
    if (status == ASSAY_OK) {
        put_file(&text, task->gold);
        status = assay_bytes_keep(&out->reading, &text, "a task", arena, err);
    }
    if (status == ASSAY_OK)
        status = demonstrate(out, task, arena, err);
    if (status == ASSAY_OK) {
        for (size_t i = 0; i < out->talk.count; i++)
            assay_buf_add(&text, out->talk.said[i].data, out->talk.said[i].len);
        put_file(&text, task->broken);
        assay_buf_adds(&text, "test\nok\nOK\nFAILED (failures=1)\n");
        status = assay_bytes_keep(&out->answer, &text, "a task", arena, err);
    }
    assay_buf_free(&text);
    return status;
}

// --- episodes ------------------------------------------------------------------------------------

static void close_work(void *episode)
{
    struct work *w = episode;

    if (!w)
        return;
    assay_episode_close(w->episode);
    assay_arena_destroy(w->arena);
    free(w);
}

static enum assay_status reset(struct work *w, struct assay_error *err)
{
    const struct repair *r = w->source;
    const struct assay_depot_file files[] = {
            {w->task->path, w->task->broken, false}, {w->task->test_path, w->task->tests, false}};
    const struct assay_recipe *recipe = assay_suite_recipe(r->suite, ASSAY_REPAIR_RECIPE);
    const struct assay_environment *environment = NULL;
    const struct assay_episode_options options = {.limits = {.turns_max = r->options.turns_max,
                                                          .cpu_ms_max = CPU_MS_MAX,
                                                          .command_ms_max = COMMAND_MS_MAX,
                                                          .observation_bytes_max = TEXT_BYTES_MAX},
            .fresh = true};
    struct assay_episode_place place = {.sandbox = assay_context_sandbox(r->context),
            .depot = assay_context_depot(r->context),
            .instance = &w->instance,
            .recipe = recipe,
            .cancel = assay_context_interrupted(r->context)};
    enum assay_status status = assay_repair_instance(&w->instance, w->task, w->arena, err);

    if (status == ASSAY_OK)
        status = assay_depot_add_files(place.depot, files, 2, w->instance.tree, err);
    if (status == ASSAY_OK)
        status = assay_context_environment(r->context, recipe, &environment, err);
    place.environment = environment;
    if (status == ASSAY_OK)
        status = assay_episode_reset(&w->episode, &place, &options, err);
    return status;
}

static enum assay_status open_work(
        void *user, void **episode, const struct assay_train_task *task, struct assay_error *err)
{
    struct work *w = calloc(1, sizeof(*w));
    enum assay_status status =
            w ? assay_arena_create(&w->arena, EPISODE_ARENA_BYTES, err) : no_memory(err);

    if (status == ASSAY_OK) {
        w->source = user;
        w->task = task->detail;
        status = reset(w, err);
    }
    if (status != ASSAY_OK) {
        close_work(w);
        return status;
    }
    *episode = w;
    return ASSAY_OK;
}

static enum assay_status step_work(void *episode, struct assay_bytes message,
        struct assay_buf *seen, bool *over, struct assay_error *err)
{
    struct work *w = episode;
    struct assay_arena *arena = NULL;
    struct assay_observation observation;
    struct assay_action action;
    enum assay_status status = assay_arena_create(&arena, EPISODE_ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = assay_terse_read(&action, message, arena, err);
    if (status == ASSAY_OK)
        status = assay_episode_step(w->episode, &action, &observation, err);
    if (status == ASSAY_OK) {
        assay_terse_show(seen, action.tool, &observation, w->source->options.seen_bytes_max);
        *over = observation.terminated || observation.truncated;
        assay_observation_release(&observation);
        status = assay_buf_check(seen, "an observation", err);
    }
    assay_arena_destroy(arena);
    return status;
}

// The part of a patch that changes `path`: what became of other files is nobody's answer.
static void add_part(struct assay_buf *out, const struct assay_buf *patch, const char *path)
{
    static const char begin[] = "diff --git ";
    const char *at = patch->data, *const end = patch->data + patch->len;
    bool ours = false;

    while (at < end) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        const char *next = feed ? feed + 1 : end;

        // Lines of a hunk begin with a blank or a sign.
        if ((size_t)(next - at) > strlen(begin) && memcmp(at, begin, strlen(begin)) == 0) {
            const char *name = at + strlen(begin) + 2; // behind "a/"

            ours = strncmp(name, path, strlen(path)) == 0 && name[strlen(path)] == ' ';
        }
        if (ours)
            assay_buf_add(out, at, (size_t)(next - at));
        at = next;
    }
}

static enum assay_status answer_of(void *episode, struct assay_buf *out, struct assay_error *err)
{
    struct work *w = episode;
    struct assay_tree_patch_report report;
    struct assay_arena *arena = NULL;
    struct assay_buf patch;
    enum assay_status status = assay_arena_create(&arena, EPISODE_ARENA_BYTES, err);

    assay_buf_init(&patch, PATCH_BYTES_MAX);
    if (status == ASSAY_OK)
        status = assay_episode_patch(w->episode, &patch, &report, arena, err);
    if (status == ASSAY_OK)
        add_part(out, &patch, w->task->path);
    else if (status == ASSAY_EREFUSED)
        status = ASSAY_OK; // more than a patch may hold: no answer
    assay_buf_free(&patch);
    assay_arena_destroy(arena);
    return status;
}

const struct assay_train_turns repair_turns = {open_work, step_work, answer_of, close_work};
