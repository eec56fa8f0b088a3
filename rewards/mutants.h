// SPDX-License-Identifier: MIT
// mutants.h - wrong versions of a text: of a fix, to see what tests are worth, or of a program, to
// have something to repair. Pure, and the same for the same seed.
//
// A mutant differs from the right text in one place among the lines that the base does not have
// (without a base: all). The operators go by tokens, with strings and comments left alone.
// ASSAY_MUTANTS_OF_FIX are relational (< and <=, == and !=), boolean (and and or, a negation
// dropped, true and false), arithmetic (+ and -, * and /), constant (a whole number one higher),
// return_value (None, 0), remove_statement, and revert_hunk (one of several places as it was before
// the fix). ASSAY_MUTANTS_ALL are these and, in Python and the kin of C: negate_condition (of if
// and while), off_by_one (a whole number, an index or a length one lower or higher), wrong_variable
// (another one of the same function), swap_arguments (the first two of a call), and wrong_call (min
// and max, any and all, lower and upper, ...). Some will not build and some do what the right text
// does: whoever runs them must allow for both.
#ifndef ASSAY_REWARDS_MUTANTS_H
#define ASSAY_REWARDS_MUTANTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"

// A file that the gold patch changes.
struct assay_mutant_source {
    const char *path;
    struct assay_bytes base, gold; // empty where it does not exist
};

struct assay_mutant {
    const char *path;
    struct assay_bytes content; // of the whole file
    const char *about;          // "src/ring.c:22: arithmetic: \"-\" becomes \"+\""
    const char *operator_name;  // "arithmetic"
    size_t line;                // from 1: the one that differs, or the first of a hunk
};

enum assay_mutant_set { ASSAY_MUTANTS_OF_FIX, ASSAY_MUTANTS_ALL };

#define ASSAY_MUTANTS_MAX 64
#define ASSAY_MUTANT_CANDIDATES_MAX 4096

// At most count_max (<= ASSAY_MUTANT_CANDIDATES_MAX) of all that could be made, each operator in
// its turn. In the arena. ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_mutants_make(struct assay_mutant **out, size_t *count,
        const struct assay_mutant_source *sources, size_t source_count, enum assay_mutant_set set,
        uint64_t seed, size_t count_max, struct assay_arena *arena, struct assay_error *err);

// The same program in other bytes: a blank behind each opening bracket of the code. For Python and
// the kin of C, where that means nothing; other texts come back as they are. In the arena.
// ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_respace(struct assay_bytes *out, const char *path,
        struct assay_bytes text, struct assay_arena *arena, struct assay_error *err);

#endif
