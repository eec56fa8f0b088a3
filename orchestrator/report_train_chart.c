// SPDX-License-Identifier: MIT
// report_train_chart.c - one figure: lines over steps as inline SVG, with words for whoever cannot
// see it. A line never stands by its colour alone: each has its own dashes, and the legend shows
// both.
//
// More points than COLUMNS are drawn as means of neighbours, with a band from the least to the
// largest of them.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "orchestrator/html.h"
#include "orchestrator/report_train_page.h"

#define COLUMNS 300
#define DOTS_MAX 100 // a line with more points has none that tell their number

// The plot inside of its drawing, in units of the view box.
struct plot {
    struct assay_buf *out;
    double left, top, width, height;
    double x_min, x_max, y_min, y_max;
};

struct series { // means of COLUMNS at most
    struct point {
        double x, y, low, high;
    } points[COLUMNS];
    size_t count;  // of points
    size_t values; // behind them
    double first, last, least, most;
    bool band;
};

double assay_train_chart_x(
        const struct assay_train_report *report, const struct assay_train_row *row)
{
    const double position = (double)row->position;

    if (strcmp(row->phase, "eval") == 0)
        return position - (double)report->sft_steps;
    return (double)row->step + 1;
}

static double value_of(const struct assay_train_row *row, const struct assay_train_line *line)
{
    const double value = assay_train_row_get(row, line->name);

    if (!line->divisor)
        return value;
    return value / assay_train_row_get(row, line->divisor);
}

static size_t count_values(const struct assay_train_report *report, const char *phase,
        const struct assay_train_line *line)
{
    size_t count = 0;

    for (size_t i = 0; i < report->row_count; i++)
        count += strcmp(report->rows[i].phase, phase) == 0 &&
                isfinite(value_of(&report->rows[i], line));
    return count;
}

static void add_value(struct series *s, size_t column, double x, double y, double low, double high,
        double *weight)
{
    struct point *p = &s->points[column];

    if (*weight == 0)
        *p = (struct point){x, y, low, high};
    *weight += 1;
    p->x += (x - p->x) / *weight;
    p->y += (y - p->y) / *weight;
    p->low = fmin(p->low, low);
    p->high = fmax(p->high, high);
    if (s->values == 0)
        s->first = s->least = s->most = y;
    s->last = y;
    s->least = fmin(s->least, y);
    s->most = fmax(s->most, y);
    s->values++;
}

static void read_series(struct series *s, const struct assay_train_report *report,
        const char *phase, const struct assay_train_line *line)
{
    const size_t total = count_values(report, phase, line);
    double weights[COLUMNS] = {0};

    *s = (struct series){.count = total < COLUMNS ? total : COLUMNS};
    s->band = line->low || total > COLUMNS;
    for (size_t i = 0; total > 0 && i < report->row_count; i++) {
        const struct assay_train_row *row = &report->rows[i];
        const double y = strcmp(row->phase, phase) == 0 ? value_of(row, line) : (double)NAN;
        size_t column;

        if (!isfinite(y))
            continue;
        column = s->values * s->count / total;
        add_value(s, column, assay_train_chart_x(report, row), y,
                line->low ? assay_train_row_get(row, line->low) : y,
                line->high ? assay_train_row_get(row, line->high) : y, &weights[column]);
    }
}

// 1, 2 or 5 times a power of ten: the largest step that gives at least three ticks.
static double nice_step(double span)
{
    const double power = pow(10, floor(log10(span)));
    static const double steps[] = {5, 2, 1, 0.5, 0.2, 0.1};

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (span / (steps[i] * power) >= 2.999)
            return steps[i] * power;
    return power / 10;
}

static double place_x(const struct plot *p, double x)
{
    const double span = p->x_max - p->x_min;

    return p->left + (span > 0 ? p->width * (x - p->x_min) / span : p->width / 2);
}

static double place_y(const struct plot *p, double y)
{
    const double inside = fmin(fmax(y, p->y_min), p->y_max);

    return p->top + p->height * (p->y_max - inside) / (p->y_max - p->y_min);
}

// "1.2k": four digits at most.
static const char *scaled(double *value)
{
    static const char *const units[] = {"", "k", "M", "G"};
    size_t unit = 0;

    while (fabs(*value) >= 10000 && unit < 3) {
        *value /= 1000;
        unit++;
    }
    return units[unit];
}

static void write_tick(const struct plot *p, double y, const char *unit)
{
    const double at = place_y(p, y);
    double shown = fabs(y) < 1e-9 * (p->y_max - p->y_min) ? 0.0 : y;
    const char *thousands = scaled(&shown);

    assay_buf_addf(p->out,
            "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
            "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.4g%s%s</text>\n",
            p->left, p->left + p->width, at, at, p->left - 6, at + 4, shown, thousands, unit);
}

static void write_axes(const struct plot *p, const char *unit)
{
    const double step = nice_step(p->y_max - p->y_min);
    const double x_step = fmax(1, p->x_max > p->x_min ? nice_step(p->x_max - p->x_min) : 1);
    const double first = ceil(p->y_min / step - 1e-9), x_first = ceil(p->x_min / x_step);

    for (unsigned i = 0; (first + i) * step <= p->y_max + step * 1e-9; i++)
        write_tick(p, (first + i) * step, unit);
    for (unsigned i = 0; (x_first + i) * x_step <= p->x_max; i++)
        assay_buf_addf(p->out,
                "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.6g</text>\n",
                place_x(p, (x_first + i) * x_step), p->top + p->height + 17,
                (x_first + i) * x_step);
}

static void write_line(const struct plot *p, const struct series *s, size_t number)
{
    if (s->band) {
        assay_buf_addf(p->out, "<path class=\"band l%zu\" d=\"", number);
        for (size_t i = 0; i < s->count; i++)
            assay_buf_addf(p->out, "%c%.1f %.1f", i == 0 ? 'M' : 'L', place_x(p, s->points[i].x),
                    place_y(p, s->points[i].high));
        for (size_t i = s->count; i > 0; i--)
            assay_buf_addf(p->out, "L%.1f %.1f", place_x(p, s->points[i - 1].x),
                    place_y(p, s->points[i - 1].low));
        assay_buf_adds(p->out, "Z\"/>\n");
    }
    assay_buf_addf(p->out, "<path class=\"line l%zu\" d=\"", number);
    for (size_t i = 0; i < s->count; i++)
        assay_buf_addf(p->out, "%c%.1f %.1f", i == 0 ? 'M' : 'L', place_x(p, s->points[i].x),
                place_y(p, s->points[i].y));
    assay_buf_adds(p->out, "\"/>\n");
    if (s->values > DOTS_MAX)
        return;
    for (size_t i = 0; i < s->count; i++)
        assay_buf_addf(p->out,
                "<circle class=\"point l%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"><title>%.6g: %.4g"
                "</title></circle>",
                number, place_x(p, s->points[i].x), place_y(p, s->points[i].y),
                s->values <= 40 ? "2.4" : "1.8", s->points[i].x, s->points[i].y);
    (void)assay_buf_addc(p->out, '\n');
}

static void fit(struct plot *p, const struct series *s)
{
    for (size_t i = 0; i < s->count; i++) {
        p->x_min = fmin(p->x_min, s->points[i].x);
        p->x_max = fmax(p->x_max, s->points[i].x);
        p->y_min = fmin(p->y_min, s->points[i].low);
        p->y_max = fmax(p->y_max, s->points[i].high);
    }
}

// Room above what is drawn, so that the highest line does not lie on the edge; 0 belongs to the
// plot when it is near.
static void settle(struct plot *p, const struct assay_train_chart *chart)
{
    if (p->y_min > 0 && p->y_min < 0.6 * p->y_max)
        p->y_min = 0;
    if (p->y_max < 0 && p->y_max > 0.6 * p->y_min)
        p->y_max = 0;
    if (!isnan(chart->top)) {
        p->y_min = chart->bottom;
        p->y_max = chart->top;
    } else if (p->y_max - p->y_min > 1e-9 * fmax(fabs(p->y_max), fabs(p->y_min))) {
        const double span = p->y_max - p->y_min;

        p->y_max += 0.06 * span;
        p->y_min -= p->y_min == 0 ? 0 : 0.06 * span;
    } else {
        const double room = p->y_max == 0 ? 1 : fabs(p->y_max) * 0.1;

        p->y_max += room;
        p->y_min -= p->y_min == 0 ? 0 : room;
    }
}

static void write_words(struct assay_buf *out, const struct assay_train_chart *chart,
        const struct series *series, size_t number, bool *first)
{
    const struct assay_train_line *line = &chart->lines[number];
    const struct series *s = &series[number];

    if (s->count == 0)
        return;
    assay_buf_addf(out, "%s%s from %.4g to %.4g%s, between %.4g and %.4g", *first ? "" : "; ",
            line->words, s->first, s->last, chart->unit, s->least, s->most);
    *first = false;
}

static void write_legend(
        struct assay_buf *out, const struct assay_train_chart *chart, const struct series *series)
{
    assay_buf_adds(out, "<figcaption>");
    for (size_t i = 0; i < ASSAY_TRAIN_LINES_MAX && chart->lines[i].name; i++) {
        if (series[i].count == 0)
            continue;
        assay_buf_addf(out,
                "<span><svg class=\"key\" width=\"26\" height=\"8\" aria-hidden=\"true\">"
                "<path class=\"line l%zu\" d=\"M1 4L25 4\"/></svg> %s <b>%.4g%s</b></span> ",
                i, chart->lines[i].words, series[i].last, chart->unit);
    }
    if (chart->note)
        assay_buf_addf(out, "<span class=\"q\">%s</span>", chart->note);
    assay_buf_adds(out, "</figcaption>");
}

bool assay_train_chart_write(struct assay_buf *out, const struct assay_train_report *report,
        const struct assay_train_chart *chart)
{
    struct series series[ASSAY_TRAIN_LINES_MAX] = {0};
    struct plot p = {.out = out,
            .left = 46,
            .top = 8,
            .width = chart->wide ? 800 : 340,
            .height = chart->wide ? 240 : 130,
            .x_min = (double)INFINITY,
            .x_max = -(double)INFINITY,
            .y_min = (double)INFINITY,
            .y_max = -(double)INFINITY};
    bool any = false, first = true;

    for (size_t i = 0; i < ASSAY_TRAIN_LINES_MAX && chart->lines[i].name; i++) {
        read_series(&series[i], report, chart->phase, &chart->lines[i]);
        fit(&p, &series[i]);
        any |= series[i].count > 0;
    }
    if (!any)
        return false;
    settle(&p, chart);
    assay_buf_addf(out, "<figure%s>\n", chart->wide ? " class=\"whole\"" : "");
    if (chart->title)
        assay_buf_addf(out, "<h3>%s</h3>\n", chart->title);
    assay_buf_addf(out, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\"><title>",
            p.left + p.width + 14, p.top + p.height + 24);
    for (size_t i = 0; i < ASSAY_TRAIN_LINES_MAX && chart->lines[i].name; i++)
        write_words(out, chart, series, i, &first);
    assay_buf_adds(out, "</title>\n");
    write_axes(&p, chart->unit);
    for (size_t i = 0; i < ASSAY_TRAIN_LINES_MAX && chart->lines[i].name; i++)
        if (series[i].count > 0)
            write_line(&p, &series[i], i);
    assay_buf_adds(out, "</svg>\n");
    write_legend(out, chart, series);
    assay_buf_adds(out, "</figure>\n");
    return true;
}
