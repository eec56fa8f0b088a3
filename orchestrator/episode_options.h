// SPDX-License-Identifier: MIT
// episode_options.h - from the command line to the limits of episodes.
#ifndef ASSAY_ORCHESTRATOR_EPISODE_OPTIONS_H
#define ASSAY_ORCHESTRATOR_EPISODE_OPTIONS_H

#include "envs/episode.h"
#include "orchestrator/cli.h"

// Rows of a command's table of options.
#define ASSAY_EPISODE_OPTIONS                                                                      \
    {"turns", 0, "N", "actions of an episode (100)", false},                                       \
            {"tokens", 0, "N", "tokens of an episode, prompts and answers (no limit)", false},     \
            {"timeout", 't', "SECONDS", "wall time of an episode (3600)", false},                  \
            {"cpu", 0, "SECONDS", "CPU time of an episode's commands (1800)", false},              \
            {"command-timeout", 0, "SECONDS", "wall time of a command (120)", false},              \
            {"observation", 0, "BYTES", "what an action shows at most (16000)", false},            \
    {                                                                                              \
        "shell", 0, "KIND",                                                                        \
                "persistent: one bash for an episode (default); fresh: a process a command", false \
    }

// In *out and *tokens_max stands what counts where no flag says otherwise; 0 takes the default.
ASSAY_MUST_USE enum assay_status assay_episode_options_read(struct assay_episode_options *out,
        uint64_t *tokens_max, const struct assay_invocation *invocation, struct assay_error *err);

#endif
