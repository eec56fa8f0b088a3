// SPDX-License-Identifier: MIT
#include "tasks/trajectory.h"

#include <string.h>

static const char *const cause_names[ASSAY_EPISODE_CAUSES] = {
        [ASSAY_EPISODE_RUNNING] = "running",
        [ASSAY_EPISODE_SUBMITTED] = "submitted",
        [ASSAY_EPISODE_STOPPED] = "stopped",
        [ASSAY_EPISODE_TURN_LIMIT] = "turn_limit",
        [ASSAY_EPISODE_TOKEN_LIMIT] = "token_limit",
        [ASSAY_EPISODE_WALL_LIMIT] = "wall_limit",
        [ASSAY_EPISODE_CPU_LIMIT] = "cpu_limit",
        [ASSAY_EPISODE_MEMORY_LIMIT] = "memory_limit",
        [ASSAY_EPISODE_BOX_OVER] = "box_over",
        [ASSAY_EPISODE_ACTOR_FAILED] = "actor_failed",
        [ASSAY_EPISODE_INFRA_ERROR] = "infra_error",
};

const char *assay_episode_cause_name(enum assay_episode_cause cause)
{
    return cause_names[cause];
}

bool assay_episode_cause_from_name(enum assay_episode_cause *out, const char *name)
{
    for (size_t i = 0; i < ASSAY_EPISODE_CAUSES; i++) {
        if (strcmp(cause_names[i], name) != 0)
            continue;
        *out = (enum assay_episode_cause)i;
        return true;
    }
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Where the decimal fraction that begins at `at` ends; `at` itself where none does.
static size_t skip_fraction(struct assay_bytes text, size_t at)
{
    size_t end = at;

    while (end < text.len && is_digit(text.data[end]))
        end++;
    if (end == at || end + 1 >= text.len || text.data[end] != '.' || !is_digit(text.data[end + 1]))
        return at;
    end++;
    while (end < text.len && is_digit(text.data[end]))
        end++;
    return end;
}

bool assay_observation_same(struct assay_bytes a, struct assay_bytes b)
{
    size_t i = 0, k = 0;

    while (i < a.len && k < b.len) {
        const size_t after_i = skip_fraction(a, i), after_k = skip_fraction(b, k);

        if (after_i != i && after_k != k) {
            i = after_i;
            k = after_k;
        } else if (a.data[i++] != b.data[k++]) {
            return false;
        }
    }
    return i == a.len && k == b.len;
}
