// SPDX-License-Identifier: MIT
// suite_parquet.h - Parquet files as rows, by Python and pyarrow of the user's, if there are any.
//
// The interpreter is $ASSAY_PYTHON, else python3 of PATH. It runs outside of boxes, on a file that
// the user named; what it writes is read like any other file of rows.
#ifndef ASSAY_ORCHESTRATOR_SUITE_PARQUET_H
#define ASSAY_ORCHESTRATOR_SUITE_PARQUET_H

#include <limits.h>
#include <stdbool.h>

#include "base/error.h"
#include "orchestrator/context.h"

// By its first four bytes. ASSAY_ENOTFOUND: there is no such file.
ASSAY_MUST_USE enum assay_status assay_parquet_is(
        bool *out, const char *path, struct assay_error *err);
// What a suite of this file is called: its name without folders and ending, as far as it can be
// one.
const char *assay_parquet_name(char out[128], const char *path);

// A .jsonl file below the depot's tmp/, for assay_parquet_drop(). ASSAY_EREFUSED without pyarrow,
// and the message says what to install.
ASSAY_MUST_USE enum assay_status assay_parquet_to_rows(char file[PATH_MAX],
        struct assay_context *context, const char *path, struct assay_error *err);
void assay_parquet_drop(struct assay_context *context, const char *file);

#endif
