// SPDX-License-Identifier: MIT
// attacks.h - run a payload of attacks/ in a box and compare what each attempt gave.
#ifndef ASSAY_TESTS_SANDBOX_ATTACKS_H
#define ASSAY_TESTS_SANDBOX_ATTACKS_H

#include "tests/sandbox/boxes.h"
#include "tests/sandbox/host.h"

// One attempt: what it is called and what it may give, as words: errno names, "done", a text.
// "*": anything, because what counts is what the host and the next box look like afterwards.
struct attack_row {
    const char *name, *expected;
};

// A plan for attacks: the canary writable at /testbed and read-only at /canary, small limits,
// 30 s of wall time that no attack may use up.
void attack_plan_init(struct boxes_plan *plan, const char *script);

// The payload's lines are the rows, in order, each with an expected word: prints and counts those
// that are not.
unsigned attack_count_wrong(
        const struct assay_box_result *result, const struct attack_row *rows, size_t count);
// Run it; all rows are right and it exits 0.
void attack_run(const char *script, const struct attack_row *rows, size_t count);
#define ATTACK_RUN(script, rows) attack_run(script, rows, sizeof(rows) / sizeof((rows)[0]))

// A box that runs beside others, in a thread, until it is let go.
struct attack_beside; // opaque
// Waits until its output has the line "ready".
struct attack_beside *attack_beside_start(const char *script);
// What it printed so far is in the result; the caller releases it.
void attack_beside_stop(struct attack_beside *beside, struct assay_box_result *result);

#endif
