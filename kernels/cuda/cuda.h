// SPDX-License-Identifier: MIT
// cuda.h - the cuda filling, inside: its stream, its element types, what its files share.
//
// Compiled once for A = W = float ("cuda-f32") and once for A = W = bf16 ("cuda"); S is float. A
// file holds one topic: kernels first, then the operations that launch them, then their instances
// (CUDA_OP_BOTH). Rows are independent and every sum has a fixed order, so results repeat bit for
// bit; unlike the cpu filling, a product of few rows (decoding) and one of many take different
// kernels, whose sums differ by rounding.
#ifndef ASSAY_KERNELS_CUDA_CUDA_H
#define ASSAY_KERNELS_CUDA_CUDA_H

#include <assert.h>
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>

extern "C" {
#include "kernels/ops.h"
}

typedef __nv_bfloat16 bf16;

// One queue of work on one GPU.
struct assay_stream {
    cudaStream_t queue;
    cublasLtHandle_t blas;
    void *workspace; // of cuBLASLt
    void *scratch;   // of the operation at hand; grows
    size_t scratch_bytes;
    struct cuda_plans *plans;    // owned, matmul.cu
    struct assay_graphs *graphs; // owned, graph.cu
    bool follows; // work is being recorded on a GPU whose kernels may overlap (cuda_follow)
    struct assay_error failure;
};
#define CUDA_WORKSPACE_BYTES ((size_t)32 << 20)

// Keep the first failure, if `status` is one, for the next sync. True: it was none.
bool cuda_keep(struct assay_stream *stream, cudaError_t status, const char *what);
// After a launch.
static inline bool cuda_launched(struct assay_stream *stream, const char *what)
{
    return cuda_keep(stream, cudaGetLastError(), what);
}

// Device memory of at least `bytes` until the stream's next operation; NULL with the failure kept.
void *cuda_scratch(struct assay_stream *stream, size_t bytes);
// Room for an array within scratch: advances *at, aligned; base NULL only counts.
template <class T> T *cuda_take(char *base, size_t *at, size_t count)
{
    T *const taken = (T *)(base + *at);

    *at += (count * sizeof(T) + 255) / 256 * 256;
    return taken;
}

// A kernel of recorded work may be brought to the chip while the one before it still runs, which
// hides most of the gap between two small ones. Such a kernel calls cuda_depend() before it touches
// what another has written or reads; weights, which nothing recorded writes, it may fetch before.
__device__ __forceinline__ void cuda_depend(void)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;\ngriddepcontrol.wait;" ::: "memory");
#endif
}

static constexpr size_t CUDA_FOLLOWERS_MAX = 528; // blocks: those that wait take room from others

// Launch a kernel that calls cuda_depend().
template <class... P, class... V>
static void cuda_follow(struct assay_stream *stream, void (*kernel)(P...), dim3 blocks,
        dim3 threads, size_t shared_bytes, const V &...values)
{
    cudaLaunchAttribute early = {};
    cudaLaunchConfig_t config = {};

    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    config.gridDim = blocks;
    config.blockDim = threads;
    config.dynamicSmemBytes = shared_bytes;
    config.stream = stream->queue;
    config.attrs = &early;
    config.numAttrs =
            stream->follows && (size_t)blocks.x * blocks.y * blocks.z <= CUDA_FOLLOWERS_MAX ? 1 : 0;
    (void)cuda_keep(
            stream, cudaLaunchKernelEx(&config, kernel, static_cast<P>(values)...), "kernel");
}

static inline unsigned cuda_blocks(size_t count, size_t each)
{
    return (unsigned)((count + each - 1) / each);
}

template <class A> constexpr enum assay_dtype cuda_dtype()
{
    return sizeof(A) == 2 ? ASSAY_DTYPE_BF16 : ASSAY_DTYPE_F32;
}

static inline size_t cuda_dtype_bytes(enum assay_dtype dtype)
{
    return dtype == ASSAY_DTYPE_BF16 ? 2 : 4;
}

// --- elements -----------------------------------------------------------------------------------

__host__ __device__ inline float number(float x)
{
    return x;
}
__host__ __device__ inline float number(bf16 x)
{
    return __bfloat162float(x);
}
template <class A> __device__ inline A rounded(float x);
template <> __device__ inline float rounded<float>(float x)
{
    return x;
}
template <> __device__ inline bf16 rounded<bf16>(float x)
{
    return __float2bfloat16_rn(x);
}

// N elements that are loaded and stored as one.
template <class A, int N> struct alignas(sizeof(A) * N) pack {
    A at[N];
};
template <class A> __host__ __device__ constexpr int pack_count()
{
    return 16 / (int)sizeof(A);
}
static inline bool cuda_aligned(const void *pointer, size_t bytes)
{
    return (uintptr_t)pointer % bytes == 0;
}

// --- spans --------------------------------------------------------------------------------------

__device__ inline const struct assay_span *span_of(const struct assay_span *span, size_t position)
{
    while (position < span->position && span->up > 0)
        span -= span->up;
    return span;
}

// --- sums over a warp and a block, in one order -------------------------------------------------

template <class T> __device__ inline T warp_sum(T x)
{
    for (int offset = 16; offset > 0; offset /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, offset);
    return x;
}
__device__ inline float warp_max(float x)
{
    for (int offset = 16; offset > 0; offset /= 2)
        x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, offset));
    return x;
}
// All threads of a block of at most 1024 call it and have the result; `room` is shared, [32].
template <class T> __device__ inline T block_sum(T x, T *room)
{
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;

    x = warp_sum(x);
    __syncthreads();
    if (lane == 0)
        room[warp] = x;
    __syncthreads();
    T sum = 0;
    for (unsigned i = 0; i < warps; i++)
        sum += room[i];
    return sum;
}
__device__ inline float block_max(float x, float *room)
{
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;

    x = warp_max(x);
    __syncthreads();
    if (lane == 0)
        room[warp] = x;
    __syncthreads();
    float top = room[0];
    for (unsigned i = 1; i < warps; i++)
        top = fmaxf(top, room[i]);
    return top;
}

// --- shared between files -----------------------------------------------------------------------

// out (+)= a b over the two strides of each: out[m, n] = sum_k a[m am + k ak] b[n bn + k bk]. Any
// shape and alignment; matmul_plain.cu.
struct cuda_product {
    size_t M, N, K;
    const void *a, *b;
    size_t am, ak, bn, bk;
    void *out; // [M, N]
    bool accumulate;
    // By expert: rows [offset[e], offset[e + 1]) are M's (weights == false) or K's (true) of expert
    // e, whose b (false) or out (true) lies e * expert_step elements on. NULL: no experts.
    const int32_t *offset;
    size_t experts, expert_step;
    bool weights;
};
template <class A, class O>
void cuda_product_plain(const struct cuda_product *product, struct assay_stream *stream);

// A product through cuBLASLt.
struct cuda_gemm {
    // Column-major, as the library has it: out [m, n] = a' b', ld each.
    size_t m, n, k;
    bool transpose_a, transpose_b;
    const void *a, *b;
    void *out;
    size_t lda, ldb, ldo;
    enum assay_dtype in, to;
    bool accumulate;
    bool split; // terms may be summed in pieces: gradients of weights, which follow the batch
                // anyway
};
// False: it has no way for this shape or alignment (nothing was queued).
bool cuda_gemm(const struct cuda_gemm *gemm, struct assay_stream *stream);

// order [count]: positions 0.. sorted by key, equal keys in rising order; sorted [count]: the keys
// so. All device; keys in [0, end). Uses no scratch but `room`, of cuda_sort_bytes().
size_t cuda_sort_bytes(size_t count);
void cuda_sort(int32_t *order, int32_t *sorted, const int32_t *keys, size_t count, int32_t end,
        void *room, struct assay_stream *stream);

// One scan of lightning attention: out_i = sum_{j <= i} lambda^(i-j) (q_i.k_j) v_j plus what the
// state brings, forward in time or backward; lightning.cu.
struct cuda_scan {
    void *out;
    const void *q, *k, *v;
    size_t out_row, out_head, q_row, q_head, k_row, k_head, v_row, v_head; // elements
    const float *state_in; // [slots, H, D, D], read [k, v]; `turned`: stored [v, k]. NULL: zero
    float *state_out;      // NULL: not kept; never turned
    bool turned, reverse;
    const float *slope;
    const struct assay_span *spans;
    size_t B, rows_max, H, D;
};
// For bf16, D of 64 or 128 and 16-byte rows: tensor cores. False: not for this one.
bool cuda_lightning_hopper(const struct cuda_scan *scan, struct assay_stream *stream);

// delta [T, H] = dout . out.
template <class A>
void cuda_attention_delta(
        float *delta, const struct assay_attention_args *args, struct assay_stream *stream);
// bf16, D of 64, 96 or 128. False: not for this one.
bool cuda_attention_tiles(const struct assay_attention_args *args, struct assay_stream *stream);
bool cuda_attention_tiles_backward(
        const struct assay_attention_args *args, struct assay_stream *stream);
// Of one query for each sequence, against pages; likewise.
bool cuda_attention_decode(const struct assay_attention_args *args, struct assay_stream *stream);

// --- the table ----------------------------------------------------------------------------------

#define CUDA_OP(name, type)                                                                        \
    template <class A>                                                                             \
    void cuda_##name(const struct assay_##type##_args *args, struct assay_stream *stream)
#define CUDA_OP_BOTH(name, type)                                                                   \
    template void cuda_##name<float>(                                                              \
            const struct assay_##type##_args *args, struct assay_stream *stream);                  \
    template void cuda_##name<bf16>(                                                               \
            const struct assay_##type##_args *args, struct assay_stream *stream)

CUDA_OP(embedding_forward, embedding);
CUDA_OP(embedding_backward, embedding);
CUDA_OP(rmsnorm_forward, rmsnorm);
CUDA_OP(rmsnorm_backward, rmsnorm);
CUDA_OP(matmul_forward, matmul);
CUDA_OP(matmul_wide, matmul);
CUDA_OP(matmul_backward_input, matmul);
CUDA_OP(matmul_backward_weight, matmul);
CUDA_OP(matmul_grouped_forward, matmul_grouped);
CUDA_OP(matmul_grouped_backward_input, matmul_grouped);
CUDA_OP(matmul_grouped_backward_weight, matmul_grouped);
CUDA_OP(rope_table, rope_table);
CUDA_OP(rope_forward, rope);
CUDA_OP(rope_backward, rope);
CUDA_OP(attention_forward, attention);
CUDA_OP(attention_backward, attention);
CUDA_OP(kv_write, kv_write);
CUDA_OP(lightning_forward, lightning);
CUDA_OP(lightning_backward, lightning);
CUDA_OP(gate_forward, gate);
CUDA_OP(gate_backward, gate);
CUDA_OP(silu_forward, silu);
CUDA_OP(silu_backward, silu);
CUDA_OP(swiglu_forward, swiglu);
CUDA_OP(swiglu_backward, swiglu);
CUDA_OP(scale_add, scale_add);
CUDA_OP(router_forward, router);
CUDA_OP(router_backward, router);
CUDA_OP(router_load, router_aux);
CUDA_OP(router_aux, router_aux);
CUDA_OP(moe_plan, moe_plan);
CUDA_OP(moe_gather_forward, moe_route);
CUDA_OP(moe_gather_backward, moe_route);
CUDA_OP(moe_combine_forward, moe_route);
CUDA_OP(moe_combine_backward, moe_route);
CUDA_OP(logprob_forward, logprob);
CUDA_OP(logprob_backward, logprob);
CUDA_OP(logprob_of_logits, logprob);
CUDA_OP(draw, draw);
CUDA_OP(loss, loss);
CUDA_OP(sumsq, sumsq);
CUDA_OP(clip, clip);
CUDA_OP(adamw, adamw);

#endif
