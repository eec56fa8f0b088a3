// SPDX-License-Identifier: MIT
// patch_gnu_read.h - what patch_gnu.c (headers) and patch_gnu_hunk.c (hunks) share. For them alone.
#ifndef ASSAY_TASKS_PATCH_GNU_READ_H
#define ASSAY_TASKS_PATCH_GNU_READ_H

#include "tasks/patch_gnu.h"
#include "tasks/patch_read.h"

struct gnu_reader {
    struct patch_reader base; // lines, at, arena, err
    size_t indent;            // columns before the first "@@", taken off every line of the hunks
    bool strip_cr;            // the last header line ended in CR LF
};

// Is there no whole line left? A last one without a newline counts for "\ No newline" alone.
bool gnu_at_end(const struct gnu_reader *reader);

// The next line of a hunk, as it counts: no comment, without indent and CR. False at the end.
bool gnu_next_line(struct gnu_reader *reader, struct assay_bytes *line);

// The next hunk; *found is false when none begins at the next line, which is then left alone.
ASSAY_MUST_USE enum assay_status gnu_hunk_read(
        struct gnu_reader *reader, struct assay_patch_hunk *hunk, bool *found);

#endif
