// SPDX-License-Identifier: MIT
// logs_fuzz.c - the field's log parsers, and the modes that judge by them.
//
// Input: one byte chooses the parser, one the mode (and the releases that some
// parsers look at), the rest is the log. Whatever it is, reading succeeds; ids
// are UTF-8, each once; a word is not empty; and the verdict is weak and says its mode.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "rewards/compat.h"

#define ARENA_BYTES ((size_t)1 << 30)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "broken: %s\n", what);
    abort();
}

static void check_map(const struct assay_log_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct assay_log_entry *entry = &map->entries[i];

        check(assay_log_find(map, entry->id, entry->id_len) == entry, "an id stands there once");
        check(entry->word_len > 0, "a word");
        for (size_t at = 0; at < entry->id_len;) {
            const size_t len = assay_utf8_length(entry->id + at, entry->id_len - at);

            check(len > 0, "an id is UTF-8");
            at += len;
        }
    }
}

static void check_verdict(const struct assay_log_parser *parser, enum assay_compat compat,
        struct assay_bytes log, const struct assay_log_context *context, struct assay_arena *arena)
{
    static const char *const expected[] = {"t::a", "t::c[x"};
    const struct assay_instance instance = {.instance_id = context->instance_id,
            .repo = "acme/x",
            .framework = "pytest",
            .log_parser = parser->name,
            .version = context->version,
            .fail_to_pass = {expected, 1},
            .pass_to_pass = {expected + 1, 1}};
    const struct assay_framework *framework = assay_framework_find("pytest");
    const struct assay_evidence evidence = {.box_cause = ASSAY_CAUSE_OK, .log = log};
    struct assay_judgement judgement;
    struct assay_verdict verdict = {0};

    check(assay_judge_compat(&verdict, &judgement, &instance, framework, &evidence, compat, arena,
                  NULL) == ASSAY_OK,
            "a verdict");
    check(verdict.evidence == ASSAY_EVIDENCE_WEAK && verdict.compat != NULL, "it says what it is");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct assay_log_context contexts[] = {{"acme__x-2006", "1.27"},
            {"acme__x-2005", "10.0"}, {"jekyll__jekyll-9141", "2.0"},
            {"jekyll__jekyll-8761", "7.0"}};
    const struct assay_log_parser *table, *parser;
    const struct assay_log_context *context;
    struct assay_arena *arena;
    struct assay_bytes log;
    struct assay_log_map map;
    size_t count;

    if (size < 2 || assay_arena_create(&arena, ARENA_BYTES, NULL) != ASSAY_OK)
        return 0;
    table = assay_log_parser_table(&count);
    parser = &table[data[0] % count];
    context = &contexts[data[1] / 5 % 4];
    // An exactly sized copy: bytes of evidence are followed by a NUL, no more.
    log = (struct assay_bytes){assay_arena_memdup(arena, data + 2, size - 2), size - 2};
    check(assay_log_parse(&map, parser, log, context, arena, NULL) == ASSAY_OK, "it is read");
    check_map(&map);
    check_verdict(parser, (enum assay_compat)(1 + data[1] % 5), log, context, arena);
    assay_arena_destroy(arena);
    return 0;
}
