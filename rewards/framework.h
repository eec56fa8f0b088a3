// SPDX-License-Identifier: MIT
// framework.h - the table of test frameworks: how each is asked to report, and how its report is
// read.
//
// A row adds trusted files (mounted read-only at /assay), environment and
// arguments to the suite's own test command, so that the framework reports on
// a private descriptor (ASSAY_REPORT_FD) or into the private directory
// (ASSAY_OUT_DIR), and reads back what came. Pure: no I/O, no clock, no randomness.
#ifndef ASSAY_REWARDS_FRAMEWORK_H
#define ASSAY_REWARDS_FRAMEWORK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "tasks/instance.h"
#include "tasks/outcome.h"

struct assay_canary_plan; // rewards/canary.h
struct assay_canary_bed;  // rewards/canary_plant.h, internal

#define ASSAY_TRUSTED_DIR "/assay" // read-only in the box
#define ASSAY_OUT_DIR "/run/assay" // private tmpfs, read after death
#define ASSAY_REPORT_FD 3          // the payload's end of the report pipe

// A file of assay's own that the box sees below ASSAY_TRUSTED_DIR.
struct assay_trusted_file {
    const char *path; // "python/assay_pytest.py", "bin/ctest"
    const char *content;
    bool executable;
};
// All of them, for every framework: one directory serves all boxes.
const struct assay_trusted_file *assay_trusted_files(size_t *count);

// What one run of the tests left behind. Everything is untrusted but the first block.
struct assay_evidence {
    // From box init and the spawner.
    enum assay_cause
            box_cause; // OK: exited 0; TESTS_FAILED: exited non-zero; else the limit, signal, ...
    int exit_code;     // when exited
    // From the payload.
    struct assay_bytes log; // stdout and stderr, maybe with its middle left out
    bool log_truncated;
    struct assay_bytes report; // the report pipe
    const struct assay_out_file {
        const char *name; // relative to ASSAY_OUT_DIR
        struct assay_bytes content;
    } * files;
    size_t file_count;
    // What was planted in the run, from our own records; NULL: nothing.
    const struct assay_canary_plan *canaries;
};

// What a reader made of it. Both outcomes are finished (sorted). What a hostile
// run can write is never an error of read(): it is a problem here.
struct assay_reading {
    struct assay_outcome channel; // from the private channel; empty when the framework has none
    struct assay_outcome
            log;         // from the log; results whose line could mean another test are left out
    bool has_channel;    // the channel was written at all
    bool begun, ended;   // the channel's own first and last record came
    bool interrupted;    // the framework said that it stopped early
    bool none_collected; // the framework found no test to run
    bool build_failed;   // the log shows a failed build
    bool failed;         // some test failed in a way that the framework's exit status must show
    bool failed_outside; // so did something that is no test (bad plan, coverage below its bound)
    bool exit_blind;     // this runner may exit 0 though tests failed
    bool gives_score;    // the tests write a score themselves
    bool has_score;      // and have: `score`, finite
    double score;
    int exit_expected;             // exit status that the channel's last record names; -1: none
    struct assay_strings problems; // malformed records, contradictions inside the channel
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which tables read
struct assay_framework {
    const char *name;
    const char *about;                 // one line for `assay suite show` and the docs table
    enum assay_evidence_kind evidence; // with its channel present
    bool channel_required;             // no channel, no positive evidence
    bool clock_blind; // its programs ask the kernel for the time: a preloaded library is not asked
    const char *const *env; // "NAME=value"; PATH and PYTHONPATH are put before the recipe's
    // Names to read from ASSAY_OUT_DIR after death, "*.xml" for every such file; NULL-terminated.
    const char *const *out_files;
    // argv of the suite -> argv to run; NULL: unchanged. All in the arena.
    enum assay_status (*command)(const struct assay_strings *argv, struct assay_strings *out,
            struct assay_arena *arena, struct assay_error *err);
    // argv as `command` made it -> the command of a zygote (sandbox/zygote.h) from which it can be
    // run in `workdir`; none: an empty list. NULL: the framework has no zygote. All in the arena.
    enum assay_status (*warm)(const struct assay_strings *argv, const char *workdir,
            struct assay_strings *out, struct assay_arena *arena, struct assay_error *err);
    // Does this argv lead to a channel? NULL: every argv does. Where it does not, evidence is
    // weak and comes from the log, whatever channel_required says.
    bool (*channel_applies)(const struct assay_strings *argv);
    // For certification (orchestrator/certify.h). argv of the suite -> one that runs the same tests
    // in another order: "reverse", or by a seed in digits; ASSAY_ORDER says the same in the
    // environment. *possible false: this argv has but one order. NULL: no argv has another.
    enum assay_status (*reorder)(const struct assay_strings *argv, const char *order,
            struct assay_strings *out, bool *possible, struct assay_arena *arena,
            struct assay_error *err);
    // Could its reader report a test of this id? NULL: of every one.
    bool (*emits)(const char *id);
    enum assay_status (*read)(const struct assay_evidence *evidence, struct assay_reading *out,
            struct assay_arena *arena, struct assay_error *err);
    // The field's parser of such logs (logs.h); NULL: it has none. Where `read` is NULL it is what
    // reads them, and "" means the one that the instance names.
    const char *log_parser;
    void (*plant)(struct assay_canary_bed *bed); // draws its canaries; NULL: it can have none
    // What is tested can write the channel: without a canary, evidence is weak.
    bool canaries_needed;
};

// What the row makes of evidence, by its reader or by its log parser.
ASSAY_MUST_USE enum assay_status assay_framework_read(const struct assay_framework *framework,
        const struct assay_instance *instance, const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err);

const struct assay_framework *assay_framework_find(const char *name); // NULL: none
const struct assay_framework *assay_framework_table(size_t *count);
bool assay_framework_known(const char *name);

#endif
