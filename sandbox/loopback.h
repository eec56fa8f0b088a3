// SPDX-License-Identifier: MIT
// loopback.h - what there is of a network in a box: its own loopback, and perhaps one door in it.
#ifndef ASSAY_SANDBOX_LOOPBACK_H
#define ASSAY_SANDBOX_LOOPBACK_H

#include <stdbool.h>

#include "sandbox/fault.h"

// Bring `lo` of this network namespace up.
bool assay_loopback_raise(struct assay_fault *fault);

// Listen on 127.0.0.1 at ASSAY_PROXY_PORT of this network namespace. A socket belongs
// to the namespace that it was made in: whoever accepts from *fd, wherever it
// lives, hears the box. Close-on-exec.
bool assay_loopback_listen(int *fd, struct assay_fault *fault);

#endif
