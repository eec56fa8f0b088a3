// SPDX-License-Identifier: MIT
#include "tests/kernels/rig.h"

#include <string.h>

#include "support/harness.h"

void rig_open(struct rig *rig, const struct assay_ops *ops, size_t thread_count)
{
    const struct assay_stream_options options = {.thread_count = thread_count};

    memset(rig, 0, sizeof(*rig));
    rig->ops = ops;
    assay_rng_seed(&rig->rng, 11, 7);
    assert_int_equal(ops->device.stream_create(&rig->stream, &options, NULL), ASSAY_OK);
}

void rig_close(struct rig *rig)
{
    assert_int_equal(rig->ops->device.sync(rig->stream, NULL), ASSAY_OK);
    rig->ops->device.stream_destroy(rig->stream);
    for (size_t i = 0; i < rig->tensor_count; i++)
        rig->ops->device.release(rig->tensors[i]);
}

void *rig_bytes(struct rig *rig, size_t bytes)
{
    void *memory = NULL;

    assert_true(rig->tensor_count < RIG_TENSOR_COUNT_MAX);
    assert_int_equal(rig->ops->device.alloc(&memory, bytes, NULL), ASSAY_OK);
    rig->tensors[rig->tensor_count++] = memory;
    return memory;
}

static float from_bf16(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float value;

    memcpy(&value, &wide, sizeof(value));
    return value;
}

// To nearest, on a tie to even; no NaN comes here.
static uint16_t to_bf16(float value)
{
    uint32_t wide;

    memcpy(&wide, &value, sizeof(wide));
    return (uint16_t)((wide + 0x7fff + (wide >> 16 & 1)) >> 16);
}

double rig_number(const void *tensor, enum assay_dtype dtype, size_t i)
{
    switch (dtype) {
    case ASSAY_DTYPE_F32:
        return (double)((const float *)tensor)[i];
    case ASSAY_DTYPE_F64:
        return ((const double *)tensor)[i];
    case ASSAY_DTYPE_BF16:
        return (double)from_bf16(((const uint16_t *)tensor)[i]);
    }
    return 0;
}

static void put(void *tensor, enum assay_dtype dtype, size_t i, double value)
{
    switch (dtype) {
    case ASSAY_DTYPE_F32:
        ((float *)tensor)[i] = (float)value;
        break;
    case ASSAY_DTYPE_F64:
        ((double *)tensor)[i] = value;
        break;
    case ASSAY_DTYPE_BF16:
        ((uint16_t *)tensor)[i] = to_bf16((float)value);
        break;
    }
}

// Through float: rigs of all types then hold the same numbers.
static float draw(struct rig *rig, double low, double high)
{
    return (float)(low + (high - low) * assay_rng_unit(&rig->rng));
}

void *rig_zeros(struct rig *rig, size_t count)
{
    return rig_bytes(rig, count * assay_dtype_bytes(rig->ops->activation));
}

void *rig_zeros_sums(struct rig *rig, size_t count)
{
    return rig_bytes(rig, count * assay_dtype_bytes(rig->ops->sum));
}

void *rig_uniform(struct rig *rig, size_t count, double low, double high)
{
    void *tensor = rig_zeros(rig, count);

    for (size_t i = 0; i < count; i++) {
        const float value = draw(rig, low, high);

        put(tensor, rig->ops->activation, i,
                (double)(rig->bf16 ? from_bf16(to_bf16(value)) : value));
    }
    return tensor;
}

void *rig_uniform_sums(struct rig *rig, size_t count, double low, double high)
{
    void *tensor = rig_zeros_sums(rig, count);

    for (size_t i = 0; i < count; i++)
        put(tensor, rig->ops->sum, i, (double)draw(rig, low, high));
    return tensor;
}

void *rig_from(struct rig *rig, const double *values, size_t count)
{
    void *tensor = rig_zeros(rig, count);

    for (size_t i = 0; i < count; i++)
        rig_set(rig, tensor, i, values[i]);
    return tensor;
}

int32_t *rig_ints(struct rig *rig, size_t count, int32_t low, int32_t end)
{
    int32_t *tensor = rig_bytes(rig, count * sizeof(*tensor));

    for (size_t i = 0; i < count; i++)
        tensor[i] = low + (int32_t)assay_rng_below(&rig->rng, (uint64_t)(end - low));
    return tensor;
}

struct assay_span *rig_spans(struct rig *rig, const uint32_t *row_counts, size_t count)
{
    struct assay_span *spans = rig_bytes(rig, count * sizeof(*spans));
    uint32_t row = 0;

    for (size_t b = 0; b < count; b++) {
        spans[b] = (struct assay_span){.row = row, .row_count = row_counts[b], .slot = (uint32_t)b};
        row += row_counts[b];
    }
    return spans;
}

struct assay_span *rig_tree(
        struct rig *rig, const uint32_t *row_counts, const uint32_t *ups, size_t count)
{
    struct assay_span *spans = rig_spans(rig, row_counts, count);

    for (size_t b = 0; b < count; b++) {
        const struct assay_span *parent = &spans[b] - ups[b];

        spans[b].up = ups[b];
        spans[b].position = ups[b] > 0 ? parent->position + parent->row_count : 0;
    }
    return spans;
}

double rig_get(const struct rig *rig, const void *tensor, size_t i)
{
    return rig_number(tensor, rig->ops->sum, i);
}

void rig_set(const struct rig *rig, void *tensor, size_t i, double value)
{
    put(tensor, rig->ops->sum, i, value);
}

const struct assay_ops *const *rig_cpu_paths(void)
{
    static const char *const names[] = {"avx512", "avx2", "plain"};
    static const struct assay_ops *paths[4];
    size_t count = 0;

    for (size_t i = 0; i < 3; i++) {
        const struct assay_ops *ops = assay_ops_cpu(names[i]);

        if (ops != NULL)
            paths[count++] = ops;
    }
    paths[count] = NULL;
    return paths;
}
