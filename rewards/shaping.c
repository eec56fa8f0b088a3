// SPDX-License-Identifier: MIT
#include "rewards/shaping.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define VALUE_MAX 1000.0
#define CONFIG_BYTES_MAX ((size_t)64 << 10)
#define CONFIG_DEPTH_MAX 4

static const char *const class_names[ASSAY_REWARD_CLASSES] = {
        [ASSAY_REWARD_RESOLVED] = "resolved",
        [ASSAY_REWARD_UNRESOLVED] = "unresolved",
        [ASSAY_REWARD_REGRESSION] = "regression",
        [ASSAY_REWARD_BUILD_ERROR] = "build_error",
        [ASSAY_REWARD_RUNTIME_ERROR] = "runtime_error",
        [ASSAY_REWARD_FORMAT_ERROR] = "format_error",
        [ASSAY_REWARD_FORGED] = "forged",
};

const char *assay_reward_class_name(enum assay_reward_class reward_class)
{
    return class_names[reward_class];
}

static enum assay_reward_class class_of_cause(const struct assay_verdict *verdict)
{
    switch (verdict->cause) {
    case ASSAY_CAUSE_TAMPERED:
    case ASSAY_CAUSE_INCONSISTENT:
        return ASSAY_REWARD_FORGED;
    case ASSAY_CAUSE_PATCH_REJECTED:
    case ASSAY_CAUSE_EMPTY_PATCH:
        return ASSAY_REWARD_FORMAT_ERROR;
    case ASSAY_CAUSE_BUILD_FAILED:
    case ASSAY_CAUSE_NONE_COLLECTED:
        return ASSAY_REWARD_BUILD_ERROR;
    case ASSAY_CAUSE_CPU_LIMIT:
    case ASSAY_CAUSE_WALL_LIMIT:
    case ASSAY_CAUSE_IDLE_LIMIT:
    case ASSAY_CAUSE_MEMORY_LIMIT:
    case ASSAY_CAUSE_PIDS_LIMIT:
    case ASSAY_CAUSE_DISK_LIMIT:
    case ASSAY_CAUSE_OUTPUT_LIMIT:
    case ASSAY_CAUSE_SIGNALLED:
    case ASSAY_CAUSE_SYSCALL_DENIED:
        return ASSAY_REWARD_RUNTIME_ERROR;
    case ASSAY_CAUSE_OK:
    case ASSAY_CAUSE_TESTS_FAILED:
    case ASSAY_CAUSE_SETUP_FAILED:
    case ASSAY_CAUSE_INFRA_ERROR:
        break;
    }
    return verdict->p2p_failure.count ? ASSAY_REWARD_REGRESSION : ASSAY_REWARD_UNRESOLVED;
}

bool assay_reward_classify(enum assay_reward_class *out, const struct assay_verdict *verdict)
{
    if (!verdict->scored || assay_cause_is_infra(verdict->cause))
        return false;
    *out = class_of_cause(verdict);
    // A forged run is never resolved, whatever else says so.
    if (verdict->resolved && *out != ASSAY_REWARD_FORGED)
        *out = ASSAY_REWARD_RESOLVED;
    return true;
}

// --- maps ----------------------------------------------------------------------------------------

const char *const assay_reward_map_presets[] = {"default", "m1-negative", "swe-rl", NULL};

bool assay_reward_map_preset(struct assay_reward_map *out, const char *name)
{
    struct assay_reward_map map = {.values = {[ASSAY_REWARD_RESOLVED] = 1}};

    if (strcmp(name, "m1-negative") == 0) {
        map.values[ASSAY_REWARD_REGRESSION] = -1;
        map.values[ASSAY_REWARD_BUILD_ERROR] = -1;
        map.values[ASSAY_REWARD_RUNTIME_ERROR] = -1;
        map.values[ASSAY_REWARD_FORMAT_ERROR] = -1;
        map.values[ASSAY_REWARD_FORGED] = -1;
    } else if (strcmp(name, "swe-rl") == 0) {
        map.values[ASSAY_REWARD_FORMAT_ERROR] = -1;
    } else if (strcmp(name, "default") != 0) {
        return false;
    }
    *out = map;
    return true;
}

// A configuration and where it came from.
struct config {
    const char *file, *text;
    size_t len;
    struct assay_json *document; // owned
};

static enum assay_status config_fail(
        const struct config *config, const char *field, const char *reason, struct assay_error *err)
{
    return assay_fail(err, ASSAY_EINVAL, "%.100s:%zu: %.60s: %s", config->file,
            assay_json_line(config->text, config->len, 1, field), field, reason);
}

static bool known(const char *key, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(key, keys[i]) == 0)
            return true;
    }
    return strcmp(key, "schema") == 0;
}

// Parse; one object with "schema": 1 and no key that is not in keys[].
static enum assay_status config_open(
        struct config *config, const char *const *keys, size_t count, struct assay_error *err)
{
    const struct assay_json_limits limits = {CONFIG_BYTES_MAX, CONFIG_DEPTH_MAX};
    const struct assay_json *schema;
    enum assay_status status = assay_json_parse(
            &config->document, config->text, config->len, limits, config->file, 1, err);

    if (status != ASSAY_OK)
        return status;
    if (assay_json_type(config->document) != ASSAY_JSON_OBJECT)
        return assay_fail(err, ASSAY_EINVAL, "%.100s:1: expected an object", config->file);
    schema = assay_json_get(config->document, "schema");
    if (!schema || assay_json_number(schema) != 1.0)
        return config_fail(config, "schema", "must be 1", err);
    for (const struct assay_json *member = assay_json_first(config->document); member;
            member = assay_json_next(member)) {
        if (!known(assay_json_key(member), keys, count))
            return config_fail(config, assay_json_key(member), "unknown key", err);
    }
    return ASSAY_OK;
}

// A number in [least, most]; missing leaves *out alone.
static enum assay_status config_number(const struct config *config, double *out,
        const struct assay_json *object, const char *key, const char *path, double least,
        double most, struct assay_error *err)
{
    const struct assay_json *value = assay_json_get(object, key);
    double number;

    if (!value)
        return ASSAY_OK;
    number = assay_json_number(value);
    if (assay_json_type(value) != ASSAY_JSON_NUMBER || !isfinite(number))
        return config_fail(config, path, "expected a number", err);
    if (number < least || number > most)
        return assay_fail(err, ASSAY_EINVAL, "%.100s:%zu: %.60s: must be from %g to %g",
                config->file, assay_json_line(config->text, config->len, 1, path), path, least,
                most);
    *out = number;
    return ASSAY_OK;
}

static enum assay_status check_map(
        const struct config *config, const struct assay_reward_map *map, struct assay_error *err)
{
    for (size_t i = 0; i < ASSAY_REWARD_CLASSES; i++) {
        if (map->values[i] > map->values[ASSAY_REWARD_RESOLVED])
            return config_fail(config, class_names[i], "worth more than \"resolved\"", err);
    }
    return ASSAY_OK;
}

enum assay_status assay_reward_map_read(struct assay_reward_map *out, const char *text, size_t len,
        const char *file, struct assay_error *err)
{
    struct config config = {.file = file, .text = text, .len = len};
    struct assay_reward_map map = {.values = {[ASSAY_REWARD_RESOLVED] = 1}};
    enum assay_status status = config_open(&config, class_names, ASSAY_REWARD_CLASSES, err);

    for (size_t i = 0; i < ASSAY_REWARD_CLASSES && status == ASSAY_OK; i++)
        status = config_number(&config, &map.values[i], config.document, class_names[i],
                class_names[i], -VALUE_MAX, i == ASSAY_REWARD_FORGED ? 0.0 : VALUE_MAX, err);
    if (status == ASSAY_OK)
        status = check_map(&config, &map, err);
    if (status == ASSAY_OK)
        *out = map;
    assay_json_free(config.document);
    return status;
}

// --- shaping -------------------------------------------------------------------------------------

enum term {
    TERM_TESTS,
    TERM_RESOLUTION,
    TERM_REGRESSION,
    TERM_FORMAT,
    TERM_LENGTH,
    TERM_SIMILARITY,
    TERMS
};
static const char *const term_names[TERMS] = {
        "tests", "resolution", "regression", "format", "length", "similarity"};

// One member of one term: "format.tolerated".
static enum assay_status term_number(const struct config *config, double *out,
        const struct assay_json *term, const char *name, const char *key, double least, double most,
        struct assay_error *err)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "%s.%s", name, key);
    return config_number(config, out, term, key, path, least, most, err);
}

static enum assay_status read_term(const struct config *config, enum term which, double *weight,
        const char *const *keys, double *const *numbers, size_t count, double most,
        struct assay_error *err)
{
    const char *name = term_names[which];
    const struct assay_json *term = assay_json_get(config->document, name);
    enum assay_status status;

    if (!term)
        return ASSAY_OK;
    if (assay_json_type(term) != ASSAY_JSON_OBJECT)
        return config_fail(config, name, "expected an object", err);
    for (const struct assay_json *member = assay_json_first(term); member;
            member = assay_json_next(member)) {
        if (strcmp(assay_json_key(member), "schema") == 0 ||
                (strcmp(assay_json_key(member), "weight") != 0 &&
                        !known(assay_json_key(member), keys, count)))
            return config_fail(config, name, "has an unknown key", err);
    }
    if (!assay_json_get(term, "weight"))
        return config_fail(config, name, "has no \"weight\"", err);
    status = term_number(config, weight, term, name, "weight", 0, VALUE_MAX, err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        status = term_number(config, numbers[i], term, name, keys[i], 0, most, err);
    return status;
}

// Whole numbers that JSON carries exactly.
static enum assay_status set_length(const struct config *config, struct assay_shaping *shaping,
        double max, double buffer, struct assay_error *err)
{
    if (shaping->length == 0)
        return ASSAY_OK;
    if (max < 1 || floor(max) != max)
        return config_fail(config, "length", "\"max\" must be a whole number above 0", err);
    if (buffer < 1 || floor(buffer) != buffer || buffer > max)
        return config_fail(
                config, "length", "\"buffer\" must be a whole number from 1 to \"max\"", err);
    shaping->length_max = (uint64_t)max;
    shaping->length_buffer = (uint64_t)buffer;
    return ASSAY_OK;
}

enum assay_status assay_shaping_read(struct assay_shaping *out, const char *text, size_t len,
        const char *file, struct assay_error *err)
{
    struct config config = {.file = file, .text = text, .len = len};
    struct assay_shaping s = {0};
    double max = 0, buffer = 0;
    const char *const resolution[] = {"partial"}, *const format[] = {"tolerated"},
                      *const length[] = {"max", "buffer"};
    double *const partial[] = {&s.resolution_partial}, *const tolerated[] = {&s.format_tolerated},
                  *const lengths[] = {&max, &buffer};
    enum assay_status status = config_open(&config, term_names, TERMS, err);

    if (status == ASSAY_OK)
        status = read_term(&config, TERM_TESTS, &s.tests, NULL, NULL, 0, 0, err);
    if (status == ASSAY_OK)
        status = read_term(&config, TERM_RESOLUTION, &s.resolution, resolution, partial, 1, 1, err);
    if (status == ASSAY_OK)
        status = read_term(&config, TERM_REGRESSION, &s.regression, NULL, NULL, 0, 0, err);
    if (status == ASSAY_OK)
        status = read_term(&config, TERM_FORMAT, &s.format, format, tolerated, 1, 1, err);
    if (status == ASSAY_OK)
        status = read_term(&config, TERM_LENGTH, &s.length, length, lengths, 2,
                (double)ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK)
        status = read_term(&config, TERM_SIMILARITY, &s.similarity, NULL, NULL, 0, 0, err);
    if (status == ASSAY_OK)
        status = set_length(&config, &s, max, buffer, err);
    if (status == ASSAY_OK)
        *out = s;
    assay_json_free(config.document);
    return status;
}

double assay_shaping_overlong(uint64_t length, uint64_t length_max, uint64_t length_buffer)
{
    const uint64_t free_length = length_max - length_buffer;

    if (length <= free_length)
        return 0;
    if (length > length_max)
        return -1;
    return -(double)(length - free_length) / (double)length_buffer;
}

// --- a verdict's terms ---------------------------------------------------------------------------

static double share(size_t some, size_t others)
{
    return some + others > 0 ? (double)some / (double)(some + others) : 0;
}

// Only of a run that came to its end: statuses from before a kill are no evidence.
static double tests_share(const struct assay_verdict *v)
{
    if (v->localize)
        return v->localize->score;
    if (v->write_tests)
        return share(v->write_tests->mutants_killed,
                v->write_tests->mutants_valid - v->write_tests->mutants_killed);
    if (v->cause != ASSAY_CAUSE_OK && v->cause != ASSAY_CAUSE_TESTS_FAILED)
        return 0;
    return share(v->f2p_success.count, v->f2p_failure.count);
}

static double resolution_value(const struct assay_verdict *v, double partial)
{
    if (v->resolved)
        return 1;
    return v->resolution == ASSAY_RESOLUTION_PARTIAL &&
                    (v->cause == ASSAY_CAUSE_OK || v->cause == ASSAY_CAUSE_TESTS_FAILED)
            ? partial
            : 0;
}

static double format_value(const struct assay_verdict *v, double tolerated)
{
    if (v->cause == ASSAY_CAUSE_PATCH_REJECTED || v->cause == ASSAY_CAUSE_EMPTY_PATCH)
        return 0;
    for (size_t i = 0; i < v->hunk_count; i++) {
        if (strcmp(v->hunks[i].tolerance, "exact") != 0 &&
                strcmp(v->hunks[i].tolerance, "offset") != 0)
            return tolerated;
    }
    return 1;
}

static void add(struct assay_shaped_reward *shaped, const char *name, double value)
{
    shaped->components[shaped->component_count++] =
            (struct assay_reward_component){name, value + 0.0}; // no "-0" in a report
    shaped->reward += value;
}

static void add_terms(struct assay_shaped_reward *shaped, const struct assay_verdict *v,
        const struct assay_shaping *s, const struct assay_shaping_facts *facts)
{
    if (s->tests > 0)
        add(shaped, term_names[TERM_TESTS], s->tests * tests_share(v));
    if (s->resolution > 0)
        add(shaped, term_names[TERM_RESOLUTION],
                s->resolution * resolution_value(v, s->resolution_partial));
    if (s->regression > 0)
        add(shaped, term_names[TERM_REGRESSION],
                -s->regression * share(v->p2p_failure.count, v->p2p_success.count));
    if (s->format > 0)
        add(shaped, term_names[TERM_FORMAT], s->format * format_value(v, s->format_tolerated));
    if (s->length > 0)
        add(shaped, term_names[TERM_LENGTH],
                s->length * assay_shaping_overlong(facts->length, s->length_max, s->length_buffer));
    if (s->similarity > 0 && v->kind == ASSAY_TASK_REPAIR)
        add(shaped, term_names[TERM_SIMILARITY], s->similarity * facts->similarity);
}

enum assay_status assay_shape(const struct assay_shaped_reward **out,
        const struct assay_verdict *verdict, const struct assay_reward_map *map,
        const struct assay_shaping *shaping, const struct assay_shaping_facts *facts,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_shaped_reward *shaped = assay_arena_alloc(arena, sizeof(*shaped));
    enum assay_reward_class reward_class;

    if (!shaped)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *out = shaped;
    if (!assay_reward_classify(&reward_class, verdict)) {
        shaped->reward = (double)NAN;
        return ASSAY_OK;
    }
    shaped->reward_class = class_names[reward_class];
    if (reward_class == ASSAY_REWARD_FORGED) {
        const double value = map->values[reward_class];

        // The readers refuse more than 0; this holds whoever made the map.
        add(shaped, "outcome", value < 0 ? value : 0);
        return ASSAY_OK;
    }
    add(shaped, "outcome", map->values[reward_class]);
    if (shaping)
        add_terms(shaped, verdict, shaping, facts);
    return ASSAY_OK;
}
