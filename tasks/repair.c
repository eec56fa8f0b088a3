// SPDX-License-Identifier: MIT
// repair.c - one task from the table: which program, which names, which tests, which mutation.
#include "tasks/repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "tasks/repair_slip.h"
#include "tasks/repair_table.h"

#define FILE_BYTES_MAX ((size_t)64 << 10)
#define CASES_MAX 4 // of a task: as many tests have copies among the canaries

// Of sixteen drawings of a pair for trying, so many are held out.
#define DRAWINGS_HELD_OUT 2
#define TRIES_MAX 1000 // for a drawing of the split; one in eight will do

static const char *const split_names[ASSAY_REPAIR_SPLITS] = {
        "sft", "rl", "unseen-faults", "unseen-seeds", "unseen-families"};

const char *assay_repair_split_name(enum assay_repair_split split)
{
    return split_names[split];
}

bool assay_repair_split_find(enum assay_repair_split *out, const char *name)
{
    for (unsigned i = 0; i < ASSAY_REPAIR_SPLITS; i++) {
        if (strcmp(split_names[i], name) == 0) {
            *out = (enum assay_repair_split)i;
            return true;
        }
    }
    return false;
}

// --- which --------------------------------------------------------------------------------------

static void shuffle(size_t *items, size_t count, struct assay_rng *rng)
{
    for (size_t i = count; i > 1; i--) {
        const size_t other = (size_t)assay_rng_below(rng, i);
        const size_t item = items[i - 1];

        items[i - 1] = items[other];
        items[other] = item;
    }
}

// Where a split's pairs come from: what is held out of rl by the drawing has rl's pairs.
static enum assay_repair_split pairs_of(
        const struct assay_repair_table *table, enum assay_repair_split split)
{
    if (split != ASSAY_REPAIR_UNSEEN_SEEDS && split != ASSAY_REPAIR_RL)
        return split;
    return table->shares_pairs ? ASSAY_REPAIR_SFT : ASSAY_REPAIR_RL;
}

// Every family of the split comes once a round; each round has an order of its own. NULL: no family
// has any pair of it.
static const struct repair_family *choose_family(const struct assay_repair_table *table,
        enum assay_repair_split split, uint64_t seed, uint64_t index)
{
    size_t order[REPAIR_FAMILIES_MAX];
    size_t count = 0;
    struct assay_rng rng;

    for (size_t i = 0; i < table->family_count; i++)
        if (table->families[i].split_counts[pairs_of(table, split)] > 0)
            order[count++] = i;
    if (count == 0)
        return NULL;
    assay_rng_seed(&rng, seed, (index / count << 3) + 4 + split);
    shuffle(order, count, &rng);
    return &table->families[order[index % count]];
}

static const struct repair_pair *choose_pair(
        const struct repair_family *family, enum assay_repair_split pairs, struct assay_rng *rng)
{
    size_t left = (size_t)assay_rng_below(rng, family->split_counts[pairs]) + 1;
    size_t i = 0;

    for (;; i++)
        if (family->pairs[i].split == pairs && --left == 0)
            return &family->pairs[i];
}

// --- tests --------------------------------------------------------------------------------------

enum shape {
    SHAPE_PLAIN, // self.assertEqual(f(1), 2)
    SHAPE_GOT,   // got = f(1); self.assertEqual(got, 2)
    SHAPE_PAIRS, // two calls a test
    SHAPES,
};

// What one draw holds.
struct drawing {
    struct assay_rng rng;
    const struct repair_pair *pair;
    const char *names[REPAIR_PLACES_MAX];
    const char *module, *klass; // of the tests
    const char *before;         // "core." where the test says so
    enum shape shape;
    bool words; // names of tests
    size_t cases[CASES_MAX];
    size_t case_count, test_count;
    struct assay_arena *arena;
};

static const struct repair_wrong *wrong_of(const struct drawing *d, size_t case_index)
{
    for (size_t i = 0; i < d->pair->wrongs->count; i++)
        if (d->pair->wrongs->items[i].case_index == case_index)
            return &d->pair->wrongs->items[i];
    return NULL;
}

// One that fails, and one to three others.
static void choose_cases(struct drawing *d)
{
    const size_t all = d->pair->cell->case_count;
    const size_t most = all < CASES_MAX ? all : CASES_MAX;
    const size_t wanted = 2 + (size_t)assay_rng_below(&d->rng, most - 1);
    const struct repair_wrongs *wrongs = d->pair->wrongs;
    const size_t first = wrongs->items[assay_rng_below(&d->rng, wrongs->count)].case_index;
    size_t order[REPAIR_CASES_MAX];

    for (size_t i = 0; i < all; i++)
        order[i] = i;
    shuffle(order, all, &d->rng);
    d->cases[d->case_count++] = first;
    for (size_t i = 0; i < all && d->case_count < wanted; i++)
        if (order[i] != first)
            d->cases[d->case_count++] = order[i];
    shuffle(d->cases, d->case_count, &d->rng);
}

static bool is_taken(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void choose_names(struct drawing *d)
{
    const struct repair_program *program = d->pair->program;
    static const char *const modules[][2] = {{"core", "Core"}, {"util", "Util"}, {"tool", "Tool"},
            {"work", "Work"}, {"task", "Task"}, {"part", "Part"}};
    const size_t module = (size_t)assay_rng_below(&d->rng, sizeof(modules) / sizeof(modules[0]));

    for (size_t i = 0; i < program->place_count; i++) {
        const struct assay_strings *options = &program->places[i].options;
        size_t at = (size_t)assay_rng_below(&d->rng, options->count);

        for (size_t k = 0; k < options->count && is_taken(d->names, i, options->items[at]); k++)
            at = (at + 1) % options->count;
        d->names[i] = options->items[at];
    }
    d->module = modules[module][0];
    d->klass = modules[module][1];
}

static void choose_tests(struct drawing *d)
{
    d->shape = (enum shape)assay_rng_below(&d->rng, SHAPES);
    d->words = assay_rng_below(&d->rng, 2) == 0;
    d->before = "";
    if (assay_rng_below(&d->rng, 3) == 0)
        d->before = assay_arena_printf(d->arena, "%s.", d->module);
    choose_cases(d);
    d->test_count = d->shape == SHAPE_PAIRS ? (d->case_count + 1) / 2 : d->case_count;
}

static void fill(struct assay_buf *out, const struct drawing *d, const char *text, bool in_test)
{
    repair_fill(out, text, d->pair->program, d->pair->cell, d->names,
            in_test && d->before ? d->before : "");
}

static const char *test_name(const struct drawing *d, size_t test)
{
    static const char *const words[CASES_MAX] = {"test_a", "test_b", "test_c", "test_d"};
    static const char *const numbers[CASES_MAX] = {"test_1", "test_2", "test_3", "test_4"};

    return d->words ? words[test] : numbers[test];
}

// The cases of a test: [first, last).
static void cases_of(const struct drawing *d, size_t test, size_t *first, size_t *last)
{
    const size_t each = d->shape == SHAPE_PAIRS ? 2 : 1;

    *first = test * each;
    *last = *first + each < d->case_count ? *first + each : d->case_count;
}

// True, None, []: nothing in it could be another number or word, so that no canary could be a copy
// of the test (docs/verdicts.md). Its text can.
static bool is_bare(const char *value)
{
    return strpbrk(value, "0123456789'\"") == NULL;
}

static void write_value(struct assay_buf *out, const char *value)
{
    const char *quote = is_bare(value) ? "\"" : "";

    assay_buf_addf(out, "%s%s%s", quote, value, quote);
}

static void write_case(
        struct assay_buf *out, const struct drawing *d, size_t case_index, const char *indent)
{
    const struct repair_case *c = &d->pair->cell->cases[case_index];
    const size_t last = c->steps.count - 1;
    const bool bare = is_bare(c->value);

    for (size_t i = 0; i < last; i++) {
        assay_buf_adds(out, indent);
        fill(out, d, c->steps.items[i], true);
        assay_buf_addc(out, '\n');
    }
    assay_buf_adds(out, indent);
    assay_buf_adds(out, d->shape == SHAPE_GOT ? "got = " : "self.assertEqual(");
    assay_buf_adds(out, bare ? "repr(" : "");
    fill(out, d, c->steps.items[last], true);
    assay_buf_adds(out, bare ? ")" : "");
    if (d->shape == SHAPE_GOT)
        assay_buf_addf(out, "\n%sself.assertEqual(got", indent);
    assay_buf_adds(out, ", ");
    write_value(out, c->value);
    assay_buf_adds(out, ")\n");
}

// The name that tests import.
static const char *main_name(const struct drawing *d)
{
    const struct repair_program *program = d->pair->program;

    for (size_t i = 0; i < program->place_count; i++)
        if (strcmp(program->places[i].name, "f") == 0 || strcmp(program->places[i].name, "C") == 0)
            return d->names[i];
    return d->names[0];
}

static void write_tests(struct assay_buf *out, const struct drawing *d)
{
    assay_buf_adds(out, "import unittest\n\n");
    if (d->before[0])
        assay_buf_addf(out, "import %s\n", d->module);
    else
        assay_buf_addf(out, "from %s import %s\n", d->module, main_name(d));
    assay_buf_addf(out, "\n\nclass Test%s(unittest.TestCase):\n", d->klass);
    for (size_t test = 0; test < d->test_count; test++) {
        size_t at = 0, last = 0;

        assay_buf_addf(out, "%s    def %s(self):\n", test > 0 ? "\n" : "", test_name(d, test));
        for (cases_of(d, test, &at, &last); at < last; at++)
            write_case(out, d, d->cases[at], "        ");
    }
}

// --- the task -----------------------------------------------------------------------------------

static enum assay_status write_program(
        struct assay_bytes *out, const struct drawing *d, bool broken, struct assay_error *err)
{
    const struct repair_mutant *mutant = d->pair->mutant;
    const struct assay_strings *lines = &d->pair->program->lines;
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, FILE_BYTES_MAX);
    for (size_t i = 0; i < lines->count; i++) {
        fill(&text, d, broken && i + 1 == mutant->line ? mutant->text : lines->items[i], false);
        assay_buf_addc(&text, '\n');
    }
    status = assay_bytes_keep(out, &text, "a repair task", d->arena, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status keep_text(
        const char **out, const struct drawing *d, const char *template, struct assay_error *err)
{
    struct assay_buf text;
    struct assay_bytes kept = {NULL, 0};
    enum assay_status status;

    assay_buf_init(&text, FILE_BYTES_MAX);
    fill(&text, d, template, false);
    status = assay_bytes_keep(&kept, &text, "a repair task", d->arena, err);
    assay_buf_free(&text);
    *out = kept.data;
    return status;
}

// The statements up to the assertion that fails, and what Python says then.
static enum assay_status tell_failure(struct assay_repair_task *out, const struct drawing *d,
        size_t first, size_t wrong, struct assay_error *err)
{
    const struct repair_wrong *what = wrong_of(d, d->cases[wrong]);
    struct assay_bytes kept = {NULL, 0};
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, FILE_BYTES_MAX);
    for (size_t i = first; i <= wrong; i++)
        write_case(&text, d, d->cases[i], "");
    status = assay_bytes_keep(&kept, &text, "a repair task", d->arena, err);
    out->failing = kept.data;
    out->expected = d->pair->cell->cases[d->cases[wrong]].value;
    assay_buf_clear(&text);
    if (what->got[0] == '!')
        fill(&text, d, what->got + 1, false);
    else
        assay_buf_addf(&text, "AssertionError: %s != %s", what->got,
                d->pair->cell->cases[d->cases[wrong]].value);
    if (status == ASSAY_OK)
        status = assay_bytes_keep(&kept, &text, "a repair task", d->arena, err);
    out->failure = kept.data;
    assay_buf_free(&text);
    return status;
}

static enum assay_status list_tests(
        struct assay_repair_task *out, const struct drawing *d, struct assay_error *err)
{
    const char **fails = assay_arena_array(d->arena, CASES_MAX, sizeof(*fails));
    const char **passes = assay_arena_array(d->arena, CASES_MAX, sizeof(*passes));
    size_t fail_count = 0, pass_count = 0;
    enum assay_status status = ASSAY_OK;

    if (!fails || !passes)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t test = 0; test < d->test_count && status == ASSAY_OK; test++) {
        const char *id = assay_arena_printf(
                d->arena, "test_%s.Test%s.%s", d->module, d->klass, test_name(d, test));
        size_t first = 0, last = 0, wrong;

        cases_of(d, test, &first, &last);
        for (wrong = first; wrong < last && !wrong_of(d, d->cases[wrong]); wrong++)
            ;
        if (!id)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
        if (wrong < last && fail_count == 0)
            status = tell_failure(out, d, first, wrong, err);
        if (wrong < last)
            fails[fail_count++] = id;
        else
            passes[pass_count++] = id;
    }
    out->fail_to_pass = (struct assay_strings){fails, fail_count};
    out->pass_to_pass = (struct assay_strings){passes, pass_count};
    return status;
}

// What is right must follow from the rest: not a name that a file only gives, no drawn number. And
// no pair of any split is shown.
static bool is_fit_for_slip(void *user, size_t line, const char *text)
{
    const struct drawing *d = user;
    const struct repair_program *program = d->pair->program;
    const char *template = program->lines.items[line - 1];
    const char *word = template + strspn(template, " ");
    struct assay_buf mutation;
    bool same = false;

    if (strchr(template, '@') || strncmp(word, "def ", 4) == 0 || strncmp(word, "class ", 6) == 0)
        return false;

    assay_buf_init(&mutation, FILE_BYTES_MAX);
    for (size_t i = 0; i < program->mutant_count && !same; i++) {
        if (program->mutants[i].line != line)
            continue;
        assay_buf_clear(&mutation);
        fill(&mutation, d, program->mutants[i].text, false);
        same = mutation.len == 0 || strcmp(mutation.data, text) == 0;
    }
    assay_buf_free(&mutation);
    return !same;
}

static enum assay_status write_slip(
        struct assay_repair_task *out, struct drawing *d, struct assay_error *err)
{
    struct repair_slip slip;
    const enum assay_status status =
            repair_slip_make(&slip, out->gold, &d->rng, is_fit_for_slip, d, d->arena, err);

    if (status == ASSAY_OK) {
        out->slipped = slip.file;
        out->slip_line = slip.line;
        out->slip_gold = slip.right;
    }
    return status;
}

static enum assay_status write_task(struct assay_repair_task *out, const struct drawing *d,
        const struct repair_family *family, struct assay_error *err)
{
    struct assay_buf tests;
    enum assay_status status = write_program(&out->gold, d, false, err);

    assay_buf_init(&tests, FILE_BYTES_MAX);
    write_tests(&tests, d);
    if (status == ASSAY_OK)
        status = assay_bytes_keep(&out->tests, &tests, "a repair task", d->arena, err);
    assay_buf_free(&tests);
    if (status == ASSAY_OK)
        status = list_tests(out, d, err);
    if (status == ASSAY_OK)
        status = keep_text(
                &out->gold_line, d, d->pair->program->lines.items[d->pair->mutant->line - 1], err);
    out->kind = assay_arena_printf(d->arena, "%s/%zu/%zu", family->name,
            (size_t)(d->pair->program - family->programs),
            (size_t)(d->pair->mutant - d->pair->program->mutants));
    out->line = d->pair->mutant->line;
    out->operator_name = d->pair->mutant->operator_name;
    out->path = assay_arena_printf(d->arena, "%s.py", d->module);
    out->test_path = assay_arena_printf(d->arena, "test_%s.py", d->module);
    if (status == ASSAY_OK && (!out->kind || !out->path || !out->test_path))
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return status;
}

// Held out is a file as it is shown, names and numbers included, whatever its tests.
static bool is_of_split(const struct assay_repair_table *table, enum assay_repair_split split,
        struct assay_bytes broken)
{
    const bool held = assay_hash64(broken.data, broken.len) % 16 < DRAWINGS_HELD_OUT;

    if (split == ASSAY_REPAIR_UNSEEN_SEEDS)
        return held;
    return !held ||
            (split != ASSAY_REPAIR_RL && !(split == ASSAY_REPAIR_SFT && table->shares_pairs));
}

static enum assay_status draw_file(struct assay_repair_task *out, struct drawing *d,
        const struct assay_repair_table *table, const struct repair_family *family,
        enum assay_repair_split split, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (int i = 0; i < TRIES_MAX && status == ASSAY_OK; i++) {
        d->pair = choose_pair(family, pairs_of(table, split), &d->rng);
        choose_names(d);
        status = write_program(&out->broken, d, true, err);
        if (status == ASSAY_OK && is_of_split(table, split, out->broken))
            return ASSAY_OK;
    }
    return status != ASSAY_OK ? status
                              : assay_fail(err, ASSAY_ENOTFOUND, "%s has no drawing for %s",
                                        family->name, split_names[split]);
}

enum assay_status assay_repair_draw(struct assay_repair_task *out,
        const struct assay_repair_table *table, enum assay_repair_split split, uint64_t seed,
        uint64_t index, struct assay_arena *arena, struct assay_error *err)
{
    const struct repair_family *family = choose_family(table, split, seed, index);
    struct assay_repair_task task = {.id = NULL};
    struct drawing d = {.arena = arena};
    enum assay_status status = ASSAY_OK;

    if (!family)
        return assay_fail(err, ASSAY_ENOTFOUND, "the table has nothing for %s", split_names[split]);
    task.family = family->name;
    assay_rng_seed(&d.rng, seed, (index << 3) + split);
    status = draw_file(&task, &d, table, family, split, err);
    if (status != ASSAY_OK)
        return status;
    choose_tests(&d);
    task.id = assay_arena_printf(arena, "repair__%s-%s-%" PRIu64 "-%" PRIu64, family->name,
            split_names[split], seed, index);
    if (!task.id || !d.before)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = write_task(&task, &d, family, err);
    if (status == ASSAY_OK)
        status = write_slip(&task, &d, err);
    if (status == ASSAY_OK)
        *out = task;
    return status;
}
