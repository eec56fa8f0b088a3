// SPDX-License-Identifier: MIT
// What must hold: whatever a client sends to be graded or to act, in whichever trainer's words, it
// is read or refused with a reason; what was read names a task that is served and an answer, and
// what it is told is one JSON value. The first byte says whose words they are.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/serve_grade.h"
#include "orchestrator/serve_openenv.h"
#include "orchestrator/serve_parts.h"
#include "orchestrator/serve_shapes.h"
#include "orchestrator/serve_turn.h"
#include "tests/fuzz/served.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES_MAX ((size_t)1 << 20)
static const struct assay_json_limits limits = {BYTES_MAX, ASSAY_SERVE_DEPTH_MAX};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_submissions(const struct assay_submission *submissions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        must(submissions[i].task != NULL && submissions[i].task->instance != NULL);
        must(submissions[i].answer.data != NULL);
        must(memchr(submissions[i].answer.data, '\0', submissions[i].answer.len) == NULL);
    }
}

static void check_json(const struct assay_buf *text)
{
    struct assay_json *json = NULL;

    must(!text->failed);
    must(assay_json_parse(&json, text->data, text->len, limits, "told", 1, NULL) == ASSAY_OK);
    assay_json_free(json);
}

static void ask_grade(const struct assay_json *body, struct assay_arena *arena)
{
    struct assay_grade_ask ask;

    if (assay_grade_read(&ask, served(false)->suites, body, false, arena, NULL) != ASSAY_OK)
        return;
    must(ask.many || ask.count == 1);
    check_submissions(ask.submissions, ask.count);
}

// A verdict of each kind, whatever was asked.
static void tell_shape(const struct assay_shape *shape, const struct assay_shape_ask *ask)
{
    struct assay_gathered *items = assay_arena_array(ask->arena, ask->count, sizeof(*items));
    struct assay_json_writer w;
    struct assay_buf text;

    must(items != NULL);
    for (size_t i = 0; i < ask->count; i++)
        items[i] = (struct assay_gathered){.state = ASSAY_GRADED_DONE,
                .task = ask->submissions[i].task,
                .scored = i % 3 != 1,
                .reward = i % 2 == 0 ? 1 : 0.1,
                .cause = "ok"};
    assay_buf_init(&text, 64 * BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    shape->write(&w, ask, items);
    if (ask->details || shape != assay_shape_at(ASSAY_SHAPE_SLIME)) // that one is a bare number
        check_json(&text);
    assay_buf_free(&text);
}

static void ask_shape(const struct assay_json *body, struct assay_arena *arena,
        enum assay_shape_name name, bool details)
{
    const struct assay_shape *shape = assay_shape_at(name);
    struct assay_shape_ask ask = {
            .suites = served(false)->suites, .body = body, .arena = arena, .details = details};

    if (shape->read(&ask, NULL) != ASSAY_OK)
        return;
    check_submissions(ask.submissions, ask.count);
    tell_shape(shape, &ask);
}

static void ask_metrics(const struct assay_json *body)
{
    struct assay_buf text;

    assay_buf_init(&text, BYTES_MAX);
    if (assay_shape_write_metrics(&text, body, NULL) == ASSAY_OK)
        check_json(&text);
    assay_buf_free(&text);
}

// OpenEnv's step, and what names its session.
static void ask_action(const struct assay_json *body)
{
    const struct assay_json *action = assay_json_get(body, "action");
    const char *header = assay_json_text(assay_json_get(body, "header"));
    const char *cookies = assay_json_text(assay_json_get(body, "cookies"));
    struct assay_openenv_action read;
    char id[ASSAY_ID_BYTES];

    if (assay_openenv_read_session(id, header, cookies, body))
        must(strlen(id) == ASSAY_ID_BYTES - 1);
    if (action == NULL)
        return;
    if (assay_openenv_read_action(&read, action, NULL) == ASSAY_OK && !read.lists) {
        must(read.action.tool != NULL);
        check_json(&read.arguments);
    }
    assay_openenv_action_free(&read);
}

static void ask_episode(const struct assay_json *body)
{
    struct assay_lease_begin begin;

    if (assay_service_read_begin(&begin, served(false), body, NULL) != ASSAY_OK)
        return;
    must(begin.task != NULL && begin.episode.limits.turns_max > 0);
    must(begin.episode.limits.wall_ms_max > 0 && begin.episode.limits.cpu_ms_max > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_arena *arena = NULL;
    struct assay_json *body = NULL;
    uint8_t whose;

    if (size == 0 || size > BYTES_MAX)
        return 0;
    whose = (uint8_t)(data[0] - '0') % 10;
    must(assay_arena_create(&arena, 16 * BYTES_MAX, NULL) == ASSAY_OK);
    if (assay_json_parse(&body, (const char *)data + 1, size - 1, limits, "body", 1, NULL) ==
                    ASSAY_OK &&
            assay_json_type(body) == ASSAY_JSON_OBJECT) {
        if (whose == 0)
            ask_action(body);
        else if (whose == 1)
            ask_episode(body);
        else if (whose == 2)
            ask_metrics(body);
        else if (whose == 3 || whose == 4)
            ask_grade(body, arena);
        else
            ask_shape(body, arena, (enum assay_shape_name)(whose - 5), data[0] > '9');
    }
    assay_json_free(body);
    assay_arena_destroy(arena);
    return 0;
}
