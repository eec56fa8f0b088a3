// SPDX-License-Identifier: MIT
#include "tasks/yaml_flat.h"

#include <stdbool.h>
#include <string.h>
#include <yaml.h>

struct flattening {
    yaml_parser_t parser;
    const char *source;
    struct assay_arena *arena;
    struct assay_yaml_entry *entries; // [ASSAY_YAML_ENTRIES_MAX]
    size_t count;
    const char *prefixes[ASSAY_YAML_DEPTH_MAX + 1]; // "loss." of each level
    const char *key;                                // read, waiting for its value
    size_t depth, key_line;
    struct mapping { // that a key opened
        const char *key;
        size_t line;
    } * mappings; // [ASSAY_YAML_ENTRIES_MAX]
    size_t mapping_count;
};

static enum assay_status wrong(
        const struct flattening *f, size_t line, const char *why, struct assay_error *err)
{
    return assay_fail(err, ASSAY_EINVAL, "%s:%zu: %s", f->source, line, why);
}

static enum assay_status no_memory(const struct flattening *f, struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", f->source);
}

static enum assay_status add(struct flattening *f, const char *value, struct assay_error *err)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->entries[i].key, f->key) == 0)
            return assay_fail(err, ASSAY_EINVAL, "%s:%zu: %s stands on line %zu already", f->source,
                    f->key_line, f->key, f->entries[i].line);
    if (f->count == ASSAY_YAML_ENTRIES_MAX)
        return wrong(f, f->key_line, "too many settings", err);
    f->entries[f->count++] = (struct assay_yaml_entry){f->key, value, f->key_line};
    f->key = NULL;
    return ASSAY_OK;
}

static enum assay_status on_scalar(
        struct flattening *f, const yaml_event_t *event, struct assay_error *err)
{
    const size_t line = event->start_mark.line + 1;
    const char *text = (const char *)event->data.scalar.value;

    if (event->data.scalar.anchor || event->data.scalar.tag)
        return wrong(f, line, "anchors and tags have no place in settings", err);
    if (strlen(text) != event->data.scalar.length)
        return wrong(f, line, "a NUL in the text", err);
    if (f->depth == 0)
        return event->data.scalar.length == 0 ? ASSAY_OK
                                              : wrong(f, line, "settings are \"name: value\"", err);
    if (!f->key) {
        f->key = assay_arena_printf(f->arena, "%s%s", f->prefixes[f->depth], text);
        f->key_line = line;
        return f->key ? ASSAY_OK : no_memory(f, err);
    }
    text = assay_arena_strdup(f->arena, text);
    return text ? add(f, text, err) : no_memory(f, err);
}

// Two mappings of one name would be one to a reader of both, and the second to other programs.
static enum assay_status add_mapping(struct flattening *f, struct assay_error *err)
{
    for (size_t i = 0; i < f->mapping_count; i++)
        if (strcmp(f->mappings[i].key, f->key) == 0)
            return assay_fail(err, ASSAY_EINVAL, "%s:%zu: %s stands on line %zu already", f->source,
                    f->key_line, f->key, f->mappings[i].line);
    if (f->mapping_count == ASSAY_YAML_ENTRIES_MAX)
        return wrong(f, f->key_line, "too many settings", err);
    f->mappings[f->mapping_count++] = (struct mapping){f->key, f->key_line};
    return ASSAY_OK;
}

static enum assay_status on_mapping(
        struct flattening *f, const yaml_event_t *event, struct assay_error *err)
{
    const size_t line = event->start_mark.line + 1;

    if (event->data.mapping_start.anchor || event->data.mapping_start.tag)
        return wrong(f, line, "anchors and tags have no place in settings", err);
    if (f->depth == ASSAY_YAML_DEPTH_MAX)
        return wrong(f, line, "too many levels", err);
    if (f->depth > 0 && !f->key)
        return wrong(f, line, "a name is expected here", err);
    if (f->key) {
        const enum assay_status status = add_mapping(f, err);

        if (status != ASSAY_OK)
            return status;
    }
    f->prefixes[++f->depth] = f->key ? assay_arena_printf(f->arena, "%s.", f->key) : "";
    f->key = NULL;
    return f->prefixes[f->depth] ? ASSAY_OK : no_memory(f, err);
}

// *done at the end of the stream.
static enum assay_status on_event(
        struct flattening *f, const yaml_event_t *event, bool *done, struct assay_error *err)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(f, event, err);
    case YAML_MAPPING_START_EVENT:
        return on_mapping(f, event, err);
    case YAML_MAPPING_END_EVENT:
        f->depth--;
        return ASSAY_OK;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_ALIAS_EVENT:
        return wrong(
                f, event->start_mark.line + 1, "lists and aliases have no place in settings", err);
    case YAML_DOCUMENT_START_EVENT:
        if (f->prefixes[0])
            return wrong(f, event->start_mark.line + 1, "one document is enough", err);
        f->prefixes[0] = "";
        return ASSAY_OK;
    case YAML_STREAM_END_EVENT:
        *done = true;
        return ASSAY_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return ASSAY_OK;
    }
    return ASSAY_OK;
}

enum assay_status assay_yaml_flatten(struct assay_yaml_entry **out, size_t *count, const char *text,
        size_t len, const char *source, struct assay_arena *arena, struct assay_error *err)
{
    struct flattening f = {.source = source, .arena = arena};
    enum assay_status status = ASSAY_OK;
    bool done = false;

    f.entries = assay_arena_array(arena, ASSAY_YAML_ENTRIES_MAX, sizeof(*f.entries));
    f.mappings = assay_arena_array(arena, ASSAY_YAML_ENTRIES_MAX, sizeof(*f.mappings));
    if (!f.entries || !f.mappings || !yaml_parser_initialize(&f.parser))
        return no_memory(&f, err);
    yaml_parser_set_input_string(&f.parser, (const unsigned char *)text, len);
    while (status == ASSAY_OK && !done) {
        yaml_event_t event;

        if (!yaml_parser_parse(&f.parser, &event)) {
            status = wrong(&f, f.parser.problem_mark.line + 1,
                    f.parser.problem ? f.parser.problem : "not YAML", err);
            break;
        }
        status = on_event(&f, &event, &done, err);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&f.parser);
    if (status == ASSAY_OK) {
        *out = f.entries;
        *count = f.count;
    }
    return status;
}
