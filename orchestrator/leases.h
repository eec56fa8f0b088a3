// SPDX-License-Identifier: MIT
// leases.h - episodes that are lent to clients of the service: opened, stepped, forked, given back.
//
// A lease is an episode (envs/episode.h) under an id. Each turn is recorded as any episode's
// (`assay episodes show`), in a run of the lease's id. It ends when its episode does: then the box
// is gone, what it left is its answer, and the lease stays for whoever asks what that is worth.
// Whoever says nothing for idle_ms loses it, as does who holds it for longer than the episode's own
// wall time.
//
//     running -> over [submit, a limit, finish] -> gone [close, idle]
//
// Thread-safe. One step at a time in a lease: another is ASSAY_ECONFLICT meanwhile.
#ifndef ASSAY_ORCHESTRATOR_LEASES_H
#define ASSAY_ORCHESTRATOR_LEASES_H

#include "base/rng.h"
#include "envs/episode.h"
#include "orchestrator/context.h"
#include "orchestrator/grader.h"
#include "orchestrator/serve_suites.h"

struct assay_leases; // opaque; owned by whoever called assay_leases_create()

ASSAY_MUST_USE enum assay_status assay_leases_create(struct assay_leases **out,
        struct assay_context *context, size_t count_max, uint64_t idle_ms_max,
        struct assay_error *err);
// What runs is cut off; all that is open ends. Nothing more is opened.
void assay_leases_end(struct assay_leases *leases);
void assay_leases_destroy(struct assay_leases *leases); // ends it first; NULL is allowed

struct assay_lease_begin {
    const struct assay_served *task;
    struct assay_episode_options episode;
    uint64_t idle_ms;  // 0: as long as may be
    uint64_t seed;     // for the record
    const char *owner; // whose it is; copied
    const char *id;    // copied; assay_id_new() made it; NULL: a new one
};

// ASSAY_EREFUSED: as many are open as may be. ASSAY_ECONFLICT: the id is another's.
ASSAY_MUST_USE enum assay_status assay_leases_open(struct assay_leases *leases,
        const struct assay_lease_begin *begin, char id[ASSAY_ID_BYTES], struct assay_error *err);

#define ASSAY_LEASE_WORD_BYTES 64
struct assay_lease_view {
    char id[ASSAY_ID_BYTES];
    char owner[64];
    const struct assay_served *task;
    const char *workdir; // borrowed from the task
    enum assay_episode_cause cause;
    char reason[ASSAY_ERROR_MESSAGE_BYTES];
    uint32_t turns;
    bool busy;                          // a step is under way
    char shell[ASSAY_LEASE_WORD_BYTES]; // as its client calls its shell; "": not yet
    uint64_t age_ms, idle_ms;           // since it was opened; since it was touched
    uint64_t idle_ms_max;
};
// ASSAY_ENOTFOUND here and below: no such lease, or it is gone.
ASSAY_MUST_USE enum assay_status assay_leases_look(struct assay_leases *leases, const char *id,
        struct assay_lease_view *out, struct assay_error *err);
// At most `max`; returns how many there are.
size_t assay_leases_list(struct assay_leases *leases, struct assay_lease_view *out, size_t max);

// One action. *seen is the caller's to release; *view is as it stands after it. ASSAY_ECONFLICT: a
// step is under way, or the episode is over.
ASSAY_MUST_USE enum assay_status assay_leases_step(struct assay_leases *leases, const char *id,
        const struct assay_action *action, struct assay_observation *seen,
        struct assay_lease_view *view, struct assay_error *err);
// Its client calls its shell `to` from now on, if it called it `from` till now ("": not named);
// ASSAY_ECONFLICT: it did not.
ASSAY_MUST_USE enum assay_status assay_leases_name_shell(struct assay_leases *leases,
        const char *id, const char *from, const char *to, struct assay_error *err);
// Another lease that stands where this one stood after `turn` (UINT32_MAX: where it stands now).
ASSAY_MUST_USE enum assay_status assay_leases_fork(struct assay_leases *leases, const char *id,
        uint32_t turn, char fork_id[ASSAY_ID_BYTES], uint32_t *differs, struct assay_error *err);
// The client has nothing more to do: over, if it was not.
ASSAY_MUST_USE enum assay_status assay_leases_finish(
        struct assay_leases *leases, const char *id, struct assay_error *err);
// What it left, appended; and the submission for which that is graded: its answer is out->data, and
// its episode `id`. ASSAY_ECONFLICT: it is not over; ASSAY_EIO: trouble of ours ended it, and there
// is nothing to grade.
ASSAY_MUST_USE enum assay_status assay_leases_answer(struct assay_leases *leases, const char *id,
        struct assay_buf *out, struct assay_submission *submission, struct assay_error *err);
// Gone; a step that is under way is cut off.
ASSAY_MUST_USE enum assay_status assay_leases_close(
        struct assay_leases *leases, const char *id, struct assay_error *err);

struct assay_lease_counts {
    uint64_t open;                          // now
    uint64_t opened, forked, reaped, turns; // since it was created
};
struct assay_lease_counts assay_leases_count(struct assay_leases *leases);

#endif
