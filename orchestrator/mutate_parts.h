// SPDX-License-Identifier: MIT
// mutate_parts.h - certified mutants in their parts: which are tried, what a kept one becomes, what
// is known of those tried before. Internal to mutate_*.c.
#ifndef ASSAY_ORCHESTRATOR_MUTATE_PARTS_H
#define ASSAY_ORCHESTRATOR_MUTATE_PARTS_H

#include "envs/apply.h"
#include "orchestrator/context.h"
#include "orchestrator/mutate.h"
#include "orchestrator/suite_write.h"
#include "rewards/mutants.h"
#include "tasks/suite.h"

// --- mutate_draw.c: what is tried, and in which order -------------------------------------------

// One mutant of one file. Where it stands is told coarsely (file, function): what no test reaches
// is found out by a few mutants of it, and the others are passed over.
struct mutate_draft {
    struct assay_mutant mutant;
    uint64_t number;         // hash of path and content: the same mutant is the same number
    uint64_t file, function; // hashes
    double turn;             // order
};

struct mutate_drafts {
    struct mutate_draft *items;
    size_t count;
};

// Of all source files of the tree that are in the framework's language, about count_max together
// (each is a whole file in memory), every file in its turn; none twice. In the arena.
ASSAY_MUST_USE enum assay_status mutate_draw(struct mutate_drafts *out, int tree_fd,
        const char *framework, uint64_t seed, size_t count_max, struct assay_arena *arena,
        struct assay_error *err);

// How mutants of a file or function came out so far.
struct mutate_reach {
    struct {
        uint64_t place;
        unsigned told, untold;
    } * items;
    size_t count, capacity;
};
bool mutate_is_reached(const struct mutate_reach *reach, const struct mutate_draft *draft);
// `told`: a test told it from the right program. False: out of memory.
bool mutate_note_reach(struct mutate_reach *reach, const struct mutate_draft *draft, bool told,
        struct assay_arena *arena);

// --- mutate_task.c: what a kept one becomes -----------------------------------------------------

// A mutant that a test tells, as a task. Texts are in the arena.
struct mutate_made {
    struct assay_instance task;   // all but its id, its tree and its base's folder
    struct assay_edits broken;    // of the fixed tree: the mutation, and files without hidden tests
    struct assay_strings hidden;  // tests of FAIL_TO_PASS that the base tree does not show
    struct assay_instance narrow; // the same task, of the files alone that hold FAIL_TO_PASS
};

struct mutate_finding {
    const struct assay_instance *ground; // the fixed tree with all its tests
    int tree_fd;                         // of it
    const struct assay_mutant *mutant;
    struct assay_strings failing; // of the ground's tests
    struct assay_strings passing;
    struct assay_bytes log; // of the run that told
    uint64_t seed;
};
// The mutation alone, as a model's patch of the fixed tree.
ASSAY_MUST_USE enum assay_status mutate_bug_patch(struct assay_bytes *out, int tree_fd,
        const struct assay_mutant *mutant, struct assay_arena *arena, struct assay_error *err);
ASSAY_MUST_USE enum assay_status mutate_make(struct mutate_made *out,
        const struct mutate_finding *finding, struct assay_arena *arena, struct assay_error *err);

// --- mutate_problem.c ---------------------------------------------------------------------------

// What goes wrong, from the log of the failing tests: never where.
ASSAY_MUST_USE enum assay_status mutate_problem(struct assay_bytes *out,
        const struct mutate_finding *finding, const struct assay_strings *hidden,
        struct assay_arena *arena, struct assay_error *err);

// --- mutate_ledger.c: what is known -------------------------------------------------------------

enum mutate_end {
    MUTATE_KEPT,
    MUTATE_SURVIVED,  // no test tells it
    MUTATE_SPOILED,   // would not build, hung, died, or is not believed
    MUTATE_GROSS,     // most tests fail
    MUTATE_TWIN,      // the same tests fail as of another one of the same line
    MUTATE_UNSTEADY,  // a second run said otherwise
    MUTATE_WITHDRAWN, // kept once, but a mixed run did not bear it out: its folder is gone
    MUTATE_ENDS,
};

struct mutate_entry {
    const char *instance_id; // of the ground
    uint64_t number, twin;   // of the mutant; of line and failing tests (0: none fails)
    enum mutate_end end;
    const char *task_id; // "" unless it was kept
    const char *cause;   // of the whole run ("tests_failed"); not read back
};

struct mutate_ledger; // owned; thread-safe

// DIR/.mutated.jsonl. A last line that a crash cut off counts for nothing. ASSAY_ECONFLICT: the
// folder was made with other settings (`identity`).
ASSAY_MUST_USE enum assay_status mutate_ledger_open(
        struct mutate_ledger **out, const char *dir, const char *identity, struct assay_error *err);
void mutate_ledger_close(struct mutate_ledger *ledger); // NULL is allowed
const struct mutate_entry *mutate_ledger_find(
        const struct mutate_ledger *ledger, const char *instance_id, uint64_t number); // or NULL
ASSAY_MUST_USE enum assay_status mutate_ledger_put(
        struct mutate_ledger *ledger, const struct mutate_entry *entry, struct assay_error *err);

// --- mutate_package.c: one package under work, by one thread -------------------------------------

struct mutate_making {
    struct assay_context *context;
    const struct assay_mutate_options *options;
    struct assay_suite named; // of the new suite: name, recipes
    struct assay_suite_writer writer;
    struct mutate_ledger *ledger;
};

struct mutate_package {
    struct mutate_making *m;
    const struct assay_instance *parent;
    const struct assay_certificate *certificate; // of the parent
    struct assay_mutate_result *result;
    struct assay_arena *arena;
    struct assay_instance ground; // the fixed tree, all its tests in it, which all pass
    int tree_fd;                  // of it; -1: not made
    bool reorders;                // its tests can run in another order
    bool watched;                 // a mixed run disagreed: from now on each task has one
    struct mutate_reach reach;
    struct {
        uint64_t *items;
        size_t count;
    } twins;
    struct {
        struct assay_instance *items; // made by this command, and not withdrawn
        size_t count;
    } kept;
};

// The fixed tree: in the depot, and below DIR/.base. Its tests have run once. result->reason is set
// where it cannot be built upon.
ASSAY_MUST_USE enum assay_status mutate_make_ground(
        struct mutate_package *package, struct assay_error *err);
// One mutant: its whole run, and if it is kept those that certify it, folder and certificate.
ASSAY_MUST_USE enum assay_status mutate_try(struct mutate_entry *entry,
        struct mutate_package *package, const struct mutate_draft *draft, struct assay_error *err);

#endif
