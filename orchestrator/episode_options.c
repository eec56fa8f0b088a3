// SPDX-License-Identifier: MIT
#include "orchestrator/episode_options.h"

#include <string.h>

enum assay_status assay_episode_options_read(struct assay_episode_options *out,
        uint64_t *tokens_max, const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *shell = assay_cli_value(invocation, "shell");
    uint64_t turns = 100, wall_s = 3600, cpu_s = 1800, command_s = 120, bytes = 16000, tokens = 0;
    const struct {
        const char *name;
        uint64_t *value, min, max;
    } numbers[] = {{"turns", &turns, 1, ASSAY_EPISODE_TURNS_MAX},
            {"tokens", &tokens, 1, UINT64_C(1) << 50}, {"timeout", &wall_s, 1, 1000000},
            {"cpu", &cpu_s, 1, 1000000}, {"command-timeout", &command_s, 1, 1000000},
            {"observation", &bytes, 200, UINT64_C(64) << 20}};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const enum assay_status status = assay_cli_number(
                numbers[i].value, invocation, numbers[i].name, numbers[i].min, numbers[i].max, err);

        if (status != ASSAY_OK)
            return status;
    }
    if (shell != NULL && strcmp(shell, "persistent") != 0 && strcmp(shell, "fresh") != 0)
        return assay_fail(err, ASSAY_EUSAGE, "--shell: '%.60s' is not persistent or fresh", shell);
    *out = (struct assay_episode_options){.limits = {.turns_max = (uint32_t)turns,
                                                  .wall_ms_max = wall_s * 1000,
                                                  .cpu_ms_max = cpu_s * 1000,
                                                  .command_ms_max = command_s * 1000,
                                                  .observation_bytes_max = (size_t)bytes},
            .fresh = shell != NULL && strcmp(shell, "fresh") == 0};
    *tokens_max = tokens;
    return ASSAY_OK;
}
