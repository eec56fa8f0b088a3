// SPDX-License-Identifier: MIT
// suite_export.h - a suite of the store as files that others read.
#ifndef ASSAY_ORCHESTRATOR_SUITE_EXPORT_H
#define ASSAY_ORCHESTRATOR_SUITE_EXPORT_H

#include "base/error.h"
#include "orchestrator/context.h"
#include "tasks/suite.h"

enum assay_export_format {
    ASSAY_EXPORT_NATIVE,   // a folder (tasks/README.md); base trees beside the tasks
    ASSAY_EXPORT_SWEBENCH, // a .jsonl file: the rows that they were read from, byte for byte; what
                           // came from elsewhere gets a row of its own
    ASSAY_EXPORT_HARBOR,   // a folder of Harbor tasks
};
#define ASSAY_EXPORT_NAMES "native, swebench or harbor"
bool assay_export_format_from_name(enum assay_export_format *out, const char *name);

// `path`: a file, which is replaced when it is whole, or a folder, which is made and must be empty.
// ASSAY_EINVAL: the format cannot say what an instance is.
ASSAY_MUST_USE enum assay_status assay_suite_export(struct assay_context *context,
        const struct assay_suite *suite, enum assay_export_format format, const char *path,
        struct assay_error *err);

#endif
