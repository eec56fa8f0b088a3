// SPDX-License-Identifier: MIT
// device.h - memory and streams of a GPU: the functions of struct assay_device.
#ifndef ASSAY_KERNELS_CUDA_DEVICE_H
#define ASSAY_KERNELS_CUDA_DEVICE_H

#include "kernels/cuda/cuda.h"

extern const struct assay_device cuda_device;

#endif
