// SPDX-License-Identifier: MIT
// serve_turn.h - a turn of a leased episode as every dialect needs it: the action, what it showed,
// and, when it ended the episode, what that is worth.
#ifndef ASSAY_ORCHESTRATOR_SERVE_TURN_H
#define ASSAY_ORCHESTRATOR_SERVE_TURN_H

#include "orchestrator/leases.h"
#include "orchestrator/serve_gather.h"

struct assay_service;

#define ASSAY_SERVE_WALL_MS_DEFAULT 3600000u
#define ASSAY_SERVE_PATIENCE_MS 50000u // below the 60 s that OpenEnv's client waits for an answer

// Everything is borrowed for the call that tells it.
struct assay_service_turn {
    struct assay_lease_view view;
    const struct assay_observation *seen; // NULL: no action was done
    bool over, terminated, truncated;
    const struct assay_gathered *graded; // NULL: not over, trouble of ours, or not yet
    bool pending;                        // it is being graded: ask again
};
typedef void (*assay_service_turn_told)(void *user, const struct assay_service_turn *turn);

// Do one action (NULL: none; an episode that runs is finished then) in the episode `id`. told() is
// called once, now or when its verdict is there, at the latest at the deadline (assay_clock_ms());
// on an error it is not.
ASSAY_MUST_USE enum assay_status assay_service_take_turn(struct assay_service *serve,
        const char *id, const struct assay_action *action, uint64_t deadline_ms,
        assay_service_turn_told told, void *user, struct assay_error *err);

// What is read of a body, and written of a turn, by more than one dialect.
struct assay_json;
struct assay_json_writer;
// suite, instance_id (none: one that `seed` chooses, of `suite` or of all), limits, shell, seed.
ASSAY_MUST_USE enum assay_status assay_service_read_begin(struct assay_lease_begin *out,
        struct assay_service *serve, const struct assay_json *from, struct assay_error *err);
// Members of an open object: text, failed, and how a command of it ended.
void assay_service_write_seen(struct assay_json_writer *w, const struct assay_observation *seen);
// "reward": a number, or null.
void assay_service_write_reward(
        struct assay_json_writer *w, const char *key, const struct assay_service_turn *turn);
// An object of arguments (NULL: none) as JSON text, without one of its members (NULL: with all).
ASSAY_MUST_USE enum assay_status assay_service_write_arguments(struct assay_buf *out,
        const struct assay_json *arguments, const char *without, struct assay_error *err);
// The member "arguments" of `from`, likewise.
ASSAY_MUST_USE enum assay_status assay_service_read_arguments(
        struct assay_buf *out, const struct assay_json *from, struct assay_error *err);
// An action of {"tool", "arguments"}: arguments as JSON text in `arguments`, which is the action's.
ASSAY_MUST_USE enum assay_status assay_service_read_action(struct assay_action *out,
        struct assay_buf *arguments, const struct assay_json *from, struct assay_error *err);

#endif
