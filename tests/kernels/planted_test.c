// SPDX-License-Identifier: MIT
// What must hold: the mistakes seen in published implementations of this model (facts/model.md 2g)
// are visible. Each is written out here as a variant of the textbook formula; the right variant
// agrees with every table, and the planted one is off by far more than any tolerance.
#include <math.h>
#include <string.h>

#include "support/harness.h"
#include "tests/kernels/rig.h"

static const double CLOSE = 2e-5, FAR = 1e-3;

// Largest difference over largest entry.
static double apart(const struct rig *rig, const void *tensor, const double *want, size_t count)
{
    double top = 1e-6, worst = 0;

    for (size_t i = 0; i < count; i++) {
        top = fmax(top, fabs(want[i]));
        worst = fmax(worst, fabs(rig_get(rig, tensor, i) - want[i]));
    }
    return worst / top;
}

// Tables under test: the references and all cpu paths.
static const struct assay_ops *table(size_t i)
{
    if (i < 2)
        return assay_ops_ref(i == 0 ? ASSAY_DTYPE_F64 : ASSAY_DTYPE_F32);
    for (size_t path = 0; path < i - 2; path++)
        if (rig_cpu_paths()[path] == NULL)
            return NULL;
    return rig_cpu_paths()[i - 2];
}

// --- lightning attention in blocks, as the models' own code has it ---

enum plant {
    RIGHT,
    DECAY_OFF_BY_ONE,  // q sees its own block's edge one step too early (vLLM)
    SHORT_BLOCK_FULL,  // the last, short block decays as a full one
    KEY_DECAY_SHIFTED, // keys decay to the block's end plus one
    NO_CARRY,          // a continued prefill starts from an empty state
    NOT_INTERLEAVED,   // rows of qkv taken as [all q; all k; all v]
    PLANT_COUNT
};

enum { H = 2, D = 5, BLOCK = 8, TWO_BLOCKS = 2 * BLOCK, T_MAX = 40 };

static double qkv_at(
        const double *qkv, size_t t, size_t h, size_t which, size_t d, enum plant plant)
{
    if (plant == NOT_INTERLEAVED)
        return qkv[t * 3 * H * D + which * H * D + h * D + d];
    return qkv[t * 3 * H * D + h * 3 * D + which * D + d];
}

static double score(const double *qkv, size_t i, size_t j, size_t h, enum plant plant)
{
    double sum = 0;

    for (size_t d = 0; d < D; d++)
        sum += qkv_at(qkv, i, h, 0, d, plant) * qkv_at(qkv, j, h, 1, d, plant);
    return sum;
}

static void block_forward(double *out, double s[D][D], const double *qkv, size_t from, size_t m,
        size_t h, double slope, enum plant plant)
{
    const double edge = plant == DECAY_OFF_BY_ONE ? 0 : 1,
                 length = plant == SHORT_BLOCK_FULL ? BLOCK : (double)m;
    const double shift = plant == KEY_DECAY_SHIFTED ? 1 : 0;

    for (size_t i = 0; i < m; i++)
        for (size_t e = 0; e < D; e++) {
            double sum = 0;

            for (size_t d = 0; d < D; d++)
                sum += exp(-slope * ((double)i + edge)) * qkv_at(qkv, from + i, h, 0, d, plant) *
                        s[d][e];
            for (size_t j = 0; j <= i; j++)
                sum += exp(-slope * (double)(i - j)) * score(qkv, from + i, from + j, h, plant) *
                        qkv_at(qkv, from + j, h, 2, e, plant);
            out[((from + i) * H + h) * D + e] = sum;
        }
    for (size_t d = 0; d < D; d++)
        for (size_t e = 0; e < D; e++) {
            double sum = exp(-slope * length) * s[d][e];

            for (size_t j = 0; j < m; j++)
                sum += exp(-slope * (length - 1 - (double)j + shift)) *
                        qkv_at(qkv, from + j, h, 1, d, plant) *
                        qkv_at(qkv, from + j, h, 2, e, plant);
            s[d][e] = sum;
        }
}

// Two calls: [0, cut) and [cut, T), each in blocks of its own.
static void planted_lightning(
        double *out, const double *qkv, const double *slope, size_t T, size_t cut, enum plant plant)
{
    for (size_t h = 0; h < H; h++) {
        double s[D][D] = {{0}};
        size_t end = cut;

        for (size_t from = 0; from < T;) {
            const size_t left = end - from, m = left < BLOCK ? left : BLOCK;

            block_forward(out, s, qkv, from, m, h, slope[h], plant);
            from += m;
            if (from == cut && plant == NO_CARRY)
                memset(s, 0, sizeof(s));
            if (from == cut)
                end = T;
        }
    }
}

static void lightning_case(const struct assay_ops *ops, size_t T, size_t cut)
{
    struct rig rig;
    double *qkv = NULL, *slope = NULL, *want = NULL;
    struct assay_lightning_args a = {
            .row_stride = (size_t)3 * H * D, .head_stride = (size_t)3 * D, .B = 1, .H = H, .D = D};
    struct assay_span span = {0};
    const size_t size = assay_dtype_bytes(ops->sum);
    char *rows = NULL, *out = NULL;

    rig_open(&rig, ops, 2);
    qkv = rig_bytes(&rig, T * 3 * H * D * sizeof(double));
    slope = rig_bytes(&rig, H * sizeof(double));
    want = rig_bytes(&rig, T * H * D * sizeof(double));
    for (size_t i = 0; i < T * 3 * H * D; i++)
        qkv[i] = assay_rng_unit(&rig.rng) * 2 - 1;
    slope[0] = 0.6;
    slope[1] = 0.05;
    a.slope = rig_from(&rig, slope, H);
    rows = rig_from(&rig, qkv, T * 3 * H * D);
    out = rig_zeros(&rig, T * H * D);
    a.state = rig_zeros(&rig, (size_t)H * D * D);
    a.spans = &span;
    for (size_t from = 0; from < T; from += span.row_count) {
        span = (struct assay_span){
                .row_count = (uint32_t)(from < cut ? cut : T - cut), .position = (uint32_t)from};
        a.T = a.rows_max = span.row_count;
        a.q = rows + from * 3 * H * D * size;
        a.k = rows + (from * 3 * H * D + D) * size;
        a.v = rows + (from * 3 * H * D + (size_t)2 * D) * size;
        a.out = out + from * H * D * size;
        ops->lightning_forward(&a, rig.stream);
    }
    for (int plant = RIGHT; plant < PLANT_COUNT; plant++) {
        // These two need more than one block, or a state that is carried on.
        const bool visible = plant == NOT_INTERLEAVED || T > BLOCK || cut < T;
        double distance = 0;

        if ((plant == SHORT_BLOCK_FULL && (cut == T || cut % BLOCK == 0)) ||
                (plant == NO_CARRY && cut == T))
            continue; // no short block before the end, nothing to carry
        planted_lightning(want, qkv, slope, T, cut, (enum plant)plant);
        distance = apart(&rig, out, want, T * H * D);
        if (plant == RIGHT)
            assert_true(distance < CLOSE);
        else if (visible)
            assert_true(distance > FAR);
    }
    rig_close(&rig);
}

static void block_edges_and_decay_of_lightning_attention(void **state)
{
    // One block, one more token, two blocks, a short one; whole and continued.
    static const size_t cases[][2] = {{BLOCK, BLOCK}, {BLOCK + 1, BLOCK + 1},
            {TWO_BLOCKS, TWO_BLOCKS}, {TWO_BLOCKS + 3, TWO_BLOCKS + 3}, {TWO_BLOCKS, 3},
            {T_MAX, BLOCK}, {T_MAX, 33}, {T_MAX, 32}};

    (void)state;
    for (size_t i = 0; table(i) != NULL; i++)
        for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
            lightning_case(table(i), cases[c][0], cases[c][1]);
}

// --- partial rotation ---

static void planted_rope(
        double *x, size_t width, size_t rotary, size_t divisor, double theta, double position)
{
    for (size_t j = 0; j < rotary / 2; j++) {
        const double angle = position * pow(theta, -2.0 * (double)j / (double)divisor);
        const double a = x[j], b = x[j + rotary / 2];

        assert_true(j + rotary / 2 < width);
        x[j] = a * cos(angle) - b * sin(angle);
        x[j + rotary / 2] = b * cos(angle) + a * sin(angle);
    }
}

static void partial_rope_is_neither_full_nor_interleaved(void **state)
{
    enum { WIDTH = 16, ROTARY = 8 };

    (void)state;
    for (size_t i = 0; table(i) != NULL; i++) {
        struct rig rig;
        double head[WIDTH], right[WIDTH], full[WIDTH], wrong_base[WIDTH], freq[ROTARY / 2];
        int32_t position = 3;
        struct assay_rope_table_args angles = {
                .position = &position, .T = 1, .R = ROTARY, .scale = 1};
        struct assay_rope_args rope = {.T = 1, .H = 1, .D = WIDTH, .R = ROTARY};

        rig_open(&rig, table(i), 1);
        for (size_t j = 0; j < WIDTH; j++)
            head[j] = assay_rng_unit(&rig.rng) - 0.5;
        for (size_t j = 0; j < ROTARY / 2; j++)
            freq[j] = pow(1e4, -2.0 * (double)j / ROTARY);
        memcpy(right, head, sizeof(head));
        memcpy(full, head, sizeof(head));
        memcpy(wrong_base, head, sizeof(head));
        planted_rope(right, WIDTH, ROTARY, ROTARY, 1e4, 3);
        planted_rope(full, WIDTH, WIDTH, WIDTH, 1e4, 3);
        planted_rope(wrong_base, WIDTH, ROTARY, WIDTH, 1e4, 3);
        angles.inv_freq = rig_from(&rig, freq, ROTARY / 2);
        rope.cosine = angles.cosine = rig_zeros(&rig, ROTARY / 2);
        rope.sine = angles.sine = rig_zeros(&rig, ROTARY / 2);
        rope.x = rig_from(&rig, head, WIDTH);
        rig.ops->rope_table(&angles, rig.stream);
        rig.ops->rope_forward(&rope, rig.stream);
        assert_true(apart(&rig, rope.x, right, WIDTH) < CLOSE);
        assert_true(apart(&rig, rope.x, full, WIDTH) > FAR);
        assert_true(apart(&rig, rope.x, wrong_base, WIDTH) > FAR);
        rig_close(&rig);
    }
}

// --- the gate's norm: over all heads, with its own eps ---

static void planted_gate(double *y, const double *x, const double *gate, const double *weight,
        size_t C, size_t span, double eps)
{
    for (size_t c = 0; c < C; c++) {
        double sum = 0;

        for (size_t i = 0; i < span; i++)
            sum += pow(x[c / span * span + i], 2);
        y[c] = 1 / (1 + exp(-gate[c])) * x[c] / sqrt(sum / (double)span + eps) * weight[c];
    }
}

static void the_inner_norm_spans_all_heads_and_keeps_its_eps(void **state)
{
    enum { C = 24 };

    (void)state;
    for (size_t i = 0; table(i) != NULL; i++) {
        struct rig rig;
        double x[C], gate[C], weight[C], y[C];
        struct assay_gate_args a = {.T = 1, .C = C, .eps = 1e-6};

        rig_open(&rig, table(i), 1);
        for (size_t c = 0; c < C; c++) {
            x[c] = 4e-3 * (assay_rng_unit(&rig.rng) - 0.5); // small: eps matters
            gate[c] = assay_rng_unit(&rig.rng) - 0.5;
            weight[c] = assay_rng_unit(&rig.rng);
        }
        a.x = rig_from(&rig, x, C);
        a.gate = rig_from(&rig, gate, C);
        a.weight = rig_from(&rig, weight, C);
        a.y = rig_zeros(&rig, C);
        rig.ops->gate_forward(&a, rig.stream);
        planted_gate(y, x, gate, weight, C, C, 1e-6);
        assert_true(apart(&rig, a.y, y, C) < CLOSE);
        planted_gate(y, x, gate, weight, C, C, 1e-5);
        assert_true(apart(&rig, a.y, y, C) > FAR);
        planted_gate(y, x, gate, weight, C, 8, 1e-6);
        assert_true(apart(&rig, a.y, y, C) > FAR);
        rig_close(&rig);
    }
}

// --- gate and up exchanged (w1, w3) ---

static void gate_and_up_are_not_symmetric(void **state)
{
    (void)state;
    for (size_t i = 0; table(i) != NULL; i++) {
        struct rig rig;
        const double gate[3] = {1, -2, 0.5}, up[3] = {2, 0.25, -1};
        double right[3], swapped[3];
        struct assay_swiglu_args a = {.count = 3};

        rig_open(&rig, table(i), 1);
        for (size_t j = 0; j < 3; j++) {
            right[j] = gate[j] / (1 + exp(-gate[j])) * up[j];
            swapped[j] = up[j] / (1 + exp(-up[j])) * gate[j];
        }
        a.gate = rig_from(&rig, gate, 3);
        a.up = rig_from(&rig, up, 3);
        a.y = rig_zeros(&rig, 3);
        rig.ops->swiglu_forward(&a, rig.stream);
        assert_true(apart(&rig, a.y, right, 3) < CLOSE && apart(&rig, a.y, swapped, 3) > FAR);
        rig_close(&rig);
    }
}

// --- the padded tail of a vocabulary ---

static void the_padded_tail_has_no_probability_and_no_gradient(void **state)
{
    enum { V = 9, VALID = 6, C = 3, TABLE = V * C, FIRST_PADDED = VALID * C };

    (void)state;
    for (size_t i = 0; table(i) != NULL; i++) {
        struct rig rig;
        const double x[C] = {1, 0.5, -1};
        double w[TABLE], all = 0, valid = 0;
        int32_t target = 2;
        struct assay_logprob_args a = {
                .target = &target, .T = 1, .C = C, .V = V, .V_valid = VALID, .logit_scale = 1};

        rig_open(&rig, table(i), 1);
        for (size_t j = 0; j < TABLE; j++)
            w[j] = assay_rng_unit(&rig.rng);
        for (size_t v = 0; v < V; v++) {
            const double z = w[v * C] * x[0] + w[v * C + 1] * x[1] + w[v * C + 2] * x[2];

            all += exp(z);
            valid += v < VALID ? exp(z) : 0;
        }
        a.x = rig_from(&rig, x, C);
        a.w = rig_from(&rig, w, TABLE);
        a.logp = rig_zeros(&rig, 1);
        a.lse = rig_zeros(&rig, 1);
        a.dx = rig_zeros(&rig, C);
        a.dw = rig_zeros(&rig, TABLE);
        a.dlogp = rig_from(&rig, (const double[]){1}, 1);
        rig.ops->logprob_forward(&a, rig.stream);
        rig.ops->logprob_backward(&a, rig.stream);
        assert_true(fabs(rig_get(&rig, a.lse, 0) - log(valid)) < CLOSE);
        assert_true(fabs(rig_get(&rig, a.lse, 0) - log(all)) > FAR);
        for (size_t j = FIRST_PADDED; j < TABLE; j++)
            assert_true(rig_get(&rig, a.dw, j) == 0);
        rig_close(&rig);
    }
}

// --- the optimizer with M1's eps ---

static void adamw_moves_on_gradients_of_1e_18(void **state)
{
    (void)state;
    for (size_t i = 0; table(i) != NULL; i++) {
        static const double gradients[] = {1e-18, -1e-18, 1e-14, 1e-5, 0};
        struct rig rig;
        struct assay_adamw_args a = {
                .count = 5, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-15, .step = 1};
        double sum = 0;
        struct assay_sumsq_args squares = {.sum = &sum, .count = 2};

        rig_open(&rig, table(i), 1);
        a.param = rig_zeros(&rig, 5);
        a.m = rig_zeros(&rig, 5);
        a.v = rig_zeros(&rig, 5);
        squares.x = a.grad = rig_from(&rig, gradients, 5);
        rig.ops->adamw(&a, rig.stream);
        for (size_t j = 0; j < 5; j++) {
            const double g = gradients[j], want = -1e-3 * g / (fabs(g) + 1e-15);

            // A square that was flushed to zero, or eps under the root, would give another step by
            // far.
            assert_true(fabs(rig_get(&rig, a.param, j) - want) <= 1e-3 * fabs(want));
        }
        // Squares of small gradients do not vanish from the norm either.
        rig.ops->sumsq(&squares, rig.stream);
        assert_true(fabs(sum / 2e-36 - 1) < 1e-5);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(block_edges_and_decay_of_lightning_attention),
            cmocka_unit_test(partial_rope_is_neither_full_nor_interleaved),
            cmocka_unit_test(the_inner_norm_spans_all_heads_and_keeps_its_eps),
            cmocka_unit_test(gate_and_up_are_not_symmetric),
            cmocka_unit_test(the_padded_tail_has_no_probability_and_no_gradient),
            cmocka_unit_test(adamw_moves_on_gradients_of_1e_18),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
