// SPDX-License-Identifier: MIT
#include "tasks/repair_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"

#define ARENA_BYTES ((size_t)64 << 20)
#define LINE_BYTES_MAX ((size_t)1 << 20)
#define DEPTH_MAX 12
#define SOURCE "repair table"
// Of sixteen pairs: so many are for demonstrations, so many for trying, the rest is held out.
#define SHARE_SFT 9
#define SHARE_RL 5

struct reading {
    struct assay_arena *arena;
    struct assay_error *err;
    size_t line;
    const struct assay_repair_choice *choice;
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

static enum assay_status malformed(const struct reading *r, const char *what)
{
    return assay_fail(r->err, ASSAY_EINVAL, SOURCE ":%zu: %s", r->line, what);
}

// A string, or a whole number as text.
static enum assay_status read_text(
        const char **out, const struct assay_json *json, const struct reading *r)
{
    const char *text = json ? assay_json_text(json) : NULL;

    if (!json || (!text && assay_json_type(json) != ASSAY_JSON_NUMBER))
        return malformed(r, "a text is missing");
    *out = text ? assay_arena_strdup(r->arena, text)
                : assay_arena_printf(r->arena, "%.0f", assay_json_number(json));
    return *out ? ASSAY_OK : no_memory(r->err);
}

static enum assay_status read_texts(struct assay_strings *out, const struct assay_json *first,
        size_t count, const struct reading *r)
{
    const char **items = assay_arena_array(r->arena, count + 1, sizeof(*items));
    enum assay_status status = items ? ASSAY_OK : no_memory(r->err);

    for (size_t i = 0; i < count && status == ASSAY_OK; i++, first = assay_json_next(first))
        status = read_text(&items[i], first, r);
    *out = (struct assay_strings){items, count};
    return status;
}

static enum assay_status read_list(
        struct assay_strings *out, const struct assay_json *json, const struct reading *r)
{
    if (!json || assay_json_type(json) != ASSAY_JSON_ARRAY)
        return malformed(r, "a list is missing");
    return read_texts(out, assay_json_first(json), assay_json_count(json), r);
}

static enum assay_status read_places(
        struct repair_program *program, const struct assay_json *json, const struct reading *r)
{
    const struct assay_json *names = assay_json_get(json, "names");
    enum assay_status status = ASSAY_OK;

    if (!names || assay_json_type(names) != ASSAY_JSON_OBJECT || assay_json_count(names) == 0 ||
            assay_json_count(names) > REPAIR_PLACES_MAX)
        return malformed(r, "names");
    program->places =
            assay_arena_array(r->arena, assay_json_count(names) + 1, sizeof(*program->places));
    if (!program->places)
        return no_memory(r->err);
    for (const struct assay_json *at = assay_json_first(names); at && status == ASSAY_OK;
            at = assay_json_next(at)) {
        struct repair_place *place = &program->places[program->place_count++];

        place->name = assay_arena_strdup(r->arena, assay_json_key(at));
        status = place->name ? read_list(&place->options, at, r) : no_memory(r->err);
        if (status == ASSAY_OK && place->options.count == 0)
            status = malformed(r, "a place without names");
    }
    return status;
}

// ["statement", ..., "expression", "value"]
static enum assay_status read_case(
        struct repair_case *out, const struct assay_json *json, const struct reading *r)
{
    enum assay_status status = read_list(&out->steps, json, r);

    if (status != ASSAY_OK)
        return status;
    if (out->steps.count < 2)
        return malformed(r, "a call without a value");
    out->value = out->steps.items[--out->steps.count];
    return ASSAY_OK;
}

// [[numbers], case, ...]
static enum assay_status read_cell(
        struct repair_cell *out, const struct assay_json *json, const struct reading *r)
{
    const struct assay_json *at = assay_json_first(json);
    enum assay_status status = read_list(&out->numbers, at, r);

    if (status != ASSAY_OK)
        return status;
    if (assay_json_count(json) < 3 || assay_json_count(json) > REPAIR_CASES_MAX)
        return malformed(r, "too few calls, or too many");
    out->cases = assay_arena_array(r->arena, assay_json_count(json), sizeof(*out->cases));
    if (!out->cases)
        return no_memory(r->err);
    for (at = assay_json_next(at); at && status == ASSAY_OK; at = assay_json_next(at))
        status = read_case(&out->cases[out->case_count++], at, r);
    return status;
}

// [case, got, case, got, ...]
static enum assay_status read_wrongs(struct repair_wrongs *out, const struct repair_cell *cell,
        const struct assay_json *json, const struct reading *r)
{
    const struct assay_json *at = json ? assay_json_first(json) : NULL;
    enum assay_status status = ASSAY_OK;

    if (!json)
        return malformed(r, "what goes wrong is missing");
    out->items = assay_arena_array(r->arena, assay_json_count(json) + 1, sizeof(*out->items));
    if (!out->items)
        return no_memory(r->err);
    for (; at && status == ASSAY_OK; at = assay_json_next(at)) {
        struct repair_wrong *wrong = &out->items[out->count++];
        const double index = assay_json_number(at);

        if (!(index >= 0 && index < (double)cell->case_count))
            return malformed(r, "there is no such call");
        wrong->case_index = (size_t)index;
        at = assay_json_next(at);
        status = read_text(&wrong->got, at, r);
    }
    return status;
}

// [line, operator, text, wrongs of the first cell, ...]
static enum assay_status read_mutant(struct repair_mutant *out,
        const struct repair_program *program, const struct assay_json *json,
        const struct reading *r)
{
    struct assay_strings head = {NULL, 0};
    const struct assay_json *at = assay_json_first(json);
    enum assay_status status = ASSAY_OK;

    if (assay_json_count(json) != 3 + program->cell_count)
        return malformed(r, "a mutant");
    status = read_texts(&head, at, 3, r);
    if (status != ASSAY_OK)
        return status;
    out->line = (size_t)strtoul(head.items[0], NULL, 10);
    out->operator_name = head.items[1];
    out->text = head.items[2];
    if (out->line < 1 || out->line > program->lines.count)
        return malformed(r, "there is no such line");
    out->by_cell = assay_arena_array(r->arena, program->cell_count, sizeof(*out->by_cell));
    if (!out->by_cell)
        return no_memory(r->err);
    for (size_t i = 0; i < 3; i++)
        at = assay_json_next(at);
    for (size_t i = 0; i < program->cell_count && status == ASSAY_OK; i++) {
        status = read_wrongs(&out->by_cell[i], &program->cells[i], at, r);
        at = assay_json_next(at);
    }
    return status;
}

static enum assay_status read_program(
        struct repair_program *program, const struct assay_json *json, const struct reading *r)
{
    const struct assay_json *cells = assay_json_get(json, "cells");
    const struct assay_json *mutants = assay_json_get(json, "mutants");
    enum assay_status status = read_places(program, json, r);

    if (status == ASSAY_OK)
        status = read_list(&program->number_names, assay_json_get(json, "numbers"), r);
    if (status == ASSAY_OK)
        status = read_list(&program->lines, assay_json_get(json, "code"), r);
    if (status != ASSAY_OK)
        return status;
    if (!cells || !mutants)
        return malformed(r, "a program");
    program->cells = assay_arena_array(r->arena, assay_json_count(cells), sizeof(*program->cells));
    program->mutants =
            assay_arena_array(r->arena, assay_json_count(mutants), sizeof(*program->mutants));
    if (!program->cells || !program->mutants)
        return no_memory(r->err);
    for (const struct assay_json *at = assay_json_first(cells); at && status == ASSAY_OK;
            at = assay_json_next(at))
        status = read_cell(&program->cells[program->cell_count++], at, r);
    for (const struct assay_json *at = assay_json_first(mutants); at && status == ASSAY_OK;
            at = assay_json_next(at))
        status = read_mutant(&program->mutants[program->mutant_count++], program, at, r);
    return status;
}

// --- pairs --------------------------------------------------------------------------------------

// By the text alone: numbers and inputs of calls draw no pair into another split.
static enum assay_status split_of(enum assay_repair_split *out, const struct repair_family *family,
        const struct repair_pair *pair, struct assay_error *err)
{
    char hex[ASSAY_SHA256_HEX_BYTES];
    struct assay_sha256 *sha = NULL;
    unsigned long share;
    enum assay_status status = ASSAY_OK;

    *out = ASSAY_REPAIR_UNSEEN_FAMILIES;
    if (family->unseen)
        return ASSAY_OK;
    status = assay_sha256_create(&sha, err);
    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < pair->program->lines.count; i++)
        assay_sha256_field_text(sha, pair->program->lines.items[i]);
    assay_sha256_field_text(sha, pair->mutant->text);
    assay_sha256_field(sha, &pair->mutant->line, sizeof(pair->mutant->line));
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
    hex[1] = '\0';
    share = strtoul(hex, NULL, 16);
    *out = share < SHARE_SFT               ? ASSAY_REPAIR_SFT
            : share < SHARE_SFT + SHARE_RL ? ASSAY_REPAIR_RL
                                           : ASSAY_REPAIR_UNSEEN_FAULTS;
    return ASSAY_OK;
}

static enum assay_status pair_program(
        struct repair_family *family, const struct repair_program *program, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t c = 0; c < program->cell_count; c++) {
        for (size_t m = 0; m < program->mutant_count && status == ASSAY_OK; m++) {
            struct repair_pair *pair = &family->pairs[family->pair_count];

            *pair = (struct repair_pair){.program = program,
                    .cell = &program->cells[c],
                    .mutant = &program->mutants[m],
                    .wrongs = &program->mutants[m].by_cell[c]};
            if (pair->wrongs->count == 0)
                continue;
            status = split_of(&pair->split, family, pair, err);
            family->split_counts[pair->split]++;
            family->pair_count++;
        }
    }
    return status;
}

static enum assay_status pair_family(struct repair_family *family, const struct reading *r)
{
    size_t most = 0;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < family->program_count; i++)
        most += family->programs[i].cell_count * family->programs[i].mutant_count;
    family->pairs = assay_arena_array(r->arena, most + 1, sizeof(*family->pairs));
    if (!family->pairs)
        return no_memory(r->err);
    for (size_t i = 0; i < family->program_count && status == ASSAY_OK; i++)
        status = pair_program(family, &family->programs[i], r->err);
    return status;
}

// --- the whole ----------------------------------------------------------------------------------

static enum assay_status read_family(
        struct repair_family *family, const struct assay_json *json, const struct reading *r)
{
    const struct assay_json *programs = assay_json_get(json, "programs");
    enum assay_status status = read_text(&family->name, assay_json_get(json, "family"), r);

    if (status == ASSAY_OK)
        status = assay_json_read_bool(&family->unseen, json, "unseen", r->err);
    if (status != ASSAY_OK)
        return status;
    if (!programs)
        return malformed(r, "a family without programs");
    family->programs =
            assay_arena_array(r->arena, assay_json_count(programs), sizeof(*family->programs));
    if (!family->programs)
        return no_memory(r->err);
    for (const struct assay_json *at = assay_json_first(programs); at && status == ASSAY_OK &&
            (r->choice->text_count == 0 || family->program_count < r->choice->text_count);
            at = assay_json_next(at))
        status = read_program(&family->programs[family->program_count++], at, r);
    return status == ASSAY_OK ? pair_family(family, r) : status;
}

static enum assay_status read_table(
        struct assay_repair_table *table, struct reading r, struct assay_error *err)
{
    const struct assay_json_limits limits = {LINE_BYTES_MAX, DEPTH_MAX};
    const char *at = assay_repair_text, *const end = at + assay_repair_text_len;
    size_t shown = 0; // families that are not held out
    enum assay_status status = ASSAY_OK;

    while (at < end && status == ASSAY_OK) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        struct assay_json *json = NULL;

        r.line++;
        if (!feed || table->family_count == REPAIR_FAMILIES_MAX)
            return malformed(&r, "too long");
        status = assay_json_parse(&json, at, (size_t)(feed - at), limits, SOURCE, r.line, err);
        if (status == ASSAY_OK)
            status = read_family(&table->families[table->family_count], json, &r);
        shown += status == ASSAY_OK && !table->families[table->family_count].unseen;
        if (status == ASSAY_OK && !table->families[table->family_count].unseen &&
                r.choice->family_count > 0 && shown > r.choice->family_count)
            table->families[table->family_count] = (struct repair_family){.name = NULL};
        else
            table->family_count++;
        assay_json_free(json);
        at = feed + 1;
    }
    return status;
}

enum assay_status assay_repair_open(struct assay_repair_table **out,
        const struct assay_repair_choice *choice, struct assay_error *err)
{
    struct assay_repair_table *table = calloc(1, sizeof(*table));
    enum assay_status status =
            table ? assay_arena_create(&table->arena, ARENA_BYTES, err) : no_memory(err);

    if (status == ASSAY_OK) {
        const struct reading r = {table->arena, err, 0, choice};

        table->shares_pairs = choice->shares_pairs;
        table->families =
                assay_arena_array(table->arena, REPAIR_FAMILIES_MAX, sizeof(*table->families));
        status = table->families ? read_table(table, r, err) : no_memory(err);
    }
    if (status != ASSAY_OK) {
        assay_repair_close(table);
        return status;
    }
    *out = table;
    return ASSAY_OK;
}

void assay_repair_close(struct assay_repair_table *table)
{
    if (!table)
        return;
    assay_arena_destroy(table->arena);
    free(table);
}

size_t assay_repair_family_count(const struct assay_repair_table *table)
{
    return table->family_count;
}

const char *assay_repair_family_name(const struct assay_repair_table *table, size_t family)
{
    return table->families[family].name;
}

bool assay_repair_family_unseen(const struct assay_repair_table *table, size_t family)
{
    return table->families[family].unseen;
}

// --- templates ----------------------------------------------------------------------------------

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t name_length(const char *text)
{
    size_t len = 0;

    while (is_letter(text[len]))
        len++;
    return len;
}

static bool is_word(const char *word, const char *text, size_t len)
{
    return strlen(word) == len && memcmp(word, text, len) == 0;
}

// The name or number that stands for `text`; NULL: none does.
static const char *meaning(const char *text, size_t len, bool number,
        const struct repair_program *program, const struct repair_cell *cell,
        const char *const *names)
{
    for (size_t i = 0; number && i < program->number_names.count; i++)
        if (is_word(program->number_names.items[i], text, len))
            return cell->numbers.items[i];
    for (size_t i = 0; !number && i < program->place_count; i++)
        if (is_word(program->places[i].name, text, len))
            return names[i];
    return NULL;
}

void repair_fill(struct assay_buf *out, const char *text, const struct repair_program *program,
        const struct repair_cell *cell, const char *const *names, const char *before)
{
    for (; *text; text++) {
        const size_t len = *text == '$' || *text == '@' ? name_length(text + 1) : 0;
        const char *by = len ? meaning(text + 1, len, *text == '@', program, cell, names) : NULL;

        if (!by) {
            assay_buf_addc(out, *text);
            continue;
        }
        if (is_word("f", text + 1, len) || is_word("C", text + 1, len))
            assay_buf_adds(out, before);
        assay_buf_adds(out, by);
        text += len;
    }
}
