// SPDX-License-Identifier: MIT
#include "profile.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

struct entry {
    const char *name;
    double us;
    size_t count;
};

enum { ENTRY_COUNT_MAX = 64 };

static const struct assay_ops *table;
static struct entry entries[ENTRY_COUNT_MAX];
static size_t entry_count;

static void add(const char *name, uint64_t us)
{
    size_t i = 0;

    while (i < entry_count && entries[i].name != name)
        i++;
    if (i == entry_count && entry_count < ENTRY_COUNT_MAX)
        entries[entry_count++] = (struct entry){.name = name};
    if (i < entry_count) {
        entries[i].us += (double)us;
        entries[i].count++;
    }
}

#define PROFILE(op, type)                                                                          \
    static void profile_##op(const struct assay_##type##_args *args, struct assay_stream *stream)  \
    {                                                                                              \
        static const char name[] = #op;                                                            \
        uint64_t start_us;                                                                         \
                                                                                                   \
        (void)table->device.sync(stream, NULL);                                                    \
        start_us = assay_clock_us();                                                               \
        table->op(args, stream);                                                                   \
        (void)table->device.sync(stream, NULL);                                                    \
        add(name, assay_clock_us() - start_us);                                                    \
    }

PROFILE(embedding_forward, embedding)
PROFILE(embedding_backward, embedding)
PROFILE(rmsnorm_forward, rmsnorm)
PROFILE(rmsnorm_backward, rmsnorm)
PROFILE(matmul_forward, matmul)
PROFILE(matmul_wide, matmul)
PROFILE(matmul_backward_input, matmul)
PROFILE(matmul_backward_weight, matmul)
PROFILE(matmul_grouped_forward, matmul_grouped)
PROFILE(matmul_grouped_backward_input, matmul_grouped)
PROFILE(matmul_grouped_backward_weight, matmul_grouped)
PROFILE(rope_table, rope_table)
PROFILE(rope_forward, rope)
PROFILE(rope_backward, rope)
PROFILE(attention_forward, attention)
PROFILE(attention_backward, attention)
PROFILE(kv_write, kv_write)
PROFILE(lightning_forward, lightning)
PROFILE(lightning_backward, lightning)
PROFILE(gate_forward, gate)
PROFILE(gate_backward, gate)
PROFILE(silu_forward, silu)
PROFILE(silu_backward, silu)
PROFILE(swiglu_forward, swiglu)
PROFILE(swiglu_backward, swiglu)
PROFILE(scale_add, scale_add)
PROFILE(router_forward, router)
PROFILE(router_backward, router)
PROFILE(router_load, router_aux)
PROFILE(router_aux, router_aux)
PROFILE(moe_plan, moe_plan)
PROFILE(moe_gather_forward, moe_route)
PROFILE(moe_gather_backward, moe_route)
PROFILE(moe_combine_forward, moe_route)
PROFILE(moe_combine_backward, moe_route)
PROFILE(logprob_forward, logprob)
PROFILE(logprob_backward, logprob)
PROFILE(logprob_of_logits, logprob)
PROFILE(draw, draw)
PROFILE(loss, loss)
PROFILE(sumsq, sumsq)
PROFILE(clip, clip)
PROFILE(adamw, adamw)

const struct assay_ops *profile_of(const struct assay_ops *real)
{
    static struct assay_ops profiled;

    table = real;
    profiled = *real;
    profiled.device.graph_begin = NULL;
    profiled.embedding_forward = profile_embedding_forward;
    profiled.embedding_backward = profile_embedding_backward;
    profiled.rmsnorm_forward = profile_rmsnorm_forward;
    profiled.rmsnorm_backward = profile_rmsnorm_backward;
    profiled.matmul_forward = profile_matmul_forward;
    profiled.matmul_wide = profile_matmul_wide;
    profiled.matmul_backward_input = profile_matmul_backward_input;
    profiled.matmul_backward_weight = profile_matmul_backward_weight;
    profiled.matmul_grouped_forward = profile_matmul_grouped_forward;
    profiled.matmul_grouped_backward_input = profile_matmul_grouped_backward_input;
    profiled.matmul_grouped_backward_weight = profile_matmul_grouped_backward_weight;
    profiled.rope_table = profile_rope_table;
    profiled.rope_forward = profile_rope_forward;
    profiled.rope_backward = profile_rope_backward;
    profiled.attention_forward = profile_attention_forward;
    profiled.attention_backward = profile_attention_backward;
    profiled.kv_write = profile_kv_write;
    profiled.lightning_forward = profile_lightning_forward;
    profiled.lightning_backward = profile_lightning_backward;
    profiled.gate_forward = profile_gate_forward;
    profiled.gate_backward = profile_gate_backward;
    profiled.silu_forward = profile_silu_forward;
    profiled.silu_backward = profile_silu_backward;
    profiled.swiglu_forward = profile_swiglu_forward;
    profiled.swiglu_backward = profile_swiglu_backward;
    profiled.scale_add = profile_scale_add;
    profiled.router_forward = profile_router_forward;
    profiled.router_backward = profile_router_backward;
    profiled.router_load = profile_router_load;
    profiled.router_aux = profile_router_aux;
    profiled.moe_plan = profile_moe_plan;
    profiled.moe_gather_forward = profile_moe_gather_forward;
    profiled.moe_gather_backward = profile_moe_gather_backward;
    profiled.moe_combine_forward = profile_moe_combine_forward;
    profiled.moe_combine_backward = profile_moe_combine_backward;
    profiled.logprob_forward = profile_logprob_forward;
    profiled.logprob_backward = profile_logprob_backward;
    profiled.logprob_of_logits = profile_logprob_of_logits;
    profiled.draw = profile_draw;
    profiled.loss = profile_loss;
    profiled.sumsq = profile_sumsq;
    profiled.clip = profile_clip;
    profiled.adamw = profile_adamw;
    return &profiled;
}

static int longer(const void *a, const void *b)
{
    const double x = ((const struct entry *)a)->us, y = ((const struct entry *)b)->us;

    return (x < y) - (x > y);
}

void profile_print(void)
{
    double all = 0;

    qsort(entries, entry_count, sizeof(entries[0]), longer);
    for (size_t i = 0; i < entry_count; i++)
        all += entries[i].us;
    for (size_t i = 0; i < entry_count && i < 16; i++)
        (void)printf("    %-32s %8.2f ms %5zu calls %5.1f %%\n", entries[i].name,
                entries[i].us / 1e3, entries[i].count, 100 * entries[i].us / all);
    entry_count = 0;
}
