// SPDX-License-Identifier: MIT
// rows.h - the rows of a .jsonl, .json list or .json object, one at a time. Internal to tasks/.
//
// The file may be gzip or zstd. Memory is one row, whatever the file. In JSON Lines a line is a row
// and no line can harm the next; in a list or an object the structure between the rows must hold. A
// UTF-8 byte order mark and blank lines are passed over.
#ifndef ASSAY_TASKS_ROWS_H
#define ASSAY_TASKS_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct assay_rows; // opaque; owned by whoever called assay_rows_open()

// Borrowed until the next call.
struct assay_row {
    size_t line;      // of its first byte, from 1
    const char *key;  // its key when the file is an object of rows; else NULL
    const char *text; // one JSON value, if the row is in order; not checked yet
    size_t len;
    bool too_long; // more than row_bytes_max: text is cut off
};

ASSAY_MUST_USE enum assay_status assay_rows_open(
        struct assay_rows **out, const char *file, size_t row_bytes_max, struct assay_error *err);
// *more is false, and *row untouched, at the end. ASSAY_EINVAL ("file:line: reason")
// when what stands between rows is broken: nothing follows then.
ASSAY_MUST_USE enum assay_status assay_rows_next(
        bool *more, struct assay_row *row, struct assay_rows *rows, struct assay_error *err);
// Of the whole file, unpacked; reads what was not read yet.
ASSAY_MUST_USE enum assay_status assay_rows_sha256(
        char hex[65], struct assay_rows *rows, struct assay_error *err);
void assay_rows_close(struct assay_rows *rows); // NULL is allowed

#endif
