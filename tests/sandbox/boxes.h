// SPDX-License-Identifier: MIT
// boxes.h - what the tests that run boxes share: one sandbox a program, a plan that sees payloads.
#ifndef ASSAY_TESTS_SANDBOX_BOXES_H
#define ASSAY_TESTS_SANDBOX_BOXES_H

#include <limits.h>
#include <stdbool.h>

#include "sandbox/box.h"
#include "sandbox/probe.h"
#include "support/harness.h"

// The program under test, and this test's options ($ASSAY_TEST_HIDE_CGROUPS, $ASSAY_TEST_TIER).
void boxes_options(struct assay_sandbox_options *options);
// Group set-up and tear-down: a sandbox in boxes_sandbox, and a folder of the store's in
// boxes_folder. 77 from boxes_main() where the host gives no tier A.
extern struct assay_sandbox *boxes_sandbox;
extern char boxes_folder[PATH_MAX];
int boxes_main(const char *name, const struct CMUnitTest *tests, size_t count);

// A plan: host's /usr, payloads at /payloads, small limits. argv is a shell's `script`.
struct boxes_plan {
    struct assay_box_plan plan;
    struct assay_mount mounts[8];
    const char *payload_lowers[1];
    const char *argv[4];
};
void boxes_plan_init(struct boxes_plan *out, const char *script);
struct assay_mount *boxes_add_mount(struct boxes_plan *plan, enum assay_mount_kind kind,
        const char *target, const char *const *lowers, size_t lower_count);

// Run it; fails the test when it cannot be run at all.
void boxes_run(struct assay_box_result *result, const struct boxes_plan *plan);
// Run `script` and give its output (owned by the result).
void boxes_script(struct assay_box_result *result, const char *script);

// Fails the test, printing the result, unless the box ended so.
void boxes_assert(const struct assay_box_result *result, enum assay_box_cause cause, int exit_code);
void boxes_assert_text(
        const struct assay_box_result *result, const char *text); // the output, whole
void boxes_assert_has(const struct assay_box_result *result, const char *text);

// Files below boxes_folder, owned by the store: "dir/", "file" with content.
void boxes_file(char path[PATH_MAX], const char *name, const char *content);
void boxes_directory(char path[PATH_MAX], const char *name);
void boxes_give(const char *path); // to the store's uid
// Content of a file of the host; "" when there is none.
void boxes_read(char *text, size_t size, const char *path);

// Live processes and control groups that boxes of these spawners made. What waits in the pool of
// a living spawner is no box.
void boxes_note_spawner(pid_t pid);
void boxes_forget_spawner(pid_t pid);
unsigned boxes_count_processes(void);
void boxes_describe_processes(void); // on stderr, for a test that is about to fail
unsigned boxes_count_groups(void);
// Entries of "/proc/PID/fd", the two dots too; 0 where it is not ours to look at.
unsigned boxes_count_fds(const char *path);
// SIGKILL for the spawner's children of this name: "assay-init", "assay-ready" (waits for a
// request), "assay-forge"; how many there were.
unsigned boxes_kill_children(const char *name);
unsigned boxes_count_children(const char *name);
// Until as many wait for a request as may.
void boxes_wait_for_the_pool(void);

#endif
