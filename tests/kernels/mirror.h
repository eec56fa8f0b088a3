// SPDX-License-Identifier: MIT
// mirror.h - a table of a GPU as if its memory were the host's: for tests that write to tensors.
//
// Every tensor has two places. An operation gets the device's: each pointer in its arguments that
// lies in a tensor is exchanged, the tensor goes up before, and comes back after. One table at a
// time.
#ifndef ASSAY_TESTS_KERNELS_MIRROR_H
#define ASSAY_TESTS_KERNELS_MIRROR_H

#include "kernels/ops.h"

const struct assay_ops *mirror_of(const struct assay_ops *real);

#endif
