// SPDX-License-Identifier: MIT
// What must hold: a row's result does not depend on the rows beside it, nor on how its sequence was
// cut into calls. Bit for bit, on every path: alone or in a batch of 64, prefill or token by token,
// sampler or trainer.
#include <math.h>
#include <string.h>

#include "support/harness.h"
#include "tests/kernels/rig.h"

static void same(const char *what, const float *a, const float *b, size_t count)
{
    if (memcmp(a, b, count * sizeof(*a)) != 0)
        print_message("%s differs\n", what);
    assert_memory_equal(a, b, count * sizeof(*a));
}

static void for_every_path(void (*body)(struct rig *rig))
{
    for (size_t path = 0; rig_cpu_paths()[path] != NULL; path++) {
        static struct rig rig;

        print_message("%s\n", rig_cpu_paths()[path]->name);
        rig_open(&rig, rig_cpu_paths()[path], 3);
        body(&rig);
        rig_close(&rig);
    }
}

// 64 rows at once, then in pieces of 1, 2, 5 ... rows; the second time added to the first result.
static void rows_body(struct rig *rig)
{
    const size_t M = 64, N = 77, K = 700;
    static const size_t pieces[] = {1, 2, 5, 8, 9, 16, 23};
    struct assay_matmul_args all = {.M = M, .N = N, .K = K}, part = all;

    all.x = rig_uniform(rig, M * K, -1, 1);
    all.w = part.w = rig_uniform(rig, N * K, -1, 1);
    all.y = rig_zeros(rig, M * N);
    part.y = rig_zeros(rig, M * N);
    for (int again = 0; again < 2; again++) {
        size_t row = 0;

        all.accumulate = part.accumulate = again > 0;
        rig->ops->matmul_forward(&all, rig->stream);
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
            struct assay_matmul_args piece = part;

            piece.M = pieces[i];
            piece.x = (const float *)all.x + row * K;
            piece.y = (float *)part.y + row * N;
            rig->ops->matmul_forward(&piece, rig->stream);
            row += pieces[i];
        }
        assert_int_equal(row, M);
        same("matmul", all.y, part.y, M * N);
    }
}

static void a_row_of_a_product_does_not_depend_on_its_batch(void **state)
{
    (void)state;
    for_every_path(rows_body);
}

// Six products in one call, a few rows each and one of many, are the products alone.
static void beside_body(struct rig *rig)
{
    enum { COUNT = 6 };
    static const size_t M[COUNT] = {1, 3, 1, 40, 16, 2}, N[COUNT] = {77, 20, 130, 33, 1, 48};
    const size_t K = 300;
    struct assay_matmul_args args[COUNT];
    const float *alone[COUNT];

    for (size_t i = COUNT; i > 0; i--) {
        struct assay_matmul_args *a = &args[i - 1];

        *a = (struct assay_matmul_args){.M = M[i - 1], .N = N[i - 1], .K = K};
        a->x = rig_uniform(rig, a->M * K, -1, 1);
        a->w = rig_uniform(rig, a->N * K, -1, 1);
        a->y = rig_zeros(rig, a->M * a->N);
        alone[i - 1] = a->y;
        rig->ops->matmul_forward(a, rig->stream);
        a->y = rig_zeros(rig, a->M * a->N);
        a->beside = i < COUNT ? &args[i] : NULL;
    }
    rig->ops->matmul_forward(&args[0], rig->stream);
    for (size_t i = 0; i < COUNT; i++)
        same("product beside others", alone[i], args[i].y, M[i] * N[i]);
}

static void a_product_does_not_depend_on_those_beside_it(void **state)
{
    (void)state;
    for_every_path(beside_body);
}

// A grouped product is the plain one of its rows.
static void grouped_body(struct rig *rig)
{
    const size_t R = 40, N = 33, K = 300, E = 3;
    struct assay_matmul_grouped_args a = {.R = R, .N = N, .K = K, .E = E};
    int32_t *offset = rig_ints(rig, E + 1, 0, 1);
    float *y = rig_zeros(rig, R * N);

    offset[1] = 7;
    offset[2] = 8;
    offset[3] = (int32_t)R;
    a.offset = offset;
    a.x = rig_uniform(rig, R * K, -1, 1);
    a.w = rig_uniform(rig, (size_t)E * N * K, -1, 1);
    a.y = rig_zeros(rig, R * N);
    rig->ops->matmul_grouped_forward(&a, rig->stream);
    for (size_t r = 0; r < R; r++) {
        const size_t e = r < 7 ? 0 : r < 8 ? 1 : 2;
        const struct assay_matmul_args one = {.y = y + r * N,
                .x = (const float *)a.x + r * K,
                .w = (const float *)a.w + e * N * K,
                .M = 1,
                .N = N,
                .K = K};

        rig->ops->matmul_forward(&one, rig->stream);
    }
    same("grouped", a.y, y, R * N);
}

static void a_row_of_an_expert_does_not_depend_on_the_others(void **state)
{
    (void)state;
    for_every_path(grouped_body);
}

enum {
    TOKENS = 150,
    HEADS = 4,
    GROUPS = 2,
    WIDTH = 40,
    SLOTS = 3,
    PAGES = 3,
    TABLE = SLOTS * PAGES
};

static const size_t heads_width = (size_t)HEADS * WIDTH, groups_width = (size_t)GROUPS * WIDTH;

struct cache {
    float *k, *v;
    int32_t *pages;
};

static struct cache make_cache(struct rig *rig)
{
    const size_t count = (size_t)SLOTS * PAGES * ASSAY_ATTENTION_BLOCK * groups_width;
    struct cache cache = {.k = rig_zeros(rig, count), .v = rig_zeros(rig, count)};

    cache.pages = rig_ints(rig, TABLE, 0, 1);
    for (int32_t i = 0; i < TABLE; i++)
        cache.pages[i] = TABLE - 1 - i;
    return cache;
}

// Tokens [from, to) of slot 0's sequence, and the same of slots 1.. when `others`.
static void run_attention(struct rig *rig, const struct cache *cache, const float *q,
        const float *k, const float *v, float *out, uint32_t from, uint32_t to, size_t slots)
{
    const size_t rows = to - from, T = rows * slots;
    struct assay_kv_write_args w = {.k_pages = cache->k,
            .v_pages = cache->v,
            .pages = cache->pages,
            .pages_per_slot = PAGES,
            .B = slots,
            .T = T,
            .rows_max = rows,
            .G = GROUPS,
            .D = WIDTH};
    struct assay_attention_args a = {.k = cache->k,
            .v = cache->v,
            .pages = cache->pages,
            .pages_per_slot = PAGES,
            .B = slots,
            .T = T,
            .rows_max = rows,
            .H = HEADS,
            .G = GROUPS,
            .D = WIDTH,
            .scale = 0.2};
    struct assay_span spans[SLOTS] = {{0}};
    float *qs = rig_zeros(rig, T * heads_width), *ks = rig_zeros(rig, T * groups_width);
    float *vs = rig_zeros(rig, T * groups_width), *outs = rig_zeros(rig, T * heads_width);

    for (size_t b = 0; b < slots; b++) {
        // Slot 0 comes last in the batch.
        const size_t row = (slots - 1 - b) * rows;

        spans[b] = (struct assay_span){.row = (uint32_t)row,
                .row_count = to - from,
                .position = from,
                .slot = (uint32_t)b};
        memcpy(qs + row * heads_width, q + from * heads_width, rows * heads_width * sizeof(*q));
        memcpy(ks + row * groups_width, k + from * groups_width, rows * groups_width * sizeof(*k));
        memcpy(vs + row * groups_width, v + from * groups_width, rows * groups_width * sizeof(*v));
        // The others see something else.
        for (size_t i = 0; b > 0 && i < rows * groups_width; i++)
            ks[row * groups_width + i] *= 1.5f + (float)b;
    }
    w.k = ks;
    w.v = vs;
    w.spans = a.spans = spans;
    a.q = qs;
    a.out = outs;
    rig->ops->kv_write(&w, rig->stream);
    rig->ops->attention_forward(&a, rig->stream);
    memcpy(out + from * heads_width, outs + spans[0].row * heads_width,
            rows * heads_width * sizeof(*out));
}

static void attention_body(struct rig *rig)
{
    static const uint32_t cuts[] = {0, 1, 63, 64, 65, 100, TOKENS};
    const size_t wide = (size_t)TOKENS * heads_width, narrow = (size_t)TOKENS * groups_width;
    const struct assay_span span = {.row_count = TOKENS};
    const float *q = rig_uniform(rig, wide, -3, 3), *k = rig_uniform(rig, narrow, -1, 1);
    const float *v = rig_uniform(rig, narrow, -1, 1);
    float *rows = rig_zeros(rig, wide), *out = rig_zeros(rig, wide);
    struct assay_attention_args a = {.out = rows,
            .q = q,
            .k = k,
            .v = v,
            .spans = &span,
            .B = 1,
            .T = TOKENS,
            .rows_max = TOKENS,
            .H = HEADS,
            .G = GROUPS,
            .D = WIDTH,
            .scale = 0.2};
    struct cache cache = make_cache(rig);

    rig->ops->attention_forward(&a, rig->stream);
    run_attention(rig, &cache, q, k, v, out, 0, TOKENS, 1);
    same("prefill on pages", rows, out, wide);
    cache = make_cache(rig);
    for (size_t i = 0; i + 1 < sizeof(cuts) / sizeof(cuts[0]); i++)
        run_attention(rig, &cache, q, k, v, out, cuts[i], cuts[i + 1], SLOTS);
    same("pieces, in a batch", rows, out, wide);
    cache = make_cache(rig);
    for (uint32_t t = 0; t < TOKENS; t++)
        run_attention(rig, &cache, q, k, v, out, t, t + 1, t % 2 == 0 ? 1 : SLOTS);
    same("token by token", rows, out, wide);
}

static void softmax_attention_decodes_as_it_prefills(void **state)
{
    (void)state;
    for_every_path(attention_body);
}

static void lightning_body(struct rig *rig)
{
    const size_t T = 100, H = 2, D = 33;
    static const uint32_t cuts[] = {0, 1, 31, 32, 33, 64, 65, 97, 100};
    const size_t area = (size_t)H * D * D;
    struct assay_span span = {.row_count = 100};
    struct assay_lightning_args a = {.row_stride = (size_t)3 * H * D,
            .head_stride = (size_t)3 * D,
            .spans = &span,
            .B = 1,
            .T = T,
            .rows_max = T,
            .H = H,
            .D = D};
    float *qkv = rig_uniform(rig, (size_t)T * 3 * H * D, -1, 1),
          *whole = rig_zeros(rig, (size_t)T * H * D);
    float *state = rig_zeros(rig, area);

    a.slope = rig_uniform(rig, H, 0.01, 1);
    a.q = qkv;
    a.k = qkv + D;
    a.v = qkv + 2 * D;
    a.out = whole;
    a.state = state;
    rig->ops->lightning_forward(&a, rig->stream);
    for (int single = 0; single < 2; single++) {
        float *out = rig_zeros(rig, (size_t)T * H * D), *pieces = rig_zeros(rig, area);

        for (uint32_t i = 0, from = 0; from < T; i++) {
            struct assay_lightning_args part = a;
            const uint32_t to = single ? from + 1 : cuts[i + 1];

            span = (struct assay_span){.row_count = to - from, .position = from};
            part.q = qkv + from * part.row_stride;
            part.k = qkv + from * part.row_stride + D;
            part.v = qkv + from * part.row_stride + 2 * D;
            part.out = out + (size_t)from * H * D;
            part.state = pieces;
            rig->ops->lightning_forward(&part, rig->stream);
            from = to;
        }
        same(single ? "token by token" : "pieces", whole, out, (size_t)T * H * D);
        same("state", state, pieces, area);
    }
}

static void lightning_attention_decodes_as_it_prefills(void **state)
{
    (void)state;
    for_every_path(lightning_body);
}

// A tree of spans against each of its sequences alone.
enum { TREE = 7, TREE_ROWS = 336, PATH_MAX_ROWS = 240 };
static const uint32_t tree_lengths[TREE] = {70, 30, 40, 5, 1, 130, 60};
static const uint32_t tree_ups[TREE] = {0, 1, 1, 2, 4, 1, 0};

// Copies the rows of `span`'s sequence, `width` elements each; returns how many.
static size_t copy_path(float *to, const float *from, const struct assay_span *span, size_t width)
{
    const size_t end = span->position + span->row_count;

    for (size_t p = 0; p < end; p++) {
        const struct assay_span *at = assay_span_of(span, p);

        memcpy(to + p * width, from + (at->row + p - at->position) * width, width * sizeof(*to));
    }
    return end;
}

static void attention_tree_body(struct rig *rig)
{
    const struct assay_span *spans = rig_tree(rig, tree_lengths, tree_ups, TREE);
    const float *q = rig_uniform(rig, (size_t)TREE_ROWS * heads_width, -3, 3);
    const float *k = rig_uniform(rig, (size_t)TREE_ROWS * groups_width, -1, 1);
    const float *v = rig_uniform(rig, (size_t)TREE_ROWS * groups_width, -1, 1);
    float *out = rig_zeros(rig, (size_t)TREE_ROWS * heads_width);
    const struct assay_attention_args tree = {.out = out,
            .q = q,
            .k = k,
            .v = v,
            .spans = spans,
            .B = TREE,
            .T = TREE_ROWS,
            .rows_max = 130,
            .H = HEADS,
            .G = GROUPS,
            .D = WIDTH,
            .scale = 0.2};

    rig->ops->attention_forward(&tree, rig->stream);
    for (size_t b = 0; b < TREE; b++) {
        float *qs = rig_zeros(rig, (size_t)PATH_MAX_ROWS * heads_width);
        float *ks = rig_zeros(rig, (size_t)PATH_MAX_ROWS * groups_width);
        float *vs = rig_zeros(rig, (size_t)PATH_MAX_ROWS * groups_width);
        float *want = rig_zeros(rig, (size_t)PATH_MAX_ROWS * heads_width);
        float *got = rig_zeros(rig, (size_t)PATH_MAX_ROWS * heads_width);
        const size_t rows = copy_path(qs, q, &spans[b], heads_width);
        const struct assay_span span = {.row_count = (uint32_t)rows};
        struct assay_attention_args alone = tree;

        (void)copy_path(ks, k, &spans[b], groups_width);
        (void)copy_path(vs, v, &spans[b], groups_width);
        (void)copy_path(got, out, &spans[b], heads_width);
        alone.q = qs;
        alone.k = ks;
        alone.v = vs;
        alone.out = want;
        alone.spans = &span;
        alone.B = 1;
        alone.T = alone.rows_max = rows;
        rig->ops->attention_forward(&alone, rig->stream);
        same("a sequence of a tree", want, got, rows * heads_width);
    }
}

static void lightning_tree_body(struct rig *rig)
{
    const size_t H = 3, D = 33, width = 3 * H * D;
    const struct assay_span *spans = rig_tree(rig, tree_lengths, tree_ups, TREE);
    const float *qkv = rig_uniform(rig, TREE_ROWS * width, -1, 1);
    float *out = rig_zeros(rig, TREE_ROWS * H * D);
    struct assay_lightning_args tree = {.out = out,
            .q = qkv,
            .k = qkv + D,
            .v = qkv + 2 * D,
            .row_stride = width,
            .head_stride = 3 * D,
            .slope = rig_uniform(rig, H, 0.01, 1),
            .spans = spans,
            .B = TREE,
            .T = TREE_ROWS,
            .rows_max = 130,
            .H = H,
            .D = D};

    rig->ops->lightning_forward(&tree, rig->stream);
    for (size_t b = 0; b < TREE; b++) {
        float *rows = rig_zeros(rig, PATH_MAX_ROWS * width);
        float *want = rig_zeros(rig, PATH_MAX_ROWS * H * D);
        float *got = rig_zeros(rig, PATH_MAX_ROWS * H * D);
        const size_t count = copy_path(rows, qkv, &spans[b], width);
        const struct assay_span span = {.row_count = (uint32_t)count};
        struct assay_lightning_args alone = tree;

        (void)copy_path(got, out, &spans[b], H * D);
        alone.q = rows;
        alone.k = rows + D;
        alone.v = rows + 2 * D;
        alone.out = want;
        alone.spans = &span;
        alone.B = 1;
        alone.T = alone.rows_max = count;
        rig->ops->lightning_forward(&alone, rig->stream);
        same("a sequence of a tree", want, got, count * H * D);
    }
}

static void a_tree_is_its_sequences(void **state)
{
    (void)state;
    for_every_path(attention_tree_body);
    for_every_path(lightning_tree_body);
}

// Rows in a batch against rows alone, for what remains of a layer.
static void layer_body(struct rig *rig)
{
    const size_t T = 64, C = 97;
    float *x = rig_uniform(rig, T * C, -2, 2), *gate = rig_uniform(rig, T * C, -2, 2);
    float *weight = rig_uniform(rig, C, -1, 1);
    float *norm = rig_zeros(rig, T * C), *gated = rig_zeros(rig, T * C),
          *glu = rig_zeros(rig, T * C);
    float *one = rig_zeros(rig, C);
    struct assay_rmsnorm_args n = {
            .y = norm, .x = x, .weight = weight, .T = T, .C = C, .eps = 1e-6};
    struct assay_gate_args g = {
            .y = gated, .x = x, .gate = gate, .weight = weight, .T = T, .C = C, .eps = 1e-6};
    struct assay_swiglu_args s = {.y = glu, .gate = gate, .up = x, .count = T * C};

    rig->ops->rmsnorm_forward(&n, rig->stream);
    rig->ops->gate_forward(&g, rig->stream);
    rig->ops->swiglu_forward(&s, rig->stream);
    n.T = g.T = 1;
    s.count = C;
    n.y = g.y = s.y = one;
    for (size_t t = 0; t < T; t++) {
        n.x = g.x = s.up = x + t * C;
        g.gate = s.gate = gate + t * C;
        rig->ops->rmsnorm_forward(&n, rig->stream);
        same("rmsnorm", norm + t * C, one, C);
        rig->ops->gate_forward(&g, rig->stream);
        same("gate", gated + t * C, one, C);
        rig->ops->swiglu_forward(&s, rig->stream);
        same("swiglu", glu + t * C, one, C);
    }
}

static void norms_and_gates_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    for_every_path(layer_body);
}

// The sampler multiplies out the logits of a few rows; the trainer never stores them.
static void head_body(struct rig *rig)
{
    const size_t T = 40, C = 70, V = 2100, VALID = 2090;
    float *logits = rig_zeros(rig, T * V), *logp = rig_zeros(rig, T), *lse = rig_zeros(rig, T);
    float *entropy = rig_zeros(rig, T), *logp_one = rig_zeros(rig, T), *lse_one = rig_zeros(rig, T);
    float *entropy_one = rig_zeros(rig, T), *logp_without = rig_zeros(rig, T);
    struct assay_logprob_args a = {.logp = logp,
            .lse = lse,
            .entropy = entropy,
            .T = T,
            .C = C,
            .V = V,
            .V_valid = VALID,
            .logit_scale = 1.1};
    struct assay_matmul_args product = {.y = logits, .M = T, .N = V, .K = C};

    a.x = product.x = rig_uniform(rig, T * C, -1, 1);
    a.w = product.w = rig_uniform(rig, (size_t)V * C, -1, 1);
    a.target = rig_ints(rig, T, 0, (int32_t)VALID);
    rig->ops->logprob_forward(&a, rig->stream);
    a.entropy = NULL;
    a.logp = logp_without;
    rig->ops->logprob_forward(&a, rig->stream);
    same("logp without entropy", logp, logp_without, T);
    for (size_t t = 0; t < T; t++) {
        struct assay_matmul_args row = product;
        struct assay_logprob_args one = a;

        row.M = one.T = 1;
        row.x = (const float *)product.x + t * C;
        row.y = logits + t * V;
        rig->ops->matmul_forward(&row, rig->stream);
        one.logits = row.y;
        one.target = a.target + t;
        one.logp = logp_one + t;
        one.lse = lse_one + t;
        one.entropy = entropy_one + t;
        rig->ops->logprob_of_logits(&one, rig->stream);
    }
    same("logp", logp, logp_one, T);
    same("lse", lse, lse_one, T);
    same("entropy", entropy, entropy_one, T);
}

static void the_samplers_logp_is_the_trainers(void **state)
{
    (void)state;
    for_every_path(head_body);
}

// 24 rows, each drawn with a number from the middle of a known token's share; together and alone.
static void draw_body(struct rig *rig)
{
    const size_t T = 24, V = 2100, VALID = 2090;
    const double scale = 1.3;
    struct assay_draw_args a = {.T = T, .V = V, .V_valid = VALID, .logit_scale = scale};
    const float *logits = rig_uniform(rig, T * V, -4, 4);
    int32_t *wanted = rig_ints(rig, T, 0, (int32_t)VALID), *id = rig_ints(rig, T, 0, 1);
    float *logp = rig_zeros(rig, T), *lse = rig_zeros(rig, T), *logp_one = rig_zeros(rig, T);
    double unit[24];
    struct assay_logprob_args known = {.lse = lse, .logits = logits, .T = T, .V = V};

    wanted[0] = 0;
    wanted[1] = (int32_t)VALID - 1;
    for (size_t t = 0; t < T; t++) {
        double before = 0, sum = 0, own = 0;

        for (size_t v = 0; v < VALID; v++) {
            const double weight = exp(scale * (double)logits[t * V + v]);

            before += v < (size_t)wanted[t] ? weight : 0;
            own = v == (size_t)wanted[t] ? weight : own;
            sum += weight;
        }
        unit[t] = (before + own / 2) / sum;
    }
    a.logits = logits;
    a.unit = unit;
    a.id = id;
    a.lse = lse;
    a.logp = logp;
    rig->ops->draw(&a, rig->stream);
    assert_memory_equal(id, wanted, T * sizeof(*id));
    known.V_valid = VALID;
    known.logit_scale = scale;
    known.target = id;
    known.logp = logp_one;
    rig->ops->logprob_of_logits(&known, rig->stream);
    same("logp of what was drawn", logp, logp_one, T);
    a.T = 1;
    a.logits = logits + 7 * V;
    a.unit = unit + 7;
    rig->ops->draw(&a, rig->stream);
    assert_int_equal(id[0], wanted[7]);
    same("logp alone", logp, logp_one + 7, 1);
}

static void a_draw_follows_its_own_number_alone(void **state)
{
    (void)state;
    for_every_path(draw_body);
}

// Rounding in the sum does not let a number just below 1 fall on a token without weight.
static void unlikely_body(struct rig *rig)
{
    const size_t V = 40;
    float *logits = rig_uniform(rig, V, -200, -150);
    const double unit[] = {0, 0.9999999999999999};
    int32_t id[1] = {0};
    struct assay_draw_args a = {.T = 1, .V = V, .V_valid = V, .logit_scale = 1};

    logits[20] = 3;
    a.logits = logits;
    a.id = id;
    a.logp = rig_zeros(rig, 1);
    a.lse = rig_zeros(rig, 1);
    for (size_t i = 0; i < 2; i++) {
        a.unit = &unit[i];
        rig->ops->draw(&a, rig->stream);
        assert_int_equal(id[0], 20);
    }
}

static void what_has_no_weight_is_never_drawn(void **state)
{
    (void)state;
    for_every_path(unlikely_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_row_of_a_product_does_not_depend_on_its_batch),
            cmocka_unit_test(a_product_does_not_depend_on_those_beside_it),
            cmocka_unit_test(a_row_of_an_expert_does_not_depend_on_the_others),
            cmocka_unit_test(softmax_attention_decodes_as_it_prefills),
            cmocka_unit_test(lightning_attention_decodes_as_it_prefills),
            cmocka_unit_test(a_tree_is_its_sequences),
            cmocka_unit_test(norms_and_gates_do_not_depend_on_the_batch),
            cmocka_unit_test(the_samplers_logp_is_the_trainers),
            cmocka_unit_test(a_draw_follows_its_own_number_alone),
            cmocka_unit_test(what_has_no_weight_is_never_drawn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
