// SPDX-License-Identifier: MIT
// certify_judge.c - what a certification's runs say: the first defect by name, and every test's
// row.
#include <string.h>

#include "base/json.h"
#include "orchestrator/certify_parts.h"

#define ID_SHOWN 200
#define REASON_SHOWN 200
#define SAFE_RUNS 3.0 // rule of three: no deviation in N runs, so at most 3/N with 95 %

const char *assay_expected_id(const struct assay_instance *instance, size_t index)
{
    return index < instance->fail_to_pass.count
            ? instance->fail_to_pass.items[index]
            : instance->pass_to_pass.items[index - instance->fail_to_pass.count];
}

static size_t expected_count(const struct assay_instance *instance)
{
    return instance->fail_to_pass.count + instance->pass_to_pass.count;
}

static bool passes(char letter)
{
    return letter == 'P' || letter == 'X';
}

// --- faults --------------------------------------------------------------------------------------

static void fault(struct assay_buf *out, enum assay_defect defect, const char *sentence)
{
    assay_buf_addf(out, "%s: %s", assay_defect_name(defect), sentence);
}

// An expected test that did not pass in this run; NULL: all did.
static const char *first_missed(
        const struct assay_instance *instance, const struct assay_cell *cell)
{
    for (size_t i = 0; cell->vector[i]; i++) {
        const bool kept = i >= instance->fail_to_pass.count && cell->vector[i] == 'S';

        if (!passes(cell->vector[i]) && !kept)
            return assay_expected_id(instance, i);
    }
    return NULL;
}

// The first test that did not come out alike in all runs of a check, and how often it passed.
static const char *first_unsteady(
        const struct assay_certified *item, enum assay_check check, unsigned *passed)
{
    const struct assay_cell *cells = item->checks[check].cells;
    const unsigned runs = item->checks[check].runs;

    for (size_t i = 0; runs && cells[0].vector[i]; i++) {
        bool alike = true;

        *passed = 0;
        for (unsigned k = 0; k < runs; k++) {
            alike = alike && cells[k].vector[i] == cells[0].vector[i];
            *passed += passes(cells[k].vector[i]);
        }
        if (!alike)
            return assay_expected_id(item->instance, i);
    }
    return NULL;
}

static unsigned count_resolved(const struct assay_certified *item, enum assay_check check)
{
    unsigned resolved = 0;

    for (unsigned i = 0; i < item->checks[check].runs; i++)
        resolved += item->checks[check].cells[i].resolved;
    return resolved;
}

static void find_unscored(struct assay_buf *out, const struct assay_certified *item)
{
    for (unsigned check = 0; check < ASSAY_CHECKS && !out->len; check++) {
        for (unsigned i = 0; i < item->checks[check].runs && !out->len; i++) {
            const struct assay_cell *cell = &item->checks[check].cells[i];

            if (!cell->scored)
                assay_buf_addf(out, "%s: run %u of %s: %.*s",
                        assay_defect_name(ASSAY_DEFECT_NO_VERDICT), i + 1,
                        assay_check_name((enum assay_check)check), REASON_SHOWN, cell->reason);
        }
    }
}

static void find_in_lists(struct assay_buf *out, const struct assay_certified *item)
{
    const struct assay_framework *framework = assay_framework_find(item->instance->framework);
    const char *id = NULL;
    enum assay_defect defect = item->instance->task == ASSAY_TASK_REPAIR
            ? assay_defect_of_lists(item->instance, framework, &id)
            : ASSAY_DEFECT_NONE;

    // What gold's run has reported is possible, whatever it looks like.
    if (defect == ASSAY_DEFECT_IMPOSSIBLE_ID && count_resolved(item, ASSAY_CHECK_GOLD) > 0)
        defect = ASSAY_DEFECT_NONE;
    if (defect == ASSAY_DEFECT_EMPTY_LIST)
        fault(out, defect, "nothing can resolve this instance");
    else if (defect == ASSAY_DEFECT_IMPOSSIBLE_ID)
        assay_buf_addf(out, "%s: %s reports no test of the name %.*s", assay_defect_name(defect),
                item->instance->framework, ID_SHOWN, id);
    else if (defect == ASSAY_DEFECT_OVERLAP)
        assay_buf_addf(out, "%s: %.*s stands in both", assay_defect_name(defect), ID_SHOWN, id);
    else if (defect != ASSAY_DEFECT_NONE)
        assay_buf_addf(out, "%s: %.*s", assay_defect_name(defect), ID_SHOWN, id);
}

// Gold failed in every run: by the most telling name.
static void explain_gold(struct assay_buf *out, const struct assay_certified *item)
{
    const struct assay_cell *cell = &item->checks[ASSAY_CHECK_GOLD].cells[0];
    const char *missed = first_missed(item->instance, cell);

    if (cell->cut_id)
        assay_buf_addf(out, "%s: %.*s was not reported, but %.*s was",
                assay_defect_name(ASSAY_DEFECT_TRUNCATED_ID), ID_SHOWN, cell->cut_id, ID_SHOWN,
                cell->whole_id);
    else if (cell->hint == ASSAY_DEFECT_NETWORK)
        assay_buf_addf(out, "%s: %.*s fails without a network", assay_defect_name(cell->hint),
                ID_SHOWN, missed ? missed : cell->reason);
    else if (cell->hint == ASSAY_DEFECT_PORT_CLASH)
        assay_buf_addf(out, "%s: %.*s wants a port that is taken", assay_defect_name(cell->hint),
                ID_SHOWN, missed ? missed : cell->reason);
    else
        assay_buf_addf(out, "%s: it resolved in no run: %.*s", assay_defect_name(ASSAY_DEFECT_GOLD),
                REASON_SHOWN, cell->reason);
}

static void find_in_gold(struct assay_buf *out, const struct assay_certified *item)
{
    const unsigned runs = item->checks[ASSAY_CHECK_GOLD].runs;
    const unsigned resolved = count_resolved(item, ASSAY_CHECK_GOLD);
    unsigned passed = 0;
    const char *unsteady = first_unsteady(item, ASSAY_CHECK_GOLD, &passed);

    if (runs == 0)
        return;
    if (unsteady)
        assay_buf_addf(out, "%s: %.*s passed in %u of %u runs of gold",
                assay_defect_name(ASSAY_DEFECT_FLAKY), ID_SHOWN, unsteady, passed, runs);
    else if (resolved == 0)
        explain_gold(out, item);
    else if (resolved < runs)
        assay_buf_addf(out, "%s: gold resolved in %u of %u runs",
                assay_defect_name(ASSAY_DEFECT_FLAKY), resolved, runs);
}

// A test that passes on gold whatever it expects; nothing that is tried on it can be believed.
static void find_deaf(struct assay_buf *out, const struct assay_certified *item)
{
    const struct assay_cell *cells = item->checks[ASSAY_CHECK_GOLD].cells;

    for (unsigned run = 0; run < item->checks[ASSAY_CHECK_GOLD].runs && !out->len; run++)
        for (size_t i = 0; i < cells[run].copy_count && !out->len; i++)
            if (cells[run].copies[i].passed)
                assay_buf_addf(out, "%s: %.*s passes with another expected value, too: %.*s",
                        assay_defect_name(ASSAY_DEFECT_DEAF), ID_SHOWN, cells[run].copies[i].of,
                        REASON_SHOWN, cells[run].copies[i].says);
}

static void find_in_empty(struct assay_buf *out, const struct assay_certified *item)
{
    const struct assay_cell *cells = item->checks[ASSAY_CHECK_EMPTY].cells;
    const unsigned runs = item->checks[ASSAY_CHECK_EMPTY].runs;
    unsigned passed = 0;
    const char *unsteady = first_unsteady(item, ASSAY_CHECK_EMPTY, &passed);

    if (runs == 0)
        return;
    if (unsteady) {
        assay_buf_addf(out, "%s: %.*s passed in %u of %u runs of the unchanged tree",
                assay_defect_name(ASSAY_DEFECT_FLAKY), ID_SHOWN, unsteady, passed, runs);
        return;
    }
    for (size_t i = 0; i < item->instance->fail_to_pass.count && !out->len; i++)
        if (passes(cells[0].vector[i]))
            assay_buf_addf(out, "%s: %.*s passes before the fix",
                    assay_defect_name(ASSAY_DEFECT_VACUOUS), ID_SHOWN,
                    assay_expected_id(item->instance, i));
    if (!out->len && count_resolved(item, ASSAY_CHECK_EMPTY))
        fault(out, ASSAY_DEFECT_UNFIXED, "the unchanged tree");
}

// A check under which gold must resolve as ever: what it is called when it does not, and why.
static void find_in_stress(struct assay_buf *out, const struct assay_certified *item,
        enum assay_check check, enum assay_defect defect, const char *when)
{
    for (unsigned i = 0; i < item->checks[check].runs && !out->len; i++) {
        const struct assay_cell *cell = &item->checks[check].cells[i];
        const char *missed = first_missed(item->instance, cell);

        if (cell->resolved)
            continue;
        if (cell->hint == ASSAY_DEFECT_PORT_CLASH)
            defect = cell->hint;
        assay_buf_addf(out, "%s: %.*s fails %s (run %u of %u)", assay_defect_name(defect), ID_SHOWN,
                missed ? missed : cell->reason, when, i + 1, item->checks[check].runs);
    }
}

// The library itself must not be what the tests fail under: its first run shifts next to nothing.
static bool clock_counts(const struct assay_certified *item)
{
    const struct assay_cell *cells = item->checks[ASSAY_CHECK_CLOCK].cells;

    return item->checks[ASSAY_CHECK_CLOCK].runs == 2 && cells[0].resolved && cells[1].shifted;
}

static void find_in_clock(struct assay_buf *out, const struct assay_certified *item)
{
    const struct assay_cell *cell;
    const char *missed;

    if (!clock_counts(item))
        return;
    cell = &item->checks[ASSAY_CHECK_CLOCK].cells[1];
    if (cell->resolved)
        return;
    missed = first_missed(item->instance, cell);
    assay_buf_addf(out, "%s: %.*s fails when the clock is two years ahead",
            assay_defect_name(ASSAY_DEFECT_DATE_BOMB), ID_SHOWN, missed ? missed : cell->reason);
}

static void find_in_null(struct assay_buf *out, const struct assay_certified *item)
{
    if (count_resolved(item, ASSAY_CHECK_NULL))
        fault(out, ASSAY_DEFECT_UNFIXED, "no patch at all");
    else if (count_resolved(item, ASSAY_CHECK_JUNK))
        fault(out, ASSAY_DEFECT_UNFIXED, "a patch that adds a file of no use");
}

void assay_certify_fault(struct assay_buf *out, const struct assay_certified *item)
{
    find_unscored(out, item);
    if (!out->len)
        find_in_lists(out, item);
    if (!out->len)
        find_in_gold(out, item);
    if (!out->len)
        find_in_empty(out, item);
    if (!out->len)
        find_in_null(out, item);
    if (!out->len)
        find_deaf(out, item);
    if (!out->len)
        find_in_stress(out, item, ASSAY_CHECK_NETWORK, ASSAY_DEFECT_NETWORK, "without a network");
    if (!out->len)
        find_in_stress(out, item, ASSAY_CHECK_ORDER, ASSAY_DEFECT_ORDER, "in another order");
    if (!out->len)
        find_in_stress(
                out, item, ASSAY_CHECK_HASH, ASSAY_DEFECT_HASH_SEED, "with another hash seed");
    if (!out->len)
        find_in_stress(
                out, item, ASSAY_CHECK_CPU, ASSAY_DEFECT_BUSY_CPU, "with four programs on its CPU");
    if (!out->len)
        find_in_clock(out, item);
}

// --- details -------------------------------------------------------------------------------------

// How a test came out in all runs of a check: {"passed": 5}.
static void write_statuses(struct assay_json_writer *w, const struct assay_certified *item,
        enum assay_check check, size_t test)
{
    size_t counts[ASSAY_TEST_XPASS + 1] = {0};

    for (unsigned i = 0; i < item->checks[check].runs; i++)
        counts[assay_cell_status(item->checks[check].cells[i].vector[test])]++;
    assay_json_begin_object(w, assay_check_name(check));
    for (unsigned s = 0; s <= ASSAY_TEST_XPASS; s++)
        if (counts[s])
            assay_json_put_u64(w, assay_test_status_name((enum assay_test_status)s), counts[s]);
    assay_json_end_object(w);
}

// The share of runs in which a test may come out otherwise, as far as these runs can tell: seen, or
// below 3/N with 95 % confidence when none was seen.
static void write_bound(
        struct assay_json_writer *w, const struct assay_certified *item, size_t test)
{
    const unsigned runs = item->checks[ASSAY_CHECK_GOLD].runs;
    const struct assay_cell *cells = item->checks[ASSAY_CHECK_GOLD].cells;
    unsigned passed = 0;

    if (runs == 0)
        return;
    for (unsigned i = 0; i < runs; i++)
        passed += passes(cells[i].vector[test]) || cells[i].vector[test] == 'S';
    assay_json_put_double(w, "flake_seen", (double)(runs - passed) / runs);
    if (passed == runs)
        assay_json_put_double(w, "flake_upper_95", runs > SAFE_RUNS ? SAFE_RUNS / runs : 1.0);
}

// Copies of this test in the runs of gold: so many failed as they must, and these did not.
static void write_copies(
        struct assay_json_writer *w, const struct assay_certified *item, const char *id)
{
    const struct assay_cell *cells = item->checks[ASSAY_CHECK_GOLD].cells;
    const unsigned runs = item->checks[ASSAY_CHECK_GOLD].runs;
    size_t failed = 0, count = 0;

    for (unsigned run = 0; run < runs; run++)
        for (size_t i = 0; i < cells[run].copy_count; i++)
            if (strcmp(cells[run].copies[i].of, id) == 0) {
                failed += !cells[run].copies[i].passed;
                count++;
            }
    if (count == 0)
        return;
    assay_json_begin_object(w, "copies");
    assay_json_put_u64(w, "failed", failed);
    assay_json_begin_array(w, "deaf");
    for (unsigned run = 0; run < runs && failed < count; run++)
        for (size_t i = 0; i < cells[run].copy_count; i++)
            if (cells[run].copies[i].passed && strcmp(cells[run].copies[i].of, id) == 0)
                assay_json_put_text(w, NULL, cells[run].copies[i].says);
    assay_json_end_array(w);
    assay_json_end_object(w);
}

static bool was_run_per_test(enum assay_check check)
{
    return check != ASSAY_CHECK_LISTS && check != ASSAY_CHECK_NULL;
}

static void write_tests(struct assay_json_writer *w, const struct assay_certified *item)
{
    assay_json_begin_array(w, "tests");
    for (size_t i = 0; i < expected_count(item->instance); i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "id", assay_expected_id(item->instance, i));
        assay_json_put_text(w, "list",
                i < item->instance->fail_to_pass.count ? "FAIL_TO_PASS" : "PASS_TO_PASS");
        for (unsigned check = 0; check < ASSAY_CHECKS; check++)
            if (item->checks[check].runs && was_run_per_test((enum assay_check)check))
                write_statuses(w, item, (enum assay_check)check, i);
        write_bound(w, item, i);
        if (item->checks[ASSAY_CHECK_GOLD].runs)
            write_copies(w, item, assay_expected_id(item->instance, i));
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
}

static const char *check_note(const struct assay_certified *item, enum assay_check check)
{
    const struct assay_cell *cells = item->checks[check].cells;

    if (check != ASSAY_CHECK_CLOCK || item->checks[check].runs == 0 || clock_counts(item))
        return item->checks[check].note;
    return cells[1].shifted ? "not shifted: the tests fail under libfaketime itself"
                            : "not shifted: libfaketime is not in the environment";
}

static void write_check(
        struct assay_json_writer *w, const struct assay_certified *item, enum assay_check check)
{
    const char *note = check_note(item, check);
    uint64_t wall_ms = 0;

    for (unsigned i = 0; i < item->checks[check].runs; i++)
        wall_ms += item->checks[check].cells[i].wall_ms;
    assay_json_begin_object(w, assay_check_name(check));
    assay_json_put_u64(w, "runs", item->checks[check].runs);
    assay_json_put_u64(w, "resolved", count_resolved(item, check));
    assay_json_put_u64(w, "wall_ms", wall_ms);
    if (note)
        assay_json_put_text(w, "note", note);
    assay_json_end_object(w);
}

void assay_certify_details(
        struct assay_buf *out, const struct assay_certified *item, unsigned checks, unsigned runs)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 2);
    assay_json_put_u64(&w, "runs", runs);
    assay_json_begin_object(&w, "checks");
    for (unsigned check = 0; check < ASSAY_CHECKS; check++)
        if (checks & (1u << check))
            write_check(&w, item, (enum assay_check)check);
    assay_json_end_object(&w);
    write_tests(&w, item);
    assay_json_end_object(&w);
}
