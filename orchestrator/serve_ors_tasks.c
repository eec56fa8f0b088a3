// SPDX-License-Identifier: MIT
// serve_ors_tasks.c - what there is to solve, as clients of the Open Reward Standard ask for it.
#include <math.h>
#include <string.h>

#include "orchestrator/serve_mcp.h"
#include "orchestrator/serve_ors_parts.h"
#include "tasks/select.h"

static const struct split {
    const char *name; // also its type
    enum assay_split split;
} splits[] = {{"train", ASSAY_SPLIT_TRAIN}, {"validation", ASSAY_SPLIT_VALIDATION},
        {"test", ASSAY_SPLIT_HELD_OUT}};
#define SPLIT_COUNT (sizeof(splits) / sizeof(splits[0]))

static const struct assay_suite *find_suite(struct assay_service *serve, const char *name)
{
    const struct assay_suite *suite;

    for (size_t i = 0; (suite = assay_served_suite_at(serve->suites, i)) != NULL; i++) {
        if (strcmp(suite->name, name) == 0)
            return suite;
    }
    return NULL;
}

const struct assay_suite *assay_service_ors_suite(struct assay_service_call *call, const char *name)
{
    // "quick", or "owner/quick".
    const char *deployment = assay_http_header(call->request, "X-Deployment");
    const char *slash = deployment != NULL ? strrchr(deployment, '/') : NULL;
    const struct assay_suite *suite = NULL;

    if (name != NULL)
        return find_suite(call->serve, name);
    if (deployment != NULL)
        suite = find_suite(call->serve, slash != NULL ? slash + 1 : deployment);
    return suite != NULL ? suite : assay_served_suite_at(call->serve->suites, 0);
}

// The path's. NULL: the request was answered.
static const struct assay_suite *suite_of(struct assay_service_call *call)
{
    const struct assay_suite *suite =
            assay_service_ors_suite(call, *call->argument != '\0' ? call->argument : NULL);

    if (suite == NULL)
        assay_service_refuse(call->request, 404, "enotfound", "no such environment");
    return suite;
}

static const struct split *find_split(const char *name)
{
    for (size_t i = 0; i < SPLIT_COUNT; i++) {
        if (strcmp(splits[i].name, name) == 0)
            return &splits[i];
    }
    return NULL;
}

// The next task of the split at *at or later; NULL: there is none. *at is moved past it.
static const struct assay_served *next_task(struct assay_service *serve,
        const struct assay_suite *suite, const struct split *split, size_t *at)
{
    const struct assay_served *first = assay_served_at(serve->suites, suite->name, 0);

    while (first != NULL && *at < suite->instance_count) {
        const struct assay_served *task = &first[(*at)++];

        if (assay_split_of(task->instance) == split->split)
            return task;
    }
    return NULL;
}

static size_t count_tasks(
        struct assay_service *serve, const struct assay_suite *suite, const struct split *split)
{
    size_t count = 0, at = 0;

    while (next_task(serve, suite, split, &at) != NULL)
        count++;
    return count;
}

enum assay_status assay_service_ors_find(const struct assay_served **out,
        struct assay_service *serve, const struct assay_suite *suite, const char *split,
        uint64_t index, struct assay_error *err)
{
    const struct split *meant = find_split(split);
    const struct assay_served *task = NULL;
    size_t at = 0;

    if (meant == NULL)
        return assay_fail(err, ASSAY_EINVAL, "Invalid split");
    do
        task = next_task(serve, suite, meant, &at);
    while (task != NULL && index-- > 0);
    if (task == NULL)
        return assay_fail(err, ASSAY_EINVAL, "Invalid index");
    *out = task;
    return ASSAY_OK;
}

// --- answers ------------------------------------------------------------------------------------

struct answer {
    struct assay_buf text;
    struct assay_json_writer w;
};

static void begin(struct answer *a)
{
    assay_buf_init(&a->text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&a->w, &a->text, 0);
}

static void put_task(struct assay_json_writer *w, const char *key, const struct assay_served *task)
{
    assay_json_begin_object(w, key);
    assay_json_put_text(w, "suite", task->suite->name);
    assay_json_put_text(w, "instance_id", task->instance->instance_id);
    assay_json_end_object(w);
}

void assay_service_ors_version(struct assay_service_call *call)
{
    struct answer a;

    begin(&a);
    assay_json_begin_object(&a.w, NULL);
    assay_json_put_text(&a.w, "version", call->serve->options.version);
    assay_json_put_null(&a.w, "build_sha");
    assay_json_end_object(&a.w);
    assay_service_reply(call->request, 200, &a.text);
}

void assay_service_ors_environments(struct assay_service_call *call)
{
    const struct assay_suite *suite;
    struct answer a;

    begin(&a);
    assay_json_begin_array(&a.w, NULL);
    for (size_t i = 0; (suite = assay_served_suite_at(call->serve->suites, i)) != NULL; i++)
        assay_json_put_text(&a.w, NULL, suite->name);
    assay_json_end_array(&a.w);
    assay_service_reply(call->request, 200, &a.text);
}

void assay_service_ors_tools(struct assay_service_call *call)
{
    struct answer a;

    if (suite_of(call) == NULL)
        return;
    begin(&a);
    assay_json_begin_object(&a.w, NULL);
    assay_mcp_write_tools(&a.w, "tools", "input_schema", NULL);
    assay_json_put_null(&a.w, "terminal_tool");
    assay_json_put_bool(&a.w, "supports_score_group", false);
    assay_json_begin_array(&a.w, "message_block_types");
    assay_json_put_text(&a.w, NULL, "text");
    assay_json_end_array(&a.w);
    assay_json_end_object(&a.w);
    assay_service_reply(call->request, 200, &a.text);
}

void assay_service_ors_splits(struct assay_service_call *call)
{
    const struct assay_suite *suite = suite_of(call);
    struct answer a;

    if (suite == NULL)
        return;
    begin(&a);
    assay_json_begin_array(&a.w, NULL);
    for (size_t i = 0; i < SPLIT_COUNT; i++) {
        if (count_tasks(call->serve, suite, &splits[i]) == 0)
            continue;
        assay_json_begin_object(&a.w, NULL);
        assay_json_put_text(&a.w, "name", splits[i].name);
        assay_json_put_text(&a.w, "type", splits[i].name);
        assay_json_end_object(&a.w);
    }
    assay_json_end_array(&a.w);
    assay_service_reply(call->request, 200, &a.text);
}

// --- the tasks of a split -----------------------------------------------------------------------

// What a body asks for. Indices as Python has them: from the end where they are negative.
struct asked {
    struct assay_json *body; // owned
    const struct split *split;
    bool has_index, has_start, has_stop;
    int64_t index, start, stop;
};

static enum assay_status read_index(int64_t *out, bool *has, const struct assay_json *from,
        const char *key, struct assay_error *err)
{
    const struct assay_json *given = assay_json_get(from, key);
    const double number = assay_json_number(given);

    *has = assay_json_type(given) == ASSAY_JSON_NUMBER;
    if (given == NULL || assay_json_type(given) == ASSAY_JSON_NULL)
        return ASSAY_OK;
    if (!*has || number != floor(number) || fabs(number) > (double)ASSAY_JSON_INTEGER_MAX)
        return assay_fail(err, ASSAY_EINVAL, "field \"%s\" must be a whole number", key);
    *out = (int64_t)number;
    return ASSAY_OK;
}

// False: it was answered.
static bool read_asked(struct asked *out, struct assay_service_call *call, const char *const *keys,
        size_t key_count)
{
    struct assay_error err = {0};
    const char *split = NULL;
    enum assay_status status;

    *out = (struct asked){.body = NULL};
    status = assay_service_read(&out->body, call->request, &err);
    if (status == ASSAY_OK)
        status = assay_json_only_keys(out->body, keys, key_count, &err);
    if (status == ASSAY_OK)
        status = assay_json_read_text(&split, out->body, "split", &err);
    if (status == ASSAY_OK)
        status = read_index(&out->index, &out->has_index, out->body, "index", &err);
    if (status == ASSAY_OK)
        status = read_index(&out->start, &out->has_start, out->body, "start", &err);
    if (status == ASSAY_OK)
        status = read_index(&out->stop, &out->has_stop, out->body, "stop", &err);
    if (status != ASSAY_OK) {
        assay_service_refuse(call->request, 422, "validation", err.message);
    } else {
        out->split = find_split(split);
        if (out->split == NULL)
            assay_service_refuse(call->request, 400, "einval", "Invalid split");
    }
    if (out->split == NULL)
        assay_json_free(out->body);
    return out->split != NULL;
}

// {"tasks": those of [start, stop), "env_name"}
static void reply_tasks(struct assay_service_call *call, const struct assay_suite *suite,
        const struct split *split, size_t start, size_t stop)
{
    const struct assay_served *task;
    size_t at = 0;
    struct answer a;

    begin(&a);
    assay_json_begin_object(&a.w, NULL);
    assay_json_begin_array(&a.w, "tasks");
    for (size_t i = 0; i < stop && (task = next_task(call->serve, suite, split, &at)) != NULL;
            i++) {
        if (i >= start)
            put_task(&a.w, NULL, task);
    }
    assay_json_end_array(&a.w);
    assay_json_put_text(&a.w, "env_name", suite->name);
    assay_json_end_object(&a.w);
    assay_service_reply(call->request, 200, &a.text);
}

void assay_service_ors_tasks(struct assay_service_call *call)
{
    static const char *const keys[] = {"split"};
    const struct assay_suite *suite = suite_of(call);
    struct asked asked;

    if (suite == NULL || !read_asked(&asked, call, keys, 1))
        return;
    reply_tasks(call, suite, asked.split, 0, SIZE_MAX);
    assay_json_free(asked.body);
}

void assay_service_ors_num_tasks(struct assay_service_call *call)
{
    static const char *const keys[] = {"split"};
    const struct assay_suite *suite = suite_of(call);
    struct asked asked;
    struct answer a;

    if (suite == NULL || !read_asked(&asked, call, keys, 1))
        return;
    begin(&a);
    assay_json_begin_object(&a.w, NULL);
    assay_json_put_u64(&a.w, "num_tasks", count_tasks(call->serve, suite, asked.split));
    assay_json_end_object(&a.w);
    assay_json_free(asked.body);
    assay_service_reply(call->request, 200, &a.text);
}

static size_t resolve(int64_t index, size_t count)
{
    if (index < 0)
        return (uint64_t)-index > count ? 0 : count - (size_t)-index;
    return (uint64_t)index > count ? count : (size_t)index;
}

void assay_service_ors_task(struct assay_service_call *call)
{
    static const char *const keys[] = {"split", "index"};
    const struct assay_suite *suite = suite_of(call);
    const struct assay_served *task = NULL;
    struct assay_error err = {0};
    enum assay_status status = ASSAY_OK;
    struct asked asked;
    struct answer a;

    if (suite == NULL || !read_asked(&asked, call, keys, 2))
        return;
    if (asked.has_index && asked.index < 0)
        asked.index += (int64_t)count_tasks(call->serve, suite, asked.split);
    status = asked.has_index && asked.index >= 0
            ? assay_service_ors_find(
                      &task, call->serve, suite, asked.split->name, (uint64_t)asked.index, &err)
            : assay_fail(&err, ASSAY_EINVAL, "Invalid index");
    assay_json_free(asked.body);
    if (status != ASSAY_OK) {
        assay_service_fail(call->request, status, &err);
        return;
    }
    begin(&a);
    assay_json_begin_object(&a.w, NULL);
    put_task(&a.w, "task", task);
    assay_json_put_text(&a.w, "env_name", suite->name);
    assay_json_end_object(&a.w);
    assay_service_reply(call->request, 200, &a.text);
}

void assay_service_ors_task_range(struct assay_service_call *call)
{
    static const char *const keys[] = {"split", "start", "stop"};
    const struct assay_suite *suite = suite_of(call);
    struct asked asked;
    size_t count;

    if (suite == NULL || !read_asked(&asked, call, keys, 3))
        return;
    count = count_tasks(call->serve, suite, asked.split);
    reply_tasks(call, suite, asked.split, asked.has_start ? resolve(asked.start, count) : 0,
            asked.has_stop ? resolve(asked.stop, count) : count);
    assay_json_free(asked.body);
}
