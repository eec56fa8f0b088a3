// SPDX-License-Identifier: MIT
#include "kernels/cuda/device.h"

#include <stdlib.h>

#include "kernels/cuda/graph.h"
#include "kernels/cuda/plans.h"

bool cuda_keep(struct assay_stream *stream, cudaError_t status, const char *what)
{
    if (status != cudaSuccess && stream->failure.status == ASSAY_OK)
        (void)assay_fail(&stream->failure,
                status == cudaErrorMemoryAllocation ? ASSAY_ENOMEM : ASSAY_ECUDA, "%s: %s", what,
                cudaGetErrorString(status));
    return stream->failure.status == ASSAY_OK;
}

void *cuda_scratch(struct assay_stream *stream, size_t bytes)
{
    if (stream->failure.status != ASSAY_OK)
        return NULL;
    if (bytes <= stream->scratch_bytes)
        return stream->scratch;
    // What is queued, and graphs that were captured, may still use the old memory.
    cuda_graphs_forget(stream);
    if (!cuda_keep(stream, cudaStreamSynchronize(stream->queue), "scratch"))
        return NULL;
    (void)cudaFree(stream->scratch);
    stream->scratch = NULL;
    stream->scratch_bytes = 0;
    if (!cuda_keep(stream, cudaMalloc(&stream->scratch, bytes), "scratch"))
        return NULL;
    stream->scratch_bytes = bytes;
    return stream->scratch;
}

// --- streams ------------------------------------------------------------------------------------

static void stream_destroy(struct assay_stream *stream)
{
    if (!stream)
        return;
    if (stream->queue)
        (void)cudaStreamSynchronize(stream->queue);
    cuda_graphs_destroy(stream->graphs);
    cuda_plans_destroy(stream->plans);
    if (stream->blas)
        (void)cublasLtDestroy(stream->blas);
    (void)cudaFree(stream->scratch);
    (void)cudaFree(stream->workspace);
    if (stream->queue)
        (void)cudaStreamDestroy(stream->queue);
    free(stream);
}

static enum assay_status stream_create(struct assay_stream **out,
        const struct assay_stream_options *options, struct assay_error *err)
{
    struct assay_stream *stream = (struct assay_stream *)calloc(1, sizeof(*stream));
    enum assay_status status = ASSAY_OK;

    if (!stream)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (cuda_keep(stream, cudaSetDevice(options->device_index), "device") &&
            cuda_keep(stream, cudaStreamCreateWithFlags(&stream->queue, cudaStreamNonBlocking),
                    "stream") &&
            cuda_keep(stream, cudaMalloc(&stream->workspace, CUDA_WORKSPACE_BYTES), "workspace") &&
            cublasLtCreate(&stream->blas) != CUBLAS_STATUS_SUCCESS)
        (void)assay_fail(&stream->failure, ASSAY_ECUDA, "cuBLASLt does not start");
    stream->plans = cuda_plans_create();
    stream->graphs = cuda_graphs_create();
    if (stream->failure.status == ASSAY_OK && (!stream->plans || !stream->graphs))
        (void)assay_fail(&stream->failure, ASSAY_ENOMEM, "out of memory");
    status = stream->failure.status;
    if (status == ASSAY_OK) {
        *out = stream;
    } else {
        if (err)
            *err = stream->failure;
        stream_destroy(stream);
    }
    return status;
}

static enum assay_status sync(struct assay_stream *stream, struct assay_error *err)
{
    struct assay_error failure;

    (void)cuda_keep(stream, cudaStreamSynchronize(stream->queue), "queued work");
    failure = stream->failure;
    stream->failure.status = ASSAY_OK;
    if (failure.status != ASSAY_OK && err)
        *err = failure;
    return failure.status;
}

// --- memory -------------------------------------------------------------------------------------

static enum assay_status alloc(void **out, size_t bytes, struct assay_error *err)
{
    const size_t wanted = bytes > 0 ? bytes : 1;
    void *memory = NULL;
    cudaError_t status = cudaMalloc(&memory, wanted);

    // The zeros are there before any stream looks: those do not wait for this one.
    if (status == cudaSuccess)
        status = cudaMemset(memory, 0, wanted);
    if (status == cudaSuccess)
        status = cudaStreamSynchronize(0);
    if (status != cudaSuccess) {
        (void)cudaFree(memory);
        (void)cudaGetLastError(); // it would come out again at the next launch
        return assay_fail(err, status == cudaErrorMemoryAllocation ? ASSAY_ENOMEM : ASSAY_ECUDA,
                "%zu bytes of device memory: %s", bytes, cudaGetErrorString(status));
    }
    *out = memory;
    return ASSAY_OK;
}

static void release(void *memory)
{
    (void)cudaFree(memory);
}

static void move(struct assay_stream *stream, void *to, const void *from, size_t bytes,
        enum cudaMemcpyKind kind)
{
    if (bytes > 0)
        (void)cuda_keep(stream, cudaMemcpyAsync(to, from, bytes, kind, stream->queue), "copy");
}

static void upload(struct assay_stream *stream, void *to, const void *host, size_t bytes)
{
    move(stream, to, host, bytes, cudaMemcpyHostToDevice);
}

static void download(struct assay_stream *stream, void *host, const void *from, size_t bytes)
{
    move(stream, host, from, bytes, cudaMemcpyDeviceToHost);
}

static void copy(struct assay_stream *stream, void *to, const void *from, size_t bytes)
{
    move(stream, to, from, bytes, cudaMemcpyDeviceToDevice);
}

static void zero(struct assay_stream *stream, void *memory, size_t bytes)
{
    if (bytes > 0)
        (void)cuda_keep(stream, cudaMemsetAsync(memory, 0, bytes, stream->queue), "zero");
}

const struct assay_device cuda_device = {
        .stream_create = stream_create,
        .stream_destroy = stream_destroy,
        .sync = sync,
        .alloc = alloc,
        .release = release,
        .upload = upload,
        .download = download,
        .copy = copy,
        .zero = zero,
        .graph_begin = cuda_graph_begin,
        .graph_end = cuda_graph_end,
        .graph_forget = cuda_graphs_forget,
};
