// SPDX-License-Identifier: MIT
// report_page.h - the parts of the HTML page, and what they share; for report_html*.c alone.
#ifndef ASSAY_ORCHESTRATOR_REPORT_PAGE_H
#define ASSAY_ORCHESTRATOR_REPORT_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "orchestrator/report.h"

// report/report.css, embedded by the build.
extern const char assay_report_css[];
extern const size_t assay_report_css_len;

// report_html.c: a page up to and into its <title>; the rest of the head and the beginning of the
// body; from </main> to the end.
ASSAY_MUST_USE enum assay_status assay_report_begin_head(
        struct assay_buf *out, struct assay_error *err);
void assay_report_end_head(struct assay_buf *out);
void assay_report_end_page(struct assay_buf *out);

struct assay_report_page {
    struct assay_buf *out;             // borrowed
    const struct assay_report *report; // borrowed
    int home_fd;                       // where the logs lie
};

// A shape for each group, so that colour never stands alone; words stand beside it always.
const char *assay_report_mark(enum assay_report_group group);

// Attribute id="..." of an instance's part of the page (`prefix` id="), or a link to it.
void assay_report_put_anchor(const struct assay_report_page *page, const char *prefix, size_t row);

// "k/n", n being how many there are of both.
void assay_report_put_fraction(const struct assay_report_page *page,
        const struct assay_strings *success, const struct assay_strings *failure);

// report_html_chart.c: the groups as one bar with the interval below it; a small interval alone.
void assay_report_write_chart(const struct assay_report_page *page);
void assay_report_write_interval(const struct assay_report_page *page, size_t k, size_t n);

// report_html_samples.c: what a run of episodes came to; nothing where there is no summary.
void assay_report_write_samples(const struct assay_report_page *page);

// report_html_tables.c. A table up to its columns, each of which has its attributes (" class=..."):
// one that is wider than the screen scrolls in its own place, which the keyboard can reach.
void assay_report_begin_table(struct assay_buf *out, const char *class, const char *caption);
void assay_report_put_column(struct assay_buf *out, const char *class, const char *name);
void assay_report_write_groups(const struct assay_report_page *page);
void assay_report_write_instances(const struct assay_report_page *page);
ASSAY_MUST_USE enum assay_status assay_report_write_repos(
        const struct assay_report_page *page, struct assay_error *err);

// report_html_kind.c: the kinds of task besides repair. A row's numbers in place of the lists of
// tests; the facts of an instance; what stands below them; means over the run (nothing where all
// are repairs).
bool assay_report_is_repair(const struct assay_verdict *v);
void assay_report_put_kind_cell(
        const struct assay_report_page *page, const struct assay_verdict *v);
void assay_report_put_kind_facts(
        const struct assay_report_page *page, const struct assay_verdict *v);
void assay_report_put_kind(const struct assay_report_page *page, const struct assay_verdict *v);
void assay_report_write_kinds(const struct assay_report_page *page);

// report_html_episode.c: the episodes of row i, if there are any, in about bytes_max bytes.
void assay_report_put_episodes(const struct assay_report_page *page, size_t i, size_t bytes_max);

// report_html_instance.c: one section per instance, each within its share of the page.
void assay_report_write_details(const struct assay_report_page *page);

#endif
