// SPDX-License-Identifier: MIT
// trajectory_formats.h - trajectories as other programs write them: SWE-agent's .traj,
// mini-swe-agent's .traj.json, ATIF, chat messages. Pure.
#ifndef ASSAY_ORCHESTRATOR_TRAJECTORY_FORMATS_H
#define ASSAY_ORCHESTRATOR_TRAJECTORY_FORMATS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "tasks/store_episode.h"
#include "tasks/suite.h"

enum assay_trajectory_format {
    ASSAY_TRAJECTORY_MESSAGES,  // one object with "messages" and "tools", on one line
    ASSAY_TRAJECTORY_SWE_AGENT, // {"trajectory": [{"action", "observation", ...}], "info", ...}
    ASSAY_TRAJECTORY_MINI,      // {"info", "messages", "trajectory_format": "mini-swe-agent-1.1"}
    ASSAY_TRAJECTORY_ATIF,      // {"schema_version": "ATIF-v1.4", "agent", "steps", ...}
};
#define ASSAY_TRAJECTORY_FORMAT_NAMES "messages, swe-agent, mini-swe-agent, atif"
bool assay_trajectory_format_find(enum assay_trajectory_format *out, const char *name);
const char *assay_trajectory_format_name(enum assay_trajectory_format format);

// An episode in a format. `instance` may be NULL (its suite is gone): then nobody tells the
// problem. One that was imported from the same format is what it was.
void assay_trajectory_write(struct assay_buf *out, enum assay_trajectory_format format,
        const struct assay_episode_row *row, const struct assay_turn *turns, size_t count,
        const struct assay_instance *instance, const char *workdir);

// What a document of any of them says. Everything in the arena.
struct assay_trajectory {
    enum assay_trajectory_format format;
    struct assay_turn *turns; // another program's commands are calls of `bash`
    size_t count;
    enum assay_episode_cause cause;
    const char *exit_status; // as it is written; "" when it is not
    const char *model;       // "" when it is not told
    const char *instance_id; // "" when it is not told
    struct assay_bytes submission;
};
// ASSAY_EINVAL: none of the formats, or a step that cannot be read ("file:line: ...").
ASSAY_MUST_USE enum assay_status assay_trajectory_read(struct assay_trajectory *out,
        const char *text, size_t len, const char *file, struct assay_arena *arena,
        struct assay_error *err);

#endif
