// SPDX-License-Identifier: MIT
#include "orchestrator/episode_options.h"

#include <string.h>

// A limit: its flag counts in units of `scale`.
struct limit {
    const char *name;
    uint64_t *value, scale, usual, min, max;
};

static enum assay_status read_limit(const struct limit *limit,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    uint64_t told = 0;
    const enum assay_status status =
            assay_cli_number(&told, invocation, limit->name, limit->min, limit->max, err);

    if (status != ASSAY_OK)
        return status;
    if (told > 0)
        *limit->value = told * limit->scale;
    else if (*limit->value == 0)
        *limit->value = limit->usual * limit->scale;
    return ASSAY_OK;
}

enum assay_status assay_episode_options_read(struct assay_episode_options *out,
        uint64_t *tokens_max, const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *shell = assay_cli_value(invocation, "shell");
    struct assay_episode_options read = *out;
    uint64_t turns = read.limits.turns_max, bytes = read.limits.observation_bytes_max;
    uint64_t tokens = *tokens_max;
    const struct limit limits[] = {{"turns", &turns, 1, 100, 1, ASSAY_EPISODE_TURNS_MAX},
            {"tokens", &tokens, 1, 0, 1, UINT64_C(1) << 50},
            {"timeout", &read.limits.wall_ms_max, 1000, 3600, 1, 1000000},
            {"cpu", &read.limits.cpu_ms_max, 1000, 1800, 1, 1000000},
            {"command-timeout", &read.limits.command_ms_max, 1000, 120, 1, 1000000},
            {"observation", &bytes, 1, 16000, 200, UINT64_C(64) << 20}};

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        const enum assay_status status = read_limit(&limits[i], invocation, err);

        if (status != ASSAY_OK)
            return status;
    }
    if (shell != NULL && strcmp(shell, "persistent") != 0 && strcmp(shell, "fresh") != 0)
        return assay_fail(err, ASSAY_EUSAGE, "--shell: '%.60s' is not persistent or fresh", shell);
    if (shell != NULL)
        read.fresh = strcmp(shell, "fresh") == 0;
    read.limits.turns_max = (uint32_t)turns;
    read.limits.observation_bytes_max = (size_t)bytes;
    *out = read;
    *tokens_max = tokens;
    return ASSAY_OK;
}
