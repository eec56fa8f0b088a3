// SPDX-License-Identifier: MIT
#include "orchestrator/serve_mcp_tools.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "envs/tools.h"
#include "orchestrator/serve_parts.h"
#include "orchestrator/serve_turn.h"

static const char *const shells[] = {"persistent", "fresh", NULL};

// Around episodes. What they do is below; the rows are what they are called with.
static const struct assay_tool around[] = {
        {"list_tasks", "List what there is to solve: instance ids with their problems.",
                {{"suite", ASSAY_TOOL_TEXT, false, "only this suite's", NULL}}, NULL},
        {"open_episode",
                "Open an episode: a repository in a sandbox. Tells the problem and the episode_id.",
                {{"instance_id", ASSAY_TOOL_TEXT, false, "the task; chosen by seed when not given",
                         NULL},
                        {"suite", ASSAY_TOOL_TEXT, false, "where several suites have it", NULL},
                        {"seed", ASSAY_TOOL_NUMBER, false, "which task, where none is named", NULL},
                        {"turns", ASSAY_TOOL_NUMBER, false, "calls of tools, at most (100)", NULL},
                        {"shell", ASSAY_TOOL_TEXT, false, "what bash keeps between calls", shells}},
                NULL},
        {"fork_episode", "Open another episode that stands where this one stands, or stood.",
                {{"turn", ASSAY_TOOL_NUMBER, false, "after this turn", NULL},
                        {"episode_id", ASSAY_TOOL_TEXT, false, "of which episode", NULL}},
                NULL},
        {"close_episode", "Give an episode back without submitting.",
                {{"episode_id", ASSAY_TOOL_TEXT, false, "which", NULL}}, NULL},
        {"grade", "Judge a patch (or another answer) to a task by its tests, without an episode.",
                {{"instance_id", ASSAY_TOOL_TEXT, true, "the task", NULL},
                        {"answer", ASSAY_TOOL_TEXT, true, "a patch, in any common format", NULL},
                        {"suite", ASSAY_TOOL_TEXT, false, "where several suites have it", NULL}},
                NULL},
};
#define AROUND_COUNT (sizeof(around) / sizeof(around[0]))

// --- their schemas ------------------------------------------------------------------------------

static void write_tool(struct assay_json_writer *w, const char *schema_key,
        const struct assay_tool *tool, const char *episode_doc)
{
    struct assay_tool told = *tool;
    size_t count = 0;

    while (count < ASSAY_TOOL_PARAMETERS_MAX && told.parameters[count].name != NULL)
        count++;
    if (episode_doc != NULL && count + 1 < ASSAY_TOOL_PARAMETERS_MAX)
        told.parameters[count] = (struct assay_tool_parameter){
                "episode_id", ASSAY_TOOL_TEXT, false, episode_doc, NULL};
    assay_json_begin_object(w, NULL);
    assay_json_put_text(w, "name", tool->name);
    assay_json_put_text(w, "description", tool->doc);
    assay_tool_write_schema(w, schema_key, &told);
    assay_json_end_object(w);
}

void assay_mcp_write_tools(struct assay_json_writer *w, const char *key, const char *schema_key,
        const char *episode_doc)
{
    size_t count = 0;
    const struct assay_tool *tools = assay_tool_table(&count);

    assay_json_begin_array(w, key);
    for (size_t i = 0; i < count; i++)
        write_tool(w, schema_key, &tools[i], episode_doc);
    for (size_t i = 0; episode_doc != NULL && i < AROUND_COUNT; i++)
        write_tool(w, schema_key, &around[i], NULL);
    assay_json_end_array(w);
}

// --- waiting ------------------------------------------------------------------------------------

// What is told by another thread, or by this one.
struct waited {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool done;
    struct assay_mcp_tool_result *out;
};

static void wait_begin(struct waited *waited, struct assay_mcp_tool_result *out)
{
    *waited = (struct waited){.out = out};
    pthread_mutex_init(&waited->lock, NULL);
    pthread_cond_init(&waited->change, NULL);
}

static void wait_end(struct waited *waited, bool will_be_told)
{
    pthread_mutex_lock(&waited->lock);
    while (will_be_told && !waited->done)
        pthread_cond_wait(&waited->change, &waited->lock);
    pthread_mutex_unlock(&waited->lock);
    pthread_cond_destroy(&waited->change);
    pthread_mutex_destroy(&waited->lock);
}

static void wait_is_over(struct waited *waited)
{
    pthread_mutex_lock(&waited->lock);
    waited->done = true;
    pthread_cond_signal(&waited->change);
    pthread_mutex_unlock(&waited->lock);
}

static void turn_told(void *user, const struct assay_service_turn *turn)
{
    struct waited *waited = user;
    struct assay_mcp_tool_result *out = waited->out;
    struct assay_json_writer w;

    if (turn->seen != NULL) {
        assay_buf_add(&out->text, turn->seen->text.data, turn->seen->text.len);
        out->failed = turn->seen->failed;
    }
    if (turn->pending)
        assay_buf_adds(&out->text, "The grading is not over: submit again to ask for it.\n");
    assay_json_writer_init(&w, &out->structured, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "episode_id", turn->view.id);
    assay_json_put_u64(&w, "turns", turn->view.turns);
    assay_json_put_bool(&w, "terminated", turn->terminated);
    assay_json_put_bool(&w, "truncated", turn->truncated);
    assay_json_put_bool(&w, "pending", turn->pending);
    assay_service_write_reward(&w, "reward", turn);
    assay_json_end_object(&w);
    wait_is_over(waited);
}

static void grade_told(void *user, const struct assay_gathered *items, size_t count)
{
    struct waited *waited = user;
    struct assay_mcp_tool_result *out = waited->out;

    (void)count;
    if (items[0].state == ASSAY_GRADED_DONE) {
        assay_buf_adds(&out->text, items[0].reason);
        assay_buf_adds(&out->structured, items[0].verdict);
    } else {
        out->failed = items[0].state != ASSAY_GRADED_QUEUED;
        assay_buf_adds(&out->text,
                out->failed ? items[0].reason : "The grading is not over: ask for it again.");
    }
    wait_is_over(waited);
}

// --- what they do -------------------------------------------------------------------------------

static enum assay_status list_tasks(struct assay_mcp_tool_result *out, struct assay_mcp *mcp,
        const struct assay_json *arguments, struct assay_error *err)
{
    const char *suite = assay_json_text(assay_json_get(arguments, "suite"));
    const struct assay_served *served;
    struct assay_json_writer w;

    (void)err;
    assay_json_writer_init(&w, &out->text, 0);
    assay_json_begin_array(&w, NULL);
    for (size_t i = 0; (served = assay_served_at(mcp->serve->suites, suite, i)) != NULL; i++) {
        const struct assay_instance *instance = served->instance;

        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "suite", served->suite->name);
        assay_json_put_text(&w, "instance_id", instance->instance_id);
        assay_json_put_bytes(&w, "problem", instance->problem.data, instance->problem.len);
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    return ASSAY_OK;
}

// An episode was opened: it is the one that is meant from now on.
static enum assay_status tell_opened(struct assay_mcp_tool_result *out, struct assay_mcp *mcp,
        const char *id, struct assay_error *err)
{
    struct assay_lease_view view;
    const enum assay_status status = assay_leases_look(mcp->serve->leases, id, &view, err);
    struct assay_json_writer w;

    if (status != ASSAY_OK)
        return status;
    memcpy(mcp->episode, view.id, sizeof(mcp->episode));
    memcpy(out->episode, view.id, sizeof(out->episode));
    assay_buf_addf(&out->text, "episode_id: %s\nworkdir: %s\ninstance_id: %s\n\n", view.id,
            view.workdir, view.task->instance->instance_id);
    assay_buf_add(&out->text, view.task->instance->problem.data, view.task->instance->problem.len);
    assay_json_writer_init(&w, &out->structured, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "episode_id", view.id);
    assay_json_put_text(&w, "instance_id", view.task->instance->instance_id);
    assay_json_put_text(&w, "workdir", view.workdir);
    assay_json_end_object(&w);
    return ASSAY_OK;
}

static enum assay_status open_episode(struct assay_mcp_tool_result *out, struct assay_mcp *mcp,
        const struct assay_json *arguments, struct assay_error *err)
{
    struct assay_lease_begin begin;
    char id[ASSAY_ID_BYTES];
    enum assay_status status = assay_service_read_begin(&begin, mcp->serve, arguments, err);

    if (status != ASSAY_OK)
        return status;
    begin.owner = mcp->who;
    status = assay_leases_open(mcp->serve->leases, &begin, id, err);
    return status == ASSAY_OK ? tell_opened(out, mcp, id, err) : status;
}

static enum assay_status fork_episode(struct assay_mcp_tool_result *out, struct assay_mcp *mcp,
        const char *episode, const struct assay_json *arguments, struct assay_error *err)
{
    char id[ASSAY_ID_BYTES];
    uint64_t turn = UINT32_MAX;
    uint32_t differs = 0;
    enum assay_status status =
            assay_json_opt_u64(&turn, arguments, "turn", 0, ASSAY_EPISODE_TURNS_MAX, err);

    if (status == ASSAY_OK)
        status = assay_leases_fork(mcp->serve->leases, episode, (uint32_t)turn, id, &differs, err);
    return status == ASSAY_OK ? tell_opened(out, mcp, id, err) : status;
}

static enum assay_status close_episode(struct assay_mcp_tool_result *out, struct assay_mcp *mcp,
        const char *episode, struct assay_error *err)
{
    const enum assay_status status = assay_leases_close(mcp->serve->leases, episode, err);

    if (status != ASSAY_OK)
        return status;
    if (strcmp(mcp->episode, episode) == 0)
        mcp->episode[0] = '\0';
    assay_buf_adds(&out->text, "closed");
    return ASSAY_OK;
}

static enum assay_status grade(struct assay_mcp_tool_result *out, struct assay_mcp *mcp,
        const struct assay_json *arguments, struct assay_error *err)
{
    const char *instance_id = NULL, *answer = NULL, *suite = NULL;
    struct waited waited;
    const struct assay_gathering gathering = {.done = grade_told, .user = &waited};
    struct assay_submission submission = {.task = NULL};
    enum assay_status status = assay_json_read_text(&instance_id, arguments, "instance_id", err);

    if (status == ASSAY_OK)
        status = assay_json_read_text(&answer, arguments, "answer", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&suite, arguments, "suite", err);
    if (status == ASSAY_OK)
        status = assay_served_find(&submission.task, mcp->serve->suites, suite, instance_id, err);
    if (status != ASSAY_OK)
        return status;
    submission.answer = (struct assay_bytes){answer, strlen(answer)};
    wait_begin(&waited, out);
    status = assay_gather(mcp->serve->grader, &submission, 1,
            assay_clock_ms() + ASSAY_SERVE_PATIENCE_MS, &gathering, err);
    wait_end(&waited, status == ASSAY_OK);
    return status;
}

// A tool of the episode itself; in one that is over, what that is worth.
static enum assay_status act(struct assay_mcp_tool_result *out, struct assay_mcp *mcp,
        const char *name, const char *episode, const struct assay_json *arguments,
        struct assay_error *err)
{
    struct assay_action action = {.tool = name};
    struct assay_lease_view view;
    struct waited waited;
    struct assay_buf text;
    enum assay_status status = assay_leases_look(mcp->serve->leases, episode, &view, err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&text, ASSAY_SERVE_BODY_BYTES_MAX);
    status = assay_service_write_arguments(&text, arguments, "episode_id", err);
    action.arguments = text.data;
    if (status == ASSAY_OK) {
        wait_begin(&waited, out);
        status = assay_service_take_turn(mcp->serve, episode,
                view.cause == ASSAY_EPISODE_RUNNING ? &action : NULL,
                assay_clock_ms() + ASSAY_SERVE_PATIENCE_MS, turn_told, &waited, err);
        wait_end(&waited, status == ASSAY_OK);
    }
    assay_buf_free(&text);
    return status;
}

// --- one call -----------------------------------------------------------------------------------

static bool is_around(const char *name)
{
    for (size_t i = 0; i < AROUND_COUNT; i++) {
        if (strcmp(around[i].name, name) == 0)
            return true;
    }
    return false;
}

static enum assay_status call(struct assay_mcp_tool_result *out, struct assay_mcp *mcp,
        const char *name, const char *episode, const struct assay_json *arguments,
        struct assay_error *err)
{
    const char *given = assay_json_text(assay_json_get(arguments, "episode_id"));

    if (strcmp(name, "list_tasks") == 0)
        return list_tasks(out, mcp, arguments, err);
    if (strcmp(name, "open_episode") == 0)
        return open_episode(out, mcp, arguments, err);
    if (strcmp(name, "grade") == 0)
        return grade(out, mcp, arguments, err);
    if (episode == NULL)
        episode = given != NULL ? given : mcp->episode;
    if (mcp->confined && strcmp(episode, mcp->episode) != 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "no other episode is reached from here");
    if (episode[0] == '\0')
        return assay_fail(err, ASSAY_ENOTFOUND, "no episode is open: open_episode comes first");
    if (!assay_service_owns(mcp->serve, mcp->role, mcp->who, episode, err))
        return ASSAY_ENOTFOUND;
    snprintf(out->episode, sizeof(out->episode), "%.*s", ASSAY_ID_BYTES - 1, episode);
    if (strcmp(name, "fork_episode") == 0)
        return fork_episode(out, mcp, episode, arguments, err);
    if (strcmp(name, "close_episode") == 0)
        return close_episode(out, mcp, episode, err);
    return act(out, mcp, name, episode, arguments, err);
}

void assay_mcp_tool_result_release(struct assay_mcp_tool_result *result)
{
    assay_buf_free(&result->text);
    assay_buf_free(&result->structured);
}

enum assay_status assay_mcp_call(struct assay_mcp_tool_result *out, struct assay_mcp *mcp,
        const char *name, const char *episode, const struct assay_json *arguments,
        struct assay_error *err)
{
    struct assay_error trouble = {0};
    char kept[ASSAY_ID_BYTES + 32];
    enum assay_status status;

    if ((mcp->confined || !is_around(name)) && assay_tool_find(name) == NULL)
        return assay_fail(err, ASSAY_EINVAL, "Unknown tool: %.80s", name);
    if (mcp->role < ASSAY_ROLE_RUN)
        return assay_fail(err, ASSAY_EREFUSED, "the token is not for this");
    *out = (struct assay_mcp_tool_result){.failed = false};
    assay_buf_init(&out->text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_buf_init(&out->structured, ASSAY_SERVE_REPLY_BYTES_MAX);
    if (episode != NULL) { // it may be the one that is closed
        snprintf(kept, sizeof(kept), "%s", episode);
        episode = kept;
    }
    status = call(out, mcp, name, episode, arguments, &trouble);
    if (status != ASSAY_OK) {
        assay_buf_clear(&out->text);
        assay_buf_addf(&out->text, "Error: %s\n", trouble.message);
        out->failed = true;
    }
    return ASSAY_OK;
}
