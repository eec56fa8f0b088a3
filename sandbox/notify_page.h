// SPDX-License-Identifier: MIT
// notify_page.h - what learning mode found, in memory that a box's init and assay share.
#ifndef ASSAY_SANDBOX_NOTIFY_PAGE_H
#define ASSAY_SANDBOX_NOTIFY_PAGE_H

#include <stdint.h>

#include "sandbox/box.h"

// The init alone writes it; assay reads it after the box's death.
struct assay_notify_page {
    uint32_t count; // of rows
    uint64_t lost;  // refusals that found no row
    struct assay_denial rows[ASSAY_DENIALS_MAX];
};

#endif
