// SPDX-License-Identifier: MIT
// report_train_families.c - held-out tasks by family: first evaluation, last one, and between them.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/html.h"
#include "orchestrator/report_train_page.h"

#define PREFIX "family/"

struct family {
    const char *metric; // "family/..."
    double first, last;
};

static int by_rate(const void *a, const void *b)
{
    const struct family *left = a, *right = b;

    if (left->last != right->last)
        return left->last < right->last ? -1 : 1;
    return strcmp(left->metric, right->metric);
}

static void write_cell(struct assay_buf *out, double rate)
{
    if (isnan(rate))
        assay_buf_adds(out, "<td class=\"n q\">none</td>");
    else
        assay_buf_addf(out, "<td class=\"n\">%.0f&nbsp;%%</td>", 100 * rate);
}

// A dot for the first rate, a bar to the last.
static void write_change(struct assay_buf *out, const struct family *f)
{
    const double from = isnan(f->first) ? f->last : f->first;

    assay_buf_addf(out,
            "<td class=\"iv\"><svg class=\"change\" width=\"100%%\" height=\"14\" "
            "aria-hidden=\"true\"><line class=\"tick\" x1=\"0\" x2=\"100%%\" y1=\"7\" y2=\"7\"/>"
            "<line class=\"%s\" x1=\"%.1f%%\" x2=\"%.1f%%\" y1=\"7\" y2=\"7\"/>"
            "<circle class=\"from\" cx=\"%.1f%%\" cy=\"7\" r=\"3\"/>"
            "<circle class=\"dot\" cx=\"%.1f%%\" cy=\"7\" r=\"4.5\"/></svg></td>",
            f->last >= from ? "rise" : "fall", 100 * fmin(from, f->last), 100 * fmax(from, f->last),
            100 * from, 100 * f->last);
}

static void write_family(struct assay_buf *out, const struct family *f)
{
    assay_buf_adds(out, "<tr><th scope=\"row\"><code>");
    assay_html_text(out, f->metric + strlen(PREFIX));
    assay_buf_adds(out, "</code></th>");
    write_cell(out, f->first);
    write_cell(out, f->last);
    write_change(out, f);
    assay_buf_adds(out, "</tr>\n");
}

static size_t count_families(const struct assay_train_row *row)
{
    size_t count = 0;

    for (size_t i = 0; row && i < row->count; i++)
        count += strncmp(row->numbers[i].name, PREFIX, strlen(PREFIX)) == 0;
    return count;
}

enum assay_status assay_train_report_write_families(
        struct assay_buf *out, const struct assay_train_report *report, struct assay_error *err)
{
    const struct assay_train_row *first = assay_train_report_first(report, "eval", NULL);
    const struct assay_train_row *last = assay_train_report_last(report, "eval", NULL);
    const size_t count = count_families(last);
    struct family *families;
    size_t kept = 0;

    if (count == 0)
        return ASSAY_OK;
    families = calloc(count, sizeof(*families));
    if (!families)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < last->count; i++)
        if (strncmp(last->numbers[i].name, PREFIX, strlen(PREFIX)) == 0)
            families[kept++] = (struct family){last->numbers[i].name,
                    assay_train_row_get(first, last->numbers[i].name), last->numbers[i].value};
    qsort(families, kept, sizeof(*families), by_rate);
    assay_buf_addf(out,
            "<section id=\"by-family\">\n<h2>Families <span class=\"q\">%zu, least solved first"
            "</span></h2>\n<div class=\"scroll\"><table class=\"repos\">\n<caption>Held-out tasks "
            "by family</caption>\n<thead><tr><th scope=\"col\">Family</th><th scope=\"col\" "
            "class=\"n\">First</th><th scope=\"col\" class=\"n\">Last</th><th scope=\"col\" "
            "class=\"iv\">From 0 to 100&nbsp;%%</th></tr></thead>\n<tbody>\n",
            kept);
    for (size_t i = 0; i < kept; i++)
        write_family(out, &families[i]);
    assay_buf_adds(out, "</tbody></table></div>\n</section>\n");
    free(families);
    return ASSAY_OK;
}
