// SPDX-License-Identifier: MIT
#include "rewards/localize.h"

#include <stdlib.h>
#include <string.h>

#include "rewards/lines.h"
#include "rewards/symbols.h"

// A run of lines, from 1, both in it.
struct run {
    size_t first, last;
};

// One file, what gold changes in it, and what the answer names in it.
struct place {
    const struct assay_localize_file *file;
    struct assay_symbols symbols;
    bool counts;         // among gold's files
    bool named;          // by the answer
    struct run *changed; // ascending; an insertion is the line before it
    size_t changed_count;
    bool *gold_functions, *named_functions; // [symbols.count]
    struct run *named_runs;
    size_t named_count;
};

struct judging {
    struct place *places;
    size_t count;
    const struct assay_locations *answer;
    struct assay_arena *arena;
    size_t strange_files;     // files that the answer names and nobody has
    size_t strange_functions; // functions that it names and their files have not
    size_t gold_functions;
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// --- what gold changes ---------------------------------------------------------------------------

static bool is_blank(struct assay_bytes line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t')
            return false;
    }
    return true;
}

// A function that is new begins among the inserted lines: it is in no old one.
static bool begins_function(const struct assay_symbols *symbols, const struct assay_opcode *code)
{
    for (size_t i = 0; i < symbols->count; i++) {
        if (symbols->items[i].is_function && symbols->items[i].first > code->new_begin &&
                symbols->items[i].first <= code->new_end)
            return true;
    }
    return false;
}

static void mark_function(struct judging *j, struct place *place, size_t line)
{
    const struct assay_symbol *symbol = assay_symbols_at(&place->symbols, line);
    size_t index;

    if (!symbol)
        return;
    index = (size_t)(symbol - place->symbols.items);
    j->gold_functions += !place->gold_functions[index];
    place->gold_functions[index] = true;
}

static void mark_change(struct judging *j, struct place *place, const struct assay_opcode *code,
        const struct assay_lines *old_lines, const struct assay_symbols *new_symbols)
{
    const bool inserts = code->old_begin == code->old_end;
    struct run *run = &place->changed[place->changed_count++];

    run->first = inserts ? code->old_begin : code->old_begin + 1;
    run->last = code->old_end;
    if (run->first == 0) // before the first line: that one
        run->first = run->last = 1;
    if (inserts && begins_function(new_symbols, code))
        return;
    for (size_t line = run->first; line <= run->last; line++) {
        if (inserts || (line <= old_lines->count && !is_blank(old_lines->items[line - 1])))
            mark_function(j, place, line);
    }
}

static enum assay_status find_changes(
        struct judging *j, struct place *place, struct assay_error *err)
{
    struct assay_lines old_lines, new_lines;
    struct assay_symbols new_symbols;
    struct assay_opcode *codes = NULL;
    size_t count = 0;
    enum assay_status status = assay_text_lines(&old_lines, place->file->base, j->arena, err);

    if (status == ASSAY_OK)
        status = assay_text_lines(&new_lines, place->file->gold, j->arena, err);
    if (status == ASSAY_OK)
        status = assay_symbols_find(
                &new_symbols, place->file->path, place->file->gold, j->arena, err);
    if (status == ASSAY_OK)
        status = assay_lines_opcodes(&codes, &count, &old_lines, &new_lines, j->arena, err);
    if (status != ASSAY_OK)
        return status;
    place->changed = assay_arena_array(j->arena, count, sizeof(*place->changed));
    if (!place->changed)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        if (!codes[i].equal)
            mark_change(j, place, &codes[i], &old_lines, &new_symbols);
    }
    return ASSAY_OK;
}

static enum assay_status open_place(struct judging *j, struct place *place,
        const struct assay_localize_file *file, bool new_files_count, struct assay_error *err)
{
    enum assay_status status;

    place->file = file;
    place->counts = file->changed && (file->in_base || new_files_count);
    status = assay_symbols_find(&place->symbols, file->path, file->base, j->arena, err);
    if (status != ASSAY_OK)
        return status;
    place->gold_functions = assay_arena_array(j->arena, place->symbols.count, sizeof(bool));
    place->named_functions = assay_arena_array(j->arena, place->symbols.count, sizeof(bool));
    place->named_runs = assay_arena_array(
            j->arena, j->answer ? j->answer->count : 0, sizeof(*place->named_runs));
    if (!place->gold_functions || !place->named_functions || !place->named_runs)
        return no_memory(err);
    return file->changed && file->in_base ? find_changes(j, place, err) : ASSAY_OK;
}

static enum assay_status open_places(struct judging *j, const struct assay_localize_file *files,
        size_t count, struct assay_error *err)
{
    bool any_old = false;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < count; i++)
        any_old |= files[i].changed && files[i].in_base;
    j->places = assay_arena_array(j->arena, count, sizeof(*j->places));
    if (!j->places)
        return no_memory(err);
    for (j->count = 0; j->count < count && status == ASSAY_OK; j->count++)
        status = open_place(j, &j->places[j->count], &files[j->count], !any_old, err);
    return status;
}

// --- gold's own answer ---------------------------------------------------------------------------

static bool add_gold(struct assay_locations *out, struct assay_location location)
{
    if (out->count == ASSAY_LOCATIONS_MAX)
        return false;
    out->items[out->count++] = location;
    return true;
}

static void add_gold_place(
        struct assay_locations *out, const struct place *place, size_t all_functions)
{
    size_t functions = 0;

    if (!place->counts)
        return;
    for (size_t i = 0; i < place->symbols.count; i++) {
        if (place->gold_functions[i])
            functions += add_gold(out,
                    (struct assay_location){place->file->path, place->symbols.items[i].name, 0, 0});
    }
    if (functions == 0 && (all_functions > 0 || place->changed_count == 0))
        (void)add_gold(out, (struct assay_location){place->file->path, NULL, 0, 0});
    for (size_t i = 0; all_functions == 0 && i < place->changed_count; i++)
        (void)add_gold(out,
                (struct assay_location){
                        place->file->path, NULL, place->changed[i].first, place->changed[i].last});
}

enum assay_status assay_localize_gold(struct assay_locations *out,
        const struct assay_localize_file *files, size_t count, struct assay_arena *arena,
        struct assay_error *err)
{
    struct judging j = {.arena = arena};
    struct assay_locations gold = {
            assay_arena_array(arena, ASSAY_LOCATIONS_MAX, sizeof(*gold.items)), 0};
    enum assay_status status;

    if (!gold.items)
        return no_memory(err);
    status = open_places(&j, files, count, err);
    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        add_gold_place(&gold, &j.places[i], j.gold_functions);
    *out = gold;
    return ASSAY_OK;
}

// --- what the answer names -----------------------------------------------------------------------

static struct place *find_place(struct judging *j, const char *path)
{
    for (size_t i = 0; i < j->count; i++) {
        if (strcmp(j->places[i].file->path, path) == 0)
            return &j->places[i];
    }
    return NULL;
}

static bool said_before(const struct assay_locations *answer, size_t index, bool with_function)
{
    const struct assay_location *location = &answer->items[index];

    for (size_t i = 0; i < index; i++) {
        const struct assay_location *other = &answer->items[i];

        if (strcmp(other->path, location->path) == 0 &&
                (!with_function ||
                        (other->function && strcmp(other->function, location->function) == 0)))
            return true;
    }
    return false;
}

// A function by its name. A class that is named is its file, no more. true: right, as far
// as it goes.
static bool name_function(struct judging *j, struct place *place, size_t index)
{
    const char *name = j->answer->items[index].function;
    bool known = false, right = false;

    for (size_t i = 0; i < place->symbols.count; i++) {
        if (!assay_symbol_is(&place->symbols.items[i], name))
            continue;
        known = true;
        right |= !place->symbols.items[i].is_function || place->gold_functions[i];
        if (place->symbols.items[i].is_function)
            place->named_functions[i] = true;
    }
    if (!known && !said_before(j->answer, index, true))
        j->strange_functions++;
    return right;
}

static bool overlaps(const struct place *place, struct run run)
{
    for (size_t i = 0; i < place->changed_count; i++) {
        if (place->changed[i].first <= run.last && run.first <= place->changed[i].last)
            return true;
    }
    return false;
}

// Lines, and with them the functions that they lie in. true: one of either is gold's.
static bool name_lines(struct place *place, struct run run)
{
    bool right = overlaps(place, run);

    place->named_runs[place->named_count++] = run;
    for (size_t i = 0; i < place->symbols.count; i++) {
        const struct assay_symbol *symbol = &place->symbols.items[i];

        if (!symbol->is_function || symbol->first > run.last || symbol->last < run.first)
            continue;
        place->named_functions[i] = true;
        right |= place->gold_functions[i];
    }
    return right;
}

// true: the location is right as far as it goes.
static bool name_location(struct judging *j, size_t index)
{
    const struct assay_location *location = &j->answer->items[index];
    struct place *place = find_place(j, location->path);
    bool right = true;

    if (!place) {
        j->strange_files += !said_before(j->answer, index, false);
        j->strange_functions += location->function && !said_before(j->answer, index, true);
        return false;
    }
    place->named = true;
    if (location->function)
        right = name_function(j, place, index);
    if (location->first > 0 && !name_lines(place, (struct run){location->first, location->last}))
        right = false;
    return right && place->counts;
}

// --- scores --------------------------------------------------------------------------------------

static int by_first(const void *a, const void *b)
{
    const struct run *left = a, *right = b;

    return (left->first > right->first) - (left->first < right->first);
}

// Sorted, none touching another; the number of them.
static size_t merge_runs(struct run *runs, size_t count)
{
    size_t kept = 0;

    if (count > 0)
        qsort(runs, count, sizeof(*runs), by_first);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && runs[i].first <= runs[kept - 1].last + 1) {
            if (runs[i].last > runs[kept - 1].last)
                runs[kept - 1].last = runs[i].last;
        } else {
            runs[kept++] = runs[i];
        }
    }
    return kept;
}

static size_t count_lines(const struct run *runs, size_t count)
{
    size_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += runs[i].last - runs[i].first + 1;
    return sum;
}

static size_t count_common(const struct run *a, size_t a_count, const struct run *b, size_t b_count)
{
    size_t sum = 0;

    for (size_t i = 0, k = 0; i < a_count && k < b_count;) {
        const size_t first = a[i].first > b[k].first ? a[i].first : b[k].first;
        const size_t last = a[i].last < b[k].last ? a[i].last : b[k].last;

        if (first <= last)
            sum += last - first + 1;
        if (a[i].last < b[k].last)
            i++;
        else
            k++;
    }
    return sum;
}

static void count_place(struct assay_localize_score *score, struct place *place)
{
    score->files.gold += place->counts;
    score->files.answered += place->named;
    score->files.right += place->counts && place->named;
    for (size_t i = 0; i < place->symbols.count; i++) {
        score->functions.gold += place->gold_functions[i];
        score->functions.answered += place->named_functions[i];
        score->functions.right += place->gold_functions[i] && place->named_functions[i];
    }
    place->changed_count = merge_runs(place->changed, place->changed_count);
    place->named_count = merge_runs(place->named_runs, place->named_count);
    score->lines.gold += count_lines(place->changed, place->changed_count);
    score->lines.answered += count_lines(place->named_runs, place->named_count);
    score->lines.right += count_common(
            place->changed, place->changed_count, place->named_runs, place->named_count);
}

static void divide(struct assay_localize_level *level)
{
    level->precision =
            level->answered ? (double)level->right / (double)level->answered : (double)!level->gold;
    level->recall = level->gold ? (double)level->right / (double)level->gold : 1.0;
}

static double harmonic(const struct assay_localize_level *level)
{
    const double sum = level->precision + level->recall;

    return sum > 0 ? 2 * level->precision * level->recall / sum : 0;
}

static bool good(const struct assay_localize_level *level)
{
    return level->recall >= 1 && level->precision >= ASSAY_LOCALIZE_PRECISION_MIN;
}

static void decide(struct assay_localize_result *out)
{
    const struct assay_localize_score *s = &out->score;
    const bool has_functions = s->functions.gold > 0;

    out->found = good(&s->files) &&
            (has_functions ? good(&s->functions) : s->lines.gold == 0 || s->lines.right > 0);
    if (out->found)
        out->reason = "every file and function that the gold patch changes is named";
    else if (s->files.recall < 1)
        out->reason = "a file that the gold patch changes is not named";
    else if (has_functions && s->functions.recall < 1)
        out->reason = "a function that the gold patch changes is not named";
    else if (!has_functions && s->lines.right == 0 && s->lines.gold > 0)
        out->reason = "no line that the gold patch changes is named";
    else
        out->reason = "more than half of what is named is not what the gold patch changes";
}

enum assay_status assay_localize_judge(struct assay_localize_result *out,
        const struct assay_locations *answer, const struct assay_localize_file *files, size_t count,
        struct assay_arena *arena, struct assay_error *err)
{
    struct judging j = {.answer = answer, .arena = arena};
    struct assay_localize_score *score = &out->score;
    enum assay_status status;

    memset(out, 0, sizeof(*out));
    status = open_places(&j, files, count, err);
    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < answer->count; i++) {
        if (name_location(&j, i) && score->rank == 0)
            score->rank = i + 1;
    }
    for (size_t i = 0; i < count; i++)
        count_place(score, &j.places[i]);
    score->files.answered += j.strange_files;
    score->functions.answered += j.strange_functions;
    divide(&score->files);
    divide(&score->functions);
    divide(&score->lines);
    score->score = harmonic(score->functions.gold > 0 ? &score->functions : &score->files);
    decide(out);
    return ASSAY_OK;
}
