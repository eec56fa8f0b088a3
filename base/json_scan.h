// SPDX-License-Identifier: MIT
// json_scan.h - the strict grammar that a text must obey before cJSON sees it; for base/json*.c
// alone.
#ifndef ASSAY_BASE_JSON_SCAN_H
#define ASSAY_BASE_JSON_SCAN_H

#include <stddef.h>

#include "base/error.h"

// Errors: ASSAY_EINVAL ("source:line: reason"), ASSAY_ENOMEM. At most `depth_max`
// containers inside each other.
ASSAY_MUST_USE enum assay_status assay_json_scan(const char *text, size_t len, unsigned depth_max,
        const char *source, size_t first_line, struct assay_error *err);

#endif
