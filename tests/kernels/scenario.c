// SPDX-License-Identifier: MIT
#include "tests/kernels/scenario.h"

#include <math.h>
#include <string.h>

#include "support/harness.h"

static void *note(
        struct rig *rig, struct outputs *outputs, const char *name, void *tensor, size_t size)
{
    const size_t i = outputs->count++;

    assert_true(i < SCENARIO_OUTPUT_COUNT_MAX);
    outputs->name[i] = name;
    outputs->tensor[i] = tensor;
    outputs->size[i] = size;
    outputs->sums[i] = false;
    outputs->dtype[i] = rig->ops->activation;
    return tensor;
}

static void *note_sums(
        struct rig *rig, struct outputs *outputs, const char *name, void *tensor, size_t size)
{
    outputs->sums[outputs->count] = true;
    outputs->dtype[outputs->count] = rig->ops->sum;
    outputs->name[outputs->count] = name;
    outputs->tensor[outputs->count] = tensor;
    outputs->size[outputs->count++] = size;
    return tensor;
}

static void *made(struct rig *rig, struct outputs *outputs, const char *name, size_t size)
{
    return note(rig, outputs, name, rig_zeros(rig, size), size);
}

static void *made_sums(struct rig *rig, struct outputs *outputs, const char *name, size_t size)
{
    return note_sums(rig, outputs, name, rig_zeros_sums(rig, size), size);
}

// One that an operation adds to: it does not start at 0.
static void *grown(struct rig *rig, struct outputs *outputs, const char *name, size_t size)
{
    return note(rig, outputs, name, rig_uniform(rig, size, -1, 1), size);
}

static void *grown_sums(struct rig *rig, struct outputs *outputs, const char *name, size_t size)
{
    return note_sums(rig, outputs, name, rig_uniform_sums(rig, size, -1, 1), size);
}

static void *fill(struct rig *rig, size_t size)
{
    return rig_uniform(rig, size, -1, 1);
}

static void *fill_sums(struct rig *rig, size_t size)
{
    return rig_uniform_sums(rig, size, -1, 1);
}

static void embedding(struct rig *rig, struct outputs *out)
{
    static const size_t shapes[][3] = {
            {33, 257, 31}, {1, 1, 1}, {0, 5, 3}, {300, 64, 7}}; // T, C, V

    for (size_t i = 0; i < 4; i++) {
        const size_t T = shapes[i][0], C = shapes[i][1], V = shapes[i][2];
        struct assay_embedding_args a = {.T = T, .C = C, .V = V};

        a.table = fill(rig, V * C);
        a.ids = rig_ints(rig, T, 0, (int32_t)V);
        a.out = made(rig, out, "embedding", T * C);
        a.dout = fill(rig, T * C);
        a.dtable = grown_sums(rig, out, "dtable", V * C);
        rig->ops->embedding_forward(&a, rig->stream);
        rig->ops->embedding_backward(&a, rig->stream);
    }
}

static void rmsnorm(struct rig *rig, struct outputs *out)
{
    static const size_t shapes[][2] = {{33, 257}, {1, 1}, {0, 5}, {300, 96}, {5, 31}}; // T, C

    for (size_t i = 0; i < 5; i++) {
        const size_t T = shapes[i][0], C = shapes[i][1];
        struct assay_rmsnorm_args a = {.T = T, .C = C, .eps = 1e-5, .accumulate = i % 2 == 1};

        a.x = fill(rig, T * C);
        a.weight = fill(rig, C);
        a.y = made(rig, out, "rmsnorm", T * C);
        a.rstd = made_sums(rig, out, "rstd", T);
        a.dy = fill(rig, T * C);
        a.dx = grown(rig, out, "rmsnorm dx", T * C);
        a.dweight = grown_sums(rig, out, "rmsnorm dweight", C);
        rig->ops->rmsnorm_forward(&a, rig->stream);
        rig->ops->rmsnorm_backward(&a, rig->stream);
    }
}

static void matmul(struct rig *rig, struct outputs *out)
{
    // M, N, K; the last ones pass a block of terms, of rows, and several threads.
    static const size_t shapes[][3] = {{1, 1, 1}, {31, 33, 257}, {1, 257, 31}, {33, 1, 1},
            {257, 31, 33}, {13, 65, 513}, {0, 3, 4}, {3, 0, 4}, {3, 4, 0}, {100, 49, 256},
            {7, 300, 700}, {500, 40, 40}, {3, 72, 520}, {8, 64, 64}, {200, 136, 264}};

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        const size_t M = shapes[i][0], N = shapes[i][1], K = shapes[i][2];
        struct assay_matmul_args a = {.M = M, .N = N, .K = K, .accumulate = i % 2 == 1};

        a.x = fill(rig, M * K);
        a.w = fill(rig, N * K);
        a.dy = fill(rig, M * N);
        a.y = grown(rig, out, "matmul", M * N);
        a.dx = grown(rig, out, "matmul dx", M * K);
        a.dw = grown_sums(rig, out, "matmul dw", N * K);
        rig->ops->matmul_forward(&a, rig->stream);
        rig->ops->matmul_backward_input(&a, rig->stream);
        rig->ops->matmul_backward_weight(&a, rig->stream);
    }
}

static void matmul_grouped(struct rig *rig, struct outputs *out)
{
    static const int32_t bounds[] = {0, 0, 31, 32, 32, 65};
    struct assay_matmul_grouped_args a = {.R = 65, .N = 33, .K = 31, .E = 5};
    int32_t *offset = rig_bytes(rig, sizeof(bounds));

    memcpy(offset, bounds, sizeof(bounds));
    a.offset = offset;
    a.x = fill(rig, a.R * a.K);
    a.w = fill(rig, a.E * a.N * a.K);
    a.dy = fill(rig, a.R * a.N);
    a.y = made(rig, out, "grouped", a.R * a.N);
    a.dx = made(rig, out, "grouped dx", a.R * a.K);
    a.dw = grown_sums(rig, out, "grouped dw", a.E * a.N * a.K);
    rig->ops->matmul_grouped_forward(&a, rig->stream);
    rig->ops->matmul_grouped_backward_input(&a, rig->stream);
    rig->ops->matmul_grouped_backward_weight(&a, rig->stream);
}

static void rope(struct rig *rig, struct outputs *out)
{
    static const size_t shapes[][4] = {{33, 3, 96, 96}, {31, 2, 40, 6}, {1, 1, 2, 2}, {5, 2, 7, 0}};

    for (size_t i = 0; i < 4; i++) {
        const size_t T = shapes[i][0], H = shapes[i][1], D = shapes[i][2], R = shapes[i][3];
        struct assay_rope_table_args table = {.T = T, .R = R, .scale = 1.1};
        struct assay_rope_args a = {.T = T, .H = H, .D = D, .R = R};

        table.position = rig_ints(rig, T, 0, 64);
        table.inv_freq = rig_uniform_sums(rig, R / 2, 0.01, 1);
        a.cosine = table.cosine = made_sums(rig, out, "cosine", T * R / 2);
        a.sine = table.sine = made_sums(rig, out, "sine", T * R / 2);
        rig->ops->rope_table(&table, rig->stream);
        a.x = grown(rig, out, "rope", T * H * D);
        rig->ops->rope_forward(&a, rig->stream);
        a.x = grown(rig, out, "rope back", T * H * D);
        rig->ops->rope_backward(&a, rig->stream);
    }
}

static void attention(struct rig *rig, struct outputs *out)
{
    static const uint32_t lengths[] = {65, 0, 1, 31, 150}, ups[] = {0, 1, 1, 3, 1};
    static const size_t shapes[][3] = {{4, 2, 33}, {3, 1, 31}, {2, 2, 1}, {8, 1, 16}, {4, 2, 64},
            {2, 2, 96}, {3, 1, 128}}; // H, G, D

    for (size_t i = 0; i < 14; i++) {
        const size_t H = shapes[i % 7][0], G = shapes[i % 7][1], D = shapes[i % 7][2], T = 247;
        struct assay_attention_args a = {.B = 5, .T = T, .rows_max = 150, .H = H, .G = G, .D = D};

        a.scale = 1 / sqrt((double)D);
        a.spans = i < 7 ? rig_spans(rig, lengths, 5) : rig_tree(rig, lengths, ups, 5);
        a.q = rig_uniform(rig, T * H * D, -3, 3);
        a.k = fill(rig, T * G * D);
        a.v = fill(rig, T * G * D);
        a.dout = fill(rig, T * H * D);
        a.out = made(rig, out, "attention", T * H * D);
        a.lse = made_sums(rig, out, "lse", T * H);
        a.dq = made(rig, out, "attention dq", T * H * D);
        a.dk = made(rig, out, "attention dk", T * G * D);
        a.dv = made(rig, out, "attention dv", T * G * D);
        rig->ops->attention_forward(&a, rig->stream);
        rig->ops->attention_backward(&a, rig->stream);
    }
}

// Two sequences of `pages_per_slot` pages, which lie out of order; the second has one query.
static void attend_pages(struct rig *rig, struct outputs *out, const size_t *shape,
        const uint32_t *lengths, size_t pages_per_slot)
{
    const size_t H = shape[0], G = shape[1], D = shape[2], T = lengths[0] + lengths[1];
    const size_t count = 2 * pages_per_slot, page = 64 * G * D;
    struct assay_attention_args a = {.B = 2,
            .T = T,
            .rows_max = lengths[0],
            .H = H,
            .G = G,
            .D = D,
            .scale = 0.3,
            .pages_per_slot = pages_per_slot};
    struct assay_kv_write_args w = {.B = 2,
            .T = T,
            .rows_max = lengths[0],
            .G = G,
            .D = D,
            .pages_per_slot = pages_per_slot};
    struct assay_span *spans = rig_spans(rig, lengths, 2);
    int32_t *table = rig_bytes(rig, count * sizeof(*table));

    for (size_t i = 0; i < count; i++)
        table[i] = (int32_t)((i * 11 + 5) % count); // 11 shares no factor with 6 or 130
    spans[0].position = 60;
    spans[0].slot = 1;
    spans[1].position = (uint32_t)(64 * pages_per_slot - 2);
    spans[1].slot = 0;
    w.k_pages = grown(rig, out, "k pages", count * page);
    w.v_pages = grown(rig, out, "v pages", count * page);
    w.k = fill(rig, T * G * D);
    w.v = fill(rig, T * G * D);
    w.pages = table;
    w.spans = spans;
    a.q = fill(rig, T * H * D);
    a.k = w.k_pages;
    a.v = w.v_pages;
    a.pages = table;
    a.spans = spans;
    a.out = made(rig, out, lengths[0] > 1 ? "paged attention" : "one query", T * H * D);
    rig->ops->kv_write(&w, rig->stream);
    rig->ops->attention_forward(&a, rig->stream);
}

// Pieces of prompts, then one token a sequence, on every width that has a way of its own; the last
// sequences are cut into parts.
static void attention_paged(struct rig *rig, struct outputs *out)
{
    static const size_t shapes[][3] = {{4, 2, 31}, {4, 2, 64}, {3, 1, 96}, {2, 2, 128}}; // H, G, D
    static const uint32_t piece[] = {7, 1}, token[] = {1, 1};

    for (size_t i = 0; i < 4; i++) {
        attend_pages(rig, out, shapes[i], piece, 3);
        attend_pages(rig, out, shapes[i], token, 3);
    }
    attend_pages(rig, out, shapes[1], token, 65);
}

static void lightning(struct rig *rig, struct outputs *out)
{
    // The last one is long enough for results that pass the caches by.
    static const uint32_t lengths[][5] = {{65, 0, 1, 31, 100}, {65, 0, 1, 31, 100},
            {65, 0, 1, 31, 100}, {2, 0, 0, 300, 1}, {65, 0, 1, 31, 100}, {1, 1, 0, 1, 1}};
    static const size_t shapes[][3] = {{2, 33, 197}, {3, 1, 197}, {1, 64, 197}, {4, 16, 303},
            {2, 128, 197}, {2, 128, 4}}; // H, D, T

    for (size_t i = 0; i < 6; i++) {
        const size_t H = shapes[i][0], D = shapes[i][1], T = shapes[i][2], row = 3 * H * D;
        struct assay_lightning_args a = {.B = 5, .T = T, .rows_max = 1, .H = H, .D = D};
        struct assay_span *spans = rig_spans(rig, lengths[i], 5);
        char *qkv = fill(rig, T * row), *dqkv = NULL;
        const size_t element = assay_dtype_bytes(rig->ops->activation), states = 5 * H * D * D;

        for (size_t b = 0; b < 5; b++)
            a.rows_max = lengths[i][b] > a.rows_max ? lengths[i][b] : a.rows_max;
        spans[0].position = 17;
        spans[1].position = 31;
        spans[3].position = 64;
        dqkv = made(rig, out, "dqkv", T * row);
        a.q = qkv;
        a.k = qkv + D * element;
        a.v = qkv + 2 * D * element;
        a.dq = dqkv;
        a.dk = dqkv + D * element;
        a.dv = dqkv + 2 * D * element;
        a.row_stride = row;
        a.head_stride = 3 * D;
        a.slope = rig_uniform_sums(rig, H, 0.002, 1.0);
        a.spans = spans;
        a.dout = fill(rig, T * H * D);
        a.dstate_out = fill_sums(rig, states);
        a.dstate_in = made_sums(rig, out, "dstate", states);
        a.state = grown_sums(rig, out, "state", states);
        a.out = made(rig, out, "lightning", T * H * D);
        rig->ops->lightning_backward(&a, rig->stream); // reads the initial state
        rig->ops->lightning_forward(&a, rig->stream);
        a.state = NULL;
        a.dstate_out = NULL;
        a.dstate_in = NULL;
        a.out = made(rig, out, "lightning from zero", T * H * D);
        dqkv = made(rig, out, "dqkv from zero", T * row);
        a.dq = dqkv;
        a.dk = dqkv + D * element;
        a.dv = dqkv + 2 * D * element;
        rig->ops->lightning_backward(&a, rig->stream);
        rig->ops->lightning_forward(&a, rig->stream);
    }
}

// Two trees and one that stands alone; generations, siblings, and spans of nothing.
static void lightning_trees(struct rig *rig, struct outputs *out)
{
    static const uint32_t lengths[] = {40, 31, 1, 70, 5, 0, 33, 2, 300, 9};
    static const uint32_t ups[] = {0, 1, 1, 2, 4, 1, 1, 0, 1, 0};
    static const size_t shapes[][2] = {{2, 33}, {3, 1}, {1, 64}, {16, 16}, {1, 128}}; // H, D

    for (size_t i = 0; i < 5; i++) {
        const size_t H = shapes[i][0], D = shapes[i][1], T = 491, row = 3 * H * D;
        struct assay_lightning_args a = {.B = 10, .T = T, .rows_max = 300, .H = H, .D = D};
        const size_t element = assay_dtype_bytes(rig->ops->activation);
        char *qkv = fill(rig, T * row), *dqkv = made(rig, out, "dqkv of trees", T * row);

        a.q = qkv;
        a.k = qkv + D * element;
        a.v = qkv + 2 * D * element;
        a.dq = dqkv;
        a.dk = dqkv + D * element;
        a.dv = dqkv + 2 * D * element;
        a.row_stride = row;
        a.head_stride = 3 * D;
        a.slope = rig_uniform_sums(rig, H, 0.002, 1.0);
        a.spans = rig_tree(rig, lengths, ups, 10);
        a.dout = fill(rig, T * H * D);
        a.out = made(rig, out, "lightning of trees", T * H * D);
        rig->ops->lightning_forward(&a, rig->stream);
        rig->ops->lightning_backward(&a, rig->stream);
    }
}

static void gate(struct rig *rig, struct outputs *out)
{
    static const size_t shapes[][2] = {{33, 257}, {1, 1}, {0, 5}, {70, 96}};

    for (size_t i = 0; i < 4; i++) {
        const size_t T = shapes[i][0], C = shapes[i][1];
        struct assay_gate_args a = {.T = T, .C = C, .eps = 1e-6};

        a.x = fill(rig, T * C);
        a.gate = rig_uniform(rig, T * C, -9, 9);
        a.weight = fill(rig, C);
        a.dy = fill(rig, T * C);
        a.y = made(rig, out, "gate", T * C);
        a.rstd = made_sums(rig, out, "gate rstd", T);
        a.dx = made(rig, out, "gate dx", T * C);
        a.dgate = made(rig, out, "gate dgate", T * C);
        a.dweight = grown_sums(rig, out, "gate dweight", C);
        rig->ops->gate_forward(&a, rig->stream);
        rig->ops->gate_backward(&a, rig->stream);
    }
}

static void elements(struct rig *rig, struct outputs *out)
{
    static const size_t counts[] = {0, 1, 31, 33, 257, 40000};

    for (size_t i = 0; i < 6; i++) {
        const size_t n = counts[i];
        struct assay_silu_args silu = {.count = n};
        struct assay_swiglu_args swiglu = {.count = n};
        struct assay_scale_add_args add = {.alpha = 3.5, .beta = -0.7, .count = n};

        silu.x = rig_uniform(rig, n, -30, 30);
        silu.dy = fill(rig, n);
        silu.y = made(rig, out, "silu", n);
        silu.dx = made(rig, out, "silu dx", n);
        rig->ops->silu_forward(&silu, rig->stream);
        rig->ops->silu_backward(&silu, rig->stream);
        swiglu.gate = silu.x;
        swiglu.up = fill(rig, n);
        swiglu.dy = silu.dy;
        swiglu.y = made(rig, out, "swiglu", n);
        swiglu.dgate = made(rig, out, "dgate", n);
        swiglu.dup = made(rig, out, "dup", n);
        rig->ops->swiglu_forward(&swiglu, rig->stream);
        rig->ops->swiglu_backward(&swiglu, rig->stream);
        add.a = swiglu.up;
        add.b = silu.dy;
        add.out = made(rig, out, "scale_add", n);
        rig->ops->scale_add(&add, rig->stream);
        add.b = NULL;
        add.out = made(rig, out, "scale", n);
        rig->ops->scale_add(&add, rig->stream);
    }
}

static void mixture(struct rig *rig, struct outputs *out)
{
    static const size_t shapes[][4] = {
            {33, 4, 1, 31}, {257, 32, 2, 33}, {1, 8, 8, 1}, {0, 4, 2, 8}};

    for (size_t i = 0; i < 4; i++) {
        const size_t T = shapes[i][0], E = shapes[i][1], K = shapes[i][2], C = shapes[i][3];
        struct assay_router_args r = {.T = T, .E = E, .K = K, .renormalise = i % 2 == 0};
        struct assay_router_aux_args aux = {.T = T, .E = E, .K = K, .row_count = T, .coef = 0.5};
        struct assay_moe_plan_args plan = {.T = T, .E = E, .K = K};
        struct assay_moe_route_args m = {.T = T, .K = K, .C = C, .accumulate = i == 0};

        r.logits = fill(rig, T * E);
        aux.prob = r.prob = made_sums(rig, out, "prob", T * E);
        plan.expert = aux.expert = r.expert = rig_ints(rig, T * K, 0, 1);
        m.weight = r.weight = made_sums(rig, out, "weight", T * K);
        r.dweight = fill_sums(rig, T * K);
        r.dlogits = made(rig, out, "dlogits", T * E);
        rig->ops->router_forward(&r, rig->stream);
        aux.count = made_sums(rig, out, "count", E);
        aux.prob_sum = made_sums(rig, out, "prob_sum", E);
        aux.loss = made_sums(rig, out, "aux loss", 1);
        r.aux_grad = aux.grad = made_sums(rig, out, "aux grad", E);
        rig->ops->router_load(&aux, rig->stream);
        rig->ops->router_aux(&aux, rig->stream);
        rig->ops->router_backward(&r, rig->stream);
        plan.offset = rig_ints(rig, E + 1, 0, 1);
        m.slot = plan.slot = rig_ints(rig, T * K, 0, 1);
        m.source = plan.source = rig_ints(rig, T * K, 0, 1);
        rig->ops->moe_plan(&plan, rig->stream);
        m.x = fill(rig, T * C);
        m.ys = m.xs = made(rig, out, "xs", T * K * C);
        m.y = made(rig, out, "combined", T * C);
        m.dy = fill(rig, T * C);
        m.dxs = m.dys = made(rig, out, "dys", T * K * C);
        m.dweight = made_sums(rig, out, "dweight", T * K);
        m.dx = grown(rig, out, "moe dx", T * C);
        rig->ops->moe_gather_forward(&m, rig->stream);
        rig->ops->moe_combine_forward(&m, rig->stream);
        rig->ops->moe_combine_backward(&m, rig->stream);
        rig->ops->moe_gather_backward(&m, rig->stream);
    }
}

// The third shape passes a block of the vocabulary, the last one a block of rows.
static void logprob(struct rig *rig, struct outputs *out)
{
    static const size_t shapes[][4] = {{1, 1, 1, 1}, {33, 31, 257, 250}, {3, 8, 2100, 2049},
            {515, 3, 33, 33}, {0, 4, 8, 8}, {70, 64, 512, 504}};

    for (size_t i = 0; i < 6; i++) {
        const size_t T = shapes[i][0], C = shapes[i][1], V = shapes[i][2];
        struct assay_logprob_args a = {
                .T = T, .C = C, .V = V, .V_valid = shapes[i][3], .logit_scale = 1.25};

        a.x = rig_uniform(rig, T * C, -2, 2);
        a.w = fill(rig, V * C);
        a.target = rig_ints(rig, T, i == 0 ? 0 : -1, (int32_t)a.V_valid);
        a.logp = made_sums(rig, out, "logp", T);
        a.lse = made_sums(rig, out, "head lse", T);
        a.entropy = made_sums(rig, out, "entropy", T);
        a.dx = made(rig, out, "head dx", T * C);
        a.dw = grown_sums(rig, out, "head dw", V * C);
        a.dlogp = fill_sums(rig, T);
        a.dentropy = i == 1 ? NULL : fill_sums(rig, T);
        rig->ops->logprob_forward(&a, rig->stream);
        rig->ops->logprob_backward(&a, rig->stream);
    }
}

// Ids are compared as numbers: a unit well inside of one token's share.
static void drawing(struct rig *rig, struct outputs *out)
{
    static const size_t shapes[][3] = {{1, 5, 5}, {9, 257, 250}, {3, 3000, 2999}}; // T, V, V_valid

    for (size_t i = 0; i < 3; i++) {
        const size_t T = shapes[i][0], V = shapes[i][1];
        struct assay_draw_args a = {.T = T, .V = V, .V_valid = shapes[i][2], .logit_scale = 1.25};
        struct assay_logprob_args given = {
                .T = T, .V = V, .V_valid = shapes[i][2], .logit_scale = 1.25};
        double *unit = rig_bytes(rig, T * sizeof(*unit));
        void *logits = rig_uniform_sums(rig, T * V, -2, 2);

        for (size_t t = 0; t < T; t++) {
            const size_t peak = (t * 37 + 2) % shapes[i][2];

            rig_set(rig, logits, t * V + peak, 40);
            unit[t] = t % 2 == 0 ? 0.5 : 0.25;
        }
        a.logits = given.logits = logits;
        a.unit = unit;
        a.id = rig_ints(rig, T, 0, 1);
        a.logp = made_sums(rig, out, "draw logp", T);
        a.lse = made_sums(rig, out, "draw lse", T);
        rig->ops->draw(&a, rig->stream);
        given.target = rig_ints(rig, T, -1, (int32_t)shapes[i][2]);
        given.logp = made_sums(rig, out, "logp of logits", T);
        given.lse = made_sums(rig, out, "lse of logits", T);
        given.entropy = made_sums(rig, out, "entropy of logits", T);
        rig->ops->logprob_of_logits(&given, rig->stream);
    }
}

// What is updated before rounding to W, where W is not S.
static void *master_of(struct rig *rig, const void *param, size_t count)
{
    void *master;

    if (rig->ops->weight == rig->ops->sum)
        return NULL;
    master = rig_zeros_sums(rig, count);
    for (size_t i = 0; i < count; i++)
        rig_set(rig, master, i, rig_number(param, rig->ops->weight, i));
    return master;
}

static void optimizer(struct rig *rig, struct outputs *out)
{
    static const size_t counts[] = {0, 1, 31, 257, 40000};

    for (size_t i = 0; i < 5; i++) {
        const size_t n = counts[i];
        double *sum = rig_bytes(rig, sizeof(*sum));
        struct assay_sumsq_args squares = {.sum = sum, .count = n};
        struct assay_clip_args clip = {.sum = sum, .norm_max = 1};
        struct assay_adamw_args a = {.count = n,
                .lr = 1e-2,
                .beta1 = 0.9,
                .beta2 = 0.95,
                .eps = 1e-8,
                .weight_decay = 0.1,
                .step = 3};

        a.grad = squares.x = fill_sums(rig, n);
        a.scale = clip.scale = made_sums(rig, out, "clip scale", 1);
        clip.norm = made_sums(rig, out, "norm", 1);
        a.param = grown(rig, out, "param", n);
        a.master = master_of(rig, a.param, n);
        a.m = grown_sums(rig, out, "m", n);
        a.v = note_sums(rig, out, "v", rig_uniform_sums(rig, n, 0, 1), n);
        rig->ops->sumsq(&squares, rig->stream);
        rig->ops->clip(&clip, rig->stream);
        rig->ops->adamw(&a, rig->stream);
    }
}

const struct scenario scenarios[] = {
        {"embedding", embedding},
        {"rmsnorm", rmsnorm},
        {"matmul", matmul},
        {"matmul_grouped", matmul_grouped},
        {"rope", rope},
        {"attention", attention},
        {"attention_paged", attention_paged},
        {"lightning", lightning},
        {"lightning_trees", lightning_trees},
        {"gate", gate},
        {"elements", elements},
        {"mixture", mixture},
        {"logprob", logprob},
        {"drawing", drawing},
        {"optimizer", optimizer},
};
const size_t scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);
