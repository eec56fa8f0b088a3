// SPDX-License-Identifier: MIT
// device.h - which filling of the kernels a command works with, by the name a user gives.
#ifndef ASSAY_ORCHESTRATOR_DEVICE_H
#define ASSAY_ORCHESTRATOR_DEVICE_H

#include <stdbool.h>

#include "kernels/ops.h"

#define ASSAY_DEVICE_NAMES "cpu, cuda (bf16) or cuda-f32"

// NULL or "": cpu. Errors: ASSAY_EUSAGE (no such name), ASSAY_ENOTFOUND (no GPU, or no library).
ASSAY_MUST_USE enum assay_status assay_device_find(
        const struct assay_ops **out, const char *name, struct assay_error *err);

// Does the filling promise that sampler and trainer agree in every bit?
bool assay_device_is_exact(const struct assay_ops *ops);

#endif
