// SPDX-License-Identifier: MIT
// reach.h - files of a session's box for those outside: opened by the box's init, as the box's
// user.
#ifndef ASSAY_SANDBOX_REACH_H
#define ASSAY_SANDBOX_REACH_H

#include "sandbox/order.h"

// OPEN, STAT or WRITE (the bytes are in content_fd, a memory file). Every path is resolved below
// root_fd, without magic links; what is opened is a regular file or a directory, and not of
// procfs. Never blocks on what it finds. *fd_out is an OPEN's descriptor, owned; -1.
void assay_reach_obey(struct assay_order_done *done, int *fd_out,
        const struct assay_order_file *order, int root_fd, int proc_fd, int content_fd);

#endif
