// SPDX-License-Identifier: MIT
// convert.h - host numbers to and from the element types of a device. Internal to this room.
#ifndef ASSAY_POLICY_CONVERT_H
#define ASSAY_POLICY_CONVERT_H

#include <stdint.h>

#include "kernels/device.h"

// Nearest, ties to even, for BF16.
void assay_convert_from_float(void *out, enum assay_dtype dtype, const float *in, uint64_t count);
void assay_convert_from_double(void *out, enum assay_dtype dtype, const double *in, uint64_t count);
void assay_convert_to_double(double *out, const void *in, enum assay_dtype dtype, uint64_t count);

#endif
