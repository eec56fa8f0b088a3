// SPDX-License-Identifier: MIT
// shaping.h - what a verdict is worth to a trainer: reward maps and shaping. Pure, off by default.
//
// `resolved` and `reward` of a verdict are never changed. Beside them stand a class, the value that
// the map gives this class, and what each term of the shaping adds; their sum is `reward_shaped`.
// Two things hold whatever the configuration says: no verdict for reasons of infrastructure gets a
// number, and a run that was tampered with or contradicts itself never gets more than 0.
//
// Sources: the classes are those of MiniMax-M1's report (1 when all tests pass; 0 or negative on
// compile error, run-time error, regression; a format reward), FormatError -1 is SWE-RL's, the
// length term is DAPO's soft over-long punishment, which M1 uses.
#ifndef ASSAY_REWARDS_SHAPING_H
#define ASSAY_REWARDS_SHAPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/verdict.h"

// What came of a run, for the map. docs/shaping.md says which causes belong to which.
enum assay_reward_class {
    ASSAY_REWARD_RESOLVED,
    ASSAY_REWARD_UNRESOLVED,    // honest tests that fail, and nothing worse
    ASSAY_REWARD_REGRESSION,    // a PASS_TO_PASS test does not pass any more
    ASSAY_REWARD_BUILD_ERROR,   // does not build, or no test could be collected
    ASSAY_REWARD_RUNTIME_ERROR, // killed by a signal or a limit, or for a forbidden call
    ASSAY_REWARD_FORMAT_ERROR,  // no answer, or none that can be read or applied
    ASSAY_REWARD_FORGED,        // tampered with, or inconsistent
    ASSAY_REWARD_CLASSES,
};
const char *assay_reward_class_name(enum assay_reward_class reward_class); // "resolved", ...
// false: not scored, so there is no class.
bool assay_reward_classify(enum assay_reward_class *out, const struct assay_verdict *verdict);

struct assay_reward_map {
    double values[ASSAY_REWARD_CLASSES]; // finite, -1000..1000; `forged` at most 0
};
// "default": 1 resolved, 0 else. "m1-negative": -1 for build, run-time and format errors and for
// regressions. "swe-rl": -1 for format errors.
bool assay_reward_map_preset(struct assay_reward_map *out, const char *name);
extern const char *const assay_reward_map_presets[]; // names, NULL at the end

// {"schema": 1, "resolved": 1, "regression": -0.5, ...}: a missing class has the default's value.
// Errors: ASSAY_EINVAL that names file, line and field; no class may be worth more than `resolved`.
ASSAY_MUST_USE enum assay_status assay_reward_map_read(struct assay_reward_map *out,
        const char *text, size_t len, const char *file, struct assay_error *err);

// Terms, each weight 0 (off) to 1000.
struct assay_shaping {
    double tests;                          // x share of FAIL_TO_PASS that passes; localize: score;
                                           // write_tests: share of valid mutants killed
    double resolution, resolution_partial; // x 1 for FULL, `partial` (0..1) for PARTIAL, 0 for NO
    double regression;                     // x minus the share of PASS_TO_PASS that does not pass
    double format, format_tolerated;    // x 1 for an answer applied as written, `tolerated` (0..1)
                                        // where the patch engine had to be lenient, 0 for none
    double length;                      // x 0 .. -1, by assay_shaping_overlong()
    uint64_t length_max, length_buffer; // 0 < buffer <= max
    double similarity;                  // x similarity to the gold patch; repair only
};

// {"schema": 1, "tests": {"weight": 0.2}, "resolution": {"weight", "partial"}, "regression":
// {"weight"}, "format": {"weight", "tolerated"}, "length": {"weight", "max", "buffer"},
// "similarity": {"weight"}}: every term may be missing. Errors as above.
ASSAY_MUST_USE enum assay_status assay_shaping_read(struct assay_shaping *out, const char *text,
        size_t len, const char *file, struct assay_error *err);

// DAPO: 0 up to max - buffer, then down to -1 at max, -1 beyond.
double assay_shaping_overlong(uint64_t length, uint64_t length_max, uint64_t length_buffer);

// What the verdict itself does not say.
struct assay_shaping_facts {
    uint64_t length;   // of the answer, in whatever unit length_max has
    double similarity; // 0..1; NaN: could not be measured, and so neither can the sum
};

// In the arena. `shaping` may be NULL: the map alone. ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_shape(const struct assay_shaped_reward **out,
        const struct assay_verdict *verdict, const struct assay_reward_map *map,
        const struct assay_shaping *shaping, const struct assay_shaping_facts *facts,
        struct assay_arena *arena, struct assay_error *err);

#endif
