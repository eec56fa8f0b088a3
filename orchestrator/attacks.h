// SPDX-License-Identifier: MIT
// attacks.h - the corpus of forged patches: what each is, and what grading must make of it.
//
// A corpus is a folder: attacks.jsonl (one attack a line), repos/ (a native
// suite, one instance a repository) and patches/ (<id>.attack.patch, and
// <id>.twin.patch, an honest fix of the same fault that must resolve). As a
// suite it has two instances an attack, copies of the repository's: hostile.<id>
// and honest.<id>. Format: tests/attacks/README.md.
#ifndef ASSAY_ORCHESTRATOR_ATTACKS_H
#define ASSAY_ORCHESTRATOR_ATTACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/predictions.h"
#include "tasks/suite.h"
#include "tasks/verdict.h"

#define ASSAY_ATTACK_ROW_OWN 0 // written against assay's own source: no row of the catalogue

struct assay_attack {
    const char *id, *repo, *how; // `how`: one sentence
    const char *framework;       // of the repository
    const char *missing;         // the program that its tests need and this host lacks; NULL: none
    unsigned row;                // of the catalogue in docs/attacks.md; ASSAY_ATTACK_ROW_OWN
    uint32_t causes;             // bit (1 << cause) for each verdict that is right
    struct assay_strings
            dropped; // files whose changes must be left out, where they do not give the run away
    struct assay_strings naive; // graders that believe it: "stdout", "exit", "swebench"
    const char *secret;         // or what it reaches where one defence is off; NULL
};

struct assay_attacks {
    struct assay_attack *items; // in the order of the file
    size_t count;
    struct assay_suite *suite;             // owned, and holds the rest; trees are not set
    struct assay_predictions *predictions; // twins first, without those that miss a program
};

// What to leave out; NULL and 0 leave out nothing.
struct assay_attacks_filter {
    const char *const *ids; // NULL-terminated
    const char *framework;
    uint64_t row; // UINT64_MAX: any
};

// Errors name file and line (ASSAY_EINVAL), or the id that is not there (ASSAY_ENOTFOUND).
ASSAY_MUST_USE enum assay_status assay_attacks_read(struct assay_attacks **out, const char *dir,
        const struct assay_attacks_filter *filter, struct assay_error *err);
void assay_attacks_free(struct assay_attacks *attacks); // NULL is allowed

// The attack that an instance belongs to, and whether the instance is its twin's.
const struct assay_attack *assay_attacks_of(
        const struct assay_attacks *attacks, const char *instance_id, bool *twin);

// Is this the verdict that the attack must get: no reward, one of its causes, and its files dropped
// unless the run was found forged?
bool assay_attack_answered(const struct assay_attack *attack, const struct assay_verdict *verdict);

#endif
