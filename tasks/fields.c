// SPDX-License-Identifier: MIT
// fields.c - typed reads over base/json.h with the messages that suite files need.
#include "tasks/fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DOCUMENT_DEPTH_MAX 64
#define PATH_BYTES 256

const char *assay_path_short(char out[ASSAY_PATH_SHORT_BYTES], const char *path)
{
    const size_t len = strlen(path);
    const size_t keep = ASSAY_PATH_SHORT_BYTES - 4; // "..." and the NUL

    if (len <= keep)
        snprintf(out, ASSAY_PATH_SHORT_BYTES, "%s", path);
    else
        snprintf(out, ASSAY_PATH_SHORT_BYTES, "...%s", path + len - keep);
    return out;
}

size_t assay_fields_line(const struct assay_fields *fields, const char *key)
{
    const struct assay_source *source = fields->source;
    const size_t prefix_len = strlen(fields->prefix);
    char path[PATH_BYTES];
    size_t line;

    if (source->row)
        return source->first_line;
    snprintf(path, sizeof(path), "%s%s", fields->prefix, key);
    line = assay_json_line(source->text, source->len, source->first_line, path);
    // A field that is not there stands where its object does.
    if (line == source->first_line && prefix_len > 0) {
        snprintf(path, sizeof(path), "%.*s", (int)prefix_len - 1, fields->prefix); // without '.'
        line = assay_json_line(source->text, source->len, source->first_line, path);
    }
    return line;
}

enum assay_status assay_fields_fail(const struct assay_fields *fields, const char *key,
        struct assay_error *err, const char *fmt, ...)
{
    char file[ASSAY_PATH_SHORT_BYTES];
    char reason[sizeof(err->message)];
    va_list args;

    va_start(args, fmt);
    vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    return assay_fail(err, ASSAY_EINVAL, "%s:%zu: %s%s%s%s",
            assay_path_short(file, fields->source->file), assay_fields_line(fields, key),
            key[0] == '\0' ? "" : fields->prefix, key, key[0] == '\0' ? "" : ": ", reason);
}

static enum assay_status out_of_memory(const struct assay_fields *fields, struct assay_error *err)
{
    char file[ASSAY_PATH_SHORT_BYTES];

    return assay_fail(err, ASSAY_ENOMEM, "%s: larger than the memory bound",
            assay_path_short(file, fields->source->file));
}

enum assay_status assay_fields_parse(struct assay_json **document, struct assay_fields *fields,
        const struct assay_source *source, struct assay_error *err)
{
    const struct assay_json_limits limits = {
            .bytes_max = source->len + 1, .depth_max = DOCUMENT_DEPTH_MAX};
    char file[ASSAY_PATH_SHORT_BYTES];
    struct assay_json *json = NULL;
    enum assay_status status;

    status = assay_json_parse(&json, source->text, source->len, limits,
            assay_path_short(file, source->file), source->first_line, err);
    if (status != ASSAY_OK)
        return status;
    if (assay_json_type(json) != ASSAY_JSON_OBJECT) {
        assay_json_free(json);
        return assay_fail(
                err, ASSAY_EINVAL, "%s:%zu: expected an object", file, source->first_line);
    }
    *document = json;
    *fields = (struct assay_fields){source, json, ""};
    return ASSAY_OK;
}

enum assay_status assay_fields_only(const struct assay_fields *fields, const char *const *keys,
        size_t count, struct assay_error *err)
{
    const struct assay_json *member = assay_json_first(fields->object);

    for (; member != NULL; member = assay_json_next(member)) {
        const char *key = assay_json_key(member);
        bool known = false;

        for (size_t i = 0; i < count && !known; i++)
            known = strcmp(key, keys[i]) == 0;
        if (!known)
            return assay_fields_fail(fields, key, err, "unknown key");
    }
    return ASSAY_OK;
}

enum assay_status assay_fields_schema(const struct assay_fields *fields, struct assay_error *err)
{
    uint64_t schema = 0;

    return assay_fields_u64(&schema, fields, "schema", 1, 1, err);
}

// The member, or NULL when it is missing or null.
static const struct assay_json *member_or_null(const struct assay_fields *fields, const char *key)
{
    const struct assay_json *member = assay_json_get(fields->object, key);

    return member != NULL && assay_json_type(member) != ASSAY_JSON_NULL ? member : NULL;
}

static enum assay_status require(
        const struct assay_fields *fields, const char *key, struct assay_error *err)
{
    if (assay_json_get(fields->object, key) == NULL)
        return assay_fields_fail(fields, key, err, "missing");
    if (member_or_null(fields, key) == NULL)
        return assay_fields_fail(fields, key, err, "null is not allowed");
    return ASSAY_OK;
}

enum assay_status assay_fields_text_or(const char **out, const struct assay_fields *fields,
        const char *key, struct assay_error *err)
{
    const struct assay_json *member = member_or_null(fields, key);
    const char *copy;

    if (member == NULL)
        return ASSAY_OK;
    if (assay_json_type(member) != ASSAY_JSON_STRING)
        return assay_fields_fail(fields, key, err, "expected a string");
    copy = assay_arena_strdup(fields->source->arena, assay_json_text(member));
    if (copy == NULL)
        return out_of_memory(fields, err);
    *out = copy;
    return ASSAY_OK;
}

enum assay_status assay_fields_text(const char **out, const struct assay_fields *fields,
        const char *key, struct assay_error *err)
{
    const enum assay_status status = require(fields, key, err);

    return status != ASSAY_OK ? status : assay_fields_text_or(out, fields, key, err);
}

static bool is_whole(double number)
{
    const double bound = (double)ASSAY_JSON_INTEGER_MAX;

    return number >= -bound && number <= bound && (double)(int64_t)number == number;
}

enum assay_status assay_fields_u64_or(uint64_t *out, const struct assay_fields *fields,
        const char *key, uint64_t min, uint64_t max, struct assay_error *err)
{
    const struct assay_json *member = member_or_null(fields, key);
    double number;

    if (member == NULL)
        return ASSAY_OK;
    number = assay_json_number(member);
    if (assay_json_type(member) != ASSAY_JSON_NUMBER || !is_whole(number))
        return assay_fields_fail(fields, key, err, "expected a whole number");
    if (number < (double)min || number > (double)max) {
        if (min == max)
            return assay_fields_fail(fields, key, err, "must be %llu", (unsigned long long)min);
        return assay_fields_fail(fields, key, err, "must be from %llu to %llu",
                (unsigned long long)min, (unsigned long long)max);
    }
    *out = (uint64_t)number;
    return ASSAY_OK;
}

enum assay_status assay_fields_u64(uint64_t *out, const struct assay_fields *fields,
        const char *key, uint64_t min, uint64_t max, struct assay_error *err)
{
    const enum assay_status status = require(fields, key, err);

    return status != ASSAY_OK ? status : assay_fields_u64_or(out, fields, key, min, max, err);
}

enum assay_status assay_fields_bool_or(
        bool *out, const struct assay_fields *fields, const char *key, struct assay_error *err)
{
    const struct assay_json *member = member_or_null(fields, key);

    if (member == NULL)
        return ASSAY_OK;
    if (assay_json_type(member) != ASSAY_JSON_BOOL)
        return assay_fields_fail(fields, key, err, "expected true or false");
    *out = assay_json_bool(member);
    return ASSAY_OK;
}

enum assay_status assay_fields_bool(
        bool *out, const struct assay_fields *fields, const char *key, struct assay_error *err)
{
    const enum assay_status status = require(fields, key, err);

    return status != ASSAY_OK ? status : assay_fields_bool_or(out, fields, key, err);
}

enum assay_status assay_fields_list(struct assay_strings *out, const struct assay_fields *fields,
        const char *key, const struct assay_json *list, struct assay_error *err)
{
    struct assay_arena *arena = fields->source->arena;
    const char **items;
    size_t count = 0;

    if (assay_json_type(list) != ASSAY_JSON_ARRAY)
        return assay_fields_fail(fields, key, err, "expected a list of strings");
    items = assay_arena_array(arena, assay_json_count(list), sizeof(items[0]));
    if (items == NULL)
        return out_of_memory(fields, err);
    for (const struct assay_json *element = assay_json_first(list); element != NULL;
            element = assay_json_next(element)) {
        const char *text = assay_json_text(element);

        if (text == NULL || text[0] == '\0') {
            char path[PATH_BYTES];

            snprintf(path, sizeof(path), "%s[%zu]", key, count);
            return assay_fields_fail(
                    fields, path, err, text == NULL ? "expected a string" : "must not be empty");
        }
        items[count] = assay_arena_strdup(arena, text);
        if (items[count++] == NULL)
            return out_of_memory(fields, err);
    }
    *out = (struct assay_strings){items, count};
    return ASSAY_OK;
}

enum assay_status assay_fields_strings_or(struct assay_strings *out,
        const struct assay_fields *fields, const char *key, struct assay_error *err)
{
    const struct assay_json *member = member_or_null(fields, key);

    return member == NULL ? ASSAY_OK : assay_fields_list(out, fields, key, member, err);
}

enum assay_status assay_fields_strings(struct assay_strings *out, const struct assay_fields *fields,
        const char *key, struct assay_error *err)
{
    const enum assay_status status = require(fields, key, err);

    return status != ASSAY_OK ? status : assay_fields_strings_or(out, fields, key, err);
}

enum assay_status assay_fields_array(const struct assay_json **out,
        const struct assay_fields *fields, const char *key, struct assay_error *err)
{
    const enum assay_status status = require(fields, key, err);
    const struct assay_json *member;

    if (status != ASSAY_OK)
        return status;
    member = assay_json_get(fields->object, key);
    if (assay_json_type(member) != ASSAY_JSON_ARRAY)
        return assay_fields_fail(fields, key, err, "expected a list");
    *out = member;
    return ASSAY_OK;
}

enum assay_status assay_fields_element(struct assay_fields *out, const struct assay_fields *fields,
        const struct assay_json *element, const char *path, struct assay_error *err)
{
    const char *prefix;

    if (assay_json_type(element) != ASSAY_JSON_OBJECT)
        return assay_fields_fail(fields, path, err, "expected an object");
    prefix = assay_arena_printf(fields->source->arena, "%s%s.", fields->prefix, path);
    if (prefix == NULL)
        return out_of_memory(fields, err);
    *out = (struct assay_fields){fields->source, element, prefix};
    return ASSAY_OK;
}

enum assay_status assay_fields_object(struct assay_fields *out, const struct assay_fields *fields,
        const char *key, struct assay_error *err)
{
    const enum assay_status status = require(fields, key, err);

    if (status != ASSAY_OK)
        return status;
    return assay_fields_element(out, fields, assay_json_get(fields->object, key), key, err);
}
