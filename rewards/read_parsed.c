// SPDX-License-Identifier: MIT
// read_parsed.c - frameworks that one of the field's log parsers reads: weak evidence, soundly
// used.
//
// Unlike the field we take the worst of what a log says of a test, and compare
// with the exit status what the log says of the run.
#include <string.h>

#include "rewards/logs.h"
#include "rewards/reader.h"

static const struct assay_log_parser *parser_of(
        const struct assay_framework *framework, const struct assay_instance *instance)
{
    const char *name = framework->log_parser;

    if (name != NULL && name[0] == '\0')
        name = instance->log_parser;
    return name != NULL ? assay_log_parser_find(name) : NULL;
}

static void add_entries(struct assay_reader *reader, const struct assay_log_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct assay_log_entry *entry = &map->entries[i];

        if (entry->worst == ASSAY_TEST_MISSING)
            continue;
        reader->reading->failed |=
                entry->worst == ASSAY_TEST_FAILED || entry->worst == ASSAY_TEST_ERROR;
        assay_reader_add(reader, &reader->reading->log,
                (struct assay_text){entry->id, entry->id_len}, entry->worst);
    }
}

static enum assay_status read_parsed(const struct assay_framework *framework,
        const struct assay_instance *instance, const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_log_parser *parser = parser_of(framework, instance);
    const struct assay_log_context context = {
            instance->instance_id, instance->version != NULL ? instance->version : ""};
    struct assay_log_map map = {0};
    struct assay_reader reader;
    enum assay_status status = assay_reader_begin(&reader, evidence, out, arena, err);

    if (status != ASSAY_OK)
        return status;
    if (parser == NULL) {
        assay_reader_problem(&reader, "the instance names no log parser that is known");
        return assay_reader_end(&reader, err);
    }
    status = assay_log_parse(&map, parser, (struct assay_bytes){reader.log.data, reader.log.len},
            &context, arena, err);
    if (status != ASSAY_OK)
        return status;
    if (map.costly)
        assay_reader_problem(&reader, "the log would take too long to read");
    add_entries(&reader, &map);
    // Several commands one after the other: the last one's status is not that of all.
    out->exit_blind = parser->traced;
    out->build_failed = assay_log_build_failed(reader.log);
    return assay_reader_end(&reader, err);
}

enum assay_status assay_framework_read(const struct assay_framework *framework,
        const struct assay_instance *instance, const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err)
{
    if (framework->read != NULL)
        return framework->read(evidence, out, arena, err);
    return read_parsed(framework, instance, evidence, out, arena, err);
}

enum assay_status assay_command_traced(const struct assay_strings *argv, struct assay_strings *out,
        struct assay_arena *arena, struct assay_error *err)
{
    const char **traced;

    *out = *argv;
    if (argv->count < 3 || strcmp(argv->items[0], "bash") != 0 || strcmp(argv->items[1], "-c") != 0)
        return ASSAY_OK;
    traced = assay_arena_array(arena, argv->count, sizeof(*traced));
    if (traced == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    memcpy(traced, argv->items, argv->count * sizeof(*traced));
    traced[1] = "-xc";
    *out = (struct assay_strings){traced, argv->count};
    return ASSAY_OK;
}
