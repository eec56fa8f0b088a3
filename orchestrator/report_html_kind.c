// SPDX-License-Identifier: MIT
// report_html_kind.c - what the kinds of task besides repair are told by: places and their ranks,
// new tests and the mutants that they kill (docs/kinds.md).
#include <math.h>

#include "orchestrator/html.h"
#include "orchestrator/report_page.h"

bool assay_report_is_repair(const struct assay_verdict *v)
{
    return v->localize == NULL && v->write_tests == NULL;
}

static void put_number(struct assay_buf *out, double value)
{
    assay_buf_addf(out, "%.2f", isfinite(value) ? value : 0.0);
}

static void put_rank(struct assay_buf *out, const struct assay_localize_score *score)
{
    if (score->rank == 0)
        assay_buf_adds(out, "none");
    else
        assay_buf_addf(out, "%zu", score->rank);
}

void assay_report_put_kind_cell(const struct assay_report_page *page, const struct assay_verdict *v)
{
    struct assay_buf *out = page->out;

    if (v->localize != NULL) {
        assay_buf_adds(out, "<abbr title=\"Harmonic mean of precision and recall\">score</abbr> ");
        put_number(out, v->localize->score);
        assay_buf_adds(out, ", rank ");
        put_rank(out, v->localize);
    } else if (v->write_tests != NULL && v->write_tests->mutants_valid == 0) {
        assay_buf_adds(out, "no mutant tried");
    } else if (v->write_tests != NULL) {
        assay_buf_addf(out, "%zu/%zu mutants killed", v->write_tests->mutants_killed,
                v->write_tests->mutants_valid);
    }
}

// --- localize ------------------------------------------------------------------------------------

static void put_level(
        struct assay_buf *out, const char *name, const struct assay_localize_level *level)
{
    assay_buf_addf(out,
            "<tr><th scope=\"row\">%s</th><td class=\"n\">%zu</td><td class=\"n\">%zu</td>"
            "<td class=\"n\">%zu</td><td class=\"n\">",
            name, level->gold, level->answered, level->right);
    put_number(out, level->precision);
    assay_buf_adds(out, "</td><td class=\"n\">");
    put_number(out, level->recall);
    assay_buf_adds(out, "</td></tr>\n");
}

static void put_localize(struct assay_buf *out, const struct assay_localize_score *score)
{
    assay_buf_adds(out,
            "<h4>Places</h4>\n<div class=\"scroll\"><table class=\"hunks\">\n"
            "<caption class=\"hide\">Places that the answer names, beside those that gold changes"
            "</caption>\n<thead><tr><th scope=\"col\">Places</th>"
            "<th scope=\"col\" class=\"n\">Gold</th><th scope=\"col\" class=\"n\">Answered</th>"
            "<th scope=\"col\" class=\"n\">Right</th><th scope=\"col\" class=\"n\">Precision</th>"
            "<th scope=\"col\" class=\"n\">Recall</th></tr></thead>\n<tbody>\n");
    put_level(out, "Files", &score->files);
    put_level(out, "Functions", &score->functions);
    put_level(out, "Lines", &score->lines);
    assay_buf_adds(out, "</tbody></table></div>\n");
}

// --- write_tests ---------------------------------------------------------------------------------

static void put_fact_count(struct assay_buf *out, const char *name, size_t count)
{
    assay_buf_addf(out, "<div><dt>%s</dt><dd>%zu</dd></div>\n", name, count);
}

static void put_write_tests_facts(
        struct assay_buf *out, const struct assay_write_tests_score *score)
{
    put_fact_count(out, "New tests that pass", score->passes_after.count);
    put_fact_count(out, "that also fail before", score->fails_before.count);
    put_fact_count(out, "Flaky new tests", score->flaky.count);
    assay_buf_addf(out,
            "<div><dt>Mutants killed</dt><dd>%zu of %zu valid <span class=\"q\">(%zu needed, "
            "%zu made)</span></dd></div>\n",
            score->mutants_killed, score->mutants_valid, score->mutants_needed,
            score->mutants_made);
}

void assay_report_put_kind_facts(
        const struct assay_report_page *page, const struct assay_verdict *v)
{
    struct assay_buf *out = page->out;

    if (v->localize != NULL) {
        assay_buf_adds(out, "<div><dt>Score</dt><dd>");
        put_number(out, v->localize->score);
        assay_buf_adds(out, "</dd></div>\n<div><dt>First right place</dt><dd>");
        put_rank(out, v->localize);
        assay_buf_adds(out, "</dd></div>\n");
    } else if (v->write_tests != NULL) {
        put_write_tests_facts(out, v->write_tests);
    }
}

void assay_report_put_kind(const struct assay_report_page *page, const struct assay_verdict *v)
{
    if (v->localize != NULL)
        put_localize(page->out, v->localize);
}

// --- all of a run --------------------------------------------------------------------------------

struct kind_sums {
    size_t localized, written; // answers that were scored
    size_t resolved[2];
    double precision, recall, reciprocal_rank; // of functions where gold changes any, else of files
    size_t killed, valid;
};

static void add_localize(struct kind_sums *sums, const struct assay_verdict *v)
{
    const struct assay_localize_score *score = v->localize;
    const struct assay_localize_level *level =
            score->functions.gold > 0 ? &score->functions : &score->files;

    sums->localized++;
    sums->resolved[0] += v->resolved;
    sums->precision += level->precision;
    sums->recall += level->recall;
    sums->reciprocal_rank += score->rank > 0 ? 1.0 / (double)score->rank : 0.0;
}

static struct kind_sums sum_kinds(const struct assay_report *report)
{
    struct kind_sums sums = {0};

    for (size_t i = 0; i < report->count; i++) {
        const struct assay_verdict *v = &report->rows[i].verdict;

        if (!report->rows[i].has_verdict || !v->scored)
            continue;
        if (v->localize != NULL) {
            add_localize(&sums, v);
        } else if (v->write_tests != NULL) {
            sums.written++;
            sums.resolved[1] += v->resolved;
            sums.killed += v->write_tests->mutants_killed;
            sums.valid += v->write_tests->mutants_valid;
        }
    }
    return sums;
}

void assay_report_write_kinds(const struct assay_report_page *page)
{
    const struct kind_sums sums = sum_kinds(page->report);
    struct assay_buf *out = page->out;

    if (sums.localized + sums.written == 0)
        return;
    assay_buf_adds(out, "<h3 class=\"kinds\">Other kinds of task</h3>\n<dl class=\"facts\">\n");
    if (sums.localized > 0) {
        const double n = (double)sums.localized;

        assay_buf_addf(out,
                "<div><dt>Localizations resolved</dt><dd>%zu of %zu</dd></div>\n"
                "<div><dt>Mean precision</dt><dd>%.2f</dd></div>\n"
                "<div><dt>Mean recall</dt><dd>%.2f</dd></div>\n"
                "<div><dt>Mean reciprocal rank</dt><dd>%.2f</dd></div>\n",
                sums.resolved[0], sums.localized, sums.precision / n, sums.recall / n,
                sums.reciprocal_rank / n);
    }
    if (sums.written > 0)
        assay_buf_addf(out,
                "<div><dt>Answers with tests resolved</dt><dd>%zu of %zu</dd></div>\n"
                "<div><dt>Mutants killed</dt><dd>%zu of %zu valid</dd></div>\n",
                sums.resolved[1], sums.written, sums.killed, sums.valid);
    assay_buf_adds(out, "</dl>\n");
}
