// SPDX-License-Identifier: MIT
// zip.h - the directory of a zip whose entries are stored, as torch.save writes them. Internal.
#ifndef ASSAY_POLICY_ZIP_H
#define ASSAY_POLICY_ZIP_H

#include "policy/weight_read.h"

struct assay_zip_entry {
    const char *name; // in the arena
    const unsigned char *data;
    uint64_t bytes;
};

// All entries, in the order of the directory; zip64 too. Errors: ASSAY_EINVAL (compressed, cut
// short, lying), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_zip_read(struct assay_zip_entry **out, size_t *count,
        const struct assay_mapping *mapping, struct assay_arena *arena, struct assay_error *err);

#endif
