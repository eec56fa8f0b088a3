// SPDX-License-Identifier: MIT
// trajectory_parts.h - inside the readers and writers of trajectories: what formats share.
#ifndef ASSAY_ORCHESTRATOR_TRAJECTORY_PARTS_H
#define ASSAY_ORCHESTRATOR_TRAJECTORY_PARTS_H

#include "base/json.h"
#include "orchestrator/trajectory_formats.h"

#define ASSAY_TRAJECTORY_BYTES_MAX ((size_t)256 << 20) // of a document
#define ASSAY_TRAJECTORY_DEPTH_MAX 128

struct assay_trajectory_reader {
    struct assay_trajectory *out;
    struct assay_arena *arena;
    size_t room;    // turns
    bool no_memory; // told at the end
};

// The next turn, of that message; it may move the ones before. NULL: no memory.
struct assay_turn *assay_trajectory_turn(struct assay_trajectory_reader *r, uint32_t message);
const char *assay_trajectory_copy(
        struct assay_trajectory_reader *r, const char *text); // NULL for NULL
// The turn is a call of `bash`. `apart`: where each command of the other program began anew.
void assay_trajectory_command(struct assay_trajectory_reader *r, struct assay_turn *turn,
        const char *command, size_t len, bool apart);
void assay_trajectory_observation(
        struct assay_trajectory_reader *r, struct assay_turn *turn, const char *text);
// A content is a text, or parts of which some are text. NULL: neither.
const char *assay_trajectory_content(
        struct assay_trajectory_reader *r, const struct assay_json *content);
// Why it ended, in the words of any of them.
enum assay_episode_cause assay_trajectory_cause(const char *exit_status);

// --- ATIF (trajectory_atif.c) --------------------------------------------------------------------

bool assay_atif_is(const struct assay_json *document);
ASSAY_MUST_USE enum assay_status assay_atif_read(struct assay_trajectory_reader *r,
        const struct assay_json *document, struct assay_error *err);
// The members of the document's object.
void assay_atif_write(struct assay_json_writer *w, const struct assay_episode_row *row,
        const struct assay_turn *turns, size_t count, const struct assay_instance *instance,
        const char *workdir);

// --- chat messages (trajectory_messages.c) -------------------------------------------------------

// An object whose "messages" call tools as chat-completions endpoints have it. mini-swe-agent's,
// which say so or have its "info", are not.
bool assay_messages_are(const struct assay_json *document);
void assay_messages_read(struct assay_trajectory_reader *r, const struct assay_json *document);

#endif
