// SPDX-License-Identifier: MIT
#include "orchestrator/patch_options.h"

enum assay_status assay_patch_options_read(struct assay_patch_options *out,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *mode = assay_cli_value(invocation, "patch-mode");
    const char *format = assay_cli_value(invocation, "patch-format");

    *out = (struct assay_patch_options){0};
    if (mode && !assay_apply_mode_find(&out->mode, mode))
        return assay_fail(
                err, ASSAY_EUSAGE, "--patch-mode: '%.60s' is not one of " ASSAY_APPLY_MODES, mode);
    if (format && !assay_patch_format_find(&out->format, format))
        return assay_fail(err, ASSAY_EUSAGE,
                "--patch-format: '%.60s' is not one of " ASSAY_PATCH_FORMATS, format);
    if (out->mode == ASSAY_APPLY_SWEBENCH && out->format != ASSAY_FORMAT_AUTO &&
            out->format != ASSAY_FORMAT_DIFF)
        return assay_fail(
                err, ASSAY_EUSAGE, "--patch-mode strict-swebench: SWE-bench takes diffs alone");
    return ASSAY_OK;
}

enum assay_status assay_patch_options_parse(struct assay_patch **out,
        const struct assay_patch_options *options, struct assay_bytes text,
        struct assay_arena *arena, struct assay_error *err)
{
    if (options->mode == ASSAY_APPLY_SWEBENCH)
        return assay_patch_read_exact(out, text.data, text.len, arena, err);
    return assay_patch_read(out, text.data, text.len, options->format, arena, err);
}
