// SPDX-License-Identifier: MIT
#include "kernels/gpu.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libassay_cuda.so"

// The library's doors (kernels/cuda/table.cu).
struct doors {
    const struct assay_ops *(*ops)(enum assay_dtype activation, size_t ops_bytes);
    int (*count)(void);
    const struct assay_bulk *(*bulk)(void);
    enum assay_status (*describe)(struct assay_gpu *out, int index, struct assay_error *err);
};

static void *open_beside(const char *between)
{
    char path[PATH_MAX], library[PATH_MAX + 64];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *slash;

    if (length <= 0)
        return NULL;
    path[length] = '\0';
    slash = strrchr(path, '/');
    if (!slash)
        return NULL;
    *slash = '\0';
    (void)snprintf(library, sizeof(library), "%s/%s" LIBRARY, path, between);
    return dlopen(library, RTLD_NOW | RTLD_LOCAL);
}

static void *open_library(void)
{
    const char *given = getenv("ASSAY_CUDA_LIBRARY"); // NOLINT(concurrency-mt-unsafe): none sets it
    void *library;

    if (given && *given)
        return dlopen(given, RTLD_NOW | RTLD_LOCAL);
    library = open_beside("");
    if (!library)
        library = open_beside("../");
    return library ? library : dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
}

// A pointer to a function, from dlsym's to data.
static bool find(void *library, const char *name, void *function)
{
    void *const symbol = dlsym(library, name);

    memcpy(function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

// The loader counts how often it was opened, and gives the same handle: nothing is kept here.
static enum assay_status open_doors(struct doors *out, struct assay_error *err)
{
    void *library = open_library();

    if (!library) // NOLINTNEXTLINE(concurrency-mt-unsafe): glibc keeps it for each thread
        return assay_fail(err, ASSAY_ENOTFOUND, "no " LIBRARY ": %s", dlerror());
    if (!find(library, "assay_cuda_ops", &out->ops) ||
            !find(library, "assay_cuda_count", &out->count) ||
            !find(library, "assay_cuda_bulk", &out->bulk) ||
            !find(library, "assay_cuda_describe", &out->describe))
        return assay_fail(err, ASSAY_EINVAL, LIBRARY " is not ours");
    return ASSAY_OK;
}

enum assay_status assay_ops_cuda(
        const struct assay_ops **out, enum assay_dtype activation, struct assay_error *err)
{
    const struct assay_ops *ops;
    struct doors doors;
    enum assay_status status = open_doors(&doors, err);

    if (status != ASSAY_OK)
        return status;
    if (doors.count() == 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "no GPU that the driver shows");
    ops = doors.ops(activation, sizeof(struct assay_ops));
    if (!ops)
        return assay_fail(err, ASSAY_EINVAL, LIBRARY " is of another build");
    *out = ops;
    return ASSAY_OK;
}

enum assay_status assay_gpu_bulk(const struct assay_bulk **out, struct assay_error *err)
{
    struct doors doors;
    enum assay_status status = open_doors(&doors, err);

    if (status == ASSAY_OK)
        *out = doors.bulk();
    return status;
}

int assay_gpu_count(void)
{
    struct doors doors;

    return open_doors(&doors, NULL) == ASSAY_OK ? doors.count() : 0;
}

enum assay_status assay_gpu_describe(struct assay_gpu *out, int index, struct assay_error *err)
{
    struct doors doors;
    enum assay_status status = open_doors(&doors, err);

    return status == ASSAY_OK ? doors.describe(out, index, err) : status;
}
