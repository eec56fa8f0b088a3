// SPDX-License-Identifier: MIT
// report_train_page.h - the parts of a training's page, and what they share; for report_train_*.c
// alone.
#ifndef ASSAY_ORCHESTRATOR_REPORT_TRAIN_PAGE_H
#define ASSAY_ORCHESTRATOR_REPORT_TRAIN_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "orchestrator/report_train.h"

// A line of a chart: a number of the rows of a phase, over the step.
struct assay_train_line {
    const char *name, *words; // of the metric; for people
    const char *low, *high;   // metrics of a band around it; NULL: none
    const char *divisor;      // metric to divide by; NULL: none
};

#define ASSAY_TRAIN_LINES_MAX 4
struct assay_train_chart {
    const char *title, *note; // may be NULL; note: a sentence
    const char *phase, *unit; // unit: behind numbers
    struct assay_train_line lines[ASSAY_TRAIN_LINES_MAX];
    double bottom, top; // of the axis; top NAN: from the data
    bool wide;
};

// A figure; false: no row has any of its numbers, and nothing was written.
bool assay_train_chart_write(struct assay_buf *out, const struct assay_train_report *report,
        const struct assay_train_chart *chart);
// Steps of rl count from 1; an evaluation before the first is at 0. Steps of sft count from 1.
double assay_train_chart_x(
        const struct assay_train_report *report, const struct assay_train_row *row);

// report_train_curves.c: all charts, in their sections.
void assay_train_report_write_curves(
        struct assay_buf *out, const struct assay_train_report *report);
// report_train_families.c: the last evaluation by family, beside the first.
ASSAY_MUST_USE enum assay_status assay_train_report_write_families(
        struct assay_buf *out, const struct assay_train_report *report, struct assay_error *err);
// report_train_rollouts.c: the answers that were kept, step by step.
void assay_train_report_write_rollouts(
        struct assay_buf *out, const struct assay_train_report *report);

#endif
