// SPDX-License-Identifier: MIT
// json.c - typed reads. What cJSON is handed was scanned before (json_scan.c),
// so everything that it would let pass or misread is already refused.
#include "base/json.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json_scan.h"

_Static_assert(ASSAY_JSON_DEPTH_MAX <= CJSON_NESTING_LIMIT, "cJSON would refuse what we let pass");

// struct assay_json is never defined: a pointer to one is a pointer to a cJSON.

static const cJSON *item_of(const struct assay_json *json)
{
    return (const cJSON *)(const void *)json;
}

static const struct assay_json *json_of(const cJSON *item)
{
    return (const struct assay_json *)(const void *)item;
}

enum assay_status assay_json_parse(struct assay_json **out, const char *text, size_t len,
        struct assay_json_limits limits, const char *source, size_t first_line,
        struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    unsigned depth_max = limits.depth_max;
    cJSON *root = NULL;

    assert(limits.bytes_max > 0 && limits.depth_max > 0);
    if (len > limits.bytes_max)
        return assay_fail(err, ASSAY_EINVAL, "%s:%zu: more than %zu bytes", source, first_line,
                limits.bytes_max);
    if (depth_max > ASSAY_JSON_DEPTH_MAX)
        depth_max = ASSAY_JSON_DEPTH_MAX;
    status = assay_json_scan(text, len, depth_max, source, first_line, err);
    if (status != ASSAY_OK)
        return status;
    root = cJSON_ParseWithLength(text, len);
    if (root == NULL) // the text is good: what is left is memory
        return assay_fail(
                err, ASSAY_ENOMEM, "%s:%zu: no memory for the values", source, first_line);
    *out = (struct assay_json *)(void *)root;
    return ASSAY_OK;
}

void assay_json_free(struct assay_json *json)
{
    cJSON_Delete((cJSON *)(void *)json);
}

enum assay_json_type assay_json_type(const struct assay_json *json)
{
    const cJSON *item = item_of(json);

    if (cJSON_IsBool(item))
        return ASSAY_JSON_BOOL;
    if (cJSON_IsNumber(item))
        return ASSAY_JSON_NUMBER;
    if (cJSON_IsString(item))
        return ASSAY_JSON_STRING;
    if (cJSON_IsArray(item))
        return ASSAY_JSON_ARRAY;
    if (cJSON_IsObject(item))
        return ASSAY_JSON_OBJECT;
    return ASSAY_JSON_NULL;
}

size_t assay_json_count(const struct assay_json *json)
{
    const int count = cJSON_GetArraySize(item_of(json));

    return count > 0 ? (size_t)count : 0;
}

const struct assay_json *assay_json_get(const struct assay_json *object, const char *key)
{
    if (!cJSON_IsObject(item_of(object)))
        return NULL;
    return json_of(cJSON_GetObjectItemCaseSensitive(item_of(object), key));
}

const struct assay_json *assay_json_first(const struct assay_json *container)
{
    const cJSON *item = item_of(container);

    return cJSON_IsArray(item) || cJSON_IsObject(item) ? json_of(item->child) : NULL;
}

const struct assay_json *assay_json_next(const struct assay_json *element)
{
    return json_of(item_of(element)->next);
}

const char *assay_json_key(const struct assay_json *member)
{
    return item_of(member)->string;
}

const char *assay_json_text(const struct assay_json *json)
{
    return cJSON_GetStringValue(item_of(json));
}

bool assay_json_bool(const struct assay_json *json)
{
    return cJSON_IsTrue(item_of(json)) != 0;
}

double assay_json_number(const struct assay_json *json)
{
    return cJSON_IsNumber(item_of(json)) ? item_of(json)->valuedouble : (double)NAN;
}

// The member, which must be there and of the wanted type ("a string").
static enum assay_status require(const struct assay_json **out, const struct assay_json *object,
        const char *key, enum assay_json_type type, const char *wanted, struct assay_error *err)
{
    const struct assay_json *member = assay_json_get(object, key);

    if (member == NULL)
        return assay_fail(err, ASSAY_EINVAL, "field \"%s\" is missing", key);
    if (assay_json_type(member) != type)
        return assay_fail(err, ASSAY_EINVAL, "field \"%s\" must be %s", key, wanted);
    *out = member;
    return ASSAY_OK;
}

static bool is_absent(const struct assay_json *object, const char *key)
{
    const struct assay_json *member = assay_json_get(object, key);

    return member == NULL || assay_json_type(member) == ASSAY_JSON_NULL;
}

enum assay_status assay_json_read_text(
        const char **out, const struct assay_json *object, const char *key, struct assay_error *err)
{
    const struct assay_json *member = NULL;
    const enum assay_status status =
            require(&member, object, key, ASSAY_JSON_STRING, "a string", err);

    if (status == ASSAY_OK)
        *out = assay_json_text(member);
    return status;
}

enum assay_status assay_json_read_u64(uint64_t *out, const struct assay_json *object,
        const char *key, uint64_t min, uint64_t max, struct assay_error *err)
{
    const struct assay_json *member = NULL;
    const enum assay_status status =
            require(&member, object, key, ASSAY_JSON_NUMBER, "an integer", err);
    double value = 0;

    if (status != ASSAY_OK)
        return status;
    if (max > ASSAY_JSON_INTEGER_MAX)
        max = ASSAY_JSON_INTEGER_MAX;
    value = assay_json_number(member);
    // Up to here every integer is a double of its own, so the comparison is exact.
    if (value != floor(value) || value < (double)min || value > (double)max)
        return assay_fail(err, ASSAY_EINVAL, "field \"%s\" must be an integer from %llu to %llu",
                key, (unsigned long long)min, (unsigned long long)max);
    *out = (uint64_t)value;
    return ASSAY_OK;
}

enum assay_status assay_json_read_bool(
        bool *out, const struct assay_json *object, const char *key, struct assay_error *err)
{
    const struct assay_json *member = NULL;
    const enum assay_status status =
            require(&member, object, key, ASSAY_JSON_BOOL, "true or false", err);

    if (status == ASSAY_OK)
        *out = assay_json_bool(member);
    return status;
}

enum assay_status assay_json_read_array(const struct assay_json **out,
        const struct assay_json *object, const char *key, struct assay_error *err)
{
    return require(out, object, key, ASSAY_JSON_ARRAY, "an array", err);
}

enum assay_status assay_json_read_object(const struct assay_json **out,
        const struct assay_json *object, const char *key, struct assay_error *err)
{
    return require(out, object, key, ASSAY_JSON_OBJECT, "an object", err);
}

enum assay_status assay_json_opt_text(
        const char **out, const struct assay_json *object, const char *key, struct assay_error *err)
{
    return is_absent(object, key) ? ASSAY_OK : assay_json_read_text(out, object, key, err);
}

enum assay_status assay_json_opt_u64(uint64_t *out, const struct assay_json *object,
        const char *key, uint64_t min, uint64_t max, struct assay_error *err)
{
    return is_absent(object, key) ? ASSAY_OK : assay_json_read_u64(out, object, key, min, max, err);
}

// A key as it may stand in a message: short, and without bytes that break a line.
static void show_key(char out[64], const char *key)
{
    size_t len = 0;

    while (len < 60 && key[len] != '\0') {
        out[len] = key[len];
        if ((unsigned char)key[len] < 0x20 || key[len] == 0x7f)
            out[len] = '?';
        len++;
    }
    out[len] = '\0';
}

enum assay_status assay_json_only_keys(const struct assay_json *object, const char *const *keys,
        size_t count, struct assay_error *err)
{
    const struct assay_json *member = assay_json_first(object);

    for (; member != NULL; member = assay_json_next(member)) {
        const char *key = assay_json_key(member);
        char shown[64];
        size_t i = 0;

        while (key != NULL && i < count && strcmp(key, keys[i]) != 0)
            i++;
        if (key == NULL || i < count)
            continue;
        show_key(shown, key);
        return assay_fail(err, ASSAY_EINVAL, "unknown field \"%s\"", shown);
    }
    return ASSAY_OK;
}
