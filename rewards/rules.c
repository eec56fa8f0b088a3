// SPDX-License-Identifier: MIT
#include "rewards/rules.h"

#include <string.h>

#include "rewards/match.h"
#include "rewards/reader.h"

// "t.py::A::b - why" is "A.b"; an id without "::" stays as it is.
const char *assay_rules_map_name(struct assay_arena *arena, const char *id)
{
    const char *colons = strstr(id, "::");
    const char *rest = colons == NULL ? id : colons + 2;
    const char *end = strstr(rest, " - ");
    char *name = assay_arena_memdup(arena, rest, end == NULL ? strlen(rest) : (size_t)(end - rest));
    char *to = name;

    if (name == NULL)
        return NULL;
    for (const char *from = name; *from != '\0'; to++) {
        const bool joint = from[0] == ':' && from[1] == ':';

        if (joint)
            *to = '.';
        else
            *to = *from;
        from += joint ? 2 : 1;
    }
    *to = '\0';
    return name;
}

static bool is_in_map(enum assay_test_status status)
{
    return status == ASSAY_TEST_PASSED || status == ASSAY_TEST_FAILED || status == ASSAY_TEST_ERROR;
}

enum assay_status assay_rules_outcome(struct assay_outcome *out, const struct assay_outcome *from,
        enum assay_rules rules, struct assay_arena *arena, struct assay_error *err)
{
    if (rules != ASSAY_RULES_WHOLE_MAP) {
        *out = *from;
        return ASSAY_OK;
    }
    assay_outcome_init(out, arena);
    for (size_t i = 0; i < from->count; i++) {
        const char *name = assay_rules_map_name(arena, from->results[i].id);

        if (name == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "no memory to judge");
        if (is_in_map(from->results[i].status))
            assay_outcome_add(out, name, strlen(name), from->results[i].status);
    }
    return assay_outcome_finish(out, err);
}

bool assay_rules_success(
        const struct assay_instance *instance, bool f2p, enum assay_test_status status)
{
    switch (instance->rules) {
    case ASSAY_RULES_ALL_PASSED:
    case ASSAY_RULES_WHOLE_MAP:
    case ASSAY_RULES_THREE_STAGE:
        return status == ASSAY_TEST_PASSED;
    case ASSAY_RULES_NATIVE:
    case ASSAY_RULES_SWEBENCH:
        break;
    }
    if (instance->fail_only)
        return status != ASSAY_TEST_FAILED && status != ASSAY_TEST_ERROR;
    return assay_status_passes(status) || (!f2p && status == ASSAY_TEST_SKIPPED);
}

static const char *say(struct assay_arena *arena, const char *id, enum assay_test_status status,
        const char *expected)
{
    return assay_arena_printf(arena, "%s %s, expected: %s", assay_show(arena, id, strlen(id)),
            assay_test_status_name(status), expected);
}

static const char *broken_list(const struct assay_strings *ids, enum assay_test_status expected,
        const struct assay_outcome *named, struct assay_arena *arena)
{
    for (size_t i = 0; i < ids->count; i++) {
        const enum assay_test_status status = assay_outcome_find(named, ids->items[i]);

        if (status != expected)
            return say(arena, ids->items[i], status, assay_test_status_name(expected));
    }
    return "";
}

static const char *broken_map(const struct assay_instance *instance,
        const struct assay_outcome *named, struct assay_arena *arena)
{
    const struct assay_strings *const lists[] = {&instance->fail_to_pass, &instance->pass_to_pass,
            &instance->fail_to_fail, &instance->error_to_error};
    struct assay_outcome listed;
    const char *broken = broken_list(&instance->fail_to_fail, ASSAY_TEST_FAILED, named, arena);

    if (broken != NULL && *broken == '\0')
        broken = broken_list(&instance->error_to_error, ASSAY_TEST_ERROR, named, arena);
    if (broken == NULL || *broken != '\0')
        return broken;
    assay_outcome_init(&listed, arena);
    for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            assay_outcome_add(
                    &listed, lists[l]->items[i], strlen(lists[l]->items[i]), ASSAY_TEST_PASSED);
    if (assay_outcome_finish(&listed, NULL) != ASSAY_OK)
        return NULL;
    for (size_t i = 0; i < named->count; i++)
        if (assay_outcome_find(&listed, named->results[i].id) == ASSAY_TEST_MISSING)
            return say(arena, named->results[i].id, named->results[i].status, "no such test");
    return "";
}

const char *assay_rules_broken(const struct assay_instance *instance,
        const struct assay_outcome *named, struct assay_arena *arena)
{
    if (instance->rules == ASSAY_RULES_WHOLE_MAP)
        return broken_map(instance, named, arena);
    for (size_t i = 0; i < instance->not_fail.count; i++) {
        const char *id = instance->not_fail.items[i];
        const enum assay_test_status status = assay_match_id(named, id, instance->rules);

        if (status == ASSAY_TEST_FAILED || status == ASSAY_TEST_ERROR)
            return say(arena, id, status, "no failure");
    }
    return "";
}
