// SPDX-License-Identifier: MIT
#include "tasks/yaml_json.h"

#include <string.h>
#include <yaml.h>

#include "tasks/fields.h"

#define DEPTH_MAX 32
#define EVENTS_MAX 1000000

struct conversion {
    yaml_parser_t parser;
    struct assay_json_writer *w;
    const char *source;
    struct level {
        bool mapping;
        char *key; // owned; read, waiting for its value
    } levels[DEPTH_MAX];
    size_t depth;
    bool members; // of the outermost mapping: its braces are somebody else's
    bool done;
};

static enum assay_status wrong(
        const struct conversion *c, size_t line, const char *why, struct assay_error *err)
{
    char file[ASSAY_PATH_SHORT_BYTES];

    return assay_fail(
            err, ASSAY_EINVAL, "%s:%zu: %s", assay_path_short(file, c->source), line + 1, why);
}

static void put_scalar(struct conversion *c, const char *key, const yaml_event_t *event)
{
    static const char *const nulls[] = {"null", "Null", "NULL", "~", ""};
    const char *text = (const char *)event->data.scalar.value;

    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++) {
            if (strcmp(text, nulls[i]) == 0) {
                assay_json_put_null(c->w, key);
                return;
            }
        }
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
            assay_json_put_bool(c->w, key, text[0] == 't');
            return;
        }
    }
    assay_json_put_bytes(c->w, key, text, event->data.scalar.length);
}

// The key under which the next value of this level stands; NULL in lists.
static char *take_key(struct conversion *c)
{
    char *key = NULL;

    if (c->depth > 0) {
        key = c->levels[c->depth - 1].key;
        c->levels[c->depth - 1].key = NULL;
    }
    return key;
}

static bool wants_key(const struct conversion *c)
{
    return c->depth > 0 && c->levels[c->depth - 1].mapping && c->levels[c->depth - 1].key == NULL;
}

static enum assay_status begin(
        struct conversion *c, const yaml_event_t *event, const char *top, struct assay_error *err)
{
    const bool mapping = event->type == YAML_MAPPING_START_EVENT;
    char *key;

    if (wants_key(c))
        return wrong(c, event->start_mark.line, "a key must be a text", err);
    if (c->depth == DEPTH_MAX)
        return wrong(c, event->start_mark.line, "too deep", err);
    key = take_key(c);
    if (c->depth > 0 || !c->members) {
        if (mapping)
            assay_json_begin_object(c->w, c->depth == 0 ? top : key);
        else
            assay_json_begin_array(c->w, c->depth == 0 ? top : key);
    }
    free(key);
    if (c->depth == 0 && c->members && !mapping)
        return wrong(c, event->start_mark.line, "expected \"name: value\"", err);
    c->levels[c->depth++] = (struct level){mapping, NULL};
    return ASSAY_OK;
}

static void end(struct conversion *c)
{
    const bool mapping = c->levels[--c->depth].mapping;

    c->done = c->depth == 0;
    if (c->depth == 0 && c->members)
        return;
    if (mapping)
        assay_json_end_object(c->w);
    else
        assay_json_end_array(c->w);
}

static enum assay_status scalar(
        struct conversion *c, const yaml_event_t *event, const char *top, struct assay_error *err)
{
    const size_t line = event->start_mark.line;
    char *key;

    if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
        return wrong(c, line, "a NUL in the text", err);
    if (wants_key(c)) {
        c->levels[c->depth - 1].key = strdup((const char *)event->data.scalar.value);
        return c->levels[c->depth - 1].key != NULL ? ASSAY_OK
                                                   : assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    if (c->depth == 0 && c->members)
        return wrong(c, line, "expected \"name: value\"", err);
    key = take_key(c);
    put_scalar(c, c->depth == 0 ? top : key, event);
    free(key);
    c->done = c->depth == 0;
    return ASSAY_OK;
}

static enum assay_status on_event(
        struct conversion *c, const yaml_event_t *event, const char *top, struct assay_error *err)
{
    const size_t line = event->start_mark.line;

    switch (event->type) {
    case YAML_SCALAR_EVENT:
        if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL)
            return wrong(c, line, "anchors and tags are not read", err);
        return scalar(c, event, top, err);
    case YAML_MAPPING_START_EVENT:
        if (event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL)
            return wrong(c, line, "anchors and tags are not read", err);
        return begin(c, event, top, err);
    case YAML_SEQUENCE_START_EVENT:
        if (event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL)
            return wrong(c, line, "anchors and tags are not read", err);
        return begin(c, event, top, err);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        end(c);
        return ASSAY_OK;
    case YAML_ALIAS_EVENT:
        return wrong(c, line, "aliases are not read", err);
    case YAML_DOCUMENT_START_EVENT:
        return c->done ? wrong(c, line, "a second document", err) : ASSAY_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return ASSAY_OK;
}

enum assay_status assay_yaml_write_json(struct assay_json_writer *w, const char *key, bool members,
        struct assay_bytes text, const char *source, struct assay_error *err)
{
    struct conversion c = {.w = w, .source = source, .members = members};
    enum assay_status status = ASSAY_OK;
    bool ended = false;

    if (!yaml_parser_initialize(&c.parser))
        return assay_fail(err, ASSAY_ENOMEM, "%.150s: out of memory", source);
    yaml_parser_set_input_string(&c.parser, (const unsigned char *)text.data, text.len);
    for (size_t i = 0; status == ASSAY_OK && !ended; i++) {
        yaml_event_t event;

        if (!yaml_parser_parse(&c.parser, &event)) {
            status = wrong(&c, c.parser.problem_mark.line,
                    c.parser.problem != NULL ? c.parser.problem : "broken", err);
            break;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        status = i == EVENTS_MAX ? wrong(&c, event.start_mark.line, "too large", err)
                                 : on_event(&c, &event, key, err);
        yaml_event_delete(&event);
    }
    for (size_t i = 0; i < c.depth; i++)
        free(c.levels[i].key);
    yaml_parser_delete(&c.parser);
    if (status == ASSAY_OK && !c.done)
        status = wrong(&c, 0, "empty", err);
    return status;
}
