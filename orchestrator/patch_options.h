// SPDX-License-Identifier: MIT
// patch_options.h - from the command line to how a model patch is read and applied.
#ifndef ASSAY_ORCHESTRATOR_PATCH_OPTIONS_H
#define ASSAY_ORCHESTRATOR_PATCH_OPTIONS_H

#include "base/error.h"
#include "envs/apply.h"
#include "orchestrator/cli.h"

// Rows of a command's table of options.
#define ASSAY_PATCH_OPTIONS                                                                        \
    {"patch-mode", 0, "MODE", "tolerant (default) or strict-swebench", false},                     \
    {                                                                                              \
        "patch-format", 0, "FORMAT",                                                               \
                "auto (default), diff, search-replace, search-replace-first, search-replace-all, " \
                "apply-patch or whole-file",                                                       \
                false                                                                              \
    }

// Zeroed, these are the defaults.
struct assay_patch_options {
    enum assay_apply_mode mode; // TOLERANT or SWEBENCH
    enum assay_patch_format format;
};

// ASSAY_EUSAGE names the option that is wrong.
ASSAY_MUST_USE enum assay_status assay_patch_options_read(struct assay_patch_options *out,
        const struct assay_invocation *invocation, struct assay_error *err);

// Parse the text of a model patch as the options say.
ASSAY_MUST_USE enum assay_status assay_patch_options_parse(struct assay_patch **out,
        const struct assay_patch_options *options, struct assay_bytes text,
        struct assay_arena *arena, struct assay_error *err);

#endif
