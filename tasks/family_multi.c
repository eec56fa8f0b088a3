// SPDX-License-Identifier: MIT
// family_multi.c - Multi-SWE-bench rows, and what three stages must have shown.
//
// A row tells what every test came to in three runs: "run" (the base), "test" (with the test patch)
// and "fix" (with the fix, too). It is a task when
//   - the run with the fix has results, and no test has two of them in one run,
//   - nothing passed before the fix and fails with it: not in "test", and not in "run" where "test"
//     does not say,
//   - something passes with the fix that did not before (f2p, s2p, n2p: the FAIL_TO_PASS here).
// What passed before must not fail with a model's patch either, listed or not: not_fail.
#include <stdio.h>
#include <string.h>

#include "tasks/family.h"
#include "tasks/names.h"
#include "tasks/suite_read.h"
#include "tasks/swebench.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { STAGE_RUN, STAGE_TEST, STAGE_FIX, STAGES };
enum { PASSED = 1, FAILED, SKIPPED }; // 0: none

static const char *const stage_keys[STAGES] = {
        "run_result", "test_patch_result", "fix_patch_result"};
static const char *const list_keys[] = {"passed_tests", "failed_tests", "skipped_tests"};

// The lists of all stages, and what each test came to in each.
struct stages {
    struct assay_strings lists[STAGES][COUNT(list_keys)];
    struct assay_names names; // test -> its number
    const char **tests;
    unsigned char (*seen)[STAGES]; // by number
    size_t count;
};

static enum assay_status no_memory(const struct assay_fields *fields, struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
}

static enum assay_status read_lists(struct stages *stages, size_t *total,
        const struct assay_fields *fields, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    *total = 0;
    for (size_t s = 0; s < STAGES && status == ASSAY_OK; s++) {
        struct assay_fields stage;

        status = assay_fields_object(&stage, fields, stage_keys[s], err);
        for (size_t l = 0; l < COUNT(list_keys) && status == ASSAY_OK; l++) {
            status = assay_fields_strings(&stages->lists[s][l], &stage, list_keys[l], err);
            *total += stages->lists[s][l].count;
        }
    }
    return status;
}

static enum assay_status note(struct stages *stages, size_t stage, size_t list,
        const struct assay_fields *fields, struct assay_error *err)
{
    const struct assay_strings *tests = &stages->lists[stage][list];

    for (size_t i = 0; i < tests->count; i++) {
        size_t number = stages->count;

        switch (assay_names_put(&stages->names, tests->items[i], stages->count, &number)) {
        case ASSAY_NAMES_NO_MEMORY:
            return no_memory(fields, err);
        case ASSAY_NAMES_NEW:
            number = stages->count;
            stages->tests[stages->count++] = tests->items[i];
            break;
        case ASSAY_NAMES_KNOWN:
            break;
        }
        if (stages->seen[number][stage] != 0 && stages->seen[number][stage] != PASSED + list) {
            char key[64];

            snprintf(key, sizeof(key), "%s.%s[%zu]", stage_keys[stage], list_keys[list], i);
            return assay_fields_fail(fields, key, err,
                    "\"%.60s\" has another result in the same run", tests->items[i]);
        }
        stages->seen[number][stage] = (unsigned char)(PASSED + list);
    }
    return ASSAY_OK;
}

static enum assay_status read_stages(
        struct stages *stages, const struct assay_fields *fields, struct assay_error *err)
{
    struct assay_arena *arena = fields->source->arena;
    size_t total = 0;
    enum assay_status status = read_lists(stages, &total, fields, err);

    if (status != ASSAY_OK)
        return status;
    stages->tests = assay_arena_array(arena, total + 1, sizeof(stages->tests[0]));
    stages->seen = assay_arena_array(arena, total + 1, sizeof(stages->seen[0]));
    if (stages->tests == NULL || stages->seen == NULL)
        return no_memory(fields, err);
    for (size_t s = 0; s < STAGES; s++)
        for (size_t l = 0; l < COUNT(list_keys) && status == ASSAY_OK; l++)
            status = note(stages, s, l, fields, err);
    return status;
}

// What "test" said, or, where it is silent or was skipped, that "run" passed.
static bool passed_before(const unsigned char seen[STAGES])
{
    return seen[STAGE_TEST] == PASSED || (seen[STAGE_TEST] != FAILED && seen[STAGE_RUN] == PASSED);
}

static enum assay_status check_stages(
        const struct stages *stages, const struct assay_fields *fields, struct assay_error *err)
{
    const struct assay_strings *fix = stages->lists[STAGE_FIX];
    bool fixed = false;

    if (fix[0].count + fix[1].count + fix[2].count == 0)
        return assay_fields_fail(fields, "fix_patch_result", err, "has no results");
    for (size_t i = 0; i < stages->count; i++) {
        const unsigned char *seen = stages->seen[i];

        if (seen[STAGE_FIX] == FAILED && passed_before(seen))
            return assay_fields_fail(fields, "fix_patch_result.failed_tests", err,
                    "\"%.60s\" passed before the fix", stages->tests[i]);
        fixed = fixed || (seen[STAGE_FIX] == PASSED && seen[STAGE_TEST] != PASSED);
    }
    if (!fixed)
        return assay_fields_fail(
                fields, "fix_patch_result.passed_tests", err, "the fix makes nothing pass");
    return ASSAY_OK;
}

// --- lists ---------------------------------------------------------------------------------------

// The keys of these maps, one after the other. A row without a map has none of its kind.
static enum assay_status keys_of(struct assay_strings *out, const struct assay_fields *fields,
        const char *const *maps, size_t map_count, struct assay_error *err)
{
    struct assay_arena *arena = fields->source->arena;
    const char **items;
    size_t total = 0, count = 0;

    for (size_t m = 0; m < map_count; m++) {
        const struct assay_json *map = assay_json_get(fields->object, maps[m]);

        if (map != NULL && assay_json_type(map) != ASSAY_JSON_OBJECT)
            return assay_fields_fail(fields, maps[m], err, "expected an object");
        total += map == NULL ? 0 : assay_json_count(map);
    }
    items = assay_arena_array(arena, total + 1, sizeof(items[0]));
    if (items == NULL)
        return no_memory(fields, err);
    for (size_t m = 0; m < map_count; m++) {
        const struct assay_json *map = assay_json_get(fields->object, maps[m]);

        for (const struct assay_json *test = map == NULL ? NULL : assay_json_first(map);
                test != NULL; test = assay_json_next(test)) {
            items[count] = assay_arena_strdup(arena, assay_json_key(test));
            if (items[count++] == NULL)
                return no_memory(fields, err);
        }
    }
    *out = (struct assay_strings){items, count};
    return ASSAY_OK;
}

static enum assay_status set_not_fail(struct assay_instance *instance, const struct stages *stages,
        const struct assay_fields *fields, struct assay_error *err)
{
    const char **items =
            assay_arena_array(fields->source->arena, stages->count + 1, sizeof(items[0]));
    size_t count = 0;

    if (items == NULL)
        return no_memory(fields, err);
    for (size_t i = 0; i < stages->count; i++)
        if (passed_before(stages->seen[i]))
            items[count++] = stages->tests[i];
    instance->not_fail = (struct assay_strings){items, count};
    return ASSAY_OK;
}

static enum assay_status read_tests(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    static const char *const to_pass[] = {"f2p_tests", "s2p_tests", "n2p_tests"};
    static const char *const kept[] = {"p2p_tests"};
    struct stages stages = {.count = 0};
    enum assay_status status;

    assay_names_init(&stages.names);
    status = keys_of(&instance->fail_to_pass, fields, to_pass, COUNT(to_pass), err);
    if (status == ASSAY_OK)
        status = keys_of(&instance->pass_to_pass, fields, kept, COUNT(kept), err);
    if (status == ASSAY_OK)
        status = read_stages(&stages, fields, err);
    if (status == ASSAY_OK)
        status = check_stages(&stages, fields, err);
    if (status == ASSAY_OK)
        status = set_not_fail(instance, &stages, fields, err);
    assay_names_free(&stages.names);
    return status;
}

// --- the row -------------------------------------------------------------------------------------

// The issues that it resolves, or its own title and text.
static enum assay_status read_problem(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    const struct assay_json *issues = assay_json_get(fields->object, "resolved_issues");
    const struct assay_json *one = issues == NULL ? NULL : assay_json_first(issues);
    struct assay_buf text;
    enum assay_status status;

    if (one == NULL)
        one = fields->object;
    assay_buf_init(&text, ASSAY_SUITE_TEXT_BYTES_MAX);
    for (; one != NULL; one = one == fields->object ? NULL : assay_json_next(one)) {
        const char *title = assay_json_text(assay_json_get(one, "title"));
        const char *body = assay_json_text(assay_json_get(one, "body"));

        assay_buf_addf(&text, "%s%s\n\n%s\n", text.len > 0 ? "\n" : "", title == NULL ? "" : title,
                body == NULL ? "" : body);
    }
    status = assay_bytes_keep(&instance->problem, &text, "body", fields->source->arena, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status read_base(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err)
{
    struct assay_arena *arena = fields->source->arena;
    const char *org = "", *repo = "";
    struct assay_fields base;
    uint64_t number = 0;
    enum assay_status status = assay_fields_text(&org, fields, "org", err);

    if (status == ASSAY_OK)
        status = assay_fields_text(&repo, fields, "repo", err);
    if (status == ASSAY_OK)
        status = assay_fields_u64(&number, fields, "number", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK)
        status = assay_fields_object(&base, fields, "base", err);
    if (status == ASSAY_OK)
        status = assay_fields_text(&instance->base.commit, &base, "sha", err);
    if (status != ASSAY_OK)
        return status;
    instance->repo = assay_arena_printf(arena, "%s/%s", org, repo);
    instance->instance_id =
            assay_arena_printf(arena, "%s__%s-%llu", org, repo, (unsigned long long)number);
    if (instance->repo == NULL || instance->instance_id == NULL)
        return no_memory(fields, err);
    return assay_swebench_find(instance, fields, "repo", "base.sha", options, err);
}

enum assay_status assay_family_multi(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err)
{
    enum assay_status status = read_base(instance, fields, options, err);

    if (status == ASSAY_OK)
        status = read_problem(instance, fields, err);
    if (status == ASSAY_OK)
        status = assay_swebench_patch(&instance->gold_patch, fields, "fix_patch", false, err);
    if (status == ASSAY_OK)
        status = assay_swebench_patch(&instance->test_patch, fields, "test_patch", true, err);
    if (status == ASSAY_OK)
        status = read_tests(instance, fields, err);
    if (status == ASSAY_OK)
        status = assay_swebench_command(instance, fields, options, err);
    return status;
}
