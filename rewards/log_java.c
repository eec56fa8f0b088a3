// SPDX-License-Identifier: MIT
// log_java.c - maven and gradle: names and results that stand on different lines.
#include "rewards/log_parse.h"

#define COUNT_MIN 64

// First in, first out; what was taken is before `taken`.
struct queue {
    struct assay_text *items;
    size_t count, capacity, taken;
};

static void queue_push(struct assay_log_run *run, struct queue *queue, struct assay_text item)
{
    if (queue->count == queue->capacity) {
        const size_t capacity = queue->capacity == 0 ? COUNT_MIN : 2 * queue->capacity;
        struct assay_text *items = assay_arena_array(run->arena, capacity, sizeof(*items));

        if (items == NULL) {
            run->no_memory = true;
            return;
        }
        for (size_t i = 0; i < queue->count; i++)
            items[i] = queue->items[i];
        queue->items = items;
        queue->capacity = capacity;
    }
    queue->items[queue->count++] = item;
}

static bool queue_pop(struct queue *queue, struct assay_text *item)
{
    if (queue->taken == queue->count)
        return false;
    *item = queue->items[queue->taken++];
    return true;
}

static enum assay_test_status build_status(struct assay_text word)
{
    return assay_text_is(word, "SUCCESS") ? ASSAY_TEST_PASSED : ASSAY_TEST_FAILED;
}

// Maven names no test that passed. One build a test: its name is in the traced command line
// (-Dtest=NAME), its result is the build's. Results may come before names and the other way round.
void assay_parse_maven(struct assay_log_run *run)
{
    struct assay_regex *name_line = assay_log_regex(run, ".*-Dtest=(" PY_NS "+).*$", 0);
    struct assay_regex *result_line = assay_log_regex(run, ".*BUILD (SUCCESS|FAILURE)$", 0);
    struct assay_text rest = run->text, line, name, word;
    struct queue names = {0}, results = {0};
    struct assay_regex_match match;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line)) {
        line = assay_py_strip(line);
        if (assay_log_match(run, name_line, line, &match))
            queue_push(run, &names, match.groups[1]);
        if (!assay_log_match(run, result_line, line, &match))
            continue;
        if (queue_pop(&names, &name))
            assay_log_put(run, name, build_status(match.groups[1]));
        else
            queue_push(run, &results, match.groups[1]);
    }
    while (!assay_log_stopped(run) && queue_pop(&names, &name) && queue_pop(&results, &word))
        assay_log_put(run, name, build_status(word));
}

// "Class > method PASSED", where the status may come on a later line of its own.
void assay_parse_gradle(struct assay_log_run *run)
{
    struct assay_regex *both =
            assay_log_regex(run, "([^>].+)" PY_S "+" ONE_STEP "(PASSED|FAILED)$", 0);
    struct assay_regex *alone =
            assay_log_regex(run, "[^>]" PY_NS "*" PY_S "+>" PY_S "+" PY_NS "+$", 0);
    struct assay_text rest = run->text, line, pending = {NULL, 0};
    struct assay_regex_match match;

    while (!assay_log_stopped(run) && assay_py_line(&rest, &line)) {
        line = assay_py_strip(line);
        if (assay_log_match(run, both, line, &match)) {
            assay_log_put(run, match.groups[1],
                    assay_text_is(match.groups[2], "PASSED") ? ASSAY_TEST_PASSED
                                                             : ASSAY_TEST_FAILED);
            pending.data = NULL;
        } else if (assay_log_match(run, alone, line, &match)) {
            pending = line;
        } else if (pending.data != NULL &&
                (assay_text_is(line, "PASSED") || assay_text_is(line, "FAILED"))) {
            assay_log_put(
                    run, pending, line.data[0] == 'P' ? ASSAY_TEST_PASSED : ASSAY_TEST_FAILED);
            pending.data = NULL;
        }
    }
}
