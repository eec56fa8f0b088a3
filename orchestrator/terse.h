// SPDX-License-Identifier: MIT
// terse.h - the dialect of small policies: a message is one call of a tool in a few words, and what
// is shown of it is cut to what matters.
//
//     view ledger.py          the file, its lines numbered
//     edit ledger.py          the lines behind - stand in the file exactly once, and become those
//     -    return 1           behind +
//     +    return 0
//     test                    run_tests
//     submit                  the tree as it is now is judged
//
// What is shown: of a file "1|first line", of tests the last failure ("AssertionError: 4 != 3") and
// unittest's last word ("OK", "FAILED (failures=1)"): nothing of it differs from run to run.
#ifndef ASSAY_ORCHESTRATOR_TERSE_H
#define ASSAY_ORCHESTRATOR_TERSE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "envs/episode.h"

// A message as an action; what is no call becomes one of a tool that there is none of, which an
// episode answers. In the arena. ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_terse_read(struct assay_action *out,
        struct assay_bytes message, struct assay_arena *arena, struct assay_error *err);

// Append what is shown of an observation of `tool` (NULL: none was named), at most bytes_max bytes
// of it and a last line feed.
void assay_terse_show(struct assay_buf *out, const char *tool,
        const struct assay_observation *observation, size_t bytes_max);

// The edit that makes `line` (from 1) of the file another one, with as many lines around it as it
// takes to stand there once.
void assay_terse_edit(struct assay_buf *out, const char *path, struct assay_bytes file, size_t line,
        const char *text);

#endif
