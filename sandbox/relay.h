// SPDX-License-Identifier: MIT
// relay.h - bytes on their way to a descriptor that may not want them yet.
//
// For streams that pass through: the box has pipes (or a terminal of its own),
// the caller has whatever it has, and these bytes are carried between the two. A
// relay holds one piece; nobody reads the next one before it is gone, so a slow
// sink slows the writer down, as one pipe would.
#ifndef ASSAY_SANDBOX_RELAY_H
#define ASSAY_SANDBOX_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define ASSAY_RELAY_BYTES 65536

struct assay_relay {
    char *bytes;    // owned; ASSAY_RELAY_BYTES; NULL: not in use
    size_t at, len; // bytes[at..len) wait
    int sink_fd;    // borrowed
    int sys_errno;  // why the sink takes no more; 0: it does
};

ASSAY_MUST_USE enum assay_status assay_relay_open(
        struct assay_relay *relay, int sink_fd, struct assay_error *err);
bool assay_relay_waits(const struct assay_relay *relay);
// Read one piece from `source_fd` when nothing waits: what read() says.
long assay_relay_read(struct assay_relay *relay, int source_fd);
// Write what the sink takes now. The sink may be a blocking descriptor, of which
// other processes have copies: it is left as it is, and not waited for.
void assay_relay_flush(struct assay_relay *relay);
void assay_relay_free(struct assay_relay *relay);

#endif
