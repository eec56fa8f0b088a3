// SPDX-License-Identifier: MIT
// fds.h - shed what a fork brought along: other boxes' sockets among it, whose closing must mean
// something.
#ifndef ASSAY_SANDBOX_FDS_H
#define ASSAY_SANDBOX_FDS_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/fault.h"

// Close every descriptor but these; -1 is none. Sorts fds.
bool assay_fds_keep_only(int *fds, size_t count, struct assay_fault *fault);

#endif
