// SPDX-License-Identifier: MIT
// self_check.h - is a loaded model at one with itself? What can be told without anybody else's
// numbers.
#ifndef ASSAY_POLICY_SELF_CHECK_H
#define ASSAY_POLICY_SELF_CHECK_H

#include "policy/model.h"

#define ASSAY_SELF_CHECKS 4

struct assay_self_check {
    const char *name; // static
    bool passed;
    char detail[120];
};

// Weights are finite and no tensor is all zero; logits are finite and not constant; token by token,
// and in pieces, the last logits are those of one prefill, bit for bit. Errors: ASSAY_ENOMEM, of
// the device.
ASSAY_MUST_USE enum assay_status assay_model_self_check(
        struct assay_self_check out[ASSAY_SELF_CHECKS], const struct assay_model *model,
        struct assay_stream *stream, struct assay_error *err);

#endif
