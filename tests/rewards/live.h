// SPDX-License-Identifier: MIT
// live.h - run a real test tool as a box would: trusted files, report pipe, out directory; no
// isolation.
//
// One live at a time; it owns a temporary directory, in which the command
// runs, and everything that the verdict points to.
#ifndef ASSAY_TESTS_REWARDS_LIVE_H
#define ASSAY_TESTS_REWARDS_LIVE_H

#include <limits.h>
#include <stdbool.h>

#include "base/buf.h"
#include "rewards/canary.h"
#include "rewards/judge.h"

struct live {
    char root[PATH_MAX]; // work/ (the command's directory), assay/, out/
    struct assay_arena *arena;
    struct assay_instance instance;
    struct assay_buf log, report;
    struct assay_evidence evidence;
    struct assay_verdict verdict;
    struct assay_judgement judgement;
    uint64_t canary_seed;              // of the canaries that live_run() plants; 0: none
    struct assay_strings canary_paths; // what the test patch would write
    struct assay_canary_plan canaries;
};

bool live_has(const char *program); // an absolute path that can be run

void live_open(struct live *live, const char *framework);
void live_close(struct live *live);

// Write a file below the work directory, making its directories.
void live_file(const struct live *live, const char *path, const char *content);

// The lists of the instance: ids separated by newlines; "" for none.
void live_expect(struct live *live, const char *fail_to_pass, const char *pass_to_pass);

// $ASSAY_TEST_PYTHON takes the place of /usr/bin/python3, to try other versions of Python and
// pytest. Run the words of `command` (separated by single spaces; "sh -c" takes the rest as one
// word), read what it left, judge it.
void live_run(struct live *live, const char *command);

// Judge again, after a test has changed the evidence.
void live_judge(struct live *live);

// Assert on the verdict; on failure the log, the report and the tamper list are printed.
void live_check(const struct live *live, enum assay_cause cause, bool resolved);
void live_check_status(const struct live *live, const char *id, enum assay_test_status status);
bool live_tamper_has(const struct live *live, const char *part);

#endif
