// SPDX-License-Identifier: MIT
// canary.h - tests of assay's own, planted among a suite's, whose results are known beforehand.
//
// A canary must fail, must pass or must be skipped. Whoever turns failures into
// passes without knowing which is which turns canaries too, and is found out. Each run has its
// own: names are drawn from the words of the suite's tests, and they stand in the suite's own
// files, beside tests that the instance expects. A copy is one of those tests with another
// expected value: nobody can tell it from the real one but by knowing what the code should do.
//
// Pure: the seed is handed in; the plan is stored with the evidence, so that it
// can be judged again. Where nothing can be planted the plan is empty, and evidence is weak.
#ifndef ASSAY_REWARDS_CANARY_H
#define ASSAY_REWARDS_CANARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "tasks/instance.h"
#include "tasks/outcome.h"

#define ASSAY_CANARIES_MAX 32
#define ASSAY_CANARY_FILES_MAX 64
#define ASSAY_CANARY_SCHEMA 1

enum assay_canary_kind {
    ASSAY_CANARY_ASSERT,  // must fail: an assertion that is false
    ASSAY_CANARY_UNEQUAL, // must fail: objects that differ are said to be equal
    ASSAY_CANARY_RAISE,   // must fail: an exception
    ASSAY_CANARY_COPY,    // must fail where `of` passes: that test with another expected value
    ASSAY_CANARY_PASS,
    ASSAY_CANARY_SKIP,
    ASSAY_CANARY_LAST, // must pass, behind all other tests
};
const char *assay_canary_kind_name(enum assay_canary_kind kind); // "assert", ...
bool assay_canary_must_fail(enum assay_canary_kind kind);

struct assay_canary {
    enum assay_canary_kind kind;
    const char *id;   // as the framework's reader reports it
    const char *of;   // COPY: the id of the test; else NULL
    const char *says; // COPY: the line that is another than in the test; may be NULL
    bool deaf;        // COPY: gold passes it as it passes the test, so it speaks against nobody
};

// A file of the tree as the box has to see it.
struct assay_canary_file {
    const char *path;
    struct assay_bytes content;
    bool executable;
};

struct assay_canary_plan {
    uint64_t seed;
    const char *framework;
    const struct assay_canary *items; // all ids differ
    size_t count;
    const struct assay_canary_file *files; // not after assay_canary_plan_read()
    size_t file_count;
    struct assay_strings argv; // the test command; it may have to name canaries; ditto
    // Tests that passed with another expected value, though the gold patch fails them
    // (rewards/counter.h); none where no counter-run was made.
    struct assay_strings unmoved;
    // What a canary of a counter-run gave away, where the gold patch's same run has nothing of the
    // kind; or NULL.
    const char *counter_fault;
    // No test that was to be mended failed in a counter-run, and not each has a copy: the run
    // itself is all that speaks for the patch.
    bool counter_silent;
};

// Where the suite's test files are read.
struct assay_canary_source {
    // `path` as base tree and test patch have it, in the plan's arena. False: no such regular
    // file, or the model may have written it.
    bool (*read)(void *user, const char *path, struct assay_canary_file *out);
    // The same without the test patch; may be NULL.
    bool (*read_base)(void *user, const char *path, struct assay_canary_file *out);
    void *user;
    struct assay_strings paths; // what the test patch writes: places to look for a test's file
    // Files of data beside the tests that those name (rewards/counter_data.h); none is of `paths`.
    struct assay_strings data;
};

// Draw a plan. The same seed, instance and files make the same plan. Everything is in the arena
// or the instance's. An empty plan is no error; the only one is ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_canary_draw(struct assay_canary_plan *out,
        const struct assay_instance *instance, const struct assay_canary_source *source,
        uint64_t seed, struct assay_arena *arena, struct assay_error *err);

// Copies of a run whose originals passed, by their numbers in the plan: bit i is items[i].
#define ASSAY_CANARY_BIT(index) (UINT32_C(1) << (index))
struct assay_copies {
    uint32_t passed, failed;
};

// Gold passes these copies: from now on they speak against nobody. ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_canary_deafen(struct assay_canary_plan *plan,
        uint32_t copies, struct assay_arena *arena, struct assay_error *err);

// One JSON object without files and argv: what is needed to judge. No newline.
//   {"schema":1,"framework":"pytest","seed":"0123456789abcdef",
//    "canaries":[{"kind":"copy","id":"t.py::test_b","of":"t.py::test_a","says":"assert f() == 4"},
//                ...],"unmoved":[]}
// and "counter_fault":"...", "deaf":true, "counter_silent":true where it is so.
void assay_canary_plan_write(struct assay_buf *out, const struct assay_canary_plan *plan);
// The reverse; strings into the arena. ASSAY_EINVAL with the reason.
ASSAY_MUST_USE enum assay_status assay_canary_plan_read(struct assay_canary_plan *out,
        const char *text, size_t len, struct assay_arena *arena, struct assay_error *err);

#endif
