// SPDX-License-Identifier: MIT
// fixture.h - files in a test's folder, and small things to put into the store.
#ifndef ASSAY_TESTS_TASKS_FIXTURE_H
#define ASSAY_TESTS_TASKS_FIXTURE_H

#include "tasks/store.h"
#include "tests/support/harness.h"
#include "tests/support/temp.h"

// A file below the folder that assay_temp_setup() put into *state, with its folders.
void write_file(void *const *state, const char *path, const char *text);
void write_bytes(void *const *state, const char *path, const char *bytes, size_t len);
void make_folder(void *const *state, const char *path);
// "<folder>/<path>" in one of a few static buffers.
const char *in_dir(void *const *state, const char *path);

struct assay_arena *make_arena(void);

// A suite "demo" with `count` instances "demo__thing-1"...; trees set. The
// caller frees it. `salt` makes the content of two suites differ.
struct assay_suite *make_suite(size_t count, const char *salt);

// A scored verdict; what it points to is static.
void make_verdict(
        struct assay_verdict *verdict, const char *run_id, const char *instance_id, bool resolved);

// Status and message of one call.
void assert_fails(enum assay_status actual, const struct assay_error *err,
        enum assay_status expected, const char *message);

#endif
