// SPDX-License-Identifier: MIT
// store.h - durable state: suites, runs, verdicts (SQLite, WAL, STRICT, one writer thread).
//
// Thread-safe. Writes go through one writer thread that commits them in groups
// (FULL durability); a write call returns once its commit is on disk. Reads use
// their own connection under a lock. Nothing is ever half written: each call is
// one transaction. Several processes may have one store open; a write that finds
// it held by another for 60 s is ASSAY_ETIMEOUT. What a read returns lies in the
// caller's arena; a list of none is NULL with count 0.
#ifndef ASSAY_TASKS_STORE_H
#define ASSAY_TASKS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/frame.h"
#include "tasks/suite.h"
#include "tasks/verdict.h"

struct assay_store; // opaque; owned by whoever called assay_store_open()

// Open or make the database at `path`, bring it to the newest schema. A newer
// schema than this program knows is ASSAY_EREFUSED.
ASSAY_MUST_USE enum assay_status assay_store_open(
        struct assay_store **out, const char *path, struct assay_error *err);
void assay_store_close(struct assay_store *store); // finishes what was handed in; NULL is allowed

// Sentences about what is broken in the database itself, in the arena; none: it is whole.
ASSAY_MUST_USE enum assay_status assay_store_check(struct assay_store *store,
        struct assay_arena *arena, struct assay_strings *problems, struct assay_error *err);
// A copy of the database as it is at one moment, at a path where nothing is yet, or another copy.
ASSAY_MUST_USE enum assay_status assay_store_backup(
        struct assay_store *store, const char *path, struct assay_error *err);

// --- suites --------------------------------------------------------------------------------------
// Add the whole suite or nothing. Every instance has its tree. A suite of that
// name: replaced when `replace`, else ASSAY_ECONFLICT; a suite with the same
// content hash is left as it is and ASSAY_OK. Verdicts stay: their key is content.
ASSAY_MUST_USE enum assay_status assay_store_add_suite(struct assay_store *store,
        const struct assay_suite *suite, bool replace, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_store_load_suite(struct assay_store *store, const char *name,
        struct assay_suite **out, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_store_remove_suite(
        struct assay_store *store, const char *name, struct assay_error *err);

struct assay_suite_row {
    const char *name, *version, *source, *hash, *added_at;
    size_t instance_count, certified_count; // instances whose newest certificate holds
};
ASSAY_MUST_USE enum assay_status assay_store_list_suites(struct assay_store *store,
        struct assay_arena *arena, struct assay_suite_row **rows, size_t *count,
        struct assay_error *err);

// --- certificates --------------------------------------------------------------------------------
struct assay_certificate {
    const char *suite, *instance_id;
    char instance_hash[65];
    bool holds;
    unsigned runs;       // of each check that is repeated
    const char *checks;  // names of what was checked, a space between; NULL: "gold empty"
    const char *grader;  // set by the store: whose rules judged it
    const char *details; // JSON: what was run, what came out
    const char *reason;  // "" when it holds
    const char *made_at; // set by the store
};
ASSAY_MUST_USE enum assay_status assay_store_put_certificate(struct assay_store *store,
        const struct assay_certificate *certificate, struct assay_error *err);
// The newest one for this content; ASSAY_ENOTFOUND when there is none.
ASSAY_MUST_USE enum assay_status assay_store_get_certificate(struct assay_store *store,
        const char *suite, const char *instance_id, const char *instance_hash,
        struct assay_arena *arena, struct assay_certificate *out, struct assay_error *err);

// One run of a certification, kept until its certificate is put (which removes all of its content).
struct assay_certificate_run {
    const char *check_name;
    unsigned run; // from 0
    const char *body;
};
ASSAY_MUST_USE enum assay_status assay_store_put_certificate_run(struct assay_store *store,
        const char *instance_hash, const struct assay_certificate_run *run,
        struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_store_certificate_runs(struct assay_store *store,
        const char *instance_hash, struct assay_arena *arena, struct assay_certificate_run **runs,
        size_t *count, struct assay_error *err);

// --- runs ----------------------------------------------------------------------------------------
enum assay_run_state { ASSAY_RUN_OPEN, ASSAY_RUN_FINISHED };

struct assay_run {
    const char *run_id;
    const char *suite;
    const char *identity; // hash of everything the command said; the same command, the same run
    const char *model;    // model_name_or_path of the predictions, "gold", "empty"
    const char *command;  // as typed, for people
    enum assay_run_state state;
    const char *started_at, *finished_at; // set by the store
    const char *suite_hash; // of the suite's content when the run was opened; set by the store
    size_t total, done;     // evaluations
};

// Open a run with one evaluation per instance id, or return the one that the same command opened
// before: *resumed is true then.
//   - wanted->run_id given: the run of that id. Another identity's, or a finished one with `again`,
//     is ASSAY_ECONFLICT; so is a new id while the same command is open under another one.
//   - run_id NULL: the run of that identity, open before finished, newest first. With `again` a
//     finished one is passed over (an open one is not: typing a command again resumes it).
// A new run without run_id gets a fresh id. Atomic among all processes on the store.
ASSAY_MUST_USE enum assay_status assay_store_open_run(struct assay_store *store,
        const struct assay_run *wanted, const char *const *instance_ids, size_t count, bool again,
        struct assay_arena *arena, struct assay_run *out, bool *resumed, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_store_finish_run(
        struct assay_store *store, const char *run_id, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_store_get_run(struct assay_store *store, const char *run_id,
        struct assay_arena *arena, struct assay_run *out, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_store_list_runs(struct assay_store *store,
        struct assay_arena *arena, struct assay_run **rows, size_t *count,
        struct assay_error *err); // newest first
// Those that are not finished.
ASSAY_MUST_USE enum assay_status assay_store_list_open_runs(struct assay_store *store,
        struct assay_arena *arena, struct assay_run **rows, size_t *count, struct assay_error *err);

// How a run gets on.
struct assay_run_pace {
    size_t done, done_since;   // verdicts; those recorded at `since` or later
    size_t resolved, unscored; // of all
    const char *last_at;       // when the newest was recorded; NULL: none
};
ASSAY_MUST_USE enum assay_status assay_store_run_pace(struct assay_store *store, const char *run_id,
        const char *since, struct assay_arena *arena, struct assay_run_pace *out,
        struct assay_error *err);

// --- verdicts ------------------------------------------------------------------------------------
// Ids of the run's instances that have no verdict yet (never started, or cut off), in the order
// in which the run was opened with them.
ASSAY_MUST_USE enum assay_status assay_store_pending(struct assay_store *store, const char *run_id,
        struct assay_arena *arena, struct assay_strings *out, struct assay_error *err);

// Record the one verdict of (run, instance), its per-test rows and where its log
// lies, and, when `cacheable` and scored, make it the verdict of its key. A second verdict
// for the same (run, instance) is ASSAY_ECONFLICT unless `retry`, which only
// replaces a verdict that was null, or `regraded`, which replaces a verdict and its per-test rows
// by what the same evidence says now.
struct assay_evaluation {
    const struct assay_verdict *verdict;
    const struct assay_outcome *outcome; // may be NULL
    const char *log_path;                // relative to ASSAY_HOME; may be NULL
    struct assay_bytes model_patch;      // kept for reports
    const struct assay_frame *evidence;  // of each run, in their order
    size_t evidence_count;
    uint64_t claim; // on the verdict's key, which ends with this; a lost one is not cacheable. 0:
                    // none
    bool cacheable, retry, regraded;
};
#define ASSAY_EVIDENCE_RUNS_MAX 64 // of one evaluation
ASSAY_MUST_USE enum assay_status assay_store_put_verdict(struct assay_store *store,
        const struct assay_evaluation *evaluation, struct assay_error *err);
// The verdict of (run, instance); ASSAY_ENOTFOUND when it has none yet.
ASSAY_MUST_USE enum assay_status assay_store_get_verdict(struct assay_store *store,
        const char *run_id, const char *instance_id, struct assay_arena *arena,
        struct assay_verdict *out, struct assay_error *err);
// The stored, scored verdict of this key, with `cached` set; ASSAY_ENOTFOUND when there is none.
ASSAY_MUST_USE enum assay_status assay_store_cached_verdict(struct assay_store *store,
        const char *key, struct assay_arena *arena, struct assay_verdict *out,
        struct assay_error *err);

// The per-test rows of (run, instance) into *out, which assay_outcome_init() made; finished, so
// that assay_outcome_find() works. ASSAY_ENOTFOUND when none were recorded.
ASSAY_MUST_USE enum assay_status assay_store_get_outcome(struct assay_store *store,
        const char *run_id, const char *instance_id, struct assay_outcome *out,
        struct assay_error *err);

// What the runs of (run, instance) left behind, in their order. A verdict that came from the cache
// has the evidence of the one that answers for its key. ASSAY_ENOTFOUND: none was kept.
ASSAY_MUST_USE enum assay_status assay_store_get_evidence(struct assay_store *store,
        const char *run_id, const char *instance_id, struct assay_arena *arena,
        struct assay_bytes **runs, size_t *count, struct assay_error *err);
// Remove the evidence of a run (NULL: of all runs that began before `before`, RFC 3339, and all
// runs that were kept before it); verdicts stay.
struct assay_dropped {
    size_t runs; // of tests
    uint64_t bytes;
};
ASSAY_MUST_USE enum assay_status assay_store_drop_evidence(struct assay_store *store,
        const char *run_id, const char *before, struct assay_dropped *out, struct assay_error *err);

// A run of an instance's tests that does not depend on an answer: made once, kept by a key of what
// it depends on. A role that is kept stays as it was kept first.
struct assay_kept_run {
    const char *role;         // which of an answer's runs it stands for
    struct assay_frame frame; // as in evidence
};
ASSAY_MUST_USE enum assay_status assay_store_keep_run(struct assay_store *store, const char *key,
        const struct assay_kept_run *run, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_store_kept_runs(struct assay_store *store, const char *key,
        struct assay_arena *arena, struct assay_kept_run **runs, size_t *count,
        struct assay_error *err); // by role

// Everything a report needs about one evaluation.
struct assay_evaluation_row {
    struct assay_verdict verdict; // valid when has_verdict
    bool has_verdict;
    const char *instance_id, *repo, *log_path;
    struct assay_bytes model_patch;
};
ASSAY_MUST_USE enum assay_status assay_store_run_rows(struct assay_store *store, const char *run_id,
        struct assay_arena *arena, struct assay_evaluation_row **rows, size_t *count,
        struct assay_error *err); // by instance_id

// --- claims --------------------------------------------------------------------------------------
// Who makes the verdict of a key: one owner at a time among all processes on the store. `now_ms`
// and `expires_ms` are milliseconds since 1970. A claim that has expired is anybody's.

// *claim: its number (> 0), or 0 when another owner has it.
ASSAY_MUST_USE enum assay_status assay_store_claim(struct assay_store *store, const char *key,
        const char *owner, uint64_t now_ms, uint64_t expires_ms, uint64_t *claim,
        struct assay_error *err);
// Does anybody have it?
ASSAY_MUST_USE enum assay_status assay_store_is_claimed(struct assay_store *store, const char *key,
        uint64_t now_ms, bool *claimed, struct assay_error *err);
// All claims of `owner` that are still there.
ASSAY_MUST_USE enum assay_status assay_store_renew_claims(
        struct assay_store *store, const char *owner, uint64_t expires_ms, struct assay_error *err);
// End a claim without a verdict. One that is another's by now is left alone.
ASSAY_MUST_USE enum assay_status assay_store_drop_claim(
        struct assay_store *store, const char *key, uint64_t claim, struct assay_error *err);

#endif
