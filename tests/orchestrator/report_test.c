// SPDX-License-Identifier: MIT
// What must hold: every selected instance is in exactly one group and no list loses one; intervals
// are Wilson's; the page is well formed, loads nothing, and nothing that a patch, a log or a name
// says becomes markup.
#include "orchestrator/report.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "orchestrator/html_page.h"
#include "support/harness.h"
#include "support/temp.h"

#define ROWS_MAX 600
#define PAGE_MAX ((size_t)64 << 20)

// A report in memory: no store, no arena.
struct sample {
    struct assay_evaluation_row rows[ROWS_MAX];
    enum assay_report_group groups[ROWS_MAX];
    struct assay_report report;
};

static struct sample *make_sample(void)
{
    struct sample *sample = calloc(1, sizeof(*sample));

    assert_non_null(sample);
    sample->report =
            (struct assay_report){.run = {.run_id = "r1",
                                          .suite = "quick",
                                          .model = "acme/coder",
                                          .command = "assay eval quick --predictions 'a & b.jsonl'",
                                          .state = ASSAY_RUN_FINISHED,
                                          .started_at = "2026-08-11T09:14:02Z",
                                          .finished_at = "2026-08-11T09:31:47Z"},
                    .rows = sample->rows,
                    .groups = sample->groups};
    return sample;
}

static struct assay_evaluation_row *add_row(
        struct sample *sample, const char *id, enum assay_report_group group)
{
    static const enum assay_cause causes[ASSAY_REPORT_GROUPS] = {ASSAY_CAUSE_OK,
            ASSAY_CAUSE_TESTS_FAILED, ASSAY_CAUSE_EMPTY_PATCH, ASSAY_CAUSE_PATCH_REJECTED,
            ASSAY_CAUSE_INFRA_ERROR, ASSAY_CAUSE_OK};
    struct assay_evaluation_row *row = &sample->rows[sample->report.count];

    assert_true(sample->report.count < ROWS_MAX);
    sample->groups[sample->report.count++] = group;
    sample->report.group_counts[group]++;
    sample->report.run.total++;
    *row = (struct assay_evaluation_row){.instance_id = id, .repo = "acme/widgets"};
    if (group == ASSAY_REPORT_INCOMPLETE)
        return row;
    sample->report.run.done++;
    row->has_verdict = true;
    row->verdict = (struct assay_verdict){.run_id = "r1",
            .instance_id = id,
            .scored = group != ASSAY_REPORT_NO_VERDICT,
            .resolved = group == ASSAY_REPORT_RESOLVED,
            .reason = "because",
            .cause = causes[group],
            .tier = "A",
            .evidence = ASSAY_EVIDENCE_STRONG};
    return row;
}

// One of each group, in the order of the groups, ids sorted.
static struct sample *make_one_of_each(void)
{
    static const char *const ids[ASSAY_REPORT_GROUPS] = {"a-1", "b-1", "c-1", "d-1", "e-1", "f-1"};
    struct sample *sample = make_sample();

    for (unsigned g = 0; g < ASSAY_REPORT_GROUPS; g++)
        (void)add_row(sample, ids[g], (enum assay_report_group)g);
    return sample;
}

static struct assay_buf write_page(const struct sample *sample, const struct assay_temp *temp)
{
    struct assay_buf page;
    struct assay_error err = {0};

    assay_buf_init(&page, PAGE_MAX);
    if (assay_report_write_html(&page, &sample->report, temp->path, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return page;
}

// --- kinds of task ------------------------------------------------------------------------------

static void other_kinds_show_their_numbers(void **state)
{
    static const char *const ids[] = {"t.py::test_<new>"};
    const struct assay_localize_score localized = {.files = {2, 4, 1, 0.25, 0.5},
            .functions = {3, 4, 3, 0.75, 1},
            .lines = {7, 8, 5, 0.625, 0.714},
            .rank = 2,
            .score = 0.857};
    const struct assay_localize_score missed = {.files = {1, 1, 0, 0, 0}};
    const struct assay_write_tests_score written = {.fails_before = {ids, 1},
            .passes_after = {ids, 1},
            .mutants_made = 6,
            .mutants_valid = 5,
            .mutants_killed = 4,
            .mutants_needed = 3};
    struct sample *sample = make_sample();
    struct assay_buf page;

    (void)add_row(sample, "a-1", ASSAY_REPORT_RESOLVED);
    page = write_page(sample, *state);
    assert_lacks(&page, "Other kinds of task");
    assert_lacks(&page, "Mutants");
    assert_int_equal(count_of(&page, "<dt>FAIL_TO_PASS</dt>"), 1);
    assay_buf_free(&page);

    add_row(sample, "b-1", ASSAY_REPORT_RESOLVED)->verdict.localize = &localized;
    add_row(sample, "b-2", ASSAY_REPORT_UNRESOLVED)->verdict.localize = &missed;
    add_row(sample, "c-1", ASSAY_REPORT_RESOLVED)->verdict.write_tests = &written;
    page = write_page(sample, *state);
    assert_int_equal(count_of(&page, "<dt>FAIL_TO_PASS</dt>"), 1); // of the repair alone
    assert_holds(&page, "<dt>Localizations resolved</dt><dd>1 of 2</dd>");
    // Of functions where gold changes any, else of files: (0.75 + 0) / 2, (1 + 0) / 2.
    assert_holds(&page, "<dt>Mean precision</dt><dd>0.38</dd>");
    assert_holds(&page, "<dt>Mean recall</dt><dd>0.50</dd>");
    assert_holds(&page, "<dt>Mean reciprocal rank</dt><dd>0.25</dd>");
    assert_holds(&page, "</abbr> 0.86, rank 2</td>");
    assert_holds(&page, "</abbr> 0.00, rank none</td>");
    assert_holds(&page,
            "Functions</th><td class=\"n\">3</td><td class=\"n\">4</td>"
            "<td class=\"n\">3</td><td class=\"n\">0.75</td><td class=\"n\">1.00</td>");
    assert_holds(&page, "4/5 mutants killed");
    assert_holds(
            &page, "<dt>Mutants killed</dt><dd>4 of 5 valid <span class=\"q\">(3 needed, 6 made)");
    assert_holds(&page, "<li><code>t.py::test_&lt;new&gt;</code></li>");
    assay_buf_free(&page);
    free(sample);
}

// --- intervals ----------------------------------------------------------------------------------

static void intervals_are_wilsons(void **state)
{
    // The examples of R. G. Newcombe, Statistics in Medicine 17 (1998) 857, for the score interval
    // without correction (worked out apart from this code as well); then the ends.
    static const struct {
        size_t k, n;
        double low, high;
    } rows[] = {{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0.0, 0.1611},
            {1, 29, 0.0061, 0.1718}, {20, 20, 0.8389, 1.0}, {0, 0, 0.0, 1.0}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double low = -1.0, high = -1.0;

        print_message("%zu of %zu\n", rows[i].k, rows[i].n);
        assay_wilson(&low, &high, rows[i].k, rows[i].n);
        assert_float_equal(low, rows[i].low, 5e-5);
        assert_float_equal(high, rows[i].high, 5e-5);
    }
}

// --- groups -------------------------------------------------------------------------------------

static void every_verdict_has_its_group(void **state)
{
    static const struct {
        const char *id;
        bool scored, resolved;
        enum assay_cause cause;
        enum assay_report_group group;
    } rows[] = {
            {"a-1", true, true, ASSAY_CAUSE_OK, ASSAY_REPORT_RESOLVED},
            {"b-1", true, false, ASSAY_CAUSE_TESTS_FAILED, ASSAY_REPORT_UNRESOLVED},
            {"b-2", true, false, ASSAY_CAUSE_TAMPERED, ASSAY_REPORT_UNRESOLVED},
            {"c-1", true, false, ASSAY_CAUSE_EMPTY_PATCH, ASSAY_REPORT_EMPTY},
            {"d-1", true, false, ASSAY_CAUSE_PATCH_REJECTED, ASSAY_REPORT_REJECTED},
            {"e-1", false, false, ASSAY_CAUSE_SETUP_FAILED, ASSAY_REPORT_NO_VERDICT},
            {"e-2", false, false, ASSAY_CAUSE_INFRA_ERROR, ASSAY_REPORT_NO_VERDICT},
            {"f-1", false, false, ASSAY_CAUSE_OK, ASSAY_REPORT_INCOMPLETE}, // never handed in
    };
    enum { COUNT = sizeof(rows) / sizeof(rows[0]) };
    const struct assay_temp *temp = *state;
    const struct assay_run wanted = {.run_id = "r1",
            .suite = "quick",
            .identity = "one",
            .model = "m",
            .command = "assay eval quick"};
    const char *ids[COUNT];
    char path[128];
    struct assay_store *store = NULL;
    struct assay_arena *arena = NULL;
    struct assay_run run;
    struct assay_report report;
    struct assay_error err = {0};
    bool resumed = true;

    for (size_t i = 0; i < COUNT; i++)
        ids[i] = rows[i].id;
    (void)snprintf(path, sizeof(path), "%s/assay.db", temp->path);
    assert_int_equal(assay_store_open(&store, path, &err), ASSAY_OK);
    assert_int_equal(assay_arena_create(&arena, (size_t)1 << 20, &err), ASSAY_OK);
    assert_int_equal(
            assay_store_open_run(store, &wanted, ids, COUNT, false, arena, &run, &resumed, &err),
            ASSAY_OK);
    for (size_t i = 0; i + 1 < COUNT; i++) {
        const struct assay_verdict verdict = {.run_id = "r1",
                .instance_id = rows[i].id,
                .scored = rows[i].scored,
                .resolved = rows[i].resolved,
                .reason = "because",
                .cause = rows[i].cause,
                .tier = "A"};
        const struct assay_evaluation evaluation = {.verdict = &verdict};

        if (assay_store_put_verdict(store, &evaluation, &err) != ASSAY_OK)
            fail_msg("%s: %s", rows[i].id, err.message);
    }
    assert_int_equal(assay_report_load(&report, store, "r1", arena, &err), ASSAY_OK);
    assert_int_equal(report.count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_string_equal(report.rows[i].instance_id, rows[i].id);
        assert_int_equal(report.groups[i], rows[i].group);
    }
    assert_int_equal(report.group_counts[ASSAY_REPORT_RESOLVED], 1);
    assert_int_equal(report.group_counts[ASSAY_REPORT_UNRESOLVED], 2);
    assert_int_equal(report.group_counts[ASSAY_REPORT_NO_VERDICT], 2);
    assert_int_equal(report.group_counts[ASSAY_REPORT_INCOMPLETE], 1);
    assay_arena_destroy(arena);
    assay_store_close(store);
}

// --- SWE-bench's report -------------------------------------------------------------------------

static void assert_ids(const struct assay_json *report, const char *key, const char *const *ids)
{
    const struct assay_json *list = assay_json_get(report, key);
    const struct assay_json *item = assay_json_first(list);

    print_message("%s\n", key);
    assert_int_equal(assay_json_type(list), ASSAY_JSON_ARRAY);
    for (; *ids; ids++, item = assay_json_next(item)) {
        assert_non_null(item);
        assert_string_equal(assay_json_text(item), *ids);
    }
    assert_null(item);
}

static void the_json_report_has_swebenchs_keys_and_sorted_lists(void **state)
{
    // schema_version 2, in the order in which we write them; of suite and suite_hash SWE-bench
    // knows nothing.
    static const char *const keys[] = {"total_instances", "submitted_instances",
            "completed_instances", "resolved_instances", "unresolved_instances",
            "infra_failure_instances", "ambiguous_failure_instances", "empty_patch_instances",
            "error_instances", "submitted_ids", "completed_ids", "resolved_ids", "unresolved_ids",
            "infra_failure_ids", "ambiguous_failure_ids", "empty_patch_ids", "error_ids",
            "incomplete_ids", "failure_reasons", "suite", "suite_hash", "schema_version"};
    static const struct assay_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8};
    struct sample *sample = make_one_of_each();
    struct assay_json *json = NULL;
    struct assay_buf text;
    struct assay_error err = {0};
    const struct assay_json *member = NULL;

    (void)state;
    assay_buf_init(&text, 1 << 20);
    assay_report_write_swebench(&text, &sample->report, 4);
    if (assay_json_parse(&json, text.data, text.len, limits, "report", 1, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    member = assay_json_first(json);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++, member = assay_json_next(member)) {
        assert_non_null(member);
        assert_string_equal(assay_json_key(member), keys[i]);
    }
    assert_null(member);
    assert_int_equal(assay_json_number(assay_json_get(json, "total_instances")), 6);
    assert_int_equal(assay_json_number(assay_json_get(json, "submitted_instances")), 5);
    assert_int_equal(assay_json_number(assay_json_get(json, "error_instances")), 2);
    assert_int_equal(assay_json_number(assay_json_get(json, "schema_version")), 2);
    assert_ids(
            json, "submitted_ids", (const char *const[]){"a-1", "b-1", "c-1", "d-1", "e-1", NULL});
    assert_ids(json, "completed_ids", (const char *const[]){"a-1", "b-1", NULL});
    assert_ids(json, "resolved_ids", (const char *const[]){"a-1", NULL});
    assert_ids(json, "unresolved_ids", (const char *const[]){"b-1", NULL});
    assert_ids(json, "empty_patch_ids", (const char *const[]){"c-1", NULL});
    assert_ids(json, "error_ids", (const char *const[]){"d-1", "e-1", NULL});
    assert_ids(json, "infra_failure_ids", (const char *const[]){"e-1", NULL});
    assert_ids(json, "ambiguous_failure_ids", (const char *const[]){NULL});
    assert_ids(json, "incomplete_ids", (const char *const[]){"f-1", NULL});
    assay_json_free(json);
    assay_buf_free(&text);
    free(sample);
}

// --- the page -----------------------------------------------------------------------------------

static void a_small_page_has_every_part_in_order(void **state)
{
    static const char *const parts[] = {
            "<!doctype html>\n<html lang=\"en\">",
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src ",
            "'sha256-",
            "<title>1 of 6 resolved: acme/coder on quick</title>",
            "<a class=\"skip\" href=\"#main\">",
            "<h1>acme/coder <span class=\"q\">on</span> quick</h1>",
            "<dt>Run</dt><dd>r1</dd>",
            "finished, 5 of 6 done",
            "<dt>Started</dt><dd>2026-08-11T09:14:02Z</dd>",
            "<dt>Sandbox tier</dt><dd>A</dd>",
            "<dt>Grader version</dt><dd>",
            ASSAY_GRADER_VERSION,
            "<code>assay eval quick --predictions &#39;a &amp; b.jsonl&#39;</code>",
            "<main id=\"main\" tabindex=\"-1\">",
            "<strong>1 of 6</strong> selected instances resolved <span ",
            "class=\"rate\">16.7&nbsp;%</span>",
            "Wilson 95&nbsp;% interval 3.0 to 56.4&nbsp;%. Of 4 scored, 1 resolved (25.0&nbsp;%).",
            "<svg class=\"chart\"",
            "<caption>Groups and their causes</caption>",
            "unresolved</th><td class=\"n\">1</td><td class=\"n m\">16.7&nbsp;%</td>",
            "<td><code>tests_failed</code>&nbsp;1</td>",
            "<caption>Rate by repository</caption>",
            "<th scope=\"row\">acme/widgets</th><td class=\"n\">6</td><td class=\"n\">1</td>",
            "<input type=\"checkbox\" id=\"s0\" checked>",
            "\u2713</span> resolved</td><th scope=\"row\"><a href=\"#i-a-1\">a-1</a></th>",
            "\u25cb</span> incomplete</td><th scope=\"row\"><a href=\"#i-f-1\">f-1</a></th>",
            "<td>not run yet</td>",
            "<section class=\"i k0\" id=\"i-a-1\">",
            "<section class=\"i k5\" id=\"i-f-1\">",
            "</main>\n<footer>",
            "</html>\n",
    };
    struct sample *sample = make_one_of_each();
    struct assay_buf page = write_page(sample, *state);
    const char *at = page.data;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const char *found = strstr(at, parts[i]);

        print_message("%s\n", parts[i]);
        assert_non_null(found); // there, and not too early
        at = found + strlen(parts[i]);
    }
    assert_int_equal(*at, '\0');
    assert_well_formed(&page);
    assert_links(&page);
    assert_lacks(&page, "<script");
    assert_lacks(&page, " style=");
    assert_lacks(&page, "http:");
    assert_lacks(&page, "https:");
    assert_lacks(&page, "url(");
    assay_buf_free(&page);
    free(sample);
}

static void a_section_tells_everything_about_its_verdict(void **state)
{
    static const char *const f2p[] = {"t::one[a-b]"}, *const tamper[] = {"canary c1 passed"},
                             *const denied[] = {"ptrace"}, *const dropped[] = {"conftest.py"};
    static struct assay_hunk_record hunks[] = {
            {"a.py", 0, 0, "exact"}, {"b.py", 1, -3, "offset"}, {"c.py", 0, 0, "recount"}};
    static const char patch[] = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n";
    struct sample *sample = make_sample();
    struct assay_evaluation_row *row = add_row(sample, "a-1", ASSAY_REPORT_UNRESOLVED);
    struct assay_buf page;

    row->verdict.f2p_failure = (struct assay_strings){f2p, 1};
    row->verdict.tamper = (struct assay_strings){tamper, 1};
    row->verdict.denied = (struct assay_strings){denied, 1};
    row->verdict.patch_dropped = (struct assay_strings){dropped, 1};
    row->verdict.hunks = hunks;
    row->verdict.hunk_count = 3;
    row->verdict.evidence = ASSAY_EVIDENCE_WEAK;
    row->verdict.cached = true;
    row->model_patch = (struct assay_bytes){patch, sizeof(patch) - 1};
    row->log_path = "log.txt";
    assay_temp_write(*state, "log.txt", "the log\n");
    page = write_page(sample, *state);
    assert_holds(&page, "<p class=\"why\">because</p>");
    assert_holds(&page, "<dt>Evidence</dt><dd>weak</dd>");
    assert_holds(&page, "<dt>Verdict</dt><dd>from the cache</dd>");
    assert_holds(&page, "Failing FAIL_TO_PASS <span class=\"q\">1</span></h4>");
    assert_holds(&page, "<li><code>t::one[a-b]</code></li>");
    assert_holds(&page, "<li><code>canary c1 passed</code></li>");
    assert_holds(&page, "<li><code>ptrace</code></li>");
    assert_holds(&page, "<li><code>conftest.py</code></li>");
    assert_holds(&page, "<span class=\"q\">2 of 3</span>");
    assert_holds(&page,
            "<code>b.py</code></th><td class=\"n\">2</td><td>offset</td>"
            "<td class=\"n\">&minus;3</td>");
    assert_lacks(&page, "<code>a.py</code>");
    assert_holds(&page, "Model patch <span class=\"q\">1 file, +1 &minus;1, ");
    assert_holds(&page, "<del>-old\n</del><ins>+new\n</ins></code></pre>");
    assert_holds(&page, "the log\n</pre>");
    assert_well_formed(&page);
    assay_buf_free(&page);
    free(sample);
}

static void nothing_hostile_becomes_markup(void **state)
{
    static const char evil[] = "</title></style></pre></code></p><script>alert(1)</script>"
                               "<img src=x onerror=alert(2)>\" onmouseover=\"alert(3)' <!-- \xff";
    static const char *const list[] = {evil, evil};
    static struct assay_hunk_record hunks[] = {{evil, 0, 1, evil}};
    struct sample *sample = make_sample();
    struct assay_evaluation_row *row = add_row(sample, evil, ASSAY_REPORT_UNRESOLVED);
    struct assay_run *run = &sample->report.run;
    struct assay_verdict *v = &row->verdict;
    struct assay_buf page;

    run->run_id = run->suite = run->model = run->command = run->started_at = run->finished_at =
            evil;
    row->repo = evil;
    v->reason = v->tier = evil;
    v->f2p_failure = v->p2p_failure = v->tamper = v->denied = v->patch_dropped =
            (struct assay_strings){list, 2};
    v->hunks = hunks;
    v->hunk_count = 1;
    memcpy(v->key, evil, sizeof(v->key) - 1);
    row->model_patch = (struct assay_bytes){evil, sizeof(evil) - 1};
    row->log_path = "log.txt";
    assay_temp_write(*state, "log.txt", evil);
    add_row(sample, "missing-log", ASSAY_REPORT_RESOLVED)->log_path = evil;
    page = write_page(sample, *state);
    assert_well_formed(&page); // by its own names: no <script>, no <img>
    assert_links(&page);
    assert_lacks(&page, " onmouseover=\"");
    assert_lacks(&page, "\xff");
    assert_lacks(&page, "<!--");
    assert_holds(&page, "id=\"n-0\""); // an id that is none gets the row's number
    assay_buf_free(&page);
    free(sample);
}

static void a_run_of_nothing_is_a_page_too(void **state)
{
    struct sample *sample = make_sample();
    struct assay_buf page = write_page(sample, *state);

    assert_holds(&page, "<strong>0 of 0</strong>");
    assert_holds(&page, "interval 0.0 to 100.0&nbsp;%");
    assert_well_formed(&page);
    assay_buf_free(&page);
    free(sample);
}

static void five_hundred_of_the_worst_stay_below_twenty_megabytes(void **state)
{
    enum { COUNT = 500, PATCH = 1 << 18, LOG = 1 << 16 };
    struct sample *sample = make_sample();
    char *patch = malloc(PATCH), *log = malloc(LOG + 1);
    char(*ids)[16] = calloc(COUNT, sizeof(*ids));
    struct assay_buf page;

    assert_true(patch && log && ids);
    for (size_t i = 0; i < PATCH; i++)
        patch[i] = "+\n-\n\"'<&"[i % 8];
    memset(log, '"', LOG);
    log[LOG] = '\0';
    assay_temp_write(*state, "log.txt", log);
    for (size_t i = 0; i < COUNT; i++) {
        struct assay_evaluation_row *row = NULL;

        (void)snprintf(ids[i], sizeof(ids[i]), "i-%04zu", i);
        row = add_row(sample, ids[i], ASSAY_REPORT_UNRESOLVED);
        row->model_patch = (struct assay_bytes){patch, PATCH};
        row->log_path = "log.txt";
    }
    page = write_page(sample, *state);
    print_message("%zu bytes\n", page.len);
    assert_true(page.len < 20000000);
    assert_well_formed(&page);
    assert_int_equal(count_of(&page, "left out</span>"), COUNT);
    assay_buf_free(&page);
    free(ids);
    free(log);
    free(patch);
    free(sample);
}

static void a_home_that_is_not_there_is_an_error(void **state)
{
    struct sample *sample = make_one_of_each();
    struct assay_buf page;
    struct assay_error err = {0};

    (void)state;
    assay_buf_init(&page, PAGE_MAX);
    assert_int_equal(
            assay_report_write_html(&page, &sample->report, "/nonexistent/home", &err), ASSAY_EIO);
    assert_string_equal(err.message, "open /nonexistent/home: No such file or directory");
    assert_int_equal(page.len, 0);
    assay_buf_free(&page);
    free(sample);
}

#define WITH_FOLDER(test)                                                                          \
    cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(intervals_are_wilsons),
            WITH_FOLDER(other_kinds_show_their_numbers),
            WITH_FOLDER(every_verdict_has_its_group),
            cmocka_unit_test(the_json_report_has_swebenchs_keys_and_sorted_lists),
            WITH_FOLDER(a_small_page_has_every_part_in_order),
            WITH_FOLDER(a_section_tells_everything_about_its_verdict),
            WITH_FOLDER(nothing_hostile_becomes_markup),
            WITH_FOLDER(a_run_of_nothing_is_a_page_too),
            WITH_FOLDER(five_hundred_of_the_worst_stay_below_twenty_megabytes),
            cmocka_unit_test(a_home_that_is_not_there_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
