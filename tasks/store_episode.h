// SPDX-License-Identifier: MIT
// store_episode.h - episodes in the store: begun, told turn by turn, ended once.
//
// As store.h has it: thread-safe, each call one transaction. Turns are posted: the call returns
// before they are on disk, and they get there in order. Ending an episode waits for all of them and
// counts, so that an episode which is over is whole.
#ifndef ASSAY_TASKS_STORE_EPISODE_H
#define ASSAY_TASKS_STORE_EPISODE_H

#include "tasks/store.h"
#include "tasks/trajectory.h"

// Whose episode, and how it came to be.
struct assay_episode_begin {
    const char *run_id, *instance_id;
    unsigned sample;                      // from 1
    const char *graded_in;                // run whose evaluation of this instance is its verdict
    const char *actor;                    // as the command named it
    const char *seed;                     // digits
    bool retry_infra;                     // one that ended in trouble of ours begins again, too
    struct assay_episode_options options; // whoever does it again takes them; 0: the default
    uint64_t tokens_max;                  // 0: no limit
    const char *source, *source_format;   // of an imported one; else NULL
};

// Who may write to it: an attempt that is not the newest may not.
struct assay_episode_handle {
    uint64_t number;
    uint64_t attempt;
};

// A new one; or one that was cut off, without its turns, as its next attempt. *finished: it is over
// already, and stays as it is.
ASSAY_MUST_USE enum assay_status assay_store_begin_episode(struct assay_store *store,
        const struct assay_episode_begin *begin, struct assay_episode_handle *out, bool *finished,
        struct assay_error *err);
// Copied and posted. Trouble shows when the episode ends.
ASSAY_MUST_USE enum assay_status assay_store_post_turn(struct assay_store *store,
        const struct assay_episode_handle *handle, const struct assay_turn *turn,
        struct assay_error *err);
// ASSAY_ECONFLICT: another attempt is under way, or it is over; ASSAY_EIO: a turn is missing.
ASSAY_MUST_USE enum assay_status assay_store_end_episode(struct assay_store *store,
        const struct assay_episode_handle *handle, enum assay_episode_cause cause,
        const char *reason, uint32_t turn_count, struct assay_bytes answer,
        struct assay_error *err);

// Those of this actor that are running though nobody holds the claim on their run (store.h): the
// process that led them was killed. They end in trouble of ours, with the turns that they had.
ASSAY_MUST_USE enum assay_status assay_store_end_lost_episodes(struct assay_store *store,
        const char *actor, uint64_t now_ms, size_t *count, struct assay_error *err);

struct assay_episode_row {
    uint64_t number;
    const char *run_id, *suite, *instance_id, *graded_in, *actor, *seed, *reason;
    unsigned sample, attempt;
    enum assay_episode_cause cause;
    uint32_t turn_count; // so far, while it is running
    const char *started_at, *finished_at;
    struct assay_bytes answer;
    struct assay_episode_options options; // as it was begun with; 0: the default
    uint64_t tokens_max;
    const char *source, *source_format;                       // NULL: not imported
    uint64_t prompt_tokens, answer_tokens, wall_us, actor_us; // sums over its turns
    bool has_verdict, scored, resolved;
    const char *verdict_cause; // NULL without a verdict
};
// Those of a run, by instance and sample.
ASSAY_MUST_USE enum assay_status assay_store_list_episodes(struct assay_store *store,
        const char *run_id, struct assay_arena *arena, struct assay_episode_row **rows,
        size_t *count, struct assay_error *err);
// ASSAY_ENOTFOUND.
ASSAY_MUST_USE enum assay_status assay_store_get_episode(struct assay_store *store, uint64_t number,
        struct assay_arena *arena, struct assay_episode_row *out, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_store_get_turns(struct assay_store *store, uint64_t number,
        struct assay_arena *arena, struct assay_turn **turns, size_t *count,
        struct assay_error *err);

#endif
