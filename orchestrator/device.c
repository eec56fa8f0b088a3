// SPDX-License-Identifier: MIT
#include "orchestrator/device.h"

#include <string.h>

#include "kernels/gpu.h"

enum assay_status assay_device_find(
        const struct assay_ops **out, const char *name, struct assay_error *err)
{
    enum assay_status status;

    if (!name || !*name || strcmp(name, "cpu") == 0) {
        *out = assay_ops_cpu(NULL);
        return ASSAY_OK;
    }
    if (strcmp(name, "cuda") != 0 && strcmp(name, "cuda-f32") != 0)
        return assay_fail(err, ASSAY_EUSAGE, "device: \"%.40s\" is not " ASSAY_DEVICE_NAMES, name);
    status = assay_ops_cuda(
            out, strcmp(name, "cuda") == 0 ? ASSAY_DTYPE_BF16 : ASSAY_DTYPE_F32, err);
    if (status != ASSAY_OK && err)
        (void)assay_wrap(err, "device %s", name);
    return status;
}

bool assay_device_is_exact(const struct assay_ops *ops)
{
    return strncmp(ops->name, "cuda", 4) != 0;
}
