// SPDX-License-Identifier: MIT
// sessions.h - what the tests of sessions share.
#ifndef ASSAY_TESTS_SANDBOX_SESSIONS_H
#define ASSAY_TESTS_SANDBOX_SESSIONS_H

#include "sandbox/session.h"
#include "tests/sandbox/boxes.h"

enum kind { PROCESS, SHELL };

// A session of a plan of boxes.h, with room for a slow machine; fails the test when there is none.
struct assay_session *sessions_start(void);
struct assay_session *sessions_start_with(struct boxes_plan *plan);
// Fails the test unless it ended well.
void sessions_stop(struct assay_session *session);

// Run it, with a backstop of 30 s; fails the test when it cannot be run at all.
void sessions_run(enum kind kind, struct assay_session *session,
        const struct assay_command *command, struct assay_command_result *result);
// Fails the test, printing the result, unless the command ended so. output NULL: any.
void sessions_check(const struct assay_command_result *result, const char *line,
        enum assay_box_cause cause, int exit_code, const char *output);
// Both for a line that exits; gives the result's flags.
struct assay_command_result sessions_line(enum kind kind, struct assay_session *session,
        const char *line, int exit_code, const char *output);
// The same for a line that ends otherwise, under these limits (0: none).
struct assay_command_result sessions_line_ends(enum kind kind, struct assay_session *session,
        const char *line, uint64_t wall_ms_max, enum assay_box_cause cause);
// Processes of the box beside the one that looks and a living shell. Must be 0 soon.
void sessions_assert_alone(struct assay_session *session, bool shell_lives);

#endif
