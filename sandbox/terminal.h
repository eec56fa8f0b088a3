// SPDX-License-Identifier: MIT
// terminal.h - a terminal of the box's own, for a payload that a person talks to.
//
// It comes from the box's /dev/pts, which no other box and no host process sees.
// The payload has the slave as its controlling terminal; the master goes out to
// assay, which carries bytes between it and the user's terminal. The user's
// terminal itself never enters the box: who holds one can type into it.
#ifndef ASSAY_SANDBOX_TERMINAL_H
#define ASSAY_SANDBOX_TERMINAL_H

#include <stdbool.h>

#include "sandbox/fault.h"

// In the init, inside the new root: send the master over `socket_fd`, give the slave.
bool assay_terminal_make(int *slave_fd, int socket_fd, struct assay_fault *fault);
// In the payload, after setsid(): descriptor 0 becomes the controlling terminal.
bool assay_terminal_take(struct assay_fault *fault);

#endif
