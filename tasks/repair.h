// SPDX-License-Identifier: MIT
// repair.h - small Python programs, each broken in one line, with unit tests that tell.
//
// The table (data/repair/table.jsonl) is a part of the program: for each family the texts of
// programs, calls with what they give, and mutations with the calls that then go wrong, all as
// Python itself gave them when data/repair/make.py was run. A seed chooses from it a program, its
// names, the shape of its tests and a mutation. Nothing is run here, so a draw takes microseconds;
// that a task holds is shown by its tests in a box like any other. docs/repair.md.
//
// The same table, split, seed and index give the same task. A pair of program and mutation belongs
// to one of SFT, RL, UNSEEN_FAULTS and UNSEEN_FAMILIES by a hash of its text, whatever the names.
// Of RL's pairs one file in eight, as names and numbers make it, belongs to UNSEEN_SEEDS, by a hash
// of that file. So no two splits share a broken file.
// A table is not changed by draws: one serves all threads.
#ifndef ASSAY_TASKS_REPAIR_H
#define ASSAY_TASKS_REPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"
#include "tasks/suite.h"

enum assay_repair_split {
    ASSAY_REPAIR_SFT,             // demonstrations
    ASSAY_REPAIR_RL,              // to learn from by trying
    ASSAY_REPAIR_UNSEEN_FAULTS,   // families of the two above, other mutations
    ASSAY_REPAIR_UNSEEN_SEEDS,    // mutations of RL, in files that it never draws
    ASSAY_REPAIR_UNSEEN_FAMILIES, // families that none of the above draws from
    ASSAY_REPAIR_SPLITS,
};
// "sft", "rl", "unseen-faults", "unseen-seeds", "unseen-families".
const char *assay_repair_split_name(enum assay_repair_split split);
bool assay_repair_split_find(enum assay_repair_split *out, const char *name);

struct assay_repair_task {
    const char *id;            // an instance id: family, split, seed, index
    const char *family;        // "binary_search"
    const char *kind;          // family, program and mutation: "clamp/0/12"; NULL: not of the table
    const char *operator_name; // of the mutation, as in rewards/mutants.h
    const char *path;          // "ledger.py"; always at the top
    const char *test_path;
    struct assay_bytes broken, gold, tests; // files, LF, with a last line feed
    size_t line;                            // from 1: the one in which gold differs
    const char *gold_line;                  // its text there, without line feed
    const char *gold_edits; // as answers have them, in place of line and gold_line; NULL: these
    // The first test that fails, for whoever reads rather than runs it: its statements, a line
    // each, and the last line of what Python then says.
    const char *failing, *failure;
    const char *expected; // the value that it asks for
    // For proof-readers: gold with a slip of the pen in one line (0: there is none), and what
    // stands there in gold. No slip is a mutation of the table, so none tells of any split.
    struct assay_bytes slipped;
    size_t slip_line;
    const char *slip_gold;
    struct assay_strings fail_to_pass,
            pass_to_pass; // unittest ids: "test_ledger.TestLedger.test_a"
};

struct assay_repair_table; // opaque; owned by whoever called assay_repair_open()

struct assay_repair_choice { // of the table; all 0: all of it
    size_t text_count;       // of each family only the first texts
    size_t family_count;     // of the families that are not held out only the first
    // SFT, RL and UNSEEN_SEEDS have the pairs of SFT in common, and what is UNSEEN_SEEDS is held
    // out of both others.
    bool shares_pairs;
};
ASSAY_MUST_USE enum assay_status assay_repair_open(struct assay_repair_table **out,
        const struct assay_repair_choice *choice, struct assay_error *err);
void assay_repair_close(struct assay_repair_table *table); // NULL is allowed

size_t assay_repair_family_count(const struct assay_repair_table *table);
const char *assay_repair_family_name(const struct assay_repair_table *table, size_t family);
bool assay_repair_family_unseen(const struct assay_repair_table *table, size_t family);

// Task `index` of this seed. All families of the split come in turn, in an order that the seed
// draws. Everything is in the arena. ASSAY_ENOMEM; ASSAY_ENOTFOUND: the table has no task of the
// split.
ASSAY_MUST_USE enum assay_status assay_repair_draw(struct assay_repair_task *out,
        const struct assay_repair_table *table, enum assay_repair_split split, uint64_t seed,
        uint64_t index, struct assay_arena *arena, struct assay_error *err);

// The task as an instance of a suite whose only recipe assay_repair_recipe() sets. Texts are
// shared; base and tree are the caller's to set. In the arena. ASSAY_ENOMEM.
#define ASSAY_REPAIR_RECIPE "python"
ASSAY_MUST_USE enum assay_status assay_repair_instance(struct assay_instance *out,
        const struct assay_repair_task *task, struct assay_arena *arena, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_repair_recipe(
        struct assay_suite *suite, struct assay_error *err);

#endif
