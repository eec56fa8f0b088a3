// SPDX-License-Identifier: MIT
#include "rewards/mutants.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "rewards/mutants_find.h"

static const char *const operator_names[MUTANT_OPERATORS] = {
        [MUTANT_RELATIONAL] = "relational",
        [MUTANT_BOOLEAN] = "boolean",
        [MUTANT_ARITHMETIC] = "arithmetic",
        [MUTANT_CONSTANT] = "constant",
        [MUTANT_RETURN_VALUE] = "return_value",
        [MUTANT_REMOVE_STATEMENT] = "remove_statement",
        [MUTANT_REVERT_HUNK] = "revert_hunk",
        [MUTANT_NEGATE_CONDITION] = "negate_condition",
        [MUTANT_OFF_BY_ONE] = "off_by_one",
        [MUTANT_WRONG_VARIABLE] = "wrong_variable",
        [MUTANT_SWAP_ARGUMENTS] = "swap_arguments",
        [MUTANT_WRONG_CALL] = "wrong_call",
};

void mutants_add(struct mutant_candidates *out, const struct mutant_candidate *candidate)
{
    if (out->count < ASSAY_MUTANT_CANDIDATES_MAX &&
            (out->set == ASSAY_MUTANTS_ALL || candidate->operator<MUTANT_NEGATE_CONDITION))
        out->items[out->count++] = *candidate;
}

// Lines cut at line feeds, for places in the text.
static enum assay_status cut(struct assay_lines *out, struct assay_bytes text,
        struct assay_arena *arena, struct assay_error *err)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '\n';
    out->items = assay_arena_array(arena, count + 1, sizeof(*out->items));
    out->count = 0;
    if (!out->items)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < text.len;) {
        const char *feed = memchr(text.data + i, '\n', text.len - i);
        const size_t end = feed ? (size_t)(feed - text.data) + 1 : text.len;

        out->items[out->count++] = (struct assay_bytes){text.data + i, end - i};
        i = end;
    }
    return ASSAY_OK;
}

// One file: what changed, and all that can be done to it.
struct mutated {
    struct mutant_text text;
    struct assay_lines old_lines, new_lines;
    struct assay_opcode *codes;
    size_t code_count, change_count;
};

static enum assay_status read_source(struct mutated *m, const struct assay_mutant_source *source,
        struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status = mutants_read_text(&m->text, source->path, source->gold, arena, err);

    if (status == ASSAY_OK)
        status = cut(&m->old_lines, source->base, arena, err);
    if (status == ASSAY_OK)
        status = cut(&m->new_lines, source->gold, arena, err);
    if (status == ASSAY_OK)
        status = assay_lines_opcodes(
                &m->codes, &m->code_count, &m->old_lines, &m->new_lines, arena, err);
    for (size_t i = 0; status == ASSAY_OK && i < m->code_count; i++)
        m->change_count += !m->codes[i].equal;
    return status;
}

// Where a line begins; past the last one, where the text ends.
static size_t offset_of(const struct assay_lines *lines, struct assay_bytes text, size_t line)
{
    return line < lines->count ? (size_t)(lines->items[line].data - text.data) : text.len;
}

static void add_reversal(struct mutant_candidates *out, const struct mutated *m,
        const struct assay_mutant_source *source, const struct assay_opcode *code)
{
    const size_t old_at = offset_of(&m->old_lines, source->base, code->old_begin);
    const size_t at = offset_of(&m->new_lines, source->gold, code->new_begin);
    const struct mutant_candidate candidate = {.source = m->text.source,
            .operator= MUTANT_REVERT_HUNK,
            .line = code->new_begin + 1,
            .at = at,
            .len = offset_of(&m->new_lines, source->gold, code->new_end) - at,
            .text = {source->base.data ? source->base.data + old_at : "",
                    offset_of(&m->old_lines, source->base, code->old_end) - old_at}};

    mutants_add(out, &candidate);
}

static enum assay_status find_in(struct mutant_candidates *out, const struct mutated *m,
        const struct assay_mutant_source *source, bool reverse, struct assay_arena *arena,
        struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < m->code_count && status == ASSAY_OK; i++) {
        const struct assay_opcode *code = &m->codes[i];

        if (code->equal)
            continue;
        if (reverse)
            add_reversal(out, m, source, code);
        for (size_t line = code->new_begin; line < code->new_end && status == ASSAY_OK; line++) {
            mutants_find_statements(out, &m->text, line);
            status = mutants_find_tokens(out, &m->text, line, arena, err);
            if (status == ASSAY_OK && out->set == ASSAY_MUTANTS_ALL)
                status = mutants_find_bends(out, &m->text, line, arena, err);
            if (status == ASSAY_OK && out->set == ASSAY_MUTANTS_ALL)
                status = mutants_find_names(out, &m->text, line, arena, err);
        }
    }
    return status;
}

// A file that is gone after the fix, or holds a NUL, is no text to be changed.
static bool is_source(const struct assay_mutant_source *source)
{
    return source->gold.len > 0 && !memchr(source->gold.data, '\0', source->gold.len);
}

static enum assay_status find_all(struct mutant_candidates *out,
        const struct assay_mutant_source *sources, size_t source_count, struct assay_arena *arena,
        struct assay_error *err)
{
    struct mutated *all = assay_arena_array(arena, source_count, sizeof(*all));
    size_t changes = 0;
    enum assay_status status = ASSAY_OK;

    if (!all)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < source_count && status == ASSAY_OK; i++) {
        all[i].text.source = i;
        if (is_source(&sources[i]))
            status = read_source(&all[i], &sources[i], arena, err);
        changes += all[i].change_count;
    }
    // The only change undone is the fault itself, which is run anyway.
    for (size_t i = 0; i < source_count && status == ASSAY_OK; i++)
        status = find_in(out, &all[i], &sources[i], changes > 1, arena, err);
    return status;
}

// --- choosing ------------------------------------------------------------------------------------

struct ticket {
    uint64_t turn, hash; // compared in this order
    size_t candidate;
};

static int by_turn(const void *a, const void *b)
{
    const struct ticket *left = a, *right = b;

    if (left->turn != right->turn)
        return left->turn < right->turn ? -1 : 1;
    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    return (left->candidate > right->candidate) - (left->candidate < right->candidate);
}

// Within each operator by a hash of seed and place, then the operators in turn.
static struct ticket *draw(
        const struct mutant_candidates *found, uint64_t seed, struct assay_arena *arena)
{
    struct ticket *tickets = assay_arena_array(arena, found->count, sizeof(*tickets));
    uint64_t turns[MUTANT_OPERATORS] = {0};

    if (!tickets)
        return NULL;
    for (size_t i = 0; i < found->count; i++) {
        const uint64_t parts[3] = {seed, i, found->items[i].operator};

        tickets[i] =
                (struct ticket){found->items[i].operator, assay_hash64(parts, sizeof(parts)), i};
    }
    qsort(tickets, found->count, sizeof(*tickets), by_turn);
    for (size_t i = 0; i < found->count; i++)
        tickets[i].turn = turns[found->items[tickets[i].candidate].operator]++;
    qsort(tickets, found->count, sizeof(*tickets), by_turn);
    return tickets;
}

static const char *describe(const struct mutant_candidate *candidate,
        const struct assay_mutant_source *source, struct assay_arena *arena)
{
    const int was = (int)(candidate->len < 60 ? candidate->len : 60);
    const int now = (int)(candidate->text.len < 60 ? candidate->text.len : 60);

    if (candidate->operator== MUTANT_REVERT_HUNK)
        return assay_arena_printf(arena, "%s:%zu: revert_hunk", source->path, candidate->line);
    return assay_arena_printf(arena, "%s:%zu: %s: \"%.*s\" becomes \"%.*s\"", source->path,
            candidate->line, operator_names[candidate->operator], was,
            source->gold.data + candidate->at, now, candidate->text.data);
}

static enum assay_status make(struct assay_mutant *out, const struct mutant_candidate *candidate,
        const struct assay_mutant_source *source, struct assay_arena *arena,
        struct assay_error *err)
{
    const size_t after = candidate->at + candidate->len;
    const size_t len = source->gold.len - candidate->len + candidate->text.len;
    char *content = assay_arena_alloc(arena, len + 1);

    out->path = source->path;
    out->operator_name = operator_names[candidate->operator];
    out->line = candidate->line;
    out->about = describe(candidate, source, arena);
    if (!content || !out->about)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    memcpy(content, source->gold.data, candidate->at);
    memcpy(content + candidate->at, candidate->text.data, candidate->text.len);
    memcpy(content + candidate->at + candidate->text.len, source->gold.data + after,
            source->gold.len - after);
    out->content = (struct assay_bytes){content, len};
    return ASSAY_OK;
}

static bool made_before(const struct assay_mutant *made, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(made[i].path, made[count].path) == 0 &&
                made[i].content.len == made[count].content.len &&
                memcmp(made[i].content.data, made[count].content.data, made[i].content.len) == 0)
            return true;
    }
    return false;
}

enum assay_status assay_mutants_make(struct assay_mutant **out, size_t *count,
        const struct assay_mutant_source *sources, size_t source_count, enum assay_mutant_set set,
        uint64_t seed, size_t count_max, struct assay_arena *arena, struct assay_error *err)
{
    struct mutant_candidates found = {
            assay_arena_array(arena, ASSAY_MUTANT_CANDIDATES_MAX, sizeof(*found.items)), 0, set};
    struct assay_mutant *made = assay_arena_array(arena, count_max + 1, sizeof(*made));
    const struct ticket *tickets;
    size_t made_count = 0;
    enum assay_status status = ASSAY_OK;

    if (!found.items || !made)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = find_all(&found, sources, source_count, arena, err);
    if (status != ASSAY_OK)
        return status;
    tickets = draw(&found, seed, arena);
    if (!tickets)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < found.count && made_count < count_max && status == ASSAY_OK; i++) {
        const struct mutant_candidate *candidate = &found.items[tickets[i].candidate];

        status = make(&made[made_count], candidate, &sources[candidate->source], arena, err);
        made_count += status == ASSAY_OK && !made_before(made, made_count);
    }
    *out = made;
    *count = made_count;
    return status;
}
