// SPDX-License-Identifier: MIT
// certify_parts.h - a certification in its parts: what is run, what came out, what it says.
// Internal to certify*.c.
#ifndef ASSAY_ORCHESTRATOR_CERTIFY_PARTS_H
#define ASSAY_ORCHESTRATOR_CERTIFY_PARTS_H

#include "base/buf.h"
#include "orchestrator/certify.h"
#include "orchestrator/grade.h"
#include "rewards/defects.h"

// A test with another expected value, which the run came by (rewards/canary.h).
struct assay_cell_copy {
    const char *of, *says; // the test; the changed line
    bool passed;           // as the test did: it asks for nothing there
};

// One run of one check, boiled down; texts are in the certification's arena.
struct assay_cell {
    bool done, scored, resolved;
    const char
            *vector; // a letter for each expected test, FAIL_TO_PASS first; see assay_cell_letter()
    const char *reason;
    enum assay_defect hint;        // what the log of a failure speaks of
    const char *cut_id, *whole_id; // an expected id that a longer one was reported for; or NULL
    const struct assay_cell_copy *copies; // GOLD
    size_t copy_count;
    bool shifted; // CLOCK: the preloaded clock reached a program of the box
    uint64_t wall_ms;
};

struct assay_certified {
    const struct assay_instance *instance;
    const char *hash; // of the instance
    struct {
        unsigned runs;    // 0: it cannot be run, or need not be; note says why
        const char *note; // NULL: none
        struct assay_cell *cells;
    } checks[ASSAY_CHECKS];
    size_t left; // runs still to come
};

// --- certify_check.c: what is run ---------------------------------------------------------------

// How often, and why not. `runs`: the command's N. 0 and no note: the check was not asked for.
ASSAY_MUST_USE enum assay_status assay_check_plan(struct assay_certified *item,
        enum assay_check check, const struct assay_suite *suite, unsigned runs,
        struct assay_arena *arena, struct assay_error *err);
// The request of one run, but for suite, instance and names. *variation is filled in; texts may
// point into `room`.
void assay_check_request(struct assay_grade_request *request,
        struct assay_grade_variation *variation, char room[16], enum assay_check check,
        unsigned run);
// Is a run of this check to resolve?
bool assay_check_wants_resolved(enum assay_check check);

// --- certify_cell.c: what came out --------------------------------------------------------------

char assay_cell_letter(enum assay_test_status status);
enum assay_test_status assay_cell_status(char letter);

// Texts go into the scratch arena; assay_cell_read(assay_cell_write()) moves them elsewhere.
ASSAY_MUST_USE enum assay_status assay_cell_fill(struct assay_cell *cell,
        const struct assay_instance *instance, enum assay_check check,
        const struct assay_grade *grade, struct assay_arena *scratch, struct assay_error *err);
void assay_cell_write(struct assay_buf *out, const struct assay_cell *cell);
// ASSAY_EINVAL: the text is no cell of an instance with `test_count` expected tests.
ASSAY_MUST_USE enum assay_status assay_cell_read(struct assay_cell *out, const char *text,
        size_t test_count, struct assay_arena *arena, struct assay_error *err);

// --- certify_judge.c: what it says --------------------------------------------------------------

// The first thing that speaks against the certificate, as "<defect>: <sentence>"; "" when nothing
// does.
void assay_certify_fault(struct assay_buf *out, const struct assay_certified *item);
// The certificate's details: schema in docs/certify.md.
void assay_certify_details(
        struct assay_buf *out, const struct assay_certified *item, unsigned checks, unsigned runs);
// The id of the index-th expected test.
const char *assay_expected_id(const struct assay_instance *instance, size_t index);

#endif
