// SPDX-License-Identifier: MIT
#include "tests/kernels/mirror.h"

#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

enum { TENSOR_COUNT_MAX = 8192, POINTER_COUNT_MAX = 64 };

struct tensor {
    char *host, *device;
    size_t bytes;
};

static const struct assay_ops *table;
static struct tensor tensors[TENSOR_COUNT_MAX];
static size_t tensor_count;

static struct tensor *tensor_at(const char *host)
{
    for (size_t i = 0; i < tensor_count; i++)
        if (host >= tensors[i].host && host < tensors[i].host + tensors[i].bytes)
            return &tensors[i];
    return NULL;
}

// Exchange the pointers in `args`; the tensors they lie in.
static size_t exchange(struct tensor **met, void *args, size_t bytes)
{
    size_t count = 0;

    for (size_t at = 0; at + sizeof(char *) <= bytes; at += sizeof(char *)) {
        struct tensor *tensor;
        char *pointer;

        memcpy(&pointer, (char *)args + at, sizeof(pointer));
        tensor = tensor_at(pointer);
        if (!tensor)
            continue;
        pointer = tensor->device + (pointer - tensor->host);
        memcpy((char *)args + at, &pointer, sizeof(pointer));
        met[count++] = tensor;
    }
    return count;
}

static void move(struct assay_stream *stream, struct tensor *const *met, size_t count, bool up)
{
    for (size_t i = 0; i < count; i++)
        if (up)
            table->device.upload(stream, met[i]->device, met[i]->host, met[i]->bytes);
        else
            table->device.download(stream, met[i]->host, met[i]->device, met[i]->bytes);
    if (!up) {
        struct assay_error err = {0};

        if (table->device.sync(stream, &err) != ASSAY_OK)
            fail_msg("%s", err.message);
    }
}

static enum assay_status mirror_alloc(void **out, size_t bytes, struct assay_error *err)
{
    const size_t room = bytes > 0 ? bytes : 1;
    struct tensor *tensor = NULL;
    void *device = NULL;
    enum assay_status status;

    for (size_t i = 0; i < tensor_count && !tensor; i++)
        if (!tensors[i].host)
            tensor = &tensors[i];
    if (!tensor) {
        assert_true(tensor_count < TENSOR_COUNT_MAX);
        tensor = &tensors[tensor_count++];
    }
    status = table->device.alloc(&device, room, err);
    if (status != ASSAY_OK)
        return status;
    *tensor = (struct tensor){.host = calloc(1, room), .device = device, .bytes = room};
    assert_non_null(tensor->host);
    *out = tensor->host;
    return ASSAY_OK;
}

static void mirror_release(void *memory)
{
    struct tensor *tensor = memory ? tensor_at(memory) : NULL;

    if (!tensor)
        return;
    table->device.release(tensor->device);
    free(tensor->host);
    *tensor = (struct tensor){0};
}

#define MIRROR(name, type)                                                                         \
    static void mirror_##name(const struct assay_##type##_args *args, struct assay_stream *stream) \
    {                                                                                              \
        struct tensor *met[POINTER_COUNT_MAX];                                                     \
        struct assay_##type##_args copy = *args;                                                   \
        const size_t count = exchange(met, &copy, sizeof(copy));                                   \
                                                                                                   \
        move(stream, met, count, true);                                                            \
        table->name(&copy, stream);                                                                \
        move(stream, met, count, false);                                                           \
    }

MIRROR(embedding_forward, embedding)
MIRROR(embedding_backward, embedding)
MIRROR(rmsnorm_forward, rmsnorm)
MIRROR(rmsnorm_backward, rmsnorm)
MIRROR(matmul_forward, matmul)
MIRROR(matmul_wide, matmul)
MIRROR(matmul_backward_input, matmul)
MIRROR(matmul_backward_weight, matmul)
MIRROR(matmul_grouped_forward, matmul_grouped)
MIRROR(matmul_grouped_backward_input, matmul_grouped)
MIRROR(matmul_grouped_backward_weight, matmul_grouped)
MIRROR(rope_table, rope_table)
MIRROR(rope_forward, rope)
MIRROR(rope_backward, rope)
MIRROR(attention_forward, attention)
MIRROR(attention_backward, attention)
MIRROR(kv_write, kv_write)
MIRROR(lightning_forward, lightning)
MIRROR(lightning_backward, lightning)
MIRROR(gate_forward, gate)
MIRROR(gate_backward, gate)
MIRROR(silu_forward, silu)
MIRROR(silu_backward, silu)
MIRROR(swiglu_forward, swiglu)
MIRROR(swiglu_backward, swiglu)
MIRROR(scale_add, scale_add)
MIRROR(router_forward, router)
MIRROR(router_backward, router)
MIRROR(router_load, router_aux)
MIRROR(router_aux, router_aux)
MIRROR(moe_plan, moe_plan)
MIRROR(moe_gather_forward, moe_route)
MIRROR(moe_gather_backward, moe_route)
MIRROR(moe_combine_forward, moe_route)
MIRROR(moe_combine_backward, moe_route)
MIRROR(logprob_forward, logprob)
MIRROR(logprob_backward, logprob)
MIRROR(logprob_of_logits, logprob)
MIRROR(draw, draw)
MIRROR(loss, loss)
MIRROR(sumsq, sumsq)
MIRROR(clip, clip)
MIRROR(adamw, adamw)

const struct assay_ops *mirror_of(const struct assay_ops *real)
{
    static struct assay_ops mirror;

    table = real;
    mirror = *real;
    mirror.device.alloc = mirror_alloc;
    mirror.device.release = mirror_release;
    mirror.embedding_forward = mirror_embedding_forward;
    mirror.embedding_backward = mirror_embedding_backward;
    mirror.rmsnorm_forward = mirror_rmsnorm_forward;
    mirror.rmsnorm_backward = mirror_rmsnorm_backward;
    mirror.matmul_forward = mirror_matmul_forward;
    mirror.matmul_wide = mirror_matmul_wide;
    mirror.matmul_backward_input = mirror_matmul_backward_input;
    mirror.matmul_backward_weight = mirror_matmul_backward_weight;
    mirror.matmul_grouped_forward = mirror_matmul_grouped_forward;
    mirror.matmul_grouped_backward_input = mirror_matmul_grouped_backward_input;
    mirror.matmul_grouped_backward_weight = mirror_matmul_grouped_backward_weight;
    mirror.rope_table = mirror_rope_table;
    mirror.rope_forward = mirror_rope_forward;
    mirror.rope_backward = mirror_rope_backward;
    mirror.attention_forward = mirror_attention_forward;
    mirror.attention_backward = mirror_attention_backward;
    mirror.kv_write = mirror_kv_write;
    mirror.lightning_forward = mirror_lightning_forward;
    mirror.lightning_backward = mirror_lightning_backward;
    mirror.gate_forward = mirror_gate_forward;
    mirror.gate_backward = mirror_gate_backward;
    mirror.silu_forward = mirror_silu_forward;
    mirror.silu_backward = mirror_silu_backward;
    mirror.swiglu_forward = mirror_swiglu_forward;
    mirror.swiglu_backward = mirror_swiglu_backward;
    mirror.scale_add = mirror_scale_add;
    mirror.router_forward = mirror_router_forward;
    mirror.router_backward = mirror_router_backward;
    mirror.router_load = mirror_router_load;
    mirror.router_aux = mirror_router_aux;
    mirror.moe_plan = mirror_moe_plan;
    mirror.moe_gather_forward = mirror_moe_gather_forward;
    mirror.moe_gather_backward = mirror_moe_gather_backward;
    mirror.moe_combine_forward = mirror_moe_combine_forward;
    mirror.moe_combine_backward = mirror_moe_combine_backward;
    mirror.logprob_forward = mirror_logprob_forward;
    mirror.logprob_backward = mirror_logprob_backward;
    mirror.logprob_of_logits = mirror_logprob_of_logits;
    mirror.draw = mirror_draw;
    mirror.loss = mirror_loss;
    mirror.sumsq = mirror_sumsq;
    mirror.clip = mirror_clip;
    mirror.adamw = mirror_adamw;
    return &mirror;
}
