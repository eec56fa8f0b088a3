// SPDX-License-Identifier: MIT
// What must hold: every backward of the reference is the derivative of its forward. Central
// differences in double, h = 1e-5, at most 1e-6 of the largest entry.
#include <math.h>
#include <string.h>

#include "support/harness.h"
#include "tests/kernels/rig.h"

enum { OUTPUT_COUNT_MAX = 3 };

// loss = sum over outputs of weight . out; the weights are the gradients handed to backward.
struct probe {
    struct rig rig;
    void (*forward)(struct probe *probe);
    double *out[OUTPUT_COUNT_MAX], *weight[OUTPUT_COUNT_MAX];
    size_t out_size[OUTPUT_COUNT_MAX], out_count;
    union {
        struct assay_embedding_args embedding;
        struct assay_rmsnorm_args rmsnorm;
        struct assay_matmul_args matmul;
        struct assay_matmul_grouped_args grouped;
        struct assay_rope_args rope;
        struct assay_attention_args attention;
        struct assay_lightning_args lightning;
        struct assay_gate_args gate;
        struct assay_silu_args silu;
        struct assay_swiglu_args swiglu;
        struct assay_router_args router;
        struct assay_moe_route_args route;
        struct assay_logprob_args logprob;
    } args;
    double *before; // what an operation that works in place starts from
};

static void open_probe(struct probe *probe, void (*forward)(struct probe *))
{
    memset(probe, 0, sizeof(*probe));
    rig_open(&probe->rig, assay_ops_ref(ASSAY_DTYPE_F64), 1);
    probe->forward = forward;
}

static double *fill(struct probe *probe, size_t count)
{
    return rig_uniform(&probe->rig, count, -1, 1);
}

static double *zeros(struct probe *probe, size_t count)
{
    return rig_zeros(&probe->rig, count);
}

// Returns the output's weight.
static const double *observe(struct probe *probe, double *out, size_t size)
{
    const size_t i = probe->out_count++;

    probe->out[i] = out;
    probe->out_size[i] = size;
    probe->weight[i] = fill(probe, size);
    return probe->weight[i];
}

static double loss_of(struct probe *probe)
{
    double loss = 0;

    probe->forward(probe);
    for (size_t i = 0; i < probe->out_count; i++)
        for (size_t j = 0; j < probe->out_size[i]; j++)
            loss += probe->weight[i][j] * probe->out[i][j];
    return loss;
}

static void check(
        struct probe *probe, const char *name, double *x, const double *gradient, size_t size)
{
    const double h = 1e-5;
    double top = 1e-3, worst = 0;

    for (size_t i = 0; i < size; i++)
        top = fmax(top, fabs(gradient[i]));
    for (size_t i = 0; i < size; i++) {
        const double kept = x[i];
        double up = 0, down = 0;

        x[i] = kept + h;
        up = loss_of(probe);
        x[i] = kept - h;
        down = loss_of(probe);
        x[i] = kept;
        worst = fmax(worst, fabs((up - down) / (2 * h) - gradient[i]) / top);
    }
    print_message("%-22s %.1e\n", name, worst);
    assert_true(worst <= 1e-6);
}

static void forward_embedding(struct probe *p)
{
    p->rig.ops->embedding_forward(&p->args.embedding, p->rig.stream);
}

static void embedding(void **state)
{
    struct probe p;
    struct assay_embedding_args *a = &p.args.embedding;
    double *table = NULL;

    (void)state;
    open_probe(&p, forward_embedding);
    table = fill(&p, 15);
    *a = (struct assay_embedding_args){.table = table, .T = 7, .C = 3, .V = 5};
    a->ids = rig_ints(&p.rig, 7, 0, 5);
    a->out = zeros(&p, 21);
    a->dout = observe(&p, a->out, 21);
    a->dtable = zeros(&p, 15);
    p.rig.ops->embedding_backward(a, p.rig.stream);
    check(&p, "embedding table", table, a->dtable, 15);
    rig_close(&p.rig);
}

static void forward_rmsnorm(struct probe *p)
{
    p->rig.ops->rmsnorm_forward(&p->args.rmsnorm, p->rig.stream);
}

static void rmsnorm(void **state)
{
    struct probe p;
    struct assay_rmsnorm_args *a = &p.args.rmsnorm;
    double *x = NULL, *weight = NULL, *dx = NULL;

    (void)state;
    open_probe(&p, forward_rmsnorm);
    x = fill(&p, 28);
    weight = fill(&p, 7);
    dx = zeros(&p, 28);
    *a = (struct assay_rmsnorm_args){
            .x = x, .weight = weight, .dx = dx, .T = 4, .C = 7, .eps = 1e-2};
    a->y = zeros(&p, 28);
    a->rstd = zeros(&p, 4);
    a->dweight = zeros(&p, 7);
    a->dy = observe(&p, a->y, 28);
    p.forward(&p);
    p.rig.ops->rmsnorm_backward(a, p.rig.stream);
    check(&p, "rmsnorm x", x, dx, 28);
    check(&p, "rmsnorm weight", weight, a->dweight, 7);
    // accumulate adds the same gradient once more.
    a->accumulate = true;
    p.rig.ops->rmsnorm_backward(a, p.rig.stream);
    for (size_t i = 0; i < 28; i++)
        dx[i] /= 2;
    check(&p, "rmsnorm accumulated", x, dx, 28);
    rig_close(&p.rig);
}

static void forward_matmul(struct probe *p)
{
    p->rig.ops->matmul_forward(&p->args.matmul, p->rig.stream);
}

static void matmul(void **state)
{
    struct probe p;
    struct assay_matmul_args *a = &p.args.matmul;
    double *x = NULL, *w = NULL;

    (void)state;
    open_probe(&p, forward_matmul);
    x = fill(&p, 15);
    w = fill(&p, 20);
    *a = (struct assay_matmul_args){.x = x, .w = w, .M = 3, .N = 4, .K = 5};
    a->y = zeros(&p, 12);
    a->dx = zeros(&p, 15);
    a->dw = zeros(&p, 20);
    a->dy = observe(&p, a->y, 12);
    p.rig.ops->matmul_backward_input(a, p.rig.stream);
    p.rig.ops->matmul_backward_weight(a, p.rig.stream);
    check(&p, "matmul x", x, a->dx, 15);
    check(&p, "matmul w", w, a->dw, 20);
    rig_close(&p.rig);
}

static void forward_grouped(struct probe *p)
{
    p->rig.ops->matmul_grouped_forward(&p->args.grouped, p->rig.stream);
}

static void matmul_grouped(void **state)
{
    struct probe p;
    struct assay_matmul_grouped_args *a = &p.args.grouped;
    const int32_t bounds[] = {0, 2, 2, 7};
    int32_t *offset = NULL;
    double *x = NULL, *w = NULL;

    (void)state;
    open_probe(&p, forward_grouped);
    x = fill(&p, 35);
    w = fill(&p, 60);
    offset = rig_bytes(&p.rig, sizeof(bounds));
    memcpy(offset, bounds, sizeof(bounds));
    *a = (struct assay_matmul_grouped_args){
            .x = x, .w = w, .offset = offset, .R = 7, .N = 4, .K = 5, .E = 3};
    a->y = zeros(&p, 28);
    a->dx = zeros(&p, 35);
    a->dw = zeros(&p, 60);
    a->dy = observe(&p, a->y, 28);
    p.rig.ops->matmul_grouped_backward_input(a, p.rig.stream);
    p.rig.ops->matmul_grouped_backward_weight(a, p.rig.stream);
    check(&p, "grouped x", x, a->dx, 35);
    check(&p, "grouped w", w, a->dw, 60);
    rig_close(&p.rig);
}

static void forward_rope(struct probe *p)
{
    memcpy(p->args.rope.x, p->before, 36 * sizeof(double));
    p->rig.ops->rope_forward(&p->args.rope, p->rig.stream);
}

static void rope(void **state)
{
    struct probe p;
    struct assay_rope_args *a = &p.args.rope;
    struct assay_rope_table_args table = {.T = 3, .R = 4, .scale = 1.25};
    double *gradient = NULL;

    (void)state;
    open_probe(&p, forward_rope);
    table.cosine = zeros(&p, 6);
    table.sine = zeros(&p, 6);
    table.position = rig_ints(&p.rig, 3, 0, 50);
    table.inv_freq = rig_uniform(&p.rig, 2, 0.01, 1);
    p.rig.ops->rope_table(&table, p.rig.stream);
    p.before = fill(&p, 36);
    *a = (struct assay_rope_args){.x = zeros(&p, 36),
            .cosine = table.cosine,
            .sine = table.sine,
            .T = 3,
            .H = 2,
            .D = 6,
            .R = 4};
    gradient = zeros(&p, 36);
    memcpy(gradient, observe(&p, a->x, 36), 36 * sizeof(double));
    {
        struct assay_rope_args back = *a;

        back.x = gradient;
        p.rig.ops->rope_backward(&back, p.rig.stream);
    }
    check(&p, "rope", p.before, gradient, 36);
    rig_close(&p.rig);
}

static void forward_attention(struct probe *p)
{
    p->rig.ops->attention_forward(&p->args.attention, p->rig.stream);
}

static void attention_of(bool tree)
{
    static const uint32_t lengths[] = {4, 1, 0, 6}, ups[] = {0, 1, 1, 2};
    struct probe p;
    struct assay_attention_args *a = &p.args.attention;
    double *q = NULL, *k = NULL, *v = NULL;
    const size_t T = 11, H = 4, G = 2, D = 3;

    open_probe(&p, forward_attention);
    q = fill(&p, T * H * D);
    k = fill(&p, T * G * D);
    v = fill(&p, T * G * D);
    *a = (struct assay_attention_args){.q = q,
            .k = k,
            .v = v,
            .B = 4,
            .T = T,
            .rows_max = 6,
            .H = H,
            .G = G,
            .D = D,
            .scale = 0.7};
    a->spans = tree ? rig_tree(&p.rig, lengths, ups, 4) : rig_spans(&p.rig, lengths, 4);
    a->out = zeros(&p, T * H * D);
    a->lse = zeros(&p, T * H);
    a->dq = zeros(&p, T * H * D);
    a->dk = zeros(&p, T * G * D);
    a->dv = zeros(&p, T * G * D);
    a->dout = observe(&p, a->out, T * H * D);
    p.forward(&p);
    p.rig.ops->attention_backward(a, p.rig.stream);
    check(&p, "attention q", q, a->dq, T * H * D);
    check(&p, "attention k", k, a->dk, T * G * D);
    check(&p, "attention v", v, a->dv, T * G * D);
    rig_close(&p.rig);
}

static void attention(void **state)
{
    (void)state;
    attention_of(false);
    attention_of(true);
}

enum { STATE_COUNT = 2 * 2 * 3 * 3 };

static void forward_lightning(struct probe *p)
{
    memcpy(p->args.lightning.state, p->before, STATE_COUNT * sizeof(double));
    p->rig.ops->lightning_forward(&p->args.lightning, p->rig.stream);
}

// Head-interleaved rows, an initial state in the middle of a block, a final state, two sequences.
static void lightning(void **state)
{
    static const uint32_t lengths[] = {7, 2};
    const size_t T = 9, H = 2, D = 3, row = 3 * H * D;
    struct probe p;
    struct assay_lightning_args *a = &p.args.lightning;
    struct assay_span *spans = NULL;
    double *qkv = NULL, *dqkv = NULL, *final = NULL;

    (void)state;
    open_probe(&p, forward_lightning);
    qkv = fill(&p, T * row);
    dqkv = zeros(&p, T * row);
    spans = rig_spans(&p.rig, lengths, 2);
    spans[0].position = 29; // crosses into the next block
    *a = (struct assay_lightning_args){.q = qkv,
            .k = qkv + D,
            .v = qkv + 2 * D,
            .row_stride = row,
            .head_stride = 3 * D,
            .spans = spans,
            .B = 2,
            .T = T,
            .rows_max = 7,
            .H = H,
            .D = D};
    a->slope = rig_uniform(&p.rig, H, 0.05, 0.9);
    a->out = zeros(&p, T * H * D);
    a->dq = dqkv;
    a->dk = dqkv + D;
    a->dv = dqkv + 2 * D;
    p.before = fill(&p, STATE_COUNT);
    final = zeros(&p, STATE_COUNT);
    a->dout = observe(&p, a->out, T * H * D);
    a->dstate_out = observe(&p, final, STATE_COUNT);
    a->dstate_in = zeros(&p, STATE_COUNT);
    a->state = p.before;
    p.rig.ops->lightning_backward(a, p.rig.stream);
    a->state = final;
    check(&p, "lightning qkv", qkv, dqkv, T * row);
    check(&p, "lightning state", p.before, a->dstate_in, STATE_COUNT);
    rig_close(&p.rig);
}

static void forward_lightning_tree(struct probe *p)
{
    p->rig.ops->lightning_forward(&p->args.lightning, p->rig.stream);
}

static void lightning_tree(void **state)
{
    static const uint32_t lengths[] = {3, 2, 0, 4}, ups[] = {0, 1, 2, 1};
    const size_t T = 9, H = 2, D = 3, row = 3 * H * D;
    struct probe p;
    struct assay_lightning_args *a = &p.args.lightning;
    double *qkv = NULL, *dqkv = NULL;

    (void)state;
    open_probe(&p, forward_lightning_tree);
    qkv = fill(&p, T * row);
    dqkv = zeros(&p, T * row);
    *a = (struct assay_lightning_args){.q = qkv,
            .k = qkv + D,
            .v = qkv + 2 * D,
            .row_stride = row,
            .head_stride = 3 * D,
            .spans = rig_tree(&p.rig, lengths, ups, 4),
            .B = 4,
            .T = T,
            .rows_max = 4,
            .H = H,
            .D = D};
    a->slope = rig_uniform(&p.rig, H, 0.05, 0.9);
    a->out = zeros(&p, T * H * D);
    a->dq = dqkv;
    a->dk = dqkv + D;
    a->dv = dqkv + 2 * D;
    a->dout = observe(&p, a->out, T * H * D);
    p.rig.ops->lightning_backward(a, p.rig.stream);
    check(&p, "lightning tree", qkv, dqkv, T * row);
    rig_close(&p.rig);
}

static void forward_gate(struct probe *p)
{
    p->rig.ops->gate_forward(&p->args.gate, p->rig.stream);
}

static void gate(void **state)
{
    struct probe p;
    struct assay_gate_args *a = &p.args.gate;
    double *x = NULL, *open = NULL, *weight = NULL;

    (void)state;
    open_probe(&p, forward_gate);
    x = fill(&p, 24);
    open = fill(&p, 24);
    weight = fill(&p, 8);
    *a = (struct assay_gate_args){
            .x = x, .gate = open, .weight = weight, .T = 3, .C = 8, .eps = 1e-6};
    a->y = zeros(&p, 24);
    a->rstd = zeros(&p, 3);
    a->dx = zeros(&p, 24);
    a->dgate = zeros(&p, 24);
    a->dweight = zeros(&p, 8);
    a->dy = observe(&p, a->y, 24);
    p.forward(&p);
    p.rig.ops->gate_backward(a, p.rig.stream);
    check(&p, "gate x", x, a->dx, 24);
    check(&p, "gate gate", open, a->dgate, 24);
    check(&p, "gate weight", weight, a->dweight, 8);
    rig_close(&p.rig);
}

static void forward_silu(struct probe *p)
{
    p->rig.ops->silu_forward(&p->args.silu, p->rig.stream);
}

static void silu(void **state)
{
    struct probe p;
    struct assay_silu_args *a = &p.args.silu;
    double *x = NULL;

    (void)state;
    open_probe(&p, forward_silu);
    x = rig_uniform(&p.rig, 9, -6, 6);
    *a = (struct assay_silu_args){.x = x, .y = zeros(&p, 9), .dx = zeros(&p, 9), .count = 9};
    a->dy = observe(&p, a->y, 9);
    p.rig.ops->silu_backward(a, p.rig.stream);
    check(&p, "silu", x, a->dx, 9);
    rig_close(&p.rig);
}

static void forward_swiglu(struct probe *p)
{
    p->rig.ops->swiglu_forward(&p->args.swiglu, p->rig.stream);
}

static void swiglu(void **state)
{
    struct probe p;
    struct assay_swiglu_args *a = &p.args.swiglu;
    double *gate_in = NULL, *up = NULL;

    (void)state;
    open_probe(&p, forward_swiglu);
    gate_in = rig_uniform(&p.rig, 9, -6, 6);
    up = fill(&p, 9);
    *a = (struct assay_swiglu_args){.gate = gate_in, .up = up, .count = 9};
    a->y = zeros(&p, 9);
    a->dgate = zeros(&p, 9);
    a->dup = zeros(&p, 9);
    a->dy = observe(&p, a->y, 9);
    p.rig.ops->swiglu_backward(a, p.rig.stream);
    check(&p, "swiglu gate", gate_in, a->dgate, 9);
    check(&p, "swiglu up", up, a->dup, 9);
    rig_close(&p.rig);
}

static void forward_router(struct probe *p)
{
    p->rig.ops->router_forward(&p->args.router, p->rig.stream);
}

// The probabilities are an output too: that is how the balance loss reaches the logits. Its
// gradient is the same in every row.
static void router(void **state)
{
    (void)state;
    for (int renormalise = 0; renormalise < 2; renormalise++) {
        struct probe p;
        struct assay_router_args *a = &p.args.router;
        double *logits = NULL, *aux = NULL;

        open_probe(&p, forward_router);
        logits = fill(&p, 30);
        *a = (struct assay_router_args){
                .logits = logits, .T = 5, .E = 6, .K = 2, .renormalise = renormalise == 1};
        a->prob = zeros(&p, 30);
        a->expert = rig_ints(&p.rig, 10, 0, 1);
        a->weight = zeros(&p, 10);
        a->dlogits = zeros(&p, 30);
        a->dweight = observe(&p, a->weight, 10);
        (void)observe(&p, a->prob, 30);
        for (size_t i = 6; i < 30; i++)
            p.weight[1][i] = p.weight[1][i - 6];
        aux = rig_from(&p.rig, p.weight[1], 6);
        a->aux_grad = aux;
        p.forward(&p);
        p.rig.ops->router_backward(a, p.rig.stream);
        check(&p, renormalise ? "router, renormalised" : "router", logits, a->dlogits, 30);
        rig_close(&p.rig);
    }
}

static void forward_route(struct probe *p)
{
    p->rig.ops->moe_gather_forward(&p->args.route, p->rig.stream);
    for (size_t i = 0; i < 24; i++) // an expert that squares
        p->before[i] = ((double *)p->args.route.xs)[i] * ((double *)p->args.route.xs)[i];
    p->rig.ops->moe_combine_forward(&p->args.route, p->rig.stream);
}

static void moe_route(void **state)
{
    struct probe p;
    struct assay_moe_route_args *a = &p.args.route;
    struct assay_moe_plan_args plan = {.T = 4, .E = 5, .K = 2};
    int32_t experts[] = {4, 1, 1, 0, 4, 3, 0, 1};
    double *x = NULL, *weight = NULL, *dxs = NULL;

    (void)state;
    open_probe(&p, forward_route);
    plan.expert = experts;
    plan.offset = rig_ints(&p.rig, 6, 0, 1);
    plan.slot = rig_ints(&p.rig, 8, 0, 1);
    plan.source = rig_ints(&p.rig, 8, 0, 1);
    p.rig.ops->moe_plan(&plan, p.rig.stream);
    x = fill(&p, 12);
    weight = fill(&p, 8);
    dxs = zeros(&p, 24);
    p.before = zeros(&p, 24);
    *a = (struct assay_moe_route_args){.slot = plan.slot,
            .source = plan.source,
            .T = 4,
            .K = 2,
            .C = 3,
            .x = x,
            .ys = p.before,
            .weight = weight,
            .dxs = dxs};
    a->xs = zeros(&p, 24);
    a->y = zeros(&p, 12);
    a->dys = zeros(&p, 24);
    a->dx = zeros(&p, 12);
    a->dweight = zeros(&p, 8);
    a->dy = observe(&p, a->y, 12);
    p.forward(&p);
    p.rig.ops->moe_combine_backward(a, p.rig.stream);
    for (size_t i = 0; i < 24; i++)
        dxs[i] = ((double *)a->dys)[i] * 2 * ((double *)a->xs)[i];
    p.rig.ops->moe_gather_backward(a, p.rig.stream);
    check(&p, "route x", x, a->dx, 12);
    check(&p, "route weight", weight, a->dweight, 8);
    rig_close(&p.rig);
}

static void forward_logprob(struct probe *p)
{
    p->rig.ops->logprob_forward(&p->args.logprob, p->rig.stream);
}

static void logprob(void **state)
{
    struct probe p;
    struct assay_logprob_args *a = &p.args.logprob;
    int32_t targets[] = {6, -1, 0, 3};
    double *x = NULL, *w = NULL;

    (void)state;
    open_probe(&p, forward_logprob);
    x = fill(&p, 20);
    w = fill(&p, 45);
    *a = (struct assay_logprob_args){.x = x,
            .w = w,
            .target = targets,
            .T = 4,
            .C = 5,
            .V = 9,
            .V_valid = 7,
            .logit_scale = 1.3};
    a->logp = zeros(&p, 4);
    a->entropy = zeros(&p, 4);
    a->lse = zeros(&p, 4);
    a->dx = zeros(&p, 20);
    a->dw = zeros(&p, 45);
    a->dlogp = observe(&p, a->logp, 4);
    a->dentropy = observe(&p, a->entropy, 4);
    p.forward(&p);
    p.rig.ops->logprob_backward(a, p.rig.stream);
    check(&p, "logprob x", x, a->dx, 20);
    check(&p, "logprob w", w, a->dw, 45);
    rig_close(&p.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(embedding),
            cmocka_unit_test(rmsnorm),
            cmocka_unit_test(matmul),
            cmocka_unit_test(matmul_grouped),
            cmocka_unit_test(rope),
            cmocka_unit_test(attention),
            cmocka_unit_test(lightning),
            cmocka_unit_test(lightning_tree),
            cmocka_unit_test(gate),
            cmocka_unit_test(silu),
            cmocka_unit_test(swiglu),
            cmocka_unit_test(router),
            cmocka_unit_test(moe_route),
            cmocka_unit_test(logprob),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
