// SPDX-License-Identifier: MIT
// handoff.h - what a caller gives away to get a box: memory files, pipes, the request itself.
#ifndef ASSAY_SANDBOX_HANDOFF_H
#define ASSAY_SANDBOX_HANDOFF_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/box.h"
#include "sandbox/wire.h"

// A sealed memory file with these bytes, positioned at its start; -1 with errno.
int assay_handoff_memory_file(const char *name, const char *bytes, size_t len);
// The packed plan as a memory file.
ASSAY_MUST_USE enum assay_status assay_handoff_plan(
        int *fd_out, const struct assay_box_plan *plan, struct assay_error *err);
// Only our end, ends[0], does not block: programs expect the other to.
ASSAY_MUST_USE enum assay_status assay_handoff_pipe(int ends[2], struct assay_error *err);
// Ask the spawner for a box of this sort (kind and version are set here). The descriptors
// (wire.h tells their order) stay the caller's.
ASSAY_MUST_USE enum assay_status assay_handoff_request(struct assay_sandbox *sandbox,
        const struct assay_wire_run *sort, const int *fds, size_t fd_count,
        struct assay_error *err);

// What the spawner sent with a result; every descriptor is put away. *out_dir_fd is untouched when
// there is none.
void assay_handoff_take_result(const struct assay_wire_result *record, const int *fds,
        size_t fd_count, int *out_dir_fd, struct assay_parts *parts);
// The snapshot of a box that has ended: *draft is handed over to *out. *out is NULL when the box
// never ran. ASSAY_EIO: it did, and the spawner could not keep it.
ASSAY_MUST_USE enum assay_status assay_handoff_snapshot(struct assay_snapshot **out,
        struct assay_snapshot **draft, const struct assay_wire_result *record,
        struct assay_parts *parts, struct assay_error *err);

#endif
