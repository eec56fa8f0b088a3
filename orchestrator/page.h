// SPDX-License-Identifier: MIT
// page.h - the one JSON object that a command prints for machines: {"schema": 1, ...}.
#ifndef ASSAY_ORCHESTRATOR_PAGE_H
#define ASSAY_ORCHESTRATOR_PAGE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"

struct assay_page {
    struct assay_buf text;
    struct assay_json_writer writer;
};

// The writer stands in the object, behind "schema".
struct assay_json_writer *assay_page_begin(struct assay_page *page);
// Ends the object, prints it and releases the page.
ASSAY_MUST_USE enum assay_status assay_page_print(struct assay_page *page, struct assay_error *err);

#endif
