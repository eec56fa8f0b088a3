// SPDX-License-Identifier: MIT
#include "rewards/canary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "rewards/canary_plant.h"

#define PLAN_BYTES_MAX ((size_t)1 << 20)
#define SEED_DIGITS 16
#define STREAM 0x63616e617279 // "canary": another stream than other uses of a seed

static const char *const kind_names[] = {
        [ASSAY_CANARY_ASSERT] = "assert",
        [ASSAY_CANARY_UNEQUAL] = "unequal",
        [ASSAY_CANARY_RAISE] = "raise",
        [ASSAY_CANARY_COPY] = "copy",
        [ASSAY_CANARY_PASS] = "pass",
        [ASSAY_CANARY_SKIP] = "skip",
        [ASSAY_CANARY_LAST] = "last",
};
#define KIND_COUNT (sizeof(kind_names) / sizeof(kind_names[0]))

const char *assay_canary_kind_name(enum assay_canary_kind kind)
{
    return kind_names[kind];
}

bool assay_canary_must_fail(enum assay_canary_kind kind)
{
    return kind == ASSAY_CANARY_ASSERT || kind == ASSAY_CANARY_UNEQUAL ||
            kind == ASSAY_CANARY_RAISE || kind == ASSAY_CANARY_COPY;
}

static void *copy_of(struct assay_canary_bed *bed, const void *items, size_t count, size_t size)
{
    void *copy = assay_arena_array(bed->arena, count, size);

    if (copy == NULL)
        bed->no_memory = true;
    else if (count > 0)
        memcpy(copy, items, count * size);
    return copy;
}

enum assay_status assay_canary_draw(struct assay_canary_plan *out,
        const struct assay_instance *instance, const struct assay_canary_source *source,
        uint64_t seed, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_framework *framework = assay_framework_find(instance->framework);
    struct assay_canary_bed bed = {.instance = instance,
            .source = source,
            .arena = arena,
            .random = seed ^ STREAM,
            .argv = instance->test_cmd};
    struct assay_canary_plan plan = {.seed = seed, .framework = instance->framework};

    if (framework != NULL && framework->plant != NULL && !instance->no_canaries)
        framework->plant(&bed);
    plan.items = copy_of(&bed, bed.items, bed.count, sizeof(*bed.items));
    plan.files = copy_of(&bed, bed.files, bed.file_count, sizeof(*bed.files));
    if (bed.no_memory)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for canaries");
    plan.count = bed.count;
    plan.file_count = bed.file_count;
    plan.argv = bed.argv;
    *out = plan;
    return ASSAY_OK;
}

enum assay_status assay_canary_deafen(struct assay_canary_plan *plan, uint32_t copies,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_canary *items = assay_arena_array(arena, plan->count, sizeof(*items));

    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for canaries");
    for (size_t i = 0; i < plan->count; i++) {
        items[i] = plan->items[i];
        items[i].deaf |= items[i].kind == ASSAY_CANARY_COPY && (copies & ASSAY_CANARY_BIT(i)) != 0;
    }
    plan->items = items;
    return ASSAY_OK;
}

// --- as JSON ------------------------------------------------------------------------------------

void assay_canary_plan_write(struct assay_buf *out, const struct assay_canary_plan *plan)
{
    struct assay_json_writer w;
    char seed[SEED_DIGITS + 1];

    (void)snprintf(seed, sizeof(seed), "%016" PRIx64, plan->seed);
    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", ASSAY_CANARY_SCHEMA);
    assay_json_put_text(&w, "framework", plan->framework);
    assay_json_put_text(&w, "seed", seed);
    assay_json_begin_array(&w, "canaries");
    for (size_t i = 0; i < plan->count; i++) {
        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "kind", assay_canary_kind_name(plan->items[i].kind));
        assay_json_put_text(&w, "id", plan->items[i].id);
        if (plan->items[i].of != NULL)
            assay_json_put_text(&w, "of", plan->items[i].of);
        if (plan->items[i].says != NULL)
            assay_json_put_bytes(&w, "says", plan->items[i].says, strlen(plan->items[i].says));
        if (plan->items[i].deaf)
            assay_json_put_bool(&w, "deaf", true);
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    assay_json_begin_array(&w, "unmoved");
    for (size_t i = 0; i < plan->unmoved.count; i++)
        assay_json_put_text(&w, NULL, plan->unmoved.items[i]);
    assay_json_end_array(&w);
    if (plan->counter_fault != NULL)
        assay_json_put_text(&w, "counter_fault", plan->counter_fault);
    if (plan->counter_silent)
        assay_json_put_bool(&w, "counter_silent", true);
    assay_json_end_object(&w);
}

static enum assay_status read_unmoved(struct assay_canary_plan *out, const struct assay_json *json,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_json *list = NULL;
    const char **items = NULL;
    enum assay_status status = assay_json_read_array(&list, json, "unmoved", err);

    if (status != ASSAY_OK)
        return status;
    items = assay_arena_array(arena, assay_json_count(list), sizeof(*items));
    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for canaries");
    out->unmoved = (struct assay_strings){items, 0};
    for (const struct assay_json *at = assay_json_first(list); at != NULL;
            at = assay_json_next(at)) {
        const char *text = assay_json_text(at);

        if (text == NULL)
            return assay_fail(err, ASSAY_EINVAL, "\"unmoved\" holds what is no text");
        items[out->unmoved.count] = assay_arena_strdup(arena, text);
        if (items[out->unmoved.count++] == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "no memory for canaries");
    }
    return ASSAY_OK;
}

static enum assay_status read_counter(struct assay_canary_plan *out, const struct assay_json *json,
        struct assay_arena *arena, struct assay_error *err)
{
    const char *fault = NULL;
    enum assay_status status = assay_json_opt_text(&fault, json, "counter_fault", err);

    if (status != ASSAY_OK)
        return status;
    out->counter_silent = assay_json_bool(assay_json_get(json, "counter_silent"));
    out->counter_fault = fault != NULL ? assay_arena_strdup(arena, fault) : NULL;
    if (fault != NULL && out->counter_fault == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for canaries");
    return read_unmoved(out, json, arena, err);
}

static enum assay_status read_canary(struct assay_canary *out, const struct assay_json *json,
        struct assay_arena *arena, struct assay_error *err)
{
    const char *kind = NULL, *id = NULL, *of = NULL, *says = NULL;
    enum assay_status status = assay_json_read_text(&kind, json, "kind", err);
    size_t at = 0;

    if (status == ASSAY_OK)
        status = assay_json_read_text(&id, json, "id", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&of, json, "of", err);
    if (status == ASSAY_OK)
        status = assay_json_opt_text(&says, json, "says", err);
    if (status != ASSAY_OK)
        return status;
    while (at < KIND_COUNT && strcmp(kind_names[at], kind) != 0)
        at++;
    if (at == KIND_COUNT || (at == ASSAY_CANARY_COPY) != (of != NULL))
        return assay_fail(err, ASSAY_EINVAL, "canary of the kind '%.40s'", kind);
    out->kind = (enum assay_canary_kind)at;
    out->id = assay_arena_strdup(arena, id);
    out->of = of != NULL ? assay_arena_strdup(arena, of) : NULL;
    out->says = says != NULL ? assay_arena_strdup(arena, says) : NULL;
    out->deaf = of != NULL && assay_json_bool(assay_json_get(json, "deaf"));
    if (out->id == NULL || (of != NULL && out->of == NULL) || (says != NULL && out->says == NULL))
        return assay_fail(err, ASSAY_ENOMEM, "no memory for canaries");
    return ASSAY_OK;
}

static enum assay_status read_plan(struct assay_canary_plan *out, const struct assay_json *json,
        struct assay_arena *arena, struct assay_error *err)
{
    const char *framework = NULL, *seed = NULL;
    const struct assay_json *list = NULL, *at = NULL;
    struct assay_canary *items = NULL;
    uint64_t schema = 0;
    enum assay_status status = assay_json_read_u64(
            &schema, json, "schema", ASSAY_CANARY_SCHEMA, ASSAY_CANARY_SCHEMA, err);

    if (status == ASSAY_OK)
        status = assay_json_read_text(&framework, json, "framework", err);
    if (status == ASSAY_OK)
        status = assay_json_read_text(&seed, json, "seed", err);
    if (status == ASSAY_OK)
        status = assay_json_read_array(&list, json, "canaries", err);
    if (status != ASSAY_OK)
        return status;
    if (strlen(seed) != SEED_DIGITS || strspn(seed, "0123456789abcdef") != SEED_DIGITS)
        return assay_fail(err, ASSAY_EINVAL, "the seed of canaries is not 16 digits");
    out->seed = strtoull(seed, NULL, 16);
    if (assay_json_count(list) > ASSAY_CANARIES_MAX)
        return assay_fail(err, ASSAY_EINVAL, "more than %d canaries", ASSAY_CANARIES_MAX);
    out->framework = assay_arena_strdup(arena, framework);
    items = assay_arena_array(arena, assay_json_count(list), sizeof(*items));
    if (out->framework == NULL || items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for canaries");
    out->items = items;
    for (at = assay_json_first(list); at != NULL && status == ASSAY_OK; at = assay_json_next(at))
        status = read_canary(&items[out->count++], at, arena, err);
    return status == ASSAY_OK ? read_counter(out, json, arena, err) : status;
}

enum assay_status assay_canary_plan_read(struct assay_canary_plan *out, const char *text,
        size_t len, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_json_limits limits = {PLAN_BYTES_MAX, 4};
    struct assay_canary_plan made = {0};
    struct assay_json *json = NULL;
    enum assay_status status = assay_json_parse(&json, text, len, limits, "canaries", 1, err);

    if (status == ASSAY_OK)
        status = read_plan(&made, json, arena, err);
    if (status == ASSAY_OK)
        *out = made;
    assay_json_free(json);
    return status;
}
