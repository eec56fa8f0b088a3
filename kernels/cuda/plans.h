// SPDX-License-Identifier: MIT
// plans.h - the algorithms that cuBLASLt was asked for, kept: one for each kind of product.
#ifndef ASSAY_KERNELS_CUDA_PLANS_H
#define ASSAY_KERNELS_CUDA_PLANS_H

struct cuda_plans *cuda_plans_create(void);        // NULL: out of memory
void cuda_plans_destroy(struct cuda_plans *plans); // NULL is allowed

#endif
