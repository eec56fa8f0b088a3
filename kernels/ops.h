// SPDX-License-Identifier: MIT
// ops.h - every numerical operation of the project, as one table of functions.
//
// struct assay_ops has three fillings: `ref` (slow and obvious; float, or double for checking
// gradients), `cpu` (AVX-512, AVX2 or plain vectors, chosen at run time; threads) and, in
// libassay_cuda.so, `cuda`. policy/ takes a table and never asks which one it is.
//
// Memory. Tensors are row-major, dense unless a stride says otherwise, borrowed for the call, and
// live in memory of the table's device (device.alloc), index arrays and spans too. Outputs do not
// overlap inputs unless "may be" says so. Comments give [shape] and one of these element types:
//     A  activations and their gradients   ops->activation
//     W  weights                           ops->weight
//     S  sums, statistics, states, gradients of weights, optimizer: float (double in ref64)
// Counts of 0 are allowed everywhere and do nothing. NULL is allowed only where it is said.
//
// Streams. A call queues work on a stream and may return before it is done; work of one stream runs
// in order. Argument structs are copied by the call. The first failure (memory, a device error)
// sticks to the stream until device.sync() returns it; what was queued after it is undefined. Wrong
// shapes are a bug of the caller: assert.
//
// Gradients. `_backward` reads what the forward wrote. A gradient marked "+=" is added to (weights:
// they collect over micro-batches); the others are overwritten, or added to when `accumulate` is
// set.
//
// Order of sums. Within one filling on one host a row's result depends on nothing but its own
// inputs: not on the rows beside it, not on how a sequence is cut into calls (prefill, pieces of
// it, or one token at a time), not on the number of threads: bit for bit. Gradients of weights sum
// over rows in row order, so they depend on the batch, but not on threads. Two fillings differ by
// rounding. (cpu: the AVX2 and AVX-512 paths keep one order and agree bit for bit; the plain path
// has no fused multiply-add and does not. cuda: the same call gives the same bits, but few rows and
// many take different kernels, and lengths of calls may show: a row's result depends on them to
// rounding.)
//
// One-letter dimensions: B sequences, T rows (tokens of all sequences, one after another), C width,
// H heads, G key-value heads, D head width, V vocabulary, E experts, K experts a token, N x M as
// said.
#ifndef ASSAY_KERNELS_OPS_H
#define ASSAY_KERNELS_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "kernels/device.h"
#include "kernels/loss.h"

// One sequence's part of a packed batch: rows [row, row + row_count) are its tokens position,
// position + 1, ... `slot` is where its lightning state lives and its row of the page table.
//
// Sequences that begin alike may share their beginning, where nothing came before (no pages, no
// states): a span goes on from its parent, the span `up` places before it, at the position behind
// the parent's last; up 0: a sequence begins. Spans of such a tree stand side by side, each before
// its descendants and they before its next sibling.
struct assay_span {
    uint32_t row, row_count, position, slot, up;
};

// The span of `span`'s sequence that holds `position`, which is before span's end.
static inline const struct assay_span *assay_span_of(const struct assay_span *span, size_t position)
{
    while (position < span->position && span->up > 0)
        span -= span->up;
    return span;
}

// out[t] = table[ids[t]]; an id outside [0, V) is a bug.   backward: dtable[ids[t]] += dout[t]
struct assay_embedding_args {
    void *out;          // [T, C] A
    const void *table;  // [V, C] W
    const int32_t *ids; // [T]
    size_t T, C, V;
    void *dtable;     // [V, C] S  +=
    const void *dout; // [T, C] A
};

// y = (x * rstd, rounded to A) * weight, rstd = 1 / sqrt(mean(x^2) + eps): the order of M1, HF and
// Qwen3. QK-norm is this with T * H rows of C = D.
struct assay_rmsnorm_args {
    void *y;            // [T, C] A; may be x in forward
    const void *x;      // [T, C] A
    const void *weight; // [C] W
    void *rstd;         // [T] S out; NULL when no backward follows
    size_t T, C;
    double eps;
    void *dx;        // [T, C] A; may be dy when not accumulating
    void *dweight;   // [C] S  +=
    const void *dy;  // [T, C] A
    bool accumulate; // dx
};

// y = x w^T, the linear layer: M rows, K inputs, N outputs.  accumulate: y += (forward), dx +=
// (backward_input). matmul_wide is the forward whose y is S: logits are not rounded to A.
struct assay_matmul_args {
    void *y;       // [M, N] A; S of matmul_wide
    const void *x; // [M, K] A
    const void *w; // [N, K] W
    size_t M, N, K;
    bool accumulate;
    void *dx;       // [M, K] A   dx = dy w
    void *dw;       // [N, K] S   dw += dy^T x
    const void *dy; // [M, N] A
    // Forward: another product, which reads no result of this one, so that both may be made at the
    // same time; or NULL.
    const struct assay_matmul_args *beside;
};

// The same for rows sorted by expert: rows [offset[e], offset[e + 1]) meet w[e].
struct assay_matmul_grouped_args {
    void *y;               // [R, N] A
    const void *x;         // [R, K] A
    const void *w;         // [E, N, K] W
    const int32_t *offset; // [E + 1], from 0 to R
    size_t R, N, K, E;
    bool accumulate;
    void *dx;       // [R, K] A
    void *dw;       // [E, N, K] S  +=
    const void *dy; // [R, N] A
};

// cos/sin of position * inv_freq, both rounded to S first (as HF does), times scale (YaRN's factor,
// else 1).
struct assay_rope_table_args {
    void *cosine, *sine;     // [T, R / 2] S
    const int32_t *position; // [T]
    const void *inv_freq;    // [R / 2] S
    size_t T, R;
    double scale;
};

// Rotate the first R of D dims of each head, pairs (j, j + R/2); dims R.. pass (partial RoPE).
// backward: x holds a gradient and is rotated back. In place.
struct assay_rope_args {
    void *x;                   // [T, H, D] A, in and out
    const void *cosine, *sine; // [T, R / 2] S
    size_t T, H, D, R;         // R even, <= D
};

// Causal attention with grouped heads: head h reads key-value head h / (H / G).
//     out_i = sum_j softmax_j(scale q_i.k_j) v_j,  j <= i in the same sequence
// Keys are taken in blocks of ASSAY_ATTENTION_BLOCK from position 0 with a running maximum, so
// memory does not grow with T^2. Without pages, k and v are rows like q, and what comes before a
// span are its parents. With pages, keys and values of positions [0, position + row_count) are
// already there: position p of a span lies in page pages[slot * pages_per_slot + p / BLOCK], place
// p % BLOCK.
// backward: no pages; recomputes the weights from lse.
#define ASSAY_ATTENTION_BLOCK 64
struct assay_attention_args {
    void *out;         // [T, H, D] A
    const void *q;     // [T, H, D] A
    const void *k, *v; // [T, G, D] A, or pages [pages, BLOCK, G, D] A
    void *lse; // [T, H] S out, log of the sum of exponentials; NULL when no backward follows
    const int32_t *pages; // [slots, pages_per_slot], or NULL
    size_t pages_per_slot;
    const struct assay_span *spans; // [B]
    size_t B, T, rows_max;          // rows_max: the longest span
    size_t H, G, D;
    double scale;
    void *dq, *dk, *dv; // [T, H, D], [T, G, D] x 2, A
    const void *dout;   // [T, H, D] A
};

// Write rows k, v of the spans to their pages.
struct assay_kv_write_args {
    void *k_pages, *v_pages; // [pages, BLOCK, G, D] A
    const void *k, *v;       // [T, G, D] A
    const int32_t *pages;    // [slots, pages_per_slot]
    size_t pages_per_slot;
    const struct assay_span *spans; // [B]
    size_t B, T, rows_max, G, D;
};

// Lightning attention, facts of MiniMax-01: no softmax, no scale, S in R^{D x D} per head, lambda =
// exp(-slope):
//     S_t = lambda S_{t-1} + k_t v_t^T      o_t = q_t S_t
// A state of a sequence after p tokens is stored as S_p * exp(slope * (p % BLOCK)): decay is
// applied once a block of ASSAY_LIGHTNING_BLOCK tokens, which is exact to rounding for slopes
// <= 1.0001 and lets prefill and decode share one order of sums. At multiples of BLOCK it is S
// itself. q, k, v may lie inside one head-interleaved [T, H, 3D] tensor: rows of one head are
// `row_stride` elements apart, heads `head_stride`. backward: gradients with respect to states are
// those of the stored values. state must still hold the forward's *initial* values (forward
// overwrites it: keep a copy), or be NULL. Spans with parents have no slot: no state, no dstate.
#define ASSAY_LIGHTNING_BLOCK 32
struct assay_lightning_args {
    void *out;             // [T, H, D] A
    const void *q, *k, *v; // A, strided
    size_t row_stride, head_stride;
    void *state; // [slots, H, D, D] S in and out (forward), in (backward); NULL: zero, not kept
    const void *slope;              // [H] S, > 0
    const struct assay_span *spans; // [B]
    size_t B, T, rows_max, H, D;
    void *dq, *dk, *dv;     // A, strided as q, k, v; overwritten
    const void *dout;       // [T, H, D] A
    const void *dstate_out; // [slots, H, D, D] S: gradient of the final state; NULL: zero
    void *dstate_in;        // [slots, H, D, D] S out: of the initial state; NULL: not wanted
};

// y = sigmoid(gate) * RMSNorm(x), the norm over all C = H * D of a row (rounding as in rmsnorm).
struct assay_gate_args {
    void *y;              // [T, C] A
    const void *x, *gate; // [T, C] A; gate before the sigmoid
    const void *weight;   // [C] W
    void *rstd;           // [T] S out; NULL when no backward follows
    size_t T, C;
    double eps;
    void *dx, *dgate; // [T, C] A
    void *dweight;    // [C] S  +=
    const void *dy;   // [T, C] A
};

// y = x * sigmoid(x).  backward: dx from dy and x.
struct assay_silu_args {
    void *y;       // [count] A; may be x
    const void *x; // [count] A
    size_t count;
    void *dx;       // [count] A; may be dy
    const void *dy; // [count] A
};

// y = silu(gate) * up.
struct assay_swiglu_args {
    void *y;               // [count] A
    const void *gate, *up; // [count] A
    size_t count;
    void *dgate, *dup; // [count] A; may be gate and up
    const void *dy;    // [count] A
};

// out = alpha a + beta b: DeepNorm residuals, and adding gradients up. b may be NULL (beta unused).
struct assay_scale_add_args {
    void *out;         // [count] A; may be a or b
    const void *a, *b; // [count] A
    double alpha, beta;
    size_t count;
};

// p = softmax(logits) over all E in S; the K largest (on a tie the lower index) in falling order;
// their weights are p, divided by their sum when `renormalise`. backward: dlogits from dweight;
// aux_grad[e], when given, is added to the gradient of every p[t, e].
struct assay_router_args {
    void *prob;         // [T, E] S out
    int32_t *expert;    // [T, K] out
    void *weight;       // [T, K] S out
    const void *logits; // [T, E] A
    size_t T, E, K;     // K <= E <= 1024
    bool renormalise;
    void *dlogits;        // [T, E] A
    const void *dweight;  // [T, K] S
    const void *aux_grad; // [E] S or NULL
};

// Load balance (Switch, Mixtral): aux = coef E sum_e (count_e / row_count) (prob_sum_e /
// row_count). router_load adds one call's tokens to count and prob_sum; router_aux turns the totals
// (of one layer, or of all layers together: MiniMax) into loss += aux and grad[e] = d aux / d p[t,
// e], the same for every t.
struct assay_router_aux_args {
    void *count, *prob_sum; // [E] S  +=
    const void *prob;       // [T, E] S
    const int32_t *expert;  // [T, K]
    size_t T, E, K;
    size_t row_count; // tokens summed into count and prob_sum, all calls together
    double coef;
    void *loss; // [1] S  +=
    void *grad; // [E] S out
};

// Sort the T * K pairs by expert, pairs of one expert in row order.
//   slot[t * K + k]: the sorted row of pair (t, k);  source[r]: the token of sorted row r
struct assay_moe_plan_args {
    int32_t *offset, *slot, *source; // [E + 1], [T * K], [T * K] out
    const int32_t *expert;           // [T, K]
    size_t T, E, K;
};

// gather:   xs[r] = x[source[r]]                             backward: dx[t] (+)= sum_k dxs[slot[t,
// k]] combine:  y[t] = sum_k weight[t, k] ys[slot[t, k]], k = 0.. backward: dys, dweight from dy
struct assay_moe_route_args {
    const int32_t *slot, *source; // [T, K], [T * K]
    size_t T, K, C;
    void *xs;           // [T * K, C] A
    const void *x;      // [T, C] A
    void *dx;           // [T, C] A
    const void *dxs;    // [T * K, C] A
    void *y;            // [T, C] A
    const void *ys;     // [T * K, C] A
    const void *weight; // [T, K] S
    void *dys;          // [T * K, C] A
    void *dweight;      // [T, K] S
    const void *dy;     // [T, C] A
    bool accumulate;    // dx
};

// Log-probabilities of given targets without storing logits: z = logit_scale * x w^T (logit_scale
// is 1 / temperature), over the first V_valid of V entries (a padded vocabulary's tail has
// probability 0).
//     logp[t] = z[target] - lse,   entropy[t] = -sum_v p log p
// target < 0: the row is passed over and costs nothing; logp, entropy, lse and dx are 0.
// logprob_forward / _backward work from x and w; logprob_of_logits from logits that matmul_wide
// made (a sampler has them): the same bits (cuda: to rounding). backward: dz[v] = dlogp (1[v =
// target] - p[v]) - dentropy p[v] (log p[v] + entropy)
struct assay_logprob_args {
    void *logp;              // [T] S out
    void *entropy;           // [T] S out, or NULL
    void *lse;               // [T] S out
    const void *x;           // [T, C] A
    const void *w;           // [V, C] W
    const void *logits;      // [T, V] S (of_logits)
    const int32_t *target;   // [T]
    size_t T, C, V, V_valid; // V_valid <= V
    double logit_scale;
    void *dx;             // [T, C] A; overwritten
    void *dw;             // [V, C] S  +=
    const void *dlogp;    // [T] S
    const void *dentropy; // [T] S or NULL (then entropy is not read)
};

// One token a row: id[t] is the first v with p_0 + ... + p_v > unit[t], p = softmax(logit_scale *
// logits) over the first V_valid of V entries (what has no weight is never drawn), and logp[t] its
// log-probability: the bits that logprob_of_logits would give. The sum's order is the filling's own
// and depends on the row alone.
struct assay_draw_args {
    int32_t *id;          // [T] out
    void *logp;           // [T] S out
    void *lse;            // [T] S out
    const void *logits;   // [T, V] S
    const double *unit;   // [T], in [0, 1)
    size_t T, V, V_valid; // V_valid <= V
    double logit_scale;
};

// sum[0] += sum of x^2: squares and sums in double, whatever S is.
struct assay_sumsq_args {
    double *sum;   // [1]
    const void *x; // [count] S
    size_t count;
};

// norm[0] = sqrt(sum); scale[0] = min(1, norm_max / norm); norm_max 0: no clipping, scale 1.
struct assay_clip_args {
    void *scale, *norm; // [1] S out
    const double *sum;  // [1]
    double norm_max;
};

// g = grad * scale[0];  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
// param -= lr (m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + eps) + weight_decay param)
// Right for eps = 1e-15 and gradients of 1e-18 (v reaches 1e-36): nothing is flushed to zero.
struct assay_adamw_args {
    void *param;       // [count] W
    void *master;      // [count] S, what is updated before rounding to W; NULL when W is S
    void *m, *v;       // [count] S
    const void *grad;  // [count] S
    const void *scale; // [1] S or NULL (1)
    size_t count;
    double lr, beta1, beta2, eps, weight_decay;
    uint64_t step; // from 1
};

// The table. Names of functions say the direction; arguments are above, in the same order.
// NOLINTNEXTLINE(bugprone-macro-parentheses): the name of a member
#define ASSAY_OP(name, type) void (*name)(const struct assay_##type##_args *, struct assay_stream *)
struct assay_ops {
    const char *name; // "ref32", "ref64", "cpu-avx512", "cpu-avx2", "cpu-plain", "cuda", "cuda-f32"
    enum assay_dtype activation, weight, sum;
    struct assay_device device;

    ASSAY_OP(embedding_forward, embedding);
    ASSAY_OP(embedding_backward, embedding);
    ASSAY_OP(rmsnorm_forward, rmsnorm);
    ASSAY_OP(rmsnorm_backward, rmsnorm);
    ASSAY_OP(matmul_forward, matmul);
    ASSAY_OP(matmul_wide, matmul);
    ASSAY_OP(matmul_backward_input, matmul);
    ASSAY_OP(matmul_backward_weight, matmul);
    ASSAY_OP(matmul_grouped_forward, matmul_grouped);
    ASSAY_OP(matmul_grouped_backward_input, matmul_grouped);
    ASSAY_OP(matmul_grouped_backward_weight, matmul_grouped);
    ASSAY_OP(rope_table, rope_table);
    ASSAY_OP(rope_forward, rope);
    ASSAY_OP(rope_backward, rope);
    ASSAY_OP(attention_forward, attention);
    ASSAY_OP(attention_backward, attention);
    ASSAY_OP(kv_write, kv_write);
    ASSAY_OP(lightning_forward, lightning);
    ASSAY_OP(lightning_backward, lightning);
    ASSAY_OP(gate_forward, gate);
    ASSAY_OP(gate_backward, gate);
    ASSAY_OP(silu_forward, silu);
    ASSAY_OP(silu_backward, silu);
    ASSAY_OP(swiglu_forward, swiglu);
    ASSAY_OP(swiglu_backward, swiglu);
    ASSAY_OP(scale_add, scale_add);
    ASSAY_OP(router_forward, router);
    ASSAY_OP(router_backward, router);
    ASSAY_OP(router_load, router_aux);
    ASSAY_OP(router_aux, router_aux);
    ASSAY_OP(moe_plan, moe_plan);
    ASSAY_OP(moe_gather_forward, moe_route);
    ASSAY_OP(moe_gather_backward, moe_route);
    ASSAY_OP(moe_combine_forward, moe_route);
    ASSAY_OP(moe_combine_backward, moe_route);
    ASSAY_OP(logprob_forward, logprob);
    ASSAY_OP(logprob_backward, logprob);
    ASSAY_OP(logprob_of_logits, logprob);
    ASSAY_OP(draw, draw);
    ASSAY_OP(loss, loss);
    ASSAY_OP(sumsq, sumsq);
    ASSAY_OP(clip, clip);
    ASSAY_OP(adamw, adamw);
};
#undef ASSAY_OP

// Static tables, borrowed. sum is ASSAY_DTYPE_F32 (ref32) or ASSAY_DTYPE_F64 (ref64).
const struct assay_ops *assay_ops_ref(enum assay_dtype sum);

// The best path of this host, or the one named ("avx512", "avx2", "plain"); NULL when the host
// cannot run it.
const struct assay_ops *assay_ops_cpu(const char *path);

#endif
