// SPDX-License-Identifier: MIT
// episode.h - one actor's time in a repository: reset, step, fork, close.
//
// An episode is a session (sandbox/session.h) over the base tree of an instance. The box holds that
// tree and the environment, nothing else: no test patch, no gold patch, no test lists. Each action
// is one call of a tool (tools.h). A call that makes no sense is an observation that says what to
// do instead. Terminated and truncated mean what they mean in Gymnasium: the actor is done; a limit
// has ended it.
//
//     running -> over [submit, assay_episode_end(), a limit, the end of the box]
//
// The same actions show the same observations: times, process numbers and addresses are no part of
// what assay says of a command, and the box's clock is the only thing that differs between runs.
//
// An episode is used by one thread at a time; different episodes by different threads at once.
#ifndef ASSAY_ENVS_EPISODE_H
#define ASSAY_ENVS_EPISODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "envs/depot.h"
#include "envs/recipe.h"
#include "envs/tree_patch.h"
#include "sandbox/box.h"
#include "tasks/instance.h"
#include "tasks/trajectory.h"

struct assay_episode; // opaque; owned by whoever called assay_episode_reset()

// All borrowed, for as long as the episode lives.
struct assay_episode_place {
    struct assay_sandbox *sandbox;
    struct assay_depot *depot;
    const struct assay_instance *instance;
    const struct assay_recipe *recipe;
    const struct assay_environment *environment;
    const volatile bool *cancel; // may be NULL
};

struct assay_action {
    const char *tool;      // NULL: none was named
    const char *arguments; // JSON object; NULL: none
    const char *reply;     // what naming none shows; NULL: which tools there are
};

// What one action showed.
struct assay_observation {
    struct assay_buf text; // owned
    bool failed;           // the tool refused, or could not do it
    bool terminated, truncated;
    enum assay_episode_cause cause; // RUNNING unless one of them
    // Of the command that it ran, if it ran one.
    bool ran;
    enum assay_box_cause box_cause;
    int exit_code;        // when exited
    int signal;           // when signalled
    size_t written_bytes; // of text, from its beginning: what it wrote; the rest is assay's words
    bool written_whole;   // nothing of that was left out
    uint64_t wall_us, cpu_us, queue_us;
};
void assay_observation_release(struct assay_observation *observation);

// A box over the instance's base tree. Errors: ASSAY_EINVAL (limits), ASSAY_ENOTFOUND (no tree),
// ASSAY_EIO (no box).
ASSAY_MUST_USE enum assay_status assay_episode_reset(struct assay_episode **out,
        const struct assay_episode_place *place, const struct assay_episode_options *options,
        struct assay_error *err);

// One action. On ASSAY_OK *out is the caller's to release. ASSAY_EINVAL: the episode is over;
// ASSAY_EIO: trouble of ours, the episode is over with ASSAY_EPISODE_INFRA_ERROR;
// ASSAY_EINTERRUPTED: cancelled.
ASSAY_MUST_USE enum assay_status assay_episode_step(struct assay_episode *episode,
        const struct assay_action *action, struct assay_observation *out, struct assay_error *err);

// From here on this cuts it off (NULL: nothing does); a fork begins with its parent's.
void assay_episode_set_cancel(struct assay_episode *episode, const volatile bool *cancel);

uint32_t assay_episode_turns(const struct assay_episode *episode); // so far
enum assay_episode_cause assay_episode_cause(const struct assay_episode *episode);
// What `submit` was told beside the tree; NULL: nothing. Borrowed.
const char *assay_episode_answer(const struct assay_episode *episode);
// Over, for a reason that the caller knows. Nothing happens when it is over already.
void assay_episode_end(struct assay_episode *episode, enum assay_episode_cause cause);

// Another episode that stands where this one stood after `turn` (0: after the reset). Where no
// shell has kept anything and `turn` is now, it goes on from a snapshot; else the actions are done
// again. *differs (may be NULL) is the first turn whose observation came out otherwise then; 0:
// none. This episode goes on as before. ASSAY_EINVAL: no such turn.
ASSAY_MUST_USE enum assay_status assay_episode_fork(struct assay_episode **out,
        struct assay_episode *episode, uint32_t turn, uint32_t *differs, struct assay_error *err);

// Freeze the box, which is over then, and append what was changed in the tree. *report lives in
// the arena. ASSAY_EREFUSED, ASSAY_ENOMEM: more than may be said (tree_patch.h).
ASSAY_MUST_USE enum assay_status assay_episode_patch(struct assay_episode *episode,
        struct assay_buf *out, struct assay_tree_patch_report *report, struct assay_arena *arena,
        struct assay_error *err);

void assay_episode_close(struct assay_episode *episode); // NULL is allowed

#endif
