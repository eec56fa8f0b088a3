// SPDX-License-Identifier: MIT
// profile.h - where the time goes: a table that waits before and after every operation.
#ifndef ASSAY_BENCH_GPU_PROFILE_H
#define ASSAY_BENCH_GPU_PROFILE_H

#include "kernels/ops.h"

// One table at a time; without graphs, which would hide the operations.
const struct assay_ops *profile_of(const struct assay_ops *real);
// Operations by their time since the last call, the longest first; then all is 0 again.
void profile_print(void);

#endif
