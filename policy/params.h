// SPDX-License-Identifier: MIT
// params.h - the weights of a model: one allocation in a device's memory, tensors at fixed places.
//
// Gradients and optimizer states are further allocations of the same layout; only the element type
// differs.
#ifndef ASSAY_POLICY_PARAMS_H
#define ASSAY_POLICY_PARAMS_H

#include "kernels/ops.h"
#include "policy/quantization.h"
#include "policy/tensors.h"
#include "policy/weight_file.h"

struct assay_params {
    const struct assay_ops *ops;     // borrowed; owns the memory's device
    struct assay_tensor_spec *specs; // [count], in the order of the graph
    uint64_t *offsets;               // [count] first element; multiples of 16
    uint32_t *places;                // [(L + 1) * roles] index into specs, or UINT32_MAX
    size_t count;
    uint64_t element_count; // with padding
    uint32_t layer_count;
    void *weights; // [element_count] W
};

// Lay out the tensors of `config`, without memory for them: what a model would have. Bookkeeping is
// in the arena. Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_params_lay_out(struct assay_params *out,
        const struct assay_model_config *config, const struct assay_ops *ops,
        struct assay_arena *arena, struct assay_error *err);
// The same, and allocate them, zero.
// Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_params_create(struct assay_params *out,
        const struct assay_model_config *config, const struct assay_ops *ops,
        struct assay_arena *arena, struct assay_error *err);
void assay_params_release(struct assay_params *params); // the device memory

// Index of a role in a layer (ASSAY_TENSOR_NO_LAYER: of the model); it must be there.
size_t assay_params_index(
        const struct assay_params *params, enum assay_tensor_role role, uint32_t layer);
// Its place in an allocation of this layout whose elements have `dtype`.
void *assay_params_at(const struct assay_params *params, void *base, enum assay_dtype dtype,
        enum assay_tensor_role role, uint32_t layer);

// Fill all tensors from a file. A tensor that is missing, has another shape, or is in the file and
// known to nobody (a scale of weights that are not packed, too) is ASSAY_EINVAL by name: wrong
// weights never pass in silence. Packed matrices (compressed-tensors W4A16, GPTQ) are unpacked.
ASSAY_MUST_USE enum assay_status assay_params_load(struct assay_params *params,
        struct assay_stream *stream, const struct assay_model_config *config,
        const struct assay_weight_file *file, const struct assay_tensor_names *names,
        const struct assay_quantization *quantization, struct assay_error *err);

// Elements [first, first + count) of tensor `index` from host doubles or floats, and back; waits.
ASSAY_MUST_USE enum assay_status assay_params_write(struct assay_params *params,
        struct assay_stream *stream, size_t index, uint64_t first, const float *values,
        uint64_t count, struct assay_error *err);
// `base` and `dtype`: weights, or another allocation of the layout.
ASSAY_MUST_USE enum assay_status assay_params_read(const struct assay_params *params,
        struct assay_stream *stream, const void *base, enum assay_dtype dtype, size_t index,
        uint64_t first, double *values, uint64_t count, struct assay_error *err);

// Fresh weights for training: norms 1, matrices normal with deviation `sigma` (the last matrix of
// each branch divided by sqrt(2 L)), from the seed alone.
ASSAY_MUST_USE enum assay_status assay_params_init(struct assay_params *params,
        struct assay_stream *stream, uint64_t seed, double sigma, struct assay_error *err);

#endif
