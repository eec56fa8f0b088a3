// SPDX-License-Identifier: MIT
// fixture.h - temporary folders and small things to put into the store.
#ifndef ASSAY_TESTS_TASKS_FIXTURE_H
#define ASSAY_TESTS_TASKS_FIXTURE_H

#include "tasks/store.h"
#include "tests/support/harness.h"

// A fresh folder; both are the test's setup and teardown, *state is its path.
int temp_setup(void **state);
int temp_teardown(void **state);

// `dir`/`path` with its folders; content NULL makes a folder.
void write_file(const char *dir, const char *path, const char *content);
void write_bytes(const char *dir, const char *path, const char *content, size_t len);
// "<dir>/<path>" in one of a few static buffers.
const char *in_dir(const char *dir, const char *path);

struct assay_arena *make_arena(void);

// A suite "demo" with `count` instances "demo__thing-1"...; trees set. The
// caller frees it. `salt` makes the content of two suites differ.
struct assay_suite *make_suite(size_t count, const char *salt);

// A scored verdict in static memory of the calling test's `verdict`.
void make_verdict(
        struct assay_verdict *verdict, const char *run_id, const char *instance_id, bool resolved);

// Status and message of one call.
void assert_fails(enum assay_status actual, const struct assay_error *err,
        enum assay_status expected, const char *message);

#endif
