// SPDX-License-Identifier: MIT
// changed_copy.h - a model's folder with one text of one of its files changed.
#ifndef ASSAY_TESTS_POLICY_CHANGED_COPY_H
#define ASSAY_TESTS_POLICY_CHANGED_COPY_H

#include "support/temp.h"

// Copy config.json and model.safetensors of `dir` into the temporary folder, with the first `from`
// in `file` written as `to`; in model.safetensors both have the same length.
void changed_copy(const struct assay_temp *temp, const char *dir, const char *file,
        const char *from, const char *to);

#endif
