// SPDX-License-Identifier: MIT
// trajectory.h - the record of an episode: its turns, what they showed, and why it ended.
#ifndef ASSAY_TASKS_TRAJECTORY_H
#define ASSAY_TASKS_TRAJECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/instance.h"

// Why an episode ended. Exactly one. All but INFRA_ERROR leave a tree that is graded.
enum assay_episode_cause {
    ASSAY_EPISODE_RUNNING,   // not yet
    ASSAY_EPISODE_SUBMITTED, // the actor said that it is done: terminated
    ASSAY_EPISODE_STOPPED,   // the actor has no further action: terminated
    // Truncated:
    ASSAY_EPISODE_TURN_LIMIT,
    ASSAY_EPISODE_TOKEN_LIMIT,
    ASSAY_EPISODE_WALL_LIMIT,
    ASSAY_EPISODE_CPU_LIMIT,
    ASSAY_EPISODE_MEMORY_LIMIT,
    ASSAY_EPISODE_BOX_OVER,     // the box ended otherwise: another of its limits, or killed
    ASSAY_EPISODE_ACTOR_FAILED, // the actor's own trouble: no answer, a dead program
    ASSAY_EPISODE_INFRA_ERROR,  // ours
    ASSAY_EPISODE_CAUSES,
};
const char *assay_episode_cause_name(enum assay_episode_cause cause); // "submitted", ...
bool assay_episode_cause_from_name(enum assay_episode_cause *out, const char *name);

// 0 takes the default.
struct assay_episode_limits {
    uint32_t turns_max;           // 100
    uint64_t wall_ms_max;         // 3,600 s, the actor's own time included
    uint64_t cpu_ms_max;          // 1,800 s, of all commands together
    uint64_t command_ms_max;      // 120 s; a command may ask for less
    size_t observation_bytes_max; // 16,000: head and tail are kept, and what was left out is told
};
#define ASSAY_EPISODE_TURNS_MAX 10000u

struct assay_episode_options {
    struct assay_episode_limits limits;
    // `bash` runs each command in a process of its own: directory and exported variables carry
    // over, functions and unexported ones do not. Such an episode is forked in constant time.
    bool fresh;
};

// Do two observations show the same? Decimal fractions count for nothing: programs print how long
// they took ("Ran 3 tests in 0.004s").
bool assay_observation_same(struct assay_bytes a, struct assay_bytes b);

// One action and what it showed. An actor's message may ask for several: they are turns of one
// message, and the text stands at the first of them.
struct assay_turn {
    uint32_t turn;       // from 1
    uint32_t message;    // from 1: which of the actor's messages it belongs to
    const char *text;    // what the actor said beside it; NULL: nothing, or an earlier turn has it
    const char *call_id; // the actor's own name of the call; NULL: none
    const char *tool;    // NULL: the message asked for no tool; the observation is what it was told
    const char *arguments; // JSON, as the actor gave it; it need not be valid. NULL: no tool
    struct assay_bytes observation;
    bool failed;                        // the tool refused it
    const char *cause;                  // how a command of it ended ("exited"); NULL: it ran none
    int exit_code;                      // when exited
    int signal;                         // when signalled; 0: not known
    uint64_t wall_us, cpu_us, queue_us; // of its command: its own time; waiting for a CPU
    uint64_t actor_us; // that the actor took to say it; at the first turn of a message
    uint64_t step_us;  // that the turn took in all, after the actor
    uint64_t prompt_tokens, answer_tokens; // as the actor counts; at the first turn of a message
    // The tokens that were sampled to say it, where that is known; at the first turn of a message.
    // JSON of arrays of one length: "logp" in nats, "pieces" (texts) or "ids" or both; "mask" (1:
    // sampled, 0: prompt and observations) where not all of them were; "version" of the weights.
    const char *sampled;
};

#endif
