// SPDX-License-Identifier: MIT
#include "rewards/write_tests.h"

#include <string.h>

static bool came_to_an_end(const struct assay_tests_run *run)
{
    return run->cause == ASSAY_CAUSE_OK || run->cause == ASSAY_CAUSE_TESTS_FAILED;
}

static bool was_run(const struct assay_tests_run *run)
{
    return run->outcome != NULL;
}

static bool passes(enum assay_test_status status)
{
    return status == ASSAY_TEST_PASSED || status == ASSAY_TEST_XFAIL;
}

static bool fails(enum assay_test_status status)
{
    return status == ASSAY_TEST_FAILED || status == ASSAY_TEST_ERROR || status == ASSAY_TEST_XPASS;
}

static enum assay_test_status find(const struct assay_tests_run *run, const char *id)
{
    return assay_outcome_find(run->outcome, id);
}

// --- reasons -------------------------------------------------------------------------------------

// Errors by which a test fails that never came to what it tests.
static const char *const wrong_errors[] = {"ImportError", "ModuleNotFoundError", "SyntaxError",
        "IndentationError", "NameError", "AttributeError: module ",
        "AttributeError: partially initialized module "};

static bool tells_wrong_error(const char *line, size_t len)
{
    // pytest marks the lines of an exception with "E   "; unittest begins the line with its name.
    if (len > 4 && memcmp(line, "E   ", 4) == 0) {
        line += 4;
        len -= 4;
    }
    for (size_t i = 0; i < sizeof(wrong_errors) / sizeof(wrong_errors[0]); i++) {
        const size_t size = strlen(wrong_errors[i]);

        if (len >= size && memcmp(line, wrong_errors[i], size) == 0)
            return true;
    }
    return false;
}

// The name of a test without its file or module: behind the last "::", or the last dot.
static const char *short_name(const char *id, size_t *len)
{
    const char *name = id;
    const char *bracket = strchr(id, '[');
    const size_t end = bracket ? (size_t)(bracket - id) : strlen(id);

    for (size_t i = 0; i < end; i++) {
        if (id[i] == '.' || id[i] == ':')
            name = id + i + 1;
    }
    *len = end - (size_t)(name - id);
    return name;
}

static bool contains(const char *line, size_t len, const char *word, size_t word_len)
{
    return word_len > 0 && memmem(line, len, word, word_len) != NULL;
}

// pytest: "____ TestClass.test_x ____". unittest: "ERROR: test_x (module.Class)".
static bool is_heading(const char *line, size_t len)
{
    return (len > 4 && memcmp(line, "____", 4) == 0) ||
            (len > 7 && memcmp(line, "ERROR: ", 7) == 0) ||
            (len > 6 && memcmp(line, "FAIL: ", 6) == 0);
}

// What the log says of how a test failed. It can only speak against a test; that one deserves its
// reward is shown by the mutants that it kills.
static bool failed_for_wrong_reason(struct assay_bytes log, const char *id)
{
    size_t name_len = 0;
    const char *name = short_name(id, &name_len);
    const char *at = log.data, *end = log.data + log.len;
    bool inside = false;

    while (at && at < end) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        const size_t len = (size_t)((feed ? feed : end) - at);

        if (is_heading(at, len))
            inside = contains(at, len, name, name_len);
        else if (inside && tells_wrong_error(at, len))
            return true;
        at = feed ? feed + 1 : end;
    }
    return false;
}

// --- comparing -----------------------------------------------------------------------------------

struct comparing {
    const struct assay_write_tests_runs *runs;
    struct assay_arena *arena;
    const char **fails_before, **passes_after, **flaky;
    size_t fails_count, passes_count, flaky_count, wrong_count;
    const char *fault;
    bool no_memory;
};

static void set_fault(struct comparing *c, const char *what, const char *detail)
{
    if (c->fault)
        return;
    c->fault =
            assay_arena_printf(c->arena, "%s%s%s", what, detail ? ": " : "", detail ? detail : "");
    c->no_memory |= !c->fault;
}

// Was the second round made, and does it say otherwise of this test?
static bool wavers(const struct comparing *c, const char *id)
{
    const struct assay_write_tests_runs *r = c->runs;
    const bool passed = passes(find(&r->after[0], id));
    const bool failed = was_run(&r->before[0]) && fails(find(&r->before[0], id));

    return (was_run(&r->after[1]) && passes(find(&r->after[1], id)) != passed) ||
            (was_run(&r->before[1]) && fails(find(&r->before[1], id)) != failed);
}

static void add_new(struct comparing *c, const char *id)
{
    const struct assay_write_tests_runs *r = c->runs;
    const enum assay_test_status after = find(&r->after[0], id);

    if (wavers(c, id)) {
        c->flaky[c->flaky_count++] = id;
        return;
    }
    if (fails(after))
        set_fault(c, "a new test fails on the fixed tree", id);
    if (!passes(after))
        return;
    c->passes_after[c->passes_count++] = id;
    if (!was_run(&r->before[0]) || !fails(find(&r->before[0], id)))
        return;
    if (failed_for_wrong_reason(r->before[0].log, id))
        c->wrong_count++;
    else
        c->fails_before[c->fails_count++] = id;
}

// A test that was there before: it may not be made to fail, unless it wavers.
static void check_old(struct comparing *c, const char *id)
{
    const struct assay_write_tests_runs *r = c->runs;

    if (fails(find(&r->after[0], id)) && !wavers(c, id))
        set_fault(c, "a test that passed without the new ones fails with them", id);
}

static void compare(struct comparing *c)
{
    const struct assay_outcome *after = c->runs->after[0].outcome;

    for (size_t i = 0; i < after->count; i++) {
        const char *id = after->results[i].id;
        const enum assay_test_status before = find(&c->runs->base, id);

        // An old test may ask for more now: it passed, and fails on the buggy tree.
        const bool asks_more = passes(before) && passes(after->results[i].status) &&
                was_run(&c->runs->before[0]) && fails(find(&c->runs->before[0], id));

        if (before == ASSAY_TEST_MISSING || asks_more)
            add_new(c, id);
        else if (passes(before))
            check_old(c, id);
    }
    if (c->passes_count == 0)
        set_fault(c,
                c->flaky_count ? "every new test says one thing and then another"
                               : "there is no new test that passes on the fixed tree",
                NULL);
    if (was_run(&c->runs->before[0]) && c->fails_count == 0)
        set_fault(c,
                c->wrong_count
                        ? "the new tests fail on the buggy tree for want of a name or a module only"
                        : "no new test fails on the buggy tree and passes on the fixed one",
                NULL);
}

// The first run that did not come to an end.
static const struct assay_tests_run *find_broken(
        const struct assay_write_tests_runs *runs, const char **where)
{
    const struct assay_tests_run *const all[] = {
            &runs->base, &runs->after[0], &runs->before[0], &runs->after[1], &runs->before[1]};
    static const char *const names[] = {"without the new tests", "on the fixed tree",
            "on the buggy tree", "on the fixed tree, again", "on the buggy tree, again"};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        // A tree without any test of its own is fine.
        if (i == 0 && all[i]->cause == ASSAY_CAUSE_NONE_COLLECTED)
            continue;
        if (was_run(all[i]) && !came_to_an_end(all[i])) {
            *where = names[i];
            return all[i];
        }
    }
    return NULL;
}

enum assay_status assay_write_tests_compare(struct assay_write_tests_score *score,
        const char **fault, enum assay_cause *cause, const struct assay_write_tests_runs *runs,
        struct assay_arena *arena, struct assay_error *err)
{
    const size_t most = runs->after[0].outcome ? runs->after[0].outcome->count : 0;
    const char *where = "";
    const struct assay_tests_run *broken = find_broken(runs, &where);
    struct comparing c = {.runs = runs,
            .arena = arena,
            .fails_before = assay_arena_array(arena, most, sizeof(char *)),
            .passes_after = assay_arena_array(arena, most, sizeof(char *)),
            .flaky = assay_arena_array(arena, most, sizeof(char *))};

    if (!c.fails_before || !c.passes_after || !c.flaky)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *cause = broken ? broken->cause : ASSAY_CAUSE_TESTS_FAILED;
    if (broken)
        set_fault(&c, where, broken->reason);
    else if (runs->after[0].outcome)
        compare(&c);
    if (c.no_memory)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    score->fails_before = (struct assay_strings){c.fails_before, c.fails_count};
    score->passes_after = (struct assay_strings){c.passes_after, c.passes_count};
    score->flaky = (struct assay_strings){c.flaky, c.flaky_count};
    *fault = c.fault;
    return ASSAY_OK;
}

// --- mutants -------------------------------------------------------------------------------------

static bool broke_off(enum assay_cause cause)
{
    return cause == ASSAY_CAUSE_CPU_LIMIT || cause == ASSAY_CAUSE_WALL_LIMIT ||
            cause == ASSAY_CAUSE_IDLE_LIMIT || cause == ASSAY_CAUSE_MEMORY_LIMIT ||
            cause == ASSAY_CAUSE_OUTPUT_LIMIT || cause == ASSAY_CAUSE_SIGNALLED;
}

bool assay_write_tests_kills(
        const struct assay_write_tests_score *score, const struct assay_tests_run *run)
{
    if (broke_off(run->cause))
        return true;
    if (!came_to_an_end(run))
        return false;
    for (size_t i = 0; i < score->passes_after.count; i++) {
        if (fails(find(run, score->passes_after.items[i])))
            return true;
    }
    return false;
}

bool assay_write_tests_mutant_valid(
        const struct assay_tests_run *reference, const struct assay_tests_run *mutant, bool *killed)
{
    const bool ended = came_to_an_end(mutant);
    size_t passed = 0;

    *killed = broke_off(mutant->cause);
    if (!ended && !*killed)
        return false;
    for (size_t i = 0; i < reference->outcome->count; i++) {
        const struct assay_test_result *result = &reference->outcome->results[i];
        const enum assay_test_status status = find(mutant, result->id);

        if (!passes(result->status))
            continue;
        // Its file could not even be loaded.
        if (ended && status == ASSAY_TEST_MISSING)
            return false;
        passed += passes(status);
        *killed |= fails(status);
    }
    return passed > 0;
}

size_t assay_write_tests_needed(size_t valid, size_t killed_by_reference)
{
    const size_t half = (valid + 1) / 2;
    const size_t needed = half < killed_by_reference ? half : killed_by_reference;

    return needed > 0 ? needed : 1;
}
