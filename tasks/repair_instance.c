// SPDX-License-Identifier: MIT
// repair_instance.c - a repair task as an instance of a suite: its patches, command and limits.
#include <string.h>

#include "tasks/repair.h"
#include "tasks/repair_prompt.h"

#define TEXT_BYTES_MAX ((size_t)256 << 10)
#define WALL_MS 10000u
#define CPU_MS 1000u // a run takes some 10; an endless loop costs as much as a hundred others
#define MEMORY_BYTES (UINT64_C(512) << 20)

// A patch that makes the file of tests.
static enum assay_status make_test_patch(struct assay_bytes *out,
        const struct assay_repair_task *task, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_buf text;
    size_t lines = 0;

    for (size_t i = 0; i < task->tests.len; i++)
        lines += task->tests.data[i] == '\n';
    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_buf_addf(&text, "--- /dev/null\n+++ b/%s\n@@ -0,0 +1,%zu @@\n", task->test_path, lines);
    for (size_t at = 0; at < task->tests.len;) {
        const char *line = task->tests.data + at;
        const size_t len = strcspn(line, "\n") + 1;

        assay_buf_addc(&text, '+');
        assay_buf_add(&text, line, len);
        at += len;
    }
    return assay_bytes_keep(out, &text, "text of a repair task", arena, err);
}

static enum assay_status make_gold_patch(struct assay_bytes *out,
        const struct assay_repair_task *task, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_answer answer = {.fault = ASSAY_ANSWER_FINE};
    struct assay_bytes text = {NULL, 0};
    struct assay_buf gold;
    enum assay_status status;

    assay_buf_init(&gold, TEXT_BYTES_MAX);
    assay_repair_answer_of(&gold, task);
    status = assay_bytes_keep(&text, &gold, "text of a repair task", arena, err);
    if (status == ASSAY_OK)
        status = assay_answer_read(&answer, task->path, task->broken, text, arena, err);
    if (status == ASSAY_OK && answer.fault != ASSAY_ANSWER_FINE)
        status = assay_fail(err, ASSAY_EINVAL, "%s: gold: %s", task->id, answer.reason);
    *out = answer.patch;
    return status;
}

static enum assay_status make_problem(struct assay_bytes *out, const struct assay_repair_task *task,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_buf text;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_buf_addf(&text, "One line of %s is wrong. A test of it fails:\n\n%s%s\n", task->path,
            task->failing, task->failure);
    return assay_bytes_keep(out, &text, "text of a repair task", arena, err);
}

enum assay_status assay_repair_instance(struct assay_instance *out,
        const struct assay_repair_task *task, struct assay_arena *arena, struct assay_error *err)
{
    const char **words = assay_arena_array(arena, 6, sizeof(*words));
    enum assay_status status = ASSAY_OK;

    if (!words)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    words[0] = "/usr/bin/python3";
    words[1] = "-m";
    words[2] = "unittest";
    words[3] = assay_arena_printf(
            arena, "%.*s", (int)(strlen(task->test_path) - strlen(".py")), task->test_path);
    words[4] = task->family;
    words[5] = task->operator_name;
    if (!words[3])
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *out = (struct assay_instance){.instance_id = task->id,
            .repo = "assay/repair",
            .base = {.kind = ASSAY_BASE_DIR},
            .recipe = ASSAY_REPAIR_RECIPE,
            .test_cmd = {words, 4},
            .framework = "unittest",
            .rules = ASSAY_RULES_NATIVE,
            .fail_to_pass = task->fail_to_pass,
            .pass_to_pass = task->pass_to_pass,
            .task = ASSAY_TASK_REPAIR,
            .limits = {WALL_MS, CPU_MS, MEMORY_BYTES},
            .tags = {words + 4, 2}};
    status = make_test_patch(&out->test_patch, task, arena, err);
    if (status == ASSAY_OK)
        status = make_gold_patch(&out->gold_patch, task, arena, err);
    if (status == ASSAY_OK)
        status = make_problem(&out->problem, task, arena, err);
    return status;
}

enum assay_status assay_repair_recipe(struct assay_suite *suite, struct assay_error *err)
{
    struct assay_recipe *recipe = assay_arena_array(suite->arena, 1, sizeof(*recipe));

    if (!recipe)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *recipe = (struct assay_recipe){
            .name = ASSAY_REPAIR_RECIPE, .base = "host", .workdir = "/testbed"};
    suite->recipes = recipe;
    suite->recipe_count = 1;
    return ASSAY_OK;
}
