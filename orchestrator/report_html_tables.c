// SPDX-License-Identifier: MIT
// report_html_tables.c - the page's tables: groups with their causes, repositories, instances.
#include <stdlib.h>
#include <string.h>

#include "orchestrator/html.h"
#include "orchestrator/report_page.h"

#define CAUSE_COUNT ((size_t)ASSAY_CAUSE_INFRA_ERROR + 1)

void assay_report_begin_table(struct assay_buf *out, const char *class, const char *caption)
{
    assay_buf_addf(out,
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">"
            "<table class=\"%s\">\n<caption>%s</caption>\n<thead><tr>",
            caption, class, caption);
}

void assay_report_put_column(struct assay_buf *out, const char *class, const char *name)
{
    assay_buf_addf(out, "<th scope=\"col\"%s>%s</th>", class, name);
}
#define TEXT_COLUMN ""
#define INTERVAL_COLUMN " class=\"iv\""
#define NUMBER_COLUMN " class=\"n\""
#define MEDIUM_NUMBER_COLUMN " class=\"n m\"" // left out on the narrowest screens
#define WIDE_COLUMN " class=\"w\""            // left out where the screen is narrow
#define WIDE_NUMBER_COLUMN " class=\"n w\""   // its figures stand in the instance's own part too

static void put_causes(const struct assay_report_page *page, enum assay_report_group group)
{
    size_t counts[CAUSE_COUNT] = {0};
    const char *separator = "";

    for (size_t i = 0; i < page->report->count; i++) {
        if (page->report->groups[i] == group && page->report->rows[i].has_verdict)
            counts[page->report->rows[i].verdict.cause]++;
    }
    for (size_t c = 0; c < CAUSE_COUNT; c++) {
        if (counts[c] == 0)
            continue;
        assay_buf_addf(page->out, "%s<code>%s</code>&nbsp;%zu", separator,
                assay_cause_name((enum assay_cause)c), counts[c]);
        separator = ", ";
    }
}

void assay_report_write_groups(const struct assay_report_page *page)
{
    const struct assay_report *report = page->report;
    struct assay_buf *out = page->out;

    assay_report_begin_table(out, "groups", "Groups and their causes");
    assay_report_put_column(out, TEXT_COLUMN, "Group");
    assay_report_put_column(out, NUMBER_COLUMN, "Instances");
    assay_report_put_column(out, MEDIUM_NUMBER_COLUMN, "Share");
    assay_report_put_column(out, TEXT_COLUMN, "Causes");
    assay_buf_adds(out, "</tr></thead>\n<tbody>\n");
    for (unsigned g = 0; g < ASSAY_REPORT_GROUPS; g++) {
        if (report->group_counts[g] == 0 && g != ASSAY_REPORT_RESOLVED)
            continue;
        assay_buf_addf(out,
                "<tr><th scope=\"row\" class=\"c%u\"><span aria-hidden=\"true\">%s</span> %s</th>"
                "<td class=\"n\">%zu</td><td class=\"n m\">",
                g, assay_report_mark((enum assay_report_group)g),
                assay_report_group_name((enum assay_report_group)g), report->group_counts[g]);
        assay_html_percent(out, report->group_counts[g], report->count);
        assay_buf_adds(out, "</td><td>");
        put_causes(page, (enum assay_report_group)g);
        assay_buf_adds(out, "</td></tr>\n");
    }
    assay_buf_adds(out, "</tbody></table></div>\n");
}

// --- repositories -------------------------------------------------------------------------------

struct repo_entry {
    const char *name;
    size_t resolved; // 0 or 1
};

static int compare_repos(const void *a, const void *b)
{
    const struct repo_entry *left = a, *right = b;

    return strcmp(left->name, right->name);
}

static void write_repo(
        const struct assay_report_page *page, const char *name, size_t resolved, size_t count)
{
    struct assay_buf *out = page->out;

    assay_buf_adds(out, "<tr><th scope=\"row\">");
    assay_html_text(out, name[0] ? name : "(no name)");
    assay_buf_addf(out, "</th><td class=\"n\">%zu</td><td class=\"n\">%zu</td><td class=\"n\">",
            count, resolved);
    assay_html_percent(out, resolved, count);
    assay_buf_adds(out, "</td><td class=\"iv\">");
    assay_report_write_interval(page, resolved, count);
    assay_buf_adds(out, "</td></tr>\n");
}

enum assay_status assay_report_write_repos(
        const struct assay_report_page *page, struct assay_error *err)
{
    const struct assay_report *report = page->report;
    struct assay_buf *out = page->out;
    struct repo_entry *entries = calloc(report->count + 1, sizeof(*entries));

    if (!entries)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < report->count; i++) {
        entries[i].name = report->rows[i].repo ? report->rows[i].repo : "";
        entries[i].resolved = report->groups[i] == ASSAY_REPORT_RESOLVED;
    }
    qsort(entries, report->count, sizeof(*entries), compare_repos);

    assay_buf_adds(out,
            "<section id=\"repositories\" aria-labelledby=\"h-repositories\">\n"
            "<h2 id=\"h-repositories\">Repositories</h2>\n");
    assay_report_begin_table(out, "repos", "Rate by repository");
    assay_report_put_column(out, TEXT_COLUMN, "Repository");
    assay_report_put_column(out, NUMBER_COLUMN, "Selected");
    assay_report_put_column(out, NUMBER_COLUMN, "Resolved");
    assay_report_put_column(out, NUMBER_COLUMN, "Rate");
    assay_report_put_column(out, INTERVAL_COLUMN, "95&nbsp;% interval");
    assay_buf_adds(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0, end = 0; i < report->count; i = end) {
        size_t resolved = 0;

        for (end = i; end < report->count && strcmp(entries[end].name, entries[i].name) == 0; end++)
            resolved += entries[end].resolved;
        write_repo(page, entries[i].name, resolved, end - i);
    }
    assay_buf_adds(out, "</tbody></table></div>\n</section>\n");
    free(entries);
    return ASSAY_OK;
}

// --- instances ----------------------------------------------------------------------------------

// Check boxes that the style sheet reads: what is not ticked is not shown, in the table and below.
static void write_filter(const struct assay_report_page *page)
{
    assay_buf_adds(page->out, "<fieldset class=\"filter\"><legend>Show</legend>");
    for (unsigned g = 0; g < ASSAY_REPORT_GROUPS; g++) {
        if (page->report->group_counts[g] == 0)
            continue;
        assay_buf_addf(page->out,
                "<label class=\"c%u\"><input type=\"checkbox\" id=\"s%u\" checked> "
                "<span aria-hidden=\"true\">%s</span> %s %zu</label>\n",
                g, g, assay_report_mark((enum assay_report_group)g),
                assay_report_group_name((enum assay_report_group)g), page->report->group_counts[g]);
    }
    assay_buf_adds(page->out, "</fieldset>\n");
}

static void write_measures(const struct assay_report_page *page, const struct assay_verdict *v)
{
    struct assay_buf *out = page->out;

    assay_buf_addf(out, "<td><code>%s</code></td>", assay_cause_name(v->cause));
    if (assay_report_is_repair(v)) {
        assay_buf_adds(out, "<td class=\"n m\">");
        assay_report_put_fraction(page, &v->f2p_success, &v->f2p_failure);
        assay_buf_adds(out, "</td><td class=\"n m\">");
        assay_report_put_fraction(page, &v->p2p_success, &v->p2p_failure);
    } else {
        assay_buf_adds(out, "<td class=\"n m\" colspan=\"2\">");
        assay_report_put_kind_cell(page, v);
    }
    assay_buf_adds(out, "</td><td class=\"n w\">");
    assay_html_duration(out, v->usage.wall_ms);
    assay_buf_adds(out, "</td><td class=\"n w\">");
    assay_html_duration(out, v->usage.cpu_ms);
    assay_buf_adds(out, "</td><td class=\"n w\">");
    assay_html_size(out, v->usage.memory_bytes_peak);
    assay_buf_addf(out, "</td><td class=\"w\">%s</td><td class=\"w\">%s</td>",
            v->evidence == ASSAY_EVIDENCE_STRONG ? "strong" : "weak", v->cached ? "yes" : "no");
}

static void write_row(const struct assay_report_page *page, size_t i)
{
    const struct assay_evaluation_row *row = &page->report->rows[i];
    const enum assay_report_group group = page->report->groups[i];
    struct assay_buf *out = page->out;

    assay_buf_addf(out,
            "<tr class=\"k%u\"><td class=\"c%u\"><span aria-hidden=\"true\">%s</span> %s</td>",
            (unsigned)group, (unsigned)group, assay_report_mark(group),
            assay_report_group_name(group));
    assay_report_put_anchor(page, "<th scope=\"row\"><a href=\"#", i);
    assay_buf_adds(out, "\">");
    assay_html_text(out, row->instance_id);
    assay_buf_adds(out, "</a></th>");
    if (row->has_verdict)
        write_measures(page, &row->verdict);
    else
        assay_buf_adds(out,
                "<td>not run yet</td><td class=\"m\" colspan=\"2\"></td>"
                "<td class=\"w\" colspan=\"5\"></td>");
    assay_buf_adds(out, "</tr>\n");
}

void assay_report_write_instances(const struct assay_report_page *page)
{
    struct assay_buf *out = page->out;

    assay_buf_adds(out,
            "<section id=\"instances\" aria-labelledby=\"h-instances\">\n"
            "<h2 id=\"h-instances\">Instances</h2>\n");
    write_filter(page);
    assay_report_begin_table(
            out, "instances", "Every selected instance; its name leads to its details");
    assay_report_put_column(out, TEXT_COLUMN, "Result");
    assay_report_put_column(out, TEXT_COLUMN, "Instance");
    assay_report_put_column(out, TEXT_COLUMN, "Cause");
    assay_report_put_column(
            out, MEDIUM_NUMBER_COLUMN, "<abbr title=\"FAIL_TO_PASS tests that pass\">F2P</abbr>");
    assay_report_put_column(
            out, MEDIUM_NUMBER_COLUMN, "<abbr title=\"PASS_TO_PASS tests that pass\">P2P</abbr>");
    assay_report_put_column(out, WIDE_NUMBER_COLUMN, "Wall");
    assay_report_put_column(out, WIDE_NUMBER_COLUMN, "CPU");
    assay_report_put_column(out, WIDE_NUMBER_COLUMN, "Memory");
    assay_report_put_column(out, WIDE_COLUMN, "Evidence");
    assay_report_put_column(out, WIDE_COLUMN, "Cached");
    assay_buf_adds(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < page->report->count; i++)
        write_row(page, i);
    assay_buf_adds(out, "</tbody></table></div>\n</section>\n");
}
