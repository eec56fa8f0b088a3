// SPDX-License-Identifier: MIT
#include "tasks/verdict_kind.h"

#include <math.h>
#include <string.h>

// --- writing -------------------------------------------------------------------------------------

static void put_level(
        struct assay_json_writer *w, const char *key, const struct assay_localize_level *level)
{
    assay_json_begin_object(w, key);
    assay_json_put_u64(w, "gold", level->gold);
    assay_json_put_u64(w, "answered", level->answered);
    assay_json_put_u64(w, "right", level->right);
    assay_json_put_double(w, "precision", level->precision);
    assay_json_put_double(w, "recall", level->recall);
    assay_json_end_object(w);
}

static void put_localize(struct assay_json_writer *w, const struct assay_localize_score *score)
{
    assay_json_begin_object(w, "localize");
    put_level(w, "files", &score->files);
    put_level(w, "functions", &score->functions);
    put_level(w, "lines", &score->lines);
    assay_json_put_u64(w, "rank", score->rank);
    assay_json_put_double(w, "reciprocal_rank", score->rank ? 1.0 / (double)score->rank : 0.0);
    assay_json_put_double(w, "score", score->score);
    assay_json_end_object(w);
}

static void put_ids(struct assay_json_writer *w, const char *key, const struct assay_strings *ids)
{
    assay_json_begin_array(w, key);
    for (size_t i = 0; i < ids->count; i++)
        assay_json_put_bytes(w, NULL, ids->items[i], strlen(ids->items[i]));
    assay_json_end_array(w);
}

static void put_write_tests(
        struct assay_json_writer *w, const struct assay_write_tests_score *score)
{
    assay_json_begin_object(w, "write_tests");
    put_ids(w, "fails_before", &score->fails_before);
    put_ids(w, "passes_after", &score->passes_after);
    put_ids(w, "flaky", &score->flaky);
    assay_json_begin_object(w, "mutants");
    assay_json_put_u64(w, "made", score->mutants_made);
    assay_json_put_u64(w, "valid", score->mutants_valid);
    assay_json_put_u64(w, "killed", score->mutants_killed);
    assay_json_put_u64(w, "needed", score->mutants_needed);
    assay_json_end_object(w);
    assay_json_end_object(w);
}

static void put_shaped(struct assay_json_writer *w, const struct assay_shaped_reward *shaped)
{
    assay_json_put_text(w, "reward_class", shaped->reward_class);
    assay_json_begin_object(w, "reward_components");
    for (size_t i = 0; i < shaped->component_count; i++)
        assay_json_put_double(w, shaped->components[i].name, shaped->components[i].value);
    assay_json_end_object(w);
    assay_json_put_double(w, "reward_shaped", shaped->reward);
}

void assay_verdict_kind_write(struct assay_json_writer *w, const struct assay_verdict *verdict)
{
    assay_json_put_text(w, "kind", assay_task_kind_name(verdict->kind));
    if (verdict->localize)
        put_localize(w, verdict->localize);
    if (verdict->write_tests)
        put_write_tests(w, verdict->write_tests);
    if (verdict->shaped)
        put_shaped(w, verdict->shaped);
}

// --- reading -------------------------------------------------------------------------------------

static bool has(const struct assay_fields *fields, const char *key)
{
    return assay_json_get(fields->object, key) != NULL;
}

// A number; null is NaN, as the writer has it.
static enum assay_status read_double(
        double *out, const struct assay_fields *fields, const char *key, struct assay_error *err)
{
    const struct assay_json *value = assay_json_get(fields->object, key);

    if (!value ||
            (assay_json_type(value) != ASSAY_JSON_NUMBER &&
                    assay_json_type(value) != ASSAY_JSON_NULL))
        return assay_fields_fail(fields, key, err, "expected a number or null");
    *out = assay_json_number(value);
    return ASSAY_OK;
}

static enum assay_status read_count(
        size_t *out, const struct assay_fields *fields, const char *key, struct assay_error *err)
{
    uint64_t value = 0;
    const enum assay_status status =
            assay_fields_u64(&value, fields, key, 0, ASSAY_JSON_INTEGER_MAX, err);

    *out = (size_t)value;
    return status;
}

static enum assay_status read_level(struct assay_localize_level *level,
        const struct assay_fields *fields, const char *key, struct assay_error *err)
{
    struct assay_fields object;
    enum assay_status status = assay_fields_object(&object, fields, key, err);

    if (status == ASSAY_OK)
        status = read_count(&level->gold, &object, "gold", err);
    if (status == ASSAY_OK)
        status = read_count(&level->answered, &object, "answered", err);
    if (status == ASSAY_OK)
        status = read_count(&level->right, &object, "right", err);
    if (status == ASSAY_OK)
        status = read_double(&level->precision, &object, "precision", err);
    if (status == ASSAY_OK)
        status = read_double(&level->recall, &object, "recall", err);
    return status;
}

static enum assay_status read_localize(
        struct assay_verdict *verdict, const struct assay_fields *fields, struct assay_error *err)
{
    struct assay_localize_score *score = assay_arena_alloc(fields->source->arena, sizeof(*score));
    struct assay_fields object;
    enum assay_status status = assay_fields_object(&object, fields, "localize", err);

    if (!score)
        return assay_fail(err, ASSAY_ENOMEM, "verdict: larger than the memory bound");
    if (status == ASSAY_OK)
        status = read_level(&score->files, &object, "files", err);
    if (status == ASSAY_OK)
        status = read_level(&score->functions, &object, "functions", err);
    if (status == ASSAY_OK)
        status = read_level(&score->lines, &object, "lines", err);
    if (status == ASSAY_OK)
        status = read_count(&score->rank, &object, "rank", err);
    if (status == ASSAY_OK)
        status = read_double(&score->score, &object, "score", err);
    verdict->localize = score;
    return status;
}

static enum assay_status read_write_tests(
        struct assay_verdict *verdict, const struct assay_fields *fields, struct assay_error *err)
{
    struct assay_write_tests_score *score =
            assay_arena_alloc(fields->source->arena, sizeof(*score));
    struct assay_fields object, mutants;
    enum assay_status status = assay_fields_object(&object, fields, "write_tests", err);

    if (!score)
        return assay_fail(err, ASSAY_ENOMEM, "verdict: larger than the memory bound");
    if (status == ASSAY_OK)
        status = assay_fields_strings(&score->fails_before, &object, "fails_before", err);
    if (status == ASSAY_OK)
        status = assay_fields_strings(&score->passes_after, &object, "passes_after", err);
    if (status == ASSAY_OK)
        status = assay_fields_strings(&score->flaky, &object, "flaky", err);
    if (status == ASSAY_OK)
        status = assay_fields_object(&mutants, &object, "mutants", err);
    if (status == ASSAY_OK)
        status = read_count(&score->mutants_made, &mutants, "made", err);
    if (status == ASSAY_OK)
        status = read_count(&score->mutants_valid, &mutants, "valid", err);
    if (status == ASSAY_OK)
        status = read_count(&score->mutants_killed, &mutants, "killed", err);
    if (status == ASSAY_OK)
        status = read_count(&score->mutants_needed, &mutants, "needed", err);
    verdict->write_tests = score;
    return status;
}

static enum assay_status read_components(struct assay_shaped_reward *shaped,
        const struct assay_fields *fields, struct assay_error *err)
{
    struct assay_fields object;
    enum assay_status status = assay_fields_object(&object, fields, "reward_components", err);

    if (status != ASSAY_OK)
        return status;
    for (const struct assay_json *member = assay_json_first(object.object); member;
            member = assay_json_next(member)) {
        struct assay_reward_component *component = &shaped->components[shaped->component_count];

        if (shaped->component_count == ASSAY_REWARD_COMPONENTS_MAX)
            return assay_fields_fail(
                    fields, "reward_components", err, "more than %d", ASSAY_REWARD_COMPONENTS_MAX);
        status = read_double(&component->value, &object, assay_json_key(member), err);
        if (status != ASSAY_OK)
            return status;
        component->name = assay_arena_strdup(fields->source->arena, assay_json_key(member));
        if (!component->name)
            return assay_fail(err, ASSAY_ENOMEM, "verdict: larger than the memory bound");
        shaped->component_count++;
    }
    return ASSAY_OK;
}

static enum assay_status read_shaped(
        struct assay_verdict *verdict, const struct assay_fields *fields, struct assay_error *err)
{
    struct assay_shaped_reward *shaped = assay_arena_alloc(fields->source->arena, sizeof(*shaped));
    enum assay_status status = ASSAY_OK;

    if (!shaped)
        return assay_fail(err, ASSAY_ENOMEM, "verdict: larger than the memory bound");
    status = assay_fields_text_or(&shaped->reward_class, fields, "reward_class", err);
    if (status == ASSAY_OK)
        status = read_components(shaped, fields, err);
    if (status == ASSAY_OK)
        status = read_double(&shaped->reward, fields, "reward_shaped", err);
    verdict->shaped = shaped;
    return status;
}

enum assay_status assay_verdict_kind_read(
        struct assay_verdict *verdict, const struct assay_fields *fields, struct assay_error *err)
{
    const char *kind = assay_task_kind_name(ASSAY_TASK_REPAIR);
    enum assay_status status = assay_fields_text_or(&kind, fields, "kind", err);

    if (status != ASSAY_OK)
        return status;
    if (!assay_task_kind_from_name(&verdict->kind, kind))
        return assay_fields_fail(fields, "kind", err, "unknown word \"%.40s\"", kind);
    if (has(fields, "localize"))
        status = read_localize(verdict, fields, err);
    if (status == ASSAY_OK && has(fields, "write_tests"))
        status = read_write_tests(verdict, fields, err);
    if (status == ASSAY_OK && has(fields, "reward_shaped"))
        status = read_shaped(verdict, fields, err);
    return status;
}
