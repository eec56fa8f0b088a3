// SPDX-License-Identifier: MIT
// localize_read.c - an answer's text as locations.
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "rewards/localize.h"
#include "rewards/symbols_read.h"
#include "tasks/patch.h"

#define ANSWER_BYTES_MAX ((size_t)4 << 20)
#define ANSWER_DEPTH_MAX 8
#define LINE_BYTES_MAX ((size_t)5000)

struct answer_reader {
    struct assay_locations *out;
    struct assay_arena *arena;
    struct assay_error *err;
    size_t line; // of the answer
};

static enum assay_status add_location(
        struct answer_reader *r, const struct assay_location *location)
{
    if (location->last - location->first > ASSAY_LOCATION_LINES_MAX ||
            location->last < location->first)
        return assay_fail(r->err, ASSAY_EPATCH, "line %zu: a range of more than %d lines, or none",
                r->line, ASSAY_LOCATION_LINES_MAX);
    if (r->out->count == ASSAY_LOCATIONS_MAX)
        return assay_fail(r->err, ASSAY_EPATCH, "line %zu: more than %d locations", r->line,
                ASSAY_LOCATIONS_MAX);
    r->out->items[r->out->count++] = *location;
    return ASSAY_OK;
}

// A number of up to nine digits at *at; false, and nothing moved, where there is none.
static bool take_number(const char **at, const char *end, size_t *out)
{
    size_t value = 0, digits = 0;

    while (*at + digits < end && (*at)[digits] >= '0' && (*at)[digits] <= '9' && digits < 9)
        value = value * 10 + (size_t)((*at)[digits++] - '0');
    if (digits == 0 || value == 0)
        return false;
    *at += digits;
    *out = value;
    return true;
}

// "12", "12-20", "Class::method", between colons.
static bool take_piece(
        struct answer_reader *r, struct assay_location *location, const char *at, const char *end)
{
    const char *name = at;
    size_t first = 0, last = 0;

    if (take_number(&at, end, &first)) {
        last = first;
        if (at < end && *at == '-') {
            at++;
            if (!take_number(&at, end, &last))
                return false;
        }
        location->first = first;
        location->last = last;
        return at == end;
    }
    for (at = name; at < end; at++) {
        if (!symbols_is_name(*at) && !strchr(".:#~()", *at))
            return false;
    }
    location->function = assay_arena_memdup(r->arena, name, (size_t)(end - name));
    return location->function && end > name;
}

// "path[:piece...]" of [at, end). false: it is none.
static bool take_location(
        struct answer_reader *r, struct assay_location *location, const char *at, const char *end)
{
    const char *colon = memchr(at, ':', (size_t)(end - at));
    char *path;

    memset(location, 0, sizeof(*location));
    if (end - at > 2 && at[0] == '.' && at[1] == '/')
        at += 2;
    path = assay_arena_memdup(r->arena, at, (size_t)((colon ? colon : end) - at));
    if (!path || !assay_patch_path_allowed(path))
        return false;
    location->path = path;
    while (colon && colon + 1 < end) {
        const char *piece = colon + 1, *stop;

        while (piece < end && *piece == ':')
            piece++;
        // A name may hold "::" itself, so only a single colon ends it.
        for (stop = piece; stop < end; stop++) {
            if (*stop == ':' && (stop + 1 == end || stop[1] != ':') && stop[-1] != ':')
                break;
        }
        if (stop == piece || !take_piece(r, location, piece, stop))
            return false;
        colon = stop < end ? stop : NULL;
    }
    return true;
}

// --- plain lines ---------------------------------------------------------------------------------

// Leave out what lists and Markdown put around an item.
static void strip_line(const char **at, const char **end)
{
    const char *mark;

    while (*at < *end && strchr(" \t\r", **at))
        (*at)++;
    for (mark = *at; mark < *end && *mark >= '0' && *mark <= '9'; mark++)
        ;
    // "- ", "* ", "12. ", "12) "
    if (mark < *end && strchr(mark == *at ? "-*+" : ".)", *mark))
        mark++;
    else
        mark = *at;
    if (mark > *at && mark < *end && (*mark == ' ' || *mark == '\t'))
        *at = mark;
    while (*at < *end && strchr(" \t`\"'", **at))
        (*at)++;
    while (*end > *at && strchr(" \t\r`\"',", (*end)[-1]))
        (*end)--;
}

// A path has a dot or a slash in it, or a piece behind a colon; a word of prose has none of them.
static bool looks_like_location(const char *at, const char *end)
{
    bool sign = false;

    for (const char *p = at; p < end; p++) {
        if (*p == ' ' || *p == '\t')
            return false;
        sign |= *p == '/' || *p == ':' || (*p == '.' && p + 1 < end);
    }
    return sign && at < end && (size_t)(end - at) < LINE_BYTES_MAX;
}

static enum assay_status read_plain(struct answer_reader *r, const char *text, size_t len)
{
    const char *at = text, *stop = text + len;
    enum assay_status status = ASSAY_OK;

    for (r->line = 1; at < stop && status == ASSAY_OK; r->line++) {
        const char *feed = memchr(at, '\n', (size_t)(stop - at));
        const char *begin = at, *end = feed ? feed : stop;
        struct assay_location location;

        at = feed ? feed + 1 : stop;
        strip_line(&begin, &end);
        if (looks_like_location(begin, end) && take_location(r, &location, begin, end))
            status = add_location(r, &location);
    }
    return status;
}

// --- JSON ----------------------------------------------------------------------------------------

static bool read_line_number(const struct assay_json *value, size_t *out)
{
    const double number = value ? assay_json_number(value) : -1;

    if (!(number >= 1 && number < 1e9) || (double)(size_t)number != number)
        return false;
    *out = (size_t)number;
    return true;
}

static const char *text_member(
        const struct assay_json *object, const char *key, const char *other_key)
{
    const struct assay_json *member = assay_json_get(object, key);

    if (!member)
        member = assay_json_get(object, other_key);
    return member ? assay_json_text(member) : NULL;
}

static bool read_object(
        struct answer_reader *r, struct assay_location *location, const struct assay_json *object)
{
    const char *path = text_member(object, "path", "file");
    const char *function = text_member(object, "function", "symbol");
    const struct assay_json *lines = assay_json_get(object, "lines");
    const struct assay_json *first;

    if (!path || strchr(path, ':') || !take_location(r, location, path, path + strlen(path)))
        return false;
    if (function && function[0]) {
        location->function = assay_arena_strdup(r->arena, function);
        if (!location->function)
            return false;
    }
    if (!lines)
        lines = assay_json_get(object, "line");
    if (!lines || assay_json_type(lines) == ASSAY_JSON_NULL)
        return true;
    if (assay_json_type(lines) != ASSAY_JSON_ARRAY) {
        if (!read_line_number(lines, &location->first))
            return false;
        location->last = location->first;
        return true;
    }
    first = assay_json_first(lines);
    if (!read_line_number(first, &location->first))
        return false;
    location->last = location->first;
    first = assay_json_next(first);
    return !first || (read_line_number(first, &location->last) && !assay_json_next(first));
}

static enum assay_status read_list(struct answer_reader *r, const struct assay_json *list)
{
    size_t index = 0;

    for (const struct assay_json *element = assay_json_first(list); element;
            element = assay_json_next(element), index++) {
        const char *text = assay_json_text(element);
        struct assay_location location;
        enum assay_status status;
        const bool good = text ? take_location(r, &location, text, text + strlen(text))
                               : assay_json_type(element) == ASSAY_JSON_OBJECT &&
                        read_object(r, &location, element);

        if (!good)
            return assay_fail(r->err, ASSAY_EPATCH, "line 1: location %zu is none", index + 1);
        status = add_location(r, &location);
        if (status != ASSAY_OK)
            return status;
    }
    return ASSAY_OK;
}

static enum assay_status read_json(struct answer_reader *r, const char *text, size_t len)
{
    const struct assay_json_limits limits = {ANSWER_BYTES_MAX, ANSWER_DEPTH_MAX};
    const struct assay_json *list;
    struct assay_json *document = NULL;
    struct assay_error trouble = {0};
    enum assay_status status =
            assay_json_parse(&document, text, len, limits, "answer", 1, &trouble);

    if (status != ASSAY_OK)
        return status == ASSAY_ENOMEM ? assay_fail(r->err, status, "%s", trouble.message)
                                      : assay_fail(r->err, ASSAY_EPATCH, "%s", trouble.message);
    list = assay_json_type(document) == ASSAY_JSON_OBJECT ? assay_json_get(document, "locations")
                                                          : document;
    if (!list || assay_json_type(list) != ASSAY_JSON_ARRAY)
        status = assay_fail(r->err, ASSAY_EPATCH, "line 1: no list of locations");
    else
        status = read_list(r, list);
    assay_json_free(document);
    return status;
}

// JSON may stand in a fence.
static bool find_json(const char **text, size_t *len)
{
    const char *at = *text, *end = *text + *len;

    while (at < end && strchr(" \t\r\n", *at))
        at++;
    if (at + 3 < end && memcmp(at, "```", 3) == 0) {
        while (at < end && *at != '\n')
            at++;
        while (at < end && strchr(" \t\r\n", *at))
            at++;
        while (end > at && strchr(" \t\r\n`", end[-1]))
            end--;
    }
    if (at == end || (*at != '[' && *at != '{'))
        return false;
    *text = at;
    *len = (size_t)(end - at);
    return true;
}

enum assay_status assay_locations_read(struct assay_locations *out, const char *text, size_t len,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_locations locations = {
            assay_arena_array(arena, ASSAY_LOCATIONS_MAX, sizeof(*locations.items)), 0};
    struct answer_reader r = {.out = &locations, .arena = arena, .err = err, .line = 1};
    enum assay_status status;

    if (!locations.items)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (len > ANSWER_BYTES_MAX)
        return assay_fail(err, ASSAY_EPATCH, "the answer is larger than 4 MiB");
    status = find_json(&text, &len) ? read_json(&r, text, len) : read_plain(&r, text, len);
    if (status == ASSAY_OK && locations.count == 0)
        status = assay_fail(err, ASSAY_EPATCH, "the answer names no location");
    if (status == ASSAY_OK)
        *out = locations;
    return status;
}
