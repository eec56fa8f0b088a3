// SPDX-License-Identifier: MIT
// formula.h - weights from a written formula, as tests/golden/make_models.py has it.
#ifndef ASSAY_TESTS_POLICY_FORMULA_H
#define ASSAY_TESTS_POLICY_FORMULA_H

#include "policy/model.h"

// Fill every tensor of the model.
void formula_fill(struct assay_model *model, struct assay_stream *stream);
// "ROLE.LAYER", or "ROLE." for a tensor of the whole model.
void formula_key(char out[64], const struct assay_tensor_spec *spec);
uint64_t formula_hash(const char *key);           // fnv1a
uint64_t formula_mix(uint64_t start, uint64_t i); // splitmix64 of start + i

// A model of a config file with these weights; fails the test when it cannot.
struct assay_model *formula_model(const char *config_path, const struct assay_ops *ops,
        struct assay_stream *stream, const struct assay_model_dialect *dialect);

#endif
