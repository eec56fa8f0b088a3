// SPDX-License-Identifier: MIT
#include <string.h>

#include "orchestrator/serve_grade.h"
#include "tasks/store_job.h"

#define WAIT_S 30 // that a client waits when it does not say
#define WAIT_S_MAX 3600
#define ITEMS_MAX ASSAY_JOBS_MAX

static const char *const item_keys[] = {"suite", "instance_id", "patch", "completion", "answer",
        "format", "mode", "timeout_s", "no_cache", "model", "items", "wait_s"};
#define ITEM_KEY_COUNT (sizeof(item_keys) / sizeof(item_keys[0]))

// The answer, by whichever of its names.
static enum assay_status read_answer(
        struct assay_submission *out, const struct assay_json *item, struct assay_error *err)
{
    static const char *const names[] = {"patch", "completion", "answer"};
    unsigned given = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct assay_json *value = assay_json_get(item, names[i]);
        const char *text = value != NULL ? assay_json_text(value) : NULL;

        if (value == NULL)
            continue;
        if (text == NULL && assay_json_type(value) != ASSAY_JSON_NULL)
            return assay_fail(err, ASSAY_EINVAL, "%s: expected a string or null", names[i]);
        out->answer =
                (struct assay_bytes){text != NULL ? text : "", text != NULL ? strlen(text) : 0};
        given++;
    }
    if (given != 1)
        return assay_fail(err, ASSAY_EINVAL, "one of patch, completion, answer is wanted");
    return ASSAY_OK;
}

static enum assay_status read_how(
        struct assay_submission *out, const struct assay_json *item, struct assay_error *err)
{
    const char *mode = NULL, *format = NULL;
    enum assay_status status = assay_json_opt_text(&mode, item, "mode", err);

    if (status == ASSAY_OK)
        status = assay_json_opt_text(&format, item, "format", err);
    if (status != ASSAY_OK)
        return status;
    if (mode != NULL && !assay_apply_mode_find(&out->how.mode, mode))
        return assay_fail(err, ASSAY_EINVAL, "mode: one of " ASSAY_APPLY_MODES);
    if (format != NULL && !assay_patch_format_find(&out->how.format, format))
        return assay_fail(err, ASSAY_EINVAL, "format: one of " ASSAY_PATCH_FORMATS);
    if (out->how.mode == ASSAY_APPLY_SWEBENCH && out->how.format != ASSAY_FORMAT_AUTO &&
            out->how.format != ASSAY_FORMAT_DIFF)
        return assay_fail(err, ASSAY_EINVAL, "mode: SWE-bench takes diffs alone");
    return ASSAY_OK;
}

// `suite`: of all items, where an item does not say.
static enum assay_status read_item(struct assay_submission *out, struct assay_served_suites *suites,
        const struct assay_json *item, const char *suite, struct assay_error *err)
{
    const char *instance_id = NULL;
    uint64_t timeout_s = 0;
    enum assay_status status = assay_json_only_keys(item, item_keys, ITEM_KEY_COUNT, err);

    *out = (struct assay_submission){.task = NULL};
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&suite, item, "suite", err);
    if (status == ASSAY_OK)
        status = assay_json_read_text(&instance_id, item, "instance_id", err);
    if (status == ASSAY_OK)
        status = read_answer(out, item, err);
    if (status == ASSAY_OK)
        status = read_how(out, item, err);
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&timeout_s, item, "timeout_s", 1, 1000000, err);
    if (status == ASSAY_OK && assay_json_get(item, "no_cache") != NULL)
        status = assay_json_read_bool(&out->no_cache, item, "no_cache", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&out->model, item, "model", err);
    if (status == ASSAY_OK)
        status = assay_served_find(&out->task, suites, suite, instance_id, err);
    out->wall_ms_max = timeout_s * 1000;
    return status;
}

static enum assay_status read_items(struct assay_submission **out, size_t *count,
        struct assay_served_suites *suites, const struct assay_json *body,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_json *items = NULL;
    const char *suite = NULL;
    size_t i = 0;
    enum assay_status status = assay_json_opt_text(&suite, body, "suite", err);

    if (status == ASSAY_OK)
        status = assay_json_read_array(&items, body, "items", err);
    if (status != ASSAY_OK)
        return status;
    *count = assay_json_count(items);
    *out = assay_arena_array(arena, *count, sizeof(**out));
    if (*count > ITEMS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "items: at most %d", ITEMS_MAX);
    if (*out == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (const struct assay_json *item = assay_json_first(items);
            item != NULL && status == ASSAY_OK; item = assay_json_next(item)) {
        status = read_item(&(*out)[i], suites, item, suite, err);
        if (status != ASSAY_OK && err != NULL)
            status = assay_wrap(err, "items[%zu]", i);
        i++;
    }
    return status;
}

enum assay_status assay_grade_read(struct assay_grade_ask *out, struct assay_served_suites *suites,
        const struct assay_json *body, bool streams, struct assay_arena *arena,
        struct assay_error *err)
{
    enum assay_status status = assay_json_only_keys(body, item_keys, ITEM_KEY_COUNT, err);

    *out = (struct assay_grade_ask){.count = 1,
            .many = assay_json_get(body, "items") != NULL,
            .wait_s = streams ? WAIT_S_MAX : WAIT_S};
    if (status == ASSAY_OK)
        status = assay_json_opt_u64(&out->wait_s, body, "wait_s", 0, WAIT_S_MAX, err);
    if (status != ASSAY_OK)
        return status;
    if (out->many)
        return read_items(&out->submissions, &out->count, suites, body, arena, err);
    out->submissions = assay_arena_array(arena, 1, sizeof(*out->submissions));
    if (out->submissions == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return read_item(out->submissions, suites, body, NULL, err);
}
