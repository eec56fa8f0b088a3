// SPDX-License-Identifier: MIT
// suite_rows.h - a suite that is made row by row, wherever the rows come from. Internal to tasks/.
//
//   begin -> read for each row, and assay_suite_append() -> take the suite -> end
#ifndef ASSAY_TASKS_SUITE_ROWS_H
#define ASSAY_TASKS_SUITE_ROWS_H

#include "base/error.h"
#include "tasks/names.h"
#include "tasks/rows.h"
#include "tasks/suite.h"

struct assay_suite_rows {
    struct assay_suite *suite; // owned until it is taken: then NULL
    const struct assay_swebench_options *options;
    struct assay_names ids; // instance_id -> line of its row
};

// `from` is where the rows come from; the suite's name is its own without folders and ending, if
// options->name says no other.
ASSAY_MUST_USE enum assay_status assay_suite_rows_begin(struct assay_suite_rows *rows,
        const char *from, const struct assay_swebench_options *options, struct assay_error *err);
// One row, checked, with its text. `file` is how messages name where it stands.
ASSAY_MUST_USE enum assay_status assay_suite_rows_read(struct assay_suite_rows *rows,
        const char *file, const struct assay_row *row, struct assay_instance *out,
        struct assay_error *err);
void assay_suite_rows_end(struct assay_suite_rows *rows); // after a failed begin, too

#endif
