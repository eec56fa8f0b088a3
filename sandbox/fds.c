// SPDX-License-Identifier: MIT
#include "sandbox/fds.h"

#include <stdlib.h>

#include "sandbox/sys.h"

static int compare_fds(const void *a, const void *b)
{
    const int left = *(const int *)a;
    const int right = *(const int *)b;

    return (left > right) - (left < right);
}

bool assay_fds_keep_only(int *fds, size_t count, struct assay_fault *fault)
{
    unsigned next = 0;

    qsort(fds, count, sizeof(*fds), compare_fds);
    for (size_t i = 0; i < count; i++) {
        if (fds[i] < 0 || (unsigned)fds[i] < next)
            continue;
        if ((unsigned)fds[i] > next && sys_close_range(next, (unsigned)fds[i] - 1, 0) < 0)
            return assay_fault_set(fault, "close descriptors");
        next = (unsigned)fds[i] + 1;
    }
    return sys_close_range(next, ~0U, 0) == 0 || assay_fault_set(fault, "close descriptors");
}
