// SPDX-License-Identifier: MIT
// report_html_chart.c - inline SVG: places are per cent, so that a chart is as wide as its place
// and its letters keep their size; colours are classes of the style sheet.
#include <stdbool.h>

#include "orchestrator/html.h"
#include "orchestrator/report_page.h"

// Per cent. A narrower part holds no letters, or none on a narrow screen; the table below the chart
// has its count.
#define LABEL_WIDTH_MIN 3.5
#define LABEL_NARROW_WIDTH_MIN 9.0

static double percent(size_t k, size_t n)
{
    return n ? 100.0 * (double)k / (double)n : 0.0;
}

static void write_parts(const struct assay_report_page *page)
{
    const struct assay_report *report = page->report;
    double x = 0.0;

    for (unsigned g = 0; g < ASSAY_REPORT_GROUPS; g++) {
        const double width = percent(report->group_counts[g], report->count);

        if (report->group_counts[g] == 0)
            continue;
        assay_buf_addf(page->out,
                "<rect class=\"f%u\" x=\"%.3f%%\" y=\"0\" width=\"%.3f%%\" height=\"34\"/>", g, x,
                width);
        if (width >= LABEL_WIDTH_MIN)
            assay_buf_addf(page->out,
                    "<text class=\"on%s\" x=\"%.3f%%\" y=\"22\" text-anchor=\"middle\">%s "
                    "%zu</text>",
                    width < LABEL_NARROW_WIDTH_MIN ? " w" : "", x + width / 2.0,
                    assay_report_mark((enum assay_report_group)g), report->group_counts[g]);
        assay_buf_addc(page->out, '\n');
        x += width;
    }
}

static void write_axis(struct assay_buf *out)
{
    for (unsigned tick = 0; tick <= 100; tick += 25) {
        const char *anchor = tick == 0 ? "start" : tick == 100 ? "end" : "middle";

        assay_buf_addf(out,
                "<line class=\"tick\" x1=\"%u%%\" x2=\"%u%%\" y1=\"62\" y2=\"67\"/>"
                "<text class=\"axis\" x=\"%u%%\" y=\"81\" text-anchor=\"%s\">%u%s</text>\n",
                tick, tick, tick, anchor, tick, tick == 100 ? "&nbsp;%" : "");
    }
}

// Line with two ends and a dot at the rate, around height y.
static void write_whisker(
        struct assay_buf *out, double low, double rate, double high, unsigned y, unsigned half)
{
    assay_buf_addf(out,
            "<line class=\"ci\" x1=\"%.3f%%\" x2=\"%.3f%%\" y1=\"%u\" y2=\"%u\"/>"
            "<line class=\"ci\" x1=\"%.3f%%\" x2=\"%.3f%%\" y1=\"%u\" y2=\"%u\"/>"
            "<line class=\"ci\" x1=\"%.3f%%\" x2=\"%.3f%%\" y1=\"%u\" y2=\"%u\"/>"
            "<circle class=\"dot\" cx=\"%.3f%%\" cy=\"%u\" r=\"%u\"/>",
            low, high, y, y, low, low, y - half, y + half, high, high, y - half, y + half, rate, y,
            half - 1);
}

void assay_report_write_chart(const struct assay_report_page *page)
{
    const struct assay_report *report = page->report;
    const size_t resolved = report->group_counts[ASSAY_REPORT_RESOLVED];
    struct assay_buf *out = page->out;
    double low = 0.0, high = 1.0;
    bool first = true;

    assay_wilson(&low, &high, resolved, report->count);
    assay_buf_adds(out,
            "<svg class=\"chart\" width=\"100%\" height=\"86\" role=\"img\" "
            "aria-labelledby=\"t-chart\"><title id=\"t-chart\">");
    for (unsigned g = 0; g < ASSAY_REPORT_GROUPS; g++) {
        if (report->group_counts[g] == 0)
            continue;
        assay_buf_addf(out, "%s%zu %s", first ? "" : ", ", report->group_counts[g],
                assay_report_group_name((enum assay_report_group)g));
        first = false;
    }
    assay_buf_addf(out, "%sof %zu; 95 %% interval of the rate %.1f to %.1f %%</title>\n",
            first ? "None " : " ", report->count, 100.0 * low, 100.0 * high);
    write_parts(page);
    write_axis(out);
    write_whisker(out, 100.0 * low, percent(resolved, report->count), 100.0 * high, 50, 6);
    assay_buf_adds(out, "\n</svg>\n");
}

void assay_report_write_interval(const struct assay_report_page *page, size_t k, size_t n)
{
    struct assay_buf *out = page->out;
    double low = 0.0, high = 1.0;

    assay_wilson(&low, &high, k, n);
    assay_buf_adds(out,
            "<div><svg class=\"spark\" width=\"100%\" height=\"14\" aria-hidden=\"true\">"
            "<line class=\"tick\" x1=\"0\" x2=\"100%\" y1=\"7\" y2=\"7\"/>");
    write_whisker(out, 100.0 * low, percent(k, n), 100.0 * high, 7, 4);
    assay_buf_addf(out, "</svg><span class=\"q\">%.0f to %.0f&nbsp;%%</span></div>", 100.0 * low,
            100.0 * high);
}
