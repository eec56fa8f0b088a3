// SPDX-License-Identifier: MIT
// episode_inner.h - what struct assay_episode holds; for episode*.c and tool*.c alone.
#ifndef ASSAY_ENVS_EPISODE_INNER_H
#define ASSAY_ENVS_EPISODE_INNER_H

#include "base/arena.h"
#include "envs/box_parts.h"
#include "envs/episode.h"
#include "envs/tools.h"
#include "sandbox/session.h"
#include "sandbox/snapshot.h"

// A file as it was before an edit: what undo_edit goes back to.
struct assay_edit_undo {
    char *path;             // owned; absolute
    bool existed;           // else undoing removes it
    struct assay_buf bytes; // owned
};
#define ASSAY_EDIT_UNDO_COUNT_MAX 64

struct assay_edit_undos {
    struct assay_edit_undo items[ASSAY_EDIT_UNDO_COUNT_MAX]; // oldest first
    size_t count;
};

// An action that was done, for forks.
struct assay_deed {
    const char *tool, *arguments, *reply; // in the arena; any may be NULL
    struct assay_bytes seen;              // what it showed, in the arena
};

struct assay_episode {
    struct assay_episode_place place;
    struct assay_episode_options options; // limits filled in
    struct assay_arena *arena;            // owned: everything below that is not owned by itself
    struct assay_workspace workspace;     // owned
    struct assay_box_parts parts;
    struct assay_environ vars;
    struct assay_box_plan plan;
    struct assay_session *session;   // owned; NULL: frozen
    struct assay_snapshot *snapshot; // owned; of now, while session is NULL
    bool shell_used;                 // a shell may keep what a snapshot does not
    struct assay_edit_undos undos;
    const char *const *test_argv; // of run_tests, in the arena; NULL: not needed yet
    struct assay_deed *deeds;     // [turns_max], in the arena
    uint32_t turns;
    uint64_t start_ms, cpu_us;
    enum assay_episode_cause cause;
    char *answer; // owned
};

// An episode without a session.
ASSAY_MUST_USE enum assay_status assay_episode_make(struct assay_episode **out,
        const struct assay_episode_place *place, const struct assay_episode_options *options,
        struct assay_error *err);
// A session again, where there is a snapshot instead.
ASSAY_MUST_USE enum assay_status assay_episode_thaw(
        struct assay_episode *episode, struct assay_error *err);
// Find the tool, read its arguments, run it.
ASSAY_MUST_USE enum assay_status assay_tools_call(struct assay_episode *episode,
        const struct assay_action *action, struct assay_observation *out, struct assay_error *err);

// --- for tools -----------------------------------------------------------------------------------

// The call is refused: the text becomes this reason. Returns ASSAY_OK, so that a tool can end so.
enum assay_status assay_observation_refuse(struct assay_observation *out, const char *fmt, ...)
        ASSAY_PRINTF(2, 3);
// A path that could not be used: the text says why in the system's words, and `err` is spent.
// ASSAY_EIO when the box is gone or the trouble is ours.
ASSAY_MUST_USE enum assay_status assay_tool_refuse_path(struct assay_episode *episode,
        struct assay_observation *out, const char *path, struct assay_error *err);

// Run a command (a line: in the episode's shell unless options.fresh) and fill in what *out says of
// it, text included. wall_ms_max 0: command_ms_max.
ASSAY_MUST_USE enum assay_status assay_tool_command(struct assay_episode *episode,
        struct assay_command *command, struct assay_observation *out, struct assay_error *err);
// Run a program of ours for its effect; *done tells whether it exited 0.
ASSAY_MUST_USE enum assay_status assay_tool_effect(struct assay_episode *episode,
        const char *const *argv, bool *done, struct assay_error *err);

// A text file, up to ASSAY_TOOL_FILE_BYTES_MAX. *refused: the observation says why not.
#define ASSAY_TOOL_FILE_BYTES_MAX ((size_t)16 << 20)
ASSAY_MUST_USE enum assay_status assay_tool_read(struct assay_episode *episode, const char *path,
        struct assay_buf *bytes, bool *refused, struct assay_observation *out,
        struct assay_error *err);
// Bytes with a NUL early on are no text.
bool assay_tool_is_binary(const char *bytes, size_t len);
// Lines first..last (from 1) with their numbers; a long one is cut.
void assay_tool_number_lines(
        struct assay_buf *out, const char *text, size_t len, size_t first, size_t last);
size_t assay_tool_count_lines(const char *text, size_t len);
// `path` as it is from the root, in the arena; NULL when memory runs out.
char *assay_tool_absolute(struct assay_episode *episode, const char *path);

void assay_edit_undos_free(struct assay_edit_undos *undos);
// False when memory runs out.
bool assay_edit_undos_copy(struct assay_edit_undos *to, const struct assay_edit_undos *from);

// The rows of the table (tools.c).
#define ASSAY_TOOL_RUN(name)                                                                       \
    ASSAY_MUST_USE enum assay_status name(struct assay_episode *episode,                           \
            const struct assay_tool_value *values, struct assay_observation *out,                  \
            struct assay_error *err)
ASSAY_TOOL_RUN(assay_tool_bash);
ASSAY_TOOL_RUN(assay_tool_view);
ASSAY_TOOL_RUN(assay_tool_search);
ASSAY_TOOL_RUN(assay_tool_edit);
ASSAY_TOOL_RUN(assay_tool_apply_patch);
ASSAY_TOOL_RUN(assay_tool_run_tests);
ASSAY_TOOL_RUN(assay_tool_think);
ASSAY_TOOL_RUN(assay_tool_submit);

#endif
