// SPDX-License-Identifier: MIT
// matmul.cu - linear layers: few rows by our own kernel, which reads each weight once; many by
// cuBLASLt, whose algorithm for a kind of product is asked for once, so that it does not change
// from call to call, and without split-K but for gradients of weights; odd shapes by
// matmul_plain.cu.
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/plans.h"

// --- few rows -----------------------------------------------------------------------------------

enum { FEW_ROWS = 8, FEW_THREADS = 128, FEW_TOGETHER = 4, AHEAD = 4 };

// Products of as many rows, side by side: the first `outputs[i]` outputs are those of products up
// to i.
struct few {
    struct assay_matmul_args at[FEW_TOGETHER];
    size_t outputs[FEW_TOGETHER];
};

// A lane's next packs of a row of w, from k on.
template <class A, int N>
__device__ __forceinline__ void fetch_ahead(
        pack<A, N> (&out)[AHEAD], const A *w, size_t k, size_t K)
{
#pragma unroll
    for (int p = 0; p < AHEAD; p++)
        if (k + (size_t)p * 32 * N < K)
            out[p] = *(const pack<A, N> *)(w + k + (size_t)p * 32 * N);
}

// A warp makes outputs n of all M rows: it reads row n of w once, x from the first-level cache.
template <class A, class O, int M> static __global__ void few_kernel(const struct few few)
{
    constexpr int N = pack_count<A>();
    const size_t all = ((size_t)blockIdx.x * FEW_THREADS + threadIdx.x) / 32;
    const unsigned lane = threadIdx.x % 32;
    int which = 0;
    float sum[M] = {};

    while (which < FEW_TOGETHER && all >= few.outputs[which])
        which++;
    if (which == FEW_TOGETHER)
        return;
    const struct assay_matmul_args &a = few.at[which];
    const size_t n = which > 0 ? all - few.outputs[which - 1] : all;
    const A *w = (const A *)a.w + n * a.K, *x = (const A *)a.x;
    pack<A, N> now[AHEAD], next[AHEAD];
    fetch_ahead<A, N>(now, w, lane * N, a.K);
    cuda_depend();
    for (size_t first = lane * N; first < a.K; first += AHEAD * 32 * N) {
        fetch_ahead<A, N>(next, w, first + AHEAD * 32 * N, a.K);
#pragma unroll
        for (int p = 0; p < AHEAD; p++) {
            const size_t k = first + (size_t)p * 32 * N;

            if (k >= a.K)
                break;
#pragma unroll
            for (int m = 0; m < M; m++) {
                const pack<A, N> xs = *(const pack<A, N> *)(x + (size_t)m * a.K + k);

#pragma unroll
                for (int i = 0; i < N; i++)
                    sum[m] += number(xs.at[i]) * number(now[p].at[i]);
            }
        }
#pragma unroll
        for (int p = 0; p < AHEAD; p++)
            now[p] = next[p];
    }
#pragma unroll
    for (int m = 0; m < M; m++) {
        const float one = warp_sum(sum[m]);
        O *y = (O *)a.y + (size_t)m * a.N + n;

        if (lane == 0)
            *y = rounded<O>(a.accumulate ? number(*y) + one : one);
    }
}

template <class A, class O, int M>
static void launch_few(const struct few &few, size_t rows, struct assay_stream *stream)
{
    if constexpr (M <= FEW_ROWS) {
        if (rows != M) {
            launch_few<A, O, M + 1>(few, rows, stream);
            return;
        }
        cuda_follow(stream, few_kernel<A, O, M>,
                cuda_blocks(few.outputs[FEW_TOGETHER - 1] * 32, FEW_THREADS), FEW_THREADS, 0, few);
        cuda_launched(stream, "matmul of few rows");
    }
}

template <class A> static bool is_few(const struct assay_matmul_args *a)
{
    return a->M > 0 && a->M <= FEW_ROWS && a->K % pack_count<A>() == 0 && cuda_aligned(a->x, 16) &&
            cuda_aligned(a->w, 16);
}

// As many of the products from `a` on as go together; the first that is left.
template <class A, class O>
static const struct assay_matmul_args *run_few(
        const struct assay_matmul_args *a, struct assay_stream *stream)
{
    const size_t rows = a->M;
    struct few few = {};
    size_t outputs = 0;
    int count = 0;

    for (; a && count < FEW_TOGETHER && a->M == rows && is_few<A>(a); a = a->beside) {
        few.at[count] = *a;
        few.outputs[count++] = outputs += a->N;
    }
    for (; count < FEW_TOGETHER; count++)
        few.outputs[count] = outputs;
    if (outputs > 0)
        launch_few<A, O, 1>(few, rows, stream);
    return a;
}

// --- cuBLASLt -----------------------------------------------------------------------------------

enum { PLANS_MAX = 1024, ALIGNED = 16 };

struct plan_key {
    size_t m, n, k, lda, ldb, ldo;
    int transpose_a, transpose_b, in, to, split;
};

struct plan {
    struct plan_key key;
    bool found;
    cublasLtMatmulAlgo_t algo;
};

struct cuda_plans {
    struct plan at[PLANS_MAX];
    size_t count, next;
};

struct cuda_plans *cuda_plans_create(void)
{
    return (struct cuda_plans *)calloc(1, sizeof(struct cuda_plans));
}

void cuda_plans_destroy(struct cuda_plans *plans)
{
    free(plans);
}

// The library's own descriptions of one product.
struct described {
    cublasLtMatmulDesc_t product;
    cublasLtMatrixLayout_t a, b, out;
};

static cudaDataType_t type_of(enum assay_dtype dtype)
{
    return dtype == ASSAY_DTYPE_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

static bool describe(struct described *d, const struct cuda_gemm *g)
{
    const cublasOperation_t a = g->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t b = g->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;

    return cublasLtMatmulDescCreate(&d->product, CUBLAS_COMPUTE_32F, CUDA_R_32F) ==
            CUBLAS_STATUS_SUCCESS &&
            cublasLtMatmulDescSetAttribute(d->product, CUBLASLT_MATMUL_DESC_TRANSA, &a,
                    sizeof(a)) == CUBLAS_STATUS_SUCCESS &&
            cublasLtMatmulDescSetAttribute(d->product, CUBLASLT_MATMUL_DESC_TRANSB, &b,
                    sizeof(b)) == CUBLAS_STATUS_SUCCESS &&
            cublasLtMatrixLayoutCreate(&d->a, type_of(g->in), g->transpose_a ? g->k : g->m,
                    g->transpose_a ? g->m : g->k, (int64_t)g->lda) == CUBLAS_STATUS_SUCCESS &&
            cublasLtMatrixLayoutCreate(&d->b, type_of(g->in), g->transpose_b ? g->n : g->k,
                    g->transpose_b ? g->k : g->n, (int64_t)g->ldb) == CUBLAS_STATUS_SUCCESS &&
            cublasLtMatrixLayoutCreate(&d->out, type_of(g->to), g->m, g->n, (int64_t)g->ldo) ==
            CUBLAS_STATUS_SUCCESS;
}

static void undescribe(struct described *d)
{
    if (d->out)
        (void)cublasLtMatrixLayoutDestroy(d->out);
    if (d->b)
        (void)cublasLtMatrixLayoutDestroy(d->b);
    if (d->a)
        (void)cublasLtMatrixLayoutDestroy(d->a);
    if (d->product)
        (void)cublasLtMatmulDescDestroy(d->product);
}

// The library's first choice. Where K must stay whole, only algorithms that reduce nothing are
// asked for: among those that come first for a tall product there may be none.
static void ask(
        struct plan *plan, const struct described *d, bool split, struct assay_stream *stream)
{
    cublasLtMatmulHeuristicResult_t choice;
    cublasLtMatmulPreference_t wish = NULL;
    const size_t workspace = CUDA_WORKSPACE_BYTES;
    const uint32_t aligned = ALIGNED, whole = CUBLASLT_REDUCTION_SCHEME_NONE;
    int count = 0;

    if (cublasLtMatmulPreferenceCreate(&wish) != CUBLAS_STATUS_SUCCESS)
        return;
    (void)cublasLtMatmulPreferenceSetAttribute(
            wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof(workspace));
    if (!split)
        (void)cublasLtMatmulPreferenceSetAttribute(
                wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &whole, sizeof(whole));
    static const cublasLtMatmulPreferenceAttributes_t alignments[] = {
            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    for (size_t i = 0; i < 4; i++)
        (void)cublasLtMatmulPreferenceSetAttribute(wish, alignments[i], &aligned, sizeof(aligned));
    if (cublasLtMatmulAlgoGetHeuristic(stream->blas, d->product, d->a, d->b, d->out, d->out, wish,
                1, &choice, &count) == CUBLAS_STATUS_SUCCESS &&
            count == 1 && choice.state == CUBLAS_STATUS_SUCCESS) {
        plan->algo = choice.algo;
        plan->found = true;
    }
    (void)cublasLtMatmulPreferenceDestroy(wish);
}

static const struct plan *plan_of(
        const struct cuda_gemm *g, const struct described *d, struct assay_stream *stream)
{
    struct cuda_plans *plans = stream->plans;
    struct plan_key key;
    struct plan *plan;

    memset(&key, 0, sizeof(key)); // padding, too: keys are compared as bytes
    key.m = g->m;
    key.n = g->n;
    key.k = g->k;
    key.lda = g->lda;
    key.ldb = g->ldb;
    key.ldo = g->ldo;
    key.transpose_a = g->transpose_a;
    key.transpose_b = g->transpose_b;
    key.in = g->in;
    key.to = g->to;
    key.split = g->split;
    for (size_t i = 0; i < plans->count; i++)
        if (memcmp(&plans->at[i].key, &key, sizeof(key)) == 0)
            return &plans->at[i];
    if (plans->count < PLANS_MAX) {
        plan = &plans->at[plans->count++];
    } else {
        plan = &plans->at[plans->next];
        plans->next = (plans->next + 1) % PLANS_MAX;
    }
    memset(plan, 0, sizeof(*plan));
    plan->key = key;
    ask(plan, d, g->split, stream);
    return plan;
}

bool cuda_gemm(const struct cuda_gemm *g, struct assay_stream *stream)
{
    const size_t in = ALIGNED / cuda_dtype_bytes(g->in), to = ALIGNED / cuda_dtype_bytes(g->to);
    const float one = 1, beta = g->accumulate ? 1 : 0;
    struct described d = {};
    bool done = false;

    if (g->m == 0 || g->n == 0 || g->k == 0 || g->lda % in || g->ldb % in || g->ldo % to ||
            !cuda_aligned(g->a, ALIGNED) || !cuda_aligned(g->b, ALIGNED) ||
            !cuda_aligned(g->out, ALIGNED))
        return false;
    if (describe(&d, g)) {
        const struct plan *plan = plan_of(g, &d, stream);

        done = plan->found;
        if (done &&
                cublasLtMatmul(stream->blas, d.product, &one, g->a, d.a, g->b, d.b, &beta, g->out,
                        d.out, g->out, d.out, &plan->algo, stream->workspace, CUDA_WORKSPACE_BYTES,
                        stream->queue) != CUBLAS_STATUS_SUCCESS &&
                stream->failure.status == ASSAY_OK)
            (void)assay_fail(&stream->failure, ASSAY_ECUDA,
                    "cuBLASLt: a product of %zu x %zu x %zu", g->m, g->n, g->k);
    }
    undescribe(&d);
    return done;
}

// --- linear layers ------------------------------------------------------------------------------

// y^T = w x^T in the library's columns.
template <class A, class O>
static void forward(const struct assay_matmul_args *a, struct assay_stream *stream)
{
    const struct cuda_gemm gemm = {.m = a->N,
            .n = a->M,
            .k = a->K,
            .transpose_a = true,
            .a = a->w,
            .b = a->x,
            .out = a->y,
            .lda = a->K,
            .ldb = a->K,
            .ldo = a->N,
            .in = cuda_dtype<A>(),
            .to = cuda_dtype<O>(),
            .accumulate = a->accumulate};
    const struct cuda_product plain = {.M = a->M,
            .N = a->N,
            .K = a->K,
            .a = a->x,
            .b = a->w,
            .am = a->K,
            .ak = 1,
            .bn = a->K,
            .bk = 1,
            .out = a->y,
            .accumulate = a->accumulate};

    if (a->M == 0 || a->N == 0)
        return;
    if (!cuda_gemm(&gemm, stream))
        cuda_product_plain<A, O>(&plain, stream);
}

CUDA_OP(matmul_forward, matmul)
{
    for (const struct assay_matmul_args *a = args; a;) {
        if (is_few<A>(a)) {
            a = run_few<A, A>(a, stream);
        } else {
            forward<A, A>(a, stream);
            a = a->beside;
        }
    }
}

CUDA_OP(matmul_wide, matmul)
{
    if (is_few<A>(args))
        (void)run_few<A, float>(args, stream);
    else
        forward<A, float>(args, stream);
}

CUDA_OP(matmul_backward_input, matmul)
{
    const struct cuda_gemm gemm = {.m = args->K,
            .n = args->M,
            .k = args->N,
            .a = args->w,
            .b = args->dy,
            .out = args->dx,
            .lda = args->K,
            .ldb = args->N,
            .ldo = args->K,
            .in = cuda_dtype<A>(),
            .to = cuda_dtype<A>(),
            .accumulate = args->accumulate};
    const struct cuda_product plain = {.M = args->M,
            .N = args->K,
            .K = args->N,
            .a = args->dy,
            .b = args->w,
            .am = args->N,
            .ak = 1,
            .bn = 1,
            .bk = args->K,
            .out = args->dx,
            .accumulate = args->accumulate};

    if (!cuda_gemm(&gemm, stream))
        cuda_product_plain<A, A>(&plain, stream);
}

CUDA_OP(matmul_backward_weight, matmul)
{
    const struct cuda_gemm gemm = {.m = args->K,
            .n = args->N,
            .k = args->M,
            .transpose_b = true,
            .a = args->x,
            .b = args->dy,
            .out = args->dw,
            .lda = args->K,
            .ldb = args->N,
            .ldo = args->K,
            .in = cuda_dtype<A>(),
            .to = ASSAY_DTYPE_F32,
            .accumulate = true,
            .split = true};
    const struct cuda_product plain = {.M = args->N,
            .N = args->K,
            .K = args->M,
            .a = args->dy,
            .b = args->x,
            .am = 1,
            .ak = args->N,
            .bn = 1,
            .bk = args->K,
            .out = args->dw,
            .accumulate = true};

    if (!cuda_gemm(&gemm, stream))
        cuda_product_plain<A, float>(&plain, stream);
}

CUDA_OP_BOTH(matmul_forward, matmul);
CUDA_OP_BOTH(matmul_wide, matmul);
CUDA_OP_BOTH(matmul_backward_input, matmul);
CUDA_OP_BOTH(matmul_backward_weight, matmul);

// --- by expert ----------------------------------------------------------------------------------

CUDA_OP(matmul_grouped_forward, matmul_grouped)
{
    const struct cuda_product plain = {.M = args->R,
            .N = args->N,
            .K = args->K,
            .a = args->x,
            .b = args->w,
            .am = args->K,
            .ak = 1,
            .bn = args->K,
            .bk = 1,
            .out = args->y,
            .accumulate = args->accumulate,
            .offset = args->offset,
            .experts = args->E,
            .expert_step = args->N * args->K};

    cuda_product_plain<A, A>(&plain, stream);
}

CUDA_OP(matmul_grouped_backward_input, matmul_grouped)
{
    const struct cuda_product plain = {.M = args->R,
            .N = args->K,
            .K = args->N,
            .a = args->dy,
            .b = args->w,
            .am = args->N,
            .ak = 1,
            .bn = 1,
            .bk = args->K,
            .out = args->dx,
            .accumulate = args->accumulate,
            .offset = args->offset,
            .experts = args->E,
            .expert_step = args->N * args->K};

    cuda_product_plain<A, A>(&plain, stream);
}

CUDA_OP(matmul_grouped_backward_weight, matmul_grouped)
{
    const struct cuda_product plain = {.M = args->N,
            .N = args->K,
            .K = args->R,
            .a = args->dy,
            .b = args->x,
            .am = 1,
            .ak = args->N,
            .bn = 1,
            .bk = args->K,
            .out = args->dw,
            .accumulate = true,
            .offset = args->offset,
            .experts = args->E,
            .expert_step = args->N * args->K,
            .weights = true};

    if (args->E > 0)
        cuda_product_plain<A, float>(&plain, stream);
}

CUDA_OP_BOTH(matmul_grouped_forward, matmul_grouped);
CUDA_OP_BOTH(matmul_grouped_backward_input, matmul_grouped);
CUDA_OP_BOTH(matmul_grouped_backward_weight, matmul_grouped);
